//! What callers' connections look like.

use hoop_tests::certs::Authority;
use hoop_tests::client;
use hoop_tests::cluster::{Cluster, Options};
use hoop_tests::poll::eventually;
use hoop_tests::process::free_port;
use hoop_tests::stage::{Stage, gateway_certificate};
use hoop_tests::tools::curl;

#[test]
fn callers_are_served_with_the_given_certificate() {
    let authority = Authority::create();
    let certificate = gateway_certificate(&authority);
    let stage = Stage::set_with(&Options { tls: Some(&certificate), ..Options::default() });
    let ca = stage.cluster.path("authority.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let ca = ca.to_str().unwrap();
    let url = stage.url("/1").replace("http://", "https://");
    let authorization = format!("Authorization: Bearer {}", stage.issuer.token());

    let call = |extra: &[&str]| curl(&[&["--header", &authorization, &url], extra].concat());
    eventually("a read comes through", || call(&["--cacert", ca]).ok().filter(|(status, _)| *status == 200));
    stage.backend.forget();
    assert_eq!(call(&["--cacert", ca, "--http1.1"]).unwrap().0, 200);
    assert_eq!(call(&["--cacert", ca, "--http2"]).unwrap().0, 200, "a client that offers more settles for HTTP/1.1");
    assert_eq!(call(&["--cacert", ca, "--request", "DELETE"]).unwrap().0, 403);
    assert!(call(&[]).unwrap_err().contains("certificate"), "curl must not trust it by itself");
    assert_eq!(stage.backend.lines(), ["GET /1", "GET /1"]);

    let plaintext = format!("GET /c/orders/1 HTTP/1.1\r\nHost: a\r\n{authorization}\r\n\r\n");
    let answer = client::raw(stage.cluster.gateway(), plaintext.as_bytes());
    assert!(!answer.starts_with(b"HTTP/"), "plaintext was answered: {:?}", String::from_utf8_lossy(&answer));
    assert_eq!(stage.backend.lines().len(), 2);
}

#[test]
fn plaintext_that_other_machines_could_reach_does_not_start() {
    let mut cluster = Cluster::start(&Options::default());
    let config = std::fs::read_to_string(cluster.path("data-plane.toml")).unwrap();
    for address in ["0.0.0.0", "[::]", "192.0.2.1"] {
        let listen = format!("listen = \"{address}:{}\"", free_port());
        let lines = config.lines().map(|line| if line.starts_with("listen") { listen.as_str() } else { line });
        std::fs::write(cluster.path("data-plane.toml"), lines.collect::<Vec<_>>().join("\n")).unwrap();
        cluster.start_gateway();
        let process = cluster.gateway_process();
        assert!(!process.wait().success(), "{address}");
        assert!(process.log().contains("plaintext"), "{address}: {}", process.log());
    }
}
