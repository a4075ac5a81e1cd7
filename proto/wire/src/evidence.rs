//! Evidence: chains, heads, roots, keys, and the entries of the log.

use crate::error::{Malformed, parsed, present};
use crate::v1;
use hoop_model::{
    ChainHead, ChainId, Conflict, ContentHash, EvidenceKey, Gap, Head, Incarnation, LogEntry, ResourceName,
    SegmentRoot, UnixMillis,
};

impl From<&ChainId> for v1::ChainId {
    fn from(chain: &ChainId) -> Self {
        let ChainId { node, incarnation, shard } = chain;
        Self { node: node.to_string(), incarnation: incarnation.to_bytes().to_vec(), shard: *shard }
    }
}

impl TryFrom<v1::ChainId> for ChainId {
    type Error = Malformed;
    fn try_from(chain: v1::ChainId) -> Result<Self, Malformed> {
        Ok(Self {
            node: parsed(ResourceName::parse(&chain.node), "node")?,
            incarnation: parsed(Incarnation::from_slice(&chain.incarnation), "incarnation")?,
            shard: chain.shard,
        })
    }
}

impl From<&ChainHead> for v1::ChainHead {
    fn from(ChainHead { chain, head }: &ChainHead) -> Self {
        Self { chain: Some(chain.into()), sequence: head.sequence, hash: head.hash.0.to_vec() }
    }
}

impl TryFrom<v1::ChainHead> for ChainHead {
    type Error = Malformed;
    fn try_from(head: v1::ChainHead) -> Result<Self, Malformed> {
        let chain = present(head.chain, "chain")?.try_into()?;
        Ok(Self { chain, head: Head { sequence: head.sequence, hash: hash(&head.hash, "hash")? } })
    }
}

impl From<&SegmentRoot> for v1::SegmentRoot {
    fn from(root: &SegmentRoot) -> Self {
        let SegmentRoot { chain, first, last, merkle_root, ends_chain } = root;
        Self {
            last: Some(head_of(chain, *last)),
            first_sequence: *first,
            merkle_root: merkle_root.0.to_vec(),
            ends_chain: *ends_chain,
        }
    }
}

impl TryFrom<v1::SegmentRoot> for SegmentRoot {
    type Error = Malformed;
    fn try_from(root: v1::SegmentRoot) -> Result<Self, Malformed> {
        let last = ChainHead::try_from(present(root.last, "last")?)?;
        Ok(Self {
            chain: last.chain,
            first: root.first_sequence,
            last: last.head,
            merkle_root: hash(&root.merkle_root, "merkle_root")?,
            ends_chain: root.ends_chain,
        })
    }
}

impl From<&EvidenceKey> for v1::EvidenceKey {
    fn from(EvidenceKey { node, incarnation, public }: &EvidenceKey) -> Self {
        Self { node: node.to_string(), incarnation: incarnation.to_bytes().to_vec(), public: public.to_vec() }
    }
}

impl TryFrom<v1::EvidenceKey> for EvidenceKey {
    type Error = Malformed;
    fn try_from(key: v1::EvidenceKey) -> Result<Self, Malformed> {
        Ok(Self {
            node: parsed(ResourceName::parse(&key.node), "node")?,
            incarnation: parsed(Incarnation::from_slice(&key.incarnation), "incarnation")?,
            public: parsed(key.public.as_slice().try_into(), "public")?,
        })
    }
}

impl From<&Gap> for v1::Gap {
    fn from(Gap { chain, first, last }: &Gap) -> Self {
        Self { last: Some(head_of(chain, *last)), first_sequence: *first }
    }
}

impl TryFrom<v1::Gap> for Gap {
    type Error = Malformed;
    fn try_from(gap: v1::Gap) -> Result<Self, Malformed> {
        let last = ChainHead::try_from(present(gap.last, "last")?)?;
        Ok(Self { chain: last.chain, first: gap.first_sequence, last: last.head })
    }
}

impl From<&Conflict> for v1::Conflict {
    fn from(Conflict { known, said }: &Conflict) -> Self {
        Self { known: Some(known.into()), said_sequence: said.sequence, said_hash: said.hash.0.to_vec() }
    }
}

impl TryFrom<v1::Conflict> for Conflict {
    type Error = Malformed;
    fn try_from(conflict: v1::Conflict) -> Result<Self, Malformed> {
        let said = Head { sequence: conflict.said_sequence, hash: hash(&conflict.said_hash, "said_hash")? };
        Ok(Self { known: present(conflict.known, "known")?.try_into()?, said })
    }
}

impl From<&LogEntry> for v1::LogEntry {
    fn from(entry: &LogEntry) -> Self {
        let LogEntry { index, time, keys, heads, roots, gaps, conflicts } = entry;
        Self {
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

impl TryFrom<v1::LogEntry> for LogEntry {
    type Error = Malformed;
    fn try_from(entry: v1::LogEntry) -> Result<Self, Malformed> {
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

fn head_of(chain: &ChainId, head: Head) -> v1::ChainHead {
    v1::ChainHead { chain: Some(chain.into()), sequence: head.sequence, hash: head.hash.0.to_vec() }
}

fn hash(bytes: &[u8], field: &'static str) -> Result<ContentHash, Malformed> {
    parsed(bytes.try_into(), field).map(ContentHash)
}

fn all<W, M: TryFrom<W, Error = Malformed>>(written: Vec<W>) -> Result<Vec<M>, Malformed> {
    written.into_iter().map(M::try_from).collect()
}
