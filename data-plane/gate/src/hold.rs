//! A held command: what is asked of the control plane, and what comes of it at first.

use crate::answer::Unfit;
use crate::party::Asker;
use crate::waiting::{Over, Tell, Turn, Waiting};
use crate::{HoldAnswer, Kept, judging};
use hoop_audit::{CommandId, Entry, HoldStage, HoldStep, Judged, Named};
use hoop_model::{ApprovalId, Code, CommandDigest, Effect, Intent, Refusal, Requirement, Revision, SessionId};
use std::time::Duration;

/// When a caller is told to come back and see whether its command was released.
pub const COME_BACK_AFTER: Duration = Duration::from_secs(5);

/// A command that people must release, with its verdict recorded. Made only by [`crate::Decided::after`], and only of a
/// command whose content was captured.
///
/// It cannot be copied, and opens nothing by itself: what it becomes in the end is a [`Permit`](crate::Permit), or a
/// refusal.
#[derive(Debug)]
#[must_use = "a hold that is not opened waits for nobody"]
pub struct Held {
    command: Box<Captured>,
}

/// What the control plane must know to hold a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldRequest<'a> {
    /// The command.
    pub digest: CommandDigest,
    /// Who sent it.
    pub identity: &'a Named,
    /// Where it would go.
    pub connection: &'a Named,
    /// The run it belongs to.
    pub run: &'a str,
    /// The session it is held in.
    pub session: SessionId,
    /// What it would do.
    pub effects: &'a [Effect],
    /// One line that names it to people.
    pub summary: &'a str,
    /// What must be fulfilled; never empty.
    pub requirements: &'a [Requirement],
    /// The revision it was judged at.
    pub revision: Revision,
}

/// What came of asking for an approval.
#[derive(Debug)]
#[must_use = "a hold goes on"]
pub enum Opened {
    /// There is one, or it is over at once.
    Turn(Turn),
    /// The policy moved on since the command was judged: submit the intent again, on the rules there are then.
    Resubmit(Intent),
}

impl Held {
    pub(crate) fn new(command: Captured) -> Self {
        Self { command: Box::new(command) }
    }

    /// Returns what to ask of the control plane. Whoever asks again because an answer was lost may get another
    /// approval; the first then waits for whoever sends the command again, or until its time is over.
    #[must_use]
    pub fn request(&self) -> HoldRequest<'_> {
        let Captured { asker, intent, digest, requirements, judged, .. } = &*self.command;
        HoldRequest {
            digest: *digest,
            identity: &asker.party.identity,
            connection: &asker.party.connection,
            run: &asker.party.run,
            session: asker.party.session,
            effects: &intent.effects,
            summary: &intent.summary,
            requirements,
            revision: judged.revision,
        }
    }

    /// Takes the control plane's answer.
    pub fn opened(self, answer: HoldAnswer, kept: &mut Kept) -> Opened {
        let command = self.command;
        let (approval, state) = match answer {
            HoldAnswer::Stands { approval, state, claimed_by_caller: _ } => (approval, state),
            HoldAnswer::Stale => return Opened::Resubmit(command.intent),
            HoldAnswer::Unfit(unfit) => return Opened::Turn(Turn::Over(command.unfit(unfit))),
        };
        if let Some((stage, code, message)) = state.ending() {
            return Opened::Turn(Turn::Over(command.over(approval, stage, code, message)));
        }
        let Some(custody) = kept.take(approval) else {
            let message = "another request waits with this approval";
            let refusal = command.refuse(Some(approval), Code::ApprovalMismatch, message);
            return Opened::Turn(Turn::Over(Over { refusal, entry: None, tell: Tell::Nothing }));
        };
        Opened::Turn(Waiting::new(command, custody).stands(state))
    }

    /// Ends the hold where nobody can be asked: the control plane is away.
    #[must_use]
    pub fn unopened(self) -> Box<Refusal> {
        self.command.unfinished(None)
    }
}

/// A command whose content was captured, with its last judgement.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) asker: Asker,
    pub(crate) command: CommandId,
    pub(crate) intent: Intent,
    pub(crate) digest: CommandDigest,
    /// The generation of the connection that the digest covers.
    pub(crate) generation: u64,
    /// What the last judgement asks for.
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) judged: Judged,
}

impl Captured {
    /// Returns the record of how far it came.
    pub(crate) fn step(&self, approval: ApprovalId, stage: HoldStage) -> Entry {
        let judged = self.judged.clone();
        Entry::Approval(HoldStep { command: self.command, approval, digest: self.digest, stage, judged })
    }

    pub(crate) fn refuse(&self, approval: Option<ApprovalId>, code: Code, message: &str) -> Box<Refusal> {
        let mut refusal = self.asker.refuse(code, message);
        refusal.approval = approval;
        refusal
    }

    /// Returns the refusal of a command that may still be released.
    pub(crate) fn unfinished(&self, approval: Option<ApprovalId>) -> Box<Refusal> {
        let mut refusal = self.asker.address(judging::approval_required(&self.requirements));
        refusal.approval = approval;
        refusal.retry_after = Some(COME_BACK_AFTER);
        refusal
    }

    /// Ends the hold because of where its approval stands, of which the control plane need not be told.
    pub(crate) fn over(&self, approval: ApprovalId, stage: HoldStage, code: Code, message: &str) -> Over {
        Over {
            refusal: self.refuse(Some(approval), code, message),
            entry: Some(Box::new(self.step(approval, stage))),
            tell: Tell::Nothing,
        }
    }

    /// Ends the hold because there is no approval for it.
    pub(crate) fn unfit(&self, unfit: Unfit) -> Over {
        let (code, message) = unfit.refusal();
        Over { refusal: self.refuse(None, code, message), entry: None, tell: Tell::Nothing }
    }
}
