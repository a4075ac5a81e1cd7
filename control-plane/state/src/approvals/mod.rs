//! Approvals: what people said of held commands, and who used it.
//!
//! ```text
//!   Open ─▶ Pending ──Vote──▶ Approved ──Claim──▶ Claimed ──Finish──▶ Done
//!              ▲ │ ▲              │ │                 └─Fence─▶ Unknown ─Finish, Resolve─▶ Done
//!              │ │ └──Rejudge─────┘ │
//!              │ └──────────────────┴─▶ Denied (a vote) | Voided (Rejudge) | Expired (log time)
//!              └─ Claim, Open, if a vote does not count any more
//! ```
//!
//! INVARIANT: an approval becomes Claimed once in its life: nothing leads back from Claimed, Done or Unknown to a state
//! that can be claimed, and `State::claim` alone makes a Claimed.
//!
//! A process that keeps a command is known here, the request in it is not: who of that process asks again gets the same
//! answer again. That two requests of one process never have to do with one approval is that process's own business.

mod change;
mod election;
mod ending;
mod open;
mod quorum;
mod release;
mod requirements;
mod store;

pub use change::{ApprovalChange, CastVote, ClaimApproval, OpenApproval, RejudgeApproval};
pub use election::{Electorate, MEMBERSHIP_COUNTS_FOR};
pub use open::{
    MAX_EFFECTS, MAX_PENDING, MAX_PENDING_PER_IDENTITY, MAX_PENDING_PER_RUN, MAX_REVIEW_BYTES, MAX_RUN_BYTES,
};
pub use requirements::MAX_REQUIREMENTS;
pub(crate) use store::Store;
pub use store::{KEPT_FOR, MAX_KEPT};

use crate::apply::Made;
use crate::{Notice, Rejection, Reply, State};
use hoop_model::{Approval, ApprovalId, ApprovalState, Revision};
use std::sync::Arc;
use store::end;

impl State {
    pub(crate) fn change_approval(&mut self, change: ApprovalChange) -> Made {
        match change {
            ApprovalChange::Open(open) => self.open_approval(open),
            ApprovalChange::Leave { id, holder } => self.leave(id, &holder),
            ApprovalChange::Rejudge(rejudge) => self.rejudge(rejudge),
            ApprovalChange::Vote(vote) => self.vote(&vote),
            ApprovalChange::Claim(claim) => self.claim(claim),
            ApprovalChange::Finish { id, holder, ending } => self.finish(id, &holder, ending),
            ApprovalChange::Resolve { id, ending, revision } => self.resolve(id, ending, revision),
            ApprovalChange::Fence { holder } => Ok(self.fence(&holder)),
        }
    }

    /// Ends the approvals whose time is over.
    pub(crate) fn pass_approval_time(&mut self) -> Vec<Notice> {
        if !self.approvals.is_due(self.log_time) {
            return Vec::new();
        }
        let ended = Arc::make_mut(&mut self.approvals).pass_time(self.log_time);
        ended.into_iter().map(|id| Notice::ApprovalChanged { id }).collect()
    }

    /// Changes one approval; on an error it is as it was.
    fn with(&mut self, id: ApprovalId, change: impl FnOnce(&mut Approval, &Self) -> Result<(), Rejection>) -> Made {
        let mut approval = self.approvals.find(id).ok_or(Rejection::ApprovalUnknown)?.as_ref().clone();
        change(&mut approval, self)?;
        Ok(self.put(approval))
    }

    /// Puts an approval in its place. The reply is remembered, so it says nothing of what an approver reads.
    fn put(&mut self, approval: Approval) -> (Reply, Vec<Notice>) {
        let told = Approval { review_sealed: Vec::new(), ..approval.clone() };
        let reply = Reply::Approval(Box::new(told));
        if self.approvals.find(approval.id).is_some_and(|known| **known == approval) {
            return (reply, Vec::new());
        }
        let notice = Notice::ApprovalChanged { id: approval.id };
        Arc::make_mut(&mut self.approvals).put(approval);
        (reply, vec![notice])
    }

    /// Puts a waiting approval in the state that its votes and its time give it.
    /// INVARIANT: whatever touches votes, requirements or expiry of a waiting approval comes here after it, so none that
    /// waits is beyond its time.
    fn settle(&self, approval: &mut Approval, electorate: &Electorate<'_>) {
        if approval.expires <= self.log_time {
            return end(approval, ApprovalState::Expired, self.log_time);
        }
        let counts = |person, required: &_| electorate.counts(person, required, approval);
        let fulfilled = quorum::is_fulfilled(&approval.requirements, counts);
        let state = if fulfilled { ApprovalState::Approved } else { ApprovalState::Pending };
        if approval.state != state {
            approval.state = state;
            approval.since = self.log_time;
        }
    }

    /// Checks that something was judged on the policy, the people and the rest that there are.
    pub(crate) fn check_judged(&self, at: Revision) -> Result<(), Rejection> {
        let current = self.revision;
        if at == current { Ok(()) } else { Err(Rejection::BaseMoved { base: at, current }) }
    }
}

fn check_waits(approval: &Approval) -> Result<(), Rejection> {
    if approval.state.is_waiting() { Ok(()) } else { Err(Rejection::ApprovalOver(approval.state.word())) }
}
