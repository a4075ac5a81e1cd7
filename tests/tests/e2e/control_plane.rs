//! The control plane goes away, hangs, crashes, and comes back.

use crate::rounds;
use hoop_tests::cluster::{Cluster, Options};
use hoop_tests::poll::{eventually, pause};
use hoop_tests::stage::{Stage, connection};
use std::time::{Duration, Instant};

/// The longest lease, and what a slow machine may add.
const LEASE: Duration = Duration::from_secs(15);
const SLACK: Duration = Duration::from_secs(3);

/// Reads until reads are refused, and demands that this happens in time and lasts.
fn reads_end_with_the_lease(stage: &Stage, since: Instant) {
    let token = stage.issuer.token();
    let mut job = stage.connect();
    let mut allowed = 0;
    let refused = eventually("the lease ends", || {
        let answer = job.send("GET", "/c/orders/1", &token).unwrap();
        allowed += usize::from(answer.status == 200);
        (answer.status != 200).then_some(answer)
    });
    assert_eq!((refused.status, refused.refusal().as_str()), (503, "lease_expired"));
    assert!(since.elapsed() < LEASE + SLACK, "authority lasted {:?}", since.elapsed());
    assert!(allowed > 0, "requests go on while there is a lease");
    stage.backend.forget();
    for _ in 0..5 {
        assert_eq!(job.send("GET", "/c/orders/1", &token).unwrap().refusal(), "lease_expired");
        pause(Duration::from_millis(200));
    }
    assert_eq!(stage.backend.byte_count(), 0);
}

#[test]
fn without_a_control_plane_authority_ends_and_with_it_comes_back() {
    let mut stage = Stage::set();
    let before = stage.cluster.hoopctl(&["get", "-o", "json"]).expect_done();
    stage.cluster.control_process().kill();
    reads_end_with_the_lease(&stage, Instant::now());

    stage.cluster.restart_control_plane();
    stage.wait_until_allowed();
    assert_eq!(stage.cluster.hoopctl(&["get", "-o", "json"]).expect_done(), before, "something was lost");
    let status = stage.cluster.hoopctl(&["cluster", "status", "-o", "json"]).expect_done();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["last_log_index"], status["applied_index"], "{status}");
}

#[test]
fn a_control_plane_that_hangs_gives_no_authority() {
    let mut stage = Stage::set();
    stage.cluster.control_process().signal("STOP");
    reads_end_with_the_lease(&stage, Instant::now());
    stage.cluster.control_process().signal("CONT");
    stage.wait_until_allowed();
}

#[test]
fn what_was_acknowledged_survives_a_crash() {
    let mut cluster = Cluster::start(&Options::default());
    let names: Vec<_> = (0..rounds(5, 100)).map(|round| format!("crash-{round}")).collect();
    for (round, name) in names.iter().enumerate() {
        let (document, _) = split(&connection(name, "http://127.0.0.1:1", ""));
        let said = cluster.apply("crash", &document, &[]).expect_done();
        assert!(said.contains(&format!("{name} created")), "{said}");
        cluster.control_process().kill();
        cluster.restart_control_plane();
        for name in &names[..=round] {
            let got = cluster.hoopctl(&["get", "Connection", name, "-o", "json"]).expect_done();
            let got: serde_json::Value = serde_json::from_str(&got).unwrap();
            assert_eq!(got["metadata"]["name"], name.as_str());
            if round >= 10 {
                break;
            }
        }
    }
    let all = cluster.hoopctl(&["get", "Connection", "-o", "json"]).expect_done();
    let all: Vec<serde_json::Value> = serde_json::from_str(&all).unwrap();
    assert_eq!(all.len(), names.len());
}

/// Splits a connection's documents: the connection, and its rules.
fn split(documents: &str) -> (String, String) {
    let (connection, rules) = documents.rsplit_once("---\n").unwrap();
    (connection.to_owned(), rules.to_owned())
}
