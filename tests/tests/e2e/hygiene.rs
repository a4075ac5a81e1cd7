//! What never goes on to a backend, and what never goes into a log.

use hoop_tests::canary::Canary;
use hoop_tests::cluster::Options;
use hoop_tests::stage::Stage;

#[test]
fn the_callers_token_and_the_gateways_own_fields_never_reach_the_backend() {
    let stage = Stage::set();
    let token = stage.issuer.token();
    let fields = [
        ("Authorization", format!("Bearer {token}")),
        ("Proxy-Authorization", "Basic Zm9vOmJhcg==".into()),
        ("Hoop-Identity", "root".into()),
        ("Hoop-Approval", "ab".repeat(16)),
        ("X-Gw-Identity", "root".into()),
        ("X-Forwarded-For", "10.0.0.1".into()),
        ("X-Forwarded-Host", "internal".into()),
        ("X-Real-Ip", "10.0.0.1".into()),
        ("Forwarded", "for=10.0.0.1".into()),
        ("Connection", "keep-alive, te".into()),
        ("Keep-Alive", "timeout=5".into()),
        ("TE", "trailers".into()),
        ("Accept", "application/json".into()),
        ("X-Mine", "kept".into()),
    ];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = stage.connect().request("GET", "/c/orders/headers", &fields, None).unwrap();
    assert_eq!(answer.status, 200);

    let seen = stage.backend.seen().remove(0);
    let names: Vec<_> = seen.fields.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["host", "accept", "accept-encoding", "x-mine", "via", "traceparent"];
    assert!(names.iter().all(|name| expected.contains(name)), "{names:?}");
    assert_eq!(seen.values("host"), [stage.backend.address().to_string()]);
    assert_eq!(seen.values("x-mine"), ["kept"]);
    assert_eq!(seen.values("accept-encoding"), ["identity"], "what is masked is asked for as the caller reads it");
    let all = stage.backend.connections().concat();
    token.split('.').for_each(|part| Canary::new(part).must_not_be_in("what the backend got", &all));
    Canary::new("root").must_not_be_in("what the backend got", &all);
}

#[test]
fn fields_that_would_change_the_command_are_refused() {
    let stage = Stage::set();
    let authorization = format!("Bearer {}", stage.issuer.token());
    for (name, value) in [
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Method-Override", "DELETE"),
        ("X-Original-URL", "/admin"),
        ("X-Rewrite-URL", "/admin"),
        ("Hoop_Identity", "root"),
        ("Hoop-Approval", "1"),
        ("Connection", "X-Gw-Identity"),
        ("Connection", "Authorization"),
        ("Connection", "Content-Length"),
        ("Content-Type", "text/plain, application/json"),
        ("Expect", "200-maybe"),
    ] {
        let fields = [("Authorization", authorization.as_str()), (name, value)];
        let answer = stage.connect().request("POST", "/c/orders/1", &fields, Some(b"{}")).unwrap();
        assert_eq!((answer.status, answer.refusal().as_str()), (400, "malformed_header"), "{name}: {value}");
        assert_eq!(answer.field("connection"), Some("close"), "{name}");
    }
    stage.nothing_reached_the_backend();
}

#[test]
fn a_target_that_can_be_read_in_two_ways_is_refused() {
    let stage = Stage::set();
    for target in [
        "/a/../b",
        "/a/./b",
        "/a//b",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a%2e%2e/b",
        "/a%252fb",
        "/a;b",
        "/a%3bb",
        "/%00",
        "/a%0d%0aX:%20y",
        "/%ff",
        "/%c0%af",
        "/a%",
        "/a%4",
        "/a%zz",
        "/a\\b",
    ] {
        let answer = stage.send("GET", &format!("/c/orders{target}"));
        assert_eq!(answer.status, 400, "{target}");
    }
    let answer = stage.send("GET", "/c/orders/%7euser/%c3%A9?q=%41");
    assert_eq!(answer.status, 200);
    assert_eq!(stage.backend.lines(), ["GET /~user/%C3%A9?q=A"], "one canonical form is judged and forwarded");
    stage.backend.forget();
    stage.nothing_reached_the_backend();
}

#[test]
fn a_method_that_is_not_known_is_refused() {
    let stage = Stage::set();
    for method in ["TRACE", "CONNECT", "FOO", "GeT", "PROPFIND"] {
        let answer = stage.send(method, "/c/orders/1");
        assert_eq!(answer.status, 400, "HT-13, HT-19, HT-22: {method}");
    }
    stage.nothing_reached_the_backend();
}

#[test]
fn se_02_no_credential_is_in_any_log_or_record_however_much_is_logged() {
    let mut stage = Stage::set_with(&Options { log: Some("trace"), ..Options::default() });
    let token = stage.issuer.token();
    let authorization = format!("Bearer {token}");
    let (query, field, body) = ("CANARY-QUERY-5f0e", "CANARY-FIELD-91c2", "CANARY-BODY-77aa");
    let fields = [("Authorization", authorization.as_str()), ("X-Api-Key", field), ("Cookie", field)];
    // What a backend says of a request is its answer, which is recorded as any other: this one says nothing.
    let quiet = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    stage.backend.says(&format!("/1?key={query}"), &[quiet]);
    let mut job = stage.connect();
    for method in ["GET", "POST", "DELETE"] {
        let target = format!("/c/orders/1?key={query}");
        job.request(method, &target, &fields, Some(format!("{{\"secret\":\"{body}\"}}").as_bytes())).unwrap();
    }
    let tampered = format!("{token}AAAA");
    assert_eq!(job.send("GET", "/c/orders/1", &tampered).unwrap().status, 401);
    let _ = stage.cluster.hoopctl(&["get"]).expect_done();
    stage.cluster.gateway_process().signal("TERM");
    assert!(stage.cluster.gateway_process().wait().success());
    stage.cluster.control_process().signal("TERM");
    assert!(stage.cluster.control_process().wait().success());

    let read = |name: &str| std::fs::read_to_string(stage.cluster.path(name)).unwrap().trim().to_owned();
    let signature = token.rsplit('.').next().unwrap().to_owned();
    let mut canaries = vec![query.to_owned(), field.to_owned(), body.to_owned(), signature];
    canaries.extend(["admin-token", "session-token", "join-token", "seal.key"].map(read));
    let node = read("data-plane/node.pem");
    let key = node.lines().skip_while(|line| !line.contains("PRIVATE KEY")).nth(1).unwrap();
    canaries.push(key.to_owned());
    let logs = ["data-plane.log", "control-plane.log"].map(&read);
    for log in &logs {
        assert!(log.contains(" DEBUG ") || log.contains(" TRACE "), "the log is not at trace:\n{log}");
    }
    for canary in &canaries {
        let canary = Canary::new(canary);
        logs.iter().for_each(|log| canary.must_not_be_in("a log", log.as_bytes()));
        let _ = canary.must_not_be_beneath(&stage.cluster.spool());
        assert!(canary.must_not_be_beneath(&stage.cluster.path("control-plane/evidence/segments")) > 0, "no evidence");
        // SE-08: what the control plane keeps opens nothing.
        assert!(canary.must_not_be_beneath(&stage.cluster.path("control-plane")) > 0);
    }
}
