//! What this node counts, and the page it is read from. The table of all of it is `deploy/METRICS.md`.
//!
//! ```text
//!   shard ─ its own Meter ─ a Tally per command: dropped, it is counted ─┐
//!     │        └ per connection that its policy has                      ├─▶ scrape: summed when somebody reads
//!     └ world, lease, spool, link: read only then ───────────────────────┘
//! ```
//!
//! A shard shares no cell with another one, and finds a connection's cells by its uid; only when it meets a connection for
//! the first time does it take a lock and allocate. What a caller says is no label: a connection that the policy does not have is
//! counted with those that name none.

mod connection;
mod scrape;
mod shard;
mod table;
mod tally;

pub(crate) use scrape::Scrape;
pub(crate) use shard::{Meters, ShardMeter};
pub(crate) use tally::Tally;
