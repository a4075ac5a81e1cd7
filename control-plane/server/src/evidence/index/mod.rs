//! The session index: which sessions there are, and in which segments their records lie. Made from log and store alone, in
//! the order of the log, so it can be thrown away at any time and knows how far it has come.
//!
//! ```text
//!   log entry ─▶ roots ─▶ segment ─▶ rows by session, by time; pieces of each session ─▶ position
//! ```

mod ingest;
mod read;
mod row;

pub(super) use read::{Filter, Found, Piece};
pub(super) use row::Row;

use super::error::EvidenceError;
use hoop_model::ChainId;
use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::{broadcast, watch};

/// What the index is, by name.
const MARKS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("marks");
/// Rows by session.
const SESSIONS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("sessions");
/// Sessions by the time they were opened.
const BY_TIME: TableDefinition<'_, (u64, u128), ()> = TableDefinition::new("sessions_by_time");
/// By session, incarnation, shard and first record of a segment: nothing more, the segment has the rest.
const PIECES: TableDefinition<'_, (u128, u128, u32, u64), ()> = TableDefinition::new("pieces");
/// The last record of each segment that the log names, by node, incarnation, shard and its first record.
const SEGMENTS: TableDefinition<'_, (&str, u128, u32, u64), u64> = TableDefinition::new("segments");

const FORMAT: &str = "format";
const ORIGIN: &str = "origin";
/// How many entries of the log are in, and how many bytes they have.
const POSITION: &str = "position";
/// Raised whenever the tables, or what is in them, change meaning. An index of another format is made again.
const THIS_FORMAT: &[u8] = b"1";

/// Memory for pages of the file.
const CACHE_BYTES: usize = 64 << 20;
/// How many segments a slow reader of news may be behind.
const NEWS: usize = 1_024;

/// The session index.
pub(crate) struct Index {
    /// None once it is closed.
    database: RwLock<Option<Database>>,
    position: watch::Sender<u64>,
    news: broadcast::Sender<Piece>,
}

/// How far an index has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Position {
    entries: u64,
    bytes: u64,
}

impl Index {
    /// Opens the index of a log of `size` entries, or begins one.
    ///
    /// # Errors
    /// [`EvidenceError`] if the file is no index of this log; it may then be removed.
    pub(super) fn open(path: &Path, origin: &str, size: u64) -> Result<Self, EvidenceError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        let database = builder.create(path).map_err(EvidenceError::index)?;
        let writing = database.begin_write().map_err(EvidenceError::index)?;
        let position = begin(&writing, origin)?;
        writing.commit().map_err(EvidenceError::index)?;
        if position.entries > size {
            return Err(EvidenceError::IndexDamaged("it is ahead of the log"));
        }
        let (position, news) = (watch::Sender::new(position.entries), broadcast::Sender::new(NEWS));
        Ok(Self { database: RwLock::new(Some(database)), position, news })
    }

    /// Returns how many entries of the log are in, and news of it.
    pub(super) fn position(&self) -> watch::Receiver<u64> {
        self.position.subscribe()
    }

    /// Returns the segments that come in from here on, in the order of the log.
    pub(super) fn news(&self) -> broadcast::Receiver<Piece> {
        self.news.subscribe()
    }

    /// Closes the file: it can be opened again, and whoever comes after is told. Waits for what is being written.
    pub(super) fn close(&self) {
        drop(self.database.write().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn read(&self) -> Result<ReadTransaction, EvidenceError> {
        self.database().as_ref().ok_or(EvidenceError::Closed)?.begin_read().map_err(EvidenceError::index)
    }

    fn database(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the tables of a file that has none; reads how far the index has come.
fn begin(writing: &WriteTransaction, origin: &str) -> Result<Position, EvidenceError> {
    let mut marks = writing.open_table(MARKS).map_err(EvidenceError::index)?;
    writing.open_table(SESSIONS).map_err(EvidenceError::index)?;
    writing.open_table(BY_TIME).map_err(EvidenceError::index)?;
    writing.open_table(PIECES).map_err(EvidenceError::index)?;
    writing.open_table(SEGMENTS).map_err(EvidenceError::index)?;
    let read = |name: &str| {
        let mark = marks.get(name).map_err(EvidenceError::index)?;
        Ok::<_, EvidenceError>(mark.map(|mark| mark.value().to_vec()))
    };
    match (read(FORMAT)?, read(ORIGIN)?, read(POSITION)?) {
        (None, None, None) => {
            marks.insert(FORMAT, THIS_FORMAT).map_err(EvidenceError::index)?;
            marks.insert(ORIGIN, origin.as_bytes()).map_err(EvidenceError::index)?;
            marks.insert(POSITION, Position::default().to_bytes().as_slice()).map_err(EvidenceError::index)?;
            Ok(Position::default())
        }
        (Some(format), Some(of), Some(position)) if format == THIS_FORMAT && of == origin.as_bytes() => {
            Position::of(&position).ok_or(EvidenceError::IndexDamaged("its position cannot be read"))
        }
        _ => Err(EvidenceError::IndexDamaged("it is of another format, or of another log")),
    }
}

impl Position {
    fn to_bytes(self) -> Vec<u8> {
        [self.entries.to_be_bytes(), self.bytes.to_be_bytes()].concat()
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let (entries, bytes) = bytes.split_first_chunk()?;
        Some(Self { entries: u64::from_be_bytes(*entries), bytes: u64::from_be_bytes(bytes.try_into().ok()?) })
    }
}

/// The key of a chain's segment.
fn segment_key(chain: &ChainId, first: u64) -> (&str, u128, u32, u64) {
    (chain.node.as_str(), number(chain.incarnation.to_bytes()), chain.shard, first)
}

const fn number(id: [u8; 16]) -> u128 {
    u128::from_be_bytes(id)
}
