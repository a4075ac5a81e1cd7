//! Entries and chains to test with.

use crate::*;
use hoop_model::{
    ApprovalId, Code, CommandDigest, ContentHash, Effect, Incarnation, PolicyRef, ResourceName, Revision, SessionId,
    Target, TraceId, Uid, UnixMillis, UnixSeconds,
};
use proptest::prelude::*;
use std::time::Duration;

pub(super) fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).unwrap()
}

pub(super) fn expected(head: Option<Head>) -> Expected {
    Expected { node: name("edge-1"), incarnation: Incarnation::mint(7), shard: 3, head }
}

pub(super) fn chain() -> Chain {
    Chain::open(&name("edge-1"), Incarnation::mint(7), 3)
}

/// Writes entries of one session; returns the file, where each frame begins, and the head.
pub(super) fn file_of(entries: &[Entry]) -> (Vec<u8>, Vec<usize>, Head) {
    let (mut chain, mut file, mut starts) = (chain(), Vec::new(), Vec::new());
    for (at, entry) in entries.iter().enumerate() {
        let frame = chain.append(entry, SessionId::mint(9), UnixMillis(1000 + at as u64), [at as u8; 32]).unwrap();
        starts.push(file.len());
        file.extend_from_slice(frame.bytes());
        let _ = frame.written();
    }
    (file, starts, chain.head().unwrap())
}

pub(super) fn judged(outcome: Outcome) -> Judged {
    let reason = PolicyRef {
        statement: "agents-on-react/2".into(),
        uid: Uid::mint(5),
        hash: ContentHash([8; 32]),
        message: Some("jobs never delete".into()),
    };
    Judged { revision: Revision { epoch: 1, index: 42 }, outcome, reasons: [reason].into(), shadow: [].into() }
}

/// One session in which one command went through and one did not.
pub(super) fn session() -> Vec<Entry> {
    let verdict = |number, outcome| {
        Entry::Verdict(CommandVerdict {
            command: CommandId::from_number(number).unwrap(),
            summary: "GET /orders/7".into(),
            effects: vec![Effect { action: "http:GET".into(), target: Target::Route(name("orders")) }],
            digest: None,
            trace: Some(TraceId::mint(0xabc)),
            judged: judged(outcome),
        })
    };
    let opening = Opening {
        identity: Named { uid: Uid::mint(1), name: name("nightly-react") },
        connection: Named { uid: Uid::mint(2), name: name("react") },
        run: "4711".into(),
        issuer: "https://ci.example.com".into(),
        token_expires: UnixSeconds(1_800_000_000),
        trace: None,
        judged: judged(Outcome::Allow),
    };
    vec![
        Entry::Opened(opening),
        verdict(1, Outcome::Allow),
        Entry::Forwarded(CommandId::FIRST),
        Entry::Response(Response {
            command: CommandId::FIRST,
            status: 200,
            bytes_in: 0,
            bytes_out: 5120,
            duration: Duration::from_millis(12),
            ended: AnswerEnd::Whole,
            masked: vec![("pii.email".into(), 2)],
            shown: vec![],
            request: None,
            answer: Some(Content { start: b"{\"owner\":\"[masked:pii.email]\"".as_slice().into(), hash: [7; 32] }),
        }),
        verdict(2, Outcome::Refuse(Code::Forbidden)),
        Entry::Closed(CloseReason::Finished),
    ]
}

fn any_name() -> impl Strategy<Value = ResourceName> {
    "[a-z0-9-]{1,63}".prop_map(|text| name(&text))
}

fn any_named() -> impl Strategy<Value = Named> {
    (any::<u128>(), any_name()).prop_map(|(bits, name)| Named { uid: Uid::mint(bits), name })
}

fn any_text() -> impl Strategy<Value = Box<str>> {
    any::<String>().prop_map(Into::into)
}

fn any_policies() -> impl Strategy<Value = std::sync::Arc<[PolicyRef]>> {
    let policy = (any_text(), any::<u128>(), any::<[u8; 32]>(), proptest::option::of(any_text()));
    let policy = policy.prop_map(|(statement, bits, hash, message)| PolicyRef {
        statement,
        uid: Uid::mint(bits),
        hash: ContentHash(hash),
        message,
    });
    proptest::collection::vec(policy, 0..4).prop_map(Into::into)
}

fn any_judged() -> impl Strategy<Value = Judged> {
    let release = (any_name(), any::<u32>()).prop_map(|(team, quorum)| Release { team, quorum });
    let outcome = prop_oneof![
        Just(Outcome::Allow),
        proptest::sample::select(Code::ALL).prop_map(Outcome::Refuse),
        proptest::collection::vec(release, 1..4).prop_map(Outcome::Hold),
    ];
    (any::<(u64, u64)>(), outcome, any_policies(), any_policies()).prop_map(
        |((epoch, index), outcome, reasons, shadow)| Judged {
            revision: Revision { epoch, index },
            outcome,
            reasons,
            shadow,
        },
    )
}

fn any_command() -> impl Strategy<Value = CommandId> {
    (1..=u64::MAX).prop_map(|number| CommandId::from_number(number).unwrap())
}

fn any_trace() -> impl Strategy<Value = Option<TraceId>> {
    proptest::option::of(any::<u128>().prop_map(TraceId::mint))
}

fn any_opening() -> impl Strategy<Value = Opening> {
    let parties = (any_named(), any_named(), any_text(), any_text());
    (parties, any::<u64>(), any_trace(), any_judged()).prop_map(|(parties, expires, trace, judged)| {
        let (identity, connection, run, issuer) = parties;
        Opening { identity, connection, run, issuer, token_expires: UnixSeconds(expires), trace, judged }
    })
}

fn any_digest() -> impl Strategy<Value = CommandDigest> {
    (any::<u8>(), any::<[u8; 32]>()).prop_map(|(version, mac)| {
        let mut bytes = [version; CommandDigest::BYTES];
        bytes[1..].copy_from_slice(&mac);
        CommandDigest(bytes)
    })
}

fn any_hold_step() -> impl Strategy<Value = HoldStep> {
    let stage = proptest::sample::select(HoldStage::ALL);
    (any_command(), any::<u128>(), any_digest(), stage, any_judged()).prop_map(
        |(command, bits, digest, stage, judged)| HoldStep {
            command,
            approval: ApprovalId::mint(bits),
            digest,
            stage,
            judged,
        },
    )
}

fn any_verdict() -> impl Strategy<Value = CommandVerdict> {
    let target = prop_oneof![Just(Target::Connection), any_name().prop_map(Target::Route)];
    let effect = (any::<String>(), target).prop_map(|(action, target)| Effect { action: action.into(), target });
    let digest = proptest::option::of(any_digest());
    let effects = proptest::collection::vec(effect, 0..4);
    (any_command(), any_text(), effects, digest, any_trace(), any_judged()).prop_map(
        |(command, summary, effects, digest, trace, judged)| CommandVerdict {
            command,
            summary,
            effects,
            digest,
            trace,
            judged,
        },
    )
}

fn any_response() -> impl Strategy<Value = Response> {
    let content = || {
        let content = (proptest::collection::vec(any::<u8>(), 0..40), any::<[u8; 32]>());
        proptest::option::of(content.prop_map(|(start, hash)| Content { start: start.into(), hash }))
    };
    let masked = proptest::collection::vec(("[a-z.]{1,9}".prop_map(Into::into), any::<u64>()), 0..3);
    let ended = proptest::sample::select(AnswerEnd::ALL);
    let counts = (masked.clone(), masked);
    (any_command(), any::<u32>(), any::<[u64; 3]>(), ended, counts, content(), content()).prop_map(
        |(command, status, [bytes_in, bytes_out, micros], ended, (masked, shown), request, answer)| {
            let duration = Duration::from_micros(micros);
            Response { command, status, bytes_in, bytes_out, duration, ended, masked, shown, request, answer }
        },
    )
}

pub(super) fn any_entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        any_opening().prop_map(Entry::Opened),
        any_opening().prop_map(Entry::NotOpened),
        any_verdict().prop_map(Entry::Verdict),
        any_command().prop_map(Entry::Forwarded),
        any_response().prop_map(Entry::Response),
        proptest::sample::select(CloseReason::ALL).prop_map(Entry::Closed),
        any_hold_step().prop_map(Entry::Approval),
    ]
}
