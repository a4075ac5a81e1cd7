//! A hold that the control plane knows of: it waits, is judged again, and ends.

use crate::claim::Intended;
use crate::hold::Captured;
use crate::kept::Custody;
use crate::{Authority, HoldAnswer, HoldState, Now, judging};
use hoop_audit::{Entry, HoldStage, Judged};
use hoop_model::{ApprovalId, Code, Refusal, Requirement, Revision, Verdict};
use hoop_policy::{Rules, VerdictCache};
use std::fmt;

/// How often one hold is judged again. A policy that changes more often than that while a command waits is not worth
/// waiting for.
pub const MAX_REJUDGED: u32 = 64;

/// A held command with its approval.
#[derive(Debug)]
#[must_use = "a hold goes on"]
pub struct Waiting {
    pub(crate) command: Box<Captured>,
    /// INVARIANT: as long as it is here, nothing else of this process has to do with the approval.
    pub(crate) custody: Custody,
    /// What the control plane was told to ask for.
    pub(crate) asked: Vec<Requirement>,
    approved: bool,
    rejudged: u32,
}

/// What the shell must do next with a hold.
#[derive(Debug)]
#[must_use = "a hold goes on"]
pub enum Turn {
    /// Wait for the next thing the control plane says, for a new revision, or for the caller to have waited enough.
    Wait(Waiting),
    /// Judge it again, on the rules there are: at once, or after [`HoldAnswer::Stale`] once there are newer ones.
    Rejudge(Waiting),
    /// It is over.
    Over(Over),
}

/// The end of a hold at this node. The record is evidence of it, and nothing waits for that: the command is refused.
#[derive(Debug)]
#[must_use = "somebody waits for the refusal"]
pub struct Over {
    /// What the caller is told.
    pub refusal: Box<Refusal>,
    /// What is recorded, if there was an approval.
    pub entry: Option<Box<Entry>>,
    /// What the control plane is told.
    pub tell: Tell,
}

/// What the control plane is told of the end of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tell {
    /// Nothing: it knows, or there is nothing to know.
    Nothing,
    /// Nobody keeps the command any more; the approval waits on.
    Leave(ApprovalId),
    /// The command may never run: the approval is void.
    Void(Rejudgement),
}

/// What a command needs by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejudgement {
    /// The approval.
    pub approval: ApprovalId,
    /// The revision it was judged at.
    pub revision: Revision,
    /// Everything that must be fulfilled; nothing if the command may never run.
    pub requirements: Vec<Requirement>,
}

/// What a held command is judged on again.
pub struct Current<'a> {
    /// The rules of the snapshot that is applied.
    pub rules: &'a Rules,
    /// The shard's verdicts.
    pub cache: &'a mut VerdictCache,
    /// The generation that the connection has in that snapshot; `None` if there is no such connection any more, or if
    /// it has another uid.
    pub generation: Option<u64>,
    /// What the node may act on: nobody's approval is spent on a command that cannot be sent anyway.
    pub authority: Authority<'a>,
}

impl fmt::Debug for Current<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rules, cache: _, generation, authority } = self;
        let mut shown = f.debug_struct("Current");
        shown.field("revision", &rules.revision()).field("generation", generation).field("authority", authority);
        shown.finish_non_exhaustive()
    }
}

/// What came of judging a held command again.
#[derive(Debug)]
#[must_use = "a hold goes on"]
pub enum Rejudged {
    /// Nothing has changed, and votes are missing.
    Wait(Waiting),
    /// It needs what the control plane has not been asked for: tell it, and hand its answer to [`Waiting::told`].
    Needs(Waiting, Rejudgement),
    /// It may be claimed, once that is recorded.
    Claim(Intended),
    /// It is over.
    Over(Over),
}

impl Waiting {
    pub(crate) fn new(command: Box<Captured>, custody: Custody) -> Self {
        let asked = command.requirements.clone();
        Self { command, custody, asked, approved: false, rejudged: 0 }
    }

    /// Returns the approval.
    #[must_use]
    pub const fn approval(&self) -> ApprovalId {
        self.custody.approval()
    }

    /// Returns the revision that the command was judged at for the last time.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.command.judged.revision
    }

    /// Returns the record that a command waits for an approval, which is written once. Nothing waits for it.
    #[must_use]
    pub fn entry(&self) -> Entry {
        self.command.step(self.approval(), HoldStage::Waiting)
    }

    /// Takes what the control plane says: its answer to [`Rejudged::Needs`], or what it pushes about this approval.
    pub fn told(self, answer: HoldAnswer) -> Turn {
        match answer {
            HoldAnswer::Stands { approval, state, claimed_by_caller: _ } if approval == self.approval() => {
                self.stands(state)
            }
            HoldAnswer::Stands { .. } => {
                Turn::Over(self.leave(Code::ApprovalMismatch, "the answer was about another approval"))
            }
            HoldAnswer::Stale => Turn::Rejudge(self),
            HoldAnswer::Unfit(unfit) => Turn::Over(self.command.unfit(unfit)),
        }
    }

    /// Judges the command again, on the rules there are. Without a change of the policy the outcome is the same, so
    /// the shell calls it when it is told to, and at each revision.
    pub fn rejudge(mut self, current: Current<'_>, now: Now) -> Rejudged {
        self.rejudged += 1;
        if self.rejudged > MAX_REJUDGED {
            return Rejudged::Over(self.left());
        }
        let revision = current.rules.revision();
        if current.generation != Some(self.command.generation) {
            let why = "the connection has changed while the command waited";
            let refusal = self.refuse(Code::ApprovalVoided, why);
            return Rejudged::Over(self.void(revision, refusal));
        }
        let party = &self.command.asker.party;
        if let Some((code, message)) = party.lacks(revision, false, &current.authority, now) {
            return Rejudged::Over(self.leave(code, message));
        }
        let judgement = party.command_anew(current.rules, current.cache, &self.command.intent);
        let judgement = judging::accountable(judgement);
        self.command.judged = Judged::from(&judgement);
        match judgement.verdict {
            Verdict::Refuse(refusal) => {
                let refusal = self.refused_by_now(refusal);
                Rejudged::Over(self.void(revision, refusal))
            }
            Verdict::Allow => Rejudged::Claim(Intended::new(self, Vec::new())),
            Verdict::Hold(requirements) => self.needs(requirements),
        }
    }

    /// Returns what a caller is told that does not wait any longer, or that never did: the command may still be
    /// released, and who sends it again takes up the approval.
    #[must_use]
    pub fn refusal(&self) -> Box<Refusal> {
        self.command.unfinished(Some(self.approval()))
    }

    /// Ends the wait: the caller went away, or waited long enough. The approval waits on.
    pub fn left(self) -> Over {
        let refusal = self.refusal();
        self.leaving(refusal)
    }

    /// Goes on from where the approval stands.
    pub(crate) fn stands(mut self, state: HoldState) -> Turn {
        if let Some((stage, code, message)) = state.ending() {
            return Turn::Over(self.command.over(self.approval(), stage, code, message));
        }
        self.approved = state == HoldState::Approved;
        if self.approved { Turn::Rejudge(self) } else { Turn::Wait(self) }
    }

    /// Ends the wait for a reason of this node's own. The approval waits on.
    pub(crate) fn leave(self, code: Code, message: &str) -> Over {
        let refusal = self.refuse(code, message);
        self.leaving(refusal)
    }

    fn needs(mut self, requirements: Vec<Requirement>) -> Rejudged {
        let asked = |wanted: &Requirement| self.asked.iter().any(|known| is_same(known, wanted));
        let wanted = |known: &Requirement| requirements.iter().any(|wanted| is_same(known, wanted));
        let is_covered = requirements.iter().all(asked);
        let is_less = !self.asked.iter().all(wanted);
        self.command.requirements.clone_from(&requirements);
        if !is_covered {
            self.asked.clone_from(&requirements);
            let rejudgement = Rejudgement { approval: self.approval(), revision: self.revision(), requirements };
            return Rejudged::Needs(self, rejudgement);
        }
        // What is asked for no more may be all that was missing.
        if self.approved || is_less { Rejudged::Claim(Intended::new(self, requirements)) } else { Rejudged::Wait(self) }
    }

    fn refuse(&self, code: Code, message: &str) -> Box<Refusal> {
        self.command.refuse(Some(self.approval()), code, message)
    }

    fn refused_by_now(&self, by_policy: Box<Refusal>) -> Box<Refusal> {
        let mut refusal = self.command.asker.address(by_policy);
        refusal.code = Code::ApprovalVoided;
        refusal.message = format!("the policy refuses the command by now: {}", refusal.message).into();
        refusal.approval = Some(self.approval());
        refusal
    }

    fn leaving(self, refusal: Box<Refusal>) -> Over {
        let entry = self.command.step(self.approval(), HoldStage::Left);
        Over { refusal, entry: Some(Box::new(entry)), tell: Tell::Leave(self.approval()) }
    }

    fn void(self, revision: Revision, refusal: Box<Refusal>) -> Over {
        let entry = self.command.step(self.approval(), HoldStage::Voided);
        let void = Rejudgement { approval: self.approval(), revision, requirements: Vec::new() };
        Over { refusal, entry: Some(Box::new(entry)), tell: Tell::Void(void) }
    }
}

/// Whether two judgements ask for the same. How long it may wait, and in which words, is no part of what is asked.
fn is_same(a: &Requirement, b: &Requirement) -> bool {
    let policy = a.policy.uid == b.policy.uid && a.policy.hash == b.policy.hash;
    policy && a.policy.statement == b.policy.statement && a.team == b.team && a.quorum == b.quorum
}
