//! Approvals as people and scripts read them. Nothing a caller sent reaches the terminal as it is.

use crate::shown::{Span, Utc, escape};
use comfy_table::Table;
use hoop_model::UnixMillis;
use hoop_wire::v1;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// Returns the state's one word.
fn state(summary: &v1::ApprovalSummary) -> &'static str {
    match summary.state() {
        v1::approval::State::Pending => "pending",
        v1::approval::State::Approved => "approved",
        v1::approval::State::Denied => "denied",
        v1::approval::State::Expired => "expired",
        v1::approval::State::Voided => "voided",
        v1::approval::State::Claimed => "claimed",
        v1::approval::State::DoneNotSent => "not sent",
        v1::approval::State::DoneAnswered => "answered",
        v1::approval::State::DoneFailedAfterSend => "failed after send",
        v1::approval::State::Unknown => "unknown",
        v1::approval::State::Unspecified => "?",
    }
}

fn effects(summary: &v1::ApprovalSummary) -> String {
    let effects = summary.effects.iter().map(|effect| match &effect.route {
        Some(route) => format!("{} {route}", effect.action),
        None => effect.action.clone(),
    });
    escape(&effects.collect::<Vec<_>>().join(", "))
}

/// `on-call 1/2` for each requirement.
fn standing(summary: &v1::ApprovalSummary) -> String {
    let requirements = summary.requirements.iter().map(|standing| {
        let (team, quorum) = standing.requirement.as_ref().map_or(("?", 0), |r| (r.team.as_str(), r.quorum));
        format!("{team} {}/{quorum}", standing.approved_by.len())
    });
    escape(&requirements.collect::<Vec<_>>().join(", "))
}

fn remaining(summary: &v1::ApprovalSummary) -> String {
    match summary.state() {
        v1::approval::State::Pending | v1::approval::State::Approved => {
            Span(Duration::from_millis(summary.remaining_ms)).to_string()
        }
        v1::approval::State::Unspecified
        | v1::approval::State::Denied
        | v1::approval::State::Expired
        | v1::approval::State::Voided
        | v1::approval::State::Claimed
        | v1::approval::State::DoneNotSent
        | v1::approval::State::DoneAnswered
        | v1::approval::State::DoneFailedAfterSend
        | v1::approval::State::Unknown => "-".to_owned(),
    }
}

/// Shows many, one row each.
pub(super) fn table(listed: &[v1::ApprovalSummary]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header([
        "ID",
        "STATE",
        "IDENTITY",
        "CONNECTION",
        "RUN",
        "EFFECTS",
        "RELEASED BY",
        "TIME LEFT",
    ]);
    for summary in listed {
        table.add_row([
            hex::encode(&summary.id),
            state(summary).to_owned(),
            escape(&summary.identity),
            escape(&summary.connection),
            escape(&summary.run),
            effects(summary),
            standing(summary),
            remaining(summary),
        ]);
    }
    table.to_string()
}

/// Shows one in one line.
pub(super) fn line(summary: &v1::ApprovalSummary) -> String {
    format!(
        "{} {}: {} on {} ({}), released by {}",
        hex::encode(&summary.id),
        state(summary),
        escape(&summary.identity),
        escape(&summary.connection),
        effects(summary),
        standing(summary),
    )
}

/// Shows one with everything there is to know before a decision.
pub(super) fn whole(summary: &v1::ApprovalSummary, review: Option<&v1::Review>) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: &str| {
        // `String` takes everything that is written to it.
        let _ = writeln!(text, "{name:<12} {value}");
    };
    row("approval", &hex::encode(&summary.id));
    row("state", state(summary));
    row("identity", &escape(&summary.identity));
    if let Some(review) = review {
        row("owner", &escape(&review.owner));
    }
    row("run", &escape(&summary.run));
    row("connection", &escape(&summary.connection));
    row("effects", &effects(summary));
    row("digest", &hex::encode(summary.digest.get(..9).unwrap_or(&summary.digest)));
    row("session", &hex::encode(&summary.session));
    row("opened", &Utc(UnixMillis(summary.opened_ms)).to_string());
    row("time left", &remaining(summary));
    for standing in &summary.requirements {
        let Some(requirement) = &standing.requirement else { continue };
        let may_vote = if standing.may_vote { "; you may vote" } else { "" };
        let asked =
            format!("{} of team {} ({}){may_vote}", requirement.quorum, requirement.team, requirement.statement);
        row("needs", &escape(&asked));
        if let Some(message) = &requirement.message {
            row("", &escape(message));
        }
        for name in &standing.approved_by {
            row("approved by", &escape(name));
        }
        for name in &standing.denied_by {
            row("denied by", &escape(name));
        }
    }
    match review {
        Some(review) => {
            row("command", &escape(&review.summary));
            for line in String::from_utf8_lossy(&review.content).split('\n') {
                row("", &escape(line.trim_end_matches('\r')));
            }
        }
        None => row("command", "shown only to people who may release it, while it waits"),
    }
    text.trim_end().to_owned()
}

/// One approval as JSON.
pub(super) fn json(summary: &v1::ApprovalSummary) -> Value {
    let requirements = summary.requirements.iter().map(|standing| {
        let requirement = standing.requirement.clone().unwrap_or_default();
        json!({
            "policy": requirement.statement,
            "message": requirement.message,
            "team": requirement.team,
            "quorum": requirement.quorum,
            "approvedBy": standing.approved_by,
            "deniedBy": standing.denied_by,
            "mayVote": standing.may_vote,
        })
    });
    let effects = summary.effects.iter().map(|effect| json!({"action": effect.action, "route": effect.route}));
    json!({
        "id": hex::encode(&summary.id),
        "state": state(summary),
        "identity": summary.identity,
        "connection": summary.connection,
        "run": summary.run,
        "anyRun": summary.any_run,
        "effects": effects.collect::<Vec<_>>(),
        "requirements": requirements.collect::<Vec<_>>(),
        "openedMs": summary.opened_ms,
        "expiresMs": summary.expires_ms,
        "remainingMs": summary.remaining_ms,
        "digest": hex::encode(&summary.digest),
        "session": hex::encode(&summary.session),
    })
}

/// One approval with its review as JSON; the content is text where it is UTF-8, hexadecimal where it is not.
pub(super) fn whole_json(summary: &v1::ApprovalSummary, review: Option<&v1::Review>) -> Value {
    let mut value = json(summary);
    let review = review.map(|review| {
        let (content, encoding) = match std::str::from_utf8(&review.content) {
            Ok(text) => (text.to_owned(), "utf-8"),
            Err(_) => (hex::encode(&review.content), "hex"),
        };
        json!({
            "summary": review.summary,
            "owner": review.owner,
            "message": review.message,
            "content": content,
            "contentEncoding": encoding,
        })
    });
    if let (Value::Object(members), Some(review)) = (&mut value, review) {
        members.insert("review".to_owned(), review);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> v1::ApprovalSummary {
        let requirement = v1::Requirement {
            statement: "agents/updates".into(),
            team: "on-call".into(),
            quorum: 2,
            message: Some("updates wait for on-call".into()),
            ..Default::default()
        };
        v1::ApprovalSummary {
            id: vec![0xab; 16],
            state: v1::approval::State::Pending.into(),
            identity: "nightly".into(),
            connection: "orders".into(),
            run: "r-1".into(),
            effects: vec![v1::Effect { action: "http:PATCH".into(), route: None }],
            requirements: vec![v1::approval_summary::Standing {
                requirement: Some(requirement),
                approved_by: vec!["ann".into()],
                denied_by: vec![],
                may_vote: true,
            }],
            remaining_ms: 90_000,
            digest: vec![1; 33],
            session: vec![2; 16],
            ..Default::default()
        }
    }

    #[test]
    fn one_line_says_who_wants_what_and_what_is_missing() {
        let id = "ab".repeat(16);
        assert_eq!(line(&summary()), format!("{id} pending: nightly on orders (http:PATCH), released by on-call 1/2"));
    }

    #[test]
    fn ap_16_what_the_caller_sent_is_written_out() {
        let review = v1::Review {
            summary: "PATCH /orders/\u{202e}7".into(),
            content: b"PATCH /orders/7\r\n\r\n{\"a\":\"\x1b[2Jx\"}".to_vec(),
            owner: "team\u{7}".into(),
            ..Default::default()
        };
        let shown = whole(&summary(), Some(&review));
        for wanted in [r"PATCH /orders/\u{202e}7", r#"{"a":"\u{1b}[2Jx"}"#, r"team\u{7}", "you may vote", "1m30s"] {
            assert!(shown.contains(wanted), "{wanted} is not in:\n{shown}");
        }
        assert!(!shown.contains('\u{202e}') && !shown.contains('\u{1b}'));
    }

    #[test]
    fn without_a_review_the_command_is_not_shown() {
        assert!(whole(&summary(), None).ends_with("shown only to people who may release it, while it waits"));
        assert!(whole_json(&summary(), None).get("review").is_none());
    }

    #[test]
    fn content_that_is_no_text_is_hexadecimal() {
        let review = v1::Review { content: vec![0xff, 0], ..Default::default() };
        let value = whole_json(&summary(), Some(&review));
        assert_eq!((&value["review"]["content"], &value["review"]["contentEncoding"]), (&json!("ff00"), &json!("hex")));
    }
}
