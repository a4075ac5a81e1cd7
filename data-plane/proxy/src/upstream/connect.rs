//! Connecting to a backend: resolve, check the address, TCP, TLS with a verified certificate.

use super::line::Line;
use hoop_model::spec::Origin;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long resolving and connecting, TLS included, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Says why there is no connection. For the log; a caller learns only that the backend could not be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The name does not resolve, or only to addresses that no backend has.
    #[error("no usable address")]
    NoAddress,
    /// It took too long.
    #[error("no connection within 5 s")]
    TimedOut,
    /// The host is not one that TLS can verify.
    #[error("the host has no name that a certificate can have")]
    NoServerName,
    /// The network, or TLS, said no.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// HTTP could not be set up.
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// Connects for one request.
pub(crate) async fn connect(origin: &Origin, tls: Option<&Arc<ClientConfig>>) -> Result<Line, ConnectError> {
    let connecting = async {
        let stream = connect_tcp(origin).await?;
        match tls {
            None => Ok(Line::open(stream).await?),
            Some(tls) => Ok(Line::open(connect_tls(origin, tls, stream).await?).await?),
        }
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or(Err(ConnectError::TimedOut))
}

/// Connects to the first address that answers.
pub(crate) async fn connect_tcp(origin: &Origin) -> Result<TcpStream, ConnectError> {
    let mut last = ConnectError::NoAddress;
    for address in tokio::net::lookup_host((origin.bare_host(), origin.port)).await?.filter(is_a_backends) {
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
pub(crate) async fn connect_tls(
    origin: &Origin,
    tls: &Arc<ClientConfig>,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ConnectError> {
    let name = ServerName::try_from(origin.bare_host().to_owned()).map_err(|_| ConnectError::NoServerName)?;
    Ok(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?)
}

/// Keeps out addresses that no backend has, and the link-local ones where clouds keep their metadata services.
fn is_a_backends(address: &SocketAddr) -> bool {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_link_local()),
        IpAddr::V6(ip) => !(ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_and_nowhere_are_no_backends() {
        for bad in [
            "169.254.169.254:80",
            "0.0.0.0:80",
            "[::]:80",
            "[fe80::1]:80",
            "[::ffff:169.254.169.254]:80",
            "224.0.0.1:80",
        ] {
            assert!(!is_a_backends(&bad.parse().unwrap()), "{bad}");
        }
        for good in ["127.0.0.1:80", "10.0.0.1:80", "[::1]:80", "192.0.2.1:80"] {
            assert!(is_a_backends(&good.parse().unwrap()), "{good}");
        }
    }

    #[tokio::test]
    async fn dp_07_a_backend_that_refuses_is_an_error() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = Origin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        drop(listener);
        assert!(matches!(connect(&origin, None).await, Err(ConnectError::Io(_))));
    }
}
