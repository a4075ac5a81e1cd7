//! How long things take.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds, inclusive, in microseconds: from what a cached verdict takes to what people take.
const BOUNDS: [u64; 20] = [
    50,
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
];
/// The last is for what takes longer than any bound.
const BUCKETS: usize = BOUNDS.len() + 1;

/// Counts durations by how long they are, from 50 µs to 5 min.
#[derive(Debug)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

/// What a histogram counted; sums of several are one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    counts: [u64; BUCKETS],
    nanos: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: array::from_fn(|_| AtomicU64::new(0)), nanos: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, took: Duration) {
        let bucket = BOUNDS.partition_point(|bound| Duration::from_micros(*bound) < took);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Returns what was counted so far.
    #[must_use]
    pub fn read(&self) -> Distribution {
        Distribution {
            counts: array::from_fn(|bucket| self.counts.get(bucket).map_or(0, |count| count.load(Ordering::Relaxed))),
            nanos: self.nanos.load(Ordering::Relaxed),
        }
    }
}

impl Distribution {
    /// Adds what another one counted.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count = count.saturating_add(*more));
        self.nanos = self.nanos.saturating_add(other.nanos);
    }

    /// Returns how many durations there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns their sum, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        Duration::from_nanos(self.nanos).as_secs_f64()
    }

    /// Returns how many there are in each bucket, beside its upper bound in seconds.
    pub(super) fn buckets(&self) -> [(f64, u64); BUCKETS] {
        array::from_fn(|bucket| {
            let bound = BOUNDS.get(bucket).map_or(f64::INFINITY, |bound| Duration::from_micros(*bound).as_secs_f64());
            (bound, self.counts.get(bucket).copied().unwrap_or_default())
        })
    }
}
