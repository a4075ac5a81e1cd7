//! `hoopctl audit`: proof that what was recorded is what is kept.
//!
//! ```text
//!   store     the names of the files an evidence store has, and a strict walk over a directory of them
//!   export    the store, to a directory
//!   verify    such a directory, with nothing but a key
//! ```

mod export;
mod found;
#[cfg(test)]
pub(crate) mod samples;
mod store;
mod taking;
mod verify;

use super::{Outcome, print_line};
use crate::client::{self, Access, said};
use anyhow::Context;
use hoop_audit::{Checkpoint, VerifierKey};
use hoop_wire::v1;

/// Proves that the evidence is whole and unaltered.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Audit {
    /// Prints the newest signed checkpoint of the evidence log. Kept elsewhere, it proves later that nothing of what it
    /// covers was changed: `audit verify --checkpoint`.
    Checkpoint,
    /// Prints the key that verifies checkpoints. Keep it elsewhere: `audit verify --key` trusts nothing else.
    Key,
    Export(export::Export),
    Verify(verify::Verify),
}

impl Audit {
    pub(crate) async fn run(&self, access: &Access) -> anyhow::Result<Outcome> {
        match self {
            Self::Checkpoint => {
                let said = checkpoint(&mut access.audit().await?).await?;
                print_line(said.note.trim_end())?;
                Ok(Outcome::Done)
            }
            Self::Key => {
                let said = checkpoint(&mut access.audit().await?).await?;
                print_line(&said.key)?;
                Ok(Outcome::Done)
            }
            Self::Export(export) => export.run(access.audit().await?).await,
            Self::Verify(verify) => verify.run(),
        }
    }
}

/// What the control plane says of its log.
struct Said {
    note: String,
    key: String,
    origin: String,
}

/// Asks for the checkpoint and its key; they must fit each other.
async fn checkpoint(audit: &mut client::Audit) -> anyhow::Result<Said> {
    let reply = audit.checkpoint(v1::CheckpointRequest {}).await.map_err(said)?.into_inner();
    let key: VerifierKey = reply.key.parse().context("the control plane sent a key that cannot be read")?;
    let opened =
        Checkpoint::open(&reply.note, &key).context("the control plane sent a checkpoint that its key did not sign")?;
    Ok(Said { note: reply.note, key: key.to_string(), origin: opened.origin })
}
