//! The fleet: what is revoked ends everywhere, and whoever asks is told truly.

use crate::store::{Blocked, a_gap_is_named, a_head_is_anchored};
use hoop_tests::client;
use hoop_tests::cluster::Said;
use hoop_tests::evidence::files;
use hoop_tests::poll::eventually;
use hoop_tests::stage::{Stage, caller, connection};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A backend whose answers never end: `/endless…` sends for as long as somebody reads, anything else one piece.
fn endless_backend() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                let read = stream.read(&mut head).unwrap_or_default();
                let piece = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
                let answer = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice(), &piece].concat();
                let _ = stream.write_all(&answer);
                if head[..read].starts_with(b"GET /endless") {
                    while stream.write_all(&piece).is_ok() {}
                }
                // Until the gateway hangs up.
                let _ = stream.read(&mut head);
            });
        }
    });
    address
}

/// Asks, and reads until the first piece of the answer is there.
fn stream(stage: &Stage, target: &str, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(stage.cluster.gateway()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut first = vec![0; 0x4000];
    stream.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&first[..200]));
    stream
}

/// Reads until the connection ends, which it must before the chunked answer does.
fn ends_unfinished(mut stream: TcpStream) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the answer came to its end");
}

#[test]
fn jwt_29_a_revoked_identity_is_cut_off_and_the_receipt_says_so_when_it_is() {
    let stage = Stage::set();
    let streams = endless_backend();
    stage.cluster.apply_and_wait(&connection("streams", &format!("http://{streams}"), "mask: []"));
    let token = stage.issuer.token();
    let mut job = stage.connect();
    assert_eq!(job.send("GET", "/c/orders/1", &token).unwrap().status, 200);
    let open = stream(&stage, "/c/streams/open", &token);
    // Its caller reads nothing more, so that the gateway cannot write either.
    let stuck = stream(&stage, "/c/streams/endless", &token);
    let unanswered = {
        let (gateway, token) = (stage.cluster.gateway(), token.clone());
        std::thread::spawn(move || client::once(gateway, "GET", "/c/orders/silent", &token))
    };
    eventually("the backend has the command", || {
        stage.backend.lines().iter().any(|line| line == "GET /silent").then_some(())
    });

    let revoked = stage.cluster.hoopctl(&["revoke", "nightly", "--wait", "-o", "json"]).expect_done();
    let revoked: Value = serde_json::from_str(&revoked).unwrap();
    assert_eq!((revoked["already"].as_bool(), revoked["identity"].as_str()), (Some(false), Some("nightly")));
    let node = &revoked["nodes"][0];
    assert_eq!((node["node"].as_str(), node["standing"].as_str()), (Some("dp-1"), Some("acknowledged")), "{revoked}");
    assert_eq!(node["applied"], revoked["revision"]);
    assert!(node["sessions_closed"].as_u64().unwrap() >= 2, "{revoked}");

    stage.backend.forget();
    let answer = job.send("GET", "/c/orders/2", &token).unwrap();
    assert_eq!((answer.status, answer.refusal().as_str()), (403, "identity_suspended"));
    ends_unfinished(open);
    ends_unfinished(stuck);
    assert!(unanswered.join().unwrap().is_err(), "the command was not answered, and nobody waits for it");
    assert_eq!(stage.backend.byte_count(), 0);

    let again = stage.cluster.hoopctl(&["revoke", "nightly", "--wait"]).expect_done();
    assert!(again.contains("was revoked before") && again.contains("acknowledged"), "{again}");
    let unknown = stage.cluster.hoopctl(&["revoke", "nobody", "--wait"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");
}

#[test]
fn a_connection_follows_its_nodes_and_a_node_goes_on_from_what_it_has() {
    let mut stage = Stage::set();
    let elsewhere = connection("orders", &stage.backend.origin(), "nodes: {zone: elsewhere}");
    stage.cluster.apply_and_wait(&elsewhere);
    let answer = stage.send("GET", "/c/orders/1");
    assert_eq!((answer.status, answer.refusal().as_str()), (421, "connection_unknown"));
    stage.cluster.apply_and_wait(&connection("orders", &stage.backend.origin(), ""));
    assert_eq!(stage.send("GET", "/c/orders/1").status, 200);

    // The control plane forgets what it sent; the node has it still, or gets all of it.
    stage.cluster.restart_control_plane();
    stage.cluster.apply_and_wait(&elsewhere);
    assert_eq!(stage.send("GET", "/c/orders/1").status, 421);
    assert_eq!(stage.backend.lines(), ["GET /1"]);
}

#[test]
fn dp_13_a_node_that_stops_says_so_first_and_serves_until_the_load_balancer_knows() {
    let mut stage = Stage::set();
    let config = stage.cluster.path("data-plane.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("drain_delay_seconds = 60\n{text}")).unwrap();
    stage.cluster.gateway_process().kill();
    stage.cluster.start_gateway();
    stage.cluster.wait_until_ready();
    stage.wait_until_allowed();

    stage.cluster.gateway_process().signal("TERM");
    eventually("it says that it is not ready", || {
        stage.cluster.ready().ok().filter(|answer| answer.status == 503 && answer.refusal() == "draining")
    });
    assert_eq!(stage.send("GET", "/c/orders/late").status, 200, "nobody is turned away yet");
    eventually("the fleet sees it", || {
        let nodes = stage.cluster.hoopctl(&["fleet", "status", "-o", "json"]).expect_done();
        let nodes: Value = serde_json::from_str(&nodes).unwrap();
        (nodes[0]["draining"] == true && nodes[0]["version"].is_string()).then_some(())
    });
    assert!(stage.cluster.gateway_process().ended().is_none(), "it serves on for the whole time");
}

#[test]
fn dp_02_a_node_that_dies_while_the_control_plane_is_away_goes_on_within_its_lease_and_no_longer() {
    let mut stage = Stage::set();
    let file = stage.cluster.path("data-plane/lease");
    eventually("the lease is on the disk", || file.exists().then_some(()));
    stage.cluster.control_process().kill();
    stage.cluster.gateway_process().kill();
    stage.cluster.start_gateway();
    let token = stage.issuer.token();
    let served = eventually("the node is of use again, or its lease is over", || {
        let answer = client::once(stage.cluster.gateway(), "GET", "/c/orders/1", &token).ok()?;
        (answer.status == 200 || stage.cluster.gateway_process().log().contains("left of the lease")).then_some(answer)
    });
    assert_eq!(served.status, 200, "{served:?}");
    assert_eq!(stage.send("DELETE", "/c/orders/1").refusal(), "forbidden", "by the rules that it had");
    let refused = eventually("the lease ends", || {
        let answer = client::once(stage.cluster.gateway(), "GET", "/c/orders/1", &token).ok()?;
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refused.refusal(), "lease_expired");

    stage.cluster.gateway_process().kill();
    stage.cluster.start_gateway();
    let refused =
        eventually("the node answers", || client::once(stage.cluster.gateway(), "GET", "/c/orders/1", &token).ok());
    assert_eq!(refused.status, 503, "a lease that is over is over after a restart, too: {refused:?}");
    stage.cluster.restart_control_plane();
    eventually("with the control plane it is of use", || {
        let answer = client::once(stage.cluster.gateway(), "GET", "/c/orders/1", &token).ok()?;
        (answer.status == 200).then_some(())
    });
}

#[test]
fn dp_02_a_file_that_was_changed_is_of_no_use_and_the_node_says_so() {
    let mut stage = Stage::set();
    let file = stage.cluster.path("data-plane/last-good");
    let lease = stage.cluster.path("data-plane/lease");
    eventually("the revision is on the disk", || lease.exists().then_some(()));
    stage.cluster.control_process().kill();
    stage.cluster.gateway_process().kill();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    stage.cluster.start_gateway();
    let token = stage.issuer.token();
    let refused =
        eventually("the node answers", || client::once(stage.cluster.gateway(), "GET", "/c/orders/1", &token).ok());
    assert_eq!((refused.status, refused.refusal().as_str()), (503, "not_ready"));
    eventually("it says why", || {
        stage.cluster.gateway_process().log().contains("not sealed by this node's key").then_some(())
    });
    stage.cluster.restart_control_plane();
    stage.cluster.wait_until_ready();
}

/// What the fleet's node is, as `hoopctl fleet status` says.
fn node_status(stage: &Stage) -> Value {
    let nodes = stage.cluster.hoopctl(&["fleet", "status", "-o", "json"]).expect_done();
    let nodes: Value = serde_json::from_str(&nodes).unwrap();
    nodes[0].clone()
}

#[test]
fn a_removed_node_is_fenced_and_comes_back_only_by_another_token_with_what_it_recorded_set_aside() {
    let mut stage = Stage::set();
    let blocked = Blocked::store(&stage);
    a_head_is_anchored(&stage);
    let attached = stage.cluster.hoopctl(&["fleet", "remove", "dp-1"]);
    assert_eq!(attached.code, 1, "{attached:?}");
    assert!(attached.err.contains("node `dp-1` is attached"), "{attached:?}");
    let removed = stage.cluster.hoopctl(&["fleet", "remove", "dp-1", "--force"]).expect_done();
    assert!(removed.contains("removed dp-1; what it was allowed to do ends by 20"), "{removed}");
    assert_eq!(node_status(&stage), Value::Null);

    // It acts by its lease and no longer, and whoever waits is told of it until then.
    let revoked = stage.cluster.hoopctl(&["revoke", "nightly", "--wait"]).expect_done();
    assert!(revoked.contains("dp-1  not attached; without authority since"), "{revoked}");
    eventually("its lease is over", || {
        stage.cluster.ready().ok().filter(|answer| answer.status == 503 && answer.refusal() == "lease_expired")
    });
    let log = stage.cluster.gateway_process().log();
    assert!(log.contains("the node is not in the cluster"), "{log}");

    // Neither its certificate nor the token that it had brings it back.
    stage.cluster.gateway_process().kill();
    stage.cluster.start_gateway();
    eventually("it is turned away", || {
        let log = stage.cluster.gateway_process().log();
        (log.matches("the node is not in the cluster").count() > 1).then_some(())
    });
    assert_eq!(node_status(&stage), Value::Null);
    let token = stage.cluster.hoopctl(&["cluster", "join-token", "--role", "data-plane"]).expect_done();
    std::fs::write(stage.cluster.path("join-token"), token).unwrap();
    stage.cluster.apply_and_wait(&caller(&stage.issuer));
    stage.cluster.wait_until_ready();
    stage.wait_until_allowed();
    assert_eq!(node_status(&stage)["connected"], true);
    assert_eq!(stage.send("GET", "/c/orders/2").status, 200);
    // The cluster had heard of records that it has not got.
    drop(blocked);
    a_gap_is_named(&stage);
    eventually("they are kept on the node, out of the way", || {
        let refused = stage.cluster.spool().join("dp-1/refused");
        std::fs::read_dir(refused).is_ok_and(|files| files.count() > 0).then_some(())
    });
}

#[test]
fn a_node_that_lost_its_certificate_joins_again_as_who_it_was() {
    let mut stage = Stage::set();
    assert_eq!(stage.send("GET", "/c/orders/1").status, 200);
    stage.cluster.gateway_process().kill();
    std::fs::remove_file(stage.cluster.path("data-plane/node.pem")).unwrap();
    let token = stage.cluster.hoopctl(&["cluster", "join-token", "--role", "data-plane", "--again", "dp-1"]);
    std::fs::write(stage.cluster.path("join-token"), token.expect_done()).unwrap();
    stage.cluster.start_gateway();
    stage.cluster.wait_until_ready();
    stage.wait_until_allowed();
    assert_eq!(stage.send("GET", "/c/orders/2").status, 200);
    stage.cluster.gateway_process().signal("TERM");
    assert!(stage.cluster.gateway_process().wait().success());
    // Nothing of what it recorded before is lost.
    eventually("everything is shipped", || files(&stage.cluster.spool()).is_empty().then_some(()));
    let verified = verify(&stage).expect_done();
    assert!(!verified.contains("missing"), "{verified}");
    assert!(stage.evidence().allowed().is_superset(&["GET /1".into(), "GET /2".into()].into()));
}

/// Verifies all that the evidence store has.
fn verify(stage: &Stage) -> Said {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("evidence");
    let target = target.to_str().unwrap();
    let _ = stage.cluster.hoopctl(&["audit", "export", target]).expect_done();
    let key = stage.cluster.hoopctl(&["audit", "key"]).expect_done();
    stage.cluster.hoopctl_alone(&["audit", "verify", target, "--key", key.trim()])
}
