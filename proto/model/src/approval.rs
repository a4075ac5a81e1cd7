//! Approvals: held commands that wait for people, from the hold to what became of the command.

use crate::{ApprovalId, Effect, Incarnation, Requirement, ResourceName, Revision, SessionId, Uid, UnixMillis};
use std::fmt;
use std::sync::Arc;

/// What a command is, for the purpose of releasing it: a keyed hash over everything that gives it its meaning. The
/// version comes first; digests of different versions are never equal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandDigest(pub [u8; CommandDigest::BYTES]);

impl CommandDigest {
    /// Length in bytes: one of version, 32 of HMAC-SHA-256.
    pub const BYTES: usize = 33;

    /// Returns the version.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.0[0]
    }
}

impl fmt::Display for CommandDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CommandDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandDigest({self})")
    }
}

/// One named piece of a command's exact content, as its protocol forwards it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentField {
    /// What it is, by a number that the protocol documents and never reuses.
    pub tag: u16,
    /// Its bytes.
    pub bytes: Box<[u8]>,
}

/// The exact content of a command, in the protocol's canonical order: what a digest covers.
pub type Content = Vec<ContentField>;

/// One process of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    /// The node.
    pub node: ResourceName,
    /// The process.
    pub incarnation: Incarnation,
}

/// One person's say on one requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vote {
    /// The Person object.
    pub person: Uid,
    /// For or against.
    pub choice: Choice,
    /// Log time.
    pub at: UnixMillis,
}

/// For or against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Choice {
    /// The command may run.
    Approve,
    /// The command must not run; one is enough.
    Deny,
}

/// A requirement with what people said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Required {
    /// The requirement.
    pub requirement: Requirement,
    /// One vote per person at most.
    pub votes: Vec<Vote>,
}

/// Where an approval stands.
///
/// ```text
///   Pending ─▶ Approved ─▶ Claimed ─▶ Done(NotSent | Answered | FailedAfterSend)
///      │  ◀────────┤           └────▶ Unknown ─▶ Done(..), by its claimer or by a person
///      └──────┬────┴▶ Denied | Expired | Voided
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalState {
    /// Votes are missing.
    Pending,
    /// Every requirement is fulfilled; nobody has claimed it.
    Approved,
    /// Somebody said no.
    Denied,
    /// Its time is over.
    Expired,
    /// It cannot be used any more: the policy refuses the command, or the run is over.
    Voided,
    /// One process may send the command, once.
    Claimed(Claim),
    /// It is spent, and this became of the command.
    Done(Ending),
    /// It is spent, and nobody can know whether the command ran.
    Unknown(Claim),
}

/// The one use of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who uses it.
    pub holder: Holder,
    /// The revision that the command was judged at for the last time.
    pub revision: Revision,
    /// Log time.
    pub at: UnixMillis,
}

/// What became of a released command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// No byte of it was sent.
    NotSent,
    /// The backend answered.
    Answered,
    /// Something of it was sent, and the backend did not answer.
    FailedAfterSend,
}

impl ApprovalState {
    /// Returns the state's one word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Voided => "voided",
            Self::Claimed(_) => "claimed",
            Self::Done(Ending::NotSent) => "not_sent",
            Self::Done(Ending::Answered) => "answered",
            Self::Done(Ending::FailedAfterSend) => "failed_after_send",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Returns whether nothing can come after it. `Unknown` is not: what happened may still be found out.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Pending | Self::Approved | Self::Claimed(_) | Self::Unknown(_) => false,
            Self::Denied | Self::Expired | Self::Voided | Self::Done(_) => true,
        }
    }

    /// Returns whether it can still release the command.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        match self {
            Self::Pending | Self::Approved => true,
            Self::Claimed(_) | Self::Unknown(_) | Self::Denied | Self::Expired | Self::Voided | Self::Done(_) => false,
        }
    }
}

/// One held command and what people say of it. Spent at most once, ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The command.
    pub digest: CommandDigest,
    /// The identity that sent it.
    pub identity: Uid,
    /// The connection it was sent on.
    pub connection: Uid,
    /// The run it belongs to.
    pub run: Box<str>,
    /// Whether a later run may use it: an approver said so.
    pub any_run: bool,
    /// The session it was held in.
    pub session: SessionId,
    /// What the command would do.
    pub effects: Arc<[Effect]>,
    /// What must be fulfilled; never empty.
    pub requirements: Vec<Required>,
    /// The revision it was judged at when it was held or came back for more.
    pub revision: Revision,
    /// Log time.
    pub opened: UnixMillis,
    /// Log time from which it is over unless it was claimed.
    pub expires: UnixMillis,
    /// Where it stands.
    pub state: ApprovalState,
    /// Log time since which it stands there.
    pub since: UnixMillis,
    /// The process that keeps the captured command for a caller that waits, if one does.
    pub holder: Option<Holder>,
    /// The persons who may not vote: who triggered the run, and an owner who is a person.
    pub barred: Vec<Uid>,
    /// What an approver reads, sealed; empty once the approval is over.
    pub review_sealed: Vec<u8>,
}
