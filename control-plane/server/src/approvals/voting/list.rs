//! List and Show.

use super::ask::{Asked, Asker};
use super::eligible::has_say;
use super::summary::Summaries;
use crate::approvals::approval_id;
use crate::cluster::Cluster;
use hoop_model::{Approval, ApprovalState};
use hoop_wire::v1;
use prost::Message;
use std::cmp::Reverse;
use std::sync::Arc;
use tonic::Status;

/// Most bytes of summaries in one answer, which is below the largest message (16 MiB).
const MAX_LISTED_BYTES: usize = 15 << 20;

/// Returns what the asker may see: what waits first, then what nobody knows the end of, then the rest, newest first; as
/// many as one message holds. Policy has a say on each, so it is not done on the threads that serve.
pub(super) async fn list(asked: Asked, request: v1::ListApprovalsRequest) -> Result<v1::ListApprovalsResponse, Status> {
    let listing = tokio::task::spawn_blocking(move || listed(&asked, &request));
    listing.await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "listing approvals failed");
        Status::internal("the approvals cannot be listed")
    })
}

fn listed(asked: &Asked, request: &v1::ListApprovalsRequest) -> v1::ListApprovalsResponse {
    let summaries = Summaries::of(asked);
    let waiting = asked.state.waiting_approvals();
    let unknown = asked.state.approvals().filter(|approval| is_unknown(approval));
    let is_rest = |approval: &&Arc<Approval>| !approval.state.is_waiting() && !is_unknown(approval);
    let mut rest: Vec<_> = asked.state.approvals().filter(|_| request.all).filter(is_rest).collect();
    rest.sort_by_key(|approval| Reverse((approval.since, approval.id)));
    let seen = waiting.chain(unknown).chain(rest).filter(|approval| asked.asker.sees(approval));
    let wanted = seen.filter(|approval| summaries.is_of(approval, &request.identity));
    let mut bytes = 0_usize;
    let written = wanted.map(|approval| summaries.write(approval)).take_while(|summary| {
        bytes = bytes.saturating_add(summary.encoded_len());
        bytes <= MAX_LISTED_BYTES
    });
    v1::ListApprovalsResponse { approvals: written.collect() }
}

/// Returns one approval; with what an approver reads if the asker is one, while it waits.
pub(super) fn show(
    cluster: &Cluster,
    asked: &Asked,
    request: &v1::ShowApprovalRequest,
) -> Result<v1::ShowApprovalResponse, Status> {
    let approval = asked.find(approval_id(&request.id)?)?;
    let summary = Summaries::of(asked).write(approval);
    let reads = match &asked.asker {
        Asker::Overseer(_) => false,
        Asker::Person(..) => approval.state.is_waiting() && has_say(asked, approval),
    };
    let review = if reads { Some(cluster.reviews().open(approval)?) } else { None };
    Ok(v1::ShowApprovalResponse { summary: Some(summary), review })
}

const fn is_unknown(approval: &Approval) -> bool {
    matches!(approval.state, ApprovalState::Unknown(_))
}
