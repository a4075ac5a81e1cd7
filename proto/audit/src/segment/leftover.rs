//! What a writer that died left behind.

use crate::chain::BEFORE_FIRST;
use crate::record::links;
use crate::{Head, Kind};
use hoop_model::{ChainId, SessionId};
use std::collections::BTreeMap;

/// What can be saved of a file whose writer died: its first `whole_bytes` are records of one chain, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The chain.
    pub chain: ChainId,
    /// The record before the first in the file; `None` if the file begins the chain.
    pub before: Option<Head>,
    /// The last record that is whole.
    pub head: Head,
    /// How many bytes are records; the file is to be cut to them.
    pub whole_bytes: usize,
    /// Sessions that have a record here, were opened, and are not closed here: in the order of their first record.
    pub open_sessions: Vec<SessionId>,
    /// Whether anything follows the last record that is whole.
    pub cut: bool,
}

/// Finds what a leftover file holds, up to the first record that is not whole, not unaltered or not in order; `None` if
/// not even one is. A file that was being sealed counts as cut: where the seal is whole, `read_segment` takes it.
#[must_use]
pub fn recover(bytes: &[u8]) -> Option<Leftover> {
    let first = links(bytes, 1).next()?.ok()?;
    let before = match (first.head.sequence.checked_sub(1)?, first.previous) {
        (0, hash) => (hash == BEFORE_FIRST).then_some(None)?,
        (sequence, hash) => Some(Head { sequence, hash }),
    };
    let mut links = links(bytes, first.head.sequence);
    let (mut known, mut whole_bytes, mut open) = (before, 0, BTreeMap::new());
    while let Some(Ok(link)) = links.next() {
        let follows = link.follows(&first.chain, known).is_ok();
        let (head, session, kind) = (link.head, link.session, link.kind);
        if !follows || link.record().is_err() {
            break;
        }
        (known, whole_bytes) = (Some(head), links.offset);
        match kind {
            Kind::Closed | Kind::NotOpened => drop(open.remove(&session)),
            Kind::Opened | Kind::Verdict | Kind::Forwarded | Kind::Response | Kind::Approval => {
                open.entry(session).or_insert(head.sequence);
            }
        }
    }
    let mut open_sessions: Vec<_> = open.into_iter().collect();
    open_sessions.sort_by_key(|(_, since)| *since);
    Some(Leftover {
        chain: first.chain,
        before,
        head: known.filter(|_| whole_bytes > 0)?,
        whole_bytes,
        open_sessions: open_sessions.into_iter().map(|(session, _)| session).collect(),
        cut: whole_bytes < bytes.len(),
    })
}
