//! One ship at a time for each node: its segments come in order, and what it may have in memory here is one of them.

use hoop_model::ResourceName;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedMutexGuard, Semaphore, SemaphorePermit, oneshot};

/// How many segments are being taken at once, of all nodes. The others wait with theirs in memory.
const HANDS: usize = 16;

/// The docks, by node.
pub(super) struct Docks {
    by_node: Mutex<BTreeMap<ResourceName, Dock>>,
    hands: Semaphore,
}

#[derive(Default)]
struct Dock {
    place: Arc<tokio::sync::Mutex<()>>,
    /// Dropping it ends the ship that is there.
    newest: Option<oneshot::Sender<()>>,
}

/// The right to unload. Dropping it lets the next one in.
pub(super) struct Berth {
    _place: OwnedMutexGuard<()>,
    /// Resolves when a newer ship of the node wants in.
    pub(super) wanted: oneshot::Receiver<()>,
}

impl Default for Docks {
    fn default() -> Self {
        Self { by_node: Mutex::default(), hands: Semaphore::new(HANDS) }
    }
}

impl Docks {
    /// Waits until there is a hand for one segment. Dropping it frees it.
    pub(super) async fn hand(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.hands.acquire().await.ok()
    }

    /// Takes a node's dock, once the ship that has it has finished with the segment it is at.
    pub(super) async fn dock(&self, node: &ResourceName) -> Berth {
        let (newest, wanted) = oneshot::channel();
        let place = {
            let mut docks = self.by_node.lock().unwrap_or_else(PoisonError::into_inner);
            let dock = docks.entry(node.clone()).or_default();
            dock.newest = Some(newest);
            Arc::clone(&dock.place)
        };
        Berth { _place: place.lock_owned().await, wanted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_newer_ship_gets_the_dock_when_the_older_leaves_it() {
        let docks = Docks::default();
        let (one, other) = (ResourceName::parse("n1").unwrap(), ResourceName::parse("n2").unwrap());
        let mut old = docks.dock(&one).await;
        assert!((&mut old.wanted).now_or_never().is_none());
        let _elsewhere = docks.dock(&other).await;
        let mut newer = std::pin::pin!(docks.dock(&one));
        assert!(newer.as_mut().now_or_never().is_none(), "two unload at once");
        assert!((&mut old.wanted).now_or_never().is_some(), "the older one is not told");
        drop(old);
        let mut newer = newer.await;
        assert!((&mut newer.wanted).now_or_never().is_none());
    }
}
