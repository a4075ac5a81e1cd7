//! The one use of an approval.

use crate::waiting::{Over, Tell, Turn, Waiting};
use crate::{HoldAnswer, HoldState, Kept, Permit, Spent};
use hoop_audit::{Durability, Entry, HoldStage, Receipt};
use hoop_model::{ApprovalId, Code, CommandDigest, Requirement, Revision};

/// A held command that was judged again and may be claimed, once that is recorded.
#[derive(Debug)]
#[must_use = "a claim that is not recorded is not made"]
pub struct Intended {
    waiting: Waiting,
    requirements: Vec<Requirement>,
    entry: Box<Entry>,
}

/// A held command whose approval is about to be used. The shell asks the control plane, again and again if need be,
/// until there is an answer.
#[derive(Debug)]
#[must_use = "a claim is to be made, or given up"]
pub struct Claiming {
    waiting: Waiting,
    requirements: Vec<Requirement>,
}

/// What to ask of the control plane to use an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimRequest<'a> {
    /// The approval.
    pub approval: ApprovalId,
    /// The revision of the last judgement.
    pub revision: Revision,
    /// What that judgement asks for; nothing if the policy allows the command by now.
    pub requirements: &'a [Requirement],
}

/// What came of a claim.
#[derive(Debug)]
#[must_use = "a hold goes on"]
pub enum Claimed {
    /// The command may be sent, once.
    Released(Released),
    /// It may not, or not yet.
    Turn(Turn),
}

/// A released command. The permit is for the sender; what became of it the control plane must be told.
#[derive(Debug)]
#[must_use = "an approval was spent on it"]
pub struct Released {
    /// The right to send it.
    pub permit: Permit,
    /// The approval that was spent.
    pub spent: Spent,
}

/// Proves that an approval of one command is this process's to use: the control plane said so, in answer to the claim
/// of that very approval. Used up by the permit made for it.
#[derive(Debug)]
pub(crate) struct ClaimProof {
    approval: ApprovalId,
    digest: CommandDigest,
}

impl Intended {
    pub(crate) fn new(waiting: Waiting, requirements: Vec<Requirement>) -> Self {
        let entry = Box::new(waiting.command.step(waiting.approval(), HoldStage::Released));
        Self { waiting, requirements, entry }
    }

    /// Returns what the shell must record before the approval is used.
    #[must_use]
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Returns what that record must outlive.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        Durability::Synchronised
    }

    /// Goes on with the receipt of that record.
    ///
    /// # Errors
    /// The end of the hold, if the receipt is of another record or of one that is not synchronised.
    pub fn after(self, receipt: Receipt) -> Result<Claiming, Over> {
        let session = self.waiting.command.asker.party.session;
        // INVARIANT (I2): the only place where a `Claiming` is made, and only for the receipt of this very entry.
        if receipt.covers(session, &self.entry) && receipt.durability() >= self.durability() {
            Ok(Claiming { waiting: self.waiting, requirements: self.requirements })
        } else {
            Err(self.unrecorded())
        }
    }

    /// Ends the hold where the record could not be written. The approval waits on.
    pub fn unrecorded(self) -> Over {
        let mut over = self.waiting.leave(Code::RecorderUnavailable, "the evidence could not be written");
        over.entry = None;
        over
    }
}

impl Claiming {
    /// Returns what to ask.
    #[must_use]
    pub fn request(&self) -> ClaimRequest<'_> {
        let (approval, revision) = (self.waiting.approval(), self.waiting.revision());
        ClaimRequest { approval, revision, requirements: &self.requirements }
    }

    /// Takes the control plane's answer to this claim.
    pub fn answered(mut self, answer: HoldAnswer, kept: &mut Kept) -> Claimed {
        match ClaimProof::of(&self.waiting, &answer) {
            Some(proof) => Claimed::Released(self.release(proof, kept)),
            None => {
                if let HoldAnswer::Stands { .. } = answer {
                    // A claim that finds votes missing has taken away what is asked for no more.
                    self.waiting.asked = self.requirements;
                }
                Claimed::Turn(self.waiting.told(answer))
            }
        }
    }

    /// Gives up: there is no answer, and nobody knows whether the approval is spent. The command was not sent and never
    /// will be, which the control plane must be told as soon as it can be.
    pub fn unanswered(self, kept: &mut Kept) -> (Over, Spent) {
        let spent = kept.spend(&self.waiting.custody);
        let message = "it is not known whether the approval could be used; the command was not sent";
        let mut over = self.waiting.leave(Code::NotReady, message);
        over.tell = Tell::Nothing;
        (over, spent)
    }

    // INVARIANT (I9): the only place where a released command gets its permit. It uses up the claim and its proof, and
    // leaves the approval spent before anything else of this process can take it into custody.
    fn release(self, proof: ClaimProof, kept: &mut Kept) -> Released {
        let spent = kept.spend(&self.waiting.custody);
        let revision = self.waiting.revision();
        let command = self.waiting.command;
        let permit = Permit::released(command.command, revision, command.asker, proof);
        Released { permit, spent }
    }
}

impl ClaimProof {
    /// Reads the proof out of the answer to a claim.
    fn of(waiting: &Waiting, answer: &HoldAnswer) -> Option<Self> {
        let HoldAnswer::Stands { approval, state: HoldState::Claimed, claimed_by_caller: true } = answer else {
            return None;
        };
        let is_ours = *approval == waiting.approval();
        is_ours.then_some(Self { approval: *approval, digest: waiting.command.digest })
    }

    pub(crate) const fn approval(&self) -> ApprovalId {
        self.approval
    }

    pub(crate) const fn digest(&self) -> CommandDigest {
        self.digest
    }
}
