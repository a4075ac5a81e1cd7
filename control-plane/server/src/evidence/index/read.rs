//! Asking the index.

use super::super::error::EvidenceError;
use super::{BY_TIME, Index, PIECES, Row, SEGMENTS, SESSIONS, number, segment_key};
use hoop_model::{ChainId, Incarnation, ResourceName, SessionId};
use hoop_state::EvidenceLog;
use prost::Message;
use redb::{ReadOnlyTable, ReadTransaction};
use std::collections::{BTreeMap, BTreeSet};

/// How many sessions one page looks at, so that a rare filter costs many pages and not one long wait.
const LOOKED_AT: usize = 100_000;

/// One segment that the log names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Piece {
    /// The chain.
    pub(in super::super) chain: ChainId,
    /// The number of its first record.
    pub(in super::super) first: u64,
}

/// Which sessions are wanted. An empty text does not narrow.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Filter {
    /// The identity's name.
    pub(in super::super) identity: String,
    /// The connection's name.
    pub(in super::super) connection: String,
    /// The run.
    pub(in super::super) run: String,
    /// Opened at or after, in milliseconds.
    pub(in super::super) since_ms: u64,
    /// Only before this place.
    pub(in super::super) before: (u64, u128),
    /// Only those that have not ended.
    pub(in super::super) open_only: bool,
    /// Only those with something refused.
    pub(in super::super) refused_only: bool,
    /// At most so many.
    pub(in super::super) limit: usize,
}

/// Some sessions, the newest first.
#[derive(Debug, Default)]
pub(in super::super) struct Page {
    /// The sessions.
    pub(in super::super) rows: Vec<Row>,
    /// Where the next page begins; none if there is nothing more.
    pub(in super::super) next: Option<(u64, u128)>,
}

/// What is known of one session at one moment.
#[derive(Debug)]
pub(in super::super) struct Found {
    /// The session, if it is known.
    pub(in super::super) row: Option<Row>,
    /// The segments that have records of it, chain by chain.
    pub(in super::super) pieces: Vec<Piece>,
    /// The number of the last record that is in, of each chain that was asked for; 0 if none is.
    pub(in super::super) last: BTreeMap<ChainId, u64>,
}

type Segments = ReadOnlyTable<(&'static str, u128, u32, u64), u64>;

impl Index {
    /// Returns the sessions that pass a filter, newest first, as the state of their chains has them.
    pub(in super::super) fn list(&self, filter: &Filter, log: &EvidenceLog) -> Result<Page, EvidenceError> {
        let reading = self.read()?;
        let by_time = reading.open_table(BY_TIME).map_err(EvidenceError::index)?;
        let sessions = reading.open_table(SESSIONS).map_err(EvidenceError::index)?;
        let mut page = Page::default();
        let range = by_time.range((filter.since_ms, 0)..filter.before.max((filter.since_ms, 0)));
        for (looked_at, place) in range.map_err(EvidenceError::index)?.rev().enumerate() {
            let place = place.map_err(EvidenceError::index)?.0.value();
            if page.rows.len() >= filter.limit || looked_at >= LOOKED_AT {
                return Ok(page);
            }
            page.next = Some(place);
            let row = row(&sessions, place.1)?.ok_or(EvidenceError::IndexDamaged("a session without a row"))?;
            page.rows.extend(Some(row.settled(log)).filter(|row| filter.passes(row)));
        }
        page.next = None;
        Ok(page)
    }

    /// Returns what is known of a session, if anything is.
    pub(in super::super) fn session(&self, session: SessionId) -> Result<Option<Row>, EvidenceError> {
        let sessions = self.read()?.open_table(SESSIONS).map_err(EvidenceError::index)?;
        row(&sessions, number(session.to_bytes()))
    }

    /// Returns what is known of a session and, as of the same moment, how far some chains are in.
    pub(in super::super) fn found(
        &self,
        session: SessionId,
        chains: BTreeSet<ChainId>,
    ) -> Result<Found, EvidenceError> {
        let reading = self.read()?;
        let sessions = reading.open_table(SESSIONS).map_err(EvidenceError::index)?;
        let row = row(&sessions, number(session.to_bytes()))?;
        let pieces = match &row {
            Some(row) => pieces(&reading, session, &row.summary.node)?,
            None => Vec::new(),
        };
        let segments = reading.open_table(SEGMENTS).map_err(EvidenceError::index)?;
        let last = chains.into_iter().map(|chain| last_of(&segments, &chain).map(|last| (chain, last)));
        Ok(Found { row, pieces, last: last.collect::<Result<_, _>>()? })
    }

    /// Returns the number of the last record of a chain that is in; 0 if none is.
    pub(in super::super) fn last_of(&self, chain: &ChainId) -> Result<u64, EvidenceError> {
        last_of(&self.read()?.open_table(SEGMENTS).map_err(EvidenceError::index)?, chain)
    }
}

impl Filter {
    fn passes(&self, row: &Row) -> bool {
        let summary = &row.summary;
        let fits = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        fits(&self.identity, &summary.identity)
            && fits(&self.connection, &summary.connection)
            && fits(&self.run, &summary.run)
            && (!self.open_only || summary.ended.is_empty())
            && (!self.refused_only || row.has_refusal())
    }
}

fn pieces(reading: &ReadTransaction, session: SessionId, node: &str) -> Result<Vec<Piece>, EvidenceError> {
    let node = ResourceName::parse(node).map_err(|_| EvidenceError::IndexDamaged("a session without a node"))?;
    let id = number(session.to_bytes());
    let pieces = reading.open_table(PIECES).map_err(EvidenceError::index)?;
    let all = pieces.range((id, 0, 0, 0)..=(id, u128::MAX, u32::MAX, u64::MAX)).map_err(EvidenceError::index)?;
    all.map(|piece| {
        let (_, incarnation, shard, first) = piece.map_err(EvidenceError::index)?.0.value();
        let chain = ChainId { node: node.clone(), incarnation: Incarnation::mint(incarnation), shard };
        Ok(Piece { chain, first })
    })
    .collect()
}

fn last_of(segments: &Segments, chain: &ChainId) -> Result<u64, EvidenceError> {
    let range = segment_key(chain, 0)..=segment_key(chain, u64::MAX);
    let last = segments.range(range).map_err(EvidenceError::index)?.next_back().transpose();
    Ok(last.map_err(EvidenceError::index)?.map_or(0, |(_, last)| last.value()))
}

fn row(sessions: &ReadOnlyTable<u128, &[u8]>, id: u128) -> Result<Option<Row>, EvidenceError> {
    let row = sessions.get(id).map_err(EvidenceError::index)?;
    row.map(|row| Row::decode(row.value())).transpose().map_err(|_| EvidenceError::IndexDamaged("a session's row"))
}
