//! The product end to end: processes as a user starts them, clients as a job uses them, a backend that keeps every byte.
//!
//! `path_…` is the one path that the quick gate walks.

mod approvals;
mod away;
mod control_plane;
mod crashes;
mod evidence;
mod faults;
mod fleet;
mod framing;
mod hoopctl;
mod hostile;
mod hygiene;
mod masking;
mod newcomer;
mod path;
mod policy;
mod readiness;
mod secrets;
mod signin;
mod store;
mod telemetry;
mod tls;
mod tokens;
mod upstream;

/// How many rounds a test has that can only become convincing by repetition.
fn rounds(few: usize, many: usize) -> usize {
    if std::env::var_os("HOOP_FULL").is_some_and(|full| full == "1") { many } else { few }
}
