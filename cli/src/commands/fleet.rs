//! `hoopctl fleet`: the data-plane nodes.

use super::{Format, Outcome};
use crate::client::{Admin, said};
use comfy_table::{Table, presets};
use hoop_wire::v1;
use serde_json::json;
use std::time::Duration;

/// Looks at the data plane.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Fleet {
    /// Prints every node: whether it is connected, stuck, draining or away, what it judges by, how long its lease lasts yet,
    /// its program's version, its labels, and why it cannot apply what it was sent.
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
        let nodes = reply.nodes.iter().map(|node| json(node, reply.revision)).collect();
        output.print(&nodes, || table(&reply).to_string())?;
        Ok(Outcome::Done)
    }
}

/// Says in one word whether the node serves callers.
const fn state(node: &v1::NodeStatus) -> &'static str {
    match (node.connected, node.draining) {
        (true, false) if node.cannot_apply.is_empty() => "connected",
        (true, false) => "stuck",
        (true, true) => "draining",
        (false, _) => "away",
    }
}

/// Says what it judges by, and what it lacks.
fn applied(node: &v1::NodeStatus, newest: Option<v1::Revision>) -> String {
    if node.applied == newest {
        return revision(newest);
    }
    format!("{}, newest is {}", revision(node.applied), revision(newest))
}

fn revision(revision: Option<v1::Revision>) -> String {
    let revision = revision.filter(|revision| revision.index > 0);
    revision.map_or_else(|| "none".to_owned(), |r| format!("{}.{}", r.epoch, r.index))
}

/// Says how long its lease lasts yet, and how long reads do after it.
fn left(node: &v1::NodeStatus) -> String {
    let seconds = |millis| Duration::from_millis(millis).as_secs_f32();
    let lease = format!("{:.1} s", seconds(node.lease_left_ms));
    if node.reads_left_ms <= node.lease_left_ms {
        return lease;
    }
    format!("{lease}, reads {:.0} s", seconds(node.reads_left_ms))
}

fn table(reply: &v1::FleetStatusResponse) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "NODE",
        "STATE",
        "APPLIED",
        "LEASE LEFT",
        "VERSION",
        "LABELS",
        "PROBLEM",
    ]);
    for node in &reply.nodes {
        let labels: Vec<_> = node.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        table.add_row([
            node.name.clone(),
            state(node).to_owned(),
            applied(node, reply.revision),
            left(node),
            if node.version.is_empty() { "-".to_owned() } else { node.version.clone() },
            labels.join(","),
            node.cannot_apply.clone(),
        ]);
    }
    table
}

fn json(node: &v1::NodeStatus, newest: Option<v1::Revision>) -> serde_json::Value {
    json!({
        "name": node.name,
        "labels": node.labels,
        "connected": node.connected,
        "applied": revision(node.applied),
        "newest": revision(newest),
        "lease_granted_ms": node.lease_granted_ms,
        "lease_left_ms": node.lease_left_ms,
        "reads_left_ms": node.reads_left_ms,
        "draining": node.draining,
        "version": node.version,
        "last_renewal_ms": node.last_renewal_ms,
        "cannot_apply": node.cannot_apply,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_shown_with_what_it_lacks() {
        let newest = Some(v1::Revision { epoch: 1, index: 9 });
        let node = v1::NodeStatus {
            name: "dp-1".into(),
            connected: true,
            applied: newest,
            lease_left_ms: 14_200,
            version: "0.1.0".into(),
            ..Default::default()
        };
        let states = [
            (node.clone(), "connected", "1.9"),
            (v1::NodeStatus { cannot_apply: "no".into(), ..node.clone() }, "stuck", "1.9"),
            (v1::NodeStatus { draining: true, ..node.clone() }, "draining", "1.9"),
            (v1::NodeStatus { connected: false, applied: None, ..node.clone() }, "away", "none, newest is 1.9"),
        ];
        for (node, expected, judges_by) in &states {
            assert_eq!((state(node), applied(node, newest).as_str()), (*expected, *judges_by));
        }
        let stale = v1::NodeStatus { lease_left_ms: 0, reads_left_ms: 35_400, ..node.clone() };
        assert_eq!(left(&stale), "0.0 s, reads 35 s");
        let shown = table(&v1::FleetStatusResponse { nodes: vec![node], revision: newest }).to_string();
        let row: Vec<_> = shown.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["dp-1", "connected", "1.9", "14.2", "s", "0.1.0"]);
    }
}
