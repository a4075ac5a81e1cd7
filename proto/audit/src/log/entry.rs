//! Entries of the evidence log to bytes and back.

use crate::codec::FORMAT;
use crate::wire;
use hoop_model::{
    ChainHead, ChainId, Conflict, ContentHash, EvidenceKey, Gap, Head, Incarnation, LogEntry, ResourceName,
    SegmentRoot, UnixMillis,
};
use prost::Message;

/// Largest entry that is read, in bytes: about 30,000 heads. What is anchored at once must be cut into entries that
/// are not larger.
pub const MAX_LOG_ENTRY_BYTES: usize = 4 << 20;

type Malformed = &'static str;

/// Says why bytes are not an entry of the evidence log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotALogEntry {
    /// It is larger than any entry.
    #[error("has {0} bytes, more than {MAX_LOG_ENTRY_BYTES}")]
    TooLarge(usize),
    /// It does not decode.
    #[error("has a malformed {0}")]
    Malformed(&'static str),
    /// It is of a format that this reader does not know.
    #[error("has the unknown format {0}")]
    UnknownFormat(u32),
    /// It says what it says in other bytes than [`encode_log_entry`] makes of it; no entry has two forms.
    #[error("is not in its one form")]
    NotCanonical,
}

/// Returns the one form of an entry: the leaf of the log's tree.
#[must_use]
pub fn encode_log_entry(entry: &LogEntry) -> Vec<u8> {
    wire::LogEntry::from(entry).encode_to_vec()
}

/// Reads an entry.
///
/// # Errors
/// [`NotALogEntry`] for anything that [`encode_log_entry`] does not return.
pub fn decode_log_entry(bytes: &[u8]) -> Result<LogEntry, NotALogEntry> {
    if bytes.len() > MAX_LOG_ENTRY_BYTES {
        return Err(NotALogEntry::TooLarge(bytes.len()));
    }
    let written = wire::LogEntry::decode(bytes).map_err(|_| NotALogEntry::Malformed("message"))?;
    if written.format != FORMAT {
        return Err(NotALogEntry::UnknownFormat(written.format));
    }
    if written.encode_to_vec() != bytes {
        return Err(NotALogEntry::NotCanonical);
    }
    LogEntry::try_from(written).map_err(NotALogEntry::Malformed)
}

impl From<&LogEntry> for wire::LogEntry {
    fn from(LogEntry { index, time, keys, heads, roots, gaps, conflicts }: &LogEntry) -> Self {
        Self {
            format: FORMAT,
            index: *index,
            time_ms: time.0,
            keys: keys.iter().map(Into::into).collect(),
            heads: heads.iter().map(Into::into).collect(),
            roots: roots.iter().map(Into::into).collect(),
            gaps: gaps.iter().map(Into::into).collect(),
            conflicts: conflicts.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<wire::LogEntry> for LogEntry {
    type Error = Malformed;
    fn try_from(entry: wire::LogEntry) -> Result<Self, Malformed> {
        Ok(Self {
            index: entry.index,
            time: UnixMillis(entry.time_ms),
            keys: all(entry.keys)?,
            heads: all(entry.heads)?,
            roots: all(entry.roots)?,
            gaps: all(entry.gaps)?,
            conflicts: all(entry.conflicts)?,
        })
    }
}

impl From<&ChainId> for wire::ChainId {
    fn from(ChainId { node, incarnation, shard }: &ChainId) -> Self {
        Self { node: node.as_str().into(), incarnation: incarnation.to_bytes().to_vec(), shard: *shard }
    }
}

impl TryFrom<wire::ChainId> for ChainId {
    type Error = Malformed;
    fn try_from(chain: wire::ChainId) -> Result<Self, Malformed> {
        Ok(Self { node: node(&chain.node)?, incarnation: incarnation(&chain.incarnation)?, shard: chain.shard })
    }
}

impl From<Head> for wire::Head {
    fn from(Head { sequence, hash }: Head) -> Self {
        Self { sequence, hash: hash.0.to_vec() }
    }
}

impl TryFrom<wire::Head> for Head {
    type Error = Malformed;
    fn try_from(head: wire::Head) -> Result<Self, Malformed> {
        match head.sequence {
            0 => Err("sequence"),
            sequence => Ok(Self { sequence, hash: hash(&head.hash)? }),
        }
    }
}

impl From<&ChainHead> for wire::ChainHead {
    fn from(ChainHead { chain, head }: &ChainHead) -> Self {
        Self { chain: chain.into(), head: (*head).into() }
    }
}

impl TryFrom<wire::ChainHead> for ChainHead {
    type Error = Malformed;
    fn try_from(head: wire::ChainHead) -> Result<Self, Malformed> {
        Ok(Self { chain: head.chain.try_into()?, head: head.head.try_into()? })
    }
}

impl From<&SegmentRoot> for wire::SegmentRoot {
    fn from(SegmentRoot { chain, first, last, merkle_root, ends_chain }: &SegmentRoot) -> Self {
        Self {
            chain: chain.into(),
            first: *first,
            last: (*last).into(),
            merkle_root: merkle_root.0.to_vec(),
            ends_chain: *ends_chain,
        }
    }
}

impl TryFrom<wire::SegmentRoot> for SegmentRoot {
    type Error = Malformed;
    fn try_from(root: wire::SegmentRoot) -> Result<Self, Malformed> {
        let last = Head::try_from(root.last)?;
        Ok(Self {
            chain: root.chain.try_into()?,
            first: first(root.first, last)?,
            last,
            merkle_root: hash(&root.merkle_root)?,
            ends_chain: root.ends_chain,
        })
    }
}

impl From<&EvidenceKey> for wire::EvidenceKey {
    fn from(EvidenceKey { node, incarnation, public }: &EvidenceKey) -> Self {
        let incarnation = incarnation.to_bytes().to_vec();
        Self { node: node.as_str().into(), incarnation, public: public.to_vec() }
    }
}

impl TryFrom<wire::EvidenceKey> for EvidenceKey {
    type Error = Malformed;
    fn try_from(key: wire::EvidenceKey) -> Result<Self, Malformed> {
        let public = key.public.try_into().map_err(|_| "public key")?;
        Ok(Self { node: node(&key.node)?, incarnation: incarnation(&key.incarnation)?, public })
    }
}

impl From<&Gap> for wire::Gap {
    fn from(Gap { chain, first, last }: &Gap) -> Self {
        Self { chain: chain.into(), first: *first, last: (*last).into() }
    }
}

impl TryFrom<wire::Gap> for Gap {
    type Error = Malformed;
    fn try_from(gap: wire::Gap) -> Result<Self, Malformed> {
        let last = Head::try_from(gap.last)?;
        Ok(Self { chain: gap.chain.try_into()?, first: first(gap.first, last)?, last })
    }
}

impl From<&Conflict> for wire::Conflict {
    fn from(Conflict { known, said }: &Conflict) -> Self {
        Self { known: known.into(), said: (*said).into() }
    }
}

impl TryFrom<wire::Conflict> for Conflict {
    type Error = Malformed;
    fn try_from(conflict: wire::Conflict) -> Result<Self, Malformed> {
        Ok(Self { known: conflict.known.try_into()?, said: conflict.said.try_into()? })
    }
}

fn all<W, M: TryFrom<W, Error = Malformed>>(written: Vec<W>) -> Result<Vec<M>, Malformed> {
    written.into_iter().map(M::try_from).collect()
}

fn node(text: &str) -> Result<ResourceName, Malformed> {
    ResourceName::parse(text).map_err(|_| "node")
}

fn incarnation(bytes: &[u8]) -> Result<Incarnation, Malformed> {
    Incarnation::from_slice(bytes).map_err(|_| "incarnation")
}

fn hash(bytes: &[u8]) -> Result<ContentHash, Malformed> {
    ContentHash::from_slice(bytes).map_err(|_| "hash")
}

/// Reads the number of the first of some records, given the last.
pub(crate) fn first(first: u64, last: Head) -> Result<u64, Malformed> {
    if (1..=last.sequence).contains(&first) { Ok(first) } else { Err("first sequence") }
}
