//! A shard's evidence file: every record is one write to the operating system before anything is forwarded.

use hoop_audit::{Chain, Entry, Receipt};
use hoop_model::{Incarnation, ResourceName, SessionId, UnixMillis};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

/// Something that takes bytes at its end.
pub(crate) trait Medium {
    /// Writes once; returns how many bytes were taken.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Removes everything from byte `length` on.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// Where a writer's media come from: one per chain.
pub(crate) trait Shelf {
    /// What it makes.
    type Medium: Medium;
    /// Makes the medium of a chain that never existed before.
    fn create(&mut self, writer: u32) -> io::Result<Self::Medium>;
}

/// The names of a writer's chains.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) node: ResourceName,
    pub(crate) incarnation: Incarnation,
    /// The shard. A chain that had to be given up is followed by one numbered `stride` higher, so that no two chains of
    /// one incarnation ever have the same name.
    pub(crate) shard: u32,
    /// How many shards there are.
    pub(crate) stride: u32,
}

/// Says that a record could not be written, so what it covers must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the evidence could not be written")]
pub(crate) struct RecorderUnavailable;

/// A shard's recorder. After a failure every further record tries again, so it recovers by itself (DP-04).
pub(crate) struct Spool<S: Shelf> {
    shelf: S,
    writer: Writer,
    open: Option<Open<S::Medium>>,
    failing: bool,
}

struct Open<M> {
    chain: Chain,
    medium: M,
    /// INVARIANT: how many bytes of whole frames the medium holds; only [`Spool::record`] changes it.
    length: u64,
}

impl<S: Shelf> Spool<S> {
    pub(crate) fn new(shelf: S, writer: Writer) -> Self {
        Self { shelf, writer, open: None, failing: false }
    }

    /// Appends one record and returns the proof that it was written.
    ///
    /// # Errors
    /// [`RecorderUnavailable`] when not every byte was taken. What was taken is cut off again; if that fails too, the
    /// file is left behind as it is and the next record begins another chain.
    pub(crate) fn record(
        &mut self,
        entry: &Entry,
        session: SessionId,
        now: UnixMillis,
    ) -> Result<Receipt, RecorderUnavailable> {
        let written = self.try_record(entry, session, now);
        match (&written, self.failing) {
            (Err(error), false) => tracing::error!(%error, "evidence cannot be written; commands are refused"),
            (Ok(_), true) => tracing::info!("evidence is written again"),
            (Ok(_), false) | (Err(_), true) => {}
        }
        self.failing = written.is_err();
        written.map_err(|_| RecorderUnavailable)
    }

    fn try_record(&mut self, entry: &Entry, session: SessionId, now: UnixMillis) -> io::Result<Receipt> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        let salt = hoop_node::random::<32>();
        let appended = open.chain.append(entry, session, now, salt).map_err(io::Error::other);
        let frame = match appended {
            Ok(frame) => frame,
            Err(error) => {
                self.open = Some(open);
                return Err(error);
            }
        };
        let bytes = frame.bytes();
        match append_once(&mut open.medium, bytes) {
            Ok(taken) if taken == bytes.len() => {
                open.length = open.length.saturating_add(taken as u64);
                let receipt = frame.written();
                self.open = Some(open);
                Ok(receipt)
            }
            partial => {
                drop(frame);
                if open.medium.cut(open.length).is_ok() {
                    self.open = Some(open);
                }
                Err(partial.err().unwrap_or_else(|| io::ErrorKind::StorageFull.into()))
            }
        }
    }

    fn begin(&mut self) -> io::Result<Open<S::Medium>> {
        let writer = self.writer.shard;
        let medium = self.shelf.create(writer)?;
        // The number is spent as soon as there is a file of that name.
        self.writer.shard = writer.checked_add(self.writer.stride).ok_or(io::ErrorKind::QuotaExceeded)?;
        Ok(Open { chain: Chain::open(&self.writer.node, self.writer.incarnation, writer), medium, length: 0 })
    }
}

fn append_once(medium: &mut impl Medium, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match medium.append(bytes) {
            // Nothing was taken: the write was interrupted before it began (write(2)).
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            taken => return taken,
        }
    }
}

/// Files `DIRECTORY/NODE/INCARNATION-WRITER.open`.
#[derive(Debug)]
pub(crate) struct Directory {
    directory: PathBuf,
    incarnation: Incarnation,
}

/// An append-only file.
#[derive(Debug)]
pub(crate) struct Appended {
    file: Arc<File>,
    dirty: bool,
}

impl Directory {
    /// Makes the node's directory if it is not there.
    pub(crate) fn open(spool: &std::path::Path, node: &ResourceName, incarnation: Incarnation) -> io::Result<Self> {
        let directory = spool.join(node.as_str());
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self { directory, incarnation })
    }
}

impl Shelf for Directory {
    type Medium = Appended;

    fn create(&mut self, writer: u32) -> io::Result<Appended> {
        let path = self.directory.join(format!("{}-{writer}.open", self.incarnation));
        let file = File::options().append(true).create_new(true).mode(0o600).open(path)?;
        Ok(Appended { file: Arc::new(file), dirty: false })
    }
}

impl Medium for Appended {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.dirty = true;
        (&*self.file).write(bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}

impl Spool<Directory> {
    /// Returns the file if anything was written since this was last called: whoever calls synchronises it to disk,
    /// elsewhere than on the shard's thread.
    pub(crate) fn take_unsynchronised(&mut self) -> Option<Arc<File>> {
        let medium = &mut self.open.as_mut()?.medium;
        std::mem::take(&mut medium.dirty).then(|| Arc::clone(&medium.file))
    }

    /// Gives a file up that could not be synchronised: what the disk holds of it is not known, so the next record
    /// begins another chain.
    pub(crate) fn give_up(&mut self, file: &Arc<File>) {
        if self.open.as_ref().is_some_and(|open| Arc::ptr_eq(&open.medium.file, file)) {
            self.open = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_audit::{CloseReason, Expected, verify_chain};
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    /// A disk with so much space, on which cutting may fail.
    #[derive(Default)]
    struct Disk {
        files: BTreeMap<u32, Vec<u8>>,
        space: usize,
        cuts: bool,
    }
    #[derive(Clone)]
    struct Shared(Rc<RefCell<Disk>>, u32);

    impl Shelf for Shared {
        type Medium = Self;
        fn create(&mut self, writer: u32) -> io::Result<Self> {
            assert!(self.0.borrow_mut().files.insert(writer, Vec::new()).is_none(), "a chain's name was used twice");
            Ok(Self(Rc::clone(&self.0), writer))
        }
    }

    impl Medium for Shared {
        fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.borrow_mut();
            let taken = bytes.len().min(disk.space);
            disk.space -= taken;
            disk.files.get_mut(&self.1).unwrap().extend(&bytes[..taken]);
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        }
        fn cut(&mut self, length: u64) -> io::Result<()> {
            let mut disk = self.0.borrow_mut();
            if !disk.cuts {
                return Err(io::ErrorKind::Other.into());
            }
            disk.files.get_mut(&self.1).unwrap().truncate(usize::try_from(length).unwrap());
            Ok(())
        }
    }

    fn spool(space: usize, cuts: bool) -> (Spool<Shared>, Rc<RefCell<Disk>>) {
        let disk = Rc::new(RefCell::new(Disk { space, cuts, ..Disk::default() }));
        let node = ResourceName::parse("dp-1").unwrap();
        let writer = Writer { node, incarnation: Incarnation::mint(7), shard: 1, stride: 2 };
        (Spool::new(Shared(Rc::clone(&disk), 0), writer), disk)
    }

    fn write(spool: &mut Spool<Shared>) -> Result<Receipt, RecorderUnavailable> {
        spool.record(&Entry::Closed(CloseReason::Finished), SessionId::mint(1), UnixMillis(1))
    }

    fn records(disk: &Rc<RefCell<Disk>>, writer: u32) -> u64 {
        let node = ResourceName::parse("dp-1").unwrap();
        let expected = Expected { node, incarnation: Incarnation::mint(7), shard: writer, head: None };
        let disk = disk.borrow();
        let bytes = &disk.files[&writer];
        let offset = hoop_audit::records(bytes).filter_map(Result::ok).count() as u64;
        if offset > 0 {
            let whole = hoop_audit::records(bytes).find_map(Result::err).map_or(bytes.len(), |broken| match broken {
                hoop_audit::Broken::TruncatedTail { offset, .. } | hoop_audit::Broken::Record { offset, .. } => offset,
            });
            verify_chain(&bytes[..whole], &expected).unwrap();
        }
        offset
    }

    #[test]
    fn dp_04_a_full_disk_refuses_and_recovers_in_the_same_chain() {
        let (mut spool, disk) = spool(400, true);
        let mut before = 0;
        while write(&mut spool).is_ok() {
            before += 1;
        }
        assert!(before > 0);
        assert!(write(&mut spool).is_err());
        assert_eq!(records(&disk, 1), before, "the partial frame is gone");
        disk.borrow_mut().space = 10_000;
        let _ = write(&mut spool).unwrap();
        assert_eq!(records(&disk, 1), before + 1);
        assert_eq!(disk.borrow().files.len(), 1);
    }

    #[test]
    fn dp_04_a_file_that_cannot_be_cut_is_followed_by_another_chain() {
        let (mut spool, disk) = spool(400, false);
        let mut before = 0;
        while write(&mut spool).is_ok() {
            before += 1;
        }
        assert!(write(&mut spool).is_err());
        disk.borrow_mut().space = 10_000;
        let _ = write(&mut spool).unwrap();
        assert_eq!(records(&disk, 1), before);
        let last = *disk.borrow().files.keys().last().unwrap();
        assert!(last > 1 && last % 2 == 1, "writer {last} belongs to the same shard");
        assert_eq!(records(&disk, last), 1);
    }

    #[test]
    fn files_are_private_and_named_by_their_chain() {
        use std::os::unix::fs::MetadataExt;
        let temporary = tempfile::tempdir().unwrap();
        let node = ResourceName::parse("dp-1").unwrap();
        let incarnation = Incarnation::mint(7);
        let directory = Directory::open(temporary.path(), &node, incarnation).unwrap();
        let mut spool = Spool::new(directory, Writer { node, incarnation, shard: 0, stride: 2 });
        let _ = spool.record(&Entry::Closed(CloseReason::Idle), SessionId::mint(1), UnixMillis(1)).unwrap();
        let file = temporary.path().join("dp-1/00000000000000000000000000000007-0.open");
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        let unsynchronised = spool.take_unsynchronised().unwrap();
        assert!(spool.take_unsynchronised().is_none());
        spool.give_up(&unsynchronised);
        let _ = spool.record(&Entry::Closed(CloseReason::Idle), SessionId::mint(1), UnixMillis(1)).unwrap();
        assert!(temporary.path().join("dp-1/00000000000000000000000000000007-2.open").exists());
    }
}
