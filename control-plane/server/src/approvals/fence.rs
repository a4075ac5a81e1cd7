//! Fencing: what a process that is gone may have sent is Unknown, and what it kept waits for whoever comes back.

use crate::cluster::{CONTROL_PLANE, Cluster};
use hoop_model::{Approval, ApprovalState, Holder};
use hoop_state::{ApprovalChange, Change, Reply, State};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// How often it is looked for processes that are gone.
const BEAT: Duration = Duration::from_secs(1);

/// Fences processes that are gone, until the end of the task.
pub(crate) async fn fence(cluster: Arc<Cluster>) {
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = cluster.fleet().arrival() => {}
        }
        let now = Instant::now();
        let gone = holders(&cluster.state()).into_iter().filter(|holder| cluster.fleet().is_gone(holder, now));
        for holder in gone.collect::<Vec<_>>() {
            fence_one(&cluster, holder).await;
        }
    }
}

/// Without agreement the next beat tries again.
async fn fence_one(cluster: &Cluster, holder: Holder) {
    let Holder { node, incarnation } = holder.clone();
    let change = Change::Approval(ApprovalChange::Fence { holder });
    match cluster.propose(change, None, CONTROL_PLANE).await {
        Ok(Reply::Done { .. }) => tracing::warn!(%node, %incarnation, "fenced a process that kept held commands"),
        Ok(
            reply @ (Reply::Applied { .. }
            | Reply::Joined { .. }
            | Reply::Anchored { .. }
            | Reply::Approval(_)
            | Reply::Rejected(_)),
        ) => tracing::error!(%node, ?reply, "a process cannot be fenced"),
        Err(status) => tracing::warn!(%node, reason = status.message(), "a process is not fenced yet"),
    }
}

/// Returns the processes that keep a command or may be sending one.
fn holders(state: &State) -> BTreeSet<Holder> {
    state.approvals().filter_map(|approval| holder(approval)).cloned().collect()
}

fn holder(approval: &Approval) -> Option<&Holder> {
    match &approval.state {
        ApprovalState::Claimed(claim) => Some(&claim.holder),
        ApprovalState::Pending
        | ApprovalState::Approved
        | ApprovalState::Denied
        | ApprovalState::Expired
        | ApprovalState::Voided
        | ApprovalState::Done(_)
        | ApprovalState::Unknown(_) => approval.holder.as_ref(),
    }
}
