//! The file: opened once, checked whole before anything is believed, read by anyone, written by one thread.

use crate::convert;
use crate::record::{Damaged, LogIdRecord, OwnerRecord, Place, SnapshotRecord, VoteRecord, open_entry};
use crate::types::{Entry, LogId, SnapshotMeta, Vote};
use crate::writer::{Done, Job, Write, Writer};
use hoop_state::State;
use openraft::EntryPayload;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;

/// Log entries by index.
pub(crate) const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
/// Everything else by [`Place::name`].
pub(crate) const PLACES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("places");

const FILE: &str = "raft.redb";
const UNFINISHED: &str = "raft.redb.new";
const FORMAT: u64 = 1;
/// Memory for pages of the file. The log is read at the start and otherwise only at its end.
const CACHE_BYTES: usize = 32 << 20;

/// Says why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiskError {
    /// The file is damaged.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The parts of the file contradict each other.
    #[error("the log is damaged: {0}")]
    Broken(&'static str),
    /// The file's pages are damaged.
    #[error("the log is damaged: {0}")]
    Pages(String),
    /// Somebody has the file open.
    #[error("the log is in use by another process")]
    InUse,
    /// The file is another node's.
    #[error("the log belongs to node {found}, not to node {wanted}")]
    AnotherNode {
        /// The node it belongs to.
        found: u64,
        /// The node that opened it.
        wanted: u64,
    },
    /// The file has another format.
    #[error("the log has format {0}, which this software does not know")]
    Format(u64),
    /// A read or write failed.
    #[error("the log cannot be read or written")]
    Store(#[from] Box<redb::Error>),
    /// The directory or file cannot be made.
    #[error("the data directory cannot be used")]
    Directory(#[from] std::io::Error),
    /// A write failed before, so what is on disk is not known.
    #[error("the log is closed after a failed write")]
    Failed,
    /// The replica was shut down.
    #[error("the log is closed")]
    Closed,
}

/// What is shared with the writer.
pub(crate) struct Store {
    database: RwLock<Option<Database>>,
    /// Entries handed over and not yet committed, which a reader must see already.
    pending: Mutex<BTreeMap<u64, Entry>>,
    /// Transactions that made log entries durable.
    pub(crate) commits: AtomicU64,
    /// Who is told how long they take, on the writer's thread.
    pub(crate) observer: OnceLock<Observer>,
}

/// Is told how long something took.
pub(crate) type Observer = Box<dyn Fn(Duration) + Send + Sync>;

/// The file. Clones share it.
#[derive(Clone)]
pub(crate) struct Disk {
    store: Arc<Store>,
    jobs: mpsc::Sender<Job>,
}

/// What the file held when it was opened.
pub(crate) struct Found {
    pub(crate) snapshot: Option<(SnapshotMeta, State)>,
    pub(crate) last: Option<LogId>,
}

impl Disk {
    /// Opens the file of a node, makes it if there is none, and checks every byte of it.
    pub(crate) fn open(directory: &Path, node: u64) -> Result<(Self, Found), DiskError> {
        std::fs::create_dir_all(directory)?;
        let path = directory.join(FILE);
        if !path.try_exists()? {
            create(directory, node)?;
        }
        // A two-phase commit never falls back to an older one, so damage is an error and not a shorter log.
        let database = builder().open(&path).map_err(store)?;
        let found = check(&database, node)?;
        let (database, pending) = (RwLock::new(Some(database)), Mutex::default());
        let shared = Arc::new(Store { database, pending, commits: AtomicU64::new(0), observer: OnceLock::new() });
        let (jobs, queue) = mpsc::channel();
        let writer = Writer::new(Arc::clone(&shared), queue);
        std::thread::Builder::new().name("raft-log".into()).spawn(move || writer.run())?;
        Ok((Self { store: shared, jobs }, found))
    }

    /// Has an observer told how long it takes to make entries durable; only the first is.
    pub(crate) fn observe_flushes(&self, observer: Observer) {
        drop(self.store.observer.set(observer));
    }

    /// Hands entries to the writer; `done` hears of it once they are durable.
    pub(crate) fn append(&self, entries: Vec<Entry>, done: Done) -> Result<(), DiskError> {
        let write = Write::append(&entries);
        self.store.pending().extend(entries.into_iter().map(|entry| (entry.log_id.index, entry)));
        self.jobs.send(Job { write, done }).map_err(|_| DiskError::Closed)
    }

    /// Has the writer do something, and waits until it is durable.
    pub(crate) async fn write(&self, write: Write) -> Result<(), DiskError> {
        let (done, waiting) = oneshot::channel();
        self.jobs.send(Job { write, done: Done::Waiting(done) }).map_err(|_| DiskError::Closed)?;
        waiting.await.map_err(|_| DiskError::Closed)?
    }

    /// Reads the entries of some indexes, durable or not.
    pub(crate) fn entries(&self, range: impl std::ops::RangeBounds<u64> + Clone) -> Result<Vec<Entry>, DiskError> {
        // In this order: what leaves `pending` is in the file.
        let mut entries: BTreeMap<u64, Entry> =
            self.store.pending().iter().filter(|(index, _)| range.contains(*index)).map(copied).collect();
        let database = self.store.database();
        let log = read(&database)?.open_table(LOG).map_err(store)?;
        for record in log.range(range).map_err(store)? {
            let (index, record) = record.map_err(store)?;
            let index = index.value();
            if let std::collections::btree_map::Entry::Vacant(place) = entries.entry(index) {
                place.insert(open_entry(index, record.value())?);
            }
        }
        Ok(entries.into_values().collect())
    }

    /// Returns the last entry's id, or that of the last purged one if there is none.
    pub(crate) fn last(&self) -> Result<Option<LogId>, DiskError> {
        let database = self.store.database();
        let log = read(&database)?.open_table(LOG).map_err(store)?;
        match log.last().map_err(store)? {
            Some((index, record)) => Ok(Some(open_entry(index.value(), record.value())?.log_id)),
            None => self.purged(),
        }
    }

    /// Returns the id of the last purged entry.
    pub(crate) fn purged(&self) -> Result<Option<LogId>, DiskError> {
        Ok(place::<LogIdRecord>(self.store.database().as_ref(), Place::Purged)?.map(Into::into))
    }

    /// Returns the last vote saved.
    pub(crate) fn vote(&self) -> Result<Option<Vote>, DiskError> {
        Ok(place::<VoteRecord>(self.store.database().as_ref(), Place::Vote)?.map(Into::into))
    }

    /// Returns the last snapshot saved.
    pub(crate) fn snapshot(&self) -> Result<Option<SnapshotRecord>, DiskError> {
        place(self.store.database().as_ref(), Place::Snapshot)
    }

    /// Returns how many transactions made log entries durable since the file was opened.
    #[cfg(test)]
    pub(crate) fn commits(&self) -> u64 {
        self.store.commits.load(Ordering::Relaxed)
    }
}

impl Store {
    pub(crate) fn pending(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn database(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the file: who comes after is told, and it can be opened again.
    pub(crate) fn close(&self) {
        let database = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(database);
    }

    pub(crate) fn count_commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
}

/// Turns any of redb's errors into ours.
pub(crate) fn store(error: impl Into<redb::Error>) -> DiskError {
    let error = error.into();
    if let redb::Error::Corrupted(problem) = error {
        return DiskError::Pages(problem);
    }
    if matches!(error, redb::Error::DatabaseAlreadyOpen) {
        return DiskError::InUse;
    }
    DiskError::Store(Box::new(error))
}

fn copied((index, entry): (&u64, &Entry)) -> (u64, Entry) {
    (*index, entry.clone())
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

/// Makes the file under another name first: a file of the right name was complete once, so an empty one is damage.
fn create(directory: &Path, node: u64) -> Result<(), DiskError> {
    let unfinished = directory.join(UNFINISHED);
    if unfinished.try_exists()? {
        std::fs::remove_file(&unfinished)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?.sync_all()?;
    let database = builder().create(&unfinished).map_err(store)?;
    let mut transaction = database.begin_write().map_err(store)?;
    transaction.set_two_phase_commit(true);
    transaction.open_table(LOG).map_err(store)?;
    let owner = Place::Owner.seal(&OwnerRecord { format: FORMAT, node });
    let mut places = transaction.open_table(PLACES).map_err(store)?;
    places.insert(Place::Owner.name(), owner.as_slice()).map_err(store)?;
    drop(places);
    transaction.commit().map_err(store)?;
    drop(database);
    std::fs::rename(&unfinished, directory.join(FILE))?;
    Ok(File::open(directory)?.sync_all()?)
}

fn read(database: &Option<Database>) -> Result<redb::ReadTransaction, DiskError> {
    database.as_ref().ok_or(DiskError::Closed)?.begin_read().map_err(store)
}

fn place<M: prost::Message + Default>(database: Option<&Database>, place: Place) -> Result<Option<M>, DiskError> {
    let transaction = database.ok_or(DiskError::Closed)?.begin_read().map_err(store)?;
    let places = transaction.open_table(PLACES).map_err(store)?;
    let record = places.get(place.name()).map_err(store)?;
    Ok(record.map(|record| place.open(record.value())).transpose()?)
}

/// Checks that the file is this node's, that every record is whole, that every proposal decodes, and that entries follow
/// each other without a hole from the snapshot on.
fn check(database: &Database, node: u64) -> Result<Found, DiskError> {
    let owner: OwnerRecord = place(Some(database), Place::Owner)?.ok_or(DiskError::Broken("it has no owner"))?;
    if owner.format != FORMAT {
        return Err(DiskError::Format(owner.format));
    }
    if owner.node != node {
        return Err(DiskError::AnotherNode { found: owner.node, wanted: node });
    }
    let snapshot = place::<SnapshotRecord>(Some(database), Place::Snapshot)?.map(check_snapshot).transpose()?;
    let purged: Option<LogId> = place::<LogIdRecord>(Some(database), Place::Purged)?.map(Into::into);
    let covered = snapshot.as_ref().and_then(|(meta, _)| meta.last_log_id);
    if purged > covered {
        return Err(DiskError::Broken("entries were purged that no snapshot has"));
    }
    let last = check_entries(database, purged)?;
    let voted = place::<VoteRecord>(Some(database), Place::Vote)?.is_some();
    if !voted && last.is_some_and(|id| id.leader_id.term > 0) {
        return Err(DiskError::Broken("it has entries of a term and no vote"));
    }
    Ok(Found { snapshot, last })
}

fn check_snapshot(record: SnapshotRecord) -> Result<(SnapshotMeta, State), DiskError> {
    let state = convert::decode_state(&record.state).map_err(|error| Place::Snapshot.damaged(error))?;
    Ok((record.meta()?, state))
}

fn check_entries(database: &Database, purged: Option<LogId>) -> Result<Option<LogId>, DiskError> {
    let transaction = database.begin_read().map_err(store)?;
    let log = transaction.open_table(LOG).map_err(store)?;
    let mut last = purged;
    for record in log.iter().map_err(store)? {
        let (index, record) = record.map_err(store)?;
        let index = index.value();
        if index != last.map_or(0, |id| id.index.saturating_add(1)) {
            return Err(DiskError::Broken("an entry is missing"));
        }
        let entry = open_entry(index, record.value())?;
        if last.is_some_and(|id| id >= entry.log_id) {
            return Err(DiskError::Broken("entries are not in order"));
        }
        check_proposals(&entry)?;
        last = Some(entry.log_id);
    }
    Ok(last)
}

fn check_proposals(entry: &Entry) -> Result<(), Damaged> {
    match &entry.payload {
        EntryPayload::Blank | EntryPayload::Membership(_) => Ok(()),
        EntryPayload::Normal(batch) => {
            batch.0.iter().try_for_each(|proposal| match convert::decode_proposal(proposal) {
                Ok(_) => Ok(()),
                Err(error) => Err(Place::Entry(entry.log_id.index).damaged(error)),
            })
        }
    }
}
