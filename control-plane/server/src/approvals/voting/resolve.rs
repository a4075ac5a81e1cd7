//! Resolve: a person found out what became of a command.

use super::ATTEMPTS;
use super::ask::Asked;
use super::summary::Summaries;
use crate::approvals::{approval_id, key};
use crate::authorise::Asking;
use crate::cluster::Cluster;
use crate::reply;
use hoop_model::Ending;
use hoop_state::{ApprovalChange, Change, Rejection, Reply};
use hoop_wire::v1;
use tonic::Status;

/// Writes down what became of a command. Whoever was asked to release it may say so, and an administrator; that it is
/// Unknown is the state's to check.
pub(super) async fn resolve(
    cluster: &Cluster,
    asking: &Asking,
    request: &v1::ResolveApprovalRequest,
) -> Result<v1::ResolveApprovalResponse, Status> {
    let (id, key) = (approval_id(&request.id)?, key(&request.idempotency_key)?);
    let ending = Ending::try_from(request.ending()).map_err(|error| Status::invalid_argument(error.to_string()))?;
    for _ in 0..ATTEMPTS {
        let asked = Asked::by(cluster, asking).await?;
        if !asked.asker.may_resolve(asked.find(id)?) {
            return Err(Status::permission_denied("only who was asked to release it, and did not want it, may say so"));
        }
        let change = ApprovalChange::Resolve { id, ending, revision: asked.state.revision() };
        match cluster.propose(Change::Approval(change), Some(key), &asked.asker.scope()).await? {
            Reply::Approval(resolved) => {
                tracing::info!(by = %asked.asker, approval = %id, ?ending, "resolved");
                return Ok(v1::ResolveApprovalResponse { summary: Some(Summaries::of(&asked).write(&resolved)) });
            }
            Reply::Rejected(Rejection::BaseMoved { .. }) => {}
            other @ (Reply::Done { .. }
            | Reply::Applied { .. }
            | Reply::Joined { .. }
            | Reply::Anchored { .. }
            | Reply::Rejected(_)) => return Err(reply::unexpected(&other)),
        }
    }
    Err(Status::aborted("the configuration kept changing; nothing was written down"))
}
