//! One gateway with everything around it: a backend with a tap, an issuer, an identity, and rules.

use crate::backend::Backend;
use crate::certs::Certificate;
use crate::client::{self, Answer, Client};
use crate::cluster::{Cluster, Options};
use crate::evidence::Evidence;
use crate::issuer::{AUDIENCE, Issuer};
use crate::poll::eventually;

/// A gateway in use. Its connection `orders` goes to the backend; reads and POST are allowed there, DELETE is forbidden.
pub struct Stage {
    /// The processes.
    pub cluster: Cluster,
    /// What is behind the gateway.
    pub backend: Backend,
    /// Whose tokens it believes.
    pub issuer: Issuer,
}

impl Stage {
    /// Sets it up and waits until a request comes through; the backend has forgotten that one.
    #[must_use]
    pub fn set() -> Self {
        Self::set_with(&Options::default())
    }

    /// Sets it up with options.
    #[must_use]
    pub fn set_with(options: &Options<'_>) -> Self {
        let mut cluster = Cluster::start(options);
        let (backend, issuer) = (Backend::start(), Issuer::start());
        let documents = caller(&issuer) + &connection("orders", &backend.origin(), "") + POLICY;
        let _ = cluster.apply("start", &documents, &[]).expect_done();
        cluster.start_gateway();
        if options.tls.is_none() {
            cluster.wait_until_ready();
        }
        let stage = Self { cluster, backend, issuer };
        if options.tls.is_none() {
            stage.wait_until_allowed();
        }
        stage
    }

    /// Waits until a read comes through, then lets the backend forget it.
    pub fn wait_until_allowed(&self) {
        let token = self.issuer.token();
        eventually("a read comes through", || {
            let answer = client::once(self.cluster.gateway(), "GET", "/c/orders/warm-up", &token).ok()?;
            (answer.status == 200).then_some(())
        });
        self.backend.forget();
    }

    /// Sends one request with the nightly job's token on a connection of its own.
    #[must_use]
    pub fn send(&self, method: &str, target: &str) -> Answer {
        self.send_as(method, target, &self.issuer.token())
    }

    /// Sends one request with any token on a connection of its own.
    #[must_use]
    pub fn send_as(&self, method: &str, target: &str, token: &str) -> Answer {
        client::once(self.cluster.gateway(), method, target, token).unwrap()
    }

    /// Opens a connection to the gateway.
    #[must_use]
    pub fn connect(&self) -> Client {
        Client::connect(self.cluster.gateway()).unwrap()
    }

    /// Returns the URL of a path of the connection `orders`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/c/orders{path}", self.cluster.gateway())
    }

    /// Demands that nothing has reached the backend: what was sent before would have come before a request that does.
    ///
    /// # Panics
    /// When something has.
    pub fn nothing_reached_the_backend(&self) {
        assert_eq!(self.send("GET", "/c/orders/fence").status, 200);
        assert_eq!(self.backend.lines(), ["GET /fence"], "more than nothing reached the backend");
        let request = self.backend.connections().concat();
        assert!(request.starts_with(b"GET /fence HTTP/1.1\r\n"), "{:?}", String::from_utf8_lossy(&request));
        assert_eq!(request.windows(4).filter(|end| end == b"\r\n\r\n").count(), 1);
        self.backend.forget();
    }

    /// Reads and verifies the evidence.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        Evidence::read(&self.cluster.spool(), &self.cluster.path("control-plane/evidence"))
    }
}

/// The documents of the caller: issuer and identity.
#[must_use]
pub fn caller(issuer: &Issuer) -> String {
    format!(
        r#"apiVersion: hoop/v1
kind: Issuer
metadata: {{name: ci}}
spec:
  for: identities
  url: "{}"
  audiences: ["{AUDIENCE}"]
  algorithms: [RS256, ES256]
  maxTokenLifetime: 1h
---
apiVersion: hoop/v1
kind: Identity
metadata: {{name: nightly}}
spec:
  issuer: ci
  claims: {{repository_id: "4711", ref: refs/heads/main}}
  run: run_id
  owner: platform-team@example.com
  groups: [agents]
  environment: production
"#,
        issuer.url()
    )
}

/// The document of a connection, with further lines of its spec, and the rules that let reads through.
#[must_use]
pub fn connection(name: &str, upstream: &str, more: &str) -> String {
    let indented: String = more.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        r#"---
apiVersion: hoop/v1
kind: Connection
metadata: {{name: {name}}}
spec:
  protocol: http
  upstream: "{upstream}"
  environment: production
{indented}---
apiVersion: hoop/v1
kind: Policy
metadata: {{name: agents-read-{name}}}
spec:
  cedar: |
    permit (principal in Hoop::Group::"agents", action == Hoop::Action::"connect", resource == Hoop::Connection::"{name}");
    permit (principal in Hoop::Group::"agents", action in Hoop::Action::"read", resource in Hoop::Connection::"{name}");
"#
    )
}

/// Returns the line of a connection's spec that has a PEM text.
#[must_use]
pub fn upstream_ca(pem: &str) -> String {
    let lines: String = pem.lines().map(|line| format!("\n  {line}")).collect();
    format!("upstreamCa: |{lines}")
}

/// The rules of the stage beside reads.
pub const POLICY: &str = r#"---
apiVersion: hoop/v1
kind: Policy
metadata: {name: agents-write}
spec:
  cedar: |
    permit (principal in Hoop::Group::"agents", action == Hoop::Action::"http:POST", resource in Hoop::Connection::"orders");
---
apiVersion: hoop/v1
kind: Policy
metadata: {name: production}
spec:
  cedar: |
    @id("no-deletes")
    @message("jobs never delete in production")
    forbid (principal, action == Hoop::Action::"http:DELETE", resource in Hoop::Environment::"production");
"#;

/// A certificate for the gateway on loopback.
#[must_use]
pub fn gateway_certificate(authority: &crate::certs::Authority) -> Certificate {
    authority.issue(&["127.0.0.1", "localhost"])
}
