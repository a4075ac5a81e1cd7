//! The data-plane shell: accept, TLS, sign-in, upstreams, control link, evidence spool.
//!
//! Here lives everything of a data-plane node that touches the world: sockets, clocks, randomness, files, threads. What
//! must not live here: what a request means (hoop-http), who a token stands for (hoop-identity), what a caller may do
//! (hoop-policy), and when it may do it (hoop-gate); the shell only carries their outcomes from one to the next.
//!
//! ```text
//!   N shard threads, each with its own listener, runtime, pool, caches and chain
//!     front ──▶ walk ──▶ upstream            per request: one load of the world, one record before, one after
//!      guard     token    pool, line
//!      serve     session  send, answer ──▶ evidence, and its syncer's thread
//!                hold ◀──────────────────────────────────────────▶ control/holds, by the desk
//!                  ▲                          │ pieces of the chain
//!                  │ ArcSwap<World>           ▼
//!                  │ ArcSwap<Lease>         1 keeper's thread
//!   1 control thread                          │ sealed segments
//!     join ──▶ link ──▶ publish ◀── jwks      ▼
//!        └────────────────────────────────▶ ship
//! ```

mod config;
mod control;
mod credential;
mod evidence;
mod front;
mod hold;
mod meter;
mod settling;
mod shard;
mod start;
mod tls;
mod upstream;
mod walk;
mod world;

pub use config::{
    Config, DEFAULT_SPOOL_MAX_BYTES, InvalidConfig, Join, RawConfig, RawJoin, RawSecrets, RawTls, Transport,
};
pub use credential::source::SecretSources;
pub use start::{DataPlane, Running, StartError};
pub use tls::TlsError;
