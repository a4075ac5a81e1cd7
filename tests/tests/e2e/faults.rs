//! Crashes at named points, and disks that fail, fill up and hang: injected at system calls, so that nothing in the product
//! knows of it.

use crate::approvals::{ann, bodies, stage_with_holds, the_one_that_waits, waiting_post};
use crate::rounds;
use hoop_tests::cluster::{NODE, Options};
use hoop_tests::evidence::files;
use hoop_tests::poll::eventually;
use hoop_tests::stage::{Stage, connection};
use hoop_tests::tracer::{Tracer, sockets};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Every call by which bytes leave a socket.
const SENDS: &str = "write,writev,sendto,sendmsg";

/// Where in the walk of one request the node dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// It is decided; nothing is written.
    Decision,
    /// The record is written; no byte of the request has left.
    Record,
    /// The request has left; that it has is not written.
    Forward,
    /// The backend has answered; no byte of the answer has left.
    Response,
}

/// Sends a request on a connection whose shard has a record and an upstream connection already, and lets the node die in it.
/// Returns whether it did: a piece may be cut, or a connection closed, between the look and the request.
fn dies_at(stage: &mut Stage, point: Point, round: usize) -> bool {
    let (token, path) = (stage.issuer.token(), format!("/{point:?}/{round}"));
    let mut job = stage.connect();
    assert_eq!(job.send("GET", &format!("/c/orders{path}/before"), &token).unwrap().status, 200);
    let node = stage.cluster.gateway_process().id();
    let open = files(&stage.cluster.spool().join(NODE));
    let open: Vec<PathBuf> = open.into_iter().filter(|path| path.extension().is_some_and(|e| e == "open")).collect();
    let (backend, gateway) = (stage.backend.address().port(), stage.cluster.gateway().port());
    let tracer = match point {
        Point::Decision => Tracer::kill_at(node, "write", 1, &open),
        Point::Record => Tracer::kill_at(node, SENDS, 1, &sockets(node, None, &[backend])),
        Point::Forward => Tracer::kill_at(node, "write", 2, &open),
        Point::Response => Tracer::kill_at(node, SENDS, 1, &sockets(node, Some(gateway), &[job.port().unwrap()])),
    };
    let died = job.send("GET", &format!("/c/orders{path}/at"), &token).is_err();
    drop(tracer);
    if !died {
        stage.cluster.gateway_process().kill();
    }
    stage.cluster.gateway_process().wait();
    let line = format!("GET {path}/at");
    let reached = !died || matches!(point, Point::Forward | Point::Response);
    if reached {
        eventually("the backend has it", || stage.backend.lines().contains(&line).then_some(()));
    }
    let recorded = stage.evidence().allowed().contains(&line);
    assert_eq!(recorded, !died || point != Point::Decision, "{point:?}");
    let times = stage.backend.lines().iter().filter(|seen| **seen == line).count();
    assert_eq!(times, usize::from(reached), "{point:?}");
    died
}

/// DP-05: the tap is a subset of the recording, every chain verifies, and nothing runs twice.
#[test]
fn dp_05_a_node_that_dies_at_a_named_point_has_recorded_whatever_left_it() {
    let mut stage = Stage::set();
    let mut seen = Vec::new();
    for point in [Point::Decision, Point::Record, Point::Forward, Point::Response] {
        let mut died = 0;
        let few = rounds(2, 200);
        for round in 0..few * 3 {
            died += usize::from(dies_at(&mut stage, point, round));
            seen.extend(stage.backend.lines());
            stage.cluster.start_gateway();
            stage.cluster.wait_until_ready();
            stage.wait_until_allowed();
            if died >= few {
                break;
            }
        }
        assert!(died >= few, "died {died} times at {point:?}");
    }
    stage.cluster.gateway_process().signal("TERM");
    assert!(stage.cluster.gateway_process().wait().success());
    let (evidence, distinct) = (stage.evidence(), seen.iter().cloned().collect::<BTreeSet<_>>());
    let missing: Vec<_> = distinct.difference(&evidence.allowed()).cloned().collect();
    assert!(missing.is_empty(), "forwarded without a record: {missing:?}");
    assert_eq!(distinct.len(), seen.len(), "something ran twice");
    let export = tempfile::tempdir().unwrap();
    let target = export.path().join("evidence").display().to_string();
    let _ = stage.cluster.hoopctl(&["audit", "export", &target]).expect_done();
    let key = stage.cluster.hoopctl(&["audit", "key"]).expect_done();
    let _ = stage.cluster.hoopctl_alone(&["audit", "verify", &target, "--key", key.trim()]).expect_done();
}

/// Returns a connection's document without its rules.
fn document(name: &str) -> String {
    connection(name, "http://127.0.0.1:1", "").rsplit_once("---\n").unwrap().0.to_owned()
}

/// Where the control plane dies in the walk of one change.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// It is proposed, and not written to the log.
    Propose,
    /// It is written, and not known to be on the disk.
    Commit,
    /// It is committed, and no node has heard of it.
    Push,
}

/// CP-07, AP-07: what was acknowledged is there, what was not is there whole or not at all, and may be asked for again.
#[test]
fn cp_07_a_control_plane_that_dies_at_a_named_point_loses_nothing_that_it_acknowledged() {
    let mut stage = Stage::set();
    for step in [Step::Propose, Step::Commit, Step::Push] {
        for round in 0..rounds(2, 100) {
            let name = format!("{step:?}-{round}").to_lowercase();
            let control = stage.cluster.control_process().id();
            let log = [stage.cluster.path("control-plane/raft.redb")];
            assert!(log[0].exists());
            let own = Some(stage.cluster.control_port());
            let tracer = match step {
                Step::Propose => Tracer::kill_at(control, "pwrite64", 1, &log),
                Step::Commit => Tracer::kill_at(control, "fdatasync,fsync", 1, &log),
                Step::Push => {
                    // A node that is stopped asks for nothing, so the change is the next thing that it is told.
                    stage.cluster.gateway_process().signal("STOP");
                    Tracer::kill_at(control, SENDS, 1, &sockets(control, own, &[]))
                }
            };
            let said = stage.cluster.apply("fault", &document(&name), &[]);
            let status = stage.cluster.control_process().wait();
            drop(tracer);
            assert!(!status.success());
            stage.cluster.restart_control_plane();
            stage.cluster.gateway_process().signal("CONT");
            let got = stage.cluster.hoopctl(&["get", "Connection", &name]);
            assert!(said.code != 0 || got.code == 0, "acknowledged and lost: {name}");
            let again = stage.cluster.apply("fault", &document(&name), &[]).expect_done();
            let known = if got.code == 0 { "unchanged" } else { "created" };
            assert!(again.contains(known), "{name}: {again}");
            eventually("the node has it", || {
                (stage.cluster.apply("fault", &document(&name), &["--wait"]).code == 0).then_some(())
            });
            stage.wait_until_allowed();
        }
    }
}

/// How long a synchronisation takes while it is made slow.
const SLOW: Duration = Duration::from_millis(1_500);

/// Nothing is acknowledged before the Raft log's synchronisation has returned: an apply, a vote, a claim.
#[test]
fn cp_07_the_raft_log_is_on_the_disk_before_anything_is_acknowledged() {
    let mut stage = stage_with_holds(1);
    let job = waiting_post(&stage, r#"{"item":7}"#);
    let id = the_one_that_waits(&ann(&stage));
    let control = stage.cluster.control_process().id();
    let tracer = Tracer::inject(control, "fdatasync,fsync", "delay_enter=1500000");
    let began = Instant::now();
    let _ = stage.cluster.apply("slow", &document("slow"), &[]).expect_done();
    assert!(began.elapsed() >= SLOW, "an apply was acknowledged after {:?}", began.elapsed());
    let began = Instant::now();
    let _ = ann(&stage).approvals(&["approve", &id]).expect_done();
    assert!(began.elapsed() >= SLOW, "a vote was acknowledged after {:?}", began.elapsed());
    assert_eq!(bodies(&stage), [""; 0], "the claim that follows takes as long");
    let voted = Instant::now();
    assert_eq!(job.join().unwrap().unwrap().status, 200);
    drop(tracer);
    assert_eq!(bodies(&stage), [r#"{"item":7}"#]);
    // The vote is told to the node when it is committed, which may be a moment before it is told to its voter.
    assert!(began.elapsed() >= SLOW * 2, "a claim was acknowledged {:?} after the vote", voted.elapsed());
}

/// Sends until the node refuses because it cannot record; returns how long that took.
fn refuses(stage: &Stage, path: &str) -> Duration {
    let began = Instant::now();
    let answer = eventually("the node refuses", || {
        let answer = stage.send("GET", path);
        (answer.status != 200).then_some(answer)
    });
    assert_eq!((answer.status, answer.refusal().as_str()), (503, "recorder_unavailable"));
    began.elapsed()
}

fn takes_again(stage: &Stage, path: &str) {
    eventually("the node takes commands again", || (stage.send("GET", path).status == 200).then_some(()));
}

fn what_was_forwarded_is_recorded(stage: &Stage) {
    let seen: BTreeSet<String> = stage.backend.lines().into_iter().collect();
    let allowed = stage.evidence().allowed();
    assert!(seen.is_subset(&allowed), "{:?}", seen.difference(&allowed).collect::<Vec<_>>());
}

#[test]
fn dp_04_a_disk_that_fails_or_hangs_makes_the_node_refuse_in_time_and_take_commands_again_by_itself() {
    let mut stage = Stage::set();
    stage.cluster.apply_and_wait(&connection("ledger", &stage.backend.origin(), "recording: strict"));
    takes_again(&stage, "/c/ledger/before");
    let node = stage.cluster.gateway_process().id();
    let tracer = Tracer::inject(node, "fdatasync,fsync", "error=EIO");
    let took = refuses(&stage, "/c/ledger/failing");
    assert!(took < Duration::from_secs(20), "{took:?}");
    drop(tracer);
    takes_again(&stage, "/c/ledger/well");
    for (path, well) in [("/c/ledger/hanging", "/c/ledger/again"), ("/c/orders/hanging", "/c/orders/again")] {
        let tracer = Tracer::inject(node, "fdatasync,fsync", "delay_enter=120000000");
        let took = refuses(&stage, path);
        assert!(took < Duration::from_secs(20), "{took:?}");
        drop(tracer);
        takes_again(&stage, well);
    }
    what_was_forwarded_is_recorded(&stage);
}

#[test]
fn dp_04_a_full_spool_makes_the_node_refuse_and_take_commands_again_when_there_is_room() {
    let stage = Stage::set_with(&Options { disks: &[("spool", 2_048)], ..Options::default() });
    let filler = stage.cluster.disks()[0].fill();
    refuses(&stage, "/c/orders/full");
    stage.cluster.apply_and_wait(&connection("another", &stage.backend.origin(), ""));
    std::fs::remove_file(filler).unwrap();
    takes_again(&stage, "/c/orders/room");
    what_was_forwarded_is_recorded(&stage);
}

#[test]
fn dp_04_a_full_store_keeps_evidence_on_its_node_and_takes_it_when_there_is_room() {
    let place = "control-plane/evidence/segments";
    let stage =
        Stage::set_with(&Options { disks: &[(place, 1_024)], evidence: "reserve_bytes = 0", ..Options::default() });
    let filler = stage.cluster.disks()[0].fill();
    assert_eq!(stage.send("GET", "/c/orders/1").status, 200);
    let sealed = || {
        let kept = files(&stage.cluster.spool().join(NODE));
        kept.into_iter().find(|path| path.extension().is_some_and(|e| e == "seg"))
    };
    let waits = eventually("a segment waits", sealed);
    assert_eq!(stage.send("GET", "/c/orders/2").status, 200, "the node has room of its own");
    stage.cluster.apply_and_wait(&connection("another", &stage.backend.origin(), ""));
    assert!(waits.exists());
    std::fs::remove_file(filler).unwrap();
    eventually("it is shipped", || (!waits.exists()).then_some(()));
    what_was_forwarded_is_recorded(&stage);
}
