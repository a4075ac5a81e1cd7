//! Signing in: administrators who are no Person open a session with a one-time token; people show their own tokens.
//!
//! ```text
//!   the first token ──────────────────┐
//!   recover, on a voter's host ───────┴─▶ Open: used up ─▶ a session's token, for 12 h ─▶ every other call
//!   a person's OIDC token ─────────────────────────────────────────────────────────────▶ every other call
//! ```

use crate::authorise::caller;
use crate::cluster::{CONTROL_PLANE, Cluster};
use crate::recovery::RecoveryKey;
use crate::{reply, token};
use hoop_state::{Change, MAX_ADMIN_SESSION, OneTime, OpenAdminSession, Rejection, Reply};
use hoop_wire::v1;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Longest token that is worth hashing, in bytes.
const MAX_TOKEN_BYTES: usize = 256;

/// The SignIn service.
pub(crate) struct SignIn {
    cluster: Arc<Cluster>,
}

impl SignIn {
    /// Serves this cluster.
    pub(crate) const fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster }
    }
}

#[tonic::async_trait]
impl v1::sign_in_server::SignIn for SignIn {
    async fn open(&self, request: Request<v1::OpenRequest>) -> Result<Response<v1::OpenResponse>, Status> {
        open(&self.cluster, &request.into_inner().token).await.map(Response::new)
    }

    async fn end(&self, request: Request<v1::EndRequest>) -> Result<Response<v1::EndResponse>, Status> {
        let caller = caller(&request)?;
        let Some(session) = caller.session() else {
            return Err(Status::failed_precondition("a person's token ends by itself; nothing was changed"));
        };
        let change = Change::EndAdminSession { session_hash: session.hash };
        settled(&self.cluster.propose(change, None, &caller.scope()).await?)?;
        tracing::info!(by = caller.scope(), "session ended");
        Ok(Response::new(v1::EndResponse {}))
    }

    async fn who_am_i(&self, request: Request<v1::WhoAmIRequest>) -> Result<Response<v1::WhoAmIResponse>, Status> {
        let caller = caller(&request)?;
        let (name, teams, expires_ms) = match (caller.person(), caller.session()) {
            (Some(recognised), _) => {
                let teams = recognised.person.teams.iter().map(ToString::to_string).collect();
                (recognised.person.name.to_string(), teams, recognised.expires.0.saturating_mul(1_000))
            }
            (None, Some(session)) => (session.session.to_string(), Vec::new(), session.session.expires.0),
            (None, None) => return Err(Status::unauthenticated("nobody is signed in")),
        };
        let rights = caller.rights().iter().map(ToString::to_string).collect();
        let person = caller.person().is_some();
        Ok(Response::new(v1::WhoAmIResponse { name, person, teams, rights, expires_ms }))
    }
}

/// Uses up a one-time token. The reply is the only place where the session's token ever is: one that is lost on the way
/// costs the one-time token, and `recover` makes another.
async fn open(cluster: &Cluster, shown: &str) -> Result<v1::OpenResponse, Status> {
    if shown.is_empty() {
        return Err(Status::invalid_argument("`token` is missing"));
    }
    if shown.len() > MAX_TOKEN_BYTES {
        return Err(reply::rejected(&Rejection::OneTimeUnknown));
    }
    let with = match RecoveryKey::read(shown) {
        Some(said) => cluster.recovery().verify(&said).ok_or_else(|| reply::rejected(&Rejection::OneTimeUnknown))?,
        None => OneTime::Bootstrap { token_hash: token::hash(shown) },
    };
    // Whoever shows no token that exists makes nobody write anything.
    let state = cluster.fresh().await?;
    let first = state.birth().map(|birth| birth.admin_token_hash);
    if matches!(with, OneTime::Bootstrap { token_hash } if first != Some(token_hash)) {
        return Err(reply::rejected(&Rejection::OneTimeUnknown));
    }
    cluster.tick().await?;
    let expires = cluster.fresh().await?.log_time().after(MAX_ADMIN_SESSION);
    let minted = token::mint();
    let change = OpenAdminSession { with, session_hash: minted.hash, expires };
    settled(&cluster.propose(Change::OpenAdminSession(change), None, CONTROL_PLANE).await?)?;
    match with {
        OneTime::Bootstrap { .. } => tracing::info!("the cluster's first token opened a session"),
        OneTime::Recovery { id, .. } => {
            tracing::warn!(id = hex::encode(id), "a token for recovery opened a session of an administrator");
        }
    }
    Ok(v1::OpenResponse { token: minted.text.reveal().clone(), expires_ms: expires.0 })
}

fn settled(made: &Reply) -> Result<(), Status> {
    match made {
        Reply::Done { .. } => Ok(()),
        Reply::Applied { .. }
        | Reply::Joined { .. }
        | Reply::Anchored { .. }
        | Reply::Approval(_)
        | Reply::Rejected(_) => Err(reply::unexpected(made)),
    }
}
