//! The link to the fleet: snapshots down, acknowledgements up, leases in answer to renewals.
//!
//! ```text
//!   attach    one stream of one node: Hello, then snapshots and leases   (the newest stream speaks for the node)
//!   registry  who is attached, what each node acknowledged
//!   lease     how old the oldest change is that a node has not
//!   pulse     log time goes on while nodes are attached
//! ```

mod attach;
mod lease;
mod link;
mod pulse;
mod registry;

pub(crate) use attach::Fleet;
pub(crate) use lease::History;
pub(crate) use pulse::pulse;
pub(crate) use registry::{Nodes, Registry, Tracked};

#[cfg(test)]
pub(crate) use lease::LEASE_MS;
