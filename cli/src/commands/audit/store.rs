//! The names of the files of an evidence store, and a strict walk over a directory of them.

use hoop_model::{ChainId, ResourceName};
use std::collections::BTreeSet;
use std::fmt;
use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};

/// The log's entries, each a `u32` little-endian length and its bytes.
pub(super) const ENTRIES: &str = "log/entries";
/// The newest signed checkpoint of the log.
pub(super) const CHECKPOINT: &str = "log/checkpoint";
/// Says that a directory is an export, and of which log: its origin and a line feed. Only `audit export` writes it.
pub(super) const MARKER: &str = "EXPORT";

/// A file of an evidence store. Nothing else is ever read from one or written to one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StoreFile {
    Entries,
    Checkpoint,
    Segment(SegmentName),
}

/// Names a sealed segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SegmentName {
    /// The chain it is a piece of.
    pub(super) chain: ChainId,
    /// The number of its first record.
    pub(super) first: u64,
}

impl StoreFile {
    /// Reads a path relative to the store. Every file has one spelling; whatever is not one is `None`: an absolute
    /// path, one with `..`, or one that leads anywhere but to where such a file lies.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let file = match path {
            ENTRIES => Self::Entries,
            CHECKPOINT => Self::Checkpoint,
            segment => Self::Segment(SegmentName::parse(segment)?),
        };
        (file.to_string() == path).then_some(file)
    }
}

impl SegmentName {
    fn parse(path: &str) -> Option<Self> {
        let mut parts = path.split('/');
        let (Some("segments"), Some(node), Some(writer), Some(file), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let (incarnation, shard) = writer.split_once('-')?;
        let chain = ChainId {
            node: ResourceName::parse(node).ok()?,
            incarnation: incarnation.parse().ok()?,
            shard: shard.parse().ok()?,
        };
        Some(Self { chain, first: file.strip_suffix(".seg")?.parse().ok()? })
    }
}

impl fmt::Display for StoreFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entries => f.write_str(ENTRIES),
            Self::Checkpoint => f.write_str(CHECKPOINT),
            Self::Segment(segment) => segment.fmt(f),
        }
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hoop_audit::segment_path(&self.chain, self.first))
    }
}

/// What lies in a directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// The log's entries are there.
    pub(super) entries: bool,
    /// The log's checkpoint is there.
    pub(super) checkpoint: bool,
    /// The segments, those of a chain in their order.
    pub(super) segments: BTreeSet<SegmentName>,
    /// The marker of an export is there.
    pub(super) marker: bool,
    /// What does not belong there, relative to the directory.
    pub(super) strangers: Vec<PathBuf>,
}

impl Contents {
    /// Walks a directory. Links are not followed: none belongs there.
    ///
    /// # Errors
    /// What the operating system says of a directory that cannot be read.
    pub(super) fn of(root: &Path) -> io::Result<Self> {
        let mut contents = Self::default();
        contents.walk(root, &mut PathBuf::new())?;
        contents.strangers.sort();
        Ok(contents)
    }

    /// Takes in what is below `at`; at most as deep as a segment lies.
    fn walk(&mut self, root: &Path, at: &mut PathBuf) -> io::Result<()> {
        for entry in root.join(&at).read_dir()? {
            let entry = entry?;
            at.push(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() && holds_files(at) {
                self.walk(root, at)?;
            } else {
                self.take(at, kind);
            }
            at.pop();
        }
        Ok(())
    }

    fn take(&mut self, path: &Path, kind: FileType) {
        let path_text = path.to_str().filter(|_| kind.is_file());
        match (path_text, path_text.and_then(StoreFile::parse)) {
            (_, Some(StoreFile::Entries)) => self.entries = true,
            (_, Some(StoreFile::Checkpoint)) => self.checkpoint = true,
            (_, Some(StoreFile::Segment(segment))) => {
                self.segments.insert(segment);
            }
            (Some(MARKER), None) => self.marker = true,
            (Some(_) | None, None) => self.strangers.push(path.to_owned()),
        }
    }
}

/// Returns whether a directory is one in which files of a store can lie.
fn holds_files(directory: &Path) -> bool {
    let parts: Option<Vec<_>> = directory.iter().map(|part| part.to_str()).collect();
    match parts.as_deref() {
        Some(["log" | "segments"]) => true,
        Some(["segments", node]) => ResourceName::parse(node).is_ok(),
        Some(["segments", node, writer]) => {
            StoreFile::parse(&format!("segments/{node}/{writer}/{:020}.seg", 1)).is_some()
        }
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_model::Incarnation;

    const SEGMENT: &str = "segments/edge-1/00000000000000000000000000000007-3/00000000000000000042.seg";

    #[test]
    fn a_file_of_the_store_has_one_spelling() {
        let chain =
            ChainId { node: ResourceName::parse("edge-1").unwrap(), incarnation: Incarnation::mint(7), shard: 3 };
        let segment = StoreFile::Segment(SegmentName { chain, first: 42 });
        assert_eq!(StoreFile::parse(SEGMENT), Some(segment));
        assert_eq!(StoreFile::parse("log/entries"), Some(StoreFile::Entries));
        assert_eq!(StoreFile::parse("log/checkpoint"), Some(StoreFile::Checkpoint));
    }

    #[test]
    fn nothing_else_is_a_file_of_the_store() {
        for path in [
            "",
            "/",
            ".",
            "..",
            "/log/entries",
            "log//entries",
            "log/./entries",
            "log/entries/",
            "log/../log/entries",
            "../log/entries",
            "log/other",
            "log/entries.partial",
            "EXPORT",
            "/etc/passwd",
            "log\\entries",
            "log/entries\0",
            "segments/../../etc/cron.d/x/00000000000000000042.seg",
        ] {
            assert_eq!(StoreFile::parse(path), None, "{path:?}");
        }
        for (good, bad) in [
            ("edge-1", ".."),
            ("edge-1", "Edge-1"),
            ("edge-1", ""),
            ("07-3", "07-03"),
            ("07-3", "07-+3"),
            ("07-3", "07-4294967296"),
            ("07-3", "07"),
            ("000007-3", "00000g-3"),
            ("00042", "0042"),
            ("00042", "+0042"),
            ("00042", "000042"),
            (".seg", ".open"),
            (".seg", ".seg/x"),
            ("segments/", "/segments/"),
            ("segments/", "./segments/"),
        ] {
            let path = SEGMENT.replacen(good, bad, 1);
            assert_ne!(path, SEGMENT);
            assert_eq!(StoreFile::parse(&path), None, "{path:?}");
        }
    }

    #[test]
    fn a_walk_reports_what_does_not_belong() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        assert_eq!(Contents::of(root).unwrap(), Contents::default());
        for path in [SEGMENT, "log/entries", "log/checkpoint", "EXPORT", "notes.txt", "log/extra", "etc/deep/file"] {
            std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            std::fs::write(root.join(path), "").unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", root.join("segments/edge-1/link")).unwrap();
        std::os::unix::fs::symlink(root.join("log"), root.join("segments/log")).unwrap();
        std::fs::create_dir(root.join(SEGMENT.replace("42.seg", "43.seg"))).unwrap();
        let contents = Contents::of(root).unwrap();
        assert!(contents.entries && contents.checkpoint && contents.marker);
        let segments: Vec<_> = contents.segments.iter().map(ToString::to_string).collect();
        assert_eq!(segments, [SEGMENT]);
        let strangers: Vec<_> = contents.strangers.iter().map(|path| path.to_str().unwrap().to_owned()).collect();
        let second = SEGMENT.replace("42.seg", "43.seg");
        let expected =
            ["etc", "log/extra", "notes.txt", &second, "segments/edge-1/link", "segments/log"].map(str::to_owned);
        assert_eq!(strangers, expected);
    }
}
