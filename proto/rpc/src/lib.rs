//! gRPC channel and server set-up over the wire types: mTLS, limits, deadlines.
//!
//! Here lives what every connection between two of our processes has in common: who must prove what in the TLS
//! handshake, how large a message may be, and how soon a dead peer is noticed. No service is implemented here, nothing
//! is authorised here, and no message is looked into.
//!
//! ```text
//!   client ── connect ──▶ TLS 1.2+, HTTP/2 ──▶ server ── peer_certificate ──▶ the service authorises by role
//!             the server proves its name under the cluster CA;
//!             the client may prove a certificate under the same CA: a false one ends the handshake, none goes on
//! ```

pub mod authority;
mod channel;
mod server;

pub use channel::{ConnectError, connect};
pub use server::{ServerError, server, server_tls};

use std::time::Duration;

/// The DNS name that every control-plane node's server certificate carries, wherever it is dialled.
pub const SERVER_NAME: &str = "control-plane.hoop.internal";

/// Largest message either side accepts or sends, in bytes, above gRPC's usual 4 MiB because a snapshot is one message.
/// Clients and services set it as `max_decoding_message_size` and `max_encoding_message_size`.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// How long a connection may take to be established, from name resolution to the end of the TLS handshake.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// How long a connection may be silent before the peer is asked whether it is alive, also without open calls.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// How long the peer may take to answer that. A lease lasts 15 s: a dead link is noticed within 10 s of it.
const KEEPALIVE_DEADLINE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
