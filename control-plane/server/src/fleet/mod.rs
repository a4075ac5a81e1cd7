//! The link to the fleet: snapshots and deltas down, acknowledgements up, leases in answer to renewals.
//!
//! ```text
//!   attach    one stream of one node: Hello, then revisions and leases   (the newest stream speaks for the node)
//!   contents  what a node may know: a snapshot, or a delta from what it has
//!   registry  who is attached, what each node acknowledged
//!   receipts  what each process carried out
//!   known     what a node may know
//!   job       a question to one node, and its answer
//!   testimony what a node says of its own evidence
//!   lease     how old the oldest change is that a node has not
//!   pulse     log time goes on while nodes are attached
//! ```

mod attach;
mod contents;
mod job;
mod known;
mod lease;
mod link;
mod pulse;
mod receipts;
mod registry;
mod testimony;

pub(crate) use attach::Fleet;
pub(crate) use lease::{History, LEASE_MS};
pub(crate) use pulse::pulse;
pub(crate) use registry::{Fence, Registry, Standing, Tracked};

#[cfg(test)]
pub(crate) use job::NoAnswer;
