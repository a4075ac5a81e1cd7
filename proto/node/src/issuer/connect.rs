//! Connecting to somebody else's server: resolve, check the address, TCP, TLS with a verified certificate.

use hoop_model::spec::Origin;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Says why there is no connection. For the log, not for callers.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name does not resolve, or only to addresses that no server has.
    #[error("no usable address")]
    NoAddress,
    /// The host is not one that TLS can verify.
    #[error("the host has no name that a certificate can have")]
    NoServerName,
    /// The network, or TLS, said no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Connects to the first address that answers. Sets no time limit: the caller does.
///
/// # Errors
/// [`ConnectError`], of the last address tried.
pub async fn tcp(origin: &Origin) -> Result<TcpStream, ConnectError> {
    let mut last = ConnectError::NoAddress;
    for address in tokio::net::lookup_host((origin.bare_host(), origin.port)).await?.filter(is_a_servers) {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Starts TLS and verifies the host's certificate.
///
/// # Errors
/// [`ConnectError`] where the certificate is not the host's, or not one that `config` believes.
pub async fn tls(
    origin: &Origin,
    config: &Arc<ClientConfig>,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let name = ServerName::try_from(origin.bare_host().to_owned()).map_err(|_| ConnectError::NoServerName)?;
    Ok(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?)
}

/// Keeps out addresses that no server has, and the link-local ones where clouds keep their metadata services.
fn is_a_servers(address: &SocketAddr) -> bool {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_link_local()),
        IpAddr::V6(ip) => !(ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_and_nowhere_are_no_servers() {
        for bad in [
            "169.254.169.254:80",
            "0.0.0.0:80",
            "[::]:80",
            "[fe80::1]:80",
            "[::ffff:169.254.169.254]:80",
            "224.0.0.1:80",
        ] {
            assert!(!is_a_servers(&bad.parse().unwrap()), "{bad}");
        }
        for good in ["127.0.0.1:80", "10.0.0.1:80", "[::1]:80", "192.0.2.1:80"] {
            assert!(is_a_servers(&good.parse().unwrap()), "{good}");
        }
    }
}
