//! The way to a backend: connections of our own, reused only where nothing can be mixed up.
//!
//! ```text
//!   Pool::take ──┐
//!                ├─► Line ── send(permit, …) ─► Exchange ─► Answer (streams down) ─► Pool::put | dropped
//!   connect ─────┘            the permit is spent in the poll that writes the first byte
//! ```

pub(crate) mod answer;
pub(crate) mod connect;
mod keeping;
pub(crate) mod line;
pub(crate) mod pool;
pub(crate) mod send;
mod showing;
pub(crate) mod upload;
