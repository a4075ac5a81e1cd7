//! `hoopctl fleet`: the data-plane nodes.

use super::{Format, Outcome};
use crate::client::{Admin, said};
use comfy_table::{Table, presets};
use hoop_wire::v1;
use serde_json::json;

/// Looks at the data plane.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Fleet {
    /// Prints every node: whether it is connected, what it has applied, and the lease it holds.
    Status {
        /// How to print.
        #[arg(short, long = "output", value_enum, default_value = "table")]
        output: Format,
    },
}

impl Fleet {
    pub(crate) async fn run(&self, mut admin: Admin) -> anyhow::Result<Outcome> {
        let Self::Status { output } = self;
        let reply = admin.fleet_status(v1::FleetStatusRequest {}).await.map_err(said)?.into_inner();
        let nodes = reply.nodes.iter().map(json).collect();
        output.print(&nodes, || table(&reply).to_string())?;
        Ok(Outcome::Done)
    }
}

fn revision(revision: Option<v1::Revision>) -> String {
    revision.map_or_else(|| "none".to_owned(), |r| format!("{}.{}", r.epoch, r.index))
}

fn table(reply: &v1::FleetStatusResponse) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["NODE", "CONNECTED", "APPLIED", "LEASE", "LABELS", "PROBLEM"]);
    for node in &reply.nodes {
        let labels: Vec<_> = node.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        table.add_row([
            node.name.clone(),
            if node.connected { "yes" } else { "no" }.to_owned(),
            revision(node.applied),
            format!("{} ms", node.lease_granted_ms),
            labels.join(","),
            node.cannot_apply.clone(),
        ]);
    }
    table
}

fn json(node: &v1::NodeStatus) -> serde_json::Value {
    json!({
        "name": node.name,
        "labels": node.labels,
        "connected": node.connected,
        "applied": revision(node.applied),
        "lease_granted_ms": node.lease_granted_ms,
        "last_renewal_ms": node.last_renewal_ms,
        "cannot_apply": node.cannot_apply,
    })
}
