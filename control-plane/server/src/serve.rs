//! The TLS port: one listener, served in shifts, each with a new certificate, so that none expires in use.

use crate::admin::Admin;
use crate::approvals::{Approvals, Holds, MAX_HOLD_BYTES, MAX_VOTE_BYTES};
use crate::authorise::GuardLayer;
use crate::cluster::Cluster;
use crate::evidence::{Audit, MAX_SHIPPED_BYTES, Sessions, Ship};
use crate::fleet::Fleet;
use crate::join::Join;
use crate::sign_in::SignIn;
use futures_util::stream::{Stream, unfold};
use hoop_node::clock::unix_now;
use hoop_node::pki::{IssueError, SERVER_LIFETIME, pem};
use hoop_rpc::{MAX_MESSAGE_BYTES, ServerError, server, server_tls};
use hoop_wire::v1::admin_server::AdminServer;
use hoop_wire::v1::approvals_server::ApprovalsServer;
use hoop_wire::v1::audit_server::AuditServer;
use hoop_wire::v1::evidence_server::EvidenceServer;
use hoop_wire::v1::fleet_server::FleetServer;
use hoop_wire::v1::holds_server::HoldsServer;
use hoop_wire::v1::join_server::JoinServer;
use hoop_wire::v1::sessions_server::SessionsServer;
use hoop_wire::v1::sign_in_server::SignInServer;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::transport::server::Router;
use tower_layer::{Identity, Stack};

/// How long one certificate is served: half its life, so that whoever connects last has the other half.
const SHIFT: Duration = Duration::from_secs(SERVER_LIFETIME.as_secs() / 2);
/// How long after a failed change of shift the next is tried.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// How long after a failed accept the next is tried: no file descriptors do not come back faster for asking faster.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// Largest message of somebody who showed nothing yet, in bytes.
const MAX_JOIN_BYTES: usize = 64 << 10;

/// Says why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum CannotServe {
    /// There is no certificate.
    #[error("no server certificate")]
    Certificate(#[from] IssueError),
    /// The certificate cannot be used.
    #[error("no TLS server")]
    Tls(#[from] ServerError),
}

type Services = Router<Stack<GuardLayer, Identity>>;

/// Makes the first shift, and returns what serves until the stop.
pub(crate) fn serve(
    cluster: Arc<Cluster>,
    listener: TcpListener,
    server_names: Vec<String>,
) -> Result<impl Future<Output = ()>, CannotServe> {
    let first = services(&cluster, &server_names)?;
    let listener = Arc::new(listener);
    Ok(async move {
        let mut next = Some(first);
        let mut shifts = JoinSet::new();
        // Dropping it ends the shift: it accepts no more, and its connections end with their calls.
        let mut _on_duty = None;
        loop {
            let pause = match next.take() {
                Some(services) => {
                    let (duty, over) = tokio::sync::oneshot::channel::<()>();
                    let incoming = accept(Arc::clone(&listener));
                    shifts.spawn(services.serve_with_incoming_shutdown(incoming, async { drop(over.await) }));
                    _on_duty = Some(duty);
                    SHIFT
                }
                None => TRY_AGAIN,
            };
            tokio::select! {
                () = cluster.stopped() => break,
                () = tokio::time::sleep(pause) => {}
            }
            next = services(&cluster, &server_names)
                .inspect_err(|error| tracing::error!(error = error as &dyn std::error::Error, "no new certificate"))
                .ok();
        }
        _on_duty = None;
        while let Some(ended) = shifts.join_next().await {
            if let Ok(Err(error)) = ended {
                tracing::warn!(error = &error as &dyn std::error::Error, "a server ended with an error");
            }
        }
    })
}

fn services(cluster: &Arc<Cluster>, server_names: &[String]) -> Result<Services, CannotServe> {
    let (certificate, key) = cluster.ca().issue_server(server_names, unix_now(), SERVER_LIFETIME)?;
    let certificate = pem(&certificate, "CERTIFICATE");
    let tls = server_tls(&certificate, key.to_pem().reveal(), cluster.ca_pem());
    let admin = AdminServer::new(Admin::new(Arc::clone(cluster)))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let sign_in = SignInServer::new(SignIn::new(Arc::clone(cluster))).max_decoding_message_size(MAX_JOIN_BYTES);
    let fleet = FleetServer::new(Fleet::new(Arc::clone(cluster)))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let join = JoinServer::new(Join::new(Arc::clone(cluster))).max_decoding_message_size(MAX_JOIN_BYTES);
    let evidence = EvidenceServer::new(Ship::new(Arc::clone(cluster))).max_decoding_message_size(MAX_SHIPPED_BYTES);
    let sessions = SessionsServer::new(Sessions::new(Arc::clone(cluster)));
    let audit = AuditServer::new(Audit::new(Arc::clone(cluster)));
    let holds = HoldsServer::new(Holds::new(Arc::clone(cluster))).max_decoding_message_size(MAX_HOLD_BYTES);
    let approvals = ApprovalsServer::new(Approvals::new(Arc::clone(cluster)))
        .max_decoding_message_size(MAX_VOTE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let mut guarded = server(tls)?.layer(GuardLayer::new(Arc::clone(cluster)));
    let services = guarded.add_service(admin).add_service(sign_in).add_service(fleet).add_service(join);
    let services = services.add_service(evidence).add_service(sessions).add_service(audit);
    Ok(services.add_service(holds).add_service(approvals))
}

/// Accepts for ever. A failure is the host's (no file descriptors) or the peer's, and passes.
fn accept(listener: Arc<TcpListener>) -> impl Stream<Item = io::Result<TcpStream>> {
    unfold(listener, |listener| async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Without it small messages wait; that is slow, not wrong.
                    drop(stream.set_nodelay(true));
                    return Some((Ok(stream), listener));
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    })
}
