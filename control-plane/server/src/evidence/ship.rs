//! The Evidence service: segments come in, each is answered.

use super::{dock::Berth, take};
use crate::authorise::{Member, member, status};
use crate::cluster::Cluster;
use hoop_audit::MAX_SEGMENT_BYTES;
use hoop_model::Incarnation;
use hoop_wire::v1;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Largest message of a node that ships, in bytes: one segment, and what says that it is one.
pub(crate) const MAX_SHIPPED_BYTES: usize = MAX_SEGMENT_BYTES + 64;

/// The Evidence service.
pub(crate) struct Ship {
    cluster: Arc<Cluster>,
}

impl Ship {
    /// Serves this cluster.
    pub(crate) const fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster }
    }
}

#[tonic::async_trait]
impl v1::evidence_server::Evidence for Ship {
    type ShipStream = ReceiverStream<Result<v1::ShipResponse, Status>>;

    async fn ship(&self, request: Request<Streaming<v1::ShipRequest>>) -> Result<Response<Self::ShipStream>, Status> {
        let node = member(&request)?;
        let (out, answers) = mpsc::channel(1);
        let cluster = Arc::clone(&self.cluster);
        tokio::spawn(async move {
            let berth = tokio::select! {
                () = out.closed() => return,
                berth = cluster.evidence().docks.dock(&node.name) => berth,
            };
            if let Err(status) = unload(&cluster, &node, berth, request.into_inner(), &out).await {
                // A node that is gone misses the reason, nothing else.
                drop(out.send(Err(status)).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

/// Takes one segment after the other, so that of each node one is in memory. A segment that was begun with is finished:
/// stops and newer ships wait for it.
async fn unload(
    cluster: &Cluster,
    node: &Member,
    mut berth: Berth,
    mut inbound: Streaming<v1::ShipRequest>,
    out: &mpsc::Sender<Result<v1::ShipResponse, Status>>,
) -> Result<(), Status> {
    loop {
        let message = tokio::select! {
            biased;
            () = cluster.stopped() => return Err(Status::unavailable("the control plane is stopping")),
            _ = &mut berth.wanted => return Err(Status::aborted("a newer stream of this node took over")),
            message = inbound.message() => message,
        };
        let Some(v1::ShipRequest { segment, incarnation }) = message? else { return Ok(()) };
        let shipper = Incarnation::from_slice(&incarnation)
            .map_err(|_| Status::invalid_argument("`incarnation` must be 16 bytes"))?;
        node.at(&cluster.state()).map_err(status)?;
        let answer = {
            let _hand = cluster.evidence().docks.hand().await;
            take::take(cluster, &node.name, Some(shipper), segment).await
        };
        if out.send(Ok(answer)).await.is_err() {
            return Ok(());
        }
    }
}
