//! What can be proposed about approvals.

use hoop_model::{ApprovalId, Choice, CommandDigest, Effect, Ending, Holder, Requirement, Revision, SessionId, Uid};
use std::sync::Arc;

/// The changes of approvals there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalChange {
    /// A command is held.
    Open(OpenApproval),
    /// The caller that waited went away. The approval waits on, for whoever sends the command again.
    Leave {
        /// The approval.
        id: ApprovalId,
        /// Who kept the command for it.
        holder: Holder,
    },
    /// The command was judged again.
    Rejudge(RejudgeApproval),
    /// A person has a say.
    Vote(CastVote),
    /// Somebody wants to send the command.
    Claim(ClaimApproval),
    /// Somebody who may have sent the command says what became of it.
    Finish {
        /// The approval.
        id: ApprovalId,
        /// Who claimed it.
        holder: Holder,
        /// What became of the command.
        ending: Ending,
    },
    /// A person found out what became of a command.
    Resolve {
        /// The approval.
        id: ApprovalId,
        /// What became of the command.
        ending: Ending,
        /// The revision at which the person was found entitled to say so.
        revision: Revision,
    },
    /// A process is known to send nothing any more. Whoever says so takes no request of that process from then on.
    Fence {
        /// The process.
        holder: Holder,
    },
}

/// A command is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenApproval {
    /// The id it gets if it is a new one.
    pub id: ApprovalId,
    /// The command.
    pub digest: CommandDigest,
    /// The identity that sent it.
    pub identity: Uid,
    /// The connection it was sent on.
    pub connection: Uid,
    /// The run it belongs to.
    pub run: Box<str>,
    /// The session it is held in.
    pub session: SessionId,
    /// What it would do.
    pub effects: Arc<[Effect]>,
    /// What must be fulfilled; not empty, each once.
    pub requirements: Vec<Requirement>,
    /// The revision it was judged at.
    pub revision: Revision,
    /// The approval that the caller names, if it names one.
    pub selected: Option<ApprovalId>,
    /// Who keeps the command.
    pub holder: Holder,
    /// The persons who may not vote: who triggered the run, and an owner who is a person.
    pub barred: Vec<Uid>,
    /// What an approver reads, sealed.
    pub review_sealed: Vec<u8>,
}

/// The command was judged again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejudgeApproval {
    /// The approval.
    pub id: ApprovalId,
    /// Who keeps the command.
    pub holder: Holder,
    /// The revision it was judged at.
    pub revision: Revision,
    /// Everything that must be fulfilled, each once; nothing if it may never run.
    pub requirements: Vec<Requirement>,
}

/// A person has a say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CastVote {
    /// The approval.
    pub id: ApprovalId,
    /// The Person object.
    pub person: Uid,
    /// For or against.
    pub choice: Choice,
    /// Whether a later run may use it.
    pub any_run: bool,
    /// The revision at which the person was found entitled to vote.
    pub revision: Revision,
}

/// Somebody wants to send the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimApproval {
    /// The approval.
    pub id: ApprovalId,
    /// Who keeps the command.
    pub holder: Holder,
    /// The revision it was judged at for the last time.
    pub revision: Revision,
    /// Everything that judgement asks to be fulfilled, each once; nothing if the policy allows it by now.
    pub requirements: Vec<Requirement>,
}
