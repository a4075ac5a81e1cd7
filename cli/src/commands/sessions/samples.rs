//! Records to test with.

use super::follow::Seen;
use hoop_audit::{
    AnswerEnd, Chain, CloseReason, CommandId, CommandVerdict, Content, Entry, HoldStage, HoldStep, Judged, Named,
    Opening, Outcome, Release, Response,
};
use hoop_model::{
    ApprovalId, Code, CommandDigest, ContentHash, Effect, Incarnation, PolicyRef, ResourceName, Revision, SessionId,
    Target, TraceId, Uid, UnixMillis, UnixSeconds,
};
use std::time::Duration;

fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).unwrap()
}

fn policy(statement: &str, message: Option<&str>) -> PolicyRef {
    let uid = Uid::mint(0x50);
    PolicyRef { statement: statement.into(), uid, hash: ContentHash([0x11; 32]), message: message.map(Into::into) }
}

fn judged(outcome: Outcome, reasons: &[PolicyRef]) -> Judged {
    Judged { revision: Revision { epoch: 3, index: 17 }, outcome, reasons: reasons.into(), shadow: [].into() }
}

fn opening(trace: Option<TraceId>, judged: Judged) -> Opening {
    Opening {
        identity: Named { uid: Uid::mint(1), name: name("nightly") },
        connection: Named { uid: Uid::mint(2), name: name("react") },
        run: "42/1".into(),
        issuer: "https://ci.example".into(),
        token_expires: UnixSeconds(1_795_359_787),
        trace,
        judged,
    }
}

fn command(number: u64) -> CommandId {
    CommandId::from_number(number).unwrap()
}

fn verdict(number: u64, summary: &str, judged: Judged) -> CommandVerdict {
    let effects = vec![
        Effect { action: "read".into(), target: Target::Connection },
        Effect { action: "delete".into(), target: Target::Route(name("orders")) },
    ];
    CommandVerdict { command: command(number), summary: summary.into(), effects, digest: None, trace: None, judged }
}

/// One record of every kind and every outcome.
pub(crate) fn session() -> Vec<Entry> {
    let shadow = [policy("agents/new", None)].into();
    let read = judged(Outcome::Allow, &[policy("agents/read", None)]);
    let refused = [policy("agents/keep", Some("Ask \"orders\" first\u{1b}[2J"))];
    let release = |team, quorum| Release { team: name(team), quorum };
    let held = Outcome::Hold(vec![release("payments", 2), release("security", 1)]);
    let held = judged(held, &[policy("agents/pay", None), policy("agents/watch", None)]);
    let connect = judged(Outcome::Allow, &[policy("agents/connect", None)]);
    vec![
        Entry::Opened(opening(Some(TraceId::mint(0xfe)), connect)),
        Entry::Verdict(CommandVerdict {
            digest: Some(CommandDigest([0x22; 33])),
            trace: Some(TraceId::mint(0xff)),
            ..verdict(1, "GET /orders?id", Judged { shadow, ..read })
        }),
        Entry::Forwarded(command(1)),
        Entry::Response(Response {
            command: command(1),
            status: 200,
            bytes_in: 0,
            bytes_out: 1536,
            ended: AnswerEnd::Whole,
            masked: vec![("pii.email".into(), 2)],
            shown: vec![("pii.phone".into(), 1)],
            request: None,
            answer: Some(Content { start: br#"{"owner":"[masked:pii.email]"}"#.as_slice().into(), hash: [7; 32] }),
            duration: Duration::from_micros(38_250),
        }),
        Entry::Verdict(verdict(2, "DELETE /orders/7", judged(Outcome::Refuse(Code::Forbidden), &refused))),
        Entry::Verdict(verdict(3, "POST /orders", held.clone())),
        Entry::Approval(HoldStep {
            command: command(3),
            approval: ApprovalId::mint(0xaa),
            digest: CommandDigest([0x33; 33]),
            stage: HoldStage::Waiting,
            judged: held,
        }),
        Entry::NotOpened(opening(None, judged(Outcome::Refuse(Code::ConnectNotPermitted), &[]))),
        Entry::Closed(CloseReason::Finished),
    ]
}

/// Records whose every free text clears the screen and turns the text around.
pub(super) fn hostile() -> Vec<Entry> {
    let text = "\u{1b}[2J\u{202e}\n";
    let judged = || judged(Outcome::Allow, &[policy(text, Some(text))]);
    vec![
        Entry::Opened(Opening { run: text.into(), issuer: text.into(), ..opening(None, judged()) }),
        Entry::Verdict(verdict(1, text, judged())),
    ]
}

/// The frames of one session, one record of every kind, as they follow each other in a chain.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    let mut chain = Chain::open(&name("edge-1"), Incarnation::mint(7), 3);
    let append = |entry| {
        let frame = chain.append(&entry, SessionId::mint(9), UnixMillis(1_795_356_187_123), [0; 32]).unwrap();
        let bytes = frame.bytes().to_vec();
        let _ = frame.written();
        bytes
    };
    session().into_iter().map(append).collect()
}

/// Returns an entry as the control plane would send it, at a fixed place of a chain.
pub(super) fn seen(entry: Entry) -> Seen {
    let mut chain = Chain::open(&name("edge-1"), Incarnation::mint(7), 3);
    let frame = chain.append(&entry, SessionId::mint(9), UnixMillis(1_795_356_187_123), [0; 32]).unwrap();
    let record = hoop_audit::records(frame.bytes()).next().unwrap().unwrap();
    Seen { record, stored: true }
}
