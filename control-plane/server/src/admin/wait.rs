//! Waiting until a revision is in effect everywhere.

use crate::cluster::Cluster;
use crate::fleet::{Fence, Standing, Tracked};
use hoop_model::{ResourceName, Revision, Uid};
use hoop_node::clock::unix_now;
use hoop_wire::v1;
use hoop_wire::v1::node_receipt;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

/// Longest wait.
const MAX_WAIT: Duration = Duration::from_secs(600);
/// How often it is looked whether a fence has come down.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is waited for.
struct Awaited<'a> {
    cluster: &'a Cluster,
    revision: Revision,
    began: Instant,
    /// Whose closed sessions are counted.
    identity: Option<Uid>,
}

/// Returns once every node that joined either gave its receipt for the revision or has no authority left, or the time is
/// over. Every node is listed with what is known of it.
pub(super) async fn wait_applied(
    cluster: &Cluster,
    request: v1::WaitAppliedRequest,
) -> Result<v1::WaitAppliedResponse, Status> {
    let revision = request.revision.ok_or_else(|| Status::invalid_argument("`revision` is missing"))?;
    let revision = Revision::from(revision);
    let identity = match request.identity_uid.as_slice() {
        [] => None,
        bytes => Some(Uid::from_slice(bytes).map_err(|_| Status::invalid_argument("`identity_uid` must be 16 bytes"))?),
    };
    let current = cluster.fresh().await?.revision();
    if revision > current {
        return Err(Status::failed_precondition(format!("there is no revision {revision}; the newest is {current}")));
    }
    let began = Instant::now();
    let deadline = began + Duration::from_millis(request.timeout_ms).min(MAX_WAIT);
    let awaited = Awaited { cluster, revision, began, identity };
    tokio::select! {
        // An end by time is an answer like any other: it says how every node stands.
        _ = timeout_at(deadline, awaited.in_effect()) => {}
        () = cluster.stopped() => return Err(Status::unavailable("the control plane is stopping")),
    }
    let nodes = awaited.look(|name, standing, node, fence| awaited.receipt(name, standing, node, fence));
    Ok(v1::WaitAppliedResponse { nodes })
}

impl Awaited<'_> {
    async fn in_effect(&self) {
        let mut fleet = self.cluster.fleet().watch();
        while !self.look(|_, standing, _, _| standing.is_in_effect()).into_iter().all(|is| is) {
            fleet.mark_unchanged();
            // Late or not: fences come down without anybody saying so.
            drop(tokio::time::timeout(LOOK_EVERY, fleet.changed()).await);
        }
    }

    /// Looks at every node that joined, and at those that were removed and might act when the waiting began.
    fn look<T>(&self, mut at: impl FnMut(&ResourceName, Standing, &Tracked, &Fence) -> T) -> Vec<T> {
        let never = Tracked::default();
        let state = self.cluster.state();
        // Before the nodes are looked at: what is granted until then is known of them.
        let fence = self.cluster.fleet().fence(self.cluster.leases_without(self.revision), state.longest_stale());
        let fleet = self.cluster.fleet().watch();
        let tracked = fleet.borrow();
        let nodes = state.nodes().map(|node| (&node.name, tracked.node(&node.name), false));
        let removed = state.removed_nodes().map(|removed| {
            // Of a name that another node bears by now, what is known is that node's.
            let known = tracked.node(&removed.name).filter(|_| state.node(&removed.name).is_none());
            (&removed.name, known, true)
        });
        let looked = nodes.chain(removed).filter_map(|(name, known, is_removed)| {
            let known = known.unwrap_or(&never);
            let standing = known.standing(self.revision, &fence);
            (!is_removed || !self.was_over_before(standing)).then(|| at(name, standing, known, &fence))
        });
        looked.collect()
    }

    /// Returns whether a node that was removed had no authority left when the waiting began.
    fn was_over_before(&self, standing: Standing) -> bool {
        match standing {
            Standing::Fenced(at) => at <= self.began,
            Standing::Acknowledged => true,
            Standing::FenceRunning(_) | Standing::Unbounded => false,
        }
    }

    fn receipt(&self, name: &ResourceName, standing: Standing, node: &Tracked, fence: &Fence) -> v1::NodeReceipt {
        let (kind, fenced_at) = match standing {
            Standing::Acknowledged => (node_receipt::Standing::Acknowledged, None),
            Standing::Fenced(at) => (node_receipt::Standing::Fenced, Some(at)),
            Standing::FenceRunning(at) => (node_receipt::Standing::FenceRunning, Some(at)),
            Standing::Unbounded => (node_receipt::Standing::Unbounded, None),
        };
        let closed = self.identity.filter(|_| standing == Standing::Acknowledged);
        v1::NodeReceipt {
            node: name.to_string(),
            standing: kind.into(),
            applied: Some(node.applied.into()),
            fenced_at_ms: fenced_at.map_or(0, |at| wall(at, fence.now())),
            sessions_closed: closed.and_then(|identity| node.closed(identity, self.revision)),
        }
    }
}

/// Returns a point in time on the clock that people read.
pub(super) fn wall(at: Instant, now: Instant) -> u64 {
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let (ahead, ago) = (at.saturating_duration_since(now), now.saturating_duration_since(at));
    unix_now().0.saturating_add(millis(ahead)).saturating_sub(millis(ago))
}
