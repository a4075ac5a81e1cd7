//! Delete: one object, if the rest can do without it.

use super::world::World;
use super::{ATTEMPTS, request};
use crate::authorise::{Caller, escalation};
use crate::cluster::Cluster;
use crate::reply;
use hoop_model::Revision;
use hoop_model::spec::Right;
use hoop_state::{Change, DeleteObject, Reference, Rejection, Reply, State};
use hoop_wire::v1;
use std::sync::Arc;
use tonic::Status;

/// Deletes an object.
pub(super) async fn delete(
    cluster: &Cluster,
    caller: &Caller,
    request: v1::DeleteRequest,
) -> Result<v1::DeleteResponse, Status> {
    let key = request::key(&request.idempotency_key)?;
    let target = request::target(&request.kind, &request.name)?;
    let precondition = request::precondition(request.precondition).map_err(|malformed| request::invalid(&malformed))?;
    for _ in 0..ATTEMPTS {
        let state = cluster.fresh().await?;
        let caller = caller.at(cluster, &state, Right::Apply)?;
        let base = if request::is_remembered(&state, key, &caller) {
            Revision::default()
        } else {
            judged(&target, &state, &caller).await?;
            state.revision()
        };
        let change = Change::DeleteObject(DeleteObject { target: target.clone(), precondition, base });
        match cluster.propose(change, key, &caller.scope()).await? {
            Reply::Done { revision } => {
                tracing::info!(revision = %revision, kind = %target.kind, name = %target.name, by = caller.scope(), "deleted");
                return Ok(v1::DeleteResponse { revision: Some(revision.into()) });
            }
            Reply::Rejected(Rejection::BaseMoved { .. }) => {}
            other @ (Reply::Applied { .. }
            | Reply::Joined { .. }
            | Reply::Anchored { .. }
            | Reply::Approval(_)
            | Reply::Rejected(_)) => {
                return Err(reply::unexpected(&other));
            }
        }
    }
    Err(Status::aborted("the configuration kept changing; nothing was deleted"))
}

/// Checks that what remains may be without it. References between objects are the state's to check.
async fn judged(target: &Reference, state: &Arc<State>, caller: &Caller) -> Result<(), Status> {
    if state.object(target.kind, &target.name).is_none() {
        return Err(reply::rejected(&Rejection::NotFound(target.clone())));
    }
    let mut after = World::of(state);
    after.remove(target);
    let unpermitted = escalation(World::of(state).objects(), after.objects(), |right| caller.may(right));
    if !unpermitted.is_empty() {
        return Err(Status::permission_denied(reply::listed(&unpermitted)));
    }
    let judging = tokio::task::spawn_blocking(move || after.problems());
    let problems = judging.await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "judging a deletion failed");
        Status::internal("the deletion cannot be judged; nothing was deleted")
    })?;
    if problems.is_empty() { Ok(()) } else { Err(Status::failed_precondition(reply::listed(&problems))) }
}
