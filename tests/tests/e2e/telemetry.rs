//! What both planes tell of themselves: that it is true, that it is bounded, and that nobody's secret is in it.

use crate::approvals::{ann, stage_with_holds, the_one_that_waits, waiting_post};
use hoop_tests::canary::Canary;
use hoop_tests::cluster::Options;
use hoop_tests::collector::Collector;
use hoop_tests::metrics::Page;
use hoop_tests::poll::eventually;
use hoop_tests::process::free_port;
use hoop_tests::stage::{Stage, connection};
use std::collections::{BTreeMap, BTreeSet};

/// A row of the table: a metric's kind and the names of its labels.
type Row = (String, BTreeSet<String>);

/// Reads one plane's table of `deploy/METRICS.md`.
fn table(plane: &str) -> BTreeMap<String, Row> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/METRICS.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(plane)).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `hoop_"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels))
    })
    .collect()
}

fn exposed(page: &Page) -> BTreeMap<String, Row> {
    page.kinds.iter().map(|(name, kind)| (name.clone(), (kind.clone(), page.labels(name)))).collect()
}

/// Sends a command of every kind: allowed, refused by policy and before it, and one that its backend does not answer.
fn send_one_of_each(stage: &Stage) {
    let dead = connection("dead", &format!("http://127.0.0.1:{}", free_port()), "");
    stage.cluster.apply_and_wait(&dead);
    assert_eq!(stage.send("GET", "/c/orders/1").status, 200);
    assert_eq!(stage.send("DELETE", "/c/orders/1").refusal(), "forbidden");
    assert_eq!(stage.send("GET", "/c/nowhere/1").refusal(), "connection_unknown");
    assert_eq!(stage.send("GET", "/c/dead/1").refusal(), "upstream_unreachable");
    assert_eq!(stage.send_as("GET", "/c/orders/1", "a.b.c").refusal(), "token_malformed");
}

#[test]
fn the_table_of_metrics_is_what_both_planes_expose() {
    let stage = Stage::set();
    send_one_of_each(&stage);
    assert_eq!(exposed(&stage.cluster.gateway_metrics()), table("Data plane"));
    assert_eq!(exposed(&stage.cluster.control_plane_metrics()), table("Control plane"));
}

#[test]
fn metrics_say_what_happened() {
    let mut stage = stage_with_holds(1);
    send_one_of_each(&stage);
    let waiting = waiting_post(&stage, r#"{"n":1}"#);
    let id = the_one_that_waits(&ann(&stage));
    let held = eventually("the node counts what waits", || {
        Some(stage.cluster.gateway_metrics()).filter(|page| page.value("hoop_held_commands") == 1.0)
    });
    let command = |connection: &str, verdict: &str, code: &str| {
        let labels = format!("connection=\"{connection}\",protocol=\"http\",verdict=\"{verdict}\",code=\"{code}\"");
        format!("hoop_commands_total{{{labels}}}")
    };
    assert!(held.value(&command("orders", "allow", "none")) >= 1.0);
    for (connection, verdict, code) in [
        ("orders", "refuse", "forbidden"),
        ("", "none", "connection_unknown"),
        ("", "none", "token_malformed"),
        ("dead", "allow", "upstream_unreachable"),
    ] {
        assert_eq!(held.value(&command(connection, verdict, code)), 1.0, "{connection} {code}\n{}", held.text);
    }
    assert_eq!(held.value(r#"hoop_upstream_errors_total{connection="dead",code="upstream_unreachable"}"#), 1.0);
    assert_eq!(held.value(r#"hoop_responses_total{connection="dead",class="5xx"}"#), 1.0);
    assert_eq!(held.value(r#"hoop_command_duration_seconds_count{connection="dead"}"#), 1.0);
    assert_eq!(held.value("hoop_caller_connections"), 1.0, "the one that waits");
    for present in ["hoop_sessions", "hoop_lease_seconds", "hoop_control_plane_link_up", "hoop_evidence_records_total"]
    {
        assert!(held.value(present) >= 1.0, "{present}\n{}", held.text);
    }
    let control = stage.cluster.control_plane_metrics();
    for (series, value) in [
        ("hoop_approvals_pending", 1.0),
        ("hoop_nodes_connected", 1.0),
        ("hoop_raft_leader", 1.0),
        (r#"hoop_node_revision_lag{node="dp-1"}"#, 0.0),
        (r#"hoop_calls_total{method="hoop.v1.Holds/Open",code="ok"}"#, 1.0),
    ] {
        assert_eq!(control.value(series), value, "{series}\n{}", control.text);
    }
    assert_eq!(held.value("hoop_applied_revision_index"), control.value("hoop_revision_index"));
    assert_eq!(
        control.value("hoop_raft_commit_seconds_count"),
        control.value("hoop_raft_proposals_total{outcome=\"done\"}")
    );

    let _ = ann(&stage).approvals(&["approve", &id]).expect_done();
    assert_eq!(waiting.join().unwrap().unwrap().status, 200);
    let after = stage.cluster.gateway_metrics();
    assert_eq!((after.value("hoop_held_commands"), after.value(&command("orders", "hold", "none"))), (0.0, 1.0));
    assert_eq!(stage.cluster.control_plane_metrics().value("hoop_approvals_pending"), 0.0);

    stage.cluster.control_process().kill();
    eventually("the node sees that it is alone", || {
        (stage.cluster.gateway_metrics().value("hoop_control_plane_link_up") == 0.0).then_some(())
    });
}

#[test]
fn se_07_nothing_that_callers_send_makes_another_series() {
    let stage = Stage::set();
    send_one_of_each(&stage);
    let token = stage.issuer.token();
    let mut job = stage.connect();
    let mut bomb = |number: usize| {
        let canary = format!("CANARY-{number:04}");
        let field = [("Authorization", format!("Bearer {token}")), ("X-Canary", canary.clone())];
        let fields: Vec<_> = field.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(job.request("GET", &format!("/c/orders/{canary}?q={canary}"), &fields, None).unwrap().status, 200);
        assert_eq!(job.send("GET", &format!("/c/canary-{number}/1"), &token).unwrap().status, 421);
        assert_eq!(job.send("GET", "/c/orders/1", &format!("{canary}.b.c")).unwrap().status, 401);
        // The gateway ends the connection of who sends such a thing.
        if number.is_multiple_of(100) {
            assert_eq!(stage.send(&format!("CANARY-{number}"), "/c/orders/1").status, 400);
        }
    };
    bomb(0);
    let names = |page: &Page| page.series.keys().cloned().collect::<BTreeSet<_>>();
    let (before, control_before) = (stage.cluster.gateway_metrics(), stage.cluster.control_plane_metrics());
    (1..1_000).for_each(&mut bomb);
    let (after, control_after) = (stage.cluster.gateway_metrics(), stage.cluster.control_plane_metrics());
    assert_eq!(names(&after), names(&before));
    assert_eq!(names(&control_after), names(&control_before));
    let lost = r#"hoop_commands_total{connection="",protocol="http",verdict="none",code="connection_unknown"}"#;
    assert_eq!(after.value(lost) - before.value(lost), 999.0);
    for canary in ["CANARY-", "canary-", token.split('.').next_back().unwrap()] {
        Canary::new(canary).must_not_be_in("the node's metrics", after.text.as_bytes());
        Canary::new(canary).must_not_be_in("the control plane's metrics", control_after.text.as_bytes());
    }
}

#[test]
fn a_connection_that_is_gone_is_in_no_series() {
    let stage = Stage::set();
    send_one_of_each(&stage);
    assert!(stage.cluster.gateway_metrics().text.contains("connection=\"dead\""));
    let _ = stage.cluster.hoopctl(&["delete", "Policy", "agents-read-dead"]).expect_done();
    let _ = stage.cluster.hoopctl(&["delete", "Connection", "dead"]).expect_done();
    eventually("the node forgets it", || {
        (!stage.cluster.gateway_metrics().text.contains("connection=\"dead\"")).then_some(())
    });
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A stage whose planes send their traces, and what they send them to.
fn traced() -> (Stage, Collector) {
    let collector = Collector::start();
    let options = Options { traces: Some(collector.endpoint()), log: Some("trace"), ..Options::default() };
    (Stage::set_with(&options), collector)
}

#[test]
fn a_trace_begins_at_the_caller_crosses_the_node_and_goes_on_at_the_backend() {
    let (stage, collector) = traced();
    let token = format!("Bearer {}", stage.issuer.token());
    let fields = [("Authorization", token.as_str()), ("traceparent", PARENT), ("tracestate", "a=b")];
    let answer = stage.connect().request("GET", "/c/orders/1?key=CANARY-query", &fields, None).unwrap();
    assert_eq!(answer.status, 200);
    let spans = eventually("both spans have come", || {
        let spans = collector.trace(TRACE);
        (spans.len() >= 2).then_some(spans)
    });
    let root = spans.iter().find(|span| span.name == "request").unwrap();
    assert_eq!((root.parent.as_str(), root.service.as_str()), ("b7ad6b7169203331", "hoop-data-plane"));
    for (key, value) in [
        ("hoop.connection", "orders"),
        ("hoop.identity", "nightly"),
        ("hoop.verdict", "allow"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
    ] {
        assert_eq!(root.notes.get(key).map(String::as_str), Some(value), "{root:?}");
    }
    let upstream = spans.iter().find(|span| span.name == "upstream").unwrap();
    assert_eq!(upstream.parent, root.id);
    let seen = &stage.backend.seen()[0];
    assert_eq!(
        seen.values("traceparent"),
        [format!("00-{TRACE}-{}-01", upstream.id)],
        "the backend's parent is this hop"
    );
    assert_eq!(seen.values("tracestate"), ["a=b"]);

    let refused = stage.connect().request("DELETE", "/c/orders/1", &fields[..2], None).unwrap();
    assert_eq!(refused.json()["trace_id"], TRACE, "what a caller is told leads to its trace");
    eventually("the refusal is in it", || {
        let spans = collector.trace(TRACE);
        spans.iter().any(|span| span.notes.get("hoop.code").is_some_and(|code| code == "forbidden")).then_some(())
    });
    let silent = PARENT.replace("-01", "-00").replace("0af7", "1af7");
    let fields = [("Authorization", token.as_str()), ("traceparent", silent.as_str())];
    let _ = stage.connect().request("GET", "/c/orders/2", &fields, None).unwrap();
    let _ = stage.connect().request("GET", "/c/orders/last", &[("Authorization", token.as_str())], None).unwrap();
    let before = collector.spans().len();
    eventually("what began here has come", || (collector.spans().len() > before).then_some(()));
    assert_eq!(collector.trace(&TRACE.replace("0af7", "1af7")), [], "its caller does not sample it");
}

#[test]
fn the_approval_of_a_held_command_is_in_the_callers_trace() {
    let collector = Collector::start();
    let options = Options { traces: Some(collector.endpoint()), ..Options::default() };
    let stage = crate::approvals::stage_with_holds_and(1, &options);
    let (gateway, token) = (stage.cluster.gateway(), stage.issuer.token());
    let waiting = std::thread::spawn(move || {
        let token = format!("Bearer {token}");
        let fields = [("Authorization", token.as_str()), ("traceparent", PARENT)];
        hoop_tests::client::Client::connect(gateway)?.request("POST", "/c/orders/items", &fields, Some(b"CANARY-held"))
    });
    let ann = crate::approvals::ann(&stage);
    let id = crate::approvals::the_one_that_waits(&ann);
    let _ = ann.approvals(&["approve", &id]).expect_done();
    assert_eq!(waiting.join().unwrap().unwrap().status, 200);
    let spans = eventually("every part has come", || {
        let spans = collector.trace(TRACE);
        let names = ["request", "hold", "open approval", "vote", "claim approval", "upstream"];
        names.iter().all(|name| spans.iter().any(|span| span.name == *name)).then_some(spans)
    });
    let one = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    assert_eq!(one("hold").parent, one("request").id);
    for name in ["open approval", "vote", "claim approval"] {
        assert_eq!(
            (one(name).parent.as_str(), one(name).service.as_str()),
            (one("hold").id.as_str(), "hoop-control-plane")
        );
        assert_eq!(one(name).notes["hoop.approval"], id);
    }
    assert_eq!(one("vote").notes["hoop.person"], "ann");
    Canary::new("CANARY-held").must_not_be_in("the traces", &collector.bytes());
}

#[test]
fn se_07_no_span_has_what_callers_or_backends_send_and_a_dead_collector_holds_nobody_up() {
    let (mut stage, collector) = traced();
    let token = stage.issuer.token();
    let authorization = format!("Bearer {token}");
    let fields = [
        ("Authorization", authorization.as_str()),
        ("X-Key", "CANARY-field"),
        ("traceparent", PARENT),
        ("tracestate", "CANARY-state=1"),
    ];
    let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Mine: CANARY-answer\r\nContent-Length: 11\r\n\r\nCANARY-body";
    stage.backend.says("/CANARY-path?q=CANARY-query", &[answer]);
    let mut client = stage.connect();
    let sent = client.request("POST", "/c/orders/CANARY-path?q=CANARY-query", &fields, Some(b"CANARY-sent")).unwrap();
    assert_eq!(sent.status, 200);
    for (target, method) in
        [("/c/CANARY-connection/1", "GET"), ("/c/orders/a//CANARY", "GET"), ("/c/orders/1", "CANARY")]
    {
        let _ = client.request(method, target, &fields, None);
        client = stage.connect();
    }
    eventually("the spans have come", || (collector.trace(TRACE).len() >= 4).then_some(()));
    let bytes = collector.bytes();
    Canary::new("CANARY").must_not_be_in("the traces", &bytes);
    token.split('.').for_each(|part| Canary::new(part).must_not_be_in("the traces", &bytes));
    drop(collector);
    let mut client = stage.connect();
    for _ in 0..200 {
        assert_eq!(client.send("GET", "/c/orders/1", &token).unwrap().status, 200);
    }
    eventually("it is said", || {
        stage.cluster.gateway_process().log().contains("the collector of traces does not take them").then_some(())
    });
    assert_eq!(client.send("GET", "/c/orders/1", &token).unwrap().status, 200);
}
