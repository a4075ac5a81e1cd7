//! The control plane away: what each connection then does is what its documents say, cell by cell.

use crate::approvals::{stage_with_holds, waiting_post};
use hoop_tests::client;
use hoop_tests::issuer::{Issuer, Signing};
use hoop_tests::poll::eventually;
use hoop_tests::stage::{Stage, connection};
use serde_json::{Value, json};
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A wire to the control plane that can be cut.
struct Wire {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let wire = Self { address, is_cut: Arc::default(), open: Arc::default() };
        let (is_cut, open) = (Arc::clone(&wire.is_cut), Arc::clone(&wire.open));
        std::thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                let Ok(far) = TcpStream::connect(target) else { continue };
                let mut ends = open.lock().unwrap();
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || io::copy(&mut from, &mut to));
                }
                ends.extend([near, far]);
            }
        });
        wire
    }

    fn cut(&self) {
        let ends = self.open.lock().unwrap();
        self.is_cut.store(true, Ordering::SeqCst);
        ends.iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
    }
}

fn token_of(issuer: &Issuer, repository: &str) -> String {
    issuer.sign(Signing::Rs256, &issuer.claims_with("repository_id", json!(repository)))
}

/// A request, and what comes of it at one time: status and code.
type Cell<'a> = (&'a str, &'a str, &'a str, &'a str, (u16, &'a str));

fn check(stage: &Stage, when: &str, cells: &[Cell<'_>]) {
    for (what, method, target, token, expected) in cells {
        let answer = client::once(stage.cluster.gateway(), method, target, token).unwrap();
        let code = if answer.status == 200 { String::new() } else { answer.refusal() };
        assert_eq!((answer.status, code.as_str()), *expected, "{when}: {what}: {method} {target}: {answer:?}");
    }
}

const MORE: &str = r#"---
apiVersion: hoop/v1
kind: Identity
metadata: {name: weekly}
spec:
  issuer: ci
  claims: {repository_id: "4712", ref: refs/heads/main}
  run: run_id
  owner: platform-team@example.com
  groups: [agents]
  environment: production
---
apiVersion: hoop/v1
kind: Secret
metadata: {name: vault}
spec: {sealed: true, for: ["ORIGIN"]}
---
apiVersion: hoop/v1
kind: Policy
metadata: {name: archive-more}
spec:
  cedar: |
    permit (principal in Hoop::Group::"agents", action in Hoop::Action::"write", resource in Hoop::Connection::"archive");
    permit (principal in Hoop::Group::"agents", action == Hoop::Action::"reveal", resource == Hoop::DataClass::"pii.email");
    @id("options-wait") @hold("on-call") @quorum("1")
    forbid (principal, action == Hoop::Action::"http:OPTIONS", resource in Hoop::Connection::"archive");
"#;

#[test]
fn dp_01_what_goes_on_while_the_control_plane_is_away_is_what_each_connection_says() {
    let mut stage = stage_with_holds(1);
    let origin = stage.backend.origin();
    let keyed =
        connection("keyed", &origin, "access: read\nstale: serve(25s)\ncredential: {secret: vault, as: bearer}");
    let archive = connection("archive", &origin, "access: read\nstale: serve(25s)");
    stage.cluster.apply_and_wait(&(archive + &MORE.replace("ORIGIN", &origin) + &keyed));

    // The node from now on speaks over a wire.
    let wire = Wire::to(stage.cluster.server().trim_start_matches("https://").parse().unwrap());
    let config = stage.cluster.path("data-plane.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace(&stage.cluster.server(), &format!("https://{}", wire.address))).unwrap();
    stage.cluster.gateway_process().kill();
    stage.cluster.start_gateway();
    stage.cluster.wait_until_ready();
    stage.wait_until_allowed();

    let (known, revoked) = (stage.issuer.token(), token_of(&stage.issuer, "4712"));
    let (stranger, elsewhere) = (token_of(&stage.issuer, "9999"), Issuer::start().token());
    let ok = (200, "");
    let with_link = [
        ("known, read", "GET", "/c/orders/1", &*known, ok),
        ("known, read", "GET", "/c/archive/1", &*known, ok),
        ("write where only reads are let through", "PUT", "/c/archive/1", &*known, (403, "read_only")),
        ("to be revoked", "GET", "/c/orders/1", &*revoked, ok),
        ("to be revoked", "GET", "/c/archive/1", &*revoked, ok),
    ];
    check(&stage, "with the control plane", &with_link);
    let letter = "{\"from\":\"ada@mail.example\"}";
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", letter.len());
    stage.backend.says("/letter", &[head.as_bytes(), letter.as_bytes()]);
    assert_eq!(stage.send("GET", "/c/archive/letter").body, letter.as_bytes(), "policy reveals it");
    let held = waiting_post(&stage, "{}");
    eventually("the command is held", || {
        stage.cluster.gateway_process().log().contains("a command is held").then_some(())
    });

    wire.cut();
    eventually("the node knows", || {
        stage.cluster.gateway_process().log().contains("not attached to the control plane").then_some(())
    });
    let receipt = stage.cluster.hoopctl(&["revoke", "weekly", "-o", "json"]).expect_done();
    assert!(receipt.contains("\"identity\""), "{receipt}");
    let (fresh, unavailable) = (stage.issuer.token_for_run("another"), (503, "lease_expired"));
    let unknown = [
        ("unknown identity", "GET", "/c/archive/1", &*stranger, (403, "identity_none")),
        ("unknown issuer", "GET", "/c/archive/1", &*elsewhere, (401, "token_issuer_unknown")),
        ("unknown secret", "GET", "/c/keyed/1", &*known, (503, "credential_unavailable")),
        ("unknown connection", "GET", "/c/nowhere/1", &*known, (421, "connection_unknown")),
        ("write where only reads are let through", "DELETE", "/c/archive/1", &*known, (403, "read_only")),
    ];
    let within = [
        ("open session, read", "GET", "/c/orders/1", &*known, ok),
        ("open session, read", "GET", "/c/archive/1", &*known, ok),
        ("new session", "GET", "/c/orders/1", &*fresh, ok),
        ("new session", "GET", "/c/archive/1", &*fresh, ok),
        ("revocation pending", "GET", "/c/orders/1", &*revoked, ok),
        ("revocation pending", "GET", "/c/archive/1", &*revoked, ok),
        ("new hold", "POST", "/c/orders/items", &*known, (428, "approval_required")),
        ("new hold of a read", "OPTIONS", "/c/archive/1", &*known, (428, "approval_required")),
    ];
    check(&stage, "within the lease", &within);
    check(&stage, "within the lease", &unknown);
    assert!(!held.is_finished(), "what is held waits");

    let answer = held.join().unwrap().unwrap();
    assert_eq!((answer.status, answer.refusal().as_str()), unavailable, "what is held ends with the lease");
    let node: Value =
        serde_json::from_str(&stage.cluster.hoopctl(&["fleet", "status", "-o", "json"]).expect_done()).unwrap();
    let left = |which: &str| node[0][which].as_u64().unwrap();
    assert!(left("lease_left_ms") <= 2_000 && left("reads_left_ms") > 10_000, "{node}");
    stage.backend.forget();
    let after = [
        ("open session, read", "GET", "/c/orders/1", &*known, unavailable),
        ("open session, write", "POST", "/c/orders/1", &*known, unavailable),
        ("open session, write", "PUT", "/c/orders/1", &*known, unavailable),
        ("new session", "GET", "/c/orders/2", &*fresh, unavailable),
        ("revocation pending", "GET", "/c/orders/1", &*revoked, unavailable),
        ("new hold", "POST", "/c/orders/items", &*known, unavailable),
    ];
    check(&stage, "after the lease", &after);
    assert_eq!(stage.backend.byte_count(), 0, "nothing reached the backend");
    let stale = [
        ("open session, read", "GET", "/c/archive/1", &*known, ok),
        ("new session, read", "HEAD", "/c/archive/2", &*stage.issuer.token_for_run("third"), ok),
        ("open session, write", "PUT", "/c/archive/1", &*known, (403, "read_only")),
        ("new session, write", "POST", "/c/archive/1", &*stage.issuer.token_for_run("fourth"), (403, "read_only")),
        ("new hold", "OPTIONS", "/c/archive/1", &*known, unavailable),
        ("revocation pending, write", "PUT", "/c/archive/1", &*revoked, (403, "read_only")),
        ("revocation pending, read", "GET", "/c/archive/1", &*revoked, ok),
    ];
    check(&stage, "after the lease, within the window", &stale);
    let masked = stage.send("GET", "/c/archive/letter").body;
    assert_eq!(masked, b"{\"from\":\"[masked:pii.email]\"}", "nothing is revealed once the lease is over");
    check(&stage, "after the lease, within the window", &unknown);
    assert_eq!(stage.cluster.ready().unwrap().refusal(), "lease_expired", "it is not ready for everything");

    // A restart takes up the window, and no more of it than is left.
    stage.cluster.gateway_process().kill();
    stage.cluster.start_gateway();
    let once_more = eventually("the node answers", || {
        let answer = client::once(stage.cluster.gateway(), "GET", "/c/archive/1", &known).ok()?;
        (answer.status == 200).then_some(answer.status)
    });
    assert_eq!(once_more, 200);
    check(&stage, "after a restart", &[("read", "GET", "/c/orders/1", &known, unavailable)]);

    // A process that stands still until the window is over does nothing of it afterwards.
    stage.backend.forget();
    stage.cluster.gateway_process().signal("STOP");
    let late = {
        let (gateway, known) = (stage.cluster.gateway(), known.clone());
        std::thread::spawn(move || client::once(gateway, "GET", "/c/archive/late", &known))
    };
    eventually("the window is over", || {
        let nodes = stage.cluster.hoopctl(&["fleet", "status", "-o", "json"]).expect_done();
        let nodes: Value = serde_json::from_str(&nodes).unwrap();
        (nodes[0]["reads_left_ms"] == 0).then_some(())
    });
    stage.cluster.gateway_process().signal("CONT");
    let late = late.join().unwrap().unwrap();
    assert_eq!((late.status, late.refusal().as_str()), unavailable);
    let over = [
        ("read", "GET", "/c/archive/1", &*known, unavailable),
        ("new session", "GET", "/c/archive/1", &*fresh, unavailable),
        ("revoked, read", "GET", "/c/archive/1", &*revoked, unavailable),
        ("write", "PUT", "/c/archive/1", &*known, unavailable),
    ];
    check(&stage, "after the window", &over);
    assert_eq!(stage.backend.byte_count(), 0, "nothing reached the backend");
    let receipt = stage.cluster.hoopctl(&["revoke", "weekly", "--wait", "-o", "json"]).expect_done();
    assert!(receipt.contains("\"fenced\""), "by its lease and the window: {receipt}");
}
