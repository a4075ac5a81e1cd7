//! The right to forward one command, once.

use crate::claim::ClaimProof;
use crate::party::Asker;
use crate::{Authority, Now};
use hoop_audit::{CommandId, Named};
use hoop_model::{ApprovalId, CommandDigest, Refusal, Revision, SessionId};

/// The right to forward one command: it was allowed, or people released it, and that was recorded. Made only by
/// [`crate::Decided::after`] and [`crate::Claiming::answered`].
///
/// It cannot be copied, kept in a file or made up; it is used up by [`Permit::redeem`].
#[derive(Debug)]
#[must_use = "a permit that is not redeemed forwards nothing"]
pub struct Permit {
    command: CommandId,
    /// The revision of the last verdict.
    revision: Revision,
    approval: Option<ApprovalId>,
    digest: Option<CommandDigest>,
    /// Whether it only reads, and nobody had to release it.
    reads: bool,
    asker: Asker,
}

/// The command may go, now. Consumed by the sender, which then has no other.
#[derive(Debug)]
#[must_use = "a cleared command is to be sent"]
pub struct Cleared {
    command: CommandId,
}

impl Permit {
    /// Permits what policy allows.
    pub(crate) const fn allowed(command: CommandId, revision: Revision, reads: bool, asker: Asker) -> Self {
        Self { command, revision, approval: None, digest: None, reads, asker }
    }

    /// Permits what people released, in exchange for the proof that this is the one use of their approval.
    pub(crate) fn released(command: CommandId, revision: Revision, asker: Asker, proof: ClaimProof) -> Self {
        let (approval, digest) = (Some(proof.approval()), Some(proof.digest()));
        Self { command, revision, approval, digest, reads: false, asker }
    }

    /// Returns the session.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.asker.party.session
    }

    /// Returns the command.
    #[must_use]
    pub const fn command(&self) -> CommandId {
        self.command
    }

    /// Returns the revision that the command was judged at for the last time.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns the approval that is spent on the command, if it needed one.
    #[must_use]
    pub const fn approval(&self) -> Option<ApprovalId> {
        self.approval
    }

    /// Returns the digest of the command that people released, if it needed that: nothing else may be sent.
    #[must_use]
    pub const fn digest(&self) -> Option<CommandDigest> {
        self.digest
    }

    /// Returns the identity that policy judged.
    #[must_use]
    pub fn identity(&self) -> &Named {
        &self.asker.party.identity
    }

    /// Checks authority for the last time. The shell calls it once it holds a connected upstream connection, in the
    /// poll that writes the first byte, with clocks read in that poll.
    ///
    /// # Errors
    /// The refusal, if this node, the identity or the token has no authority left.
    pub fn redeem(self, authority: &Authority<'_>, now: Now) -> Result<Cleared, Box<Refusal>> {
        // INVARIANT (I10): the only place where a `Cleared` is made.
        match self.asker.party.lacks(self.revision, self.reads, authority, now) {
            Some((code, message)) => {
                let mut refusal = self.asker.refuse(code, message);
                refusal.approval = self.approval;
                Err(refusal)
            }
            None => Ok(Cleared { command: self.command }),
        }
    }
}

impl Cleared {
    /// Returns the command, which the records of its forwarding and of its response name.
    #[must_use]
    pub const fn command(&self) -> CommandId {
        self.command
    }
}
