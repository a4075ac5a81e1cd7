//! A small HTTP server for the demo's own parts.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;

const MAX_BODY_BYTES: usize = 64 << 10;

/// A request with its whole body.
pub(super) type Whole = Request<Bytes>;

/// Serves `answer` on a free loopback port until the process ends.
pub(super) async fn serve<F>(answer: F) -> anyhow::Result<SocketAddr>
where
    F: Fn(Whole) -> Response<Full<Bytes>> + Send + Sync + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listen on loopback")?;
    let address = listener.local_addr()?;
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            let service = service_fn(move |request| respond(Arc::clone(&answer), request));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

async fn respond<F>(
    answer: Arc<F>,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    F: Fn(Whole) -> Response<Full<Bytes>>,
{
    let (head, body) = request.into_parts();
    Ok(match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => answer(Request::from_parts(head, body.to_bytes())),
        Err(_) => json(413, &serde_json::json!({"error": "too large"})),
    })
}

/// Makes a JSON response.
pub(super) fn json(status: u16, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}
