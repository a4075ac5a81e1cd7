//! Sealed segments: the pieces of a chain that leave their node.

mod leftover;
mod seal;
mod verify;

pub use leftover::{Leftover, Rest, recover};
pub use seal::{Sealed, Sealing, seal};
pub use verify::{FlawedSeal, Segment, SegmentSummary, read_segment};

use hoop_model::ChainId;

/// Largest sealed segment, in bytes. A writer cuts at 4 MiB, a record has at most 1 MiB, and what recovery appends to a
/// leftover file must fit, too: some 15,000 `closed` records. Whoever takes a segment from the network holds it in
/// memory once.
pub const MAX_SEGMENT_BYTES: usize = 8 << 20;

/// Largest seal, in bytes: a node's name has at most 63, and everything else is of fixed size.
pub(crate) const MAX_SEAL_BYTES: usize = 512;

/// Returns where the evidence store keeps a segment, relative to its directory.
#[must_use]
pub fn segment_path(chain: &ChainId, first: u64) -> String {
    format!("segments/{chain}/{first:020}.seg")
}
