//! A decision that is not yet evidence, and what it opens once it is.

use crate::party::Asker;
use crate::{Permit, Session};
use hoop_audit::{Entry, Receipt};
use hoop_model::{Refusal, SessionId};

/// What the shell must do next with a command.
#[derive(Debug)]
#[must_use = "a step is to be taken"]
pub enum Step {
    /// Forward the command; the permit is redeemed in the poll that writes its first byte.
    Forward(Permit),
    /// Tell the caller no.
    Refuse(Box<Refusal>),
}

/// A judged command. Nobody is told the outcome before it is recorded.
#[derive(Debug)]
#[must_use = "a decision that is not recorded opens nothing"]
pub struct Decided {
    pending: Pending<Permit>,
}

/// A judged session. Like [`Decided`], for `connect`.
#[derive(Debug)]
#[must_use = "a decision that is not recorded opens nothing"]
pub struct Admission {
    pending: Pending<Session>,
}

impl Decided {
    pub(crate) const fn new(pending: Pending<Permit>) -> Self {
        Self { pending }
    }

    /// Returns what the shell must record before anything else happens to the command.
    pub const fn entry(&self) -> &Entry {
        &self.pending.entry
    }

    /// Opens the decision with the receipt of its record. The receipt of anything else refuses.
    pub fn after(self, receipt: Receipt) -> Step {
        match self.pending.after(&receipt) {
            Ok(permit) => Step::Forward(permit),
            Err(refusal) => Step::Refuse(refusal),
        }
    }

    /// Ends the decision where its record could not be written.
    #[must_use]
    pub fn unrecorded(self) -> Box<Refusal> {
        self.pending.asker.unrecorded()
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

    /// Opens the session with the receipt of its record.
    ///
    /// # Errors
    /// The refusal, if it may not be opened, or if the receipt is of another record.
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
    pub(crate) session: SessionId,
    pub(crate) asker: Asker,
    pub(crate) entry: Entry,
    pub(crate) outcome: Result<T, Box<Refusal>>,
}

impl<T> Pending<T> {
    // INVARIANT (I2): the only place where an outcome comes out, and only for the receipt of this very entry.
    fn after(self, receipt: &Receipt) -> Result<T, Box<Refusal>> {
        if receipt.covers(self.session, &self.entry) { self.outcome } else { Err(self.asker.unrecorded()) }
    }
}
