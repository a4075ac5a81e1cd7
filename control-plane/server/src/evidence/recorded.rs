//! Records with their bytes, wherever they come from: a stored segment or a node's tail.

use hoop_audit::{Broken, Record, records};

/// One record and its frame.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    /// What it says.
    pub(super) record: Record,
    /// Its bytes, as they lie in a segment.
    pub(super) frame: Vec<u8>,
}

/// Reads records from frames, up to the first that cannot be read.
pub(super) fn recorded(frames: &[u8]) -> impl Iterator<Item = Result<Recorded, Broken>> {
    records(frames).map(move |record| {
        let record = record?;
        Ok(Recorded { frame: record.frame(frames).to_vec(), record })
    })
}
