//! What can be proposed. Every kind of change there is has a variant; a kind this binary does not know cannot be
//! represented, so whoever decodes one stops instead of guessing.

use crate::{ApprovalChange, OneTime};
use hoop_model::UnixMillis;
use hoop_model::spec::Labels;
use hoop_model::{ChainHead, ChainId, ContentHash, EvidenceKey, Kind, ResourceName, Revision, SegmentRoot, Spec, Uid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One change to the replicated state, with everything that is not the same on every node chosen by the proposer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The proposer's time.
    pub time: UnixMillis,
    /// Makes a repeat of the same request answer the same and change nothing.
    pub key: Option<IdempotencyKey>,
    /// Who asks; the scope of the key.
    pub caller: Box<str>,
    /// The change.
    pub change: Change,
}

/// A caller's own id of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey(pub [u8; 16]);

/// Says that some bytes are not an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 16 bytes")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// Reads the 16-byte wire form.
    ///
    /// # Errors
    /// [`InvalidKey`] unless there are exactly 16 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, InvalidKey> {
        bytes.try_into().map(Self).map_err(|_| InvalidKey)
    }
}

/// The changes there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The cluster's birth; only ever the first change.
    Bootstrap(Bootstrap),
    /// Creates and changes objects, all of them or none.
    ApplyObjects(ApplyObjects),
    /// Deletes one object.
    DeleteObject(DeleteObject),
    /// Admits whoever shows a token, once.
    MintJoinToken(MintJoinToken),
    /// Shows a token and registers the node.
    SpendJoinToken(SpendJoinToken),
    /// Removes a node.
    RemoveNode(RemoveNode),
    /// Only carries time.
    Tick,
    /// Anchors what nodes said of their chains.
    AnchorEvidence(AnchorEvidence),
    /// Says what the evidence store holds.
    LogStored(LogStored),
    /// Moves an approval on.
    Approval(ApprovalChange),
    /// A person signed in, which makes their membership of teams count for a while.
    SignIn {
        /// The Person object.
        person: Uid,
        /// The revision at which they were recognised.
        revision: Revision,
    },
    /// Sets the value of a sealed secret.
    SetSecret(SetSecret),
    /// Uses up a token, and opens a session of an administrator who is no Person.
    OpenAdminSession(OpenAdminSession),
    /// Ends such a session.
    EndAdminSession {
        /// SHA-256 of the session's token.
        session_hash: ContentHash,
    },
}

/// A session of an administrator who is no Person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAdminSession {
    /// What it is opened with.
    pub with: OneTime,
    /// SHA-256 of the session's token.
    pub session_hash: ContentHash,
    /// When it ends, in log time.
    pub expires: UnixMillis,
}

/// The cluster's birth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// The behaviour of [`State::apply`](crate::State::apply) the cluster starts with.
    pub cluster_version: u64,
    /// The cluster.
    pub cluster_uid: Uid,
    /// The cluster CA's certificate, DER.
    pub ca_certificate: Vec<u8>,
    /// The cluster CA's key, sealed.
    pub ca_key_sealed: Vec<u8>,
    /// SHA-256 of the bootstrap token.
    pub admin_token_hash: ContentHash,
    /// The Ed25519 public key (RFC 8032) that the evidence log's checkpoints verify with.
    pub log_public_key: [u8; 32],
    /// Its private half, sealed.
    pub log_key_sealed: Vec<u8>,
    /// The key of the digests of held commands, sealed.
    pub digest_key_sealed: Vec<u8>,
    /// What seals the values of secrets, itself sealed.
    pub secrets_key_sealed: Vec<u8>,
    /// The key of hashes that stand in place of masked values, sealed.
    pub masking_key_sealed: Vec<u8>,
}

/// Creates and changes objects, all of them or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyObjects {
    /// The policy revision the whole was checked at; at another one the change is rejected.
    pub base: Revision,
    /// The objects as they shall be.
    pub objects: Vec<NewObject>,
}

/// One object as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject {
    /// Its name.
    pub name: ResourceName,
    /// Its spec.
    pub spec: Spec,
    /// What must be true of it before.
    pub precondition: Precondition,
    /// Its uid, if it does not exist.
    pub uid: Uid,
    /// The objects its text names, beside those its spec names by type. They must exist after the change.
    pub references: BTreeSet<Reference>,
}

/// What must be true of an object for a change to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    Any,
    /// There is no such object.
    Absent,
    /// Its revision is exactly this.
    At(Revision),
}

/// Names an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: ResourceName,
}

/// Deletes one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteObject {
    /// The object.
    pub target: Reference,
    /// What must be true of it before.
    pub precondition: Precondition,
    /// The policy revision the deletion was checked at; at another one the change is rejected.
    pub base: Revision,
}

/// Sets the value of a sealed secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetSecret {
    /// The Secret.
    pub name: ResourceName,
    /// Its generation after the change, which is sealed with the value.
    pub generation: u64,
    /// The value, sealed.
    pub sealed: Arc<[u8]>,
    /// A keyed hash of the value and of the request it came with: a repeat has the same, although it is sealed anew.
    pub value_mac: ContentHash,
    /// The policy revision the change was checked at; at another one it is rejected.
    pub base: Revision,
}

/// What a certificate of the cluster lets its holder be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// A data-plane node.
    DataPlane,
}

/// Admits whoever shows a token, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MintJoinToken {
    /// SHA-256 of the token.
    pub token_hash: ContentHash,
    /// What the joining node will be.
    pub role: Role,
    /// Labels fixed for the joining node.
    pub labels: Labels,
    /// The node that it admits again, with the labels it has; none if it admits a node that is not there yet.
    pub again: Option<ResourceName>,
    /// The log time from which the token is void.
    pub expires: UnixMillis,
}

/// Shows a token and registers the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendJoinToken {
    /// SHA-256 of the token.
    pub token_hash: ContentHash,
    /// What the node asks to be.
    pub role: Role,
    /// The name the node wants.
    pub node: ResourceName,
    /// The node's uid: its own if it is admitted again.
    pub node_uid: Uid,
}

/// Removes a node: its certificate admits nobody from then on, and its name is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveNode {
    /// Its name.
    pub name: ResourceName,
    /// Its uid.
    pub uid: Uid,
    /// Whether chains that have not ended are given up: records that the evidence store lacks are then lost for it, and the
    /// evidence log says which.
    pub gives_up_records: bool,
}

/// Anchors what nodes said of their chains, and what the evidence store took. What is known already changes nothing;
/// whatever is new makes one entry of the evidence log. At most [`MAX_ANCHORED_ITEMS`](crate::MAX_ANCHORED_ITEMS).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnchorEvidence {
    /// Keys that incarnations announced, of each node in the order of their incarnations.
    pub keys: Vec<EvidenceKey>,
    /// Heads that nodes published.
    pub heads: Vec<ChainHead>,
    /// Segments that the evidence store holds durably, of each chain in its order.
    pub roots: Vec<SegmentRoot>,
    /// Chains of earlier incarnations of which their node has nothing any more.
    pub lost: Vec<ChainId>,
    /// Chains of which their node says that records are missing, and that it has shipped what precedes them.
    pub broken_off: Vec<ChainId>,
}

impl AnchorEvidence {
    /// Returns how many items it has.
    #[must_use]
    pub fn items(&self) -> usize {
        let Self { keys, heads, roots, lost, broken_off } = self;
        let over = lost.len().saturating_add(broken_off.len());
        keys.len().saturating_add(heads.len()).saturating_add(roots.len()).saturating_add(over)
    }
}

/// The first entries of the evidence log, as the store holds them durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogStored {
    /// How many.
    pub size: u64,
    /// Their tree hash (RFC 6962 §2.1).
    pub root: ContentHash,
}
