//! Holding a command: an approval that waits for it is taken up, or another is opened.

use super::requirements::{check_requirements, take_over, unvoted};
use super::{OpenApproval, check_waits};
use crate::apply::Made;
use crate::{Rejection, State};
use hoop_model::{Approval, ApprovalId, ApprovalState, Holder};

/// Most approvals of one run that wait.
pub const MAX_PENDING_PER_RUN: usize = 5;
/// Most approvals of one identity that wait.
pub const MAX_PENDING_PER_IDENTITY: usize = 50;
/// Most approvals that wait.
pub const MAX_PENDING: usize = 1_000;
/// Largest sealed review, in bytes: what an approver reads has at most 64 KiB, and sealing adds to it.
pub const MAX_REVIEW_BYTES: usize = (64 << 10) + 1024;
/// Most effects of a held command: an approver reads each.
pub const MAX_EFFECTS: usize = 256;
/// Longest name of a run, in bytes: an approver reads it.
pub const MAX_RUN_BYTES: usize = 1024;

impl State {
    pub(super) fn open_approval(&mut self, open: OpenApproval) -> Made {
        self.check_judged(open.revision)?;
        check_requirements(&open.requirements)?;
        if open.requirements.is_empty() {
            return Err(Rejection::Requirements);
        }
        let too_many = open.effects.len() > MAX_EFFECTS || open.run.len() > MAX_RUN_BYTES;
        if too_many || open.review_sealed.len() > MAX_REVIEW_BYTES {
            return Err(Rejection::ReviewTooLarge);
        }
        let known = match open.selected {
            Some(id) => Some(self.selected(id, &open)?),
            None => self.approvals.unattended(|approval| is_of(approval, &open)),
        };
        match known {
            Some(id) => self.attend(id, open),
            None => self.open_new(open),
        }
    }

    /// The caller went away. Who is not the one that keeps the command takes nothing away.
    pub(super) fn leave(&mut self, id: ApprovalId, holder: &Holder) -> Made {
        self.with(id, |approval, _| {
            approval.holder.take_if(|known| known == holder);
            Ok(())
        })
    }

    /// Finds the approval that the caller names. One that is not of its command and run is none to it.
    fn selected(&self, id: ApprovalId, open: &OpenApproval) -> Result<ApprovalId, Rejection> {
        let approval = self.approvals.find(id).filter(|approval| is_of(approval, open));
        let approval = approval.ok_or(Rejection::ApprovalUnknown)?;
        check_waits(approval)?;
        let by_other = approval.holder.as_ref().is_some_and(|holder| *holder != open.holder);
        if by_other { Err(Rejection::ApprovalAttended) } else { Ok(id) }
    }

    /// Takes up an approval. Who triggered the run this time may not vote either, and what the command needs by now is
    /// what it was judged to need just before.
    fn attend(&mut self, id: ApprovalId, open: OpenApproval) -> Made {
        self.with(id, |approval, state| {
            approval.holder = Some(open.holder);
            let barred = open.barred.into_iter().filter(|person| !approval.barred.contains(person));
            let barred: Vec<_> = barred.collect();
            approval.barred.extend(barred);
            take_over(approval, open.requirements, open.revision);
            state.settle(approval, &state.electorate());
            Ok(())
        })
    }

    fn open_new(&mut self, open: OpenApproval) -> Made {
        self.check_room(&open)?;
        if self.approvals.find(open.id).is_some() {
            return Err(Rejection::ApprovalExists);
        }
        let now = self.log_time;
        let shortest = open.requirements.iter().map(|requirement| requirement.expires).min().unwrap_or_default();
        let mut approval = Approval {
            id: open.id,
            digest: open.digest,
            identity: open.identity,
            connection: open.connection,
            run: open.run,
            any_run: false,
            session: open.session,
            effects: open.effects,
            requirements: open.requirements.into_iter().map(unvoted).collect(),
            revision: open.revision,
            opened: now,
            expires: now.after(shortest),
            state: ApprovalState::Pending,
            since: now,
            holder: Some(open.holder),
            barred: open.barred,
            review_sealed: open.review_sealed,
        };
        self.settle(&mut approval, &self.electorate());
        Ok(self.put(approval))
    }

    fn check_room(&self, open: &OpenApproval) -> Result<(), Rejection> {
        let of_identity = || self.approvals.waiting().filter(|approval| approval.identity == open.identity);
        if of_identity().filter(|approval| approval.run == open.run).count() >= MAX_PENDING_PER_RUN {
            return Err(Rejection::TooManyPending("run"));
        }
        if of_identity().count() >= MAX_PENDING_PER_IDENTITY {
            return Err(Rejection::TooManyPending("identity"));
        }
        if self.approvals.waiting().count() >= MAX_PENDING {
            return Err(Rejection::TooManyPending("cluster"));
        }
        Ok(())
    }
}

/// Whether an approval is one for this command, in this run unless an approver said any.
fn is_of(approval: &Approval, open: &OpenApproval) -> bool {
    approval.digest == open.digest
        && approval.identity == open.identity
        && approval.connection == open.connection
        && (approval.any_run || approval.run == open.run)
}
