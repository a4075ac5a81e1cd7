//! A session: one identity on one connection in one run.

use crate::decided::Pending;
use crate::party::{Asker, Party};
use crate::{Admission, Decided, Permit, judging};
use hoop_audit::{CloseReason, CommandId, CommandVerdict, Entry, Judged, Named, Opening};
use hoop_model::{Intent, Judgement, Revision, SessionId, TraceId, UnixMillis, UnixSeconds, Verdict};
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
    /// The trace of the request that opens it.
    pub trace: Option<TraceId>,
}

/// An open session: the place where commands are submitted.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    subject: Subject,
    identity_revision: Revision,
    party: Arc<Party>,
    ends_at: UnixMillis,
    /// The revision at which `connect` was last allowed.
    connected_at: Revision,
    next: CommandId,
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

    /// Returns the id.
    #[must_use]
    pub const fn id(&self) -> SessionId {
        self.id
    }

    /// Returns when the token, and the grace after it, are over; the shell closes the session then.
    #[must_use]
    pub const fn ends_at(&self) -> UnixMillis {
        self.ends_at
    }

    /// Ends the session; the entry is its last record.
    #[must_use]
    pub fn close(self, reason: CloseReason) -> Entry {
        Entry::Closed(reason)
    }

    fn judge(&mut self, rules: &Rules, cache: &mut VerdictCache, intent: &Intent, now: UnixMillis) -> Judgement {
        if now >= self.ends_at {
            return judging::expired(rules.revision());
        }
        if rules.revision() != self.connected_at {
            let connect = judging::connect(rules.may_connect(cache, &self.subject, &self.party.connection.name));
            if connect.verdict != Verdict::Allow {
                return connect;
            }
            self.connected_at = rules.revision();
        }
        rules.judge(cache, &self.subject, &self.party.connection.name, intent)
    }

    /// Puts a judgement behind its record.
    pub(crate) fn decide(&mut self, intent: Intent, trace: Option<TraceId>, judgement: Judgement) -> Decided {
        let judgement = judging::accountable(judgement);
        let command = self.next;
        self.next = command.next();
        let asker = Asker { party: Arc::clone(&self.party), trace };
        let entry = Entry::Verdict(CommandVerdict {
            command,
            summary: intent.summary,
            effects: intent.effects,
            digest: None,
            trace,
            judged: Judged::from(&judgement),
        });
        let outcome = match judging::objection(&judgement.verdict) {
            Some(refusal) => Err(asker.address(refusal)),
            None => Ok(Permit {
                session: self.id,
                command,
                revision: judgement.revision,
                identity_revision: self.identity_revision,
                ends_at: self.ends_at,
                asker: asker.clone(),
            }),
        };
        Decided::new(Pending { session: self.id, asker, entry, outcome })
    }
}

impl OpenSession {
    fn admit(self, judgement: &Judgement) -> Admission {
        let identity = Named { uid: self.subject.uid, name: self.subject.name.clone() };
        let party = Arc::new(Party { identity: identity.clone(), connection: self.connection.clone() });
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
                let session = Session {
                    id: self.id,
                    subject: self.subject,
                    identity_revision: self.identity_revision,
                    party,
                    ends_at: self.token_expires.to_millis().after(self.grace.min(LONGEST_GRACE)),
                    connected_at: judgement.revision,
                    next: CommandId::FIRST,
                };
                (Entry::Opened(opening), Ok(session))
            }
        };
        Admission::new(Pending { session: self.id, asker, entry, outcome })
    }
}
