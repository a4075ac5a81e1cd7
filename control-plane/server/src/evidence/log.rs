//! The evidence log on disk: entries appended and durable first, then the checkpoint that vouches for them.

mod check;

use super::entries::{Entries, frame};
use super::error::EvidenceError;
use super::store::{make_directory, remove_unfinished, synchronise};
use crate::birth::LogIdentity;
use hoop_audit::{Checkpoint, SigningKey, Tree, VerifierKey, encode_log_entry};
use hoop_model::LogEntry;
use hoop_node::files;
use hoop_state::{EvidenceLog, LogStored};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The entries' file, beneath the store.
pub(super) const ENTRIES: &str = "log/entries";
/// The checkpoint's file, beneath the store.
pub(super) const CHECKPOINT: &str = "log/checkpoint";

/// The evidence log.
pub(crate) struct Log {
    directory: PathBuf,
    origin: String,
    key: SigningKey,
    verifier_key: String,
    tail: Mutex<Tail>,
    kept: watch::Sender<Kept>,
}

/// Where the next entry goes. Held locked while one is written, so never on a thread that serves.
struct Tail {
    /// Locked against other processes for as long as it is open; none once it is closed.
    file: Option<File>,
    tree: Tree,
    bytes: u64,
}

/// What is on disk and vouched for.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// How many entries.
    pub(super) size: u64,
    /// How many bytes they have in their file.
    pub(super) bytes: u64,
    /// The signed checkpoint that covers exactly them.
    pub(super) note: Arc<str>,
}

impl Log {
    /// Opens the log and holds it against what the state says was stored. A tail that was never confirmed and is not whole
    /// is cut off; the state has those entries.
    pub(super) fn open(directory: &Path, log: LogIdentity, state: &EvidenceLog) -> Result<Self, EvidenceError> {
        let LogIdentity { origin, key } = log;
        let of_log = directory.join("log");
        make_directory(&of_log)?;
        remove_unfinished(&of_log)?;
        let path = directory.join(ENTRIES);
        let file = open_locked(&path)?;
        let unnamed = |error| EvidenceError::io(directory)(io::Error::other(error));
        let verifier = VerifierKey::new(&origin, key.verifying_key()).map_err(unnamed)?;
        let note = check::read_checkpoint(&directory.join(CHECKPOINT), &verifier)?;
        let checked = check::entries(&path, &file, state, note.as_ref())?;
        file.set_len(checked.bytes).and_then(|()| file.sync_all()).map_err(EvidenceError::io(&path))?;
        synchronise(&of_log)?;
        let note = write_checkpoint(directory, &origin, &key, &checked.tree)?;
        let kept = watch::Sender::new(Kept { size: checked.tree.size(), bytes: checked.bytes, note });
        let tail = Mutex::new(Tail { file: Some(file), tree: checked.tree, bytes: checked.bytes });
        Ok(Self { directory: directory.to_owned(), verifier_key: verifier.to_string(), origin, key, tail, kept })
    }

    /// Appends what the log does not have yet of these entries, which follow each other. When it returns, entries and
    /// checkpoint survive a crash of the host. A failure changes nothing that was confirmed before, and the next call
    /// writes the same again.
    pub(super) fn append(&self, entries: &[Arc<LogEntry>]) -> Result<LogStored, EvidenceError> {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.directory.join(ENTRIES);
        let (mut tree, mut bytes) = (tail.tree.clone(), Vec::new());
        for entry in entries.iter().filter(|entry| entry.index >= tail.tree.size()) {
            if entry.index != tree.size() {
                return Err(EvidenceError::io(&path)(io::Error::other("the entries to append do not follow")));
            }
            let encoded = encode_log_entry(entry);
            frame(&encoded, &mut bytes).map_err(EvidenceError::io(&path))?;
            tree.push(&encoded);
        }
        if !bytes.is_empty() {
            let end = tail.bytes;
            let file = tail.file.as_ref().ok_or(EvidenceError::Closed)?;
            // What an earlier failure left is cut off first: it may be longer.
            let written = file.set_len(end).and_then(|()| file.write_all_at(&bytes, end));
            written.and_then(|()| file.sync_data()).map_err(EvidenceError::io(&path))?;
            let note = write_checkpoint(&self.directory, &self.origin, &self.key, &tree)?;
            tail.bytes = end.saturating_add(bytes.len() as u64);
            tail.tree = tree;
            self.kept.send_replace(Kept { size: tail.tree.size(), bytes: tail.bytes, note });
        }
        Ok(LogStored { size: tail.tree.size(), root: tail.tree.root() })
    }

    /// Closes the log: it can be opened again, and nothing more is appended. Waits for what is being written.
    pub(super) fn close(&self) {
        drop(self.tail.lock().unwrap_or_else(PoisonError::into_inner).file.take());
    }

    /// Returns what is on disk and vouched for.
    pub(super) fn kept(&self) -> Kept {
        self.kept.borrow().clone()
    }

    /// Returns the public key that checkpoints verify with: `NAME+HASH+BASE64`.
    pub(super) fn verifier_key(&self) -> &str {
        &self.verifier_key
    }

    /// Returns the log's name.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Opens the entries' file for reading from a byte on, up to where `kept` ends.
    pub(super) fn read(&self, from: u64, kept: &Kept) -> Result<Entries<File>, EvidenceError> {
        let path = self.directory.join(ENTRIES);
        let mut file = File::open(&path).map_err(EvidenceError::io(&path))?;
        file.seek(SeekFrom::Start(from)).map_err(EvidenceError::io(&path))?;
        Ok(Entries::new(file, kept.bytes.saturating_sub(from)))
    }

    /// Reads a piece of the entries' file.
    pub(super) fn read_bytes(&self, from: u64, length: usize) -> Result<Vec<u8>, EvidenceError> {
        let path = self.directory.join(ENTRIES);
        let mut bytes = vec![0; length];
        let read = File::open(&path).and_then(|file| file.read_exact_at(&mut bytes, from));
        read.map_err(EvidenceError::io(&path))?;
        Ok(bytes)
    }
}

fn open_locked(path: &Path) -> Result<File, EvidenceError> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = opened.map_err(EvidenceError::io(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EvidenceError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(EvidenceError::io(path)(error)),
    }
}

fn write_checkpoint(dir: &Path, origin: &str, key: &SigningKey, tree: &Tree) -> Result<Arc<str>, EvidenceError> {
    let path = dir.join(CHECKPOINT);
    let note = Checkpoint { origin: origin.to_owned(), size: tree.size(), root: tree.root() }.sign(key);
    files::write_private(&path, note.as_bytes()).map_err(|error| EvidenceError::io(&path)(io::Error::other(error)))?;
    Ok(note.into())
}

#[cfg(test)]
mod tests;
