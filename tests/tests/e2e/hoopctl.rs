//! What an administrator asks before and after: what would change, what is there, what would be said, and why it was.

use hoop_tests::poll::eventually;
use hoop_tests::stage::{Stage, connection};
use serde_json::Value;

const MORE: &str = r#"---
apiVersion: hoop/v1
kind: Policy
metadata: {name: notes}
spec:
  cedar: |
    permit (principal in Hoop::Group::"agents", action == Hoop::Action::"http:PATCH", resource in Hoop::Connection::"orders")
    when { context.path like "/notes/*" };
"#;

fn write(stage: &Stage, name: &str, text: &str) -> String {
    let path = stage.cluster.path(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn diff_says_what_apply_would_change_and_then_nothing() {
    let stage = Stage::set();
    let origin = stage.backend.origin();
    let changed = connection("orders", &origin, "hold: 5s") + MORE;
    let file = write(&stage, "changed.yaml", &changed);
    let said = stage.cluster.hoopctl(&["diff", "-f", &file]);
    assert_eq!(said.code, 1, "{said:?}");
    for line in ["Connection/orders changes", "- hold: \"30s\"", "+ hold: \"5s\"", "Policy/notes is created"] {
        let is_said = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(is_said.contains(&line.split_whitespace().collect::<Vec<_>>().join(" ")), "{line}\n{}", said.out);
    }
    assert!(!said.out.contains("agents-read-orders"), "what stays is not shown: {}", said.out);
    stage.cluster.apply_and_wait(&changed);
    let said = stage.cluster.hoopctl(&["diff", "-f", &file]);
    assert_eq!((said.code, said.out.as_str()), (0, ""));
}

#[test]
fn describe_says_what_an_object_names_and_what_names_it() {
    let stage = Stage::set();
    let shown = stage.cluster.hoopctl(&["describe", "Connection", "orders"]).expect_done();
    for wanted in ["upstream", "Environment production", "Policy agents-read-orders", "node dp-1"] {
        assert!(shown.contains(wanted), "{wanted}\n{shown}");
    }
    let shown = stage.cluster.hoopctl(&["describe", "Issuer", "ci"]).expect_done();
    assert!(shown.contains("Identity nightly"), "{shown}");
    let said = stage.cluster.hoopctl(&["describe", "Issuer", "missing"]);
    assert!(said.code == 1 && said.err.contains("there is no Issuer `missing`"), "{said:?}");
}

#[test]
fn explain_says_what_the_gateway_then_does_and_why() {
    let stage = Stage::set();
    stage.cluster.apply_and_wait(MORE);
    let explain = |line: &str| {
        let (method, target) = line.split_once(' ').unwrap();
        let said = stage.cluster.hoopctl(&["explain", "nightly", "orders", method, target, "-o", "json"]).expect_done();
        serde_json::from_str::<Value>(&said).unwrap()
    };
    for line in
        ["GET /1", "DELETE /1", "PATCH /notes/1", "PATCH /1", "PUT /1", "GET /a//b", "GET /%2e%2e/a", "TRACE /1"]
    {
        let explained = explain(line);
        let (method, target) = line.split_once(' ').unwrap();
        let answer = stage.send(method, &format!("/c/orders{target}"));
        let (verdict, code) = match answer.status {
            200 => ("allow", Value::Null),
            _ => ("refuse", Value::from(answer.refusal())),
        };
        assert_eq!((&explained["verdict"], &explained["code"]), (&Value::from(verdict), &code), "{line}\n{explained}");
    }
    let explained = explain("PATCH /1");
    let changes = explained["changes"].to_string();
    assert!(changes.contains("`notes/1` permits `http:PATCH` under a condition that does not hold here"), "{changes}");
    let text = stage.cluster.hoopctl(&["explain", "nightly", "orders", "DELETE", "/1"]).expect_done();
    assert!(text.contains("refuse forbidden") && text.contains("forbids"), "{text}");
    stage.backend.forget();
    let _ = stage.cluster.hoopctl(&["explain", "nightly", "orders", "GET", "/1"]).expect_done();
    assert_eq!(stage.backend.byte_count(), 0, "nothing is sent");

    let cases = "tests:\n  - {name: notes, identity: nightly, connection: orders, request: PATCH /notes/1, expect: allow}\n  \
                 - {name: rest, identity: nightly, connection: orders, request: PATCH /1, expect: refuse, code: not_permitted}\n";
    let file = write(&stage, "cases.yaml", cases);
    let said = stage.cluster.hoopctl(&["policy", "test", &file]);
    assert!(said.code == 0 && said.out.contains("2 passed, 0 failed"), "{said:?}");
    let file = write(&stage, "wrong.yaml", &cases.replace("expect: allow", "expect: hold"));
    let said = stage.cluster.hoopctl(&["policy", "test", &file]);
    assert!(said.code == 1 && said.out.contains("expected hold, got allow"), "{said:?}");
    let file = write(&stage, "typo.yaml", &cases.replace("expect: allow", "expects: allow"));
    let said = stage.cluster.hoopctl(&["policy", "test", &file]);
    assert!(said.code == 1 && said.err.contains("typo.yaml:2:"), "{said:?}");
}

#[test]
fn a_recorded_command_is_explained_by_its_record_and_says_what_became_of_its_policy() {
    let stage = Stage::set();
    assert_eq!(stage.send("DELETE", "/c/orders/1").status, 403);
    let list = ["sessions", "list", "--identity", "nightly", "--refused", "-o", "json"];
    let (id, number) = eventually("the session is listed", || {
        let listed: Value = serde_json::from_str(&stage.cluster.hoopctl(&list).expect_done()).unwrap();
        let ids = listed.as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap().to_owned());
        let mut found = ids.filter_map(|id| {
            let shown = stage.cluster.hoopctl(&["sessions", "show", &id]).expect_done();
            let line = shown.lines().find(|line| line.contains("DELETE /1"))?;
            let number = line.split_whitespace().find(|word| word.starts_with('#'))?.to_owned();
            Some((id, number))
        });
        found.next()
    });
    let explain = || stage.cluster.hoopctl(&["sessions", "explain", &id, &number]).expect_done();
    let said = explain();
    assert!(said.contains("DELETE /1") && said.contains("as it is now"), "{said}");
    let policy = stage.cluster.hoopctl(&["get", "Policy", "-o", "json"]).expect_done();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    let decided = said.lines().find_map(|line| line.trim().strip_prefix("decided by ")).unwrap();
    let name = decided.split('/').next().unwrap();
    let spec = policy.as_array().unwrap().iter().find(|policy| policy["metadata"]["name"] == name).unwrap();
    let cedar: String = spec["spec"]["cedar"].as_str().unwrap().lines().map(|line| format!("    {line}\n")).collect();
    let changed = format!(
        "apiVersion: hoop/v1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n  cedar: |\n{cedar}    // and a word more\n"
    );
    stage.cluster.apply_and_wait(&changed);
    assert!(explain().contains("the policy has changed since"), "{}", explain());
    let said = stage.cluster.hoopctl(&["sessions", "explain", &id, "99"]);
    assert!(said.code == 1 && said.err.contains("no record of a command #99"), "{said:?}");
}

#[test]
fn a_terminal_gets_no_escapes_and_a_reader_that_left_no_panic() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hostile.yaml");
    std::fs::write(
        &file,
        "apiVersion: hoop/v1\nkind: Policy\n\"\\e]0;owned\\a\\u202e\": 1\n\"\\e]0;owned\\a\\u202e\": 2\n",
    )
    .unwrap();
    let hoopctl = || std::process::Command::new(hoop_tests::process::binary("hoopctl"));
    let said = hoopctl().args(["policy", "check", "-f"]).arg(&file).output().unwrap();
    let errors = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(1), "{errors:?}");
    assert!(errors.contains(r"`\u{1b}]0;owned\u{7}\u{202e}` is written twice"), "{errors:?}");
    assert!(!errors.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{errors:?}");

    let policy = "apiVersion: hoop/v1\nkind: Policy\nmetadata: {name: p}\nspec: {cedar: \"permit (principal, action, resource);\"}\n";
    std::fs::write(&file, policy).unwrap();
    for arguments in [&["completion", "bash"][..], &["policy", "check", "-f", file.to_str().unwrap()]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let left = hoopctl().args(arguments).stdout(writer).output().unwrap();
        let errors = String::from_utf8(left.stderr).unwrap();
        assert_eq!((left.status.code(), errors.as_str()), (Some(1), ""), "{arguments:?}");
    }
}
