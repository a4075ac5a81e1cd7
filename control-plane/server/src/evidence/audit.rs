//! The Audit service: the newest checkpoint, and everything it vouches for.

use super::export::export;
use crate::authorise::caller;
use crate::cluster::Cluster;
use hoop_model::spec::Right;
use hoop_wire::v1;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Pieces of files on their way to one reader.
const IN_FLIGHT: usize = 4;

/// The Audit service.
pub(crate) struct Audit {
    cluster: Arc<Cluster>,
}

impl Audit {
    /// Serves this cluster.
    pub(crate) const fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster }
    }
}

#[tonic::async_trait]
impl v1::audit_server::Audit for Audit {
    type ExportStream = ReceiverStream<Result<v1::ExportPart, Status>>;

    async fn checkpoint(
        &self,
        _request: Request<v1::CheckpointRequest>,
    ) -> Result<Response<v1::CheckpointResponse>, Status> {
        let log = &self.cluster.evidence().log;
        let response = v1::CheckpointResponse { note: log.kept().note.to_string(), key: log.verifier_key().to_owned() };
        Ok(Response::new(response))
    }

    async fn export(&self, request: Request<v1::ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        let caller = caller(&request)?;
        let reader = self.cluster.evidence().reader()?;
        let (out, parts) = mpsc::channel(IN_FLIGHT);
        let (cluster, since) = (Arc::clone(&self.cluster), request.get_ref().since_ms);
        tokio::spawn(async move {
            let _reader = reader;
            let exported = tokio::select! {
                () = cluster.stopped() => Err(Status::unavailable("the control plane is stopping")),
                exported = caller.while_may(&cluster, Right::ReadAudit, export(cluster.evidence(), since, &out)) => exported,
            };
            if let Err(status) = exported {
                // A reader that is gone misses the reason, nothing else.
                drop(out.send(Err(status)).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(parts)))
    }
}
