//! The right to forward one command, once.

use crate::party::Asker;
use crate::{Authority, Now, Standing};
use hoop_audit::{CommandId, Named};
use hoop_model::{Code, Refusal, Revision, SessionId, UnixMillis};

/// The right to forward one command: it was allowed, and that was recorded. Made only by [`crate::Decided::after`].
///
/// It cannot be copied, kept in a file or made up; it is used up by [`Permit::redeem`].
#[derive(Debug)]
#[must_use = "a permit that is not redeemed forwards nothing"]
pub struct Permit {
    pub(crate) session: SessionId,
    pub(crate) command: CommandId,
    /// The revision of the verdict.
    pub(crate) revision: Revision,
    /// The revision of the identity that was judged.
    pub(crate) identity_revision: Revision,
    /// When the session's token, and the grace after it, are over.
    pub(crate) ends_at: UnixMillis,
    pub(crate) asker: Asker,
}

/// The command may go, now. Consumed by the sender, which then has no other.
#[derive(Debug)]
#[must_use = "a cleared command is to be sent"]
pub struct Cleared {
    session: SessionId,
    command: CommandId,
    revision: Revision,
}

impl Permit {
    /// Returns the session.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Returns the command.
    #[must_use]
    pub const fn command(&self) -> CommandId {
        self.command
    }

    /// Returns the revision that the command was judged at.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
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
        match self.lacks(authority, now) {
            Some((code, message)) => Err(self.asker.refuse(code, message)),
            None => Ok(Cleared { session: self.session, command: self.command, revision: self.revision }),
        }
    }

    fn lacks(&self, authority: &Authority<'_>, now: Now) -> Option<(Code, &'static str)> {
        if !authority.lease.is_live(now.boot) {
            return Some((Code::LeaseExpired, "this node's authority has run out; another node may have it"));
        }
        if authority.applied < self.revision {
            return Some((Code::NotReady, "this node's policy is older than the verdict; send the command again"));
        }
        match (authority.standing)(self.identity().uid) {
            Standing::Live(changed) if changed == self.identity_revision => {}
            Standing::Live(_) => return Some((Code::IdentityNone, "the identity has changed; sign in again")),
            Standing::Suspended => return Some((Code::IdentitySuspended, "the identity is suspended")),
            Standing::Expired => return Some((Code::IdentityExpired, "the identity has expired")),
            Standing::Gone => return Some((Code::IdentityNone, "the identity no longer exists")),
        }
        let over = now.wall >= self.ends_at;
        over.then_some((Code::TokenExpired, "the token has expired; come back with a new one"))
    }
}

impl Cleared {
    /// Returns the session.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Returns the command, which the records of its forwarding and of its response name.
    #[must_use]
    pub const fn command(&self) -> CommandId {
        self.command
    }

    /// Returns the revision that the command was judged at.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }
}
