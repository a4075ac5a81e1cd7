//! How a revision stands with every node, as `--wait` says it.

use super::Outcome;
use crate::shown::Utc;
use comfy_table::{Table, presets};
use hoop_model::UnixMillis;
use hoop_wire::v1::NodeReceipt;
use hoop_wire::v1::node_receipt::Standing;
use serde_json::{Value, json};

/// Whether closed sessions are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Of the identity that was asked about.
    Sessions,
    /// Nobody was asked about.
    Nothing,
}

/// Returns what `--wait` exits with: done only if the revision is in effect on every node.
pub(super) fn outcome(nodes: &[NodeReceipt]) -> Outcome {
    let in_effect = |node: &NodeReceipt| matches!(node.standing(), Standing::Acknowledged | Standing::Fenced);
    if nodes.iter().all(in_effect) { Outcome::Done } else { Outcome::TimedOut }
}

/// Shows receipts to people.
pub(super) fn table(nodes: &[NodeReceipt], counted: Counted) -> Table {
    let mut table = Table::new();
    let mut header = vec!["NODE", "STANDING", "APPLIED"];
    if counted == Counted::Sessions {
        header.push("SESSIONS CLOSED");
    }
    table.load_style(presets::NOTHING).set_header(header);
    for node in nodes {
        let mut row = vec![node.node.clone(), standing(node), revision(node)];
        if counted == Counted::Sessions {
            row.push(node.sessions_closed.map_or_else(|| "-".to_owned(), |count| count.to_string()));
        }
        table.add_row(row);
    }
    table
}

/// Shows a receipt to scripts.
pub(super) fn json(node: &NodeReceipt) -> Value {
    let fenced_at = (node.fenced_at_ms > 0).then(|| Utc(UnixMillis(node.fenced_at_ms)).to_string());
    json!({
        "node": node.node,
        "standing": word(node.standing()),
        "applied": revision(node),
        "fenced_at": fenced_at,
        "sessions_closed": node.sessions_closed,
    })
}

fn standing(node: &NodeReceipt) -> String {
    let at = Utc(UnixMillis(node.fenced_at_ms));
    match node.standing() {
        Standing::Acknowledged => "acknowledged".to_owned(),
        Standing::Fenced => format!("not attached; without authority since {at}"),
        Standing::FenceRunning => format!("not acknowledged; without authority from {at} on"),
        Standing::Unbounded => "applied, but what it revokes is not cut yet: no bound".to_owned(),
        Standing::Unspecified => "unknown: no bound".to_owned(),
    }
}

const fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Acknowledged => "acknowledged",
        Standing::Fenced => "fenced",
        Standing::FenceRunning => "fence_running",
        Standing::Unbounded => "unbounded",
        Standing::Unspecified => "unknown",
    }
}

fn revision(node: &NodeReceipt) -> String {
    match node.applied {
        Some(applied) if applied.index > 0 => format!("{}.{}", applied.epoch, applied.index),
        Some(_) | None => "none known".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_wire::v1;

    fn node(name: &str, standing: Standing, fenced_at_ms: u64, sessions_closed: Option<u64>) -> NodeReceipt {
        let applied = Some(v1::Revision { epoch: 1, index: 7 });
        NodeReceipt { node: name.into(), standing: standing.into(), applied, fenced_at_ms, sessions_closed }
    }

    #[test]
    fn only_what_is_in_effect_everywhere_is_done() {
        let standing = |standing| node("n", standing, 0, None);
        let (here, gone) = (standing(Standing::Acknowledged), standing(Standing::Fenced));
        assert_eq!(outcome(&[here.clone(), gone.clone()]), Outcome::Done);
        for other in [Standing::FenceRunning, Standing::Unbounded, Standing::Unspecified] {
            assert_eq!(outcome(&[here.clone(), standing(other)]), Outcome::TimedOut, "{other:?}");
        }
        assert_eq!(outcome(&[]), Outcome::Done);
    }

    #[test]
    fn a_receipt_says_when_a_node_is_fenced_and_what_it_closed() {
        let away = node("b", Standing::FenceRunning, 1_000, None);
        let expected = json!({
            "node": "b", "standing": "fence_running", "applied": "1.7",
            "fenced_at": Utc(UnixMillis(1_000)).to_string(), "sessions_closed": null,
        });
        assert_eq!(json(&away), expected);
        let here = node("a", Standing::Acknowledged, 0, Some(2));
        assert_eq!(json(&here)["sessions_closed"], 2);
        let shown = table(&[here, away], Counted::Sessions).to_string();
        assert!(shown.contains("acknowledged") && shown.contains(&Utc(UnixMillis(1_000)).to_string()), "{shown}");
        let unbounded = table(&[node("c", Standing::Unbounded, 0, None)], Counted::Nothing).to_string();
        assert!(unbounded.contains("no bound") && !unbounded.contains("SESSIONS"), "{unbounded}");
    }
}
