//! The control plane: administration, joining and the link to the fleet, over the replicated state.
//!
//! Here live the gRPC services, who may call them, and everything that is decided before a change is proposed: trust
//! rules and policies are judged here, over the world as it would be. What a change does to the state is hoop-state's,
//! how it is agreed on is hoop-raft's, and what a policy means is hoop-policy's. Nothing here forwards anybody's request.
//!
//! ```text
//!   one TLS port ─▶ authorise (method ─▶ who may call it; no row = denied)
//!                      │
//!                      ├─ Admin  bearer token        ─▶ admin: judge the would-be world ─▶ propose
//!                      ├─ Join   one-time token      ─▶ join: spend the token ─▶ certificate
//!                      └─ Fleet  node certificate    ─▶ fleet: snapshots, acknowledgements, leases
//!                                                          │
//!   cluster: propose · fresh (a read index begun after the request) · CA ─▶ hoop-raft
//! ```

mod admin;
mod authorise;
mod birth;
mod cluster;
mod config;
mod fleet;
mod fresh;
mod join;
mod reply;
mod serve;
mod start;
mod token;

#[cfg(test)]
mod tests;

pub use birth::BirthError;
pub use config::{Config, InvalidConfig};
pub use serve::CannotServe;
pub use start::{ControlPlane, Running, StartError};
