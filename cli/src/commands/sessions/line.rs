//! A record as one line for people.

use super::follow::Seen;
use crate::shown::{Bytes, Span, Utc, escape};
use hoop_audit::{AnswerEnd, CommandVerdict, Entry, HoldStep, Judged, Opening, Outcome, Release, Response};
use hoop_model::{PolicyRef, TraceId};

/// Shows a record in one line: when, what, and what matters of it, in parts that two spaces keep apart.
pub(super) fn record(seen: &Seen) -> String {
    let record = &seen.record;
    let mut parts = vec![format!("{}  {:<10}", Utc(record.time), record.entry.kind().as_str())];
    match &record.entry {
        Entry::Opened(opening) | Entry::NotOpened(opening) => parts.extend(of_opening(opening)),
        Entry::Verdict(verdict) => parts.extend(of_verdict(verdict)),
        Entry::Forwarded(command) => parts.push(format!("#{command}")),
        Entry::Response(response) => parts.extend(of_response(response)),
        Entry::Closed(reason) => parts.push(reason.to_string()),
        Entry::Approval(step) => parts.extend(of_step(step)),
    }
    if !seen.stored {
        parts.push("(not stored yet)".to_owned());
    }
    parts.join("  ")
}

fn of_opening(opening: &Opening) -> Vec<String> {
    let mut parts = vec![
        format!("{} on {}", opening.identity.name, opening.connection.name),
        format!("run {}", escape(&opening.run)),
        format!("issuer {}", escape(&opening.issuer)),
    ];
    parts.extend(of_judged(&opening.judged, opening.trace));
    parts
}

fn of_verdict(verdict: &CommandVerdict) -> Vec<String> {
    let mut parts = vec![format!("#{}", verdict.command), escape(&verdict.summary)];
    parts.extend(of_judged(&verdict.judged, verdict.trace));
    parts
}

fn of_step(step: &HoldStep) -> Vec<String> {
    let mut parts = vec![format!("#{}", step.command), step.stage.to_string(), format!("approval {}", step.approval)];
    parts.extend(of_judged(&step.judged, None));
    parts
}

fn of_response(response: &Response) -> Vec<String> {
    let mut parts = vec![
        format!("#{}", response.command),
        response.status.to_string(),
        format!("{} in", Bytes(response.bytes_in)),
        format!("{} out", Bytes(response.bytes_out)),
        Span(response.duration).to_string(),
    ];
    if !matches!(response.ended, AnswerEnd::Whole | AnswerEnd::Refused) {
        parts.push(response.ended.to_string());
    }
    for (word, classes) in [("masked", &response.masked), ("shown", &response.shown)] {
        if !classes.is_empty() {
            let counts = classes.iter().map(|(class, count)| format!("{count} {}", escape(class)));
            parts.push(format!("{word} {}", counts.collect::<Vec<_>>().join(", ")));
        }
    }
    parts
}

/// Shows the bodies of an exchange, as far as the record has them: lines of their own below the record's.
pub(super) fn bodies(seen: &Seen) -> Vec<String> {
    let Entry::Response(response) = &seen.record.entry else { return Vec::new() };
    let mut lines = Vec::new();
    for (mark, content) in [(">", &response.request), ("<", &response.answer)] {
        let Some(content) = content else { continue };
        let text = String::from_utf8_lossy(&content.start);
        lines.extend(text.lines().map(|line| format!("    {mark} {}", escape(line))));
        let prefix: String = content.hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        lines.push(format!("    {mark} ({} kept, hash {prefix}…)", Bytes(content.start.len() as u64)));
    }
    lines
}

fn of_judged(judged: &Judged, trace: Option<TraceId>) -> Vec<String> {
    let mut parts = vec![match &judged.outcome {
        Outcome::Allow => "allow".to_owned(),
        Outcome::Refuse(code) => format!("refuse {}", code.as_str()),
        Outcome::Hold(releases) => format!("hold for {}", list(releases, release)),
    }];
    if !judged.reasons.is_empty() {
        parts.push(format!("by {}", list(&judged.reasons, statement)));
    }
    if !judged.shadow.is_empty() {
        parts.push(format!("in shadow {}", list(&judged.shadow, statement)));
    }
    parts.push(format!("revision {}", judged.revision));
    parts.extend(trace.map(|trace| format!("trace {trace}")));
    parts
}

fn release(release: &Release) -> String {
    format!("{} of {}", release.quorum, release.team)
}

/// Shows a statement, and what it says to people.
fn statement(policy: &PolicyRef) -> String {
    let name = escape(&policy.statement);
    match &policy.message {
        Some(message) => format!("{name} \"{}\"", escape(message).replace('"', "\\\"")),
        None => name,
    }
}

fn list<T>(items: &[T], shown: fn(&T) -> String) -> String {
    items.iter().map(shown).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{seen, session};
    use super::*;

    #[test]
    fn a_session_reads_line_by_line() {
        let lines: Vec<_> = session().into_iter().map(|entry| record(&seen(entry))).collect();
        let expected = [
            "opened      nightly on react  run 42/1  issuer https://ci.example  allow  by agents/connect  revision 3.17  \
             trace 000000000000000000000000000000fe",
            "verdict     #1  GET /orders?id  allow  by agents/read  in shadow agents/new  revision 3.17  \
             trace 000000000000000000000000000000ff",
            "forwarded   #1",
            "response    #1  200  0 B in  1.5 KiB out  38.2 ms  masked 2 pii.email  shown 1 pii.phone",
            r#"verdict     #2  DELETE /orders/7  refuse forbidden  by agents/keep "Ask \"orders\" first\u{1b}[2J"  revision 3.17"#,
            "verdict     #3  POST /orders  hold for 2 of payments, 1 of security  by agents/pay, agents/watch  revision 3.17",
            "approval    #3  waiting  approval 000000000000000000000000000000aa  hold for 2 of payments, 1 of security  \
             by agents/pay, agents/watch  revision 3.17",
            "not_opened  nightly on react  run 42/1  issuer https://ci.example  refuse connect_not_permitted  \
             revision 3.17",
            "closed      finished",
        ];
        let expected: Vec<_> = expected.iter().map(|line| format!("2026-11-22T14:03:07.123Z  {line}")).collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn bodies_are_below_their_record_and_escaped() {
        let shown: Vec<_> = session().into_iter().flat_map(|entry| bodies(&seen(entry))).collect();
        let expected = ["    < {\"owner\":\"[masked:pii.email]\"}", "    < (30 B kept, hash 0707070707070707…)"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_only_the_node_has_is_marked() {
        let mut seen = seen(session().remove(2));
        seen.stored = false;
        assert_eq!(record(&seen), "2026-11-22T14:03:07.123Z  forwarded   #1  (not stored yet)");
    }

    #[test]
    fn au_11_no_text_of_a_record_moves_a_terminal() {
        for entry in super::super::samples::hostile() {
            let line = record(&seen(entry));
            assert!(line.chars().all(|c| !c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c)), "{line:?}");
            assert!(line.contains(r"\u{1b}[2J\u{202e}"), "{line:?}");
        }
    }
}
