//! What comes of a proposal.

use crate::{Reference, Role, Skipped};
use hoop_model::spec::Labels;
use hoop_model::{Approval, ApprovalId, Kind, Metadata, ResourceName, Revision, Uid, UnixMillis};

/// What the proposer is told. The same on every node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The change is made.
    Done {
        /// The policy revision after it.
        revision: Revision,
    },
    /// The objects are as proposed.
    Applied {
        /// What became of each, in the order proposed.
        objects: Vec<AppliedObject>,
        /// The policy revision after the change.
        revision: Revision,
    },
    /// The node is registered.
    Joined {
        /// The node's uid.
        uid: Uid,
        /// What it is.
        role: Role,
        /// The labels its token gave it.
        labels: Labels,
    },
    /// What was new of the evidence is in the log.
    Anchored {
        /// How many entries the log has.
        size: u64,
        /// The entry that was made; none if nothing was new.
        entry: Option<u64>,
        /// The items that were left out, in the order of their kinds and as proposed.
        skipped: Vec<Skipped>,
    },
    /// Where the approval stands, without what an approver reads.
    Approval(Box<Approval>),
    /// Nothing changed but the log time, and what time ends.
    Rejected(Rejection),
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedObject {
    /// Its kind.
    pub kind: Kind,
    /// Its metadata after the change.
    pub metadata: Metadata,
    /// Whether anything changed.
    pub outcome: Outcome,
}

/// Whether anything changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did not exist.
    Created,
    /// Its spec differed.
    Changed,
    /// Its spec was the same.
    Unchanged,
}

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A change before the cluster's birth.
    #[error("the cluster is not bootstrapped")]
    NotBorn,
    /// A second birth.
    #[error("the cluster is bootstrapped")]
    AlreadyBorn,
    /// The state moved since the change was checked.
    #[error("checked at revision {base}, which is not the revision {current}")]
    BaseMoved {
        /// The revision the change was checked at.
        base: Revision,
        /// The revision there is.
        current: Revision,
    },
    /// A precondition asks that the object does not exist, and it does.
    #[error("{} `{}` exists", .0.kind, .0.name)]
    Exists(Reference),
    /// The object does not exist.
    #[error("{} `{}` does not exist", .0.kind, .0.name)]
    NotFound(Reference),
    /// A precondition asks for another revision of the object.
    #[error("{} `{}` is at revision {found}", object.kind, object.name)]
    RevisionDiffers {
        /// The object.
        object: Reference,
        /// Its revision.
        found: Revision,
    },
    /// One change names an object twice.
    #[error("{} `{}` is given twice", .0.kind, .0.name)]
    GivenTwice(Reference),
    /// An object would name one that does not exist.
    #[error("{} `{}` names {} `{}`, which does not exist", object.kind, object.name, missing.kind, missing.name)]
    Dangling {
        /// The object.
        object: Reference,
        /// What it names.
        missing: Reference,
    },
    /// The object to delete is named by another.
    #[error("{} `{}` is named by {} `{}`", object.kind, object.name, by.kind, by.name)]
    Referenced {
        /// The object.
        object: Reference,
        /// The first object that names it.
        by: Reference,
    },
    /// The token is known.
    #[error("the join token exists")]
    JoinTokenExists,
    /// The token is void when it is minted, or valid for too long.
    #[error("the join token must expire within 24 hours")]
    JoinTokenLifetime,
    /// A secret's value is kept elsewhere.
    #[error("{} `{}` is not `sealed`", .0.kind, .0.name)]
    NotSealed(Reference),
    /// The value is sealed for another generation than the next.
    #[error("{} `{}` is of generation {found}", object.kind, object.name)]
    GenerationDiffers {
        /// The object.
        object: Reference,
        /// Its generation.
        found: u64,
    },
    /// A sealed value is larger than any can be.
    #[error("the sealed value is too large")]
    ValueTooLarge,
    /// The token was never made, or not for this cluster.
    #[error("the one-time token is not this cluster's")]
    OneTimeUnknown,
    /// The token is used up.
    #[error("the one-time token is used up")]
    OneTimeSpent,
    /// The token for recovery was not used in time.
    #[error("the token for recovery expired")]
    RecoveryExpired,
    /// A session would end before it begins, or last too long.
    #[error("a session of an administrator lasts at most 12 hours")]
    AdminSessionLifetime,
    /// Two sessions would have one token.
    #[error("the session exists")]
    AdminSessionExists,
    /// Too many sessions.
    #[error("too many sessions of administrators are open")]
    TooManyAdminSessions,
    /// Too many unspent tokens.
    #[error("too many unspent join tokens")]
    TooManyJoinTokens,
    /// The token was never minted, or is spent.
    #[error("the join token does not exist or is spent")]
    JoinTokenUnknown,
    /// The token's time is over.
    #[error("the join token expired")]
    JoinTokenExpired,
    /// The token is for another role.
    #[error("the join token is for another role")]
    JoinTokenRole,
    /// The token admits one node again, and it is another one, or has been removed since.
    #[error("the join token is for another node")]
    JoinTokenNode,
    /// There is no such node.
    #[error("there is no node `{0}`")]
    NodeUnknown(ResourceName),
    /// Records of the node may not have been shipped.
    #[error(
        "node `{node}` has {chains} chains that have not ended; the store lacks at least {records} of their records"
    )]
    NodeHasRecords {
        /// The node.
        node: ResourceName,
        /// How many of its chains have not ended.
        chains: u64,
        /// How many records of these are known of that the evidence store lacks.
        records: u64,
    },
    /// A node of that name has joined.
    #[error("a node named `{0}` has joined")]
    NodeNameTaken(ResourceName),
    /// The key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Too many idempotency keys are remembered.
    #[error("too many idempotency keys within 24 hours")]
    TooManyKeys,
    /// One change carries more evidence than it may.
    #[error("too much evidence in one change")]
    TooMuchEvidence,
    /// The evidence store is too far behind the log.
    #[error("too much of the evidence log is not stored")]
    TooMuchUnstored,
    /// More of the evidence log would be stored than there is.
    #[error("the evidence log has {size} entries only")]
    LogShorter {
        /// How many entries it has.
        size: u64,
    },
    /// The evidence store holds other entries than it did.
    #[error("the first {size} entries of the evidence log were stored with another tree hash")]
    LogRootDiffers {
        /// How many entries it is about.
        size: u64,
    },
    /// There is no such approval, or none of this command and run.
    #[error("there is no such approval")]
    ApprovalUnknown,
    /// The approval's id is taken.
    #[error("the approval exists")]
    ApprovalExists,
    /// The approval stands where this cannot be done to it any more.
    #[error("the approval is over: {0}")]
    ApprovalOver(&'static str),
    /// The process does not keep the command for the approval.
    #[error("the process does not keep the command of this approval")]
    ApprovalAttended,
    /// Nobody claimed the approval, so nothing can have become of the command.
    #[error("nobody has claimed the approval")]
    ApprovalUnclaimed,
    /// There are none, too many, one twice, or one that nobody can fulfil.
    #[error("a held command has 1 to 64 different requirements, each with a quorum and a time")]
    Requirements,
    /// An approver would have to read too much.
    #[error("the command is larger than what a person could review")]
    ReviewTooLarge,
    /// Too many approvals wait, in this scope.
    #[error("too many approvals of this {0} wait")]
    TooManyPending(&'static str),
    /// There is no such Person.
    #[error("there is no such person")]
    PersonUnknown,
    /// The Person is barred.
    #[error("the person is suspended")]
    PersonSuspended,
    /// The Person's last sign-in is too long ago.
    #[error("the person has not signed in within 15 minutes")]
    NotSignedIn,
    /// The Person is in no team that is asked, triggered the run, or owns the identity.
    #[error("the person has no say on this approval")]
    MayNotVote,
}

/// What a node may want to do because of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Policy-relevant state changed.
    RevisionMoved {
        /// From here.
        base: Revision,
        /// To here.
        revision: Revision,
    },
    /// A node was registered.
    NodeJoined {
        /// Its name.
        node: ResourceName,
        /// When, in log time.
        at: UnixMillis,
    },
    /// A node was removed.
    NodeRemoved {
        /// Its name.
        node: ResourceName,
        /// When, in log time.
        at: UnixMillis,
    },
    /// The evidence log has another entry, which the store lacks.
    EvidenceLogged {
        /// How many entries it has.
        size: u64,
    },
    /// An approval was opened, or something of it changed.
    ApprovalChanged {
        /// The approval.
        id: ApprovalId,
    },
}
