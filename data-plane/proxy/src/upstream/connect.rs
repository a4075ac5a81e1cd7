//! Connecting to a backend within a time, over HTTP. Which addresses and certificates are good is hoop-node's.

use super::line::Line;
use hoop_model::spec::Origin;
use hoop_node::issuer::connect;
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;

/// How long resolving and connecting, TLS included, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Says why there is no connection. For the log; a caller learns only that the backend could not be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// It took too long.
    #[error("no connection within 5 s")]
    TimedOut,
    /// The address, the network or TLS said no.
    #[error(transparent)]
    Unreachable(#[from] connect::ConnectError),
    /// HTTP could not be set up.
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// Connects for one request.
pub(crate) async fn connect(origin: &Origin, tls: Option<&Arc<ClientConfig>>) -> Result<Line, ConnectError> {
    let connecting = async {
        let stream = connect::tcp(origin).await?;
        match tls {
            None => Ok(Line::open(stream).await?),
            Some(tls) => Ok(Line::open(connect::tls(origin, tls, stream).await?).await?),
        }
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or(Err(ConnectError::TimedOut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn dp_07_a_backend_that_refuses_is_an_error() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = Origin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        drop(listener);
        assert!(matches!(connect(&origin, None).await, Err(ConnectError::Unreachable(connect::ConnectError::Io(_)))));
    }
}
