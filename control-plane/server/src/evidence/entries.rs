//! The log's file as a stream of entries. What the file looks like is hoop-audit's; here it is read and framed.

use hoop_audit::{LogFile, MAX_LOG_ENTRY_BYTES};
use std::io::{self, Read};

/// How much is read at once, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// Appends an entry's file form: `u32 LE length ‖ entry`.
pub(super) fn frame(entry: &[u8], to: &mut Vec<u8>) -> io::Result<()> {
    let length = u32::try_from(entry.len()).ok().filter(|_| (1..=MAX_LOG_ENTRY_BYTES).contains(&entry.len()));
    let length =
        length.ok_or_else(|| io::Error::other("an entry of the evidence log has a size that none may have"))?;
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(entry);
    Ok(())
}

/// Reads entries one after the other, up to the first that is not whole.
pub(super) struct Entries<R> {
    reader: R,
    /// How many bytes are left.
    left: u64,
    file: LogFile,
}

impl<R: Read> Entries<R> {
    /// Reads what lies in the next `left` bytes, which begin with an entry.
    pub(super) fn new(reader: R, left: u64) -> Self {
        Self { reader, left, file: LogFile::default() }
    }

    /// Returns where the next entry begins, in bytes from where reading began. What is from there on is no whole entry
    /// once [`Entries::next`] has returned none.
    pub(super) const fn offset(&self) -> u64 {
        self.file.offset()
    }

    /// Reads the next entry; none at the end, and where an entry is not whole.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            match self.file.take() {
                Ok(Some(entry)) => return Ok(Some(entry.to_vec())),
                Ok(None) if self.left > 0 => {}
                Ok(None) | Err(_) => return Ok(None),
            }
            let size = usize::try_from(self.left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            let mut piece = vec![0; size];
            self.reader.read_exact(&mut piece)?;
            self.left = self.left.saturating_sub(size as u64);
            self.file.push(&piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_entries_are_read_and_whatever_is_torn_ends_them() {
        let mut file = Vec::new();
        frame(b"one", &mut file).unwrap();
        frame(b"second", &mut file).unwrap();
        for cut in 0..=file.len() {
            let mut entries = Entries::new(&file[..cut], cut as u64);
            let mut read = Vec::new();
            while let Some(entry) = entries.next().unwrap() {
                read.push(entry);
            }
            let whole = [0, 7, 17].iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!(read.len(), whole, "cut at {cut}");
            assert_eq!(entries.offset(), [0, 7, 17][whole], "cut at {cut}");
        }
    }

    #[test]
    fn zeros_and_absurd_lengths_are_no_entries() {
        for tail in [&[0; 64][..], &[0xff; 64]] {
            let mut entries = Entries::new(tail, tail.len() as u64);
            assert_eq!(entries.next().unwrap(), None);
            assert_eq!((entries.next().unwrap(), entries.offset()), (None, 0));
        }
    }

    #[test]
    fn an_entry_that_no_reader_takes_is_not_written() {
        let mut file = Vec::new();
        assert!(frame(&[], &mut file).is_err());
        assert!(frame(&vec![0; MAX_LOG_ENTRY_BYTES + 1], &mut file).is_err());
        assert!(file.is_empty());
    }
}
