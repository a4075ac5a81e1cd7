//! Who asks what of whom: what a session is for as long as it lasts, and what every refusal must name.

use crate::{Authority, Now, Reach, Standing, judging};
use hoop_audit::{Durability, Named};
use hoop_model::{Code, Intent, Judgement, Refusal, Revision, SessionId, TraceId, UnixMillis, Verdict};
use hoop_policy::{Rules, Subject, VerdictCache};
use std::sync::Arc;

/// What never changes in a session.
#[derive(Debug)]
pub(crate) struct Party {
    pub(crate) session: SessionId,
    pub(crate) subject: Subject,
    pub(crate) identity: Named,
    /// The revision of the identity that was matched.
    pub(crate) identity_revision: Revision,
    pub(crate) connection: Named,
    pub(crate) run: Box<str>,
    /// When the session's token, and the grace after it, are over.
    pub(crate) ends_at: UnixMillis,
    /// What the records of its verdicts must outlive, at least.
    pub(crate) durability: Durability,
}

impl Party {
    /// Judges whether the session may be open.
    pub(crate) fn connect(&self, rules: &Rules, cache: &mut VerdictCache) -> Judgement {
        judging::connect(rules.may_connect(cache, &self.subject, &self.connection.name))
    }

    /// Judges a command of an open session.
    pub(crate) fn command(&self, rules: &Rules, cache: &mut VerdictCache, intent: &Intent) -> Judgement {
        rules.judge(cache, &self.subject, &self.connection.name, intent)
    }

    /// Judges a command that has waited: whether the session may be open, and then the command.
    pub(crate) fn command_anew(&self, rules: &Rules, cache: &mut VerdictCache, intent: &Intent) -> Judgement {
        let connect = self.connect(rules, cache);
        if connect.verdict == Verdict::Allow { self.command(rules, cache, intent) } else { connect }
    }

    /// Returns what authority is lacking to act for this session on a verdict of revision `judged`; `reads` says that the
    /// act is a read that needs no release.
    pub(crate) fn lacks(
        &self,
        judged: Revision,
        reads: bool,
        authority: &Authority<'_>,
        now: Now,
    ) -> Option<(Code, &'static str)> {
        let reaches = match authority.lease.reach(now.boot, authority.stale) {
            Reach::All => true,
            Reach::Reads => reads,
            Reach::Nothing => false,
        };
        if !reaches {
            return Some((Code::LeaseExpired, "this node's authority has run out; another node may have it"));
        }
        if authority.applied < judged {
            return Some((Code::NotReady, "this node's policy is older than the verdict; send the command again"));
        }
        match (authority.standing)(self.identity.uid) {
            Standing::Live(changed) if changed == self.identity_revision => {}
            Standing::Live(_) => return Some((Code::IdentityChanged, "the identity has changed; sign in again")),
            Standing::Suspended => return Some((Code::IdentitySuspended, "the identity is suspended")),
            Standing::Expired => return Some((Code::IdentityExpired, "the identity has expired")),
            Standing::Gone => return Some((Code::IdentityNone, "the identity no longer exists")),
        }
        let over = now.wall >= self.ends_at;
        over.then_some((Code::TokenExpired, "the token has expired; come back with a new one"))
    }
}

/// One request of a session. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    pub(crate) party: Arc<Party>,
    pub(crate) trace: Option<TraceId>,
}

impl Asker {
    /// Refuses for a reason of the gate's own.
    pub(crate) fn refuse(&self, code: Code, message: &str) -> Box<Refusal> {
        self.address(Box::new(Refusal::because(code, message)))
    }

    /// Refuses because there is no record: without evidence nothing happens, and no verdict is told.
    pub(crate) fn unrecorded(&self) -> Box<Refusal> {
        self.refuse(Code::RecorderUnavailable, "the evidence could not be written")
    }

    /// Writes on a refusal whom it concerns.
    pub(crate) fn address(&self, mut refusal: Box<Refusal>) -> Box<Refusal> {
        refusal.identity = Some(self.party.identity.name.clone());
        refusal.connection = Some(self.party.connection.name.clone());
        refusal.trace_id = self.trace;
        refusal
    }
}
