//! Who is attached, and what each node acknowledged.

use hoop_model::{ResourceName, Revision, UnixMillis};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// What is known of the nodes that have been attached since the start.
pub(crate) struct Registry {
    nodes: watch::Sender<Nodes>,
}

/// The nodes by name.
#[derive(Default)]
pub(crate) struct Nodes {
    by_name: BTreeMap<ResourceName, Tracked>,
    streams: u64,
}

/// What is known of one node.
#[derive(Default)]
pub(crate) struct Tracked {
    /// The one stream that speaks for the node. Dropping the sender ends it.
    stream: Option<(StreamId, oneshot::Sender<()>)>,
    /// The newest revision it acknowledged.
    pub(crate) applied: Revision,
    /// What it could not apply, and why.
    pub(crate) cannot_apply: Option<(Revision, String)>,
    /// Its last lease, in milliseconds.
    pub(crate) granted_ms: u64,
    /// When that was, in log time.
    pub(crate) renewed: UnixMillis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StreamId(u64);

/// One stream's right to speak for its node; lost as soon as the node attaches anew. Dropping it detaches the node.
pub(crate) struct Seat {
    registry: Arc<Registry>,
    node: ResourceName,
    stream: StreamId,
}

impl Registry {
    /// Knows nobody.
    pub(crate) fn empty() -> Self {
        Self { nodes: watch::Sender::new(Nodes::default()) }
    }

    /// Returns whether any node is attached.
    pub(crate) fn has_connected(&self) -> bool {
        self.nodes.borrow().connected().next().is_some()
    }

    /// Watches the nodes.
    pub(crate) fn watch(&self) -> watch::Receiver<Nodes> {
        self.nodes.subscribe()
    }

    /// Seats the node's newest stream. The receiver resolves when a newer one takes the seat.
    pub(crate) fn seat(self: &Arc<Self>, node: &ResourceName, applied: Revision) -> (Seat, oneshot::Receiver<()>) {
        let (hold, taken) = oneshot::channel();
        let mut stream = StreamId(0);
        self.nodes.send_modify(|nodes| {
            nodes.streams += 1;
            stream = StreamId(nodes.streams);
            let tracked = nodes.by_name.entry(node.clone()).or_default();
            tracked.stream = Some((stream, hold));
            tracked.applied = applied;
            tracked.cannot_apply = None;
        });
        (Seat { registry: Arc::clone(self), node: node.clone(), stream }, taken)
    }
}

impl Nodes {
    /// Returns the nodes that are attached.
    pub(crate) fn connected(&self) -> impl Iterator<Item = &Tracked> {
        self.by_name.values().filter(|node| node.is_connected())
    }

    /// Returns one node, if it has been attached.
    pub(crate) fn node(&self, name: &ResourceName) -> Option<&Tracked> {
        self.by_name.get(name)
    }
}

impl Tracked {
    /// Returns whether it is attached.
    pub(crate) const fn is_connected(&self) -> bool {
        self.stream.is_some()
    }
}

impl Seat {
    /// Notes an acknowledgement. It also answers a failure to apply that revision or an older one.
    pub(crate) fn applied(&self, revision: Revision) {
        self.modify(|node| {
            node.applied = revision;
            node.cannot_apply.take_if(|(failed, _)| *failed <= revision);
        });
    }

    /// Notes that the node cannot apply a revision.
    pub(crate) fn cannot_apply(&self, revision: Revision, reason: String) {
        self.modify(|node| node.cannot_apply = Some((revision, reason)));
    }

    /// Returns whether the node said that it cannot apply what it was sent.
    pub(crate) fn is_stuck(&self) -> bool {
        let nodes = self.registry.nodes.borrow();
        nodes.node(&self.node).is_none_or(|node| !self.speaks_for(node) || node.cannot_apply.is_some())
    }

    /// Notes a lease.
    pub(crate) fn granted(&self, granted_ms: u64, log_time: UnixMillis) {
        self.modify(|node| {
            node.granted_ms = granted_ms;
            node.renewed = log_time;
        });
    }

    fn speaks_for(&self, node: &Tracked) -> bool {
        node.stream.as_ref().is_some_and(|(stream, _)| *stream == self.stream)
    }

    fn modify(&self, change: impl FnOnce(&mut Tracked)) {
        self.registry.nodes.send_if_modified(|nodes| {
            let own = nodes.by_name.get_mut(&self.node).filter(|node| self.speaks_for(node));
            own.map(change).is_some()
        });
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.modify(|node| node.stream = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stream_of_a_node_wins() {
        let registry = Arc::new(Registry::empty());
        let name = ResourceName::parse("n1").unwrap();
        let at = |index| Revision { epoch: 1, index };
        let applied = || registry.nodes.borrow().node(&name).unwrap().applied;

        let (old, mut old_taken) = registry.seat(&name, at(1));
        assert!(old_taken.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Empty));
        let (new, mut new_taken) = registry.seat(&name, at(2));
        assert_eq!(old_taken.try_recv(), Err(oneshot::error::TryRecvError::Closed));

        old.applied(at(9));
        assert_eq!(applied(), at(2), "an old stream says nothing about the node any more");
        assert!(old.is_stuck(), "and gets no lease");
        drop(old);
        assert!(registry.has_connected(), "and its end does not detach the node");
        assert_eq!(new_taken.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        new.applied(at(3));
        assert_eq!(applied(), at(3));
        drop(new);
        assert!(!registry.has_connected());
    }

    #[test]
    fn a_node_stays_stuck_until_it_applies_what_it_could_not() {
        let registry = Arc::new(Registry::empty());
        let at = |index| Revision { epoch: 1, index };
        let (seat, _taken) = registry.seat(&ResourceName::parse("n1").unwrap(), at(1));
        assert!(!seat.is_stuck());
        seat.cannot_apply(at(5), "no".into());
        seat.applied(at(4));
        assert!(seat.is_stuck());
        seat.applied(at(5));
        assert!(!seat.is_stuck());
    }
}
