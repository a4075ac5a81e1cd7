//! The backend gets a credential that the job never has.

use hoop_tests::canary::Canary;
use hoop_tests::client::Client;
use hoop_tests::cluster::Options;
use hoop_tests::poll::eventually;
use hoop_tests::stage::{Stage, connection};
use std::path::PathBuf;

const VALUE: &str = "CANARY-s3cr3t-4711";

fn secret(name: &str, source: &str, origin: &str) -> String {
    format!(
        "---\napiVersion: hoop/v1\nkind: Secret\nmetadata: {{name: {name}}}\nspec: {{{source}, for: [\"{origin}\"]}}\n"
    )
}

fn using(form: &str) -> String {
    format!("credential: {{secret: vault, as: {form}}}")
}

fn write(stage: &Stage, value: &str) -> PathBuf {
    let path = stage.cluster.path("value");
    std::fs::write(&path, format!("{value}\n")).unwrap();
    path
}

fn set(stage: &Stage, verb: &str, value: &str) {
    let path = write(stage, value);
    let wait: &[&str] = if verb == "set" { &["--wait"] } else { &[] };
    let said =
        stage.cluster.hoopctl(&[&["secret", verb, "vault", "--from-file", path.to_str().unwrap()], wait].concat());
    assert!(!said.expect_done().contains(value));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn se_08_a_sealed_value_reaches_the_backend_in_each_form_and_nothing_that_is_kept() {
    let mut stage = Stage::set_with(&Options { log: Some("trace"), ..Options::default() });
    let origin = stage.backend.origin();
    let mut documents = secret("vault", "sealed: true", &origin);
    for (name, form) in [
        ("as-bearer", "bearer"),
        ("as-basic", "{basic: svc}"),
        ("as-header", "{header: X-Api-Key}"),
        ("as-query", "{query: api_key}"),
    ] {
        documents += &connection(name, &origin, &using(form));
    }
    stage.cluster.apply_and_wait(&documents);
    let refused = stage.send("GET", "/c/as-bearer/1");
    assert_eq!((refused.status, refused.refusal().as_str()), (503, "credential_unavailable"));
    assert_eq!(stage.send("GET", "/c/orders/1").status, 200, "other connections go on");
    set(&stage, "set", "CANARY-first-0000");
    set(&stage, "rotate", VALUE);
    stage.backend.forget();

    for name in ["as-bearer", "as-basic", "as-header", "as-query"] {
        assert_eq!(stage.send("GET", &format!("/c/{name}/1")).status, 200);
    }
    let seen = stage.backend.seen();
    assert_eq!(seen[0].values("authorization"), [format!("Bearer {VALUE}")]);
    assert_eq!(seen[1].values("authorization"), ["Basic c3ZjOkNBTkFSWS1zM2NyM3QtNDcxMQ=="]);
    assert_eq!(seen[2].values("x-api-key"), [VALUE]);
    assert_eq!(seen[3].target, format!("/1?api_key={VALUE}"));
    stage.backend.forget();
    let ambiguous = stage.send("GET", "/c/as-query/1?API%5fKEY=mine");
    assert_eq!((ambiguous.status, ambiguous.refusal().as_str()), (400, "malformed_target"));
    let said = stage.cluster.hoopctl(&["delete", "Secret", "vault"]);
    assert!(said.code != 0 && said.err.contains("there is no Secret `vault`"), "{said:?}");
    let listed = stage.cluster.hoopctl(&["secret", "list", "-o", "json"]).expect_done();
    assert!(listed.contains("as-bearer") && !listed.contains(VALUE), "{listed}");

    stage.cluster.gateway_process().signal("TERM");
    assert!(stage.cluster.gateway_process().wait().success());
    stage.cluster.control_process().kill();
    let canary = Canary::new(VALUE);
    for directory in ["control-plane", "data-plane", "spool"] {
        let _ = canary.must_not_be_beneath(&stage.cluster.path(directory));
    }
    for log in ["control-plane.log", "data-plane.log"] {
        canary.must_not_be_in(log, &std::fs::read(stage.cluster.path(log)).unwrap());
    }
}

#[test]
fn a_secret_that_is_not_for_the_upstream_is_refused() {
    let stage = Stage::set();
    let origin = stage.backend.origin();
    let documents =
        secret("vault", "sealed: true", "https://elsewhere.test") + &connection("react", &origin, &using("bearer"));
    let said = stage.cluster.apply("wrong", &documents, &[]);
    assert!(said.code == 3 && said.err.contains("is not `for` the upstream"), "{said:?}");
    let missing = stage.cluster.apply("missing", &connection("react", &origin, &using("bearer")), &[]);
    assert!(missing.code == 3 && missing.err.contains("there is no Secret `vault`"), "{missing:?}");
}

/// What the backend was last signed in to with, as it is while one connection of the caller's stays open.
fn signed_in(stage: &Stage, client: &mut Client, target: &str) -> Option<String> {
    stage.backend.forget();
    let answer = client.send("GET", target, &stage.issuer.token()).unwrap();
    let seen = stage.backend.seen();
    let value = seen.first().and_then(|seen| seen.values("authorization").first().map(|value| (*value).to_owned()));
    assert_eq!(answer.status == 200, value.is_some(), "{answer:?}");
    value
}

#[test]
fn se_08_a_value_that_the_node_keeps_is_read_where_its_configuration_says_and_nowhere_else() {
    let gateway = "\n[secrets]\ndirectories = [\"{DIRECTORY}/secrets\"]\nenvironment_prefixes = [\"HOOP_SECRET_\"]\n";
    let environment = [("HOOP_SECRET_VAULT", "CANARY-from-variable"), ("OTHER_VAULT", "CANARY-other")];
    let mut stage = Stage::set_with(&Options { gateway, environment: &environment, ..Options::default() });
    let origin = stage.backend.origin();
    let allowed = stage.cluster.path("secrets");
    std::fs::create_dir(&allowed).unwrap();
    std::fs::write(allowed.join("vault"), "CANARY-from-file\n").unwrap();
    std::fs::write(stage.cluster.path("outside"), "CANARY-outside\n").unwrap();
    std::os::unix::fs::symlink(stage.cluster.path("outside"), allowed.join("link")).unwrap();
    let file = |path: PathBuf| format!("file: {}", path.display());
    let mut documents = String::new();
    for (name, source) in [
        ("from-file", file(allowed.join("vault"))),
        ("from-env", "env: HOOP_SECRET_VAULT".to_owned()),
        ("other-env", "env: OTHER_VAULT".to_owned()),
        ("outside", file(stage.cluster.path("outside"))),
        ("link", file(allowed.join("link"))),
        ("missing", file(allowed.join("missing"))),
    ] {
        documents += &secret(name, &source, &origin);
        documents += &connection(name, &origin, &format!("credential: {{secret: {name}, as: bearer}}"));
    }
    stage.cluster.apply_and_wait(&documents);
    let mut client = stage.connect();
    let mut value = |name: &str| signed_in(&stage, &mut client, &format!("/c/{name}/1"));
    assert_eq!(value("from-file").as_deref(), Some("Bearer CANARY-from-file"));
    assert_eq!(value("from-env").as_deref(), Some("Bearer CANARY-from-variable"));
    for refused in ["other-env", "outside", "link", "missing"] {
        assert_eq!(value(refused), None, "{refused}");
    }

    std::fs::write(allowed.join("next"), "CANARY-rotated\n").unwrap();
    std::fs::rename(allowed.join("next"), allowed.join("vault")).unwrap();
    eventually("the open connection is served with the value that the file has by now", || {
        (value("from-file").as_deref() == Some("Bearer CANARY-rotated")).then_some(())
    });
    std::fs::write(allowed.join("missing"), "CANARY-late\n").unwrap();
    std::fs::remove_file(allowed.join("vault")).unwrap();
    eventually("a file that comes is felt", || value("missing"));
    eventually("a file that is gone is felt", || value("from-file").is_none().then_some(()));
    let log = stage.cluster.gateway_process().log();
    Canary::new("CANARY").must_not_be_in("the node's log", log.as_bytes());
}

#[test]
fn a_rotation_is_felt_by_an_open_session_and_an_acknowledged_one_survives_kill_9() {
    let mut stage = Stage::set();
    let origin = stage.backend.origin();
    stage
        .cluster
        .apply_and_wait(&(secret("vault", "sealed: true", &origin) + &connection("react", &origin, &using("bearer"))));
    let mut client = stage.connect();
    for turn in 1..4 {
        let value = format!("CANARY-turn-{turn}");
        set(&stage, if turn == 1 { "set" } else { "rotate" }, &value);
        stage.cluster.control_process().kill();
        stage.cluster.restart_control_plane();
        let value = format!("Bearer {value}");
        eventually("the open connection is served with the acknowledged value", || {
            (signed_in(&stage, &mut client, "/c/react/1").as_ref() == Some(&value)).then_some(())
        });
    }
}

#[test]
fn se_01_a_backend_that_rejects_the_credential_is_not_quoted() {
    let stage = Stage::set();
    let origin = stage.backend.origin();
    stage
        .cluster
        .apply_and_wait(&(secret("vault", "sealed: true", &origin) + &connection("react", &origin, &using("bearer"))));
    set(&stage, "set", VALUE);
    for (status, field) in
        [("401 Unauthorized", "WWW-Authenticate"), ("407 Proxy Authentication Required", "Proxy-Authenticate")]
    {
        let body = format!("{VALUE} is not the password of svc-react\n");
        let head = format!(
            "HTTP/1.1 {status}\r\n{field}: Basic realm=\"svc-react\"\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stage.backend.says("/refused", &[head.as_bytes(), body.as_bytes()]);
        let answer = stage.send("GET", "/c/react/refused");
        assert_eq!((answer.status, answer.refusal().as_str()), (502, "credential_rejected"));
        let said = format!("{answer:?}");
        Canary::new(VALUE).must_not_be_in("the answer", said.as_bytes());
        assert!(!said.contains("svc-react"), "{said}");
        assert!(answer.json()["trace_id"].is_string(), "it can be found in the logs and records");
    }
}

#[test]
fn se_05_a_credential_does_not_follow_a_redirect() {
    let stage = Stage::set();
    let origin = stage.backend.origin();
    let documents =
        secret("vault", "sealed: true", &origin) + &connection("react", &origin, &using("{header: X-Api-Key}"));
    stage.cluster.apply_and_wait(&documents);
    set(&stage, "set", VALUE);
    stage.backend.forget();
    let answer = stage.send("GET", "/c/react/redirect");
    assert_eq!(answer.status, 302, "the caller's to follow, through policy");
    assert_eq!(stage.backend.lines(), ["GET /redirect"]);
}
