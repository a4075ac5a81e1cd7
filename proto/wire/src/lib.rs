//! The wire contract as Rust: types generated from `proto/hoop/v1`, and their conversion to and from the model.
//!
//! Generated types never travel past this crate's users: whoever receives bytes converts them here, where every value is
//! parsed and bounded once. No sockets and no channels: those are hoop-rpc's.
//!
//! ```text
//!   hoop/v1/*.proto ──build.rs──▶ v1::*   ◀──TryFrom/From──▶   hoop_model::*
//! ```

/// The generated types and services of package `hoop.v1`.
#[expect(
    missing_docs,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated; the contract documents it"
)]
pub mod v1 {
    tonic::include_proto!("hoop.v1");
}

mod approval;
mod connection;
mod data_class;
mod error;
mod evidence;
mod identity;
mod issuer;
mod object;
mod person;
mod revision;
mod secret;
#[cfg(test)]
mod tests;

pub use approval::command_digest;
pub use error::Malformed;
pub use object::{document_name, kind};
