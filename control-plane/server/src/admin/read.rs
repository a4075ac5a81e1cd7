//! What there is. Every answer that shows state is from a fresh one.

use super::request;
use crate::cluster::Cluster;
use crate::fleet::Tracked;
use crate::reply;
use hoop_model::Object;
use hoop_state::{Node, Rejection};
use hoop_wire::v1;
use std::time::Duration;
use tonic::Status;

/// Returns one object.
pub(super) async fn get(cluster: &Cluster, request: v1::GetRequest) -> Result<v1::GetResponse, Status> {
    let target = request::target(&request.kind, &request.name)?;
    let state = cluster.fresh().await?;
    let object = state.object(target.kind, &target.name).map(|object| v1::Object::from(&**object));
    let object = object.ok_or_else(|| reply::rejected(&Rejection::NotFound(target)))?;
    Ok(v1::GetResponse { object: Some(object), revision: Some(state.revision().into()) })
}

/// Returns the objects of one kind, or all.
pub(super) async fn list(cluster: &Cluster, request: v1::ListRequest) -> Result<v1::ListResponse, Status> {
    let kind = match request.kind.as_str() {
        "" => None,
        text => Some(hoop_wire::kind(text).map_err(|malformed| request::invalid(&malformed))?),
    };
    let state = cluster.fresh().await?;
    let wanted = |object: &Object| kind.is_none_or(|kind| object.spec.kind() == kind);
    let objects = state.objects().filter(|object| wanted(object)).map(|object| v1::Object::from(&**object));
    Ok(v1::ListResponse { objects: objects.collect(), revision: Some(state.revision().into()) })
}

/// Returns what this node knows of the cluster: also without a quorum, when one most wants to know.
pub(super) fn cluster_status(cluster: &Cluster) -> v1::ClusterStatusResponse {
    let status = cluster.replica().status();
    let state = cluster.state();
    v1::ClusterStatusResponse {
        cluster_version: state.cluster_version(),
        revision: Some(state.revision().into()),
        term: status.term,
        leader: status.leader,
        voters: status.voters.into_iter().collect(),
        last_log_index: status.last_log_index,
        applied_index: status.applied_index,
        log_time_ms: state.log_time().0,
    }
}

/// Returns every node that joined, and what is known of it since this process started.
pub(super) async fn fleet_status(cluster: &Cluster) -> Result<v1::FleetStatusResponse, Status> {
    let state = cluster.fresh().await?;
    let watch = cluster.fleet().watch();
    let tracked = watch.borrow();
    let stale = state.longest_stale();
    let nodes = state.nodes().map(|node| node_status(node, tracked.node(&node.name), stale));
    Ok(v1::FleetStatusResponse { nodes: nodes.collect(), revision: Some(state.revision().into()) })
}

fn node_status(node: &Node, tracked: Option<&Tracked>, stale: Duration) -> v1::NodeStatus {
    let never = Tracked::default();
    let tracked = tracked.unwrap_or(&never);
    v1::NodeStatus {
        name: node.name.to_string(),
        labels: node.labels.clone(),
        connected: tracked.is_connected(),
        applied: Some(tracked.applied.into()),
        lease_granted_ms: tracked.granted_ms,
        last_renewal_ms: tracked.renewed.0,
        lease_left_ms: millis(tracked.authority_left(Duration::ZERO)),
        reads_left_ms: millis(tracked.authority_left(stale)),
        draining: tracked.is_draining(),
        version: tracked.version().to_owned(),
        clock_ahead_ms: tracked.clock_ahead_ms(),
        cannot_apply: tracked.cannot_apply.as_ref().map(|(_, reason)| reason.clone()).unwrap_or_default(),
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
