//! Administration: what hoopctl asks.
//!
//! ```text
//!   apply, delete ─▶ world: the objects as they would be ─▶ trust rules, policies ─▶ propose at that base
//!   revoke        ─▶ suspend, judging nothing else
//!   custody       ─▶ which secret may be sent where, and who decided that
//!   secret        ─▶ seal a value ─▶ propose
//!   read, wait    ─▶ what there is, what the fleet has
//!   join_token    ─▶ admit a node, once
//!   remove_node   ─▶ a node is nobody from then on
//! ```
//!
//! Who may call a method at all is the guard's business. What decides does it at the very state that it proposes on, and so
//! asks there again who calls ([`Caller::at`](crate::authorise::Caller::at)).

mod apply;
mod custody;
mod delete;
mod join_token;
mod masking;
mod read;
mod remove_node;
mod request;
mod revoke;
mod secret;
mod wait;
mod world;

use crate::authorise::caller;
use crate::cluster::Cluster;
use hoop_wire::v1;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// How often a change is judged anew when the configuration moves under it.
const ATTEMPTS: usize = 8;

/// The Admin service.
pub(crate) struct Admin {
    cluster: Arc<Cluster>,
}

impl Admin {
    /// Serves this cluster.
    pub(crate) const fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster }
    }
}

#[tonic::async_trait]
impl v1::admin_server::Admin for Admin {
    async fn apply(&self, request: Request<v1::ApplyRequest>) -> Result<Response<v1::ApplyResponse>, Status> {
        let caller = caller(&request)?;
        apply::apply(&self.cluster, &caller, request.into_inner()).await.map(Response::new)
    }

    async fn delete(&self, request: Request<v1::DeleteRequest>) -> Result<Response<v1::DeleteResponse>, Status> {
        let caller = caller(&request)?;
        delete::delete(&self.cluster, &caller, request.into_inner()).await.map(Response::new)
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::GetResponse>, Status> {
        read::get(&self.cluster, request.into_inner()).await.map(Response::new)
    }

    async fn list(&self, request: Request<v1::ListRequest>) -> Result<Response<v1::ListResponse>, Status> {
        read::list(&self.cluster, request.into_inner()).await.map(Response::new)
    }

    async fn create_join_token(
        &self,
        request: Request<v1::CreateJoinTokenRequest>,
    ) -> Result<Response<v1::CreateJoinTokenResponse>, Status> {
        let caller = caller(&request)?;
        join_token::create(&self.cluster, &caller, request.into_inner()).await.map(Response::new)
    }

    async fn cluster_status(
        &self,
        _request: Request<v1::ClusterStatusRequest>,
    ) -> Result<Response<v1::ClusterStatusResponse>, Status> {
        Ok(Response::new(read::cluster_status(&self.cluster)))
    }

    async fn fleet_status(
        &self,
        _request: Request<v1::FleetStatusRequest>,
    ) -> Result<Response<v1::FleetStatusResponse>, Status> {
        read::fleet_status(&self.cluster).await.map(Response::new)
    }

    async fn remove_node(
        &self,
        request: Request<v1::RemoveNodeRequest>,
    ) -> Result<Response<v1::RemoveNodeResponse>, Status> {
        let caller = caller(&request)?;
        remove_node::remove(&self.cluster, &caller, request.into_inner()).await.map(Response::new)
    }

    async fn revoke(&self, request: Request<v1::RevokeRequest>) -> Result<Response<v1::RevokeResponse>, Status> {
        let caller = caller(&request)?;
        revoke::revoke(&self.cluster, &caller, request.into_inner()).await.map(Response::new)
    }

    async fn wait_applied(
        &self,
        request: Request<v1::WaitAppliedRequest>,
    ) -> Result<Response<v1::WaitAppliedResponse>, Status> {
        wait::wait_applied(&self.cluster, request.into_inner()).await.map(Response::new)
    }

    async fn set_secret(
        &self,
        request: Request<v1::SetSecretRequest>,
    ) -> Result<Response<v1::SetSecretResponse>, Status> {
        let caller = caller(&request)?;
        secret::set(&self.cluster, &caller, request.into_inner()).await.map(Response::new)
    }

    async fn list_secrets(
        &self,
        request: Request<v1::ListSecretsRequest>,
    ) -> Result<Response<v1::ListSecretsResponse>, Status> {
        secret::list(&self.cluster, request.into_inner()).await.map(Response::new)
    }
}
