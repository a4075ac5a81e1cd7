//! What the tests of this directory have in common.

use super::medium::{Appended, Medium, PieceFile, Shelf};
use super::name::{Form, PieceName};
use super::*;
use hoop_audit::{Chain, CloseReason, CommandId, Entry, Expected, Head, Response, read_segment, verify_chain};
use hoop_model::{ChainId, ResourceName, SessionId, UnixMillis};
use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

pub(super) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

pub(super) fn node() -> ResourceName {
    ResourceName::parse("dp-1").unwrap()
}

pub(super) fn chain_id(incarnation: u128, shard: u32) -> ChainId {
    ChainId { node: node(), incarnation: Incarnation::mint(incarnation), shard }
}

pub(super) fn session(number: u128) -> SessionId {
    SessionId::mint(number)
}

/// A record of a session that is open after it.
pub(super) fn answered(command: u64) -> Entry {
    let command = CommandId::from_number(command).unwrap();
    Entry::Response(Response {
        command,
        status: 200,
        bytes_in: 1,
        bytes_out: 2,
        duration: Duration::from_millis(3),
        ended: hoop_audit::AnswerEnd::Whole,
        masked: vec![],
        shown: vec![],
        request: None,
        answer: None,
    })
}

pub(super) fn closed() -> Entry {
    Entry::Closed(CloseReason::Finished)
}

/// Makes frames that follow a head; returns the head after them.
pub(super) fn frames(chain: &ChainId, head: Option<Head>, records: &[(u128, Entry)]) -> (Vec<u8>, Option<Head>) {
    let open = || Chain::open(&chain.node, chain.incarnation, chain.shard);
    let mut chain = head.map_or_else(open, |head| Chain::resume(chain, head));
    let mut bytes = Vec::new();
    for (number, entry) in records {
        let frame = chain.append(entry, session(*number), NOW, [7; 32]).unwrap();
        bytes.extend_from_slice(frame.bytes());
        drop(frame.written());
    }
    (bytes, chain.head())
}

/// A node's evidence in a directory of its own.
pub(super) struct Place {
    pub(super) temporary: tempfile::TempDir,
    pub(super) directory: Directory,
    pub(super) ledger: Arc<Ledger>,
    pub(super) sealer: Sealer,
    pub(super) lock: Lock,
}

impl Place {
    pub(super) fn new(incarnation: u128) -> Self {
        Self::again(tempfile::tempdir().unwrap(), incarnation)
    }

    /// The next incarnation in the same directory.
    pub(super) fn again(temporary: tempfile::TempDir, incarnation: u128) -> Self {
        let incarnation = Incarnation::mint(incarnation);
        let (directory, lock) = Directory::open(temporary.path(), &node()).unwrap();
        let key = SigningKey::from_seed(&[9; 32]).unwrap();
        let public = key.verifying_key().0;
        let ledger = Arc::new(Ledger::new(EvidenceKey { node: node(), incarnation, public }, 1 << 20));
        let sealer = Sealer { directory: directory.clone(), node: node(), signer: incarnation, key };
        Self { temporary, directory, ledger, sealer, lock }
    }

    /// What is left of it when the process is gone.
    pub(super) fn left(self) -> tempfile::TempDir {
        self.temporary
    }

    pub(super) fn path(&self) -> &Path {
        &self.directory.path
    }

    /// Puts a file there as another life of the node would have left it.
    pub(super) fn put(&self, chain: &ChainId, first: u64, form: Form, bytes: &[u8]) -> PieceName {
        let name = PieceName { incarnation: chain.incarnation, shard: chain.shard, first };
        std::fs::write(self.directory.path_of(name, form), bytes).unwrap();
        name
    }

    /// Returns the names of the files, those in directories with the directory in front.
    pub(super) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.path()).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                let beneath = std::fs::read_dir(entry.path()).unwrap();
                files.extend(beneath.map(|file| format!("{name}/{}", file.unwrap().file_name().to_str().unwrap())));
            } else {
                files.push(name);
            }
        }
        files.sort();
        files
    }

    /// Verifies every sealed segment of a chain, one after the other from its first record on; returns their records, and
    /// whether the last one ends the chain.
    pub(super) fn sealed(&self, chain: &ChainId) -> (Vec<(u128, Entry)>, bool) {
        let mut all = Vec::new();
        let (mut before, mut ends) = (None, false);
        for (name, form) in self.directory.list().unwrap() {
            if form != Form::Sealed || name.chain(&node()) != *chain {
                continue;
            }
            let bytes = std::fs::read(self.directory.path_of(name, form)).unwrap();
            let segment = read_segment(&bytes).unwrap();
            segment.verify(&self.sealer.key.verifying_key()).unwrap();
            assert_eq!((segment.before, segment.first), (before, name.first), "the segments follow each other");
            assert!(!ends, "nothing follows the end of a chain");
            assert_eq!(segment.signer, self.ledger.key.incarnation);
            (before, ends) = (Some(segment.root.last), segment.root.ends_chain);
            all.extend_from_slice(segment.frames);
        }
        let expected = Expected { node: node(), incarnation: chain.incarnation, shard: chain.shard, head: before };
        if !all.is_empty() {
            verify_chain(&all, &expected).unwrap();
        }
        let number = |session: SessionId| u128::from_be_bytes(session.to_bytes());
        let records = hoop_audit::records(&all).map(Result::unwrap);
        (records.map(|record| (number(record.session), record.entry)).collect(), ends)
    }
}

/// What goes wrong with a disk.
#[derive(Debug)]
pub(super) struct Disk {
    /// How many bytes it takes.
    pub(super) space: Cell<usize>,
    /// Whether what was written can be cut off again.
    pub(super) cuts: Cell<bool>,
    /// Whether files can be made.
    pub(super) creates: Cell<bool>,
}

/// A directory on a disk on which things go wrong.
#[derive(Debug, Clone)]
pub(super) struct Faulty {
    pub(super) directory: Directory,
    pub(super) disk: Rc<Disk>,
}

#[derive(Debug)]
pub(super) struct FaultyFile {
    file: Appended,
    disk: Rc<Disk>,
}

impl Faulty {
    pub(super) fn on(directory: &Directory, space: usize) -> Self {
        let disk = Disk { space: Cell::new(space), cuts: Cell::new(true), creates: Cell::new(true) };
        Self { directory: directory.clone(), disk: Rc::new(disk) }
    }
}

impl Shelf for Faulty {
    type Medium = FaultyFile;

    fn create(&mut self, name: PieceName) -> io::Result<FaultyFile> {
        if !self.disk.creates.get() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(FaultyFile { file: self.directory.create(name)?, disk: Rc::clone(&self.disk) })
    }
}

impl Medium for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.disk.space.get());
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.disk.space.set(self.disk.space.get() - taken);
        self.file.append(&bytes[..taken])
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        if self.disk.cuts.get() { self.file.cut(length) } else { Err(io::ErrorKind::Other.into()) }
    }

    fn file(&self) -> &Arc<PieceFile> {
        self.file.file()
    }
}

#[test]
fn only_one_process_has_the_spool() {
    let place = Place::new(7);
    let second = Directory::open(place.temporary.path(), &node());
    assert_eq!(second.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let temporary = place.left();
    Directory::open(temporary.path(), &node()).unwrap();
}
