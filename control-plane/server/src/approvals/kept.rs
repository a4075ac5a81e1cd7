//! What one process is told of the approvals that it keeps commands for.
//!
//! INVARIANT: of every approval that the process kept a command for, it is told the newest state that it has not been told,
//! whatever happened in between. Whoever opens notes it here (`keep`), so that one which ends before it is looked at is
//! not missed.

use hoop_model::{Approval, ApprovalId, ApprovalState, Holder};
use hoop_state::State;
use hoop_wire::v1::{self, approval};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The approvals one process keeps commands for, and what it was told of each.
#[derive(Default)]
pub(crate) struct Kept {
    told: Mutex<BTreeMap<ApprovalId, Option<approval::State>>>,
    news: Notify,
}

impl Kept {
    /// Notes that the process keeps a command, and the state in which it is told so.
    pub(crate) fn keep(&self, id: ApprovalId, state: approval::State) {
        self.lock().insert(id, Some(state));
        self.news.notify_one();
    }

    /// Returns whether the process keeps, or until a moment ago kept, a command for this approval.
    pub(crate) fn has(&self, id: ApprovalId) -> bool {
        self.lock().contains_key(&id)
    }

    /// Forgets what was told, not of what.
    pub(crate) fn tell_again(&self) {
        self.lock().values_mut().for_each(|told| *told = None);
    }

    /// Returns when something was noted.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Returns the next thing to tell, and counts on it being told.
    pub(crate) fn next(&self, state: &State, holder: &Holder) -> Option<v1::HoldChanged> {
        let mut told = self.lock();
        let attended = state.waiting_approvals().filter(|approval| approval.holder.as_ref() == Some(holder));
        for approval in attended {
            told.entry(approval.id).or_default();
        }
        // One that waits without this process is none of its business any more; neither is one that nobody remembers.
        told.retain(|id, _| state.approval(*id).is_some_and(|approval| concerns(approval, holder)));
        let (id, news) = told.iter().find_map(|(id, told)| {
            let current = approval::State::from(&state.approval(*id)?.state);
            (*told != Some(current)).then_some((*id, current))
        })?;
        told.insert(id, Some(news));
        Some(v1::HoldChanged { id: id.to_bytes().to_vec(), state: news.into() })
    }

    /// A holder that panicked changed one entry at a time, each of which is right by itself.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ApprovalId, Option<approval::State>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn concerns(approval: &Approval, holder: &Holder) -> bool {
    match &approval.state {
        ApprovalState::Pending | ApprovalState::Approved => approval.holder.as_ref() == Some(holder),
        ApprovalState::Claimed(claim) | ApprovalState::Unknown(claim) => claim.holder == *holder,
        ApprovalState::Denied | ApprovalState::Expired | ApprovalState::Voided | ApprovalState::Done(_) => true,
    }
}
