//! Connecting to somebody else's server: resolve, check the address, TCP, TLS with a verified certificate.

use hoop_model::spec::Origin;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
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

/// Where clouds keep their metadata services beside the link-local addresses: Amazon EC2 and Google Compute Engine over
/// IPv6, Alibaba Cloud, and Oracle Cloud's older one. Whoever speaks to them is given the machine's own credentials.
const METADATA: [IpAddr; 4] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// Keeps out addresses that no server has, and those where clouds keep their metadata services.
fn is_a_servers(address: &SocketAddr) -> bool {
    let ip = embedded(address.ip());
    let is_nobodys = match ip {
        IpAddr::V4(ip) => ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local(),
    };
    !is_nobodys && !METADATA.contains(&ip)
}

/// Returns the IPv4 address that an IPv6 one leads to: mapped (RFC 4291 §2.5.5.2), or by the translators of RFC 6052 §2.1.
fn embedded(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                let bits = (u32::from(high) << 16) | u32::from(low);
                IpAddr::V4(Ipv4Addr::from_bits(bits))
            }
            _ => IpAddr::V6(v6),
        },
        v4 @ IpAddr::V4(_) => v4,
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
            "[64:ff9b::169.254.169.254]:80",
            "[64:ff9b::100.100.100.200]:80",
            "[fd00:ec2::254]:80",
            "[fd20:ce::254]:80",
            "100.100.100.200:80",
            "192.0.0.192:80",
            "224.0.0.1:80",
        ] {
            assert!(!is_a_servers(&bad.parse().unwrap()), "{bad}");
        }
        for good in
            ["127.0.0.1:80", "10.0.0.1:80", "[::1]:80", "192.0.2.1:80", "[fd00:ec2::1]:80", "[64:ff9b::192.0.2.1]:80"]
        {
            assert!(is_a_servers(&good.parse().unwrap()), "{good}");
        }
    }
}
