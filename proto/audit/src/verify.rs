//! Verification of one chain file.

use crate::chain::BEFORE_FIRST;
use crate::{Broken, CloseReason, Entry, Head, Record, What, records};
use hoop_model::{Incarnation, ResourceName, SessionId, UnixMillis};
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
    let mut summary: Option<ChainSummary> = None;
    for record in records(bytes) {
        let known = summary.as_ref().map(|summary| summary.head);
        let record = record.map_err(|broken| missing_head(broken, expected))?;
        let sequence = known.map_or(0, |head| head.sequence).saturating_add(1);
        check(&record, known, sequence, expected).map_err(|what| at(record.offset, sequence, what))?;
        summary = Some(count(summary, &record));
    }
    let summary = summary.ok_or(at(0, 1, What::Empty))?;
    match expected.head {
        Some(head) if !(1..=summary.records).contains(&head.sequence) => {
            Err(at(bytes.len(), summary.records.saturating_add(1), What::HeadMissing(head.sequence)))
        }
        Some(_) | None => Ok(summary),
    }
}

const fn at(offset: usize, sequence: u64, what: What) -> Broken {
    Broken::Record { offset, sequence, what }
}

/// A file that is cut off before a record known to exist has lost evidence, whatever the writer's fate.
fn missing_head(broken: Broken, expected: &Expected) -> Broken {
    match (broken, expected.head) {
        (Broken::TruncatedTail { offset, whole_records }, Some(head)) if whole_records < head.sequence => {
            at(offset, whole_records.saturating_add(1), What::HeadMissing(head.sequence))
        }
        (Broken::TruncatedTail { .. } | Broken::Record { .. }, _) => broken,
    }
}

fn check(record: &Record, before: Option<Head>, sequence: u64, expected: &Expected) -> Result<(), What> {
    if record.node != expected.node {
        return Err(What::Foreign("node"));
    }
    if record.incarnation != expected.incarnation {
        return Err(What::Foreign("incarnation"));
    }
    if record.shard != expected.shard {
        return Err(What::Foreign("shard"));
    }
    if record.head.sequence != sequence {
        return Err(What::OutOfSequence(record.head.sequence));
    }
    if record.previous != before.map_or(BEFORE_FIRST, |head| head.hash) {
        return Err(What::Unlinked);
    }
    match expected.head {
        Some(head) if head.sequence == sequence && head.hash != record.head.hash => Err(What::HeadDiffers),
        Some(_) | None => Ok(()),
    }
}

fn count(summary: Option<ChainSummary>, record: &Record) -> ChainSummary {
    let mut summary = summary.unwrap_or_else(|| ChainSummary {
        records: 0,
        head: record.head,
        first: record.time,
        last: record.time,
        sessions: BTreeMap::new(),
    });
    summary.records = record.head.sequence;
    summary.head = record.head;
    summary.last = record.time;
    let session = summary.sessions.entry(record.session).or_default();
    session.records += 1;
    match &record.entry {
        Entry::Verdict(_) => session.commands += 1,
        Entry::Forwarded(_) => session.forwarded += 1,
        Entry::Closed(reason) => session.closed = Some(*reason),
        Entry::Opened(_) | Entry::NotOpened(_) | Entry::Response(_) => {}
    }
    summary
}
