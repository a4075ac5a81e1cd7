//! Closing sessions: what is over is cut, and closed once nothing of it goes on.

use super::Key;
use super::using::{Held, Over};
use crate::shard::Shard;
use crate::world::World;
use hoop_audit::{CloseReason, Entry};
use hoop_gate::{Reach, Standing};
use hoop_model::{SessionId, UnixMillis};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a session may be unused before it is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Closes what is over: expired, revoked, or unused for long. What such a session is still exchanging is cut, and the
/// session closed by the next sweep. A node without a lease cuts everything: it cannot know who was revoked (I10).
///
/// Returns whether all that is over has ended, and nothing of it is about to begin.
pub(crate) fn sweep(shard: &Shard) -> bool {
    let now = hoop_node::clock::unix_now();
    let world = shard.shared.world.load_full();
    let (lease, boot) = (**shard.shared.lease.load(), crate::shard::now().boot);
    let has_lease = lease.is_live(boot);
    // Whatever goes on in a session where reads go on is a read.
    let goes_on = |held: &Held| {
        let served = |world: &Arc<World>| world.policy.stale(held.key.connection, held.key.generation);
        has_lease || lease.reach(boot, world.as_ref().map_or(Duration::ZERO, served)) != Reach::Nothing
    };
    for held in shard.sessions.borrow().open.values() {
        let over = match reason_to_close(held, world.as_deref(), now) {
            Some(CloseReason::Expired | CloseReason::Revoked) => true,
            Some(
                CloseReason::Finished
                | CloseReason::Idle
                | CloseReason::Draining
                | CloseReason::Unknown
                | CloseReason::Displaced,
            )
            | None => false,
        };
        match (over, goes_on(held)) {
            (true, _) => held.cut(Over::Session),
            (false, false) => held.cut(Over::Authority),
            (false, true) => held.cut_at.set(None),
        }
    }
    close(shard, |held| reason_to_close(held, world.as_deref(), now));
    shard.meter.sessions.set(shard.sessions.borrow().open.len());
    let Some(world) = world else { return false };
    let is_live = |key: &Key| world.policy.standing(key.identity, now.to_seconds()) == Standing::Live(key.changed);
    let is_settled = {
        let sessions = shard.sessions.borrow();
        sessions.open.keys().chain(&sessions.opening).all(is_live)
    };
    if is_settled {
        shard.place.settled(world.policy.revision);
    }
    is_settled
}

/// Closes every session, because the node stops.
pub(crate) fn close_all(shard: &Shard) {
    close(shard, |_| Some(CloseReason::Draining));
}

fn reason_to_close(held: &Held, world: Option<&World>, now: UnixMillis) -> Option<CloseReason> {
    let live = Standing::Live(held.key.changed);
    let standing = world.map(|world| world.policy.standing(held.key.identity, now.to_seconds()));
    if now >= held.session.borrow().ends_at() {
        Some(CloseReason::Expired)
    } else if standing.is_some_and(|standing| standing != live) {
        Some(CloseReason::Revoked)
    } else {
        (held.used.get().elapsed() >= IDLE_TIMEOUT).then_some(CloseReason::Idle)
    }
}

fn close(shard: &Shard, reason: impl Fn(&Held) -> Option<CloseReason>) {
    let mut closing = Vec::new();
    shard.sessions.borrow_mut().open.retain(|_, held| {
        let reason = if Rc::strong_count(held) == 1 { reason(held) } else { None };
        closing.extend(reason.map(|reason| (held.id, held.key.identity, reason)));
        reason.is_none()
    });
    for (id, identity, reason) in closing {
        end(shard, id, reason);
        if reason == CloseReason::Revoked
            && let Some(world) = &*shard.shared.world.load()
        {
            shard.place.closed(world.policy.revision, identity);
        }
    }
}

pub(super) fn end(shard: &Shard, id: SessionId, reason: CloseReason) {
    shard.note(&Entry::Closed(reason), id);
    tracing::info!(session = %id, reason = %reason, "session closed");
}
