//! The control plane: administration, joining, the link to the fleet and its evidence, over the replicated state.
//!
//! Here live the gRPC services, who may call them, and everything that is decided before a change is proposed: trust
//! rules and policies are judged here, over the world as it would be. What a change does to the state is hoop-state's,
//! how it is agreed on is hoop-raft's, and what a policy means is hoop-policy's. Nothing here forwards anybody's request.
//!
//! ```text
//!   one TLS port ─▶ authorise (method ─▶ who may call it; no row = denied)
//!                      │
//!                      ├─ SignIn one-time token      ─▶ sign_in: a session of an administrator
//!                      ├─ Admin  session, or person  ─▶ admin: judge the would-be world ─▶ propose
//!                      ├─ Join   one-time token      ─▶ join: spend the token ─▶ certificate
//!                      ├─ Fleet  node certificate    ─▶ fleet: snapshots, acknowledgements, leases
//!                      ├─ Evidence  node certificate ─▶ evidence: segments ─▶ store, log, index
//!                      ├─ Sessions, Audit  bearer    ─▶ evidence: what was recorded, and the proof of it
//!                      ├─ Holds     node certificate ─▶ approvals: what waits for people, and its one release
//!                      └─ Approvals person's token   ─▶ people: who it is ─▶ approvals: what they say
//!                                                          │
//!   cluster: propose · fresh (a read index begun after the request) · CA ─▶ hoop-raft
//! ```

mod admin;
mod approvals;
mod authorise;
mod birth;
mod cluster;
mod config;
mod evidence;
mod fleet;
mod fresh;
mod join;
mod meter;
mod people;
mod recovery;
mod reply;
mod secrets;
mod serve;
mod sign_in;
mod start;
mod token;
mod traced;

#[cfg(test)]
mod tests;

pub use birth::BirthError;
pub use config::{Config, InvalidConfig};
pub use evidence::{EvidenceError, EvidenceLimits};
pub use serve::CannotServe;
pub use start::{CA_FILE, ControlPlane, Running, StartError};
