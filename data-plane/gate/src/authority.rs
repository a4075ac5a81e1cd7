//! What a node needs beside a verdict: proof that its snapshot is up to date.

use hoop_model::spec::LONGEST_STALE;
use hoop_model::{Revision, Uid, UnixMillis};
use std::fmt;
use std::time::Duration;

/// Longest lease a node accepts, whatever it is granted.
pub const LONGEST_GRANT: Duration = Duration::from_secs(15);

/// Milliseconds since the machine started, suspended time included (`CLOCK_BOOTTIME`, clock_gettime(2)).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootMillis(pub u64);

impl BootMillis {
    /// Returns the point `span` later, at most the end of time; fractions of a millisecond are dropped.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Debug for BootMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "boot+{}ms", self.0)
    }
}

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// What leases are measured by: it neither stops nor is set.
    pub boot: BootMillis,
    /// What tokens are measured by.
    pub wall: UnixMillis,
}

/// A node's renewable authority to act on its snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// When the renewal was sent that has the say; `None` before the first.
    sent: Option<BootMillis>,
    /// `None` as long as nothing was granted: nothing follows from a lease that never was.
    end: Option<BootMillis>,
}

impl Lease {
    /// No authority: what a node has before its first renewal.
    pub const NONE: Self = Self { sent: None, end: None };

    /// Takes the answer to a renewal. The grant counts from when the renewal was *sent*, so the time that the answer
    /// took is lost to the node, never to the cluster. A grant of zero is no lease: it ends the one there is, and puts off
    /// no end that is past.
    ///
    /// The renewal sent last has the say, also if it grants less: answers that overtake each other neither shorten
    /// nor lengthen a lease. Of two answers to one renewal the shorter counts.
    #[must_use]
    pub fn renewed(self, sent: BootMillis, granted: Duration) -> Self {
        let granted = granted.min(LONGEST_GRANT);
        let end = sent.after(granted);
        let end = if granted.is_zero() { self.end.map(|before| before.min(end)) } else { Some(end) };
        match self.sent {
            Some(before) if sent < before => self,
            Some(before) if sent == before => Self { sent: self.sent, end: end.min(self.end) },
            Some(_) | None => Self { sent: Some(sent), end },
        }
    }

    /// Takes up a lease of an earlier process on this machine, which ends or ended at `end`, unless there is another. One
    /// that would last longer than any can is none.
    #[must_use]
    pub fn taken_up(self, end: BootMillis, now: BootMillis) -> Self {
        match self.sent {
            None if end <= now.after(LONGEST_GRANT) => Self { sent: None, end: Some(end) },
            None | Some(_) => self,
        }
    }

    /// Returns whether the node may act: strictly before the deadline.
    #[must_use]
    pub fn is_live(&self, now: BootMillis) -> bool {
        self.reach(now, Duration::ZERO) == Reach::All
    }

    /// Returns how far the node's authority goes where reads go on for `window` after the lease's end; of a longer window
    /// than [`LONGEST_STALE`] only that counts.
    #[must_use]
    pub fn reach(&self, now: BootMillis, window: Duration) -> Reach {
        match self.end {
            Some(end) if now < end => Reach::All,
            Some(end) if now < end.after(window.min(LONGEST_STALE)) => Reach::Reads,
            Some(_) | None => Reach::Nothing,
        }
    }

    /// Returns when it ends; the beginning of time if there is none.
    #[must_use]
    pub fn deadline(&self) -> BootMillis {
        self.end.unwrap_or(BootMillis(0))
    }
}

/// How far a node's authority goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To whatever the snapshot allows.
    All,
    /// To reads that nobody has to release, by whom the snapshot knows.
    Reads,
    /// Nowhere.
    Nothing,
}

/// What a snapshot says of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may act; the revision is that of the object's last change.
    Live(Revision),
    /// It is suspended.
    Suspended,
    /// Its own expiry has passed.
    Expired,
    /// There is no such identity.
    Gone,
}

/// What the node may act on, at the moment it is about to forward.
#[derive(Clone, Copy)]
pub struct Authority<'a> {
    /// The lease.
    pub lease: Lease,
    /// How long reads go on without it, as the snapshot says of the connection.
    pub stale: Duration,
    /// The revision of the snapshot that is applied.
    pub applied: Revision,
    /// What that snapshot says of an identity.
    pub standing: &'a dyn Fn(Uid) -> Standing,
}

impl fmt::Debug for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("lease", &self.lease).field("applied", &self.applied).finish_non_exhaustive()
    }
}
