//! How fast this proposer lets log time run, so that a clock that jumps does not take grants and tokens with it.

use hoop_model::UnixMillis;
use std::time::{Duration, Instant};

/// How far the clock may be ahead of the monotonic one before the rest of a jump waits.
const SLACK: Duration = Duration::from_secs(1);

/// Stamps proposals. The first stamp of a process takes the clock as it is; from there each is at most the elapsed
/// monotonic time + 1 s later than the one it counts from, and that second is given again only once it has passed.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    from: Option<(UnixMillis, Instant)>,
}

impl Pace {
    /// Returns the time to propose when the clock says `clock` at the instant `at`.
    pub(crate) fn stamp(&mut self, clock: UnixMillis, at: Instant) -> UnixMillis {
        let Some((from, since)) = self.from else {
            self.from = Some((clock, at));
            return clock;
        };
        let elapsed = at.saturating_duration_since(since);
        let latest = from.after(elapsed).after(elapsed.min(SLACK));
        let stamp = clock.min(latest);
        if elapsed >= SLACK {
            self.from = Some((stamp.max(from), at));
        }
        stamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_ahead_moves_log_time_at_most_twice_as_fast_as_time_passes() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut pace = Pace::default();
        assert_eq!(pace.stamp(UnixMillis(1_000_000), start), UnixMillis(1_000_000));
        let jumped = UnixMillis(90_000_000);
        let mut last = 1_000_000;
        for millis in (1..10_000).step_by(7) {
            let stamp = pace.stamp(jumped, after(millis)).0;
            assert!(stamp >= last && stamp <= 1_000_000 + 2 * millis, "{stamp} after {millis} ms");
            last = stamp;
        }
        assert!(last > 1_000_000 + 15_000, "a true clock is caught up with");
    }

    #[test]
    fn a_steady_clock_is_taken_as_it_is() {
        let start = Instant::now();
        let mut pace = Pace::default();
        for millis in (0..20_000).step_by(137) {
            let clock = UnixMillis(5_000 + millis);
            assert_eq!(pace.stamp(clock, start + Duration::from_millis(millis)), clock);
        }
    }

    #[test]
    fn a_clock_that_steps_back_is_proposed_as_it_is() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.stamp(UnixMillis(50_000), start);
        assert_eq!(pace.stamp(UnixMillis(20_000), start + Duration::from_secs(5)), UnixMillis(20_000));
        // It does not win the difference when it steps forward again.
        let forward = pace.stamp(UnixMillis(90_000), start + Duration::from_secs(6));
        assert_eq!(forward, UnixMillis(52_000));
    }
}
