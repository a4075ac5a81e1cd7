//! A whole node against a control plane of the test's own: join, attach, snapshot, lease, stop.

use super::*;
use crate::config::Join;
use hoop_model::ResourceName;
use hoop_node::pki::{ClusterCa, NODE_LIFETIME, PeerIdentity, Role, SERVER_LIFETIME, pem};
use hoop_wire::v1;
use hoop_wire::v1::fleet_server::{Fleet, FleetServer};
use hoop_wire::v1::from_node::Message as Up;
use hoop_wire::v1::join_server::{Join as JoinService, JoinServer};
use hoop_wire::v1::to_node::Message as Down;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Grants what it is told to, and sends the snapshots it is told to.
struct ControlPlane {
    ca: ClusterCa,
    granted_ms: Mutex<u64>,
    snapshots: Mutex<Vec<v1::Snapshot>>,
    heard: Mutex<Vec<Up>>,
    joined: Mutex<u32>,
    renewed: Mutex<u32>,
}

/// So short that it is due for renewal at once: certificates begin five minutes early, and a third of 390 s is over 90 s.
const SHORT_LIFETIME: Duration = Duration::from_secs(90);

struct Service(Arc<ControlPlane>);

#[tonic::async_trait]
impl JoinService for Service {
    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinResponse>, Status> {
        let request = request.into_inner();
        if request.token != "secret" {
            return Err(Status::permission_denied("no"));
        }
        *self.0.joined.lock().unwrap() += 1;
        let node = ResourceName::parse(&request.node).unwrap();
        Ok(Response::new(self.0.sign(&request.certificate_request, &node, SHORT_LIFETIME)))
    }
}

#[tonic::async_trait]
impl Fleet for Service {
    type AttachStream = ReceiverStream<Result<v1::ToNode, Status>>;

    async fn attach(&self, request: Request<Streaming<v1::FromNode>>) -> Result<Response<Self::AttachStream>, Status> {
        let certificate = hoop_rpc::authority::peer_certificate(&request).unwrap();
        assert_eq!(PeerIdentity::of(&certificate).unwrap().node.as_str(), "dp-1");
        let (sender, receiver) = mpsc::channel(16);
        let plane = Arc::clone(&self.0);
        let mut stream = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(message)) = stream.message().await {
                let message = message.message.unwrap();
                plane.heard.lock().unwrap().push(message.clone());
                let snapshots = std::mem::take(&mut *plane.snapshots.lock().unwrap());
                let mut answers: Vec<_> = snapshots.into_iter().map(Down::Snapshot).collect();
                if let Up::Renew(renew) = message {
                    answers.push(Down::Lease(v1::Lease {
                        sequence: renew.sequence,
                        sent_boot_ms: renew.sent_boot_ms,
                        granted_ms: *plane.granted_ms.lock().unwrap(),
                        log_time_ms: 0,
                    }));
                }
                for answer in answers {
                    drop(sender.send(Ok(v1::ToNode { message: Some(answer) })).await);
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn renew_certificate(
        &self,
        request: Request<v1::RenewCertificateRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        let certificate = hoop_rpc::authority::peer_certificate(&request).unwrap();
        let node = PeerIdentity::of(&certificate).unwrap().node;
        *self.0.renewed.lock().unwrap() += 1;
        Ok(Response::new(self.0.sign(&request.get_ref().certificate_request, &node, NODE_LIFETIME)))
    }
}

impl ControlPlane {
    fn sign(&self, request: &[u8], node: &ResourceName, lifetime: Duration) -> v1::JoinResponse {
        let now = hoop_node::clock::unix_now();
        let certificate = self.ca.sign_request(request, node, Role::DataPlane, now, lifetime).unwrap();
        v1::JoinResponse { certificate, ..Default::default() }
    }

    /// Serves; returns itself, its address and its CA.
    async fn serve() -> (Arc<Self>, String, String) {
        hoop_node::crypto::install();
        let now = hoop_node::clock::unix_now();
        let ca = ClusterCa::create(now).unwrap();
        let ca_pem = pem(ca.certificate_der(), "CERTIFICATE");
        let (certificate, key) = ca.issue_server(&[], now, SERVER_LIFETIME).unwrap();
        let tls = hoop_rpc::server_tls(&pem(&certificate, "CERTIFICATE"), key.to_pem().reveal(), &ca_pem);
        let empty = || Mutex::new(Vec::new());
        let plane = Arc::new(Self {
            ca,
            granted_ms: Mutex::new(15_000),
            snapshots: Mutex::new(Vec::new()),
            heard: empty(),
            joined: Mutex::new(0),
            renewed: Mutex::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let incoming =
            tokio_stream::wrappers::TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).unwrap());
        let router = hoop_rpc::server(tls)
            .unwrap()
            .add_service(JoinServer::new(Service(Arc::clone(&plane))))
            .add_service(FleetServer::new(Service(Arc::clone(&plane))));
        tokio::spawn(router.serve_with_incoming(incoming));
        (plane, format!("https://{address}"), ca_pem)
    }

    fn push(&self, index: u64, cedar: &str) {
        let revision = Some(v1::Revision { epoch: 0, index });
        let spec = v1::Spec { kind: Some(v1::spec::Kind::Policy(v1::Policy { cedar: cedar.into() })) };
        let metadata = v1::Metadata { name: "rules".into(), uid: vec![1; 16], generation: 1, revision };
        let object = v1::Object { metadata: Some(metadata), spec: Some(spec) };
        self.snapshots.lock().unwrap().push(v1::Snapshot { revision, cluster_version: 1, objects: vec![object] });
    }

    fn heard(&self, is: impl Fn(&Up) -> bool) -> bool {
        self.heard.lock().unwrap().iter().any(is)
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..3000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

async fn readyz(address: SocketAddr) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /.hoop/readyz HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

const PERMIT: &str = r#"permit (principal, action == Hoop::Action::"connect", resource);"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_node_joins_once_and_is_ready_with_a_policy_and_a_lease() {
    let (plane, address, ca) = ControlPlane::serve().await;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("token"), "secret\n").unwrap();
    std::fs::write(path("ca.pem"), ca).unwrap();
    let config = Config {
        node: ResourceName::parse("dp-1").unwrap(),
        listen: "127.0.0.1:0".parse().unwrap(),
        transport: Transport::Plaintext,
        state_dir: path("state"),
        spool_dir: path("spool"),
        shards: 2,
        // The first address does not answer; the second does.
        join: Join {
            token_file: path("token"),
            control_plane: vec!["https://127.0.0.1:1".into(), address],
            ca: path("ca.pem"),
        },
    };
    let running = DataPlane::start(config.clone()).unwrap();
    assert_eq!(readyz(running.http).await, "503", "nothing is applied yet");
    until("joined", async || running.certificate_subject().contains("CN=dp-1")).await;
    until("hello", async || plane.heard(|up| matches!(up, Up::Hello(hello) if hello.incarnation.len() == 16))).await;
    assert_eq!(readyz(running.http).await, "503", "a lease without a policy is not enough");
    plane.push(7, PERMIT);
    let revision = |index| Some(v1::Revision { epoch: 0, index });
    until("applied", async || plane.heard(|up| matches!(up, Up::Applied(a) if a.revision == revision(7)))).await;
    until("ready", async || readyz(running.http).await == "200").await;
    until("renewed", async || *plane.renewed.lock().unwrap() == 1).await;
    assert_eq!(running.applied(), Revision { epoch: 0, index: 7 });

    plane.push(8, "permit (");
    until("cannot", async || {
        plane.heard(|up| matches!(up, Up::CannotApply(c) if c.revision == revision(8) && c.policy == "rules"))
    })
    .await;
    plane.push(6, PERMIT);
    until("older", async || plane.heard(|up| matches!(up, Up::CannotApply(c) if c.revision == revision(6)))).await;
    assert_eq!(running.applied().index, 7, "the last good revision stays, and an older one never comes back");

    *plane.granted_ms.lock().unwrap() = 0;
    until("fenced", async || readyz(running.http).await == "503").await;
    let http = running.http;
    running.stop().await;
    assert!(tokio::net::TcpStream::connect(http).await.is_err());

    *plane.granted_ms.lock().unwrap() = 15_000;
    std::fs::remove_file(path("token")).unwrap();
    let again = DataPlane::start(config).unwrap();
    plane.push(9, PERMIT);
    until("ready again", async || readyz(again.http).await == "200").await;
    assert_eq!(*plane.joined.lock().unwrap(), 1, "the certificate is used again");
    assert_eq!(
        *plane.renewed.lock().unwrap(),
        1,
        "the short-lived certificate was replaced at once, the next is not due"
    );
    again.stop().await;
}
