//! Verification of one chain file, or of a piece of one.

use crate::record::links;
use crate::{Broken, CloseReason, Entry, Head, Record, What};
use hoop_model::{ChainId, Incarnation, ResourceName, SessionId, UnixMillis};
use std::collections::BTreeMap;

/// What the verifier knows of a chain from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The node that wrote it.
    pub node: ResourceName,
    /// That node's incarnation.
    pub incarnation: Incarnation,
    /// The writer within it.
    pub shard: u32,
    /// A head that was kept elsewhere. The file must contain it and may go on after it. Without one, the loss of the
    /// last records and changes to the last header stay unseen.
    pub head: Option<Head>,
}

/// What a verified chain holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainSummary {
    /// How many records there are, at least 1.
    pub records: u64,
    /// The last of them.
    pub head: Head,
    /// The time of the first.
    pub first: UnixMillis,
    /// The time of the last.
    pub last: UnixMillis,
    /// Every session that has a record here.
    pub sessions: BTreeMap<SessionId, SessionSummary>,
}

/// What a verified chain holds of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionSummary {
    /// How many records.
    pub records: u64,
    /// How many commands were judged.
    pub commands: u64,
    /// How many commands were forwarded.
    pub forwarded: u64,
    /// How it ended, if its end is here.
    pub closed: Option<CloseReason>,
}

/// Verifies a chain file from its first record to its last byte. Total: any bytes yield a summary or a [`Broken`].
///
/// # Errors
/// [`Broken`] for the first record that is not what must be there. A file that is cut off before the expected head is
/// [`What::HeadMissing`], cut off after it is [`Broken::TruncatedTail`].
pub fn verify_chain(bytes: &[u8], expected: &Expected) -> Result<ChainSummary, Broken> {
    let Expected { node, incarnation, shard, head } = expected.clone();
    let chain = ChainId { node, incarnation, shard };
    let summary = walk(bytes, &chain, None, |found| match head {
        Some(head) if head.sequence == found.sequence && head.hash != found.hash => Err(What::HeadDiffers),
        Some(_) | None => Ok(()),
    });
    let summary = summary.map_err(|broken| missing_head(broken, head))?;
    match head {
        Some(head) if !(1..=summary.records).contains(&head.sequence) => {
            Err(at(bytes.len(), summary.records.saturating_add(1), What::HeadMissing(head.sequence)))
        }
        Some(_) | None => Ok(summary),
    }
}

/// Verifies frames that continue a chain after `before`, up to their last byte; every head goes by `see`.
pub(crate) fn walk(
    bytes: &[u8],
    chain: &ChainId,
    before: Option<Head>,
    mut see: impl FnMut(Head) -> Result<(), What>,
) -> Result<ChainSummary, Broken> {
    let mut known = before;
    let mut summary: Option<ChainSummary> = None;
    for link in links(bytes, number_after(known)) {
        let link = link?;
        let (offset, sequence) = (link.offset, number_after(known));
        let broken = |what| at(offset, sequence, what);
        link.follows(chain, known).map_err(broken)?;
        see(link.head).map_err(broken)?;
        known = Some(link.head);
        count(&mut summary, &link.record().map_err(broken)?);
    }
    summary.ok_or(at(0, number_after(before), What::Empty))
}

const fn at(offset: usize, sequence: u64, what: What) -> Broken {
    Broken::Record { offset, sequence, what }
}

/// Returns the number of the record after a head.
pub(crate) const fn number_after(head: Option<Head>) -> u64 {
    match head {
        Some(head) => head.sequence.saturating_add(1),
        None => 1,
    }
}

/// A file that is cut off before a record known to exist has lost evidence, whatever the writer's fate.
fn missing_head(broken: Broken, head: Option<Head>) -> Broken {
    match (broken, head) {
        (Broken::TruncatedTail { offset, whole_records }, Some(head)) if whole_records < head.sequence => {
            at(offset, whole_records.saturating_add(1), What::HeadMissing(head.sequence))
        }
        (Broken::TruncatedTail { .. } | Broken::Record { .. } | Broken::Seal { .. }, _) => broken,
    }
}

fn count(summary: &mut Option<ChainSummary>, record: &Record) {
    let summary = summary.get_or_insert_with(|| ChainSummary {
        records: 0,
        head: record.head,
        first: record.time,
        last: record.time,
        sessions: BTreeMap::new(),
    });
    summary.records = summary.records.saturating_add(1);
    summary.head = record.head;
    summary.last = record.time;
    let session = summary.sessions.entry(record.session).or_default();
    session.records = session.records.saturating_add(1);
    match &record.entry {
        Entry::Verdict(_) => session.commands = session.commands.saturating_add(1),
        Entry::Forwarded(_) => session.forwarded = session.forwarded.saturating_add(1),
        Entry::Closed(reason) => session.closed = Some(*reason),
        Entry::Opened(_) | Entry::NotOpened(_) | Entry::Response(_) | Entry::Approval(_) => {}
    }
}
