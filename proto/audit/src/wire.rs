//! The protobuf messages of records, seals and log entries. Field numbers never change meaning; an absent id or hash is
//! empty bytes.

/// The chained part of a record.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Header {
    #[prost(uint32, tag = "1")]
    pub(crate) format: u32,
    #[prost(string, tag = "2")]
    pub(crate) node: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) incarnation: Vec<u8>,
    #[prost(uint32, tag = "4")]
    pub(crate) shard: u32,
    #[prost(uint64, tag = "5")]
    pub(crate) sequence: u64,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) previous: Vec<u8>,
    #[prost(uint64, tag = "7")]
    pub(crate) time_ms: u64,
    #[prost(bytes = "vec", tag = "8")]
    pub(crate) session: Vec<u8>,
    #[prost(uint32, tag = "9")]
    pub(crate) kind: u32,
    #[prost(bytes = "vec", tag = "10")]
    pub(crate) payload_hash: Vec<u8>,
}

/// Payload of `opened` and `not_opened`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Opening {
    #[prost(message, required, tag = "1")]
    pub(crate) identity: Named,
    #[prost(message, required, tag = "2")]
    pub(crate) connection: Named,
    #[prost(string, tag = "3")]
    pub(crate) run: String,
    #[prost(string, tag = "4")]
    pub(crate) issuer: String,
    #[prost(uint64, tag = "5")]
    pub(crate) token_expires: u64,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) trace: Vec<u8>,
    #[prost(message, required, tag = "7")]
    pub(crate) judged: Judged,
}

/// Payload of `verdict`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Verdict {
    #[prost(uint64, tag = "1")]
    pub(crate) command: u64,
    #[prost(string, tag = "2")]
    pub(crate) summary: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) effects: Vec<Effect>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) digest: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) trace: Vec<u8>,
    #[prost(message, required, tag = "6")]
    pub(crate) judged: Judged,
}

/// Payload of `forwarded`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Forwarded {
    #[prost(uint64, tag = "1")]
    pub(crate) command: u64,
}

/// Payload of `response`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Response {
    #[prost(uint64, tag = "1")]
    pub(crate) command: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) status: u32,
    #[prost(uint64, tag = "3")]
    pub(crate) bytes_in: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) bytes_out: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) duration_us: u64,
    #[prost(uint32, tag = "6")]
    pub(crate) ended: u32,
    #[prost(message, repeated, tag = "7")]
    pub(crate) masked: Vec<Masked>,
    #[prost(message, optional, tag = "8")]
    pub(crate) request: Option<Content>,
    #[prost(message, optional, tag = "9")]
    pub(crate) answer: Option<Content>,
    #[prost(message, repeated, tag = "10")]
    pub(crate) shown: Vec<Masked>,
}

/// How many values of a data class were masked, or shown.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Masked {
    #[prost(string, tag = "1")]
    pub(crate) class: String,
    #[prost(uint64, tag = "2")]
    pub(crate) count: u64,
}

/// What is kept of a body.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Content {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) start: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) hash: Vec<u8>,
}

/// Payload of `closed`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Closed {
    #[prost(uint32, tag = "1")]
    pub(crate) reason: u32,
}

/// Payload of `approval`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Approval {
    #[prost(uint64, tag = "1")]
    pub(crate) command: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) approval: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) digest: Vec<u8>,
    #[prost(uint32, tag = "4")]
    pub(crate) stage: u32,
    #[prost(message, required, tag = "5")]
    pub(crate) judged: Judged,
}

/// An object by uid and name.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Named {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) uid: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
}

/// One (action, resource) pair. Target: 1 = the connection, 2 = the route named.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Effect {
    #[prost(string, tag = "1")]
    pub(crate) action: String,
    #[prost(uint32, tag = "2")]
    pub(crate) target: u32,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
}

/// A judgement. `word` is the verdict's word; `code` is set with `refuse` only, `releases` with `hold` only.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Judged {
    #[prost(uint64, tag = "1")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) index: u64,
    #[prost(string, tag = "3")]
    pub(crate) word: String,
    #[prost(string, tag = "4")]
    pub(crate) code: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) releases: Vec<Release>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) reasons: Vec<Reason>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) shadow: Vec<Reason>,
}

/// Who may release a held command.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Release {
    #[prost(string, tag = "1")]
    pub(crate) team: String,
    #[prost(uint32, tag = "2")]
    pub(crate) quorum: u32,
}

/// One determining statement.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Reason {
    #[prost(string, tag = "1")]
    pub(crate) statement: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) uid: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) hash: Vec<u8>,
    /// One text, or none.
    #[prost(string, repeated, tag = "4")]
    pub(crate) message: Vec<String>,
}

/// What follows the records of a sealed segment.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Seal {
    #[prost(uint32, tag = "1")]
    pub(crate) format: u32,
    #[prost(message, required, tag = "2")]
    pub(crate) chain: ChainId,
    #[prost(uint64, tag = "3")]
    pub(crate) first: u64,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) before: Vec<u8>,
    #[prost(message, required, tag = "5")]
    pub(crate) last: Head,
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) merkle_root: Vec<u8>,
    #[prost(bool, tag = "7")]
    pub(crate) ends_chain: bool,
    #[prost(bytes = "vec", tag = "8")]
    pub(crate) signer: Vec<u8>,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) signature: Vec<u8>,
}

/// A chain's name.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ChainId {
    #[prost(string, tag = "1")]
    pub(crate) node: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) incarnation: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub(crate) shard: u32,
}

/// A record by its number and hash.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Head {
    #[prost(uint64, tag = "1")]
    pub(crate) sequence: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) hash: Vec<u8>,
}

/// A record by its chain, number and hash.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ChainHead {
    #[prost(message, required, tag = "1")]
    pub(crate) chain: ChainId,
    #[prost(message, required, tag = "2")]
    pub(crate) head: Head,
}

/// One entry of the evidence log.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LogEntry {
    #[prost(uint32, tag = "1")]
    pub(crate) format: u32,
    #[prost(uint64, tag = "2")]
    pub(crate) index: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) time_ms: u64,
    #[prost(message, repeated, tag = "4")]
    pub(crate) keys: Vec<EvidenceKey>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) heads: Vec<ChainHead>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) roots: Vec<SegmentRoot>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) gaps: Vec<Gap>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) conflicts: Vec<Conflict>,
}

/// An incarnation's public key.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EvidenceKey {
    #[prost(string, tag = "1")]
    pub(crate) node: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) incarnation: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) public: Vec<u8>,
}

/// A segment that the store holds.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentRoot {
    #[prost(message, required, tag = "1")]
    pub(crate) chain: ChainId,
    #[prost(uint64, tag = "2")]
    pub(crate) first: u64,
    #[prost(message, required, tag = "3")]
    pub(crate) last: Head,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) merkle_root: Vec<u8>,
    #[prost(bool, tag = "5")]
    pub(crate) ends_chain: bool,
}

/// Records that are lost.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Gap {
    #[prost(message, required, tag = "1")]
    pub(crate) chain: ChainId,
    #[prost(uint64, tag = "2")]
    pub(crate) first: u64,
    #[prost(message, required, tag = "3")]
    pub(crate) last: Head,
}

/// A contradiction.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Conflict {
    #[prost(message, required, tag = "1")]
    pub(crate) known: ChainHead,
    #[prost(message, required, tag = "2")]
    pub(crate) said: Head,
}
