//! The log's file against the replicated state, before anything in it is believed.

use super::super::entries::Entries;
use super::super::error::EvidenceError;
use hoop_audit::{Checkpoint, Tree, VerifierKey, encode_log_entry};
use hoop_state::{EvidenceLog, LogStored};
use std::fs::File;
use std::io;
use std::path::Path;

/// The entries that are the log's, and where they end.
pub(super) struct Checked {
    pub(super) tree: Tree,
    pub(super) bytes: u64,
}

/// Reads the checkpoint, if there is one that was written whole.
pub(super) fn read_checkpoint(path: &Path, key: &VerifierKey) -> Result<Option<Checkpoint>, EvidenceError> {
    let note = match std::fs::read_to_string(path) {
        Ok(note) => note,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(EvidenceError::io(path)(error)),
    };
    let problem = |error| EvidenceError::Checkpoint {
        path: path.to_owned(),
        problem: format!("is not one of this cluster's log `{}`: {error}", key.name()),
    };
    Checkpoint::open(&note, key).map(Some).map_err(problem)
}

/// Reads every entry. What was confirmed as stored must be there, byte for byte; what is after it must be what the state
/// has to store next, but for a tail that is not whole.
pub(super) fn entries(
    path: &Path,
    file: &File,
    state: &EvidenceLog,
    checkpoint: Option<&Checkpoint>,
) -> Result<Checked, EvidenceError> {
    let length = file.metadata().map_err(EvidenceError::io(path))?.len();
    let mut entries = Entries::new(file, length);
    let mut tree = Tree::empty();
    let stored = state.stored();
    check_stored(path, &tree, stored)?;
    let mut vouched = vouches(checkpoint, &tree);
    let mut unstored = state.unstored_from(stored.size);
    while let Some(entry) = entries.next().map_err(EvidenceError::io(path))? {
        if tree.size() >= stored.size {
            let known = unstored.next().map(|entry| encode_log_entry(entry));
            if known.is_none_or(|known| known != entry) {
                return Err(EvidenceError::Ahead { path: path.to_owned(), index: tree.size(), size: state.size() });
            }
        }
        tree.push(&entry);
        check_stored(path, &tree, stored)?;
        vouched |= vouches(checkpoint, &tree);
    }
    if tree.size() < stored.size {
        return Err(EvidenceError::Lost { path: path.to_owned(), found: tree.size(), stored: stored.size });
    }
    // A checkpoint may also cover entries that the file has lost and the state has kept: nothing is missing then.
    let mut whole = tree.clone();
    for entry in unstored {
        whole.push(&encode_log_entry(entry));
        vouched |= vouches(checkpoint, &whole);
    }
    check_checkpoint(path, checkpoint, vouched, &whole)?;
    let bytes = entries.offset();
    if bytes < length {
        tracing::warn!(bytes = length - bytes, "a log entry that was not written whole is cut off");
    }
    Ok(Checked { tree, bytes })
}

fn check_stored(path: &Path, tree: &Tree, stored: LogStored) -> Result<(), EvidenceError> {
    if tree.size() == stored.size && tree.root() != stored.root {
        let (found, stored, size) = (tree.root(), stored.root, stored.size);
        return Err(EvidenceError::Altered { path: path.to_owned(), size, found, stored });
    }
    Ok(())
}

fn vouches(checkpoint: Option<&Checkpoint>, tree: &Tree) -> bool {
    checkpoint.is_some_and(|signed| signed.size == tree.size() && signed.root == tree.root())
}

/// A checkpoint is written after the entries it covers are durable, so there is none that covers others.
fn check_checkpoint(
    path: &Path,
    checkpoint: Option<&Checkpoint>,
    vouched: bool,
    tree: &Tree,
) -> Result<(), EvidenceError> {
    let Some(signed) = checkpoint else {
        if tree.size() > 0 {
            tracing::warn!("the evidence log had no checkpoint; it gets another");
        }
        return Ok(());
    };
    if vouched {
        return Ok(());
    }
    let path = path.with_file_name("checkpoint");
    let (size, found) = (signed.size, tree.size());
    let problem = if size > found {
        format!("covers {size} entries, and there are {found}: evidence was lost")
    } else {
        format!("does not vouch for the first {size} entries there are: evidence was altered")
    };
    Err(EvidenceError::Checkpoint { path, problem })
}
