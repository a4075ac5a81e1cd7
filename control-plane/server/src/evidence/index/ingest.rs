//! Bringing the index up to the log.

use super::super::error::EvidenceError;
use super::super::log::{Kept, Log};

use super::super::store::Store;
use super::{BY_TIME, Index, MARKS, PIECES, POSITION, Piece, Position, Row, SEGMENTS, SESSIONS, number, segment_key};
use hoop_audit::{NO_SESSION, Record, decode_log_entry, read_segment, records, segment_path};
use hoop_model::{LogEntry, SegmentRoot, SessionId};
use prost::Message;
use redb::{ReadableTable, Table, WriteTransaction};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// How many segments one transaction takes in.
const SEGMENTS_AT_ONCE: usize = 64;
/// How many entries one transaction takes in.
const ENTRIES_AT_ONCE: usize = 4_096;

impl Index {
    /// Takes in what the log has and the index has not. A segment that is lost or damaged is said to be, and costs only
    /// what is in it.
    pub(in super::super) fn catch_up(&self, log: &Log, store: &Store) -> Result<(), EvidenceError> {
        let kept = log.kept();
        while *self.position.borrow() < kept.size {
            let (position, pieces) = self.take_some(log, store, &kept)?;
            for piece in pieces {
                // Nobody may be listening.
                drop(self.news.send(piece));
            }
            // Last: whoever waits for a position has the news of everything before it.
            self.position.send_replace(position.entries);
        }
        Ok(())
    }

    fn take_some(&self, log: &Log, store: &Store, kept: &Kept) -> Result<(Position, Vec<Piece>), EvidenceError> {
        let mut position = self.stored_position()?;
        let mut entries = log.read(position.bytes, kept)?;
        let began = position.bytes;
        let database = self.database();
        let database = database.as_ref().ok_or(EvidenceError::Closed)?;
        let writing = database.begin_write().map_err(EvidenceError::index)?;
        let mut tables = Tables::open(&writing)?;
        let (mut pieces, mut taken) = (Vec::new(), 0);
        while pieces.len() < SEGMENTS_AT_ONCE && taken < ENTRIES_AT_ONCE && position.entries < kept.size {
            let entry = entries.next().map_err(|error| damaged(super::super::log::ENTRIES, error))?;
            let entry = entry.ok_or_else(|| damaged(super::super::log::ENTRIES, "it ends too early"))?;
            let entry = decode_log_entry(&entry).map_err(|error| damaged(super::super::log::ENTRIES, error))?;
            pieces.extend(tables.take_entry(store, entry)?);
            position.entries = position.entries.saturating_add(1);
            position.bytes = began.saturating_add(entries.offset());
            taken += 1;
        }
        drop(tables);
        let mut marks = writing.open_table(MARKS).map_err(EvidenceError::index)?;
        marks.insert(POSITION, position.to_bytes().as_slice()).map_err(EvidenceError::index)?;
        drop(marks);
        writing.commit().map_err(EvidenceError::index)?;
        Ok((position, pieces))
    }

    fn stored_position(&self) -> Result<Position, EvidenceError> {
        let marks = self.read()?.open_table(MARKS).map_err(EvidenceError::index)?;
        let position = marks.get(POSITION).map_err(EvidenceError::index)?;
        let position = position.and_then(|position| Position::of(position.value()));
        position.ok_or(EvidenceError::IndexDamaged("its position cannot be read"))
    }
}

/// The tables of one transaction.
struct Tables<'t> {
    sessions: Table<'t, u128, &'static [u8]>,
    by_time: Table<'t, (u64, u128), ()>,
    pieces: Table<'t, (u128, u128, u32, u64), ()>,
    segments: Table<'t, (&'static str, u128, u32, u64), u64>,
}

impl<'t> Tables<'t> {
    fn open(writing: &'t WriteTransaction) -> Result<Self, EvidenceError> {
        Ok(Self {
            sessions: writing.open_table(SESSIONS).map_err(EvidenceError::index)?,
            by_time: writing.open_table(BY_TIME).map_err(EvidenceError::index)?,
            pieces: writing.open_table(PIECES).map_err(EvidenceError::index)?,
            segments: writing.open_table(SEGMENTS).map_err(EvidenceError::index)?,
        })
    }

    fn take_entry(&mut self, store: &Store, entry: LogEntry) -> Result<Vec<Piece>, EvidenceError> {
        let mut pieces = Vec::with_capacity(entry.roots.len());
        for root in entry.roots {
            let key = segment_key(&root.chain, root.first);
            self.segments.insert(key, root.last.sequence).map_err(EvidenceError::index)?;
            match read(store, &root)? {
                Ok(records) => self.take_records(&root, &records)?,
                Err(problem) => {
                    let path = segment_path(&root.chain, root.first);
                    tracing::error!(path, problem, "a segment of the evidence store is lost or damaged");
                }
            }
            pieces.push(Piece { chain: root.chain, first: root.first });
        }
        Ok(pieces)
    }

    fn take_records(&mut self, root: &SegmentRoot, records: &[Record]) -> Result<(), EvidenceError> {
        let mut rows: BTreeMap<SessionId, Row> = BTreeMap::new();
        let mut known: BTreeSet<(u64, SessionId)> = BTreeSet::new();
        let mut foreign: BTreeSet<SessionId> = BTreeSet::new();
        for record in records.iter().filter(|record| record.session != NO_SESSION) {
            let row = match rows.entry(record.session) {
                Entry::Occupied(row) => row.into_mut(),
                Entry::Vacant(place) => {
                    let row = self.row(record.session)?;
                    // A session is its first node's. What another says of it stays in the store, and counts for nothing.
                    if row.as_ref().is_some_and(|row| row.summary.node != root.chain.node.as_str()) {
                        foreign.insert(record.session);
                        continue;
                    }
                    known.extend(row.as_ref().map(|row| (row.summary.opened_ms, record.session)));
                    place.insert(row.unwrap_or_else(|| Row::begin(record)))
                }
            };
            row.count(record);
        }
        for session in foreign {
            tracing::warn!(node = %root.chain.node, %session, "a node has records of another node's session");
        }
        for (opened_ms, session) in known {
            self.by_time.remove((opened_ms, number(session.to_bytes()))).map_err(EvidenceError::index)?;
        }
        let (_, incarnation, shard, first) = segment_key(&root.chain, root.first);
        for (session, row) in rows {
            let id = number(session.to_bytes());
            self.sessions.insert(id, row.encode_to_vec().as_slice()).map_err(EvidenceError::index)?;
            self.by_time.insert((row.summary.opened_ms, id), ()).map_err(EvidenceError::index)?;
            self.pieces.insert((id, incarnation, shard, first), ()).map_err(EvidenceError::index)?;
        }
        Ok(())
    }

    fn row(&self, session: SessionId) -> Result<Option<Row>, EvidenceError> {
        let row = self.sessions.get(number(session.to_bytes())).map_err(EvidenceError::index)?;
        row.map(|row| Row::decode(row.value())).transpose().map_err(|_| EvidenceError::IndexDamaged("a session's row"))
    }
}

/// Reads a segment that the log names; a problem with it is not one of the host.
fn read(store: &Store, root: &SegmentRoot) -> Result<Result<Vec<Record>, String>, EvidenceError> {
    let Some(bytes) = store.read(&root.chain, root.first)? else { return Ok(Err("it is not there".to_owned())) };
    let segment = match read_segment(&bytes) {
        Ok(segment) if segment.root == *root => segment,
        Ok(_) => return Ok(Err("it is not the one that the log names".to_owned())),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let read: Result<Vec<Record>, _> = records(segment.frames).collect();
    let read = read.map_err(|error| error.to_string());
    Ok(read.and_then(|records| {
        let own = records.iter().all(|record| record.chain() == root.chain);
        if own { Ok(records) } else { Err("it has records of another chain".to_owned()) }
    }))
}

fn damaged(path: &str, problem: impl ToString) -> EvidenceError {
    EvidenceError::Damaged { path: path.to_owned(), problem: problem.to_string() }
}
