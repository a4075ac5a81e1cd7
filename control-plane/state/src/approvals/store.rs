//! The approvals there are, and the order in which their time is over.

use super::requirements::check_requirements;
use crate::Inconsistent;
use hoop_model::{Approval, ApprovalId, ApprovalState, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long an approval that is over can still be looked at, in log time.
pub const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most approvals that are over and can still be looked at; the oldest goes first.
pub const MAX_KEPT: usize = 10_000;

/// The approvals by id. Those that are over stay for a while; an Unknown one stays until somebody resolves it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Store {
    by_id: BTreeMap<ApprovalId, Arc<Approval>>,
    /// Those that wait, by the end of their time.
    waiting: BTreeSet<(UnixMillis, ApprovalId)>,
    /// Those that are over, by when that was.
    over: BTreeSet<(UnixMillis, ApprovalId)>,
}

impl Store {
    /// Puts the approvals together.
    pub(crate) fn restore(approvals: Vec<Approval>, now: UnixMillis) -> Result<Self, Inconsistent> {
        let mut store = Self::default();
        let is_over = |approval: &&Approval| approval.state.is_final();
        if approvals.iter().filter(is_over).count() > MAX_KEPT {
            return Err(Inconsistent::TooManyApprovals);
        }
        for approval in approvals {
            let id = approval.id;
            let fits = store.find(id).is_none() && is_whole(&approval, now);
            fits.then_some(()).ok_or(Inconsistent::Approval(id))?;
            store.put(approval);
        }
        Ok(store)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Approval>> {
        self.by_id.values()
    }

    pub(crate) fn find(&self, id: ApprovalId) -> Option<&Arc<Approval>> {
        self.by_id.get(&id)
    }

    /// Returns those that wait, the one whose time is over first before the others.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Arc<Approval>> {
        self.waiting.iter().filter_map(|(_, id)| self.by_id.get(id))
    }

    /// Returns the oldest that waits, fits and has nobody that keeps its command; an approved one before a pending one.
    pub(crate) fn unattended(&self, fits: impl Fn(&Approval) -> bool) -> Option<ApprovalId> {
        let candidates = self.waiting().filter(|approval| approval.holder.is_none() && fits(approval));
        let rank =
            |approval: &&Arc<Approval>| (approval.state != ApprovalState::Approved, approval.opened, approval.id);
        candidates.min_by_key(rank).map(|approval| approval.id)
    }

    /// Puts an approval in its place, which is empty or its own. Too many that are over cost the oldest of them.
    /// INVARIANT: `waiting` and `over` have exactly those of `by_id` that wait or are over; only this, `take` and
    /// `pass_time` change them.
    pub(crate) fn put(&mut self, approval: Approval) {
        self.take(approval.id);
        if approval.state.is_waiting() {
            self.waiting.insert((approval.expires, approval.id));
        } else if approval.state.is_final() {
            self.over.insert((approval.since, approval.id));
        }
        self.by_id.insert(approval.id, Arc::new(approval));
        while self.over.len() > MAX_KEPT {
            let Some((_, oldest)) = self.over.pop_first() else { return };
            self.by_id.remove(&oldest);
        }
    }

    /// Returns whether [`Store::pass_time`] has anything to do.
    pub(crate) fn is_due(&self, now: UnixMillis) -> bool {
        let ends = self.waiting.first().is_some_and(|(expires, _)| *expires <= now);
        ends || self.over.first().is_some_and(|(since, _)| since.after(KEPT_FOR) <= now)
    }

    /// Ends those whose time is over and forgets those that were over for long enough; returns who was ended.
    pub(crate) fn pass_time(&mut self, now: UnixMillis) -> Vec<ApprovalId> {
        let mut ended = Vec::new();
        while let Some(&(expires, id)) = self.waiting.first()
            && expires <= now
        {
            let Some(approval) = self.take(id) else { break };
            let mut approval = approval.as_ref().clone();
            end(&mut approval, ApprovalState::Expired, now);
            self.put(approval);
            ended.push(id);
        }
        while let Some(&(since, id)) = self.over.first()
            && since.after(KEPT_FOR) <= now
        {
            self.take(id);
        }
        ended
    }

    fn take(&mut self, id: ApprovalId) -> Option<Arc<Approval>> {
        let approval = self.by_id.remove(&id)?;
        self.waiting.remove(&(approval.expires, id));
        self.over.remove(&(approval.since, id));
        Some(approval)
    }
}

/// Ends the wait: what an approver read is erased, and nobody keeps the command.
pub(super) fn end(approval: &mut Approval, state: ApprovalState, now: UnixMillis) {
    approval.state = state;
    approval.since = now;
    approval.holder = None;
    approval.review_sealed = Vec::new();
}

/// Whether there can be such an approval at this time.
fn is_whole(approval: &Approval, now: UnixMillis) -> bool {
    let asked: Vec<_> = approval.requirements.iter().map(|required| required.requirement.clone()).collect();
    let votes_once = approval.requirements.iter().all(|required| {
        let voters: BTreeSet<_> = required.votes.iter().map(|vote| vote.person).collect();
        voters.len() == required.votes.len()
    });
    let in_time = if approval.state.is_waiting() {
        now < approval.expires
    } else {
        approval.holder.is_none() && approval.review_sealed.is_empty()
    };
    let in_order = approval.opened <= approval.since && approval.since <= now;
    !asked.is_empty() && check_requirements(&asked).is_ok() && votes_once && in_order && in_time
}
