//! The Approvals service: what people see of held commands and say of them.
//!
//! INVARIANT: an approval that the caller may not see is one that is not there: whatever reads one by its id reads it with
//! `Asker::find`.

mod ask;
mod eligible;
mod list;
mod resolve;
mod summary;
mod vote;
mod watch;

use crate::authorise::{asking, asking_person};
use crate::cluster::Cluster;
use ask::Asked;
use hoop_wire::v1;
use std::sync::Arc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Largest message of a person about an approval, in bytes.
pub(crate) const MAX_VOTE_BYTES: usize = 4 << 10;
/// How often a request is judged anew when the configuration moves under it.
const ATTEMPTS: usize = 8;

/// The Approvals service.
pub(crate) struct Approvals {
    cluster: Arc<Cluster>,
}

impl Approvals {
    /// Serves this cluster.
    pub(crate) const fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster }
    }
}

#[tonic::async_trait]
impl v1::approvals_server::Approvals for Approvals {
    async fn list(
        &self,
        request: Request<v1::ListApprovalsRequest>,
    ) -> Result<Response<v1::ListApprovalsResponse>, Status> {
        let asked = Asked::by(&self.cluster, &asking(&request)?).await?;
        list::list(asked, request.into_inner()).await.map(Response::new)
    }

    async fn show(
        &self,
        request: Request<v1::ShowApprovalRequest>,
    ) -> Result<Response<v1::ShowApprovalResponse>, Status> {
        let asked = Asked::by(&self.cluster, &asking(&request)?).await?;
        list::show(&self.cluster, &asked, request.get_ref()).map(Response::new)
    }

    async fn vote(&self, request: Request<v1::VoteRequest>) -> Result<Response<v1::VoteResponse>, Status> {
        let person = asking_person(&request)?;
        vote::vote(&self.cluster, &person, request.get_ref()).await.map(Response::new)
    }

    async fn resolve(
        &self,
        request: Request<v1::ResolveApprovalRequest>,
    ) -> Result<Response<v1::ResolveApprovalResponse>, Status> {
        let asking = asking(&request)?;
        resolve::resolve(&self.cluster, &asking, request.get_ref()).await.map(Response::new)
    }

    type WatchStream = ReceiverStream<Result<v1::ApprovalSummary, Status>>;

    async fn watch(&self, request: Request<v1::WatchApprovalsRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let asking = asking(&request)?;
        let asked = Asked::by(&self.cluster, &asking).await?;
        let watch = watch::Watch::new(Arc::clone(&self.cluster), asking, request.into_inner());
        Ok(Response::new(watch.begin(asked)))
    }
}
