//! Policy that changes while a job runs, and what it takes to change it.

use hoop_tests::stage::{Stage, caller, connection};

/// Rules of `orders` that are applied in place of those that let POST through.
const READ_ONLY: &str = r#"apiVersion: hoop/v1
kind: Policy
metadata: {name: agents-write}
spec:
  cedar: |
    permit (principal in Hoop::Group::"agents", action == Hoop::Action::"http:OPTIONS", resource in Hoop::Connection::"orders");
"#;

#[test]
fn a_tightened_policy_is_felt_by_the_next_request_of_an_open_connection() {
    let stage = Stage::set();
    let token = stage.issuer.token();
    let mut job = stage.connect();
    assert_eq!(job.send("POST", "/c/orders/notes", &token).unwrap().status, 200);

    stage.cluster.apply_and_wait(READ_ONLY);
    let answer = job.send("POST", "/c/orders/notes", &token).unwrap();
    assert_eq!((answer.status, answer.refusal().as_str()), (403, "not_permitted"));
    assert_eq!(job.send("GET", "/c/orders/notes", &token).unwrap().status, 200, "the connection is in order");
    assert_eq!(stage.backend.lines(), ["POST /notes", "GET /notes"]);
}

#[test]
fn a_suspended_identity_is_refused_on_its_open_connection() {
    let stage = Stage::set();
    let token = stage.issuer.token();
    let mut job = stage.connect();
    assert_eq!(job.send("GET", "/c/orders/1", &token).unwrap().status, 200);
    stage.backend.forget();

    let suspended = caller(&stage.issuer) + "  suspended: true\n";
    stage.cluster.apply_and_wait(&suspended);
    let answer = job.send("GET", "/c/orders/1", &token).unwrap();
    assert_eq!((answer.status, answer.refusal().as_str()), (403, "identity_suspended"));

    stage.cluster.apply_and_wait(&caller(&stage.issuer));
    assert_eq!(job.send("GET", "/c/orders/back", &token).unwrap().status, 200);
    assert_eq!(stage.backend.lines(), ["GET /back"]);
}

#[test]
fn without_a_rule_nothing_is_allowed() {
    let stage = Stage::set();
    let (bare, _) = connection("bare", &stage.backend.origin(), "")
        .split_once("---\napiVersion: hoop/v1\nkind: Policy")
        .map(|(bare, rules)| (bare.to_owned(), rules.to_owned()))
        .unwrap();
    stage.cluster.apply_and_wait(&bare);
    let answer = stage.send("GET", "/c/bare/1");
    assert_eq!((answer.status, answer.refusal().as_str()), (403, "connect_not_permitted"));
    let answer = stage.send("PUT", "/c/orders/1");
    assert_eq!((answer.status, answer.refusal().as_str()), (403, "not_permitted"));
    let answer = stage.send("GET", "/c/nowhere/1");
    assert_eq!((answer.status, answer.refusal().as_str()), (421, "connection_unknown"));
    for target in ["/", "/orders/1", "/c/orders", "/c/Orders/1", "/c/%6frders/1"] {
        assert_eq!(stage.send("GET", target).status, 421, "{target}");
    }
    stage.nothing_reached_the_backend();
}

#[test]
fn a_policy_that_does_not_hold_water_changes_nothing() {
    let stage = Stage::set();
    let before = stage.cluster.hoopctl(&["get", "-o", "json"]).expect_done();
    for (what, cedar) in [
        (
            "an unknown attribute",
            "forbid (principal, action == Hoop::Action::\"http:GET\", resource) when { context.nothing == 1 };",
        ),
        ("an unknown action", "permit (principal, action == Hoop::Action::\"http:STEAL\", resource);"),
        (
            "an entity that does not exist",
            "permit (principal in Hoop::Group::\"agents\", action, resource in Hoop::Connection::\"nowhere\");",
        ),
        ("no policy", "permit (principal, action"),
    ] {
        let document =
            format!("apiVersion: hoop/v1\nkind: Policy\nmetadata: {{name: bad}}\nspec:\n  cedar: |\n    {cedar}\n");
        let said = stage.cluster.apply("bad", &document, &[]);
        assert_eq!(said.code, 3, "{what}: {said:?}");
        assert!(said.err.contains("bad"), "{what}: {said:?}");
    }
    assert_eq!(stage.cluster.hoopctl(&["get", "-o", "json"]).expect_done(), before);
    assert_eq!(stage.send("GET", "/c/orders/1").status, 200);
}

#[test]
fn a_hold_that_nobody_could_release_is_rejected() {
    let stage = Stage::set();
    let said = stage.cluster.apply("lonely", &hoop_tests::people::posts_wait(1), &[]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("on-call"), "{said:?}");
}
