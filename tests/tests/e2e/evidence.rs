//! The record is there before the command is (I2), and is what a verifier accepts.

use hoop_audit::{Entry, Outcome};
use hoop_model::Code;
use hoop_tests::cluster::Options;
use hoop_tests::poll::eventually;
use hoop_tests::stage::Stage;
use std::collections::BTreeSet;

#[test]
fn every_request_the_backend_saw_has_a_record_and_every_refusal_too() {
    let mut stage = Stage::set();
    let token = stage.issuer.token();
    let mut job = stage.connect();
    for number in 0..20 {
        for method in ["GET", "POST", "DELETE", "PUT"] {
            job.send(method, &format!("/c/orders/item/{number}?key=value"), &token).unwrap();
        }
    }
    drop(job);
    stage.cluster.gateway_process().signal("TERM");
    assert!(stage.cluster.gateway_process().wait().success());

    let evidence = stage.evidence();
    assert_eq!(evidence.cut_off, 0, "a node that stops in order leaves whole chains");
    let seen: BTreeSet<_> = stage.backend.lines().iter().map(|line| line.replace("=value", "")).collect();
    assert_eq!(seen.len(), 40);
    assert!(seen.is_subset(&evidence.allowed()), "{:?}", seen.difference(&evidence.allowed()).collect::<Vec<_>>());
    let refused = |code: Code| evidence.verdicts().filter(|(_, o)| **o == Outcome::Refuse(code)).count();
    assert_eq!((refused(Code::Forbidden), refused(Code::NotPermitted)), (20, 20));

    let count = |is: fn(&Entry) -> bool| evidence.records.iter().filter(|record| is(&record.entry)).count();
    let opened = count(|entry| matches!(entry, Entry::Opened(_)));
    assert_eq!(opened, count(|entry| matches!(entry, Entry::Closed(_))), "a session that was opened is closed");
    // The warm-up's request is in the evidence, and forgotten by the backend.
    assert_eq!(count(|entry| matches!(entry, Entry::Response(_))), 41);
}

/// Returns the calls of a trace from the write of a record to the send of its request, which must come later.
pub(crate) fn from_record_to_send(trace: &str, name: &str) -> Vec<String> {
    let (record, request) = (format!("GET /{name}"), format!("GET /{name} HTTP/1.1"));
    let calls = eventually("the trace is written", || {
        let calls = std::fs::read_to_string(trace).unwrap_or_default();
        calls.contains(&request).then_some(calls)
    });
    let lines: Vec<_> = calls.lines().map(str::to_owned).collect();
    let sent = lines.iter().position(|line| line.contains(&request)).unwrap();
    let recorded = lines.iter().position(|line| line.contains(&record) && !line.contains("HTTP/1.1")).unwrap();
    assert!(recorded < sent, "{}\n{}", lines[recorded], lines[sent]);
    lines[recorded..sent].to_vec()
}

/// Reads the order of the system calls: the write of the record has returned before the send of the request begins.
#[test]
fn i2_the_record_is_written_before_the_first_byte_goes_up() {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let file = trace.path().to_str().unwrap();
    // With -D the node is our own child, and strace ends with it.
    let calls = "trace=write,writev,pwrite64,sendto,sendmsg";
    let under = ["strace", "-D", "-f", "-q", "-s", "512", "-e", calls, "-o", file].map(str::to_owned).to_vec();
    let stage = Stage::set_with(&Options { under, ..Options::default() });
    for number in 0..10 {
        assert_eq!(stage.send("GET", &format!("/c/orders/order-{number}-")).status, 200);
    }
    for number in 0..10 {
        let between = from_record_to_send(file, &format!("order-{number}-"));
        // A call that another thread interrupted in the trace is shown in two lines, its return in the second.
        let thread = between[0].split_whitespace().next().unwrap();
        let returned = between.iter().any(|line| line.starts_with(thread) && line.contains(" = "));
        assert!(returned, "the write had not returned: {}", between[0]);
    }
}

/// Files that cannot grow beyond 24 KiB stand for a full disk.
#[test]
fn what_cannot_be_recorded_is_refused() {
    let program = "trap '' XFSZ; ulimit -f 24; exec \"$@\"";
    let under = ["bash", "-c", program, "bash"].map(str::to_owned).to_vec();
    let stage = Stage::set_with(&Options { under, log: Some("off"), ..Options::default() });
    let mut number = 0;
    let answer = eventually("the files are full", || {
        number += 1;
        let answer = stage.send("GET", &format!("/c/orders/{number}"));
        (answer.status != 200).then_some(answer)
    });
    assert_eq!((answer.status, answer.refusal().as_str()), (503, "recorder_unavailable"));
    assert!(number > 10, "the first {number} requests did not fit");
    let (seen, evidence) = (stage.backend.lines(), stage.evidence());
    assert!(seen.len() < number);
    let seen: BTreeSet<_> = seen.into_iter().collect();
    assert!(seen.is_subset(&evidence.allowed()), "something was forwarded without a record");
}
