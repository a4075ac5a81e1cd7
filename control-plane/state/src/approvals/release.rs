//! Judging again, and the one use of an approval.

use super::requirements::{check_requirements, take_over};
use super::store::end;
use super::{ClaimApproval, RejudgeApproval, check_waits};
use crate::apply::Made;
use crate::{Rejection, State};
use hoop_model::{Approval, ApprovalState, Claim, Holder};

impl State {
    pub(super) fn rejudge(&mut self, rejudge: RejudgeApproval) -> Made {
        self.check_judged(rejudge.revision)?;
        check_requirements(&rejudge.requirements)?;
        self.with(rejudge.id, |approval, state| {
            check_attends(approval, &rejudge.holder)?;
            if rejudge.requirements.is_empty() {
                end(approval, ApprovalState::Voided, state.log_time);
                return Ok(());
            }
            take_over(approval, rejudge.requirements, rejudge.revision);
            state.settle(approval, &state.electorate());
            Ok(())
        })
    }

    /// Gives the command free, once. Whoever voted must still be entitled to; if votes are missing, it waits for them.
    /// The claimer that asks again, not having heard, is told again.
    pub(super) fn claim(&mut self, claim: ClaimApproval) -> Made {
        let ClaimApproval { id, holder, revision, requirements } = claim;
        self.with(id, |approval, state| {
            if is_claimed_by(&approval.state, &holder) {
                return Ok(());
            }
            state.check_judged(revision)?;
            check_requirements(&requirements)?;
            check_attends(approval, &holder)?;
            // What the policy allows by now needs nobody, but spends the approval all the same.
            let is_allowed = requirements.is_empty();
            if !is_allowed {
                take_over(approval, requirements, revision);
                state.settle(approval, &state.electorate());
            }
            if is_allowed || approval.state == ApprovalState::Approved {
                let claimed = Claim { holder, revision, at: state.log_time };
                end(approval, ApprovalState::Claimed(claimed), state.log_time);
            }
            Ok(())
        })
    }
}

/// Whether this process may send the command.
pub(super) fn is_claimed_by(state: &ApprovalState, holder: &Holder) -> bool {
    matches!(state, ApprovalState::Claimed(claim) if claim.holder == *holder)
}

fn check_attends(approval: &Approval, holder: &Holder) -> Result<(), Rejection> {
    check_waits(approval)?;
    if approval.holder.as_ref() == Some(holder) { Ok(()) } else { Err(Rejection::ApprovalAttended) }
}
