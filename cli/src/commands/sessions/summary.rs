//! One session in a list.

use crate::shown::{Span, Utc, escape};
use comfy_table::{Table, presets};
use hoop_model::{SessionId, UnixMillis};
use hoop_wire::v1;
use serde_json::{Value, json};
use std::time::Duration;

/// One session in a list, as the control plane knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) id: SessionId,
    said: v1::SessionSummary,
}

impl TryFrom<v1::SessionSummary> for Summary {
    type Error = hoop_model::InvalidId;
    fn try_from(said: v1::SessionSummary) -> Result<Self, Self::Error> {
        Ok(Self { id: SessionId::from_slice(&said.id)?, said })
    }
}

impl Summary {
    /// Returns `refused`, `open`, or why it ended.
    fn state(&self) -> &str {
        match (self.said.opened, self.said.ended.as_str()) {
            (false, _) => "refused",
            (true, "") => "open",
            (true, ended) => ended,
        }
    }

    /// Returns the time from the first record to the last there is.
    fn duration(&self) -> Duration {
        Duration::from_millis(self.said.last_ms.saturating_sub(self.said.opened_ms))
    }

    fn row(&self) -> [String; 10] {
        let said = &self.said;
        [
            self.id.to_string(),
            escape(&said.identity),
            escape(&said.connection),
            escape(&said.run),
            Utc(UnixMillis(said.opened_ms)).to_string(),
            if said.opened { Span(self.duration()).to_string() } else { "-".to_owned() },
            escape(self.state()),
            said.commands.to_string(),
            said.refused.to_string(),
            said.held.to_string(),
        ]
    }

    /// Returns every field, with the times in both forms.
    pub(super) fn json(&self) -> Value {
        let said = &self.said;
        json!({
            "id": self.id.to_string(),
            "identity": said.identity,
            "connection": said.connection,
            "run": said.run,
            "issuer": said.issuer,
            "node": said.node,
            "opened": Utc(UnixMillis(said.opened_ms)).to_string(),
            "opened_ms": said.opened_ms,
            "last": Utc(UnixMillis(said.last_ms)).to_string(),
            "last_ms": said.last_ms,
            "state": self.state(),
            "commands": said.commands,
            "allowed": said.allowed,
            "refused": said.refused,
            "held": said.held,
        })
    }
}

/// Lays sessions out for people.
pub(super) fn table(sessions: &[Summary]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "ID",
        "IDENTITY",
        "CONNECTION",
        "RUN",
        "OPENED",
        "DURATION",
        "STATE",
        "COMMANDS",
        "REFUSED",
        "HELD",
    ]);
    for session in sessions {
        table.add_row(session.row());
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> v1::SessionSummary {
        v1::SessionSummary {
            id: 0xab_u128.to_be_bytes().to_vec(),
            identity: "nightly".into(),
            connection: "react".into(),
            run: "42\u{1b}[2J".into(),
            issuer: "https://ci.example".into(),
            node: "edge-1".into(),
            opened_ms: 1_795_356_187_123,
            last_ms: 1_795_356_188_723,
            opened: true,
            ended: String::new(),
            commands: 4,
            allowed: 2,
            refused: 1,
            held: 1,
        }
    }

    fn summary(said: v1::SessionSummary) -> Summary {
        said.try_into().unwrap()
    }

    #[test]
    fn a_table_has_one_line_per_session() {
        let refused =
            v1::SessionSummary { opened: false, commands: 0, refused: 0, held: 0, run: "43".into(), ..said() };
        let ended = v1::SessionSummary { ended: "finished".into(), run: "44".into(), ..said() };
        let shown = table(&[summary(said()), summary(refused), summary(ended)]);
        let rows: Vec<Vec<_>> = shown
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        let id = "000000000000000000000000000000ab";
        let opened = "2026-11-22T14:03:07.123Z";
        let header =
            ["ID", "IDENTITY", "CONNECTION", "RUN", "OPENED", "DURATION", "STATE", "COMMANDS", "REFUSED", "HELD"];
        let expected = [
            header,
            [id, "nightly", "react", r"42\u{1b}[2J", opened, "1.6 s", "open", "4", "1", "1"],
            [id, "nightly", "react", "43", opened, "-", "refused", "0", "0", "0"],
            [id, "nightly", "react", "44", opened, "1.6 s", "finished", "4", "1", "1"],
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn json_has_every_field() {
        let expected = json!({
            "id": "000000000000000000000000000000ab", "identity": "nightly", "connection": "react",
            "run": "42\u{1b}[2J", "issuer": "https://ci.example", "node": "edge-1",
            "opened": "2026-11-22T14:03:07.123Z", "opened_ms": 1_795_356_187_123_u64,
            "last": "2026-11-22T14:03:08.723Z", "last_ms": 1_795_356_188_723_u64,
            "state": "open", "commands": 4, "allowed": 2, "refused": 1, "held": 1,
        });
        assert_eq!(summary(said()).json(), expected);
    }

    #[test]
    fn a_session_without_an_id_is_not_shown() {
        assert!(Summary::try_from(v1::SessionSummary { id: vec![1], ..said() }).is_err());
    }
}
