//! The file that holds the log: every entry as u32 LE length and bytes, one after the other.

use super::MAX_LOG_ENTRY_BYTES;

/// Says where the file of the log stops being one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("log entry {index} at byte {offset} claims {claimed} bytes; an entry has 1 to {MAX_LOG_ENTRY_BYTES}")]
pub struct Unframed {
    /// The number of the entry that must be there.
    pub index: u64,
    /// Where it begins, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes it claims.
    pub claimed: u32,
}

/// Takes the bytes of the file `log/entries` apart as they come, in pieces of any size; it keeps no more of them than
/// the piece and one entry.
#[derive(Debug, Clone, Default)]
pub struct LogFile {
    /// What was pushed and not taken, from `taken` on.
    buffer: Vec<u8>,
    taken: usize,
    offset: u64,
    index: u64,
}

impl LogFile {
    /// Hands in the next piece of the file. Every entry that is whole is to be taken before the next is handed in.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.drain(..self.taken.min(self.buffer.len()));
        self.taken = 0;
        self.buffer.extend_from_slice(piece);
    }

    /// Takes the next entry, or `None` if it is not whole yet.
    ///
    /// # Errors
    /// [`Unframed`] if no entry can begin there; it stays so.
    pub fn take(&mut self) -> Result<Option<&[u8]>, Unframed> {
        let (index, offset) = (self.index, self.offset);
        let rest = self.buffer.get(self.taken..).unwrap_or_default();
        let Some((length, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let claimed = u32::from_le_bytes(*length);
        let bytes = usize::try_from(claimed).ok().filter(|bytes| (1..=MAX_LOG_ENTRY_BYTES).contains(bytes));
        let bytes = bytes.ok_or(Unframed { index, offset, claimed })?;
        let Some(entry) = rest.get(..bytes) else { return Ok(None) };
        self.taken = self.taken.saturating_add(length.len()).saturating_add(bytes);
        self.offset = offset.saturating_add(4).saturating_add(u64::from(claimed));
        self.index = index.saturating_add(1);
        Ok(Some(entry))
    }

    /// Returns the number of the entry that comes next.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Returns where that entry begins, in bytes from the start of the file: how long the file is up to the last entry
    /// that was taken.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns whether bytes are left that are no whole entry: at the end of the file, one that was cut off.
    #[must_use]
    pub fn is_within_entry(&self) -> bool {
        self.taken < self.buffer.len()
    }
}
