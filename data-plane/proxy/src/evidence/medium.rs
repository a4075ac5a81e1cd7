//! Files that take records at their end.

use super::name::{Form, PieceName};
use hoop_model::ResourceName;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Something that takes bytes at its end.
pub(crate) trait Medium {
    /// Writes once; returns how many bytes were taken.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Removes everything from byte `length` on.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Returns the file behind it.
    fn file(&self) -> &Arc<PieceFile>;
}

/// Where a writer's media come from: one per piece of a chain.
pub(crate) trait Shelf {
    /// What it makes.
    type Medium: Medium;
    /// Makes the medium of a piece that never existed before.
    fn create(&mut self, name: PieceName) -> io::Result<Self::Medium>;
}

/// One `.open` file.
#[derive(Debug)]
pub(crate) struct PieceFile {
    /// Only ever appended to.
    append: File,
    /// For whoever seals it. Opened before the first byte is written, and the kernel reports a failed write-back once per
    /// open file (fsync(2)), so that no failure is missed because another had it reported first.
    pub(crate) sealing: File,
    directory: Arc<File>,
    /// Whether its name is known to be on the disk.
    linked: AtomicBool,
}

impl PieceFile {
    /// Brings everything that was written, and the file's name, to the disk (fdatasync(2)).
    ///
    /// # Errors
    /// What the disk says; then it is not known what the disk holds of the file.
    pub(crate) fn synchronise(&self) -> io::Result<()> {
        self.append.sync_data()?;
        if !self.linked.load(Ordering::Acquire) {
            self.directory.sync_all()?;
            self.linked.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// The node's directory in the spool.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    pub(crate) path: Arc<Path>,
    handle: Arc<File>,
}

/// Keeps every other process out of the node's directory: two that write there would end each other's chains. Given back
/// when the last clone is dropped, or the process ends (flock(2)).
#[derive(Debug, Clone)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not used")] Arc<File>);

/// An append-only file.
#[derive(Debug)]
pub(crate) struct Appended {
    file: Arc<PieceFile>,
}

impl Directory {
    /// Makes the node's directory if it is not there, and locks it.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] while another process has it.
    pub(crate) fn open(spool: &Path, node: &ResourceName) -> io::Result<(Self, Lock)> {
        let path = spool.join(node.as_str());
        hoop_node::files::make_directory(&path)?;
        let lock = File::open(&path)?;
        lock.try_lock()?;
        let handle = Arc::new(File::open(&path)?);
        Ok((Self { path: path.into(), handle }, Lock(Arc::new(lock))))
    }

    /// Returns where a piece is in this form.
    pub(crate) fn path_of(&self, name: PieceName, form: Form) -> PathBuf {
        self.path.join(name.file(form))
    }

    /// Brings what was created, renamed and removed to the disk.
    pub(crate) fn synchronise(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    /// Lists every piece there is, by chain and first record; a sealed one before an open one of the same name.
    pub(crate) fn list(&self) -> io::Result<Vec<(PieceName, Form)>> {
        list(&self.path)
    }

    /// Moves a file into a directory of its own, where nothing of this program touches it again.
    pub(crate) fn set_aside(&self, file: &str, into: &str) -> io::Result<()> {
        let aside = self.path.join(into);
        DirBuilder::new().recursive(true).mode(0o700).create(&aside)?;
        std::fs::rename(self.path.join(file), aside.join(file))?;
        File::open(&aside)?.sync_all()?;
        self.synchronise()
    }
}

/// Lists the pieces in one directory.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<(PieceName, Form)>> {
    let mut pieces = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let file = entry?.file_name();
        pieces.extend(file.to_str().and_then(PieceName::read));
    }
    pieces.sort_unstable();
    Ok(pieces)
}

impl Shelf for Directory {
    type Medium = Appended;

    fn create(&mut self, name: PieceName) -> io::Result<Appended> {
        let path = self.path_of(name, Form::Open);
        // Not `create_new`: the first attempt may have failed after it had made the file.
        let append = File::options().append(true).create(true).mode(0o600).open(&path)?;
        if append.metadata()?.len() > 0 {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let sealing = File::options().read(true).write(true).open(&path)?;
        let directory = Arc::clone(&self.handle);
        Ok(Appended { file: Arc::new(PieceFile { append, sealing, directory, linked: AtomicBool::new(false) }) })
    }
}

impl Medium for Appended {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.file.append).write(bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.append.set_len(length)
    }

    fn file(&self) -> &Arc<PieceFile> {
        &self.file
    }
}
