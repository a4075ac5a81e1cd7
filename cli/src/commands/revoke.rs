//! `hoopctl revoke`: an identity ends, and every node says so.

use super::receipts::{self, Counted};
use super::{Format, Outcome};
use crate::client::{Admin, said};
use anyhow::Context;
use hoop_model::parse_span;
use hoop_wire::v1;
use serde_json::{Value, json};
use std::time::Duration;

/// Suspends an identity: its commands are refused and its open sessions cut.
///
/// One committed change. To take it back, apply the Identity with `suspended: false`, which is also what a document
/// without that line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Revoke {
    /// The identity's name.
    identity: String,
    /// Return once no node lets the identity go on: each has cut its sessions, or has no authority left.
    #[arg(long)]
    wait: bool,
    /// How long to wait at most, up to 10m.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span)]
    timeout: Duration,
    /// How to print.
    #[arg(short, long = "output", value_enum, default_value = "table")]
    output: Format,
}

impl Revoke {
    pub(crate) async fn run(&self, mut admin: Admin) -> anyhow::Result<Outcome> {
        let request = v1::RevokeRequest { identity: self.identity.clone() };
        let revoked = admin.revoke(request).await.map_err(said)?.into_inner();
        let nodes = if self.wait { Some(self.receipts(&mut admin, &revoked).await?) } else { None };
        self.print(&revoked, nodes.as_deref())?;
        Ok(nodes.map_or(Outcome::Done, |nodes| receipts::outcome(&nodes)))
    }

    async fn receipts(&self, admin: &mut Admin, revoked: &v1::RevokeResponse) -> anyhow::Result<Vec<v1::NodeReceipt>> {
        let request = v1::WaitAppliedRequest {
            revision: revoked.revision,
            timeout_ms: u64::try_from(self.timeout.as_millis()).context("the time-out is too long")?,
            identity_uid: revoked.identity_uid.clone(),
        };
        let waited = admin.wait_applied(request).await.map_err(said);
        let waited = waited.context("it is revoked, but how the nodes stand is not known")?;
        Ok(waited.into_inner().nodes)
    }

    fn print(&self, revoked: &v1::RevokeResponse, nodes: Option<&[v1::NodeReceipt]>) -> anyhow::Result<()> {
        let revision = revoked.revision.map_or_else(|| "?".to_owned(), |r| format!("{}.{}", r.epoch, r.index));
        let value = json!({
            "identity": self.identity,
            "already": revoked.already,
            "revision": revision,
            "nodes": nodes.map(|nodes| nodes.iter().map(receipts::json).collect::<Vec<Value>>()),
        });
        self.output.print(&value, || {
            let done = if revoked.already { "was revoked before" } else { "revoked" };
            let said = format!("Identity/{} {done}, at revision {revision}", self.identity);
            match nodes {
                Some([]) => format!("{said}\nno node has joined"),
                Some(nodes) => format!("{said}\n{}", receipts::table(nodes, Counted::Sessions)),
                None => said,
            }
        })
    }
}

fn span(text: &str) -> Result<Duration, String> {
    let span = parse_span(text).map_err(|error| error.to_string())?;
    if span <= Duration::from_secs(600) { Ok(span) } else { Err("at most 10m".to_owned()) }
}
