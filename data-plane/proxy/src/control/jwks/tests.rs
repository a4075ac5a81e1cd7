use super::*;
use hoop_model::spec::{Algorithm, Audience};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// P-256 key of RFC 7517 §A.1.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"1",
    "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

fn issuer(url: &str, jwks: KeySource) -> Issuer {
    Issuer {
        audience: Audience::Identities,
        url: url.into(),
        audiences: vec!["gw".into()],
        algorithms: vec![Algorithm::ES256],
        max_token_lifetime: Duration::from_secs(3600),
        token_type: None,
        jwks,
        ca: None,
    }
}

fn tls() -> Arc<ClientConfig> {
    hoop_node::crypto::install();
    Arc::new(ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// Serves `answer(path)` raw to every connection until it is dropped; returns its URL.
async fn serve(answer: impl Fn(&str, &str) -> Vec<u8> + Send + 'static) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let own = url.clone();
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let _ = stream.write_all(&answer(path, &own)).await;
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

#[tokio::test]
async fn keys_are_found_by_discovery() {
    let (url, _server) = serve(|path, url| discovery(path, url).unwrap_or_else(|| ok(KEYS))).await;
    let keys = fetch_keys(&url, &tls()).await.unwrap();
    assert!(keys.supports(Algorithm::ES256));
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_refused() {
    for named in ["https://evil.example", "", "URL/"] {
        let (url, _server) = serve(move |_, url| {
            ok(&format!(r#"{{"issuer":"{}","jwks_uri":"{url}/keys"}}"#, named.replace("URL", url)))
        })
        .await;
        assert!(matches!(fetch_keys(&url, &tls()).await, Err(KeysError::OtherIssuer)), "{named}");
    }
    let (url, _server) = serve(|_, _| ok("[]")).await;
    assert!(matches!(fetch_keys(&url, &tls()).await, Err(KeysError::Malformed)));
}

#[tokio::test]
async fn jwt_16_redirects_plaintext_and_huge_answers_are_refused() {
    let (url, _server) = serve(|path, url| {
        discovery(path, url).unwrap_or_else(|| {
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".to_vec()
        })
    })
    .await;
    let error = fetch_keys(&url, &tls()).await.unwrap_err();
    assert!(matches!(error, KeysError::Keys(FetchError::Status(status)) if status == 302));

    let (url, _server) =
        serve(|_, url| ok(&format!(r#"{{"issuer":"{url}","jwks_uri":"http://169.254.169.254/latest"}}"#))).await;
    assert!(matches!(fetch_keys(&url, &tls()).await, Err(KeysError::Keys(FetchError::Insecure))));

    let (url, _server) = serve(|path, url| discovery(path, url).unwrap_or_else(|| ok(&" ".repeat(50 << 20)))).await;
    assert!(matches!(fetch_keys(&url, &tls()).await, Err(KeysError::Keys(FetchError::TooLarge))));
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
    assert!(matches!(fetch_keys(&url, &tls()).await, Err(KeysError::Discovery(FetchError::TimedOut))));
    assert_eq!(start.elapsed().as_secs(), 5);
    dripping.abort();
}

#[tokio::test(start_paused = true)]
async fn jwt_13_whoever_asks_there_is_one_fetch_in_thirty_seconds() {
    let mut keys = Keys::of(&issuer("https://i.example", KeySource::Discover {}), Instant::now()).unwrap();
    let set = Arc::new(KeySet::parse(KEYS.as_bytes()).unwrap());
    assert!(keys.are_pending());
    let mut fetches = 0;
    for _ in 0..1000 {
        keys.want();
        if keys.begin(Instant::now()) {
            fetches += 1;
            keys.fetched(&keys.source().clone(), Ok(Arc::clone(&set)), Instant::now());
        }
        tokio::time::advance(Duration::from_millis(60)).await;
    }
    assert_eq!(fetches, 2);
    assert!(!keys.are_pending());
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_runs_is_not_doubled() {
    let mut keys = Keys::of(&issuer("https://i.example", KeySource::Discover {}), Instant::now()).unwrap();
    assert!(keys.begin(Instant::now()));
    tokio::time::advance(Duration::from_secs(60)).await;
    keys.want();
    assert!(!keys.begin(Instant::now()));
    keys.fetched(&keys.source().clone(), Err(()), Instant::now());
    assert!(keys.begin(Instant::now()));
}

#[tokio::test(start_paused = true)]
async fn jwt_14_the_last_good_keys_serve_for_a_day() {
    let mut keys = Keys::of(&issuer("https://i.example", KeySource::Discover {}), Instant::now()).unwrap();
    assert!(keys.good(Instant::now()).is_none());
    assert!(keys.begin(Instant::now()));
    keys.fetched(&keys.source().clone(), Ok(Arc::new(KeySet::parse(KEYS.as_bytes()).unwrap())), Instant::now());
    let mut attempts = 0;
    for _ in 0..24 * 60 - 1 {
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(keys.good(Instant::now()).is_some());
        if keys.begin(Instant::now()) {
            attempts += 1;
            keys.fetched(&keys.source().clone(), Err(()), Instant::now());
        }
    }
    assert!(attempts > 280, "{attempts}");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(keys.good(Instant::now()).is_none());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(keys.begin(Instant::now()));
    keys.fetched(&keys.source().clone(), Ok(Arc::new(KeySet::parse(KEYS.as_bytes()).unwrap())), Instant::now());
    assert!(keys.good(Instant::now()).is_some());
}

#[tokio::test(start_paused = true)]
async fn keys_of_the_resource_are_never_fetched_and_never_age() {
    let written = issuer("https://i.example", KeySource::Keys(KEYS.into()));
    let mut keys = Keys::of(&written, Instant::now()).unwrap();
    keys.want();
    assert!(!keys.begin(Instant::now()) && !keys.are_pending());
    tokio::time::advance(MAX_AGE * 2).await;
    assert!(keys.good(Instant::now()).is_some());
    assert!(keys.are_of(&written) && !keys.are_of(&issuer("https://i.example", KeySource::Discover {})));
    assert!(Keys::of(&issuer("https://i.example", KeySource::Keys("{}".into())), Instant::now()).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_was_on_its_way_does_not_replace_keys_that_were_pinned() {
    let discovered = Keys::of(&issuer("https://i.example", KeySource::Discover {}), Instant::now()).unwrap();
    let late = discovered.source().clone();
    let mut pinned = Keys::of(&issuer("https://i.example", KeySource::Keys(KEYS.into())), Instant::now()).unwrap();
    let before = Arc::clone(pinned.good(Instant::now()).unwrap());
    let fetched = || Ok(Arc::new(KeySet::parse(KEYS.as_bytes()).unwrap()));
    pinned.fetched(&late, fetched(), Instant::now());
    let unasked = pinned.source().clone();
    pinned.fetched(&unasked, fetched(), Instant::now());
    assert!(Arc::ptr_eq(&before, pinned.good(Instant::now()).unwrap()));
}
