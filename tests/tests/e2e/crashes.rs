//! kill -9 of a data-plane node under load: whatever the backend saw is in the evidence.

use crate::rounds;
use hoop_tests::client::Client;
use hoop_tests::poll::eventually;
use hoop_tests::stage::Stage;
use std::collections::BTreeSet;
use std::net::SocketAddr;

const CALLERS: usize = 4;
/// How many requests a round has before the node dies.
const BEFORE_DEATH: usize = 300;

/// Sends requests that never repeat until the node is gone; it comes to its end in the middle of one.
fn load(gateway: SocketAddr, token: &str, round: usize, caller: usize) {
    let Ok(mut client) = Client::connect(gateway) else { return };
    for number in 0.. {
        let target = format!("/c/orders/r{round}/c{caller}/{number}");
        if client.send("GET", &target, token).is_err() {
            return;
        }
    }
}

#[test]
fn after_a_crash_the_evidence_covers_what_the_backend_saw() {
    let mut stage = Stage::set();
    let token = stage.issuer.token();
    let (mut seen, mut cut_off) = (BTreeSet::new(), 0);
    for round in 0..rounds(5, 200) {
        let gateway = stage.cluster.gateway();
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let token = token.clone();
                std::thread::spawn(move || load(gateway, &token, round, caller))
            })
            .collect();
        eventually("the backend is busy", || (stage.backend.seen().len() >= BEFORE_DEATH).then_some(()));
        stage.cluster.gateway_process().kill();
        callers.into_iter().for_each(|caller| caller.join().unwrap());

        // Also a request that the backend got only in part must be in the evidence.
        seen.extend(stage.backend.connections().iter().flat_map(|bytes| request_lines(bytes)));
        let evidence = stage.evidence();
        let allowed = evidence.allowed();
        let missing: Vec<_> = seen.difference(&allowed).collect();
        assert!(missing.is_empty(), "round {round}: forwarded without a record: {missing:?}");
        cut_off = evidence.cut_off;

        stage.cluster.start_gateway();
        stage.cluster.wait_until_ready();
        stage.wait_until_allowed();
    }
    println!("{} requests seen, {cut_off} chains cut off inside a record", seen.len());
}

/// Method and target of every request in a connection's bytes; none of them has a body.
fn request_lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split("\r\n").filter(|line| line.ends_with(" HTTP/1.1"));
    lines.map(|line| line.trim_end_matches(" HTTP/1.1").to_owned()).filter(|line| line.starts_with("GET /r")).collect()
}
