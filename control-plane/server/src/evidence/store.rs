//! The segments on disk: each written once, whole and durable under its name, or not there.
//!
//! ```text
//!   segments/.RANDOM ── written, fsync(2) ── rename(2) ─▶ segments/NODE/INCARNATION-SHARD/FIRSTSEQUENCE.seg ── directories fsync(2)
//! ```

use super::error::EvidenceError;
use hoop_audit::{MAX_SEGMENT_BYTES, segment_path};
use hoop_model::ChainId;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where segments lie, and unfinished ones under names that begin with a dot.
const SEGMENTS: &str = "segments";

/// The segments of the evidence store.
pub(crate) struct Store {
    directory: PathBuf,
}

impl Store {
    /// Opens the store, and makes it if there is none. What was not stored whole is gone.
    pub(crate) fn open(directory: &Path) -> Result<Self, EvidenceError> {
        make_directory(directory)?;
        let segments = directory.join(SEGMENTS);
        make_directory(&segments)?;
        remove_unfinished(&segments)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// Returns where it lies.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Stores a segment. When it returns, the segment survives a crash of the host.
    pub(crate) fn put(&self, chain: &ChainId, first: u64, bytes: &[u8]) -> Result<(), EvidenceError> {
        let path = self.directory.join(segment_path(chain, first));
        let mut parents = path.ancestors().skip(1);
        let (of_chain, of_node) = (parents.next().unwrap_or(&path), parents.next().unwrap_or(&path));
        // Their names are brought to the disk with the segment's.
        DirBuilder::new().recursive(true).mode(0o700).create(of_chain).map_err(EvidenceError::io(of_chain))?;
        let segments = self.directory.join(SEGMENTS);
        let incoming = segments.join(format!(".{}", hex::encode(hoop_node::random::<8>())));
        let moved = write_new(&incoming, bytes).and_then(|()| std::fs::rename(&incoming, &path));
        if let Err(error) = moved {
            // Whether it goes does not matter: it has no name that anybody reads, and the next start removes it.
            drop(std::fs::remove_file(&incoming));
            return Err(EvidenceError::io(&path)(error));
        }
        // The names are durable once the directories are, the oldest last: without them there is nothing to find.
        [of_chain, of_node, &segments].into_iter().try_for_each(synchronise)
    }

    /// Reads a segment; none if there is none.
    pub(crate) fn read(&self, chain: &ChainId, first: u64) -> Result<Option<Vec<u8>>, EvidenceError> {
        let path = self.directory.join(segment_path(chain, first));
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(EvidenceError::io(&path)(error)),
        };
        let mut bytes = Vec::new();
        // One byte more than any has, so that one that grew does not read as one that did not.
        file.take(MAX_SEGMENT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(EvidenceError::io(&path))?;
        Ok(Some(bytes))
    }
}

/// Makes a directory and those above it, durably and for its owner only.
pub(super) fn make_directory(path: &Path) -> Result<(), EvidenceError> {
    hoop_node::files::make_directory(path).map_err(EvidenceError::io(path))
}

/// Removes what a crash left unfinished in a directory: files whose names begin with a dot.
pub(super) fn remove_unfinished(directory: &Path) -> Result<(), EvidenceError> {
    for entry in std::fs::read_dir(directory).map_err(EvidenceError::io(directory))? {
        let entry = entry.map_err(EvidenceError::io(directory))?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            std::fs::remove_file(entry.path()).map_err(EvidenceError::io(&entry.path()))?;
        }
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(super) fn synchronise(directory: &Path) -> Result<(), EvidenceError> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(EvidenceError::io(directory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_model::{Incarnation, ResourceName};

    fn chain() -> ChainId {
        ChainId { node: ResourceName::parse("edge-1").unwrap(), incarnation: Incarnation::mint(7), shard: 3 }
    }

    #[test]
    fn a_segment_lies_under_the_name_that_the_export_has_too() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        assert_eq!(store.read(&chain(), 42).unwrap(), None);
        store.put(&chain(), 42, b"bytes").unwrap();
        let name = format!("segments/edge-1/{:032x}-3/00000000000000000042.seg", 7);
        assert_eq!(segment_path(&chain(), 42), name);
        assert_eq!(std::fs::read(directory.path().join(name)).unwrap(), b"bytes");
        assert_eq!(store.read(&chain(), 42).unwrap().unwrap(), b"bytes");
    }

    #[test]
    fn what_was_not_stored_whole_is_gone_after_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        drop(Store::open(directory.path()).unwrap());
        let segments = directory.path().join(SEGMENTS);
        std::fs::write(segments.join(".0123"), b"half").unwrap();
        Store::open(directory.path()).unwrap().put(&chain(), 1, b"whole").unwrap();
        let names: Vec<_> = std::fs::read_dir(segments).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["edge-1"], "nothing lies there that verifiers do not know");
    }
}
