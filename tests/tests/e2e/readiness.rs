//! A node is of no use, and says so, until it has policy.

use hoop_tests::backend::Backend;
use hoop_tests::client;
use hoop_tests::cluster::{Cluster, Options};
use hoop_tests::issuer::Issuer;
use hoop_tests::poll::eventually;
use hoop_tests::stage::{POLICY, caller, connection};

#[test]
fn a_node_that_never_had_a_policy_is_not_ready_and_forwards_nothing() {
    let mut cluster = Cluster::start(&Options::default());
    let (backend, issuer) = (Backend::start(), Issuer::start());
    let documents = caller(&issuer) + &connection("orders", &backend.origin(), "") + POLICY;
    let _ = cluster.apply("start", &documents, &[]).expect_done();
    cluster.control_process().kill();

    cluster.start_gateway();
    let gateway = cluster.gateway();
    let get = |target| client::Client::connect(gateway)?.request("GET", target, &[], None);
    eventually("the node answers", || get("/.hoop/healthz").ok().filter(|answer| answer.status == 200));
    let answer = cluster.ready().unwrap();
    assert_eq!((answer.status, answer.refusal().as_str()), (503, "not_ready"));
    let answer = client::once(gateway, "GET", "/c/orders/1", &issuer.token()).unwrap();
    assert_eq!((answer.status, answer.refusal().as_str()), (503, "not_ready"));
    assert_eq!(backend.byte_count(), 0);

    cluster.restart_control_plane();
    cluster.wait_until_ready();
    eventually("a read comes through", || {
        client::once(gateway, "GET", "/c/orders/1", &issuer.token()).ok().filter(|answer| answer.status == 200)
    });
}

#[test]
fn cp_11_a_join_token_lets_one_node_in_once() {
    let mut cluster = Cluster::start(&Options::default());
    cluster.start_gateway();
    cluster.wait_until_ready();
    let nodes = cluster.hoopctl(&["fleet", "status", "-o", "json"]).expect_done();
    let nodes: serde_json::Value = serde_json::from_str(&nodes).unwrap();
    assert_eq!((nodes[0]["name"].as_str(), nodes[0]["connected"].as_bool()), (Some("dp-1"), Some(true)), "{nodes}");

    // The same token again, for a node that has lost its certificate.
    cluster.gateway_process().kill();
    std::fs::remove_dir_all(cluster.path("data-plane")).unwrap();
    cluster.start_gateway();
    let node = cluster.gateway_process();
    let log = node.log();
    let refused = "refused to let the node join";
    eventually("the node is turned away", || {
        (node.log().len() > log.len() && node.log().contains(refused)).then_some(())
    });
    let answer = cluster.ready().unwrap();
    assert_eq!((answer.status, answer.refusal().as_str()), (503, "not_ready"));
}
