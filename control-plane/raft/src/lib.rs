//! The only crate that names openraft: durable log, snapshots, submission.
//!
//! Here live how proposals become agreed, durable and applied, and how they and the state look on disk. What a proposal
//! does is hoop-state's business; who may propose it is the server's. No openraft type leaves this crate, neither in an
//! interface nor in a file.
//!
//! There is one voter and there are no peers: another node cannot be reached, and whoever asks for one is told
//! so.
//!
//! ```text
//!   propose ──▶ submit: what waits together is one entry ──▶ openraft ──▶ log ──▶ disk: one writer, one transaction
//!                                                               │                   for all that waits, then the
//!      state(), changes(), evidence(), approvals()              │ committed         acknowledgements
//!           ▲                                                   ▼
//!           └────────── machine: decode, State::apply ──▶ replies; every 5,000 entries a snapshot ──▶ disk
//! ```

mod convert;
mod disk;
mod log;
mod machine;
mod network;
mod pace;
mod record;
mod replica;
mod start;
mod submit;
mod types;
mod writer;

pub use replica::{ProposeError, Replica, Status, Unavailable};
pub use start::{ReplicaConfig, StartError};

#[cfg(test)]
mod tests;
