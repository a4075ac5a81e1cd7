//! The node's key and certificate: had once by a one-time token, then kept, and renewed by the certificate itself.

use crate::config::Config;
use hoop_model::{Redacted, ResourceName};
use hoop_node::pki::{KeyError, NodeKey, PeerIdentity, Role, pem};
use hoop_wire::v1;
use hoop_wire::v1::fleet_client::FleetClient;
use hoop_wire::v1::join_client::JoinClient;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

/// The file in the state directory that holds the key and, behind it, the certificate with its chain.
const FILE: &str = "node.pem";
const CERTIFICATE: &str = "CERTIFICATE";
/// A certificate with less time left than this, in seconds, is not used any more.
const LEAST_LEFT_SECONDS: i64 = 60;
/// How long to wait after a failed renewal.
const RENEW_AGAIN_IN: Duration = Duration::from_secs(60);
/// How long the control plane may take to answer.
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Proof of being a node of the fleet.
pub(crate) struct Membership {
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: Redacted<String>,
    /// The cluster CA, by which the control plane is known.
    pub(crate) ca_pem: String,
    /// The certificate's subject, for people.
    pub(crate) subject: String,
    /// How long it may be used before it should be renewed: until a third of its lifetime is left.
    pub(crate) renew_in: Duration,
}

/// Says why the node is not in the fleet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    /// A file cannot be read or written.
    #[error("cannot use `{path}`")]
    File {
        path: String,
        #[source]
        source: io::Error,
    },
    /// The key and certificate cannot be kept.
    #[error("cannot keep the node's key and certificate")]
    Keep(#[from] hoop_node::files::WriteError),
    /// No key could be made.
    #[error("cannot make a key")]
    Key(#[from] KeyError),
    /// The control plane cannot be reached.
    #[error("cannot connect to join")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The control plane said no.
    #[error("the control plane refused to let the node join")]
    Refused(#[source] Box<tonic::Status>),
    /// What it sent is not this node's certificate.
    #[error("the certificate received is not this node's")]
    NotOurs,
}

/// Returns the membership that is kept if it is still good, and otherwise joins. One that the control plane disowned is kept
/// only for as long as there is no token to join with: the control plane may be mistaken.
pub(crate) async fn membership(config: &Config, address: &str, is_disowned: bool) -> Result<Membership, JoinError> {
    let path = config.state_dir.join(FILE);
    let ca = read_file(&config.join.ca)?;
    match std::fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(kept) => {
            match read(&kept, &config.node, &ca) {
                Some(membership) if is_disowned => return Ok(join(config, address, &ca).await.unwrap_or(membership)),
                Some(membership) => return Ok(membership),
                None => {}
            }
            tracing::info!("the node's certificate has run out or is not this node's; joining again");
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(file(&path, error)),
    }
    join(config, address, &ca).await
}

async fn join(config: &Config, address: &str, ca: &str) -> Result<Membership, JoinError> {
    let token = read_file(&config.join.token_file).map(Zeroizing::new)?;
    let key = NodeKey::generate()?;
    let request = v1::JoinRequest {
        token: token.trim().to_owned(),
        node: config.node.to_string(),
        certificate_request: key.request(&config.node)?,
    };
    let channel = hoop_rpc::connect(address, ca, hoop_rpc::SERVER_NAME, None).await;
    let channel = channel.map_err(|error| JoinError::Connect(error.into()))?;
    let mut request = tonic::Request::new(request);
    request.set_timeout(JOIN_TIMEOUT);
    let answer = JoinClient::new(channel).join(request).await;
    let answer = answer.map_err(|status| JoinError::Refused(Box::new(status)))?.into_inner();
    let membership = keep(config, &key, &answer, ca)?;
    tracing::info!(node = %config.node, "joined the fleet");
    Ok(membership)
}

/// Waits until the certificate should be renewed, then renews it. What fails is tried again every minute; the certificate
/// in use stays good meanwhile.
pub(crate) async fn renew_when_due(config: &Config, address: &str, membership: &Membership) {
    tokio::time::sleep(membership.renew_in).await;
    while let Err(error) = renew(config, address, membership).await {
        let error = super::chain(&error);
        tracing::warn!(%error, "the node's certificate could not be renewed");
        tokio::time::sleep(RENEW_AGAIN_IN).await;
    }
}

async fn renew(config: &Config, address: &str, membership: &Membership) -> Result<(), JoinError> {
    let ca = &membership.ca_pem;
    let key = NodeKey::generate()?;
    let request = v1::RenewCertificateRequest { certificate_request: key.request(&config.node)? };
    let client = (membership.certificate_pem.as_str(), membership.key_pem.reveal().as_str());
    let channel = hoop_rpc::connect(address, ca, hoop_rpc::SERVER_NAME, Some(client)).await;
    let channel = channel.map_err(|error| JoinError::Connect(error.into()))?;
    let mut request = tonic::Request::new(request);
    request.set_timeout(JOIN_TIMEOUT);
    let answer = FleetClient::new(channel).renew_certificate(request).await;
    let answer = answer.map_err(|status| JoinError::Refused(Box::new(status)))?.into_inner();
    keep(config, &key, &answer, ca)?;
    tracing::info!(node = %config.node, "certificate renewed");
    Ok(())
}

/// Keeps a key and its certificate, once they are known to be this node's.
fn keep(config: &Config, key: &NodeKey, answer: &v1::JoinResponse, ca: &str) -> Result<Membership, JoinError> {
    let mut text = Zeroizing::new(key.to_pem().reveal().clone());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    for certificate in std::iter::once(&answer.certificate).chain(&answer.chain) {
        text.push_str(&pem(certificate, CERTIFICATE));
    }
    let membership = read(&text, &config.node, ca).ok_or(JoinError::NotOurs)?;
    let directory = &config.state_dir;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| file(directory, error))?;
    hoop_node::files::write_private(&directory.join(FILE), text.as_bytes())?;
    Ok(membership)
}

/// Reads key and certificate; `None` unless they are this node's and have time left.
fn read(text: &str, node: &ResourceName, ca: &str) -> Option<Membership> {
    let (key, certificates) = text.split_at_checked(text.find(&format!("-----BEGIN {CERTIFICATE}-----"))?)?;
    let der = CertificateDer::from_pem_slice(certificates.as_bytes()).ok()?;
    let peer = PeerIdentity::of(&der).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let validity = certificate.validity();
    let left = validity.time_to_expiration()?.whole_seconds();
    let lifetime = validity.not_after.timestamp().saturating_sub(validity.not_before.timestamp());
    let renew_in = Duration::from_secs(u64::try_from(left.saturating_sub(lifetime / 3)).unwrap_or(0));
    let ours = peer.node == *node && peer.role == Role::DataPlane && left >= LEAST_LEFT_SECONDS;
    NodeKey::from_pem(key).ok()?;
    ours.then(|| Membership {
        certificate_pem: certificates.to_owned(),
        key_pem: Redacted::new(key.to_owned()),
        ca_pem: ca.to_owned(),
        subject: certificate.subject().to_string(),
        renew_in,
    })
}

fn read_file(path: &Path) -> Result<String, JoinError> {
    std::fs::read_to_string(path).map_err(|error| file(path, error))
}

fn file(path: &Path, source: io::Error) -> JoinError {
    JoinError::File { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_model::{Uid, UnixMillis};
    use hoop_node::pki::{ClusterCa, Subject};

    fn kept(node: &str, role: Role, lifetime: Duration) -> String {
        let now = hoop_node::clock::unix_now();
        let ca = ClusterCa::create(UnixMillis(now.0)).unwrap();
        let name = ResourceName::parse(node).unwrap();
        let key = NodeKey::generate().unwrap();
        let subject = Subject { node: &name, uid: Uid::mint(1), role };
        let der = ca.sign_request(&key.request(&name).unwrap(), &subject, now, lifetime).unwrap();
        format!("{}{}", key.to_pem().reveal(), pem(&der, CERTIFICATE))
    }

    #[test]
    fn only_this_nodes_unexpired_certificate_is_kept_in_use() {
        let node = ResourceName::parse("dp-1").unwrap();
        let hour = Duration::from_secs(3600);
        let membership = read(&kept("dp-1", Role::DataPlane, hour), &node, "").unwrap();
        // Certificates begin five minutes early: a third of 65 minutes before the end is 38 minutes from now.
        assert!((2290..=2300).contains(&membership.renew_in.as_secs()), "{:?}", membership.renew_in);
        assert!(membership.subject.contains("CN=dp-1"), "{}", membership.subject);
        assert!(membership.certificate_pem.starts_with("-----BEGIN CERTIFICATE"));
        assert!(!membership.certificate_pem.contains("PRIVATE KEY"));
        assert!(read(&kept("dp-2", Role::DataPlane, hour), &node, "").is_none());
        assert!(read(&kept("dp-1", Role::ControlPlane, hour), &node, "").is_none());
        assert!(read(&kept("dp-1", Role::DataPlane, Duration::from_secs(30)), &node, "").is_none());
        assert!(read("", &node, "").is_none());
    }
}
