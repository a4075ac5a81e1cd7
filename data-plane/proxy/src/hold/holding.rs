//! A held command with its request: what is asked for it, what it is judged on, and how its hold ends.

use super::capture::Captive;
use super::desk::Desk;
use super::wire::{self, ToOpen};
use crate::shard::{self, Shard};
use crate::walk::session::Using;
use crate::walk::token::Caller;
use crate::world::Backend;
use hoop_gate::{Authority, Current, Held, Over, Rejudged, Tell, Waiting};
use hoop_http::Patience;
use hoop_identity::Claim;
use hoop_model::{Refusal, Revision};
use hoop_node::telemetry::spans::Place;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How often a hold looks whether this node and its caller still have authority.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The claims that name who triggered a run: of GitHub's tokens ("Understanding the OIDC token", `actor`) and of
/// GitLab's ("ID token authentication", `user_login`).
const TRIGGERED_BY: [&str; 2] = ["actor", "user_login"];

/// What a held command needs of its request.
pub(crate) struct Holding<'a> {
    pub(crate) shard: &'a Rc<Shard>,
    pub(crate) used: &'a Rc<Using>,
    pub(crate) caller: &'a Caller,
    pub(crate) backend: &'a Arc<Backend>,
    pub(crate) patience: Patience,
    pub(crate) captive: &'a Captive,
    /// Where in its trace the hold is; `None` if nobody wants to know.
    pub(crate) traced: Option<Place>,
}

impl Holding<'_> {
    pub(super) fn desk(&self) -> &Arc<Desk> {
        &self.shard.shared.desk
    }

    /// How long the caller waits: as long as the connection lets it, or less if it says so; who asked to be answered
    /// meanwhile does not wait unless it says for how long.
    pub(super) fn patience(&self) -> Duration {
        let longest = self.backend.spec.hold;
        let unsaid = if self.patience.respond_async { Duration::ZERO } else { longest };
        self.patience.wait.map_or(unsaid, |wait| wait.min(longest))
    }

    pub(super) fn to_open(&self, held: &Held) -> hoop_wire::v1::OpenHoldRequest {
        let named = TRIGGERED_BY.iter().find_map(|claim| match self.caller.claims.claim(claim) {
            Some(Claim::Text(name)) => Some(&**name),
            Some(Claim::Bool(_) | Claim::Integer(_) | Claim::List(_)) | None => None,
        });
        let more = ToOpen {
            selected: self.patience.approval,
            content: hoop_http::reviewed(&self.captive.content, &self.backend.plan),
            owner: &self.caller.identity.owner,
            triggered_by: named.unwrap_or_default(),
            idempotency_key: hoop_node::random(),
            traceparent: self.traced.map(|place| place.write(true)).unwrap_or_default(),
        };
        wire::open(&held.request(), more)
    }

    /// Ends a hold; returns what its caller is told.
    pub(super) async fn over(&self, over: Over) -> Box<Refusal> {
        match over.tell.clone() {
            Tell::Leave(approval) => {
                let refusal = self.end(Over { tell: Tell::Nothing, ..over });
                // The caller comes back at once, perhaps to another node: it shall find the approval unattended.
                self.desk().left(approval).await;
                refusal
            }
            Tell::Nothing | Tell::Void(_) => self.end(over),
        }
    }

    /// Ends a hold without waiting for anything.
    pub(super) fn end(&self, over: Over) -> Box<Refusal> {
        let Over { refusal, entry, tell } = over;
        if let Some(entry) = entry {
            self.shard.note(&entry, self.used.id);
        }
        match tell {
            Tell::Nothing => {}
            Tell::Leave(approval) => self.desk().leave(approval),
            Tell::Void(rejudgement) => self.desk().void(rejudgement),
        }
        tracing::info!(
            session = %self.used.id,
            approval = refusal.approval.map(tracing::field::display),
            code = refusal.code.as_str(),
            "a hold is over"
        );
        refusal
    }

    pub(super) fn rejudge(&self, waiting: Waiting) -> Rejudged {
        let Some(world) = self.shard.shared.world.load_full() else {
            // A world that was there does not go away.
            return Rejudged::Over(waiting.left());
        };
        let now = shard::now();
        let standing = |identity| world.policy.standing(identity, now.wall.to_seconds());
        let lease = **self.shard.shared.lease.load();
        let backend = world.policy.backend(&self.backend.name).filter(|backend| backend.uid == self.backend.uid);
        let current = Current {
            rules: &world.policy.rules,
            cache: &mut self.shard.verdicts.borrow_mut(),
            generation: backend.map(|backend| backend.generation),
            authority: Authority { lease, stale: Duration::ZERO, applied: world.policy.revision, standing: &standing },
        };
        waiting.rejudge(current, now)
    }

    /// The revision that is applied.
    fn applied(&self) -> Revision {
        self.shard.shared.world.load().as_ref().map_or_else(Revision::default, |world| world.policy.revision)
    }

    /// Returns once this node's lease, or the session's token, is over.
    pub(super) async fn authority_is_over(&self) {
        let ends_at = self.used.session.borrow().ends_at();
        loop {
            let now = shard::now();
            let lease = self.shard.shared.lease.load().deadline().0.saturating_sub(now.boot.0);
            let left = lease.min(ends_at.0.saturating_sub(now.wall.0));
            if left == 0 {
                return;
            }
            // A renewal may shorten the lease.
            tokio::time::sleep(Duration::from_millis(left).min(LOOK_EVERY)).await;
        }
    }

    /// Returns once a revision is applied that is newer than this one.
    pub(super) async fn newer(&self, than: Revision) {
        let mut published = self.shard.shared.published.subscribe();
        while self.applied() <= than {
            // INVARIANT: the sender is the node's.
            if published.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
