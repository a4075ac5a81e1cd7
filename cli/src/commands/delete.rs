//! `hoopctl delete`: remove one object that nothing refers to.

use super::{Outcome, complain, print_line};
use crate::client::{Admin, said};
use hoop_wire::v1;

/// Deletes one resource.
#[derive(Debug, clap::Args)]
pub(crate) struct Delete {
    /// The kind, for example `Policy`.
    kind: String,
    /// The name.
    name: String,
    /// Return once it is in effect on every node: applied, or without authority.
    #[arg(long)]
    wait: bool,
}

impl Delete {
    pub(crate) async fn run(&self, mut admin: Admin) -> anyhow::Result<Outcome> {
        let request = v1::DeleteRequest {
            kind: self.kind.clone(),
            name: self.name.clone(),
            precondition: None,
            idempotency_key: hoop_node::random::<16>().to_vec(),
        };
        let reply = match admin.delete(request).await {
            Ok(reply) => reply.into_inner(),
            Err(status) if status.code() == tonic::Code::FailedPrecondition => {
                complain(&format!("refused: {}", status.message()));
                return Ok(Outcome::Refused);
            }
            Err(status) => return Err(said(status)),
        };
        print_line(&format!("{}/{} deleted", self.kind, self.name))?;
        match reply.revision {
            Some(revision) if self.wait => super::apply::wait(&mut admin, revision).await,
            Some(_) | None => Ok(Outcome::Done),
        }
    }
}
