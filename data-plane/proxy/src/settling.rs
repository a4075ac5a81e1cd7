//! Which revision every shard has carried out: nothing that it revokes goes on there. What the node's receipts say.

use hoop_model::{Revision, Uid};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Most closings that are remembered; above it the oldest is forgotten.
const MAX_CLOSINGS: usize = 256;

/// What the shards have carried out.
pub(crate) struct Settling {
    state: watch::Sender<Settled>,
}

/// The state of every shard, and what was closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    shards: BTreeMap<u64, Revision>,
    enrolled: u64,
    closed: BTreeMap<(Revision, Uid), u64>,
}

/// One shard's place. Dropping it gives it up: a shard that has ended has nothing that could go on.
pub(crate) struct Place {
    settling: Arc<Settling>,
    number: u64,
}

impl Settling {
    /// Knows no shard.
    pub(crate) fn new() -> Self {
        Self { state: watch::Sender::new(Settled::default()) }
    }

    /// Watches what is settled.
    pub(crate) fn watch(&self) -> watch::Receiver<Settled> {
        self.state.subscribe()
    }
}

impl Place {
    /// Gives a shard its place, before it serves anybody.
    pub(crate) fn take(settling: &Arc<Settling>) -> Self {
        let mut number = 0;
        settling.state.send_modify(|state| {
            state.enrolled += 1;
            number = state.enrolled;
            state.shards.insert(number, Revision::default());
        });
        Self { settling: Arc::clone(settling), number }
    }

    /// Notes that nothing goes on in this shard that a revision revokes.
    pub(crate) fn settled(&self, revision: Revision) {
        self.settling.state.send_if_modified(|state| {
            let before = state.shards.insert(self.number, revision);
            before != Some(revision)
        });
    }

    /// Notes that a session of an identity was closed because it is revoked at a revision.
    pub(crate) fn closed(&self, revision: Revision, identity: Uid) {
        self.settling.state.send_modify(|state| {
            let sessions = state.closed.entry((revision, identity)).or_default();
            *sessions = sessions.saturating_add(1);
            if state.closed.len() > MAX_CLOSINGS {
                state.closed.pop_first();
            }
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.settling.state.send_modify(|state| {
            state.shards.remove(&self.number);
        });
    }
}

impl Settled {
    /// Returns the newest revision that every shard has carried out; zero before the first.
    pub(crate) fn revision(&self) -> Revision {
        self.shards.values().min().copied().unwrap_or_default()
    }

    /// Returns how many sessions of whom were closed at a revision or later, oldest first.
    pub(crate) fn closed_since(&self, since: Revision) -> impl Iterator<Item = (Revision, Uid, u64)> {
        self.closed.range((since, Uid::mint(0))..).map(|((revision, identity), count)| (*revision, *identity, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_shard_has_the_say_and_one_that_ended_has_none() {
        let settling = Arc::new(Settling::new());
        let at = |index| Revision { epoch: 1, index };
        let (one, two) = (Place::take(&settling), Place::take(&settling));
        let settled = || settling.state.borrow().clone();
        one.settled(at(5));
        assert_eq!(settled().revision(), Revision::default());
        two.settled(at(4));
        assert_eq!(settled().revision(), at(4));
        one.closed(at(5), Uid::mint(1));
        two.closed(at(5), Uid::mint(1));
        two.closed(at(4), Uid::mint(2));
        let all: Vec<_> = settled().closed_since(Revision::default()).collect();
        assert_eq!(all, [(at(4), Uid::mint(2), 1), (at(5), Uid::mint(1), 2)]);
        assert_eq!(settled().closed_since(at(5)).count(), 1);
        drop(two);
        assert_eq!(settled().revision(), at(5));
        for index in 0..1_000 {
            one.closed(at(index), Uid::mint(3));
        }
        assert_eq!(settled().closed.len(), MAX_CLOSINGS);
    }
}
