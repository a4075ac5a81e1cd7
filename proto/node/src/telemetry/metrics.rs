//! What a process counts, and the page it is read from.
//!
//! ```text
//!   whoever acts ── add, observe: one relaxed atomic ──▶ Counter, Gauge, Histogram
//!                                                            │ read when somebody asks, never before
//!   GET /metrics ──▶ listen ──▶ Exposed::write ──▶ Page ─────┘ ──▶ OpenMetrics text
//! ```
//!
//! Nothing here allocates or locks where something is counted. Labels are written when the page is: from configuration and
//! from closed sets, never from what a caller said (SE-07).

mod histogram;
mod listen;
mod number;
mod page;

pub use histogram::{Distribution, Histogram};
pub use listen::{InvalidListen, RawListen, serve};
pub use number::{Counter, Gauge, Raised};
pub use page::{Exposed, Family, Kind, Metric, Page, text};

#[cfg(test)]
mod tests;
