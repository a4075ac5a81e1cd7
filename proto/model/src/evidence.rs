//! Evidence as both planes speak of it: chains, how far they got, what was anchored.

use crate::{ContentHash, Incarnation, ResourceName, UnixMillis};
use std::fmt;

/// Names one chain of records. There is never another of the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId {
    /// The node that writes it.
    pub node: ResourceName,
    /// The life of that node's process in which it was begun.
    pub incarnation: Incarnation,
    /// The writer within it.
    pub shard: u32,
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}-{}", self.node, self.incarnation, self.shard)
    }
}

/// A position in a chain: vouches for the record there and for every one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head {
    /// The record's number in its chain, from 1.
    pub sequence: u64,
    /// The record's hash.
    pub hash: ContentHash,
}

/// The head of one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainHead {
    /// The chain.
    pub chain: ChainId,
    /// Its last record.
    pub head: Head,
}

/// What a sealed segment commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRoot {
    /// The chain it is a piece of.
    pub chain: ChainId,
    /// The number of its first record.
    pub first: u64,
    /// Its last record.
    pub last: Head,
    /// RFC 6962 Merkle tree hash over its records' hashes.
    pub merkle_root: ContentHash,
    /// Whether the chain ends with it.
    pub ends_chain: bool,
}

/// The Ed25519 public key (RFC 8032) that seals the segments of one incarnation. Its private half never leaves the
/// memory of that process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceKey {
    /// The node.
    pub node: ResourceName,
    /// The incarnation that holds the private half.
    pub incarnation: Incarnation,
    /// The public key.
    pub public: [u8; 32],
}

/// Records that are known to have existed and that nobody has any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The chain that lacks them.
    pub chain: ChainId,
    /// The number of the first that is lost.
    pub first: u64,
    /// The last that is lost.
    pub last: Head,
}

/// A node said two different things about one record of its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What was known.
    pub known: ChainHead,
    /// What was said later.
    pub said: Head,
}

/// One entry of the cluster's evidence log: what was agreed on at one moment. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number in the log, from 0.
    pub index: u64,
    /// Log time.
    pub time: UnixMillis,
    /// Keys that were announced.
    pub keys: Vec<EvidenceKey>,
    /// Heads that chains have reached.
    pub heads: Vec<ChainHead>,
    /// Segments that the evidence store holds.
    pub roots: Vec<SegmentRoot>,
    /// Records that are lost.
    pub gaps: Vec<Gap>,
    /// Contradictions.
    pub conflicts: Vec<Conflict>,
}
