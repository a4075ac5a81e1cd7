//! How much evidence may come: so much of each node, and only while the disk has room to spare. What is turned away stays
//! with its node, comes again by itself, and in the end makes that node refuse commands.

use hoop_model::ResourceName;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What a segment costs at least, in bytes: however small it is, it takes a file, a log entry and a Raft entry.
const LEAST_BYTES: u64 = 4 << 10;
/// The time over which a node's budget is spread.
const HOUR: Duration = Duration::from_secs(3_600);

/// The bounds that a configuration sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvidenceLimits {
    /// How many bytes of the evidence store's file system segments leave free, for the Raft log and the evidence log.
    pub reserve_bytes: u64,
    /// How many bytes one node may ship per hour, and at once after an hour of silence.
    pub node_bytes_per_hour: u64,
    /// How long after the last word of a process its chains count as lost if its node came back without them. Twice the
    /// longest lease is the least that makes sense: until then it may be at work.
    pub lost_after: Duration,
}

impl Default for EvidenceLimits {
    /// 1 GiB, 16 GiB and 30 s.
    fn default() -> Self {
        Self { reserve_bytes: 1 << 30, node_bytes_per_hour: 16 << 30, lost_after: Duration::from_secs(30) }
    }
}

/// Why a segment is not stored now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exceeded {
    /// The disk is as full as segments may make it.
    #[error("the evidence store has {free} bytes free, and {reserve} are kept for the Raft log")]
    Disk {
        /// What is free.
        free: u64,
        /// What must stay free.
        reserve: u64,
    },
    /// The node shipped as much as it may.
    #[error("the node has shipped the {per_hour} bytes that it may ship per hour")]
    Node {
        /// How much that is.
        per_hour: u64,
    },
}

/// What may still come.
pub(super) struct Allowance {
    limits: EvidenceLimits,
    free: fn(&Path) -> io::Result<u64>,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    spent: BTreeMap<ResourceName, Spent>,
    /// Whether the disk was full when it was looked at last.
    is_disk_full: bool,
}

/// What a node has shipped of late.
struct Spent {
    /// In bytes, less what time has given back.
    bytes: u64,
    at: Instant,
    /// Whether its last segment was turned away for that.
    is_over: bool,
}

impl Allowance {
    pub(super) fn new(limits: EvidenceLimits) -> Self {
        Self { limits, free, book: Mutex::default() }
    }

    /// Returns how many bytes the file system has free, if it says so.
    pub(super) fn free(&self, store: &Path) -> Option<u64> {
        (self.free)(store).ok()
    }

    /// Asks whether a node may have so many bytes stored, and counts them if so. Asks the file system.
    ///
    /// # Errors
    /// [`Exceeded`] says why not; an [`io::Error`] if the file system does not answer.
    pub(super) fn spend(&self, node: &ResourceName, bytes: u64, store: &Path) -> io::Result<Result<(), Exceeded>> {
        let EvidenceLimits { reserve_bytes: reserve, node_bytes_per_hour: per_hour, .. } = self.limits;
        let free = (self.free)(store)?;
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = free < reserve.saturating_add(bytes);
        match (std::mem::replace(&mut book.is_disk_full, is_full), is_full) {
            (false, true) => {
                tracing::error!(free, reserve, "the disk is full; no evidence is stored until it has room")
            }
            (true, false) => tracing::info!(free, "the disk has room again; evidence is stored"),
            (false, false) | (true, true) => {}
        }
        if is_full {
            return Ok(Err(Exceeded::Disk { free, reserve }));
        }
        let spent = book.spent.entry(node.clone()).or_insert(Spent { bytes: 0, at: Instant::now(), is_over: false });
        let is_over = !spent.spend(bytes.max(LEAST_BYTES), per_hour);
        match (std::mem::replace(&mut spent.is_over, is_over), is_over) {
            (false, true) => tracing::warn!(%node, per_hour, "a node ships more evidence than it may; it waits"),
            (true, false) => tracing::info!(%node, "a node that shipped too much ships again"),
            (false, false) | (true, true) => {}
        }
        Ok(if is_over { Err(Exceeded::Node { per_hour }) } else { Ok(()) })
    }
}

impl Spent {
    /// Counts bytes, unless that makes more than may be spent.
    fn spend(&mut self, bytes: u64, per_hour: u64) -> bool {
        let now = Instant::now();
        let passed = now.duration_since(self.at).min(HOUR).as_millis();
        let given_back = u128::from(per_hour).saturating_mul(passed) / HOUR.as_millis();
        self.bytes = self.bytes.saturating_sub(u64::try_from(given_back).unwrap_or(u64::MAX));
        self.at = now;
        let sum = self.bytes.saturating_add(bytes);
        // A node whose budget is smaller than one segment still ships one now and then.
        let may = sum <= per_hour || self.bytes == 0;
        if may {
            self.bytes = sum;
        }
        may
    }
}

/// Returns how many bytes somebody who is not root may still use of a path's file system.
fn free(path: &Path) -> io::Result<u64> {
    let directory = std::fs::File::open(path)?;
    let found = rustix::fs::fstatvfs(&directory)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ResourceName {
        ResourceName::parse(text).unwrap()
    }

    fn allowance(per_hour: u64) -> Allowance {
        let limits = EvidenceLimits { reserve_bytes: 1_000, node_bytes_per_hour: per_hour, ..Default::default() };
        Allowance { free: |_| Ok(1 << 40), ..Allowance::new(limits) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_ships_more_than_it_may_waits_and_no_other_does() {
        let allowance = allowance(36_000_000);
        let spend = |node: &str, bytes| allowance.spend(&name(node), bytes, Path::new("/")).unwrap();
        assert_eq!(spend("n1", 30_000_000), Ok(()));
        assert_eq!(spend("n1", 6_000_001), Err(Exceeded::Node { per_hour: 36_000_000 }));
        assert_eq!(spend("n1", 6_000_000), Ok(()), "what was turned away does not count");
        assert_eq!(spend("n1", 10_000), Err(Exceeded::Node { per_hour: 36_000_000 }));
        assert_eq!(spend("n2", 36_000_000), Ok(()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(spend("n1", 10_000), Ok(()), "10 kB come back each second");
        assert!(spend("n1", 1).is_err(), "a segment costs 4 KiB at least");
        tokio::time::advance(Duration::from_secs(1_000_000)).await;
        assert_eq!(spend("n1", 36_000_000), Ok(()), "no more than an hour's comes back");
        assert!(spend("n1", 10_000).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_smaller_than_a_segment_lets_one_through_at_a_time() {
        let allowance = allowance(3_600);
        let spend = |bytes| allowance.spend(&name("n1"), bytes, Path::new("/")).unwrap();
        assert_eq!(spend(7_200), Ok(()));
        assert!(spend(4_096).is_err());
        tokio::time::advance(Duration::from_secs(7_200)).await;
        assert!(spend(4_096).is_err(), "an hour's came back");
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(spend(4_096), Ok(()));
    }

    #[tokio::test]
    async fn what_would_leave_less_than_the_reserve_is_turned_away_and_costs_nobody_anything() {
        let mut allowance = allowance(1 << 30);
        for (free, bytes, outcome) in [
            ((|_| Ok(6_000)) as fn(&Path) -> io::Result<u64>, 5_000, Ok(())),
            (|_| Ok(5_999), 5_000, Err(Exceeded::Disk { free: 5_999, reserve: 1_000 })),
            (|_| Ok(0), 0, Err(Exceeded::Disk { free: 0, reserve: 1_000 })),
        ] {
            allowance.free = free;
            assert_eq!(allowance.spend(&name("n1"), bytes, Path::new("/")).unwrap(), outcome);
        }
        allowance.free = |_| Err(io::ErrorKind::PermissionDenied.into());
        assert!(allowance.spend(&name("n1"), 1, Path::new("/")).is_err());
    }

    #[test]
    fn the_file_system_says_what_is_free() {
        assert!(free(Path::new("/")).unwrap() > 0);
        assert!(free(Path::new("/no-such-directory")).is_err());
    }
}
