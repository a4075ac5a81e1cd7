//! A decision that is not yet evidence, and what it opens once it is.

use crate::answer::TOO_LARGE_TO_REVIEW;
use crate::hold::Captured;
use crate::party::Asker;
use crate::{Addressed, DigestKey, Held, Permit, Session, judging};
use hoop_audit::{CommandId, CommandVerdict, Durability, Entry, Judged, Outcome, Receipt};
use hoop_model::{Code, CommandDigest, ContentField, Intent, Judgement, Refusal, Requirement, Verdict};
use hoop_policy::only_reads;

/// What the shell must do next with a command.
#[derive(Debug)]
#[must_use = "a step is to be taken"]
pub enum Step {
    /// Forward the command; the permit is redeemed in the poll that writes its first byte.
    Forward(Permit),
    /// Ask the control plane to hold the command.
    Hold(Held),
    /// Tell the caller no.
    Refuse(Box<Refusal>),
}

/// A judged command. Nobody is told the outcome before it is recorded.
#[derive(Debug)]
#[must_use = "a decision that is not recorded opens nothing"]
pub struct Decided {
    pending: Pending<Granted>,
    /// What a hold of the command is made of; `None` where nobody is to be asked, or once it was captured.
    to_capture: Option<Box<ToCapture>>,
}

/// A judged session. Like [`Decided`], for `connect`.
#[derive(Debug)]
#[must_use = "a decision that is not recorded opens nothing"]
pub struct Admission {
    pending: Pending<Session>,
}

/// What a command is, exactly.
#[derive(Debug, Clone, Copy)]
pub struct Capture<'a> {
    /// The cluster's digest key.
    pub key: &'a DigestKey,
    /// The generation of the connection in the snapshot that the command was judged on.
    pub generation: u64,
    /// What of the session changes the command's meaning; nothing for HTTP.
    pub context: &'a [ContentField],
    /// What would be forwarded, in the protocol's canonical order.
    pub content: &'a [ContentField],
}

#[derive(Debug)]
struct ToCapture {
    command: CommandId,
    intent: Intent,
    requirements: Vec<Requirement>,
    judged: Judged,
}

/// What a verdict opens.
#[derive(Debug)]
enum Granted {
    Permit(Permit),
    Held(Held),
}

impl Decided {
    /// Puts a judgement behind its record. A hold refuses as long as the command is not captured.
    pub(crate) fn new(asker: Asker, command: CommandId, intent: Intent, judgement: Judgement) -> Self {
        let judged = Judged::from(&judgement);
        let objection = judging::objection(&judgement.verdict);
        let (durability, to_capture) = match judgement.verdict {
            Verdict::Hold(requirements) => {
                let (intent, judged) = (intent.clone(), judged.clone());
                let held = ToCapture { command, intent, requirements, judged };
                (Durability::Synchronised, Some(Box::new(held)))
            }
            Verdict::Allow | Verdict::Refuse(_) => (asker.party.durability, None),
        };
        let reads = only_reads(&intent.effects);
        let entry = Entry::Verdict(CommandVerdict {
            command,
            summary: intent.summary,
            effects: intent.effects,
            digest: None,
            trace: asker.trace,
            judged,
        });
        let outcome = match objection {
            Some(refusal) => Err(asker.address(refusal)),
            None => Ok(Granted::Permit(Permit::allowed(command, judgement.revision, reads, asker.clone()))),
        };
        Self { pending: Pending { asker, entry, outcome, durability }, to_capture }
    }

    /// Returns who must release the command; nobody if policy allows or refuses it. A command that needs a release is
    /// captured before it is recorded: its body is read, and [`Decided::captured`] or
    /// [`Decided::too_large_to_review`] says what came of that. Recorded without either it is refused, which is right
    /// where the control plane cannot be asked anyway.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        self.to_capture.as_ref().map_or(&[], |held| held.requirements.as_slice())
    }

    /// Takes what the command is, exactly: its record names the digest, and a command that people must release can be
    /// held.
    pub fn captured(mut self, capture: &Capture<'_>) -> Self {
        let party = &self.pending.asker.party;
        let addressed = Addressed {
            identity: party.identity.uid,
            connection: party.connection.uid,
            generation: capture.generation,
            context: capture.context,
        };
        let digest = capture.key.digest(&addressed, capture.content);
        if let Some(verdict) = self.verdict_mut() {
            verdict.digest = Some(digest);
        }
        if let Some(to_capture) = self.to_capture.take() {
            let held = to_capture.captured(self.pending.asker.clone(), digest, capture.generation);
            self.pending.outcome = Ok(Granted::Held(held));
        }
        self
    }

    /// Refuses a command that people would have to release and could not read. Any other stays as it is.
    pub fn too_large_to_review(mut self) -> Self {
        if self.to_capture.take().is_some() {
            self.pending.outcome = Err(self.pending.asker.refuse(Code::TooLargeToReview, TOO_LARGE_TO_REVIEW));
            if let Some(verdict) = self.verdict_mut() {
                verdict.judged.outcome = Outcome::Refuse(Code::TooLargeToReview);
            }
        }
        self
    }

    /// Returns what the shell must record before anything else happens to the command.
    pub const fn entry(&self) -> &Entry {
        &self.pending.entry
    }

    /// Returns what that record must outlive: more than the connection asks for where people must release the command.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        self.pending.durability
    }

    /// Opens the decision with the receipt of its record. The receipt of anything else refuses, and so does one of a
    /// record that is less durable than it must be.
    pub fn after(self, receipt: Receipt) -> Step {
        match self.pending.after(&receipt) {
            Ok(Granted::Permit(permit)) => Step::Forward(permit),
            Ok(Granted::Held(held)) => Step::Hold(held),
            Err(refusal) => Step::Refuse(refusal),
        }
    }

    /// Ends the decision where its record could not be written.
    #[must_use]
    pub fn unrecorded(self) -> Box<Refusal> {
        self.pending.asker.unrecorded()
    }

    fn verdict_mut(&mut self) -> Option<&mut CommandVerdict> {
        if let Entry::Verdict(verdict) = &mut self.pending.entry { Some(verdict) } else { None }
    }
}

impl ToCapture {
    fn captured(self, asker: Asker, digest: CommandDigest, generation: u64) -> Held {
        let Self { command, intent, requirements, judged } = self;
        Held::new(Captured { asker, command, intent, digest, generation, requirements, judged })
    }
}

impl Admission {
    pub(crate) const fn new(pending: Pending<Session>) -> Self {
        Self { pending }
    }

    /// Returns what the shell must record before anything else happens to the session.
    pub const fn entry(&self) -> &Entry {
        &self.pending.entry
    }

    /// Returns what that record must outlive.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        self.pending.durability
    }

    /// Opens the session with the receipt of its record.
    ///
    /// # Errors
    /// The refusal, if it may not be opened, or if the receipt is of another record or of one that is less durable than
    /// it must be.
    pub fn after(self, receipt: Receipt) -> Result<Session, Box<Refusal>> {
        self.pending.after(&receipt)
    }

    /// Ends the decision where its record could not be written.
    #[must_use]
    pub fn unrecorded(self) -> Box<Refusal> {
        self.pending.asker.unrecorded()
    }
}

/// An outcome behind its record.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    pub(crate) asker: Asker,
    pub(crate) entry: Entry,
    pub(crate) outcome: Result<T, Box<Refusal>>,
    /// What the record must outlive.
    pub(crate) durability: Durability,
}

impl<T> Pending<T> {
    // INVARIANT (I2): the only place where an outcome comes out, and only for the receipt of this very entry.
    fn after(self, receipt: &Receipt) -> Result<T, Box<Refusal>> {
        let is_evidence = receipt.covers(self.asker.party.session, &self.entry);
        if is_evidence && receipt.durability() >= self.durability { self.outcome } else { Err(self.asker.unrecorded()) }
    }
}
