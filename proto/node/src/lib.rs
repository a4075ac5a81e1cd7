//! What every binary needs to stand up: telemetry, node certificates, configuration files, key files, issuers' keys.
//!
//! Here live the few things that touch the process or the host: its clocks, its random bits, its files, its log, the
//! keys and certificates by which nodes know each other, and the fetching of the keys by which tokens are known. No
//! other sockets, no message of the contract and no decision about a token or a command: those belong to hoop-rpc, to
//! the planes and to the pure crates.
//!
//! ```text
//!   main ─▶ config    one TOML file ─▶ typed value, or line and column
//!        ─▶ telemetry stderr, one event per line whatever a user's text holds
//!        ─▶ crypto    the one TLS provider
//!   linked ─▶ memory   the allocator of every binary
//!   shells ─▶ clock, random                 `now` and ids, for the pure crates
//!          ─▶ pki     ClusterCa ─signs─▶ NodeKey's request ─▶ certificate ─▶ PeerIdentity
//!          ─▶ seal    SealKey: secrets at rest, bound to what they belong to
//!          ─▶ files   durable directories, durable replacement of small files
//!          ─▶ issuer  IssuerKeys: discovered, bounded, kept fresh
//! ```

pub mod clock;
pub mod config;
pub mod crypto;
pub mod files;
pub mod issuer;
mod memory;
pub mod pki;
mod random;
pub mod seal;
pub mod telemetry;

pub use random::{random, random_id};
