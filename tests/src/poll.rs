//! The only place that waits.

use std::time::{Duration, Instant};

/// How long anything may take to become true, on the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
const PACE: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer, and returns it.
///
/// # Panics
/// When there is none within [`PATIENCE`].
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "never happened within {PATIENCE:?}: {what}");
        pause(PACE);
    }
}

/// Lets a span pass, for those who must do something at a pace.
#[expect(clippy::disallowed_methods, reason = "this is the one place that sleeps")]
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}
