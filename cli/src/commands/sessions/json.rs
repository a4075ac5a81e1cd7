//! A record as one JSON object, with every field it has.

use super::follow::Seen;
use crate::shown::Utc;
use hoop_audit::{CommandVerdict, Content, Entry, HoldStep, Judged, Named, Opening, Outcome, Response};
use hoop_model::{Effect, PolicyRef, Target};
use serde_json::{Map, Value, json};

/// Returns the record's own fields and, beside them, those of what it says.
pub(super) fn record(seen: &Seen) -> Value {
    let record = &seen.record;
    let mut members = members(json!({
        "node": record.node.as_str(),
        "incarnation": record.incarnation.to_string(),
        "shard": record.shard,
        "sequence": record.head.sequence,
        "hash": record.head.hash.to_string(),
        "previous": record.previous.to_string(),
        "time": Utc(record.time).to_string(),
        "time_ms": record.time.0,
        "session": record.session.to_string(),
        "kind": record.entry.kind().as_str(),
        "stored": seen.stored,
    }));
    members.extend(match &record.entry {
        Entry::Opened(opening) | Entry::NotOpened(opening) => of_opening(opening),
        Entry::Verdict(verdict) => of_verdict(verdict),
        Entry::Forwarded(command) => self::members(json!({"command": command.number()})),
        Entry::Response(response) => of_response(response),
        Entry::Closed(reason) => self::members(json!({"reason": reason.as_str()})),
        Entry::Approval(step) => of_step(step),
    });
    Value::Object(members)
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

fn of_opening(opening: &Opening) -> Map<String, Value> {
    members(json!({
        "identity": named(&opening.identity),
        "connection": named(&opening.connection),
        "run": opening.run,
        "issuer": opening.issuer,
        "token_expires_s": opening.token_expires.0,
        "trace": opening.trace.map(|trace| trace.to_string()),
        "judged": judged(&opening.judged),
    }))
}

fn of_verdict(verdict: &CommandVerdict) -> Map<String, Value> {
    members(json!({
        "command": verdict.command.number(),
        "summary": verdict.summary,
        "effects": verdict.effects.iter().map(effect).collect::<Value>(),
        "digest": verdict.digest.map(|digest| digest.to_string()),
        "trace": verdict.trace.map(|trace| trace.to_string()),
        "judged": judged(&verdict.judged),
    }))
}

fn of_step(step: &HoldStep) -> Map<String, Value> {
    members(json!({
        "command": step.command.number(),
        "approval": step.approval.to_string(),
        "digest": step.digest.to_string(),
        "stage": step.stage.as_str(),
        "judged": judged(&step.judged),
    }))
}

fn counts(classes: &[(Box<str>, u64)]) -> Map<String, Value> {
    classes.iter().map(|(class, count)| (class.to_string(), json!(count))).collect()
}

fn of_response(response: &Response) -> Map<String, Value> {
    members(json!({
        "command": response.command.number(),
        "status": response.status,
        "bytes_in": response.bytes_in,
        "bytes_out": response.bytes_out,
        "duration_us": u64::try_from(response.duration.as_micros()).unwrap_or(u64::MAX),
        "ended": response.ended.as_str(),
        "masked": counts(&response.masked),
        "shown": counts(&response.shown),
        "request": response.request.as_ref().map(content),
        "answer": response.answer.as_ref().map(content),
    }))
}

/// A body's beginning is text in whatever encoding it came; what is not UTF-8 of it is replaced.
fn content(content: &Content) -> Value {
    json!({"start": String::from_utf8_lossy(&content.start), "hash": hex::encode(content.hash)})
}

fn named(named: &Named) -> Value {
    json!({"uid": named.uid.to_string(), "name": named.name.as_str()})
}

fn effect(effect: &Effect) -> Value {
    let route = match &effect.target {
        Target::Connection => None,
        Target::Route(route) => Some(route.as_str()),
    };
    json!({"action": effect.action, "route": route})
}

fn judged(judged: &Judged) -> Value {
    let releases: Value = match &judged.outcome {
        Outcome::Allow | Outcome::Refuse(_) => json!([]),
        Outcome::Hold(releases) => {
            releases.iter().map(|release| json!({"team": release.team.as_str(), "quorum": release.quorum})).collect()
        }
    };
    json!({
        "word": judged.outcome.word(),
        "code": judged.outcome.code().map(hoop_model::Code::as_str),
        "releases": releases,
        "reasons": judged.reasons.iter().map(policy).collect::<Value>(),
        "shadow": judged.shadow.iter().map(policy).collect::<Value>(),
        "revision": judged.revision.to_string(),
    })
}

fn policy(policy: &PolicyRef) -> Value {
    json!({
        "statement": policy.statement,
        "uid": policy.uid.to_string(),
        "hash": policy.hash.to_string(),
        "message": policy.message,
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples::{hostile, seen, session};
    use super::*;
    use crate::shown::escape_json;

    #[test]
    fn every_field_of_a_record_is_there() {
        let mut session = session();
        let first = seen(session.remove(0));
        let policy = |statement: &str| json!({"statement": statement, "uid": format!("{:032x}", 0x50), "hash": "11".repeat(32), "message": null});
        let expected = json!({
            "node": "edge-1", "incarnation": format!("{:032x}", 7), "shard": 3, "sequence": 1,
            "hash": first.record.head.hash.to_string(), "previous": "00".repeat(32),
            "time": "2026-11-22T14:03:07.123Z", "time_ms": 1_795_356_187_123_u64,
            "session": format!("{:032x}", 9), "kind": "opened", "stored": true,
            "identity": {"uid": format!("{:032x}", 1), "name": "nightly"},
            "connection": {"uid": format!("{:032x}", 2), "name": "react"},
            "run": "42/1", "issuer": "https://ci.example", "token_expires_s": 1_795_359_787_u64,
            "trace": format!("{:032x}", 0xfe),
            "judged": {
                "word": "allow", "code": null, "releases": [], "reasons": [policy("agents/connect")], "shadow": [],
                "revision": "3.17",
            },
        });
        assert_eq!(record(&first), expected);

        let own = |entry: Entry| {
            let mut own = members(record(&seen(entry)));
            for known in expected.as_object().unwrap().keys().filter(|key| !["trace", "judged"].contains(&key.as_str()))
            {
                own.remove(known);
            }
            Value::Object(own)
        };
        let verdict = json!({
            "command": 1, "summary": "GET /orders?id", "digest": "22".repeat(33), "trace": format!("{:032x}", 0xff),
            "effects": [{"action": "read", "route": null}, {"action": "delete", "route": "orders"}],
            "judged": {
                "word": "allow", "code": null, "releases": [], "reasons": [policy("agents/read")],
                "shadow": [policy("agents/new")], "revision": "3.17",
            },
        });
        assert_eq!(own(session.remove(0)), verdict);
        assert_eq!(own(session.remove(0)), json!({"command": 1}));
        let response = json!({
            "command": 1, "status": 200, "bytes_in": 0, "bytes_out": 1536, "duration_us": 38_250, "ended": "whole",
            "masked": {"pii.email": 2}, "shown": {"pii.phone": 1}, "request": null,
            "answer": {"start": "{\"owner\":\"[masked:pii.email]\"}", "hash": "07".repeat(32)},
        });
        assert_eq!(own(session.remove(0)), response);
        let refused = own(session.remove(0));
        assert_eq!((&refused["judged"]["word"], &refused["judged"]["code"]), (&json!("refuse"), &json!("forbidden")));
        assert_eq!(refused["judged"]["reasons"][0]["message"], json!("Ask \"orders\" first\u{1b}[2J"));
        let held = own(session.remove(0));
        let releases = json!([{"team": "payments", "quorum": 2}, {"team": "security", "quorum": 1}]);
        assert_eq!(held["judged"]["releases"], releases);
        let waiting = json!({
            "command": 3, "approval": format!("{:032x}", 0xaa), "digest": "33".repeat(33), "stage": "waiting",
            "judged": held["judged"],
        });
        assert_eq!(own(session.remove(0)), waiting);
        assert_eq!(own(session.remove(1)), json!({"reason": "finished"}));
    }

    #[test]
    fn a_record_is_one_line_that_moves_no_terminal() {
        for entry in hostile() {
            let value = record(&seen(entry));
            let line = escape_json(&value.to_string());
            assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line:?}");
            assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
        }
    }
}
