//! Who is attached, and what each node acknowledged.

mod node;

pub(crate) use node::{Fence, Standing, Tracked};

use super::contents::Past;
use super::job::{self, Asked, MAX_QUEUED, NoAnswer, Questions};
use super::lease::LEASE_MS;
use super::receipts::ClosedSessions;
use crate::approvals::Kept;
use hoop_model::{Holder, Incarnation, ResourceName, Revision, UnixMillis};
use hoop_wire::v1::job_result;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

/// How long after the last sign of life a process is taken to be gone: twice the longest lease, so that whatever it was
/// allowed to do it has done.
const GONE_AFTER: Duration = Duration::from_millis(2 * LEASE_MS);

/// What is known of the nodes that have been attached since the start.
pub(crate) struct Registry {
    nodes: watch::Sender<Nodes>,
    /// Told when a process says Hello.
    arrivals: Notify,
    past: Past,
    started: Instant,
}

/// The nodes by name.
#[derive(Default)]
pub(crate) struct Nodes {
    by_name: BTreeMap<ResourceName, Tracked>,
    streams: u64,
}

/// A stream that speaks for its node.
struct Speaking {
    id: StreamId,
    /// Dropping it ends the stream.
    _hold: oneshot::Sender<()>,
    questions: mpsc::Sender<Asked>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StreamId(u64);

/// What a seated stream hears.
pub(super) struct Heard {
    /// Resolves when a newer stream takes the seat.
    pub(super) taken: oneshot::Receiver<()>,
    /// Questions for the node.
    pub(super) questions: Questions,
    /// The approvals that the process keeps commands for.
    pub(super) kept: Arc<Kept>,
}

/// One stream's right to speak for its node; lost as soon as the node attaches anew. Dropping it detaches the node.
pub(crate) struct Seat {
    registry: Arc<Registry>,
    node: ResourceName,
    stream: StreamId,
}

impl Registry {
    /// Knows nobody.
    pub(crate) fn empty() -> Self {
        let nodes = watch::Sender::new(Nodes::default());
        Self { nodes, arrivals: Notify::new(), past: Past::default(), started: Instant::now() }
    }

    /// Returns what nodes were sent lately.
    pub(super) const fn past(&self) -> &Past {
        &self.past
    }

    /// Returns when the next process says Hello.
    pub(crate) async fn arrival(&self) {
        self.arrivals.notified().await;
    }

    /// Returns the process that a node's stream is of, if it has one.
    pub(crate) fn process(&self, node: &ResourceName) -> Option<Incarnation> {
        let nodes = self.nodes.borrow();
        let node = nodes.node(node).filter(|node| node.is_connected())?;
        node.process.as_ref().map(|process| process.incarnation)
    }

    /// Returns the approvals that a process keeps commands for, if it is its node's last.
    pub(crate) fn kept(&self, holder: &Holder) -> Option<Arc<Kept>> {
        let nodes = self.nodes.borrow();
        let process = nodes.node(&holder.node)?.process.as_ref()?;
        (process.incarnation == holder.incarnation).then(|| Arc::clone(&process.kept))
    }

    /// Returns whether a process sends nothing any more: its node has another one, or it has had no lease for long.
    pub(crate) fn is_gone(&self, holder: &Holder, now: Instant) -> bool {
        let nodes = self.nodes.borrow();
        let heard = match nodes.node(&holder.node).and_then(|node| node.process.as_ref()) {
            Some(process) if process.incarnation != holder.incarnation => return true,
            Some(process) => process.heard,
            None => self.started,
        };
        now.duration_since(heard) >= GONE_AFTER
    }

    /// Returns whether any node is attached.
    pub(crate) fn has_connected(&self) -> bool {
        self.nodes.borrow().connected().next().is_some()
    }

    /// Returns what fences a node that lacks a revision, if a lease granted from now on could last for another
    /// `leases_without` it, and if reads go on for `stale` after any lease.
    pub(crate) fn fence(&self, leases_without: Duration, stale: Duration) -> Fence {
        let now = Instant::now();
        let lease = Duration::from_millis(LEASE_MS);
        let later_leases_end = (!leases_without.is_zero()).then(|| now + leases_without);
        Fence { now, unknown_leases_end: self.started + lease, later_leases_end, stale }
    }

    /// Watches the nodes.
    pub(crate) fn watch(&self) -> watch::Receiver<Nodes> {
        self.nodes.subscribe()
    }

    /// Returns the names of the nodes that are attached.
    pub(crate) fn attached(&self) -> Vec<ResourceName> {
        let nodes = self.nodes.borrow();
        nodes.by_name.iter().filter(|(_, node)| node.is_connected()).map(|(name, _)| name.clone()).collect()
    }

    /// Asks a node and waits for its answer. `deadline_ms` is what the node is told, in log time; `within` is how long is
    /// waited.
    ///
    /// # Errors
    /// [`NoAnswer`], which says why there is none.
    pub(crate) async fn ask(
        &self,
        node: &ResourceName,
        (kind, payload): (&str, Vec<u8>),
        deadline_ms: u64,
        within: Duration,
    ) -> Result<Vec<u8>, NoAnswer> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { job: job::job(kind, payload, deadline_ms), answer };
        let questions = self.nodes.borrow().node(node).and_then(Tracked::questions).ok_or(NoAnswer::NotAttached)?;
        questions.try_send(asked).map_err(|error| match error {
            TrySendError::Full(_) => NoAnswer::Busy,
            TrySendError::Closed(_) => NoAnswer::NotAttached,
        })?;
        let result = tokio::time::timeout(within, answered).await.map_err(|_| NoAnswer::Late)?;
        let result = result.map_err(|_| NoAnswer::NotAttached)?;
        match result.outcome() {
            job_result::Outcome::Done => Ok(result.payload),
            job_result::Outcome::TooLate => Err(NoAnswer::Late),
            job_result::Outcome::Failed | job_result::Outcome::Unsupported | job_result::Outcome::Unspecified => {
                Err(NoAnswer::Failed)
            }
        }
    }

    /// Seats the node's newest stream.
    pub(super) fn seat(
        self: &Arc<Self>,
        node: &ResourceName,
        incarnation: Incarnation,
        applied: Revision,
    ) -> (Seat, Heard) {
        let mut kept = Arc::default();
        let (hold, taken) = oneshot::channel();
        let (questions, asked) = mpsc::channel(MAX_QUEUED);
        let mut stream = StreamId(0);
        self.nodes.send_modify(|nodes| {
            nodes.streams += 1;
            stream = StreamId(nodes.streams);
            let tracked = nodes.by_name.entry(node.clone()).or_default();
            tracked.stream = Some(Speaking { id: stream, _hold: hold, questions });
            tracked.applied = applied;
            tracked.cannot_apply = None;
            kept = tracked.process_of(incarnation, applied);
        });
        self.arrivals.notify_one();
        let seat = Seat { registry: Arc::clone(self), node: node.clone(), stream };
        (seat, Heard { taken, questions: asked, kept })
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

impl Seat {
    /// Notes a receipt.
    pub(crate) fn receipt(&self, revision: Revision, closed: Vec<ClosedSessions>) {
        self.applied(revision);
        self.modify(|node| {
            if let Some(process) = &mut node.process {
                process.receipts.note(revision, closed);
            }
        });
    }

    /// Notes what the node judges by. It also answers a failure to apply that revision or an older one.
    pub(crate) fn applied(&self, revision: Revision) {
        self.modify(|node| {
            node.applied = revision;
            node.cannot_apply.take_if(|(failed, _)| *failed <= revision);
        });
    }

    /// Notes the version of the program that speaks.
    pub(crate) fn runs(&self, version: String) {
        self.modify(|node| {
            if let Some(process) = &mut node.process {
                process.version = version;
            }
        });
    }

    /// Notes a sign of life, whether the process stops, and how far its clock is off.
    pub(crate) fn heard(&self, draining: bool, clock_ahead_ms: i64) {
        self.modify(|node| {
            if let Some(process) = &mut node.process {
                process.heard = Instant::now();
                process.draining = draining;
                process.clock_ahead_ms = clock_ahead_ms;
            }
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
            // The node counts from when it asked, which was before.
            let end = Instant::now() + Duration::from_millis(granted_ms);
            if let Some(process) = &mut node.process {
                process.leases_end = process.leases_end.max(Some(end));
            }
        });
    }

    fn speaks_for(&self, node: &Tracked) -> bool {
        node.stream.as_ref().is_some_and(|speaking| speaking.id == self.stream)
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
mod tests;
