//! What a service knows about its caller from the connection.

use tonic::Request;

/// Returns the certificate (DER) that the caller proved in the TLS handshake, verified against the cluster CA; nothing if
/// it showed none. Who that is, and whether it may do this, the service decides.
#[must_use]
pub fn peer_certificate<T>(request: &Request<T>) -> Option<Vec<u8>> {
    request.peer_certs()?.first().map(|certificate| certificate.to_vec())
}
