//! A whole node against a control plane of the test's own: join, attach, snapshot, lease, stop.

use super::*;
use crate::config::Join;
use crate::hold::board::News;
use hoop_audit::{Chain, CloseReason, Entry, Kind, Sealing, SigningKey, VerifyingKey, read_segment, records};
use hoop_gate::HoldState;
use hoop_model::{ApprovalId, ChainId, Incarnation, ResourceName, SessionId, Uid, UnixMillis};
use hoop_node::pki::{ClusterCa, NODE_LIFETIME, PeerIdentity, Role, SERVER_LIFETIME, Subject, pem};
use hoop_wire::v1;
use hoop_wire::v1::evidence_server::{Evidence as EvidenceService, EvidenceServer};
use hoop_wire::v1::fleet_server::{Fleet, FleetServer};
use hoop_wire::v1::from_node::Message as Up;
use hoop_wire::v1::holds_server::{Holds, HoldsServer};
use hoop_wire::v1::join_server::{Join as JoinService, JoinServer};
use hoop_wire::v1::ship_response::Outcome;
use hoop_wire::v1::to_node::Message as Down;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// Says what becomes of a segment of a chain.
type Verdict = Box<dyn FnMut(&ChainId) -> Outcome + Send>;

/// Grants what it is told to, and sends every stream the newest of the snapshots it is told to, and those that follow.
struct ControlPlane {
    ca: ClusterCa,
    granted_ms: Mutex<u64>,
    snapshots: Mutex<Vec<v1::Snapshot>>,
    /// Sent once, after the snapshots.
    deltas: Mutex<Vec<v1::Delta>>,
    heard: Mutex<Vec<Up>>,
    joined: Mutex<u32>,
    renewed: Mutex<u32>,
    /// How long the certificate is good that a node joins with.
    lifetime: Duration,
    jobs: Mutex<Vec<v1::Job>>,
    holds: Mutex<Vec<v1::HoldChanged>>,
    left: Mutex<Vec<v1::LeaveHoldRequest>>,
    outcome: Mutex<Verdict>,
    turned_away: Mutex<u64>,
    /// How far its clock is ahead.
    clock_ahead_ms: Mutex<i64>,
    /// How many nodes of the name were removed: the next has this uid, and only that one is attached.
    removed: Mutex<u8>,
    /// What was shipped, and what it was answered.
    shipped: Mutex<Vec<(Vec<u8>, Outcome)>>,
}

/// So short that it is due for renewal at once: certificates begin five minutes early, and a third of 390 s is over 90 s.
const SHORT_LIFETIME: Duration = Duration::from_secs(90);

struct Service(Arc<ControlPlane>);

#[tonic::async_trait]
impl JoinService for Service {
    async fn join(&self, request: Request<v1::JoinRequest>) -> Result<Response<v1::JoinResponse>, Status> {
        let request = request.into_inner();
        if request.token != "secret" {
            *self.0.turned_away.lock().unwrap() += 1;
            return Err(Status::permission_denied("no"));
        }
        *self.0.joined.lock().unwrap() += 1;
        let node = ResourceName::parse(&request.node).unwrap();
        Ok(Response::new(self.0.sign(&request.certificate_request, &node, self.0.lifetime)))
    }
}

#[tonic::async_trait]
impl Fleet for Service {
    type AttachStream = ReceiverStream<Result<v1::ToNode, Status>>;

    async fn attach(&self, request: Request<Streaming<v1::FromNode>>) -> Result<Response<Self::AttachStream>, Status> {
        let certificate = hoop_rpc::authority::peer_certificate(&request).unwrap();
        let peer = PeerIdentity::of(&certificate).unwrap();
        assert_eq!(peer.node.as_str(), "dp-1");
        if peer.uid != Uid::mint(u128::from(*self.0.removed.lock().unwrap())) {
            return Err(Status::permission_denied("the node is not in the cluster"));
        }
        let (sender, receiver) = mpsc::channel(16);
        let plane = Arc::clone(&self.0);
        let mut stream = request.into_inner();
        let mut sent = self.0.snapshots.lock().unwrap().len().saturating_sub(1);
        tokio::spawn(async move {
            while let Ok(Some(message)) = stream.message().await {
                let message = message.message.unwrap();
                plane.heard.lock().unwrap().push(message.clone());
                let snapshots = plane.snapshots.lock().unwrap()[sent..].to_vec();
                sent += snapshots.len();
                let mut answers: Vec<_> = snapshots.into_iter().map(Down::Snapshot).collect();
                answers.extend(std::mem::take(&mut *plane.deltas.lock().unwrap()).into_iter().map(Down::Delta));
                answers.extend(std::mem::take(&mut *plane.jobs.lock().unwrap()).into_iter().map(Down::Job));
                answers.extend(std::mem::take(&mut *plane.holds.lock().unwrap()).into_iter().map(Down::Hold));
                if let Up::Renew(renew) = message {
                    answers.push(Down::Lease(v1::Lease {
                        sequence: renew.sequence,
                        sent_boot_ms: renew.sent_boot_ms,
                        granted_ms: *plane.granted_ms.lock().unwrap(),
                        log_time_ms: 0,
                        wall_ms: hoop_node::clock::unix_now()
                            .0
                            .saturating_add_signed(*plane.clock_ahead_ms.lock().unwrap()),
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

#[tonic::async_trait]
impl EvidenceService for Service {
    type ShipStream = ReceiverStream<Result<v1::ShipResponse, Status>>;

    async fn ship(&self, request: Request<Streaming<v1::ShipRequest>>) -> Result<Response<Self::ShipStream>, Status> {
        let certificate = hoop_rpc::authority::peer_certificate(&request).unwrap();
        assert_eq!(PeerIdentity::of(&certificate).unwrap().node.as_str(), "dp-1");
        let (sender, receiver) = mpsc::channel(1);
        let plane = Arc::clone(&self.0);
        let mut stream = request.into_inner();
        tokio::spawn(async move {
            while let Ok(Some(v1::ShipRequest { segment, .. })) = stream.message().await {
                let (chain, first_sequence) = {
                    let read = read_segment(&segment).unwrap();
                    (read.chain, read.first)
                };
                let outcome = (plane.outcome.lock().unwrap())(&chain);
                plane.shipped.lock().unwrap().push((segment, outcome));
                let chain = Some((&chain).into());
                let reason = "because".to_owned();
                let answer = v1::ShipResponse { chain, first_sequence, outcome: outcome.into(), reason };
                drop(sender.send(Ok(answer)).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Takes note of who leaves; the walk's own tests have the rest.
#[tonic::async_trait]
impl Holds for Service {
    async fn open(&self, _: Request<v1::OpenHoldRequest>) -> Result<Response<v1::HoldResponse>, Status> {
        Err(Status::unimplemented("open"))
    }

    async fn leave(&self, request: Request<v1::LeaveHoldRequest>) -> Result<Response<v1::HoldResponse>, Status> {
        let certificate = hoop_rpc::authority::peer_certificate(&request).unwrap();
        assert_eq!(PeerIdentity::of(&certificate).unwrap().node.as_str(), "dp-1");
        self.0.left.lock().unwrap().push(request.into_inner());
        Ok(Response::new(v1::HoldResponse::default()))
    }

    async fn rejudged(&self, _: Request<v1::RejudgedRequest>) -> Result<Response<v1::HoldResponse>, Status> {
        Err(Status::unimplemented("rejudged"))
    }

    async fn claim(&self, _: Request<v1::ClaimRequest>) -> Result<Response<v1::HoldResponse>, Status> {
        Err(Status::unimplemented("claim"))
    }

    async fn finish(&self, _: Request<v1::FinishRequest>) -> Result<Response<v1::HoldResponse>, Status> {
        Err(Status::unimplemented("finish"))
    }

    async fn look(&self, _: Request<v1::LookRequest>) -> Result<Response<v1::LookResponse>, Status> {
        Err(Status::unimplemented("look"))
    }
}

impl ControlPlane {
    fn sign(&self, request: &[u8], node: &ResourceName, lifetime: Duration) -> v1::JoinResponse {
        let now = hoop_node::clock::unix_now();
        let uid = Uid::mint(u128::from(*self.removed.lock().unwrap()));
        let subject = Subject { node, uid, role: Role::DataPlane };
        let certificate = self.ca.sign_request(request, &subject, now, lifetime).unwrap();
        v1::JoinResponse { certificate, ..Default::default() }
    }

    /// Serves; returns itself, its address and its CA.
    async fn serve(lifetime: Duration) -> (Arc<Self>, String, String) {
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
            deltas: Mutex::new(Vec::new()),
            heard: empty(),
            joined: Mutex::new(0),
            renewed: Mutex::new(0),
            lifetime,
            jobs: Mutex::new(Vec::new()),
            holds: Mutex::new(Vec::new()),
            left: Mutex::new(Vec::new()),
            outcome: Mutex::new(Box::new(|_| Outcome::Stored)),
            shipped: Mutex::new(Vec::new()),
            turned_away: Mutex::new(0),
            clock_ahead_ms: Mutex::new(0),
            removed: Mutex::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let incoming =
            tokio_stream::wrappers::TcpListenerStream::new(tokio::net::TcpListener::from_std(listener).unwrap());
        let router = hoop_rpc::server(tls)
            .unwrap()
            .add_service(JoinServer::new(Service(Arc::clone(&plane))))
            .add_service(FleetServer::new(Service(Arc::clone(&plane))))
            .add_service(HoldsServer::new(Service(Arc::clone(&plane))))
            .add_service(EvidenceServer::new(Service(Arc::clone(&plane))));
        tokio::spawn(router.serve_with_incoming(incoming));
        (plane, format!("https://{address}"), ca_pem)
    }

    fn push(&self, index: u64, cedar: &str) {
        let revision = Some(v1::Revision { epoch: 0, index });
        let spec = v1::Spec { kind: Some(v1::spec::Kind::Policy(v1::Policy { cedar: cedar.into() })) };
        let metadata = v1::Metadata { name: "rules".into(), uid: vec![1; 16], generation: 1, revision };
        let object = v1::Object { metadata: Some(metadata), spec: Some(spec) };
        let digest_key = vec![9; 32];
        let snapshot = v1::Snapshot {
            revision,
            cluster_version: 1,
            objects: vec![object],
            digest_key,
            secrets: vec![],
            masking_key: vec![8; 32],
        };
        self.snapshots.lock().unwrap().push(snapshot);
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

/// A node's configuration in a directory; the first address of its control plane does not answer, the second does.
fn config(directory: &std::path::Path, address: String, ca: &str) -> Config {
    let path = |name: &str| directory.join(name);
    std::fs::write(path("token"), "secret\n").unwrap();
    std::fs::write(path("ca.pem"), ca).unwrap();
    Config {
        secrets: crate::SecretSources::default(),
        metrics: None,
        traces: None,
        node: ResourceName::parse("dp-1").unwrap(),
        listen: "127.0.0.1:0".parse().unwrap(),
        transport: Transport::Plaintext,
        state_dir: path("state"),
        spool_dir: path("spool"),
        spool_max_bytes: crate::config::DEFAULT_SPOOL_MAX_BYTES,
        shards: 2,
        drain_delay: Duration::ZERO,
        join: Join {
            token_file: path("token"),
            control_plane: vec!["https://127.0.0.1:1".into(), address],
            ca: path("ca.pem"),
        },
    }
}

const PERMIT: &str = r#"permit (principal, action == Hoop::Action::"connect", resource);"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_node_joins_once_and_is_ready_with_a_policy_and_a_lease() {
    let (plane, address, ca) = ControlPlane::serve(SHORT_LIFETIME).await;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let config = config(directory.path(), address, &ca);
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
    plane.push(9, PERMIT);
    plane.snapshots.lock().unwrap().last_mut().unwrap().digest_key.pop();
    until("no key", async || {
        plane.heard(
            |up| matches!(up, Up::CannotApply(c) if c.revision == revision(9) && c.reason.contains("digest key")),
        )
    })
    .await;
    plane.push(6, PERMIT);
    until("older", async || plane.heard(|up| matches!(up, Up::CannotApply(c) if c.revision == revision(6)))).await;
    assert_eq!(running.applied().index, 7, "the last good revision stays, and an older one never comes back");

    plane.push(11, PERMIT);
    until("applied", async || plane.heard(|up| matches!(up, Up::Applied(a) if a.revision == revision(11)))).await;
    let change = v1::Delta { base: revision(11), revision: revision(12), ..Default::default() };
    plane.deltas.lock().unwrap().push(change.clone());
    until("changed", async || plane.heard(|up| matches!(up, Up::Applied(a) if a.revision == revision(12)))).await;
    let attachments = || {
        let heard = plane.heard.lock().unwrap();
        let hellos = heard.iter().filter_map(|up| if let Up::Hello(hello) = up { Some(hello.contents) } else { None });
        hellos.collect::<Vec<_>>()
    };
    let before = attachments().len();
    plane.push(13, PERMIT);
    plane.deltas.lock().unwrap().push(change);
    until("it attaches anew", async || attachments().len() > before).await;
    assert_eq!(attachments().last(), Some(&None), "a delta on another base leaves it with nothing");

    *plane.granted_ms.lock().unwrap() = 0;
    until("fenced", async || readyz(running.http).await == "503").await;
    let http = running.http;
    running.stop().await;
    assert!(tokio::net::TcpStream::connect(http).await.is_err());

    *plane.granted_ms.lock().unwrap() = 15_000;
    std::fs::remove_file(path("token")).unwrap();
    let again = DataPlane::start(config).unwrap();
    plane.push(10, PERMIT);
    until("ready again", async || readyz(again.http).await == "200").await;
    assert_eq!(*plane.joined.lock().unwrap(), 1, "the certificate is used again");
    assert_eq!(
        *plane.renewed.lock().unwrap(),
        1,
        "the short-lived certificate was replaced at once, the next is not due"
    );
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_node_whose_clock_is_off_by_more_than_5_s_is_not_ready_and_says_how_far() {
    let (plane, address, ca) = ControlPlane::serve(NODE_LIFETIME).await;
    let directory = tempfile::tempdir().unwrap();
    plane.push(7, PERMIT);
    let running = DataPlane::start(config(directory.path(), address, &ca)).unwrap();
    let says = |within: std::ops::Range<i64>| {
        let heard = plane.heard.lock().unwrap();
        let last = heard.iter().rev().find_map(|up| if let Up::Renew(renew) = up { Some(renew) } else { None });
        last.is_some_and(|renew| within.contains(&renew.clock_ahead_ms))
    };
    // The clock of the one is that of the other, and what an answer takes is not held against a node.
    for (theirs, answer, said) in [
        (0, "200", 0..1),
        (-4_000, "200", 1..4_001),
        (-60_000, "503", 30_000..60_001),
        (4_000, "200", -4_000..0),
        (60_000, "503", -60_000..-30_000),
        (0, "200", 0..1),
    ] {
        *plane.clock_ahead_ms.lock().unwrap() = theirs;
        until("it says so", async || says(said.clone()) && readyz(running.http).await == answer).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_node_that_was_removed_joins_again_once_it_has_a_token_and_only_as_another_process() {
    let (plane, address, ca) = ControlPlane::serve(NODE_LIFETIME).await;
    let directory = tempfile::tempdir().unwrap();
    plane.push(7, PERMIT);
    let config = config(directory.path(), address, &ca);
    let token = config.join.token_file.clone();
    let joined = || *plane.joined.lock().unwrap();
    let running = DataPlane::start(config.clone()).unwrap();
    until("ready", async || readyz(running.http).await == "200").await;
    *plane.removed.lock().unwrap() = 1;
    *plane.granted_ms.lock().unwrap() = 0;
    // Whatever ends the stream: the process goes on to be who it was, and nobody knows it.
    plane.deltas.lock().unwrap().push(v1::Delta::default());
    until("its lease is over", async || readyz(running.http).await == "503").await;
    running.stop().await;
    assert_eq!(joined(), 1);

    *plane.granted_ms.lock().unwrap() = 15_000;
    std::fs::write(&token, "spent\n").unwrap();
    let again = DataPlane::start(config).unwrap();
    until("it has tried", async || *plane.turned_away.lock().unwrap() > 1).await;
    assert_eq!((readyz(again.http).await.as_str(), joined()), ("503", 1));
    std::fs::write(&token, "secret\n").unwrap();
    until("ready", async || readyz(again.http).await == "200").await;
    assert_eq!(joined(), 2);
    again.stop().await;
}

/// One record of an earlier start: its chain, its frame, and the file it lies in unless it is sealed.
fn earlier(incarnation: u128) -> (ChainId, Vec<u8>, String) {
    let node = ResourceName::parse("dp-1").unwrap();
    let chain = ChainId { node, incarnation: Incarnation::mint(incarnation), shard: 0 };
    let command = hoop_audit::CommandId::FIRST;
    let (bytes_in, bytes_out, duration) = (0, 0, Duration::ZERO);
    let (ended, masked, shown, request, answer) = (hoop_audit::AnswerEnd::Whole, vec![], vec![], None, None);
    let response = hoop_audit::Response {
        command,
        status: 200,
        bytes_in,
        bytes_out,
        duration,
        ended,
        masked,
        shown,
        request,
        answer,
    };
    let entry = Entry::Response(response);
    let mut writing = Chain::open(&chain.node, chain.incarnation, chain.shard);
    let session = SessionId::mint(incarnation);
    let frame = writing.append(&entry, session, UnixMillis(1), [7; 32]).unwrap().bytes().to_vec();
    (chain, frame, format!("{incarnation:032x}-0-{:020}", 1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dp_05_what_a_crashed_start_left_is_ended_shipped_and_gone_once_it_is_stored() {
    let (plane, address, ca) = ControlPlane::serve(NODE_LIFETIME).await;
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path(), address, &ca);
    let spool = directory.path().join("spool/dp-1");
    std::fs::create_dir_all(&spool).unwrap();
    let (open, frame, open_name) = earlier(3);
    std::fs::write(spool.join(format!("{open_name}.open")), [&frame, &frame[..9]].concat()).unwrap();
    let (sealed, frame, sealed_name) = earlier(4);
    let key = SigningKey::from_seed(&[1; 32]).unwrap();
    let sealing = Sealing { chain: sealed.clone(), before: None, ends_chain: true, signer: sealed.incarnation };
    let segment = [frame.as_slice(), &hoop_audit::seal(&frame, &sealing, &key).unwrap().footer].concat();
    std::fs::write(spool.join(format!("{sealed_name}.seg")), &segment).unwrap();
    // One is put off at first and then stored; the other is refused.
    let mut put_off = 2;
    *plane.outcome.lock().unwrap() = Box::new(move |chain| match chain.incarnation == Incarnation::mint(4) {
        true => Outcome::Refused,
        false if put_off > 0 => {
            put_off -= 1;
            Outcome::Retry
        }
        false => Outcome::Stored,
    });
    let running = DataPlane::start(config.clone()).unwrap();
    assert!(matches!(DataPlane::start(config).err(), Some(StartError::SpoolInUse)));
    let hello = std::cell::RefCell::new(None);
    until("hello", async || {
        plane.heard(|up| matches!(up, Up::Hello(heard) if hello.replace(Some(heard.clone())).is_none()))
    })
    .await;
    let hello = hello.into_inner().unwrap();
    let file = |name: &str| spool.join(name);
    until("all is settled", async || {
        !file(&format!("{open_name}.seg")).exists() && file(&format!("refused/{sealed_name}.seg")).exists()
    })
    .await;
    assert_eq!(hello.leftovers, [(&open).into(), (&sealed).into()]);
    assert_eq!(std::fs::read(file(&format!("refused/{sealed_name}.seg"))).unwrap(), segment);
    let shipped = plane.shipped.lock().unwrap().clone();
    let of_open: Vec<_> = shipped.iter().filter(|(bytes, _)| read_segment(bytes).unwrap().chain == open).collect();
    let outcomes: Vec<_> = of_open.iter().map(|(_, outcome)| *outcome).collect();
    assert_eq!(outcomes, [Outcome::Retry, Outcome::Retry, Outcome::Stored]);
    let ending = read_segment(&of_open[2].0).unwrap();
    let announced = VerifyingKey(hello.evidence_key.try_into().unwrap());
    assert_eq!(ending.verify(&announced).unwrap().records, 2);
    assert!(ending.root.ends_chain && ending.signer.to_bytes().to_vec() == hello.incarnation);
    let last = records(ending.frames).last().unwrap().unwrap();
    assert_eq!(last.entry, Entry::Closed(CloseReason::Unknown));
    running.stop().await;
    assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 1, "only what was refused is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_looks_on_sees_what_is_not_shipped_yet() {
    let (plane, address, ca) = ControlPlane::serve(NODE_LIFETIME).await;
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path(), address, &ca);
    let spool = directory.path().join("spool/dp-1");
    std::fs::create_dir_all(&spool).unwrap();
    let (_, frame, name) = earlier(3);
    std::fs::write(spool.join(format!("{name}.open")), &frame).unwrap();
    *plane.outcome.lock().unwrap() = Box::new(|_| Outcome::Retry);
    let running = DataPlane::start(config).unwrap();
    let job = |id: u8, kind: &str, payload: &[u8]| v1::Job {
        id: vec![id; 16],
        kind: kind.into(),
        deadline_ms: u64::MAX,
        payload: payload.into(),
    };
    // Log time must be known first: it comes with the first lease.
    until("renewed", async || plane.heard(|up| matches!(up, Up::Renew(renew) if renew.sequence > 1))).await;
    plane.jobs.lock().unwrap().extend([
        job(1, "evidence.tail", &SessionId::mint(3).to_bytes()),
        job(2, "evidence.tail", &SessionId::mint(99).to_bytes()),
        job(3, "something.else", b""),
    ]);
    let results = || -> Vec<v1::JobResult> {
        let heard = plane.heard.lock().unwrap();
        let mut results: Vec<_> = heard
            .iter()
            .filter_map(|up| if let Up::JobResult(result) = up { Some(result.clone()) } else { None })
            .collect();
        results.sort_by(|a, b| a.id.cmp(&b.id));
        results
    };
    until("answered", async || results().len() == 3).await;
    let results = results();
    let outcomes: Vec<_> = results.iter().map(v1::JobResult::outcome).collect();
    let (done, unsupported) = (v1::job_result::Outcome::Done, v1::job_result::Outcome::Unsupported);
    assert_eq!(outcomes, [done, done, unsupported]);
    let kinds: Vec<_> = records(&results[0].payload).map(|record| record.unwrap().entry.kind()).collect();
    assert_eq!(kinds, [Kind::Response, Kind::Closed]);
    assert!(results[0].payload.starts_with(&frame) && results[1].payload.is_empty());
    *plane.outcome.lock().unwrap() = Box::new(|_| Outcome::Stored);
    running.stop().await;
    assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0, "the last shipment took it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_attachment_brings_what_people_decided_and_takes_what_is_to_be_told_also_while_the_node_stops() {
    let (plane, address, ca) = ControlPlane::serve(NODE_LIFETIME).await;
    let directory = tempfile::tempdir().unwrap();
    let running = DataPlane::start(config(directory.path(), address, &ca)).unwrap();
    let desk = Arc::clone(&running.shared.desk);
    until("attached", async || desk.is_attached()).await;
    let id = ApprovalId::mint(5);
    let mut watching = desk.board.opening().watch(id);
    let denied = v1::HoldChanged { id: id.to_bytes().to_vec(), state: v1::approval::State::Denied.into() };
    plane.holds.lock().unwrap().push(denied);
    assert_eq!(watching.news().await, News::Stands(HoldState::Denied));
    desk.leave(id);
    running.stop().await;
    let heard = plane.heard.lock().unwrap().clone();
    let hello = heard.into_iter().find_map(|up| if let Up::Hello(hello) = up { Some(hello.incarnation) } else { None });
    let left = plane.left.lock().unwrap().clone();
    assert_eq!(left, [v1::LeaveHoldRequest { incarnation: hello.unwrap(), id: id.to_bytes().to_vec() }]);
}
