//! The walk of a request through one shard, with a real backend and no control plane.

use super::*;
use crate::config::{Config, DEFAULT_SPOOL_MAX_BYTES, Join, Transport};
use crate::control::publish::Publisher;
use crate::evidence::Evidence;
use crate::evidence::medium::PieceFile;
use crate::evidence::name::PieceName;
use crate::evidence::syncer::Synchronise;
use crate::hold::desk::{Ask, Desk};
use crate::world::Policy;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hoop_audit::{Expected, Kind, verify_chain};
use hoop_gate::{DigestKey, Lease};
use hoop_model::spec::{self, Algorithm, Audience, ClaimCondition, KeySource, Origin, Protocol, Recording};
use hoop_model::{Incarnation, Metadata, Object, ResourceName, Revision, Spec, Uid};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

mod holds;
mod strict;

const POLICY: &str = r#"
    permit (principal, action == Hoop::Action::"connect", resource);
    permit (principal, action in Hoop::Action::"read", resource);
    permit (principal, action == Hoop::Action::"http:POST", resource);
"#;

/// A shard that serves, and the backend behind it.
struct Stage {
    shard: Rc<Shard>,
    publisher: Publisher,
    objects: Vec<Arc<Object>>,
    address: std::net::SocketAddr,
    key: EcdsaKeyPair,
    /// Connections and requests that reached the backend.
    seen: Rc<(Cell<u32>, Cell<u32>)>,
    spool: tempfile::TempDir,
    /// What nobody answers, unless a test does.
    asks: Option<tokio::sync::mpsc::UnboundedReceiver<Ask>>,
    _evidence: Evidence,
}

/// Only the parts that evidence asks for matter.
fn config(spool: &std::path::Path) -> Config {
    Config {
        node: name("dp-1"),
        listen: "127.0.0.1:0".parse().unwrap(),
        transport: Transport::Plaintext,
        state_dir: spool.to_owned(),
        spool_dir: spool.to_owned(),
        spool_max_bytes: DEFAULT_SPOOL_MAX_BYTES,
        shards: 1,
        drain_delay: Duration::ZERO,
        secrets: crate::SecretSources::default(),
        metrics: None,
        traces: None,
        join: Join { token_file: spool.to_owned(), control_plane: vec![], ca: spool.to_owned() },
    }
}

fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).unwrap()
}

fn object(uid: u128, text: &str, revision: u64, spec: Spec) -> Arc<Object> {
    let revision = Revision { epoch: 0, index: revision };
    Arc::new(Object { metadata: Metadata { name: name(text), uid: Uid::mint(uid), generation: 1, revision }, spec })
}

fn identity(suspended: bool) -> Spec {
    Spec::Identity(spec::Identity {
        issuer: name("ci"),
        claims: [("repository_id".to_owned(), ClaimCondition::Equals("4711".into()))].into(),
        run: "run_id".into(),
        owner: "team@example.com".into(),
        groups: vec![],
        environment: None,
        expires: None,
        suspended,
    })
}

fn issuer(key: &EcdsaKeyPair) -> Spec {
    let point = key.public_key().as_ref();
    let coordinate = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
    let (x, y) = (coordinate(1..33), coordinate(33..65));
    let keys = format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"k","x":"{x}","y":"{y}"}}]}}"#);
    Spec::Issuer(spec::Issuer {
        audience: Audience::Identities,
        url: "https://ci.example".into(),
        audiences: vec!["gw".into()],
        algorithms: vec![Algorithm::ES256],
        max_token_lifetime: Duration::from_secs(3600),
        token_type: None,
        jwks: KeySource::Keys(keys),
        ca: None,
    })
}

fn connection(upstream: std::net::SocketAddr, recording: Recording) -> Spec {
    Spec::Connection(spec::Connection {
        access: spec::Access::Any,
        stale: spec::Stale::Refuse,
        protocol: Protocol::Http,
        upstream: Origin::parse(&format!("http://{upstream}")).unwrap(),
        upstream_ca: None,
        credential: None,
        mask: Some(vec![]),
        environment: None,
        recording,
        session_grace: Duration::ZERO,
        response_timeout: Duration::from_millis(300),
        hold: Duration::from_secs(30),
        nodes: spec::Labels::new(),
    })
}

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// `/ok` answers, `/echo` streams the body back, `/hang` never answers, `/half` stops in the middle, `/moved` redirects.
async fn backend(request: Request<Incoming>) -> Result<Answer, Infallible> {
    let whole = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes())).map_err(|n| match n {}).boxed();
    let mut response = Response::new(match request.uri().path() {
        "/echo" => request.into_body().boxed(),
        "/hang" => std::future::pending().await,
        "/sum" => {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let lines: Vec<_> = head.headers.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            let seen = format!("{} {} {body:?}", head.method, lines.join(" "));
            Full::new(Bytes::from(seen)).map_err(|n| match n {}).boxed()
        }
        "/half" => {
            let first = futures_util::stream::once(async { Ok(Frame::data(Bytes::from_static(b"first"))) });
            let rest = futures_util::stream::pending();
            BodyExt::boxed(StreamBody::new(futures_util::StreamExt::chain(first, rest)))
        }
        _ => whole("hello"),
    });
    response.headers_mut().insert("hoop-refusal", "forged".parse().unwrap());
    response.headers_mut().insert("x-backend", "1".parse().unwrap());
    Ok(response)
}

async fn serve_backend(seen: Rc<(Cell<u32>, Cell<u32>)>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            seen.0.set(seen.0.get() + 1);
            let seen = Rc::clone(&seen);
            let service = service_fn(move |request| {
                seen.1.set(seen.1.get() + 1);
                backend(request)
            });
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::task::spawn_local(async move { drop(served.await) });
        }
    });
    address
}

impl Stage {
    async fn set(recording: Recording, synchronise: Synchronise) -> Self {
        hoop_node::crypto::install();
        let seen = Rc::new((Cell::new(0), Cell::new(0)));
        let upstream = serve_backend(Rc::clone(&seen)).await;
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let spool = tempfile::tempdir().unwrap();
        let (desk, asks) = Desk::new();
        let shared = Arc::new(Shared::new(tokio::sync::mpsc::channel(1).0, desk));
        let incarnation = Incarnation::mint(7);
        let evidence = Evidence::open(&config(spool.path()), incarnation).unwrap();
        let recorder = evidence.recorder(0, 1, synchronise).unwrap();
        let token = LoopToken::parse("hoop-test-node").unwrap();
        let shard = Rc::new(Shard::new(Arc::clone(&shared), recorder, token));
        let objects = vec![
            object(1, "ci", 1, issuer(&key)),
            object(2, "nightly", 1, identity(false)),
            object(3, "react", 1, connection(upstream, recording)),
            object(4, "rules", 1, Spec::Policy(spec::Policy { cedar: POLICY.into() })),
        ];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::task::spawn_local(Rc::clone(&shard).run(listener, None));
        let publisher = Publisher::new(shared);
        let mut stage =
            Self { shard, publisher, objects, address, key, seen, spool, asks: Some(asks), _evidence: evidence };
        stage.publish(1);
        stage.lease(Duration::from_secs(15));
        stage
    }

    fn publish(&mut self, index: u64) {
        let roots = Arc::new(rustls::RootCertStore::empty());
        let local = crate::world::Local { roots, sources: crate::SecretSources::default() };
        let masking_key = hoop_model::Redacted::new([8; 32]);
        let given =
            crate::world::Given { digest_key: DigestKey::new([9; 32]), values: Default::default(), masking_key };
        let revision = Revision { epoch: 0, index };
        let compiled = Policy::compile(&self.objects, revision, None, &local, given).unwrap();
        self.publisher.apply(compiled).unwrap();
    }

    fn lease(&self, granted: Duration) {
        self.shard.shared.lease.store(Arc::new(Lease::NONE.renewed(now().boot, granted)));
    }

    fn token(&self, run: &str) -> String {
        let now = hoop_node::clock::unix_now().to_seconds().0;
        let claims = format!(
            r#"{{"iss":"https://ci.example","aud":"gw","exp":{},"iat":{now},"repository_id":"4711","run_id":"{run}"}}"#,
            now + 600
        );
        let signed = [r#"{"alg":"ES256","kid":"k"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    fn request(&self, line: &str, more: &str) -> String {
        format!("{line} HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer {}\r\n{more}\r\n", self.token("1"))
    }

    /// Sends one request on a connection of its own and returns the whole response as text.
    async fn ask(&self, line: &str, more: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(self.request(line, &format!("Connection: close\r\n{more}")).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn kinds(&self) -> Vec<Kind> {
        self.records().iter().map(Entry::kind).collect()
    }

    fn records(&self) -> Vec<Entry> {
        let directory = self.spool.path().join("dp-1");
        let mut pieces: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap().file_name()).collect();
        pieces.sort();
        assert!(pieces.iter().all(|piece| PieceName::read(piece.to_str().unwrap()).is_some()), "{pieces:?}");
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| std::fs::read(directory.join(piece)).unwrap()).collect();
        let expected = Expected { node: name("dp-1"), incarnation: Incarnation::mint(7), shard: 0, head: None };
        verify_chain(&bytes, &expected).unwrap();
        hoop_audit::records(&bytes).map(|record| record.unwrap().entry).collect()
    }

    async fn settled(&self) {
        while self.shard.connections.get() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Runs a test on a stage of its own.
fn on_stage<F: Future<Output = ()>>(test: impl FnOnce(Stage) -> F) {
    on_stage_with(Recording::Standard, Box::new(PieceFile::synchronise), test);
}

/// Runs a test on a stage of its own whose connection is recorded like this, on such a disk.
fn on_stage_with<F: Future<Output = ()>>(
    recording: Recording,
    synchronise: Synchronise,
    test: impl FnOnce(Stage) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(LocalSet::new().run_until(async {
        let stage = Stage::set(recording, synchronise).await;
        tokio::time::timeout(Duration::from_secs(20), test(stage)).await.unwrap();
    }));
}

#[test]
fn an_allowed_command_reaches_the_backend_and_leaves_two_records() {
    on_stage(|stage| async move {
        let mut stream = stage.connect().await;
        for _ in 0..2 {
            stream.write_all(stage.request("GET /c/react/ok", "").as_bytes()).await.unwrap();
            let mut answer = vec![0; 4096];
            let mut got = String::new();
            while !got.ends_with("hello") {
                let read = stream.read(&mut answer).await.unwrap();
                assert_ne!(read, 0, "{got}");
                got.push_str(std::str::from_utf8(&answer[..read]).unwrap());
            }
            assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.contains("x-backend: 1"), "{got}");
            assert!(!got.contains("forged"), "{got}");
        }
        drop(stream);
        stage.settled().await;
        assert_eq!((stage.seen.0.get(), stage.seen.1.get()), (1, 2), "the backend's connection is used again");
        assert!(stage.ask("GET /c/react/ok", "").await.ends_with("hello"));
        // Tokens differ by their signatures, so each is a session of its own; the pool is the identity's.
        assert_eq!((stage.seen.0.get(), stage.seen.1.get()), (1, 3));
        let commands = [Kind::Opened, Kind::Verdict, Kind::Response].repeat(3);
        assert_eq!(stage.kinds(), commands);
    });
}

#[test]
fn a_refusal_sends_nothing_and_the_connection_still_works() {
    on_stage(|stage| async move {
        let mut stream = stage.connect().await;
        stream.write_all(stage.request("DELETE /c/react/ok", "").as_bytes()).await.unwrap();
        let mut answer = vec![0; 8192];
        let read = stream.read(&mut answer).await.unwrap();
        let text = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(text.starts_with("HTTP/1.1 403"), "{text}");
        assert!(text.contains("hoop-refusal: not_permitted") && text.contains("\"trace_id\""), "{text}");
        assert_eq!(stage.seen.0.get(), 0);
        stream.write_all(stage.request("GET /c/react/ok", "Connection: close\r\n").as_bytes()).await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert!(rest.ends_with("hello"), "{rest}");
    });
}

#[test]
fn whoever_may_not_is_told_why_and_reaches_nothing() {
    on_stage(|mut stage| async move {
        let other = stage.ask("GET /c/other/ok", "").await;
        assert!(other.starts_with("HTTP/1.1 421") && other.contains("connection_unknown"), "{other}");
        let looped = stage.ask("GET /c/react/ok", "Via: 1.1 hoop-test-node\r\n").await;
        assert!(looped.contains("upstream_loop"), "{looped}");

        stage.lease(Duration::ZERO);
        let fenced = stage.ask("GET /c/react/ok", "").await;
        assert!(fenced.starts_with("HTTP/1.1 503") && fenced.contains("lease_expired"), "{fenced}");
        assert!(stage.ask("GET /.hoop/readyz", "").await.starts_with("HTTP/1.1 503"));
        assert!(stage.ask("GET /.hoop/healthz", "").await.starts_with("HTTP/1.1 200"));
        stage.lease(Duration::from_secs(15));
        assert!(stage.ask("GET /.hoop/readyz", "").await.starts_with("HTTP/1.1 200"));

        stage.objects[1] = object(2, "nightly", 2, identity(true));
        stage.publish(2);
        let revoked = stage.ask("GET /c/react/ok", "").await;
        assert!(revoked.contains("identity_suspended"), "{revoked}");
        assert_eq!(stage.seen.0.get(), 0);
    });
}

#[test]
fn bodies_stream_up_and_down() {
    on_stage(|stage| async move {
        let body = "0123456789abcdef".repeat(1 << 16);
        let head =
            stage.request("POST /c/react/echo", &format!("Connection: close\r\nContent-Length: {}\r\n", body.len()));
        let (mut from, mut to) = stage.connect().await.into_split();
        let up = body.clone();
        tokio::task::spawn_local(async move {
            to.write_all(head.as_bytes()).await.unwrap();
            to.write_all(up.as_bytes()).await.unwrap();
            std::mem::forget(to);
        });
        let mut answer = Vec::new();
        from.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, down) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = if head.contains("chunked") { None } else { Some(down.len()) };
        assert!(length.is_none_or(|length| length == body.len()), "{head}");
        let chunked = "POST /c/react/echo";
        let more = "Transfer-Encoding: chunked\r\n";
        let small = stage.ask(chunked, &format!("{more}\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n")).await;
        assert!(small.contains("abc") && small.contains("de"), "{small}");
    });
}

#[test]
fn dp_07_a_backend_that_hangs_is_a_timeout_and_its_connection_is_not_used_again() {
    on_stage(|stage| async move {
        let hung = stage.ask("GET /c/react/hang", "").await;
        assert!(hung.starts_with("HTTP/1.1 504") && hung.contains("upstream_timeout"), "{hung}");
        assert!(stage.ask("GET /c/react/ok", "").await.ends_with("hello"));
        assert_eq!(stage.seen.0.get(), 2);
    });
}

#[test]
fn ht_08_a_caller_that_leaves_takes_the_backends_connection_with_it() {
    on_stage(|stage| async move {
        let mut stream = stage.connect().await;
        stream.write_all(stage.request("GET /c/react/half", "").as_bytes()).await.unwrap();
        let mut answer = vec![0; 8192];
        let mut got = String::new();
        while !got.contains("first") {
            let read = stream.read(&mut answer).await.unwrap();
            got.push_str(&String::from_utf8_lossy(&answer[..read]));
        }
        drop(stream);
        stage.settled().await;
        assert_eq!(stage.kinds(), [Kind::Opened, Kind::Verdict, Kind::Response]);
        assert!(stage.ask("GET /c/react/ok", "").await.ends_with("hello"));
        assert_eq!(stage.seen.0.get(), 2);
    });
}

#[test]
fn ht_01_smuggled_heads_are_answered_400_and_closed() {
    on_stage(|stage| async move {
        for more in ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "X: a\nY: b\r\n"] {
            let mut stream = stage.connect().await;
            let request = stage.request("POST /c/react/echo", more) + "0\r\n\r\nGET /c/react/ok HTTP/1.1\r\n\r\n";
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            // The peer may reset the connection after its answer: bytes of ours were left unread.
            drop(stream.read_to_string(&mut answer).await);
            assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        }
        assert_eq!(stage.seen.0.get(), 0);
    });
}

#[test]
fn a_stopping_node_closes_its_sessions() {
    on_stage(|stage| async move {
        assert!(stage.ask("GET /c/react/ok", "").await.ends_with("hello"));
        stage.shard.shared.draining.send_replace(true);
        while stage.kinds().last() != Some(&Kind::Closed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(TcpStream::connect(stage.address).await.is_err());
    });
}

/// Asks for an answer that never ends, and reads until it has begun.
async fn begin_endless(stage: &Stage) -> TcpStream {
    let mut stream = stage.connect().await;
    stream.write_all(stage.request("GET /c/react/half", "").as_bytes()).await.unwrap();
    let mut got = String::new();
    while !got.contains("first") {
        let mut piece = vec![0; 8192];
        let read = stream.read(&mut piece).await.unwrap();
        got.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    stream
}

#[test]
fn jwt_29_who_is_suspended_loses_the_answer_that_is_streaming() {
    on_stage(|mut stage| async move {
        let mut stream = begin_endless(&stage).await;
        let old = stage.objects.iter().position(|object| matches!(object.spec, Spec::Identity(_))).unwrap();
        let metadata = &stage.objects[old].metadata;
        stage.objects[old] =
            object(u128::from_be_bytes(metadata.uid.to_bytes()), metadata.name.as_str(), 9, identity(true));
        stage.publish(9);
        session::sweep(&stage.shard);
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest).await);
        assert!(!rest.ends_with(b"0\r\n\r\n"), "an answer that was cut does not look whole");
        stage.settled().await;
        session::sweep(&stage.shard);
        assert_eq!(stage.kinds(), [Kind::Opened, Kind::Verdict, Kind::Response, Kind::Closed]);
    });
}

#[test]
fn without_a_lease_nothing_goes_on_streaming() {
    on_stage(|stage| async move {
        let mut stream = begin_endless(&stage).await;
        session::sweep(&stage.shard);
        assert_eq!(stage.kinds(), [Kind::Opened, Kind::Verdict], "with a lease it goes on");
        stage.lease(Duration::ZERO);
        session::sweep(&stage.shard);
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest).await);
        stage.settled().await;
        assert_eq!(stage.kinds(), [Kind::Opened, Kind::Verdict, Kind::Response]);
    });
}
