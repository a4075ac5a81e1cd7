//! The receipts of one process of a node: what it carried out, and how many sessions that closed.

use hoop_model::{Revision, Uid};
use std::collections::BTreeMap;

/// Most closings of one process that are kept; above it the oldest is forgotten, and counts as none.
const MAX_KEPT: usize = 1_024;

/// How many sessions of an identity a process closed because they were revoked at a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClosedSessions {
    pub(crate) revision: Revision,
    pub(crate) identity: Uid,
    pub(crate) sessions: u64,
}

/// What one process gave receipts for.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    newest: Option<Revision>,
    closed: BTreeMap<(Revision, Uid), u64>,
}

impl Receipts {
    /// Notes a receipt. Said again, it is the same.
    pub(super) fn note(&mut self, revision: Revision, closed: Vec<ClosedSessions>) {
        self.newest = self.newest.max(Some(revision));
        self.closed.extend(closed.into_iter().map(|closed| ((closed.revision, closed.identity), closed.sessions)));
        while self.closed.len() > MAX_KEPT {
            self.closed.pop_first();
        }
    }

    /// Returns whether a revision, or a later one, was carried out.
    pub(super) fn has(&self, revision: Revision) -> bool {
        self.newest >= Some(revision)
    }

    /// Returns how many sessions of an identity were closed at a revision or later.
    pub(super) fn closed(&self, identity: Uid, since: Revision) -> u64 {
        let of_identity = self.closed.iter().filter(|((revision, of), _)| *revision >= since && *of == identity);
        of_identity.map(|(_, sessions)| sessions).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_said_again_counts_once_and_old_closings_are_forgotten() {
        let at = |index| Revision { epoch: 1, index };
        let closing = |index, identity: u128, sessions| ClosedSessions {
            revision: at(index),
            identity: Uid::mint(identity),
            sessions,
        };
        let mut receipts = Receipts::default();
        assert!(!receipts.has(Revision::default()));
        receipts.note(at(5), vec![closing(4, 1, 2), closing(5, 1, 3), closing(5, 2, 7)]);
        receipts.note(at(5), vec![closing(5, 1, 3)]);
        assert!(receipts.has(at(4)) && receipts.has(at(5)) && !receipts.has(at(6)));
        let counts = [3, 4, 5, 6].map(|since| receipts.closed(Uid::mint(1), at(since)));
        assert_eq!(counts, [5, 5, 3, 0]);
        for index in 0..2_000 {
            receipts.note(at(10 + index), vec![closing(10 + index, 3, 1)]);
        }
        assert_eq!(receipts.closed.len(), MAX_KEPT);
        assert_eq!(receipts.closed(Uid::mint(1), at(0)), 0);
        assert_eq!(receipts.closed(Uid::mint(3), at(2_000)), 10);
    }
}
