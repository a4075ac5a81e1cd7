//! The host's clocks, read by shells and handed to pure code as arguments.

use hoop_model::UnixMillis;
use rustix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads the wall clock.
///
/// A host set to before 1970, or beyond what milliseconds hold, reads as the end of time: everything with an expiry is
/// then expired, so a broken clock opens nothing.
#[must_use]
pub fn unix_now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    UnixMillis(since.and_then(|span| u64::try_from(span.as_millis()).ok()).unwrap_or(u64::MAX))
}

/// Reads `CLOCK_BOOTTIME` in milliseconds: monotonic, and it counts the time a host was suspended (`clock_gettime(2)`),
/// so a lease does not outlive a laptop lid or a paused virtual machine.
#[must_use]
pub fn boot_now_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    // INVARIANT: both parts are non-negative, since this clock starts at 0 at boot. Were they not, the end of time
    // would end every lease.
    match (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec)) {
        (Ok(seconds), Ok(nanos)) => seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000),
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_reads_milliseconds_since_1970() {
        let (y2020, y2200) = (1_577_836_800_000, 7_258_118_400_000);
        assert!((y2020..y2200).contains(&unix_now().0));
    }

    #[test]
    fn the_boot_clock_counts_milliseconds_and_never_goes_back() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: f64 = uptime.split_whitespace().next().unwrap().parse().unwrap();
        let first = boot_now_ms();
        assert!((first as f64 / 1000.0 - seconds).abs() < 5.0, "{first} ms against {seconds} s");
        assert!((0..1000).all(|_| boot_now_ms() >= first));
    }
}
