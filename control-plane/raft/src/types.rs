//! What openraft is made of here.

use hoop_state::Reply;
use openraft::{BasicNode, TokioRuntime};
use std::fmt;
use std::io::Cursor;

openraft::declare_raft_types!(
    /// The types of this cluster's Raft.
    pub(crate) Types:
        D = Batch,
        R = Replies,
        NodeId = u64,
        Node = BasicNode,
        Entry = openraft::Entry<Types>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = TokioRuntime,
        Responder = openraft::impls::OneshotResponder<Types>,
);

pub(crate) type Entry = openraft::Entry<Types>;
pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type Vote = openraft::Vote<u64>;
pub(crate) type Membership = openraft::Membership<u64, BasicNode>;
pub(crate) type StoredMembership = openraft::StoredMembership<u64, BasicNode>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<u64, BasicNode>;
pub(crate) type StorageError = openraft::StorageError<u64>;
pub(crate) type StorageIoError = openraft::StorageIOError<u64>;

/// What one log entry carries: encoded proposals that waited for the same write.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Batch(pub(crate) Vec<Vec<u8>>);

/// What became of them, in order.
pub(crate) struct Replies(pub(crate) Vec<Reply>);

/// Proposals hold sealed keys and hashes of tokens, and openraft prints what it carries.
impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} proposals)", self.0.len())
    }
}

/// openraft asks that replies can be serialised, and never does it: they stay in the process that proposed.
impl serde::Serialize for Replies {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("a reply stays in its process"))
    }
}

impl<'de> serde::Deserialize<'de> for Replies {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("a reply stays in its process"))
    }
}
