//! One caller's connection, request by request.

use super::guard::Guard;
use super::severance::Severance;
use crate::shard::Shard;
use crate::walk::walk;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long a connection may wait for its next request. How long a head may take once it has begun is the guard's.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);
/// Most header fields of a request.
const MAX_HEADERS: usize = 100;
/// Largest request head, in bytes; also what one connection may buffer.
const MAX_BUFFER_BYTES: usize = 64 << 10;

/// Serves a connection until the caller ends it, it idles for too long, or the node stops.
pub(crate) async fn serve<S>(shard: Rc<Shard>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut draining = shard.shared.draining.subscribe();
    let severance = Severance::new();
    let severed = severance.clone();
    let service = service_fn(move |request| {
        let (shard, severance) = (Rc::clone(&shard), severance.clone());
        async move { Ok::<_, Infallible>(walk(&shard, request, severance).await) }
    });
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(KEEP_ALIVE_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_BUFFER_BYTES)
        .half_close(false)
        .pipeline_flush(false);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Guard::new(stream)), service));
    let serving = async {
        tokio::select! {
            served = connection.as_mut() => served,
            _ = draining.wait_for(|draining| *draining) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    let served = tokio::select! {
        served = serving => served,
        () = severed.severed() => {
            tracing::debug!("a caller's connection was ended: its session is over");
            return;
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a caller's connection ended early");
    }
}
