use super::keys::MAX_AGE;
use super::*;
use crate::crypto;
use hoop_model::ResourceName;
use hoop_model::spec::{Algorithm, Audience, Issuer, KeySource};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

const KEYS: &str = r#"{"keys":[]}"#;

/// What the tests take for a key set: its text.
fn parse(json: &[u8]) -> Result<String, Unusable> {
    let text = std::str::from_utf8(json)?;
    if text.contains("keys") { Ok(text.to_owned()) } else { Err("not a key set".into()) }
}

fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).unwrap()
}

fn issuer(url: &str, jwks: KeySource) -> Issuer {
    Issuer {
        audience: Audience::People,
        url: url.into(),
        audiences: vec!["hoop".into()],
        algorithms: vec![Algorithm::ES256],
        max_token_lifetime: Duration::from_secs(3600),
        token_type: None,
        jwks,
        ca: None,
    }
}

fn discovered(url: &str) -> Issuer {
    issuer(url, KeySource::Discover {})
}

fn no_roots() -> Arc<RootCertStore> {
    crypto::install();
    Arc::new(RootCertStore::empty())
}

fn settings(ca: Option<&str>) -> Arc<ClientConfig> {
    tls::client(ca, &no_roots()).unwrap()
}

async fn fetch(url: &str) -> Result<String, KeysError> {
    fetch_keys(url, &settings(None), parse).await
}

async fn answer_one<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: &impl Fn(&str, &str) -> Vec<u8>,
    own: &str,
) {
    let mut head = vec![0; 4096];
    let Ok(read) = stream.read(&mut head).await else { return };
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    // A client that has seen enough is gone already.
    drop(stream.write_all(&answer(path, own)).await);
    drop(stream.shutdown().await);
}

/// Serves `answer(path, url)` raw to every connection until it is dropped; returns its URL.
async fn serve(answer: impl Fn(&str, &str) -> Vec<u8> + Send + Sync + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let own = url.clone();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            answer_one(stream, &answer, &own).await;
        }
    });
    (url, task)
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn discovery(path: &str, url: &str) -> Option<Vec<u8>> {
    let document = format!(r#"{{"issuer":"{url}","jwks_uri":"{url}/keys","other":[1]}}"#);
    (path == "/.well-known/openid-configuration").then(|| ok(&document))
}

/// Serves keys, and counts how often they are asked for.
async fn serve_keys(asked: &Arc<AtomicUsize>) -> (String, JoinHandle<()>) {
    let asked = Arc::clone(asked);
    serve(move |path, url| {
        discovery(path, url).unwrap_or_else(|| {
            asked.fetch_add(1, Ordering::SeqCst);
            ok(KEYS)
        })
    })
    .await
}

#[tokio::test]
async fn keys_are_found_by_discovery() {
    let (url, _server) = serve(|path, url| discovery(path, url).unwrap_or_else(|| ok(KEYS))).await;
    assert_eq!(fetch(&url).await.unwrap(), KEYS);
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_refused() {
    for named in ["https://evil.example", "", "URL/"] {
        let (url, _server) = serve(move |_, url| {
            ok(&format!(r#"{{"issuer":"{}","jwks_uri":"{url}/keys"}}"#, named.replace("URL", url)))
        })
        .await;
        assert!(matches!(fetch(&url).await, Err(KeysError::OtherIssuer)), "{named}");
    }
    let (url, _server) = serve(|_, _| ok("[]")).await;
    assert!(matches!(fetch(&url).await, Err(KeysError::Malformed)));
    let (url, _server) = serve(|path, url| discovery(path, url).unwrap_or_else(|| ok("{}"))).await;
    assert!(matches!(fetch(&url).await, Err(KeysError::KeySet(_))));
}

#[tokio::test]
async fn jwt_16_redirects_plaintext_and_huge_answers_are_refused() {
    let (url, _server) = serve(|path, url| {
        discovery(path, url).unwrap_or_else(|| {
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".to_vec()
        })
    })
    .await;
    let error = fetch(&url).await.unwrap_err();
    assert!(matches!(error, KeysError::Keys(FetchError::Status(status)) if status == 302));

    let (url, _server) =
        serve(|_, url| ok(&format!(r#"{{"issuer":"{url}","jwks_uri":"http://169.254.169.254/latest"}}"#))).await;
    assert!(matches!(fetch(&url).await, Err(KeysError::Keys(FetchError::Insecure))));

    let (url, _server) =
        serve(|_, url| ok(&format!(r#"{{"issuer":"{url}","jwks_uri":"https://169.254.169.254/latest"}}"#))).await;
    let error = fetch(&url).await.unwrap_err();
    assert!(matches!(error, KeysError::Keys(FetchError::Connect(connect::ConnectError::NoAddress))), "{error:?}");

    let (url, _server) = serve(|path, url| discovery(path, url).unwrap_or_else(|| ok(&" ".repeat(50 << 20)))).await;
    assert!(matches!(fetch(&url).await, Err(KeysError::Keys(FetchError::TooLarge))));
}

#[tokio::test(start_paused = true)]
async fn jwt_16_a_drip_is_cut_after_five_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let dripping = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await.unwrap();
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let start = Instant::now();
    assert!(matches!(fetch(&url).await, Err(KeysError::Discovery(FetchError::TimedOut))));
    assert_eq!(start.elapsed().as_secs(), 5);
    dripping.abort();
}

/// Serves `answer(path, url)` over TLS with a certificate of its own; returns its URL and that certificate.
async fn serve_tls(answer: impl Fn(&str, &str) -> Vec<u8> + Send + Sync + 'static) -> (String, String, JoinHandle<()>) {
    crypto::install();
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let chain = vec![own.cert.der().clone()];
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let named = url.clone();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                answer_one(stream, &answer, &named).await;
            }
        }
    });
    (url, own.cert.pem(), task)
}

#[tokio::test]
async fn an_issuer_proves_who_it_is_and_its_keys_stay_protected() {
    let (url, ca, _server) = serve_tls(|path, url| discovery(path, url).unwrap_or_else(|| ok(KEYS))).await;
    assert_eq!(fetch_keys(&url, &settings(Some(&ca)), parse).await.unwrap(), KEYS);
    assert!(matches!(fetch(&url).await, Err(KeysError::Discovery(FetchError::Connect(_)))));

    let downgrade =
        |_: &str, url: &str| ok(&format!(r#"{{"issuer":"{url}","jwks_uri":"{}/keys"}}"#, url.replace("https", "http")));
    let (url, ca, _server) = serve_tls(downgrade).await;
    assert!(matches!(fetch_keys(&url, &settings(Some(&ca)), parse).await, Err(KeysError::Plaintext)));
}

#[tokio::test(start_paused = true)]
async fn jwt_13_whoever_asks_there_is_one_fetch_in_thirty_seconds() {
    let mut keys = Keys::of(&discovered("https://i.example"), parse, Instant::now()).unwrap();
    let set = Arc::new(KEYS.to_owned());
    assert!(keys.are_pending());
    let mut fetches = 0;
    for _ in 0..1000 {
        keys.want();
        if keys.begin(Instant::now()) {
            fetches += 1;
            keys.fetched(&keys.source().clone(), Some(Arc::clone(&set)), Instant::now());
        }
        tokio::time::advance(Duration::from_millis(60)).await;
    }
    assert_eq!(fetches, 2);
    assert!(!keys.are_pending());
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_runs_is_not_doubled() {
    let mut keys = Keys::of(&discovered("https://i.example"), parse, Instant::now()).unwrap();
    assert!(keys.begin(Instant::now()) && keys.are_on_their_way());
    tokio::time::advance(Duration::from_secs(60)).await;
    keys.want();
    assert!(!keys.begin(Instant::now()));
    keys.fetched(&keys.source().clone(), None, Instant::now());
    assert!(!keys.are_on_their_way() && keys.begin(Instant::now()));
}

#[tokio::test(start_paused = true)]
async fn jwt_14_the_last_good_keys_serve_for_a_day() {
    let mut keys = Keys::of(&discovered("https://i.example"), parse, Instant::now()).unwrap();
    let set = Arc::new(KEYS.to_owned());
    assert!(keys.good(Instant::now()).is_none());
    assert!(keys.begin(Instant::now()));
    keys.fetched(&keys.source().clone(), Some(Arc::clone(&set)), Instant::now());
    let mut attempts = 0;
    for _ in 0..24 * 60 - 1 {
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(keys.good(Instant::now()).is_some());
        if keys.begin(Instant::now()) {
            attempts += 1;
            keys.fetched(&keys.source().clone(), None, Instant::now());
        }
    }
    assert!(attempts > 280, "{attempts}");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(keys.good(Instant::now()).is_none());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(keys.begin(Instant::now()));
    keys.fetched(&keys.source().clone(), Some(set), Instant::now());
    assert!(keys.good(Instant::now()).is_some());
}

#[tokio::test(start_paused = true)]
async fn keys_of_the_resource_are_never_fetched_and_never_age() {
    let written = issuer("https://i.example", KeySource::Keys(KEYS.into()));
    let mut keys = Keys::of(&written, parse, Instant::now()).unwrap();
    keys.want();
    assert!(!keys.begin(Instant::now()) && !keys.are_pending());
    tokio::time::advance(MAX_AGE * 2).await;
    assert!(keys.good(Instant::now()).is_some());
    assert!(keys.source().is_of(&written) && !keys.source().is_of(&discovered("https://i.example")));
    assert!(Keys::of(&issuer("https://i.example", KeySource::Keys("{}".into())), parse, Instant::now()).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_was_on_its_way_does_not_replace_keys_that_were_pinned() {
    let late = Source::of(&discovered("https://i.example"));
    let written = issuer("https://i.example", KeySource::Keys(KEYS.into()));
    let mut pinned = Keys::of(&written, parse, Instant::now()).unwrap();
    let before = Arc::clone(pinned.good(Instant::now()).unwrap());
    let fetched = || Some(Arc::new(KEYS.to_owned()));
    pinned.fetched(&late, fetched(), Instant::now());
    let unasked = pinned.source().clone();
    pinned.fetched(&unasked, fetched(), Instant::now());
    assert!(Arc::ptr_eq(&before, pinned.good(Instant::now()).unwrap()));
}

#[tokio::test]
async fn jwt_13_a_thousand_callers_share_one_fetch() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (url, _server) = serve_keys(&asked).await;
    let sso = discovered(&url);
    let keys = IssuerKeys::new(parse, no_roots());
    assert!(keys.keep([(&name("sso"), &sso)]).is_empty());
    assert_eq!(keys.keys(&sso), None);
    let wants: Vec<_> = (0..1000)
        .map(|_| {
            let (keys, sso) = (Arc::clone(&keys), sso.clone());
            tokio::spawn(async move { keys.want(&sso).await })
        })
        .collect();
    for want in wants {
        assert_eq!(want.await.unwrap().as_deref().map(String::as_str), Some(KEYS), "each waits for its end");
    }
    assert_eq!(keys.want(&sso).await, keys.keys(&sso), "too early for another");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn keys_are_fetched_unasked_and_each_issuer_by_itself() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (url, _server) = serve_keys(&asked).await;
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (sso, away) = (discovered(&url), discovered(&format!("http://{}", silent.local_addr().unwrap())));
    let keys = IssuerKeys::new(parse, no_roots());
    assert!(keys.keep([(&name("away"), &away), (&name("sso"), &sso)]).is_empty());
    let running = tokio::spawn(Arc::clone(&keys).run());
    let _unanswered = silent.accept().await.unwrap();
    // Whether `run` or this begins the fetch, there is one.
    assert!(keys.want(&sso).await.is_some());
    assert_eq!((keys.keys(&away), asked.load(Ordering::SeqCst)), (None, 1));
    running.abort();
}

#[tokio::test]
async fn keys_belong_to_how_the_issuer_is_configured() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (url, _server) = serve_keys(&asked).await;
    let sso = discovered(&url);
    let keys = IssuerKeys::new(parse, no_roots());
    let (one, two) = (name("sso"), name("sso-dev"));
    assert!(keys.keep([(&one, &sso)]).is_empty());
    assert!(keys.want(&sso).await.is_some());
    let other_audience = Issuer { audiences: vec!["dev".into()], ..sso.clone() };
    assert!(keys.keep([(&two, &other_audience), (&one, &sso)]).is_empty());
    assert!(keys.keys(&other_audience).is_some(), "where keys come from is the same");
    let pinned = issuer(&url, KeySource::Keys(r#"{"keys":[1]}"#.into()));
    assert_eq!(keys.keys(&pinned), None);
    assert!(keys.keep([(&one, &pinned)]).is_empty());
    assert_eq!(keys.keys(&pinned).as_deref().map(String::as_str), Some(r#"{"keys":[1]}"#));
    assert_eq!((keys.keys(&sso), keys.want(&sso).await), (None, None), "it is forgotten");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_issuer_that_cannot_be_kept_has_no_keys_and_does_not_stop_others() {
    let wrong_keys = issuer("https://a.example", KeySource::Keys("{}".into()));
    let wrong_ca = Issuer { ca: Some("no PEM".into()), ..discovered("https://b.example") };
    let good = issuer("https://c.example", KeySource::Keys(KEYS.into()));
    let keys = IssuerKeys::new(parse, no_roots());
    let names = [name("a"), name("b"), name("c")];
    let problems = keys.keep(names.iter().zip([&wrong_keys, &wrong_ca, &good]));
    assert!(
        matches!(&problems[..], [CannotKeep::Keys { issuer: a, .. }, CannotKeep::Anchors { issuer: b, .. }]
        if (a, b) == (&names[0], &names[1])),
        "{problems:?}"
    );
    assert_eq!((keys.keys(&wrong_keys), keys.keys(&wrong_ca)), (None, None));
    assert!(keys.keys(&good).is_some());
}

#[tokio::test]
async fn a_fetch_that_fails_leaves_what_there_was_and_is_told() {
    let (url, _server) = serve(|_, _| ok("[]")).await;
    let sso = discovered(&url);
    let keys = IssuerKeys::new(parse, no_roots());
    assert!(keys.keep([(&name("sso"), &sso)]).is_empty());
    assert_eq!(keys.want(&sso).await, None);
}

#[tokio::test]
async fn a_fetch_that_dies_keeps_nobody_waiting() {
    let (url, _server) = serve(|path, url| discovery(path, url).unwrap_or_else(|| ok(KEYS))).await;
    let sso = discovered(&url);
    let keys: Arc<IssuerKeys<String>> = IssuerKeys::new(|_| panic!("whoever reads key sets has a bug"), no_roots());
    assert!(keys.keep([(&name("sso"), &sso)]).is_empty());
    let answer = tokio::time::timeout(Duration::from_secs(60), keys.want(&sso)).await;
    assert_eq!(answer, Ok(None));
}
