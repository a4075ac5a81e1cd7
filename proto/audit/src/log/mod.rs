//! The cluster's evidence log: its entries as bytes, the tree over them, and signed statements of that tree.

mod checkpoint;
mod entry;
mod note;
mod reader;
mod tree;

pub use checkpoint::{Checkpoint, NotACheckpoint};
pub(crate) use entry::first;
pub use entry::{MAX_LOG_ENTRY_BYTES, NotALogEntry, decode_log_entry, encode_log_entry};
#[cfg(test)]
pub(crate) use note::sign as sign_note;
pub use note::{InvalidVerifierKey, VerifierKey};
pub use reader::{LogFile, Unframed};
pub use tree::Tree;
