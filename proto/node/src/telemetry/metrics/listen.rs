//! Where the page is read: `GET /metrics`, on an address of its own.

use super::page::{Exposed, text};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// How many may read at the same time.
const READERS: usize = 8;
/// How long one may take, from connecting to the last byte.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// Largest request head, in bytes.
const MAX_HEAD_BYTES: usize = 8 << 10;
/// How long after a failed accept the next is tried.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// OpenMetrics 1.0.0, "Overall Structure".
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `[metrics]` of a configuration file: where the page is, if anywhere.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawListen {
    /// The address and port: `127.0.0.1:9464`.
    pub listen: Option<String>,
    /// `allowed` where others than this machine may read it: the page is plaintext, and names connections and nodes.
    pub plaintext: Option<String>,
}

/// Says what is wrong with `[metrics]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidListen(pub &'static str);

impl RawListen {
    /// Returns where the page is to be read; `None` for nowhere.
    ///
    /// # Errors
    /// [`InvalidListen`], above all for an address that others reach and that was not asked for by name.
    pub fn check(self) -> Result<Option<SocketAddr>, InvalidListen> {
        let is_allowed = match self.plaintext.as_deref() {
            None => false,
            Some("allowed") => true,
            Some(_) => return Err(InvalidListen("`plaintext` may only be `allowed`")),
        };
        let Some(listen) = self.listen else { return Ok(None) };
        let listen: SocketAddr =
            listen.parse().map_err(|_| InvalidListen("`listen` must be an IP address and a port: `127.0.0.1:9464`"))?;
        if is_allowed || listen.ip().to_canonical().is_loopback() {
            Ok(Some(listen))
        } else {
            Err(InvalidListen(
                "`listen` is not a loopback address: set `plaintext = \"allowed\"` if others may read it",
            ))
        }
    }
}

/// Serves the page until it is dropped.
pub async fn serve(listener: TcpListener, exposed: Arc<dyn Exposed>) {
    let readers = Arc::new(Semaphore::new(READERS));
    loop {
        // INVARIANT: the semaphore is never closed.
        let Ok(reader) = Arc::clone(&readers).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let exposed = Arc::clone(&exposed);
                tokio::spawn(async move {
                    // Late or broken: whoever reads asks again.
                    let _ = tokio::time::timeout(READ_WITHIN, read(stream, exposed)).await;
                    drop(reader);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a reader of metrics");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn read(stream: TcpStream, exposed: Arc<dyn Exposed>) -> hyper::Result<()> {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&request, &exposed);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).keep_alive(false).max_buf_size(MAX_HEAD_BYTES);
    builder.serve_connection(TokioIo::new(stream), service).await
}

fn respond(request: &Request<Incoming>, exposed: &Arc<dyn Exposed>) -> Response<Full<Bytes>> {
    let said = |status, kind: &'static str, body: Bytes| {
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
        response
    };
    let plain = |status, body: &'static str| said(status, "text/plain", Bytes::from_static(body.as_bytes()));
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => match text(exposed) {
            Ok(text) => said(StatusCode::OK, CONTENT_TYPE, Bytes::from(text)),
            Err(fmt_error) => {
                tracing::error!(error = %fmt_error, "the metrics cannot be written");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n")
            }
        },
        (_, "/metrics") => plain(StatusCode::METHOD_NOT_ALLOWED, "GET /metrics\n"),
        _ => plain(StatusCode::NOT_FOUND, "GET /metrics\n"),
    }
}
