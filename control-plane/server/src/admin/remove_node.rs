//! Removing a node: its certificate admits nobody from then on, and its name is free.

use super::wait::wall;
use crate::authorise::Caller;
use crate::cluster::Cluster;
use crate::fleet::{LEASE_MS, Tracked};
use crate::reply;
use hoop_model::ResourceName;
use hoop_model::spec::Right;
use hoop_state::{Change, Rejection, RemoveNode, Reply};
use hoop_wire::v1;
use std::time::Duration;
use tonic::Status;

/// Removes a node. Without `force` only one that is away and whose chains have ended: of any other something is lost.
pub(super) async fn remove(
    cluster: &Cluster,
    caller: &Caller,
    request: v1::RemoveNodeRequest,
) -> Result<v1::RemoveNodeResponse, Status> {
    let name = ResourceName::parse(&request.node);
    let name = name.map_err(|_| Status::invalid_argument("`node` must be 1 to 63 of `a-z`, `0-9` and `-`"))?;
    let state = cluster.fresh().await?;
    let caller = caller.at(cluster, &state, Right::Nodes)?;
    let known = state.node(&name).ok_or_else(|| reply::rejected(&Rejection::NodeUnknown(name.clone())))?;
    if !request.force && cluster.fleet().process(&name).is_some() {
        return Err(Status::failed_precondition(format!("node `{name}` is attached: stop it first, or use force")));
    }
    let change = RemoveNode { name: name.clone(), uid: known.uid, gives_up_records: request.force };
    match cluster.propose(Change::RemoveNode(change), None, &caller.scope()).await? {
        Reply::Done { .. } => {}
        other @ (Reply::Applied { .. }
        | Reply::Joined { .. }
        | Reply::Anchored { .. }
        | Reply::Approval(_)
        | Reply::Rejected(_)) => return Err(reply::unexpected(&other)),
    }
    tracing::info!(node = %name, uid = %known.uid, force = request.force, by = caller.scope(), "node removed");
    // A renewal whose read index preceded the removal may be answered yet.
    let fence = cluster.fleet().fence(Duration::from_millis(LEASE_MS), state.longest_stale());
    let fleet = cluster.fleet().watch();
    let fenced_at = fleet.borrow().node(&name).unwrap_or(&Tracked::default()).fenced_at(&fence);
    Ok(v1::RemoveNodeResponse { fenced_at_ms: wall(fenced_at, fence.now()) })
}
