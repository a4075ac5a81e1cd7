//! Joining: a one-time token becomes a node and its certificate.

use crate::authorise::{Member, status};
use crate::cluster::Cluster;
use crate::{reply, token};
use hoop_model::{ResourceName, Uid};
use hoop_node::clock::unix_now;
use hoop_node::pki::{self, IssueError, NODE_LIFETIME, Subject};
use hoop_state::{Change, Reply, Role, SpendJoinToken};
use hoop_wire::v1;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Longest token text that is worth hashing, in bytes.
const MAX_TOKEN_BYTES: usize = 256;

/// The Join service.
pub(crate) struct Join {
    cluster: Arc<Cluster>,
}

impl Join {
    /// Serves this cluster.
    pub(crate) const fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster }
    }
}

#[tonic::async_trait]
impl v1::join_server::Join for Join {
    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinResponse>, Status> {
        join(&self.cluster, request.into_inner()).await.map(Response::new)
    }
}

/// The certificate is made before the token is spent, so that a request that cannot be signed costs no token; it is handed
/// out after, so that a token admits one node.
async fn join(cluster: &Cluster, request: v1::JoinRequest) -> Result<v1::JoinResponse, Status> {
    let node = ResourceName::parse(&request.node)
        .map_err(|_| Status::invalid_argument("`node` must be 1 to 63 of `a-z`, `0-9` and `-`"))?;
    if request.token.len() > MAX_TOKEN_BYTES {
        return Err(reply::rejected(&hoop_state::Rejection::JoinTokenUnknown));
    }
    let token_hash = token::hash(&request.token);
    // Whoever shows no token that exists makes nobody write or sign anything.
    let state = cluster.fresh().await?;
    let unknown = || reply::rejected(&hoop_state::Rejection::JoinTokenUnknown);
    let (_, token) = state.join_tokens().find(|(hash, _)| **hash == token_hash).ok_or_else(unknown)?;
    // A node that joins again stays who it is.
    let known = token.again.as_ref().filter(|again| **again == node).and_then(|again| state.node(again));
    let node_uid = known.map_or_else(|| Uid::mint(u128::from_be_bytes(hoop_node::random())), |known| known.uid);
    let member = Member { name: node.clone(), uid: node_uid };
    let certificate = sign(cluster, &request.certificate_request, &member, token.role)?;
    // The contract's only joining nodes are the data plane's: a token for any other role is refused by the state.
    let spend = SpendJoinToken { token_hash, role: Role::DataPlane, node: node.clone(), node_uid };
    match cluster.propose(Change::SpendJoinToken(spend), None, crate::cluster::CONTROL_PLANE).await? {
        Reply::Joined { uid, role: _, labels } => {
            tracing::info!(node = %node, uid = %uid, "node joined");
            let chain = vec![cluster.ca().certificate_der().to_vec()];
            Ok(v1::JoinResponse { certificate, chain, labels })
        }
        other @ (Reply::Done { .. }
        | Reply::Applied { .. }
        | Reply::Anchored { .. }
        | Reply::Approval(_)
        | Reply::Rejected(_)) => Err(reply::unexpected(&other)),
    }
}

/// Signs the key of a node that is in the state already.
pub(crate) async fn renew(
    cluster: &Cluster,
    node: &Member,
    request: &v1::RenewCertificateRequest,
) -> Result<v1::JoinResponse, Status> {
    let state = cluster.fresh().await?;
    let known = node.at(&state).map_err(status)?;
    let certificate = sign(cluster, &request.certificate_request, node, known.role)?;
    tracing::info!(node = %node.name, "certificate renewed");
    let chain = vec![cluster.ca().certificate_der().to_vec()];
    Ok(v1::JoinResponse { certificate, chain, labels: known.labels.clone() })
}

fn sign(cluster: &Cluster, request: &[u8], node: &Member, role: Role) -> Result<Vec<u8>, Status> {
    let role = match role {
        Role::DataPlane => pki::Role::DataPlane,
    };
    let subject = Subject { node: &node.name, uid: node.uid, role };
    cluster.ca().sign_request(request, &subject, unix_now(), NODE_LIFETIME).map_err(|error| match error {
        IssueError::MalformedRequest | IssueError::UnprovenKey | IssueError::UnsupportedKey => {
            Status::invalid_argument("`certificate_request` must be a PKCS#10 request signed by its own P-256 key")
        }
        IssueError::InvalidName { .. }
        | IssueError::OutsideCaValidity
        | IssueError::OutsideCalendar
        | IssueError::Key(_)
        | IssueError::Signing(_) => {
            tracing::error!(error = &error as &dyn std::error::Error, node = %node.name, "cannot sign a certificate");
            Status::internal("the control plane cannot sign certificates now; its log says more")
        }
    })
}
