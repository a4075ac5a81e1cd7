//! Backends that are down, slow, strangers, or lead elsewhere.

use hoop_tests::backend::Backend;
use hoop_tests::certs::Authority;
use hoop_tests::process::{Process, free_port};
use hoop_tests::stage::{Stage, connection, upstream_ca};
use hoop_tests::tools::nginx;
use std::net::TcpStream;

#[test]
fn a_backend_that_is_down_or_slow_is_told_apart() {
    let stage = Stage::set();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let slow = connection("slow", &stage.backend.origin(), "responseTimeout: 300ms");
    stage.cluster.apply_and_wait(&(connection("down", &nobody, "") + &slow));

    let token = stage.issuer.token();
    let mut job = stage.connect();
    let answer = job.send("GET", "/c/down/1", &token).unwrap();
    assert_eq!((answer.status, answer.refusal().as_str()), (502, "upstream_unreachable"));
    let answer = job.send("GET", "/c/slow/silent", &token).unwrap();
    assert_eq!((answer.status, answer.refusal().as_str()), (504, "upstream_timeout"));
    assert_eq!(job.send("GET", "/c/slow/quick", &token).unwrap().status, 200, "HT-08: on another upstream connection");
    assert_eq!(stage.backend.lines(), ["GET /silent", "GET /quick"]);
}

#[test]
fn a_backend_that_hangs_up_gets_no_second_chance() {
    let stage = Stage::set();
    for _ in 0..2 {
        let answer = stage.send("GET", "/c/orders/hang-up");
        assert_eq!((answer.status, answer.refusal().as_str()), (502, "upstream_misbehaved"));
    }
    assert_eq!(stage.backend.lines(), ["GET /hang-up", "GET /hang-up"], "a command is sent once, whatever happens");
}

#[test]
fn a_backend_that_is_not_who_it_must_be_gets_nothing() {
    let stage = Stage::set();
    let (ours, theirs) = (Authority::create(), Authority::create());
    let right = Backend::start_tls(&ours.issue(&["127.0.0.1"]));
    let strange = Backend::start_tls(&theirs.issue(&["127.0.0.1"]));
    let other_name = Backend::start_tls(&ours.issue(&["other.test"]));
    let plaintext = stage.backend.origin().replace("http://", "https://");
    let trusted = upstream_ca(&ours.pem());
    stage.cluster.apply_and_wait(
        &(connection("right", &right.origin(), &trusted)
            + &connection("strange", &strange.origin(), &trusted)
            + &connection("other-name", &other_name.origin(), &trusted)
            + &connection("untrusted", &right.origin(), "")
            + &connection("plaintext", &plaintext, &trusted)),
    );
    assert_eq!(stage.send("GET", "/c/right/1").status, 200);
    assert_eq!(right.lines(), ["GET /1"]);
    for name in ["strange", "other-name", "untrusted", "plaintext"] {
        let answer = stage.send("GET", &format!("/c/{name}/1"));
        assert_eq!((answer.status, answer.refusal().as_str()), (502, "upstream_unreachable"), "{name}");
    }
    assert_eq!((strange.byte_count(), other_name.byte_count()), (0, 0));
    assert_eq!(right.lines(), ["GET /1"]);
    let request = stage.backend.connections().concat();
    assert!(!request.windows(4).any(|w| w == b"GET "), "plaintext for a backend that must speak TLS");
}

#[test]
fn se_05_a_redirect_is_the_callers_to_follow() {
    let stage = Stage::set();
    let answer = stage.send("GET", "/c/orders/redirect");
    assert_eq!((answer.status, answer.field("location")), (302, Some("/redirected")));
    assert_eq!(stage.backend.lines(), ["GET /redirect"]);
}

#[test]
fn an_ordinary_web_server_is_a_backend() {
    let stage = Stage::set();
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("html")).unwrap();
    let page = "a page of some length\n".repeat(20_000);
    std::fs::write(directory.path().join("html/page.txt"), &page).unwrap();
    let port = free_port();
    let server = format!("server {{ listen 127.0.0.1:{port}; root {}/html; }}", directory.path().display());
    let mut command = nginx(directory.path(), "master_process off;", &server);
    let mut process = Process::start("nginx", &mut command, &directory.path().join("log"));
    process.while_running("nginx accepts connections", || TcpStream::connect(("127.0.0.1", port)).ok());

    stage.cluster.apply_and_wait(&connection("pages", &format!("http://127.0.0.1:{port}"), ""));
    let token = stage.issuer.token();
    let mut job = stage.connect();
    for _ in 0..3 {
        let answer = job.send("GET", "/c/pages/page.txt", &token).unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, page.len()));
        assert_eq!(answer.body, page.as_bytes());
    }
    assert_eq!(job.send("HEAD", "/c/pages/page.txt", &token).unwrap().status, 200);
    assert_eq!(job.send("GET", "/c/pages/none", &token).unwrap().status, 404);
}
