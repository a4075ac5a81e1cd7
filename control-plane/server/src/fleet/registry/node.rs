//! What is known of one node: its process, what that acknowledged, and how long it has authority.

use super::Speaking;
use crate::approvals::Kept;
use crate::fleet::job::Asked;
use crate::fleet::receipts::Receipts;
use hoop_model::{Incarnation, Revision, Uid, UnixMillis};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long after its lease a node may take until whatever is streamed has ended: it looks once a second, and gives what
/// it cuts a moment to end by itself.
pub(super) const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// What is known of one node.
#[derive(Default)]
pub(crate) struct Tracked {
    /// The one stream that speaks for the node.
    pub(super) stream: Option<Speaking>,
    /// The process that attached last.
    pub(super) process: Option<Process>,
    /// When the last lease of any earlier process ends, at the latest.
    earlier_leases_end: Option<Instant>,
    /// What its process judges by, as far as it said.
    pub(crate) applied: Revision,
    /// What it could not apply, and why.
    pub(crate) cannot_apply: Option<(Revision, String)>,
    /// Its last lease, in milliseconds.
    pub(crate) granted_ms: u64,
    /// When that was, in log time.
    pub(crate) renewed: UnixMillis,
}

/// A process of a node, which may attach several times.
pub(super) struct Process {
    pub(super) incarnation: Incarnation,
    /// When it was heard of for the last time.
    pub(super) heard: Instant,
    pub(super) kept: Arc<Kept>,
    /// What it had applied when it said Hello for the first time.
    came_with: Revision,
    /// When its last lease ends, at the latest.
    pub(super) leases_end: Option<Instant>,
    /// Of its program.
    pub(super) version: String,
    pub(super) draining: bool,
    /// How far its clock is ahead, at least, or behind, in milliseconds; 0 if it is not known to be off.
    pub(super) clock_ahead_ms: i64,
    pub(super) receipts: Receipts,
}

/// How a revision stands with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The node gave its receipt.
    Acknowledged,
    /// It has had no authority since then.
    Fenced(Instant),
    /// It has none from then on, unless it gives its receipt before.
    FenceRunning(Instant),
    /// It judges by the revision and gave no receipt.
    Unbounded,
}

/// What fences a node that lacks a revision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fence {
    pub(super) now: Instant,
    pub(super) unknown_leases_end: Instant,
    /// `None` if none can be granted any more.
    pub(super) later_leases_end: Option<Instant>,
    /// How much longer nodes may serve reads.
    pub(super) stale: Duration,
}

impl Fence {
    /// Returns when it was looked at.
    pub(crate) const fn now(&self) -> Instant {
        self.now
    }
}

impl Standing {
    /// Returns whether the revision is in effect: nothing goes on that it revokes.
    pub(crate) const fn is_in_effect(self) -> bool {
        match self {
            Self::Acknowledged | Self::Fenced(_) => true,
            Self::FenceRunning(_) | Self::Unbounded => false,
        }
    }
}

impl Tracked {
    /// Returns whether it is attached.
    pub(crate) const fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    /// Makes this process the node's, and returns what it keeps.
    pub(super) fn process_of(&mut self, incarnation: Incarnation, applied: Revision) -> Arc<Kept> {
        let now = Instant::now();
        let process = match self.process.take() {
            Some(known) if known.incarnation == incarnation => Process { heard: now, ..known },
            earlier => {
                // The earlier process may go on for as long as it was allowed to.
                self.earlier_leases_end = self.earlier_leases_end.max(earlier.and_then(|earlier| earlier.leases_end));
                let (kept, receipts) = (Arc::default(), Receipts::default());
                Process {
                    incarnation,
                    heard: now,
                    kept,
                    came_with: applied,
                    leases_end: None,
                    version: String::new(),
                    draining: false,
                    clock_ahead_ms: 0,
                    receipts,
                }
            }
        };
        let kept = Arc::clone(&process.kept);
        self.process = Some(process);
        kept
    }

    /// Returns how long its process may act yet, at most, if what it does goes on for `stale` after its lease.
    pub(crate) fn authority_left(&self, stale: Duration) -> Duration {
        let end = self.process.as_ref().and_then(|process| process.leases_end);
        end.map_or(Duration::ZERO, |end| (end + stale).saturating_duration_since(Instant::now()))
    }

    /// Returns whether its process said that it stops.
    pub(crate) fn is_draining(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.draining)
    }

    /// Returns how far its clock is ahead of this node's, at least, or behind, in milliseconds; 0 if it is not known to be off.
    pub(crate) fn clock_ahead_ms(&self) -> i64 {
        self.process.as_ref().map_or(0, |process| process.clock_ahead_ms)
    }

    /// Returns the version of its program; empty before it said.
    pub(crate) fn version(&self) -> &str {
        self.process.as_ref().map_or("", |process| &process.version)
    }

    /// Says how a revision stands with this node.
    pub(crate) fn standing(&self, revision: Revision, fence: &Fence) -> Standing {
        let earlier = self.earlier_leases_end.map(|end| end + fence.stale + ENDS_WITHIN).filter(|end| *end > fence.now);
        let has_receipt = self.process.as_ref().is_some_and(|process| process.receipts.has(revision));
        match (has_receipt, earlier) {
            (true, None) => Standing::Acknowledged,
            (true, Some(end)) => Standing::FenceRunning(end),
            (false, _) if self.is_connected() && self.applied >= revision => Standing::Unbounded,
            (false, _) => {
                let end = self.fenced_at(fence);
                if end <= fence.now { Standing::Fenced(end) } else { Standing::FenceRunning(end) }
            }
        }
    }

    /// Returns when the last of its authority has ended, at the latest.
    pub(crate) fn fenced_at(&self, fence: &Fence) -> Instant {
        let own = self.process.as_ref().and_then(|process| process.leases_end);
        // What an earlier control plane granted to whomever is not known.
        let known = own.max(self.earlier_leases_end).max(fence.later_leases_end);
        let end = fence.unknown_leases_end.max(known.unwrap_or(fence.unknown_leases_end));
        end + fence.stale + ENDS_WITHIN
    }

    /// Returns how many sessions of an identity were closed at a revision or later, unless the node's process had the
    /// revision already when it came.
    pub(crate) fn closed(&self, identity: Uid, revision: Revision) -> Option<u64> {
        let process = self.process.as_ref().filter(|process| process.came_with < revision)?;
        Some(process.receipts.closed(identity, revision))
    }

    pub(super) fn questions(&self) -> Option<mpsc::Sender<Asked>> {
        self.stream.as_ref().map(|speaking| speaking.questions.clone())
    }
}
