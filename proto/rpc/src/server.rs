//! The server's side of a connection.

use crate::{CONNECT_DEADLINE, KEEPALIVE_DEADLINE, KEEPALIVE_INTERVAL};
use tonic::transport::{Certificate, Error, Identity, Server, ServerTlsConfig};

/// Most calls one connection may have open: a node needs one stream, an administrator a few calls.
const MAX_CALLS_PER_CONNECTION: u32 = 64;

/// Largest header list of a call, in bytes; ours hold a path and one token.
const MAX_HEADER_LIST_BYTES: u32 = 16 << 10;

/// Says that the server's certificate, its key or the CA cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("unusable server certificate, server key or CA")]
pub struct ServerError(#[source] Error);

/// Describes the server's TLS. A client certificate is optional, because one port also serves callers that have none
/// yet; one that is shown must be valid under the CA, or the handshake ends. So each method authorises its caller by
/// [`peer_certificate`](crate::authority::peer_certificate) or by token.
#[must_use]
pub fn server_tls(cert_pem: &str, key_pem: &str, ca_pem: &str) -> ServerTlsConfig {
    ServerTlsConfig::new()
        .identity(Identity::from_pem(cert_pem, key_pem))
        .client_ca_root(Certificate::from_pem(ca_pem))
        .client_auth_optional(true)
        .timeout(CONNECT_DEADLINE)
}

/// Starts a server with our limits and keepalive, ready for its services.
///
/// # Errors
/// [`ServerError`] if the TLS material does not parse or fit together.
pub fn server(tls: ServerTlsConfig) -> Result<Server, ServerError> {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_DEADLINE))
        .max_concurrent_streams(MAX_CALLS_PER_CONNECTION)
        .http2_max_header_list_size(MAX_HEADER_LIST_BYTES)
        .tcp_nodelay(true)
        .tls_config(tls)
        .map_err(ServerError)
}
