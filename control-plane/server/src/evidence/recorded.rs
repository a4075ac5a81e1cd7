//! Records with their bytes, wherever they come from: a stored segment or a node's tail.

use hoop_audit::{Broken, Record, records};
use hoop_model::{ChainId, SessionId};

/// What a record names that belongs to no session: the one that ends a chain in which none is open.
pub(super) const NO_SESSION: SessionId = SessionId::mint(0);

/// Length of a frame's first length, in bytes.
const LENGTH_BYTES: usize = 4;

/// One record and its frame.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    /// What it says.
    pub(super) record: Record,
    /// Its bytes, as they lie in a segment.
    pub(super) frame: Vec<u8>,
}

impl Recorded {
    /// Returns the chain it is of.
    pub(super) fn chain(&self) -> ChainId {
        chain_of(&self.record)
    }
}

/// Returns the chain that a record says it is of.
pub(super) fn chain_of(record: &Record) -> ChainId {
    ChainId { node: record.node.clone(), incarnation: record.incarnation, shard: record.shard }
}

/// Reads records from frames, up to the first that cannot be read.
pub(super) fn recorded(frames: &[u8]) -> impl Iterator<Item = Result<Recorded, Broken>> {
    records(frames).map(move |record| {
        let record = record?;
        Ok(Recorded { frame: frame_at(frames, record.offset).to_vec(), record })
    })
}

/// Returns the frame that begins at an offset where a record was read.
fn frame_at(frames: &[u8], offset: usize) -> &[u8] {
    let rest = frames.get(offset..).unwrap_or_default();
    let length = rest.first_chunk().map_or(0, |length| u32::from_le_bytes(*length));
    let end = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(LENGTH_BYTES);
    rest.get(..end).unwrap_or_default()
}
