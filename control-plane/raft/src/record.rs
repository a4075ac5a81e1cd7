//! What the file holds: sealed records. A seal is a SHA-256 over the place a record belongs to and its bytes, so a
//! record that was altered, cut or moved to another place does not open.

use crate::types::{Batch, Entry, LogId, Membership, SnapshotMeta, StoredMembership, Vote};
use aws_lc_rs::digest::{Context, SHA256};
use openraft::{BasicNode, CommittedLeaderId, EntryPayload};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

const SEAL_BYTES: usize = 32;

/// Where a record belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The log entry of this index.
    Entry(u64),
    /// The vote.
    Vote,
    /// The id of the last entry that was purged.
    Purged,
    /// The snapshot.
    Snapshot,
    /// Whose file this is.
    Owner,
}

/// Says that a record is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the record of the {place} is damaged: {problem}")]
pub(crate) struct Damaged {
    place: String,
    problem: String,
}

impl Place {
    /// Returns its name, which is also its key beside the log.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Entry(_) => "entry",
            Self::Vote => "vote",
            Self::Purged => "purged",
            Self::Snapshot => "snapshot",
            Self::Owner => "owner",
        }
    }

    pub(crate) fn damaged(self, problem: impl ToString) -> Damaged {
        let place = match self {
            Self::Entry(index) => format!("log entry {index}"),
            Self::Vote | Self::Purged | Self::Snapshot | Self::Owner => self.name().to_owned(),
        };
        Damaged { place, problem: problem.to_string() }
    }

    fn seal_of(self, bytes: &[u8]) -> [u8; SEAL_BYTES] {
        let index = match self {
            Self::Entry(index) => index,
            Self::Vote | Self::Purged | Self::Snapshot | Self::Owner => 0,
        };
        let mut context = Context::new(&SHA256);
        context.update(self.name().as_bytes());
        context.update(&[0]);
        context.update(&index.to_be_bytes());
        context.update(bytes);
        let mut seal = [0; SEAL_BYTES];
        for (byte, digest) in seal.iter_mut().zip(context.finish().as_ref()) {
            *byte = *digest;
        }
        seal
    }

    /// Seals a message for this place.
    pub(crate) fn seal(self, message: &impl Message) -> Vec<u8> {
        let bytes = message.encode_to_vec();
        let mut record = self.seal_of(&bytes).to_vec();
        record.extend(bytes);
        record
    }

    /// Opens a record of this place.
    pub(crate) fn open<M: Message + Default>(self, record: &[u8]) -> Result<M, Damaged> {
        let (seal, bytes) = record.split_first_chunk().ok_or_else(|| self.damaged("it is cut short"))?;
        if *seal != self.seal_of(bytes) {
            return Err(self.damaged("its checksum does not match"));
        }
        M::decode(bytes).map_err(|error| self.damaged(error))
    }
}

/// Whose file this is.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OwnerRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) format: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) node: u64,
}

/// A log id.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct LogIdRecord {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    node: u64,
    #[prost(uint64, tag = "3")]
    index: u64,
}

/// A vote.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct VoteRecord {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    node: u64,
    #[prost(bool, tag = "3")]
    committed: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct VotersRecord {
    #[prost(uint64, repeated, tag = "1")]
    nodes: Vec<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct MembershipRecord {
    #[prost(message, repeated, tag = "1")]
    voters: Vec<VotersRecord>,
    #[prost(btree_map = "uint64, string", tag = "2")]
    addresses: BTreeMap<u64, String>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Nothing {}

/// Proposals, each the bytes of a `hoop.v1.Proposal`.
#[derive(Clone, PartialEq, prost::Message)]
struct ProposalsRecord {
    #[prost(bytes = "vec", repeated, tag = "1")]
    proposals: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum PayloadRecord {
    #[prost(message, tag = "2")]
    Blank(Nothing),
    #[prost(message, tag = "3")]
    Proposals(ProposalsRecord),
    #[prost(message, tag = "4")]
    Membership(MembershipRecord),
}

/// A log entry.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EntryRecord {
    #[prost(message, optional, tag = "1")]
    id: Option<LogIdRecord>,
    #[prost(oneof = "PayloadRecord", tags = "2, 3, 4")]
    payload: Option<PayloadRecord>,
}

/// A snapshot.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SnapshotRecord {
    #[prost(message, optional, tag = "1")]
    last: Option<LogIdRecord>,
    #[prost(message, optional, tag = "2")]
    membership_at: Option<LogIdRecord>,
    #[prost(message, optional, tag = "3")]
    membership: Option<MembershipRecord>,
    #[prost(string, tag = "4")]
    id: String,
    /// The bytes of a `hoop.v1.State`.
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) state: Vec<u8>,
}

impl From<&LogId> for LogIdRecord {
    fn from(id: &LogId) -> Self {
        Self { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index }
    }
}

impl From<LogIdRecord> for LogId {
    fn from(record: LogIdRecord) -> Self {
        Self::new(CommittedLeaderId::new(record.term, record.node), record.index)
    }
}

impl From<&Vote> for VoteRecord {
    fn from(vote: &Vote) -> Self {
        Self { term: vote.leader_id.term, node: vote.leader_id.node_id, committed: vote.committed }
    }
}

impl From<VoteRecord> for Vote {
    fn from(record: VoteRecord) -> Self {
        match record.committed {
            true => Self::new_committed(record.term, record.node),
            false => Self::new(record.term, record.node),
        }
    }
}

impl From<&Membership> for MembershipRecord {
    fn from(membership: &Membership) -> Self {
        let voters = |nodes: &BTreeSet<u64>| VotersRecord { nodes: nodes.iter().copied().collect() };
        Self {
            voters: membership.get_joint_config().iter().map(voters).collect(),
            addresses: membership.nodes().map(|(node, at)| (*node, at.addr.clone())).collect(),
        }
    }
}

impl From<MembershipRecord> for Membership {
    fn from(record: MembershipRecord) -> Self {
        let voters = record.voters.into_iter().map(|voters| voters.nodes.into_iter().collect());
        let nodes: BTreeMap<u64, BasicNode> =
            record.addresses.into_iter().map(|(node, address)| (node, BasicNode::new(address))).collect();
        Self::new(voters.collect(), nodes)
    }
}

impl From<&Entry> for EntryRecord {
    fn from(entry: &Entry) -> Self {
        let payload = match &entry.payload {
            EntryPayload::Blank => PayloadRecord::Blank(Nothing {}),
            EntryPayload::Normal(Batch(proposals)) => {
                PayloadRecord::Proposals(ProposalsRecord { proposals: proposals.clone() })
            }
            EntryPayload::Membership(membership) => PayloadRecord::Membership(membership.into()),
        };
        Self { id: Some((&entry.log_id).into()), payload: Some(payload) }
    }
}

/// Seals a log entry for its place.
pub(crate) fn seal_entry(entry: &Entry) -> Vec<u8> {
    Place::Entry(entry.log_id.index).seal(&EntryRecord::from(entry))
}

/// Opens the log entry of an index.
pub(crate) fn open_entry(index: u64, record: &[u8]) -> Result<Entry, Damaged> {
    let place = Place::Entry(index);
    let EntryRecord { id, payload } = place.open(record)?;
    let log_id: LogId = id.ok_or_else(|| place.damaged("it has no id"))?.into();
    if log_id.index != index {
        return Err(place.damaged("it is of another index"));
    }
    let payload = match payload.ok_or_else(|| place.damaged("it is of an unknown kind"))? {
        PayloadRecord::Blank(Nothing {}) => EntryPayload::Blank,
        PayloadRecord::Proposals(record) => EntryPayload::Normal(Batch(record.proposals)),
        PayloadRecord::Membership(record) => EntryPayload::Membership(record.into()),
    };
    Ok(Entry { log_id, payload })
}

impl SnapshotRecord {
    pub(crate) fn new(meta: &SnapshotMeta, state: Vec<u8>) -> Self {
        Self {
            last: meta.last_log_id.as_ref().map(Into::into),
            membership_at: meta.last_membership.log_id().as_ref().map(Into::into),
            membership: Some(meta.last_membership.membership().into()),
            id: meta.snapshot_id.clone(),
            state,
        }
    }

    pub(crate) fn meta(&self) -> Result<SnapshotMeta, Damaged> {
        let membership = self.membership.clone().ok_or_else(|| Place::Snapshot.damaged("it has no membership"))?;
        Ok(SnapshotMeta {
            last_log_id: self.last.map(Into::into),
            last_membership: StoredMembership::new(self.membership_at.map(Into::into), membership.into()),
            snapshot_id: self.id.clone(),
        })
    }
}
