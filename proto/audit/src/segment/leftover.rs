//! What a writer that died left behind.

use super::MAX_SEAL_BYTES;
use crate::chain::BEFORE_FIRST;
use crate::record::{links, split_frame};
use crate::{Head, OpenSessions};
use hoop_model::{ChainId, SessionId};

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
    /// What follows the last record that is whole.
    pub rest: Rest,
}

/// What follows the last whole record of a leftover file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// What a writer leaves that died, or a host that did: part of one frame, some of a seal, or zeros. No record was there.
    Torn,
    /// Something that was a record, or took the place of some: nobody may give their numbers to others.
    Damaged,
}

impl Rest {
    /// Judges what follows the last whole record. A frame whose length was altered so that it seems to reach beyond the end
    /// looks torn.
    #[must_use]
    pub fn of(rest: &[u8]) -> Self {
        let is_torn = match split_frame(rest) {
            Ok(None) => true,
            Ok(Some(([], footer))) => is_within_seal(footer) || footer.iter().all(|byte| *byte == 0),
            Ok(Some(_)) | Err(_) => false,
        };
        match (rest, is_torn) {
            ([], _) => Self::Nothing,
            (_, true) => Self::Torn,
            (_, false) => Self::Damaged,
        }
    }
}

/// Returns whether what follows a frame of no bytes is a seal, as far as it goes.
fn is_within_seal(footer: &[u8]) -> bool {
    let Some((length, message)) = footer.split_first_chunk() else { return true };
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= MAX_SEAL_BYTES);
    length.is_some_and(|length| message.len() <= length)
}

/// Finds what a leftover file holds, up to the first record that is not whole, not unaltered or not in order; `None` if
/// not even one is. What was being sealed counts as torn: where the seal is whole, `read_segment` takes it.
#[must_use]
pub fn recover(bytes: &[u8]) -> Option<Leftover> {
    let first = links(bytes, 1).next()?.ok()?;
    let before = match (first.head.sequence.checked_sub(1)?, first.previous) {
        (0, hash) => (hash == BEFORE_FIRST).then_some(None)?,
        (sequence, hash) => Some(Head { sequence, hash }),
    };
    let mut links = links(bytes, first.head.sequence);
    let (mut known, mut whole_bytes, mut open) = (before, 0, OpenSessions::default());
    while let Some(Ok(link)) = links.next() {
        let follows = link.follows(&first.chain, known).is_ok();
        let (head, session, kind) = (link.head, link.session, link.kind);
        if !follows || link.record().is_err() {
            break;
        }
        (known, whole_bytes) = (Some(head), links.offset);
        open.follow(session, kind, head.sequence);
    }
    Some(Leftover {
        chain: first.chain,
        before,
        head: known.filter(|_| whole_bytes > 0)?,
        whole_bytes,
        open_sessions: open.in_order(),
        rest: Rest::of(bytes.get(whole_bytes..).unwrap_or_default()),
    })
}
