//! The Fleet service: one stream per node, and its next certificate.

use super::link::{Ended, Link};
use crate::authorise::member;
use crate::cluster::Cluster;
use hoop_wire::v1;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Messages on their way to one node. A node that does not read gets the newest state when it does, not every one.
const IN_FLIGHT: usize = 1;
/// How long a stream's last word may wait for a reader.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The Fleet service.
pub(crate) struct Fleet {
    cluster: Arc<Cluster>,
}

impl Fleet {
    /// Serves this cluster.
    pub(crate) const fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster }
    }
}

#[tonic::async_trait]
impl v1::fleet_server::Fleet for Fleet {
    type AttachStream = ReceiverStream<Result<v1::ToNode, Status>>;

    async fn attach(&self, request: Request<Streaming<v1::FromNode>>) -> Result<Response<Self::AttachStream>, Status> {
        let node = member(&request)?;
        let (out, stream) = mpsc::channel(IN_FLIGHT);
        let link = Link::new(Arc::clone(&self.cluster), node.clone(), out.clone(), request.into_inner());
        tokio::spawn(async move {
            match link.run().await {
                Ended::ByNode => tracing::info!(node = %node.name, "node detached"),
                Ended::ByUs(status) => {
                    tracing::info!(node = %node.name, reason = status.message(), "stream ended");
                    // A reader that is gone or does not read misses the reason, nothing else.
                    drop(out.send_timeout(Err(status), LAST_WORD).await);
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn renew_certificate(
        &self,
        request: Request<v1::RenewCertificateRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        let node = member(&request)?;
        crate::join::renew(&self.cluster, &node, request.get_ref()).await.map(Response::new)
    }
}
