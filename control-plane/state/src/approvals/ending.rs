//! What became of commands.

use super::release::is_claimed_by;
use super::store::end;
use crate::apply::Made;
use crate::{Notice, Rejection, Reply, State};
use hoop_model::{Approval, ApprovalId, ApprovalState, Ending, Holder, Revision};
use std::sync::Arc;

impl State {
    /// Takes the word of whoever claimed. A process that does not know what became of its claim says that it sent
    /// nothing: if the claim is not made yet, it never will be, for it does not keep the command any more.
    pub(super) fn finish(&mut self, id: ApprovalId, holder: &Holder, ending: Ending) -> Made {
        self.with(id, |approval, state| match (&approval.state, ending) {
            (ApprovalState::Claimed(claim) | ApprovalState::Unknown(claim), _) if claim.holder == *holder => {
                end(approval, ApprovalState::Done(ending), state.log_time);
                Ok(())
            }
            (ApprovalState::Done(known), _) if *known == ending => Ok(()),
            (ApprovalState::Pending | ApprovalState::Approved, Ending::NotSent) => {
                approval.holder.take_if(|known| known == holder);
                Ok(())
            }
            (ApprovalState::Denied | ApprovalState::Expired | ApprovalState::Voided, Ending::NotSent) => Ok(()),
            (ApprovalState::Pending | ApprovalState::Approved, Ending::Answered | Ending::FailedAfterSend) => {
                Err(Rejection::ApprovalUnclaimed)
            }
            (
                spent @ (ApprovalState::Claimed(_)
                | ApprovalState::Unknown(_)
                | ApprovalState::Done(_)
                | ApprovalState::Denied
                | ApprovalState::Expired
                | ApprovalState::Voided),
                _,
            ) => Err(Rejection::ApprovalOver(spent.word())),
        })
    }

    /// Takes a person's word, where nobody else's can be had.
    pub(super) fn resolve(&mut self, id: ApprovalId, ending: Ending, revision: Revision) -> Made {
        self.check_judged(revision)?;
        self.with(id, |approval, state| match &approval.state {
            ApprovalState::Unknown(_) => {
                end(approval, ApprovalState::Done(ending), state.log_time);
                Ok(())
            }
            ApprovalState::Done(known) if *known == ending => Ok(()),
            ApprovalState::Pending | ApprovalState::Approved => Err(Rejection::ApprovalUnclaimed),
            over @ (ApprovalState::Claimed(_)
            | ApprovalState::Done(_)
            | ApprovalState::Denied
            | ApprovalState::Expired
            | ApprovalState::Voided) => Err(Rejection::ApprovalOver(over.word())),
        })
    }

    /// What the process may have sent is Unknown; what it kept for a caller waits for whoever comes back.
    pub(super) fn fence(&mut self, holder: &Holder) -> (Reply, Vec<Notice>) {
        let concerned =
            |approval: &Approval| is_claimed_by(&approval.state, holder) || approval.holder.as_ref() == Some(holder);
        let concerned = self.approvals.all().filter(|approval| concerned(approval));
        let concerned: Vec<Arc<Approval>> = concerned.cloned().collect();
        let mut notices = Vec::with_capacity(concerned.len());
        for known in concerned {
            let mut approval = known.as_ref().clone();
            approval.holder = None;
            if let ApprovalState::Claimed(claim) = &known.state {
                end(&mut approval, ApprovalState::Unknown(claim.clone()), self.log_time);
            }
            notices.extend(self.put(approval).1);
        }
        (Reply::Done { revision: self.revision }, notices)
    }
}
