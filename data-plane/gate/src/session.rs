//! A session: one identity on one connection in one run.

use crate::decided::Pending;
use crate::party::{Asker, Party};
use crate::{Admission, Decided, Standing, judging};
use hoop_audit::{CloseReason, CommandId, Durability, Entry, Judged, Named, Opening};
use hoop_model::{Intent, Judgement, Revision, SessionId, TraceId, UnixMillis, UnixSeconds, Verdict};
use hoop_policy::mask::MaskPlan;
use hoop_policy::{Rules, Subject, VerdictCache};
use std::sync::Arc;
use std::time::Duration;

/// Longest time a session may outlive its token, whatever the connection says.
pub const LONGEST_GRACE: Duration = Duration::from_secs(3600);

/// What a shell knows of a caller that wants to use a connection.
#[derive(Debug)]
pub struct OpenSession {
    /// Freshly minted; it never named another session.
    pub id: SessionId,
    /// The identity that the token matched, with the token's claims.
    pub subject: Subject,
    /// The `metadata.revision` of that identity's object when it was matched: a changed identity must match again.
    pub identity_revision: Revision,
    /// The connection.
    pub connection: Named,
    /// The run that the token names.
    pub run: Box<str>,
    /// The token's `iss`.
    pub issuer: Box<str>,
    /// The token's `exp`.
    pub token_expires: UnixSeconds,
    /// How long the session may outlive the token; at most [`LONGEST_GRACE`] counts.
    pub grace: Duration,
    /// How durable the records of the session's opening and of its verdicts must be before anything follows from them.
    pub durability: Durability,
    /// The trace of the request that opens it.
    pub trace: Option<TraceId>,
}

/// An open session: the place where commands are submitted.
#[derive(Debug)]
pub struct Session {
    party: Arc<Party>,
    /// The revision at which `connect` was last allowed.
    connected_at: Revision,
    next: CommandId,
    /// What was last found out about what it is shown.
    view: Option<View>,
}

/// What a session is shown of a plan at a revision.
#[derive(Debug)]
struct View {
    revision: Revision,
    of: Arc<MaskPlan>,
    /// `None` where nothing is revealed.
    plan: Option<Arc<MaskPlan>>,
}

impl Session {
    /// Judges whether a session may open. The token must be valid: grace is for sessions that are open already.
    pub fn open(request: OpenSession, rules: &Rules, cache: &mut VerdictCache, now: UnixMillis) -> Admission {
        let judgement = if now >= request.token_expires.to_millis() {
            judging::expired(rules.revision())
        } else {
            judging::connect(rules.may_connect(cache, &request.subject, &request.connection.name))
        };
        request.admit(&judgement)
    }

    /// Judges one command. Total: every input yields a decision, and whatever fails refuses.
    pub fn submit(
        &mut self,
        rules: &Rules,
        cache: &mut VerdictCache,
        intent: Intent,
        trace: Option<TraceId>,
        now: UnixMillis,
    ) -> Decided {
        let judgement = self.judge(rules, cache, &intent, now);
        self.decide(intent, trace, judgement)
    }

    /// Returns the plan by which the session is answered where policy reveals classes to it; `None` where everything is
    /// masked. It is asked once per revision and plan. The shell asks only while the node has a lease.
    pub fn view(
        &mut self,
        rules: &Rules,
        cache: &mut VerdictCache,
        plan: &Arc<MaskPlan>,
        standing: Standing,
    ) -> Option<Arc<MaskPlan>> {
        if standing != Standing::Live(self.party.identity_revision) {
            return None;
        }
        let revision = rules.revision();
        let known = self.view.as_ref().filter(|view| view.revision == revision && Arc::ptr_eq(&view.of, plan));
        if let Some(known) = known {
            return known.plan.clone();
        }
        let shown = rules.view(cache, &self.party.subject, &self.party.connection.name, plan);
        self.view = Some(View { revision, of: Arc::clone(plan), plan: shown.clone() });
        shown
    }

    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.party.session
    }

    /// Returns when the token, and the grace after it, are over; the shell closes the session then.
    #[must_use]
    pub fn ends_at(&self) -> UnixMillis {
        self.party.ends_at
    }

    /// Ends the session; the entry is its last record.
    #[must_use]
    pub fn close(self, reason: CloseReason) -> Entry {
        Entry::Closed(reason)
    }

    fn judge(&mut self, rules: &Rules, cache: &mut VerdictCache, intent: &Intent, now: UnixMillis) -> Judgement {
        if now >= self.party.ends_at {
            return judging::expired(rules.revision());
        }
        if rules.revision() != self.connected_at {
            let connect = self.party.connect(rules, cache);
            if connect.verdict != Verdict::Allow {
                return connect;
            }
            self.connected_at = rules.revision();
        }
        self.party.command(rules, cache, intent)
    }

    /// Puts a judgement behind its record.
    pub(crate) fn decide(&mut self, intent: Intent, trace: Option<TraceId>, judgement: Judgement) -> Decided {
        let command = self.next;
        self.next = command.next();
        let asker = Asker { party: Arc::clone(&self.party), trace };
        Decided::new(asker, command, intent, judging::accountable(judgement))
    }
}

impl OpenSession {
    fn admit(self, judgement: &Judgement) -> Admission {
        let identity = Named { uid: self.subject.uid, name: self.subject.name.clone() };
        let party = Arc::new(Party {
            session: self.id,
            subject: self.subject,
            identity: identity.clone(),
            identity_revision: self.identity_revision,
            connection: self.connection.clone(),
            run: self.run.clone(),
            ends_at: self.token_expires.to_millis().after(self.grace.min(LONGEST_GRACE)),
            durability: self.durability,
        });
        let asker = Asker { party: Arc::clone(&party), trace: self.trace };
        let opening = Opening {
            identity,
            connection: self.connection,
            run: self.run,
            issuer: self.issuer,
            token_expires: self.token_expires,
            trace: self.trace,
            judged: Judged::from(judgement),
        };
        let (entry, outcome) = match judging::objection(&judgement.verdict) {
            Some(refusal) => (Entry::NotOpened(opening), Err(asker.address(refusal))),
            None => {
                let session = Session { party, connected_at: judgement.revision, next: CommandId::FIRST, view: None };
                (Entry::Opened(opening), Ok(session))
            }
        };
        Admission::new(Pending { asker, entry, outcome, durability: self.durability })
    }
}
