//! A control plane small enough to be seen to be right, for holds to be tested against.

use crate::{ClaimRequest, HoldAnswer, HoldRequest, HoldState, Rejudgement, Unfit};
use hoop_model::{ApprovalId, CommandDigest, Requirement, Revision};
use std::collections::{BTreeMap, BTreeSet};

/// One life of a data-plane process.
pub(super) type Process = u32;

/// An approval as the control plane keeps it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) digest: CommandDigest,
    pub(super) state: HoldState,
    requirements: Vec<(Requirement, BTreeSet<u32>)>,
    holder: Option<Process>,
    pub(super) claimer: Option<Process>,
}

#[derive(Debug, Default)]
pub(super) struct Plane {
    pub(super) approvals: BTreeMap<ApprovalId, Kept>,
    /// The policy's revision: what was judged on another is stale.
    pub(super) revision: Revision,
}

/// Most approvals that wait at once.
const MAX_WAITING: usize = 4;

impl Plane {
    pub(super) fn open(&mut self, asks: &HoldRequest<'_>, by: Process, selected: Option<ApprovalId>) -> HoldAnswer {
        if asks.revision != self.revision {
            return HoldAnswer::Stale;
        }
        let id = match selected {
            Some(id) => match self.approvals.get(&id).filter(|kept| kept.digest == asks.digest) {
                // Whoever of the process asks again is answered again.
                Some(kept) if !kept.is_waiting() || kept.holder.is_none_or(|holder| holder == by) => id,
                Some(_) | None => return HoldAnswer::Unfit(Unfit::Mismatch),
            },
            None => match self.unattended(asks.digest) {
                Some(id) => id,
                None if self.waiting() >= MAX_WAITING => return HoldAnswer::Unfit(Unfit::TooManyPending),
                None => self.insert(asks),
            },
        };
        let kept = self.approvals.get_mut(&id).unwrap();
        if kept.is_waiting() {
            kept.holder = Some(by);
        }
        self.answer(id, by)
    }

    /// Gives the approval away once, and says so as often as it is asked.
    pub(super) fn claim(&mut self, asks: &ClaimRequest<'_>, by: Process) -> HoldAnswer {
        let id = asks.approval;
        let Some(kept) = self.approvals.get_mut(&id) else { return HoldAnswer::Unfit(Unfit::Mismatch) };
        if kept.is_waiting() && kept.holder == Some(by) {
            if asks.revision != self.revision {
                return HoldAnswer::Stale;
            }
            if asks.requirements.iter().all(|wanted| kept.requirements.iter().any(|(known, _)| known == wanted)) {
                kept.requirements.retain(|(known, _)| asks.requirements.contains(known));
                kept.settle();
                if kept.state == HoldState::Approved {
                    (kept.state, kept.claimer, kept.holder) = (HoldState::Claimed, Some(by), None);
                }
            }
        }
        self.answer(id, by)
    }

    pub(super) fn rejudged(&mut self, asks: Rejudgement, by: Process) -> HoldAnswer {
        let Some(kept) = self.approvals.get_mut(&asks.approval) else { return HoldAnswer::Unfit(Unfit::Mismatch) };
        if kept.is_waiting() && kept.holder == Some(by) {
            if asks.revision != self.revision {
                return HoldAnswer::Stale;
            }
            if asks.requirements.is_empty() {
                kept.state = HoldState::Voided;
            } else {
                let before = std::mem::take(&mut kept.requirements);
                let votes =
                    |wanted: &Requirement| before.iter().find(|(known, _)| known == wanted).map(|(_, v)| v.clone());
                kept.requirements =
                    asks.requirements.into_iter().map(|r| (r.clone(), votes(&r).unwrap_or_default())).collect();
                kept.settle();
            }
        }
        self.answer(asks.approval, by)
    }

    pub(super) fn vote(&mut self, id: ApprovalId, person: u32) {
        if let Some(kept) = self.approvals.get_mut(&id).filter(|kept| kept.is_waiting()) {
            kept.requirements.iter_mut().for_each(|(_, voters)| voters.extend([person]));
            kept.settle();
        }
    }

    /// Ends a waiting approval.
    pub(super) fn end(&mut self, id: ApprovalId, state: HoldState) {
        if let Some(kept) = self.approvals.get_mut(&id).filter(|kept| kept.is_waiting()) {
            kept.state = state;
        }
    }

    pub(super) fn leave(&mut self, id: ApprovalId, by: Process) {
        if let Some(kept) = self.approvals.get_mut(&id).filter(|kept| kept.holder == Some(by)) {
            kept.holder = None;
        }
    }

    /// Says what became of a command; returns whether note of it was taken.
    pub(super) fn finish(&mut self, id: ApprovalId, by: Process) -> bool {
        let claimed = |kept: &&mut Kept| kept.claimer == Some(by);
        match self.approvals.get_mut(&id).filter(claimed) {
            Some(kept) => kept.state = HoldState::Done,
            None => return false,
        }
        true
    }

    /// A process is known to be dead.
    pub(super) fn fence(&mut self, dead: Process) {
        for kept in self.approvals.values_mut() {
            if kept.holder == Some(dead) {
                kept.holder = None;
            }
            if kept.state == HoldState::Claimed && kept.claimer == Some(dead) {
                kept.state = HoldState::Unknown;
            }
        }
    }

    pub(super) fn answer(&self, approval: ApprovalId, to: Process) -> HoldAnswer {
        let kept = &self.approvals[&approval];
        let claimed_by_caller = kept.state == HoldState::Claimed && kept.claimer == Some(to);
        HoldAnswer::Stands { approval, state: kept.state, claimed_by_caller }
    }

    fn waiting(&self) -> usize {
        self.approvals.values().filter(|kept| kept.is_waiting()).count()
    }

    fn unattended(&self, digest: CommandDigest) -> Option<ApprovalId> {
        let fits = |kept: &Kept| kept.is_waiting() && kept.holder.is_none() && kept.digest == digest;
        self.approvals.iter().find(|(_, kept)| fits(kept)).map(|(id, _)| *id)
    }

    fn insert(&mut self, asks: &HoldRequest<'_>) -> ApprovalId {
        let id = ApprovalId::mint(self.approvals.len() as u128 + 1);
        let requirements = asks.requirements.iter().map(|r| (r.clone(), BTreeSet::new())).collect();
        let (digest, state) = (asks.digest, HoldState::Pending);
        self.approvals.insert(id, Kept { digest, state, requirements, holder: None, claimer: None });
        id
    }
}

impl Kept {
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, HoldState::Pending | HoldState::Approved)
    }

    fn settle(&mut self) {
        let is_fulfilled = |(asked, voters): &(Requirement, BTreeSet<u32>)| voters.len() >= asked.quorum as usize;
        let all = self.requirements.iter().all(is_fulfilled);
        self.state = if all { HoldState::Approved } else { HoldState::Pending };
    }
}
