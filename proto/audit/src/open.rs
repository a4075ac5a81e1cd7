//! The sessions of a chain that are open.

use crate::Kind;
use hoop_model::SessionId;
use std::collections::BTreeMap;

/// The session of a record that belongs to none: the one that ends a chain in which no session is open. Ids of sessions
/// are 128 random bits.
pub const NO_SESSION: SessionId = SessionId::mint(0);

/// The sessions that have a record and no end yet, found by following a chain record by record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenSessions {
    /// By the number of their first record.
    since: BTreeMap<SessionId, u64>,
}

impl OpenSessions {
    /// Takes the chain's next record: its session, its kind and its number.
    pub fn follow(&mut self, session: SessionId, kind: Kind, sequence: u64) {
        match kind {
            Kind::Closed | Kind::NotOpened => drop(self.since.remove(&session)),
            Kind::Opened | Kind::Verdict | Kind::Forwarded | Kind::Response | Kind::Approval => {
                self.since.entry(session).or_insert(sequence);
            }
        }
    }

    /// Returns them in the order of their first record.
    #[must_use]
    pub fn in_order(&self) -> Vec<SessionId> {
        let mut open: Vec<_> = self.since.iter().collect();
        open.sort_unstable_by_key(|(_, since)| **since);
        open.into_iter().map(|(session, _)| *session).collect()
    }
}
