//! The client's side of a connection.

use crate::{CONNECT_DEADLINE, KEEPALIVE_DEADLINE, KEEPALIVE_INTERVAL};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Error, Identity, Uri};

/// Says why there is no channel.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The endpoint is not spelt `https://host:port`. Plaintext is never spoken.
    #[error("`{endpoint}` is not of the form `https://host:port`")]
    Endpoint {
        /// The endpoint as written.
        endpoint: String,
    },
    /// The CA text does not hold one or more PEM certificates, so no server could be trusted.
    #[error("the CA text is not one or more PEM certificates")]
    NoAuthority,
    /// The server name or the client's certificate or key cannot be used.
    #[error("unusable server name, client certificate or client key")]
    Identity(#[source] Error),
    /// Nobody listens there, or the server did not prove its name under the CA.
    #[error("cannot connect to `{endpoint}`")]
    Unreachable {
        /// The endpoint as written.
        endpoint: String,
        /// What the transport said.
        #[source]
        source: Error,
    },
    /// There was no answer, or an unfinished handshake, for five seconds.
    #[error("no connection to `{endpoint}` within five seconds")]
    TimedOut {
        /// The endpoint as written.
        endpoint: String,
    },
}

/// Opens a channel: connects at once, and again by itself when the connection is lost.
///
/// The server must prove `server_name` under the CA in `ca_pem`, and under no other; the host's own roots play no part.
/// `client` is the certificate and key to show, as PEM. In TLS 1.3 a server's refusal of them arrives after the
/// handshake: it is the error of the first call.
///
/// # Errors
/// [`ConnectError`] for unusable arguments and for a server that does not answer or prove itself in time.
pub async fn connect(
    endpoint: &str,
    ca_pem: &str,
    server_name: &str,
    client: Option<(&str, &str)>,
) -> Result<Channel, ConnectError> {
    let uri = parse(endpoint).ok_or_else(|| ConnectError::Endpoint { endpoint: endpoint.to_owned() })?;
    if !holds_certificates(ca_pem) {
        return Err(ConnectError::NoAuthority);
    }
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca_pem))
        .domain_name(server_name)
        .timeout(CONNECT_DEADLINE);
    let tls = match client {
        Some((cert_pem, key_pem)) => tls.identity(Identity::from_pem(cert_pem, key_pem)),
        None => tls,
    };
    let endpoint_with_tls = Endpoint::from(uri)
        .connect_timeout(CONNECT_DEADLINE)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_DEADLINE)
        .keep_alive_while_idle(true)
        .tls_config(tls)
        .map_err(ConnectError::Identity)?;
    // The deadlines above bound TCP and TLS of every later reconnection; this one also bounds name resolution.
    match tokio::time::timeout(CONNECT_DEADLINE, endpoint_with_tls.connect()).await {
        Ok(connected) => {
            connected.map_err(|source| ConnectError::Unreachable { endpoint: endpoint.to_owned(), source })
        }
        Err(_) => Err(ConnectError::TimedOut { endpoint: endpoint.to_owned() }),
    }
}

/// Reads `https://host:port` and nothing else: the transport would speak plaintext to any other scheme.
fn parse(endpoint: &str) -> Option<Uri> {
    let uri: Uri = endpoint.parse().ok()?;
    let authority = uri.authority()?;
    let bare = matches!(uri.path(), "" | "/") && uri.query().is_none() && !authority.as_str().contains('@');
    let named = !authority.host().is_empty() && authority.port_u16().is_some_and(|port| port != 0);
    (uri.scheme_str() == Some("https") && bare && named).then_some(uri)
}

fn holds_certificates(pem: &str) -> bool {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    certificates.is_ok_and(|certificates| !certificates.is_empty())
}
