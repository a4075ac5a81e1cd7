//! What an audit found.

use crate::{Broken, NotALogEntry, Unframed};
use hoop_model::{ChainId, Gap, Head, ResourceName};
use std::collections::BTreeMap;
use std::fmt;

/// What an audit found. Only what a checkpoint vouches for counts as verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The log's name: `hoopgate/CLUSTER_UID/evidence`.
    pub origin: String,
    /// How many entries the log has.
    pub entries: u64,
    /// How many of them, from the first on, a checkpoint vouches for. Those after it prove nothing.
    pub anchored: u64,
    /// Every chain that the anchored entries name, or of which there is a segment.
    pub chains: BTreeMap<ChainId, ChainReport>,
    /// What is not as it must be: somebody changed the evidence, or it was lost unnoticed.
    pub problems: Vec<Problem>,
    /// Records that the cluster itself declared lost.
    pub gaps: Vec<Gap>,
    /// Records that are known, but were not in the store yet when the log ended.
    pub pending: Vec<Pending>,
    /// Segments that are in order but that no anchored entry names yet; who holds their key can still replace them.
    pub unanchored: Vec<Unanchored>,
}

impl Report {
    /// Returns whether nothing contradicts anything. There may be gaps, and records that are not proven yet.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Returns how many records are verified, of all chains.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.chains.values().fold(0, |sum, chain| sum.saturating_add(chain.records))
    }
}

/// What is verified of one chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChainReport {
    /// How many segments are the ones that the log names.
    pub segments: u64,
    /// How many records those hold.
    pub records: u64,
    /// The last of those records.
    pub head: Option<Head>,
    /// Whether the log says that no record follows.
    pub ended: bool,
}

/// Records that heads vouch for and that no segment holds yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The chain.
    pub chain: ChainId,
    /// The number of the first.
    pub first: u64,
    /// The last that is known.
    pub last: Head,
}

/// A segment that no anchored entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanchored {
    /// Its file.
    pub path: String,
    /// How many records it holds.
    pub records: u64,
}

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub fault: Fault,
}

impl Problem {
    /// Returns the node that said two different things, if that is the problem. It concerns the node alone: what others
    /// recorded is proven all the same, and so is each of the two that it said to have been said.
    #[must_use]
    pub const fn contradicting_node(&self) -> Option<&ResourceName> {
        match &self.fault {
            Fault::Conflict { chain, .. } => Some(&chain.node),
            Fault::KeyReplaced(node) => Some(node),
            Fault::LogCut(_)
            | Fault::LogDiffers { .. }
            | Fault::EntryCut
            | Fault::Unframed(_)
            | Fault::Unreadable(_)
            | Fault::Misnumbered(_)
            | Fault::OutOfPlace(_)
            | Fault::Broken(_)
            | Fault::Misplaced(_)
            | Fault::Doubled
            | Fault::Replaced(_)
            | Fault::Unlinked
            | Fault::SignerUnknown
            | Fault::SignerTooLate { .. }
            | Fault::SignerOutOfTurn
            | Fault::HeadContradicted(_)
            | Fault::Unexpected
            | Fault::SegmentMissing(_)
            | Fault::RecordsMissing(_) => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
    }
}

/// Where a problem is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the log.
    Log {
        /// The entry, from 0.
        entry: u64,
        /// Where it begins, or would begin, in bytes from the start of `log/entries`.
        offset: u64,
    },
    /// In a segment's file.
    Segment {
        /// The file, as the caller named it.
        path: String,
        /// The number of the record in its chain, if it is in one.
        record: Option<u64>,
        /// Where that record, or the seal, begins, in bytes from the start of the file.
        offset: Option<usize>,
    },
    /// In what there is of a chain.
    Chain {
        /// The chain.
        chain: ChainId,
        /// The number of the first record that it is about.
        first: u64,
        /// The number of the last.
        last: u64,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log { entry, offset } => write!(f, "log entry {entry} at byte {offset}"),
            Self::Chain { chain, first, last } => write!(f, "chain {chain}, records {first} to {last}"),
            Self::Segment { path, record, offset } => {
                f.write_str(path)?;
                record.iter().try_for_each(|record| write!(f, ", record {record}"))?;
                offset.iter().try_for_each(|offset| write!(f, " at byte {offset}"))
            }
        }
    }
}

/// What is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The log ends before what a checkpoint vouches for.
    #[error("the log ends here, but a checkpoint vouches for {0} entries")]
    LogCut(u64),
    /// The log is not the one that a checkpoint vouches for: entries were altered, removed, added or moved.
    #[error("not what the checkpoint of {size} entries vouches for, here or later; the {sound} entries before are")]
    LogDiffers {
        /// How many entries the checkpoint vouches for.
        size: u64,
        /// The most entries that a checkpoint is right about.
        sound: u64,
    },
    /// The file ends within this entry.
    #[error("the entry is not whole")]
    EntryCut,
    /// No entry can begin here, so nothing after it can be read.
    #[error("{0}")]
    Unframed(Unframed),
    /// The entry does not decode.
    #[error("the entry {0}")]
    Unreadable(NotALogEntry),
    /// The entry is in another's place.
    #[error("the entry has the number {0}")]
    Misnumbered(u64),
    /// An incarnation announced a second key.
    #[error("a second key is announced for one incarnation of `{0}`")]
    KeyReplaced(ResourceName),
    /// The cluster saw a node contradict itself, or the log contradicts itself.
    #[error("two different records {sequence} of chain {chain} are claimed")]
    Conflict {
        /// The chain.
        chain: ChainId,
        /// The number of the record.
        sequence: u64,
    },
    /// The log says two things of the same records: two segments hold them, or they are lost, or the chain had ended.
    #[error("log entry {0} says something else of these records than the log does elsewhere")]
    OutOfPlace(u64),
    /// The segment is broken.
    #[error("{0}")]
    Broken(Broken),
    /// The segment belongs into another file: it was moved, copied or swapped.
    #[error("this is the segment that belongs into {0}")]
    Misplaced(String),
    /// The segment was handed in twice.
    #[error("the segment is there twice")]
    Doubled,
    /// The segment is in order, but another one was anchored in its place.
    #[error("not the segment that log entry {0} names")]
    Replaced(u64),
    /// The segment's first record names another record before it than the segment before has.
    #[error("the segment does not continue the one before it")]
    Unlinked,
    /// The signer is no incarnation of the node whose key was announced.
    #[error("the log announces no key of the segment's signer")]
    SignerUnknown,
    /// The key was announced only after the segment was anchored.
    #[error("the segment's key was announced in log entry {key}, after the segment in {root}")]
    SignerTooLate {
        /// The entry that announces the key.
        key: u64,
        /// The entry that names the segment.
        root: u64,
    },
    /// The signer is an older incarnation than the chain, or than the signer of the segment before.
    #[error("the segment is signed by an incarnation that was over by then")]
    SignerOutOfTurn,
    /// The record is not the one that the log vouches for.
    #[error("not the record that log entry {0} vouches for")]
    HeadContradicted(u64),
    /// The log does not name the segment, and it does not continue what the log names.
    #[error("the log does not know this segment, and it does not continue what the log knows of its chain")]
    Unexpected,
    /// The log names the segment and it is not there.
    #[error("the segment that log entry {0} names is missing")]
    SegmentMissing(u64),
    /// The log vouches for the records and nothing holds them.
    #[error("the records are missing; log entry {0} vouches for them")]
    RecordsMissing(u64),
}
