//! Sessions of administrators who are no Person: each opened once, with a token that is used up by it.

use crate::apply::Made;
use crate::{Inconsistent, OpenAdminSession, Rejection, Reply, State};
use hoop_model::{ContentHash, UnixMillis};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Longest an administrator's session lasts.
pub const MAX_ADMIN_SESSION: Duration = Duration::from_secs(12 * 3600);
/// Most of them at a time.
pub const MAX_ADMIN_SESSIONS: usize = 64;
/// Longest that a token for recovery can be used.
pub const MAX_RECOVERY: Duration = Duration::from_secs(600);

/// The token that a session is opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OneTime {
    /// The cluster's first: made at its birth.
    Bootstrap {
        /// SHA-256 of it.
        token_hash: ContentHash,
    },
    /// One that was made on a voter's host, by somebody who has its seal key. The proposer has verified it.
    Recovery {
        /// Its random id.
        id: [u8; 16],
        /// Until when it can be used.
        expires: UnixMillis,
    },
}

/// A session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminSession {
    /// The id of the token for recovery that it was opened with; none for the cluster's first token.
    pub recovery: Option<[u8; 16]>,
    /// When it was opened, in log time.
    pub opened: UnixMillis,
    /// When it ends, in log time.
    pub expires: UnixMillis,
}

/// What is known of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Administration {
    pub(crate) bootstrap_spent: bool,
    /// By the SHA-256 of the session's token.
    pub(crate) sessions: BTreeMap<ContentHash, AdminSession>,
    /// Tokens for recovery that are used up, until each would be void by itself.
    pub(crate) recoveries: BTreeMap<[u8; 16], UnixMillis>,
}

impl State {
    /// Returns the sessions of administrators, by the SHA-256 of their tokens. Some may be over.
    pub fn admin_sessions(&self) -> impl Iterator<Item = (&ContentHash, &AdminSession)> {
        self.administration.sessions.iter()
    }

    /// Returns a session that is not over at this time.
    #[must_use]
    pub fn admin_session(&self, token_hash: &ContentHash, now: UnixMillis) -> Option<&AdminSession> {
        let found = self.administration.sessions.get(token_hash);
        found.filter(|session| session.expires > now.max(self.log_time))
    }

    /// Returns whether the cluster's first token is used up.
    #[must_use]
    pub fn is_bootstrap_spent(&self) -> bool {
        self.administration.bootstrap_spent
    }

    /// Returns the tokens for recovery that are used up and would not be void by themselves, with when they would be.
    pub fn recoveries(&self) -> impl Iterator<Item = ([u8; 16], UnixMillis)> {
        self.administration.recoveries.iter().map(|(id, expires)| (*id, *expires))
    }

    /// Uses up a token and opens a session. A refused attempt leaves the token as it is.
    pub(crate) fn open_admin_session(&mut self, open: OpenAdminSession) -> Made {
        let OpenAdminSession { with, session_hash, expires } = open;
        let now = self.log_time;
        if expires <= now || expires > now.after(MAX_ADMIN_SESSION) {
            return Err(Rejection::AdminSessionLifetime);
        }
        self.administration.recoveries.retain(|_, expires| *expires > now);
        self.administration.sessions.retain(|_, session| session.expires > now);
        let birth = self.birth.as_ref().ok_or(Rejection::NotBorn)?;
        let administration = &self.administration;
        let recovery = match with {
            OneTime::Bootstrap { token_hash } if token_hash != birth.admin_token_hash => {
                return Err(Rejection::OneTimeUnknown);
            }
            OneTime::Bootstrap { .. } if administration.bootstrap_spent => return Err(Rejection::OneTimeSpent),
            OneTime::Bootstrap { .. } => None,
            OneTime::Recovery { expires, .. } if expires <= now => return Err(Rejection::RecoveryExpired),
            OneTime::Recovery { expires, .. } if expires > now.after(MAX_RECOVERY) => {
                return Err(Rejection::OneTimeUnknown);
            }
            OneTime::Recovery { id, .. } if administration.recoveries.contains_key(&id) => {
                return Err(Rejection::OneTimeSpent);
            }
            OneTime::Recovery { id, expires } => Some((id, expires)),
        };
        if administration.sessions.len() >= MAX_ADMIN_SESSIONS {
            return Err(Rejection::TooManyAdminSessions);
        }
        if administration.sessions.contains_key(&session_hash) {
            return Err(Rejection::AdminSessionExists);
        }
        match recovery {
            None => self.administration.bootstrap_spent = true,
            Some((id, expires)) => drop(self.administration.recoveries.insert(id, expires)),
        }
        let session = AdminSession { recovery: recovery.map(|(id, _)| id), opened: now, expires };
        self.administration.sessions.insert(session_hash, session);
        Ok((Reply::Done { revision: self.revision }, Vec::new()))
    }

    /// Ends a session; one that is not there has ended.
    pub(crate) fn end_admin_session(&mut self, session_hash: &ContentHash) -> Made {
        self.administration.sessions.remove(session_hash);
        Ok((Reply::Done { revision: self.revision }, Vec::new()))
    }

    pub(crate) fn restore_administration(
        &self,
        bootstrap_spent: bool,
        sessions: Vec<(ContentHash, AdminSession)>,
        recoveries: Vec<([u8; 16], UnixMillis)>,
    ) -> Result<Administration, Inconsistent> {
        let mut restored = Administration { bootstrap_spent, ..Administration::default() };
        for (hash, session) in sessions {
            let fits = session.opened <= self.log_time && session.expires > session.opened;
            let fits = fits && restored.sessions.insert(hash, session).is_none();
            fits.then_some(()).ok_or(Inconsistent::AdminSession)?;
        }
        for (id, expires) in recoveries {
            let is_new = restored.recoveries.insert(id, expires).is_none();
            is_new.then_some(()).ok_or(Inconsistent::AdminSession)?;
        }
        Ok(restored)
    }
}

impl fmt::Display for AdminSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.recovery {
            None => f.write_str("administrator"),
            Some(id) => {
                f.write_str("recovery/")?;
                id.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}
