//! An OIDC issuer: discovery, keys, and tokens with any header and claims, signed rightly or wrongly.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use aws_lc_rs::{hmac, rsa};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The audience of its tokens.
pub const AUDIENCE: &str = "gw://prod";

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// RS256 with the issuer's RSA key, `r1`.
    Rs256,
    /// ES256 with the issuer's P-256 key, `e1`.
    Es256,
    /// HS256 with the RSA key's public half as the shared secret (JWT-02).
    HsWithPublicKey,
    /// Not at all (JWT-01).
    Nothing,
    /// RS256 with another key under the issuer's key id.
    Stranger,
}

/// A running issuer.
pub struct Issuer {
    address: SocketAddr,
    rsa: rsa::KeyPair,
    stranger: rsa::KeyPair,
    ec: EcdsaKeyPair,
    fetches: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

impl Issuer {
    /// Makes keys and serves their public halves on loopback.
    #[must_use]
    pub fn start() -> Self {
        let generate = || rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let (rsa, stranger) = (generate(), generate());
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let keys = json!({"keys": [rsa_key(&rsa), ec_key(&ec)]}).to_string();
        let discovery = json!({"issuer": format!("http://{address}"), "jwks_uri": format!("http://{address}/jwks")});
        let (fetches, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, flag) = (Arc::clone(&fetches), Arc::clone(&stopped));
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if flag.load(Ordering::SeqCst) {
                    return;
                }
                let _ = answer(&stream, &discovery.to_string(), &keys, &counter);
            }
        });
        Self { address, rsa, stranger, ec, fetches, stopped }
    }

    /// Returns the `iss` of its tokens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns how often its keys were fetched.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// Returns the claims of the nightly job's token.
    #[must_use]
    pub fn claims(&self) -> Value {
        let now = unix_now();
        json!({
            "iss": self.url(), "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 1800,
            "sub": "repo:acme/react:ref:refs/heads/main",
            "repository_id": "4711", "ref": "refs/heads/main", "run_id": "nightly-1",
        })
    }

    /// Returns a token that the stage's identity matches.
    #[must_use]
    pub fn token(&self) -> String {
        self.token_for_run("nightly-1")
    }

    /// Returns such a token for another run.
    #[must_use]
    pub fn token_for_run(&self, run: &str) -> String {
        self.sign(Signing::Rs256, &self.claims_with("run_id", json!(run)))
    }

    /// Returns the nightly job's claims with one of them changed.
    #[must_use]
    pub fn claims_with(&self, claim: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[claim] = value;
        claims
    }

    /// Signs claims under the header that belongs to the way of signing.
    #[must_use]
    pub fn sign(&self, signing: Signing, claims: &Value) -> String {
        let (algorithm, kid) = match signing {
            Signing::Rs256 | Signing::Stranger => ("RS256", "r1"),
            Signing::Es256 => ("ES256", "e1"),
            Signing::HsWithPublicKey => ("HS256", "r1"),
            Signing::Nothing => ("none", "r1"),
        };
        self.sign_under(&json!({"alg": algorithm, "typ": "JWT", "kid": kid}), signing, claims)
    }

    /// Signs claims under any header.
    #[must_use]
    pub fn sign_under(&self, header: &Value, signing: Signing, claims: &Value) -> String {
        let body = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = match signing {
            Signing::Rs256 => rs256(&self.rsa, body.as_bytes()),
            Signing::Stranger => rs256(&self.stranger, body.as_bytes()),
            Signing::Es256 => self.ec.sign(&SystemRandom::new(), body.as_bytes()).unwrap().as_ref().to_vec(),
            Signing::HsWithPublicKey => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, self.public_pem().as_bytes());
                hmac::sign(&key, body.as_bytes()).as_ref().to_vec()
            }
            Signing::Nothing => Vec::new(),
        };
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn public_pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.rsa.public_key().as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// Seconds since 1970.
#[must_use]
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn rs256(key: &rsa::KeyPair, message: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}

fn rsa_key(key: &rsa::KeyPair) -> Value {
    let public = key.public_key();
    let text = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
    let (n, e) = (public.modulus(), public.exponent());
    let (n, e) = (text(n.big_endian_without_leading_zero()), text(e.big_endian_without_leading_zero()));
    json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "r1", "n": n, "e": e})
}

fn ec_key(key: &EcdsaKeyPair) -> Value {
    // An uncompressed point (SEC 1 §2.3.3): 0x04, 32 bytes of x, 32 bytes of y.
    let point = key.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..65]));
    json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "e1", "x": x, "y": y})
}

fn answer(stream: &TcpStream, discovery: &str, keys: &str, fetches: &AtomicUsize) -> std::io::Result<()> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let (status, body) = match request.split(' ').nth(1) {
        Some("/.well-known/openid-configuration") => ("200 OK", discovery),
        Some("/jwks") => {
            fetches.fetch_add(1, Ordering::SeqCst);
            ("200 OK", keys)
        }
        _ => ("404 Not Found", "{}"),
    };
    let head = "Content-Type: application/json\r\nConnection: close\r\n";
    write!(&*stream, "HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len())
}
