//! The approvals that this process has to do with, each in one pair of hands.

use hoop_model::ApprovalId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

/// The approvals that commands of this process wait for, and those that it may have spent. There is one for all shards
/// of a process, and it lives as long as the process.
///
/// The control plane knows processes, not requests: it gives an approval to a process, and whoever of it asks twice is
/// answered twice. So that one approval never releases two commands of one process, it is kept by one of them at a
/// time, and by none from its claim on until the control plane has taken note of what became of the command.
#[derive(Debug, Default)]
pub struct Kept {
    by_id: BTreeMap<ApprovalId, Weak<()>>,
    spent: BTreeSet<ApprovalId>,
}

/// An approval is in the hands of whoever owns this; dropping it gives the approval up.
#[derive(Debug)]
pub(crate) struct Custody {
    approval: ApprovalId,
    _alive: Arc<()>,
}

/// An approval that was spent, or may have been: the control plane must be told what became of the command, and asked
/// again until it has taken note of it; then [`Kept::finished`] forgets it. Until then nothing of this process can wait
/// for the approval again.
#[derive(Debug)]
#[must_use = "the control plane must be told what became of the command"]
pub struct Spent {
    approval: ApprovalId,
}

impl Kept {
    /// Makes the empty one that a process starts with.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets an approval: the control plane has taken note of what became of its command.
    pub fn finished(&mut self, spent: Spent) {
        self.spent.remove(&spent.approval);
    }

    /// Takes an approval into custody, unless somebody else has it or it may be spent.
    pub(crate) fn take(&mut self, approval: ApprovalId) -> Option<Custody> {
        self.by_id.retain(|_, holder| holder.strong_count() > 0);
        if self.by_id.contains_key(&approval) || self.spent.contains(&approval) {
            return None;
        }
        let alive = Arc::new(());
        self.by_id.insert(approval, Arc::downgrade(&alive));
        Some(Custody { approval, _alive: alive })
    }

    /// Notes that an approval may be spent, which only who has custody of it can say.
    pub(crate) fn spend(&mut self, custody: &Custody) -> Spent {
        let approval = custody.approval;
        self.spent.insert(approval);
        Spent { approval }
    }
}

impl Custody {
    pub(crate) const fn approval(&self) -> ApprovalId {
        self.approval
    }
}

impl Spent {
    /// Returns the approval.
    #[must_use]
    pub const fn approval(&self) -> ApprovalId {
        self.approval
    }
}
