//! `hoopctl fleet`: the data-plane nodes.

use super::{Format, Outcome};
use crate::client::{Admin, said};
use crate::shown::Utc;
use comfy_table::{Table, presets};
use hoop_model::UnixMillis;
use hoop_wire::v1;
use serde_json::json;
use std::time::Duration;

/// Looks at the data plane, and removes nodes from it.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Fleet {
    /// Prints every node: whether it is connected, stuck, draining or away, what it judges by, how long its lease lasts yet,
    /// its program's version, its labels, and why it cannot apply what it was sent.
    Status {
        /// How to print.
        #[arg(short, long = "output", value_enum, default_value = "table")]
        output: Format,
    },
    /// Removes a node that is gone for good: its certificate admits nobody from then on, and its name is free. Prints when
    /// whatever it was allowed to do has ended, at the latest.
    Remove {
        /// The node.
        node: String,
        /// Remove it also if it is attached, or may have records that the evidence store lacks: the evidence log then says
        /// which of them are lost.
        #[arg(long)]
        force: bool,
        /// How to print.
        #[arg(short, long = "output", value_enum, default_value = "table")]
        output: Format,
    },
}

impl Fleet {
    pub(crate) async fn run(&self, admin: Admin) -> anyhow::Result<Outcome> {
        match self {
            Self::Status { output } => status(admin, *output).await,
            Self::Remove { node, force, output } => remove(admin, node, *force, *output).await,
        }
    }
}

async fn status(mut admin: Admin, output: Format) -> anyhow::Result<Outcome> {
    let reply = admin.fleet_status(v1::FleetStatusRequest {}).await.map_err(said)?.into_inner();
    let nodes = reply.nodes.iter().map(|node| json(node, reply.revision)).collect();
    output.print(&nodes, || table(&reply).to_string())?;
    Ok(Outcome::Done)
}

async fn remove(mut admin: Admin, node: &str, force: bool, output: Format) -> anyhow::Result<Outcome> {
    let request = v1::RemoveNodeRequest { node: node.to_owned(), force };
    let fenced_at_ms = admin.remove_node(request).await.map_err(said)?.into_inner().fenced_at_ms;
    let facts = json!({"node": node, "fenced_at_ms": fenced_at_ms});
    let until = Utc(UnixMillis(fenced_at_ms));
    output.print(&facts, || format!("removed {node}; what it was allowed to do ends by {until}"))?;
    Ok(Outcome::Done)
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

/// Says what keeps it from serving: what it cannot apply, or its clock.
fn problem(node: &v1::NodeStatus) -> String {
    if !node.cannot_apply.is_empty() || node.clock_ahead_ms == 0 {
        return node.cannot_apply.clone();
    }
    let seconds = Duration::from_millis(node.clock_ahead_ms.unsigned_abs()).as_secs_f32();
    let direction = if node.clock_ahead_ms > 0 { "ahead" } else { "behind" };
    format!("its clock is {seconds:.1} s {direction}")
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
            problem(node),
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
        "clock_ahead_ms": node.clock_ahead_ms,
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
        for (ahead, said) in [(0, ""), (7_240, "its clock is 7.2 s ahead"), (-6_000, "its clock is 6.0 s behind")] {
            assert_eq!(problem(&v1::NodeStatus { clock_ahead_ms: ahead, ..node.clone() }), said);
        }
        assert_eq!(problem(&v1::NodeStatus { clock_ahead_ms: 9_000, cannot_apply: "no".into(), ..node.clone() }), "no");
        let shown = table(&v1::FleetStatusResponse { nodes: vec![node], revision: newest }).to_string();
        let row: Vec<_> = shown.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["dp-1", "connected", "1.9", "14.2", "s", "0.1.0"]);
    }
}
