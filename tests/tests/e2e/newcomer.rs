//! What a newcomer runs first.

use hoop_tests::process::binary;
use std::path::Path;
use std::process::{Command, Output};

fn hoopctl(arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Command::new(binary("hoopctl")).args(arguments).current_dir(root).output().unwrap()
}

#[test]
fn the_demo_observes_every_step_it_prints() {
    let demo = hoopctl(&["dev", "--demo"]);
    let (out, err) = (String::from_utf8_lossy(&demo.stdout), String::from_utf8_lossy(&demo.stderr));
    assert!(demo.status.success(), "{out}\n{err}");
    for step in [
        "CN=dev-1, OU=data-plane",
        "backend saw  GET /orders/7",
        "production/no-deletes",
        "identity_none",
        "token_expired",
        "token_audience",
        "not_permitted",
        "lease_expired",
        "Identity/nightly-react revoked",
        "identity_suspended",
        "Every step was observed.",
    ] {
        assert!(out.contains(step), "`{step}` is missing:\n{out}");
    }
}

#[test]
fn the_example_documents_are_valid_and_a_typo_in_them_is_not() {
    let checked = hoopctl(&["policy", "check", "--file", "deploy/example.yaml"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/example.yaml");
    let text = std::fs::read_to_string(example).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("typo.yaml");
    for (wrong, code, said) in [
        (text.replace("audiences:", "audience:"), 1, "unknown field `audience`"),
        (text.replace("Hoop::Group::\"agents\"", "Hoop::Group::\"agent\""), 3, "agent"),
        (text.replace("http:DELETE", "http:DESTROY"), 3, "http:DESTROY"),
    ] {
        std::fs::write(&file, wrong).unwrap();
        let refused = hoopctl(&["policy", "check", "--file", file.to_str().unwrap()]);
        let err = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(code), "{err}");
        assert!(err.contains(said), "{err}");
    }
}
