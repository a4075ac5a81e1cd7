//! Join tokens: admit one node, once, within a day.

use crate::authorise::Caller;
use crate::cluster::Cluster;
use crate::{reply, token};
use hoop_model::ResourceName;
use hoop_model::spec::{Labels, Right};
use hoop_state::{Change, MAX_JOIN_TOKEN_LIFETIME, MintJoinToken, Reply, Role};
use hoop_wire::v1;
use std::time::Duration;
use tonic::Status;

/// Most labels of a node.
const MAX_LABELS: usize = 16;
/// Longest key or value of a label, in bytes.
const MAX_LABEL_BYTES: usize = 63;

/// Mints a join token. The reply is the only place where its text ever is.
pub(super) async fn create(
    cluster: &Cluster,
    caller: &Caller,
    request: v1::CreateJoinTokenRequest,
) -> Result<v1::CreateJoinTokenResponse, Status> {
    let role = match request.role() {
        v1::create_join_token_request::Role::DataPlane => Role::DataPlane,
        v1::create_join_token_request::Role::Unspecified => {
            return Err(Status::invalid_argument("`role` is missing or unknown"));
        }
    };
    let lifetime = Duration::from_millis(request.lifetime_ms);
    if lifetime.is_zero() || lifetime > MAX_JOIN_TOKEN_LIFETIME {
        return Err(Status::invalid_argument("`lifetime_ms` must be 1 to 86400000 (24h)"));
    }
    check_labels(&request.labels)?;
    let again = match request.again.as_str() {
        "" => None,
        _ if !request.labels.is_empty() => {
            return Err(Status::invalid_argument("a node that joins again keeps the labels that it has"));
        }
        name => Some(ResourceName::parse(name).map_err(|_| Status::invalid_argument("`again` must be a node's name"))?),
    };
    let minted = token::mint();
    // Counted in log time, brought up to date first: it may be ahead of this machine's clock, or behind it.
    cluster.tick().await?;
    let state = cluster.fresh().await?;
    let caller = caller.at(cluster, &state, Right::Nodes)?;
    let expires = state.log_time().after(lifetime);
    let change = MintJoinToken { token_hash: minted.hash, role, labels: request.labels, again, expires };
    match cluster.propose(Change::MintJoinToken(change), None, &caller.scope()).await? {
        Reply::Done { .. } => {
            tracing::info!(expires = expires.0, by = caller.scope(), "join token created");
            let token = minted.text.reveal().clone();
            Ok(v1::CreateJoinTokenResponse { token, expires_ms: expires.0, ca: cluster.ca_pem().to_owned() })
        }
        other @ (Reply::Applied { .. }
        | Reply::Joined { .. }
        | Reply::Anchored { .. }
        | Reply::Approval(_)
        | Reply::Rejected(_)) => Err(reply::unexpected(&other)),
    }
}

fn check_labels(labels: &Labels) -> Result<(), Status> {
    let fits = |text: &String| (1..=MAX_LABEL_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if labels.len() > MAX_LABELS || !labels.iter().all(|(key, value)| fits(key) && fits(value)) {
        return Err(Status::invalid_argument(format!(
            "`labels` must be at most {MAX_LABELS}, each key and value 1 to {MAX_LABEL_BYTES} bytes without control characters"
        )));
    }
    Ok(())
}
