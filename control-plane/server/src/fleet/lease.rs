//! How long a node may act on what it applied.
//!
//! A lease is proof of being up to date: no change is older than [`LEASE_MS`] at a node that acts without it. The node
//! counts from when it sent its request, which is before the read index began, so a change that the read index did not
//! see came after the request. For one that it saw, the history has a time at which it was not committed yet.
//!
//! ```text
//!   read index (began t1) shows r1     read index (began t2) shows r3     ⇒  r2, r3 were committed after t1
//!   ──────────┼──────────r2────r3───────────────┼─────────────▶
//! ```

use hoop_model::Revision;
use std::collections::VecDeque;

/// The longest lease, in milliseconds.
pub(crate) const LEASE_MS: u64 = 15_000;
/// Changes whose times are within this much are kept as one, the older one.
const MERGE_MS: u64 = 10;

/// When the changes of the last [`LEASE_MS`] were committed, at the earliest. Times are CLOCK_BOOTTIME of this machine.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Up to here, changes are older than any lease, or of unknown age.
    floor: Revision,
    /// Oldest first. INVARIANT (`confirm`): each revision was committed after its time.
    recent: VecDeque<(Revision, u64)>,
    /// When the last read index began.
    confirmed: Option<u64>,
}

impl History {
    /// Notes that a read index that began at `began` showed this revision.
    pub(crate) fn confirm(&mut self, began: u64, revision: Revision) {
        if revision > self.newest() {
            match (self.confirmed, self.recent.back_mut()) {
                (None, _) => self.floor = revision,
                (Some(before), Some((newest, at))) if before.saturating_sub(*at) < MERGE_MS => *newest = revision,
                (Some(before), _) => self.recent.push_back((revision, before)),
            }
        }
        self.confirmed = self.confirmed.max(Some(began));
        while let Some(&(revision, at)) = self.recent.front()
            && began.saturating_sub(at) >= LEASE_MS
        {
            self.floor = revision;
            self.recent.pop_front();
        }
    }

    /// Returns the lease, in milliseconds, of a node that applied everything up to `applied`; 0 is none. A node that says
    /// it applied what does not exist gets none.
    pub(crate) fn grant(&self, applied: Revision, now: u64) -> u64 {
        if self.confirmed.is_none() || applied < self.floor || applied > self.newest() {
            return 0;
        }
        match self.recent.iter().find(|(revision, _)| *revision > applied) {
            None => LEASE_MS,
            // Rounded up: both times are whole milliseconds.
            Some((_, at)) => LEASE_MS.saturating_sub(now.saturating_sub(*at).saturating_add(1)),
        }
    }

    /// Returns until when, on the clock of `confirm`, a node that has not applied a revision may act on leases that are yet
    /// to be granted; 0 if it gets none.
    pub(crate) fn last_end_without(&self, revision: Revision) -> u64 {
        if revision <= self.floor {
            return 0;
        }
        let first_missing = self.recent.iter().find(|(newest, _)| *newest >= revision);
        first_missing.map_or(0, |(_, at)| at.saturating_add(LEASE_MS))
    }

    fn newest(&self) -> Revision {
        self.recent.back().map_or(self.floor, |(revision, _)| *revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn r(index: u64) -> Revision {
        Revision { epoch: 1, index }
    }

    #[test]
    fn nothing_is_granted_before_the_first_read_index() {
        assert_eq!(History::default().grant(Revision::default(), 0), 0);
    }

    #[test]
    fn what_was_there_at_the_start_has_no_known_age() {
        let mut history = History::default();
        history.confirm(1_000, r(7));
        assert_eq!(history.grant(r(7), 1_000), LEASE_MS);
        assert_eq!(history.grant(r(6), 1_000), 0);
        assert_eq!(history.grant(Revision::default(), 1_000), 0);
    }

    #[test]
    fn the_age_of_the_oldest_missing_change_is_taken_off() {
        let mut history = History::default();
        history.confirm(1_000, r(1));
        history.confirm(2_000, r(2));
        history.confirm(5_000, r(3));
        assert_eq!(history.grant(r(3), 6_000), LEASE_MS);
        assert_eq!(history.grant(r(2), 6_000), LEASE_MS - 4_001, "r3 was committed after 2,000");
        assert_eq!(history.grant(r(1), 6_000), LEASE_MS - 5_001, "r2 was committed after 1,000");
        assert_eq!(history.grant(r(1), 15_999), 0, "it is 15 s old");
        assert_eq!(history.grant(r(1), 15_998), 1);
    }

    #[test]
    fn whoever_lacks_a_revision_acts_no_longer_than_a_lease_from_before_it() {
        let mut history = History::default();
        history.confirm(1_000, r(1));
        history.confirm(2_000, r(3));
        assert_eq!(history.last_end_without(r(1)), 0, "it was there at the start");
        assert_eq!(history.last_end_without(r(2)), 1_000 + LEASE_MS);
        assert_eq!(history.last_end_without(r(3)), 1_000 + LEASE_MS);
        for now in (2_000..17_000).step_by(500) {
            let end = now + history.grant(r(2), now);
            assert!(end <= history.last_end_without(r(3)).max(now), "{now}");
        }
        history.confirm(20_000, r(3));
        assert_eq!(history.last_end_without(r(3)), 0, "nobody who lacks it gets a lease");
    }

    #[test]
    fn a_revision_from_the_future_earns_nothing() {
        let mut history = History::default();
        history.confirm(1_000, r(1));
        assert_eq!(history.grant(r(2), 1_000), 0);
        assert_eq!(history.grant(Revision { epoch: 2, index: 0 }, 1_000), 0);
    }

    #[test]
    fn the_history_is_bounded_and_forgets_towards_refusal() {
        let mut history = History::default();
        for index in 1..100_000 {
            history.confirm(index, r(index));
        }
        assert!(history.recent.len() <= (LEASE_MS / MERGE_MS) as usize + 1, "{}", history.recent.len());
        assert_eq!(history.grant(r(99_999), 100_000), LEASE_MS);
        assert_eq!(history.grant(r(80_000), 100_000), 0);
    }

    /// The rule itself, over every schedule of commits and read indexes in a small world.
    #[test]
    fn no_change_is_missing_for_longer_than_a_lease_at_a_node_that_acts() {
        let (mut granted, mut refused) = (0, 0);
        for schedule in 0..4_u32.pow(7) {
            // Each step of 2.5 s: nothing, a commit, a read index, or a commit and then a read index.
            let mut history = History::default();
            let mut commits: Vec<u64> = Vec::new();
            for step in 0..7_u32 {
                let now = u64::from(step) * 2_500;
                let event = schedule / 4_u32.pow(step) % 4;
                if event & 1 == 1 {
                    commits.push(now);
                }
                if event & 2 == 0 {
                    continue;
                }
                history.confirm(now, r(commits.len() as u64));
                for applied in 0..=commits.len() {
                    let lease = history.grant(r(applied as u64), now);
                    let fenced = commits.get(applied).map(|at| at + LEASE_MS);
                    assert!(lease == 0 || fenced.is_none_or(|fenced| now + lease <= fenced), "{schedule} {step}");
                    *(if lease == 0 { &mut refused } else { &mut granted }) += 1;
                }
            }
        }
        assert!(granted > 10_000 && refused > 10_000, "{granted} granted, {refused} refused");
    }
}
