//! Waiting until the fleet has a revision.

use crate::cluster::Cluster;
use crate::fleet::{Nodes, Tracked};
use hoop_model::{ResourceName, Revision};
use hoop_wire::v1;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

/// Longest wait.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// Returns once every connected node has applied the revision, or the time is over. Who has not is named: such a node is
/// fenced by its lease.
pub(super) async fn wait_applied(
    cluster: &Cluster,
    request: v1::WaitAppliedRequest,
) -> Result<v1::WaitAppliedResponse, Status> {
    let revision = request.revision.ok_or_else(|| Status::invalid_argument("`revision` is missing"))?;
    let revision = Revision::from(revision);
    let current = cluster.fresh().await?.revision();
    if revision > current {
        return Err(Status::failed_precondition(format!("there is no revision {revision}; the newest is {current}")));
    }
    let deadline = Instant::now() + Duration::from_millis(request.timeout_ms).min(MAX_WAIT);
    tokio::select! {
        // An end by time is an answer like any other: it names who is missing.
        _ = timeout_at(deadline, everyone_has(cluster.fleet().watch(), revision)) => {}
        () = cluster.stopped() => return Err(Status::unavailable("the control plane is stopping")),
    }
    let names = cluster.state().nodes().map(|node| node.name.clone()).collect::<Vec<_>>();
    Ok(divided(&names, &cluster.fleet().watch().borrow(), revision))
}

async fn everyone_has(mut fleet: watch::Receiver<Nodes>, revision: Revision) {
    drop(fleet.wait_for(|nodes| nodes.connected().all(|node| has(node, revision))).await);
}

fn divided(names: &[ResourceName], fleet: &Nodes, revision: Revision) -> v1::WaitAppliedResponse {
    let mut response = v1::WaitAppliedResponse::default();
    for name in names {
        let there = fleet.node(name).is_some_and(|node| has(node, revision));
        let list = if there { &mut response.applied } else { &mut response.missing };
        list.push(name.to_string());
    }
    response
}

fn has(node: &Tracked, revision: Revision) -> bool {
    node.applied >= revision
}
