//! A connection to a backend, checked out of the pool or made.

use super::token::Caller;
use crate::shard::Shard;
use crate::upstream::connect::connect;
use crate::upstream::line::Line;
use crate::upstream::pool::PoolKey;
use crate::world::Backend;
use hoop_model::{Code, Refusal};
use std::future::poll_fn;
use std::task::Poll;

/// A connection that only this identity has used, and where it goes back to.
pub(crate) struct Checkout {
    pub(crate) line: Line,
    pub(crate) key: PoolKey,
}

/// Returns a connection to the backend that only this identity has used.
///
/// # Errors
/// [`Code::UpstreamUnreachable`].
pub(crate) async fn checkout(shard: &Shard, caller: &Caller, backend: &Backend) -> Result<Checkout, Box<Refusal>> {
    let key = PoolKey { connection: backend.uid, generation: backend.generation, identity: caller.identity.uid };
    let pooled = poll_fn(|cx| Poll::Ready(shard.pool.borrow_mut().take(key, cx))).await;
    if let Some(line) = pooled {
        return Ok(Checkout { line, key });
    }
    let connected = connect(&backend.spec.upstream, backend.tls.as_ref()).await;
    let line = connected.map_err(|error| {
        let error = crate::control::chain(&error);
        tracing::warn!(connection = %backend.name, %error, "a backend cannot be reached");
        Box::new(Refusal::because(Code::UpstreamUnreachable, "the backend cannot be reached"))
    })?;
    Ok(Checkout { line, key })
}

/// Returns the connection if it is still good after a while, and another otherwise.
///
/// # Errors
/// As [`checkout`].
pub(crate) async fn still_good(
    shard: &Shard,
    caller: &Caller,
    backend: &Backend,
    mut held: Checkout,
) -> Result<Checkout, Box<Refusal>> {
    let is_usable = poll_fn(|cx| Poll::Ready(held.line.is_usable(cx))).await;
    if is_usable { Ok(held) } else { checkout(shard, caller, backend).await }
}
