//! The demo's OIDC issuer: discovery, one ES256 key, and tokens with whatever claims a step needs.

use super::serve::{json, serve};
use anyhow::Context;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use std::net::SocketAddr;

/// The audience the demo's gateway accepts.
pub(super) const AUDIENCE: &str = "gw://dev";
/// The audience of the tokens of people.
pub(super) const PEOPLE: &str = "hoop://dev";
const KEY_ID: &str = "demo-1";

/// What a demo token says.
pub(super) struct Claims {
    pub(super) repository_id: &'static str,
    pub(super) audience: &'static str,
    /// Seconds from now until it expires.
    pub(super) lifetime: i64,
}

impl Claims {
    /// The nightly job's own token.
    pub(super) const fn nightly() -> Self {
        Self { repository_id: "4711", audience: AUDIENCE, lifetime: 900 }
    }
}

/// A running issuer.
pub(super) struct DemoIssuer {
    address: SocketAddr,
    key: EncodingKey,
}

impl DemoIssuer {
    /// Makes a key and serves its public half.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .ok()
            .context("make the issuer's key")?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref())
            .ok()
            .context("read the issuer's key")?;
        // An uncompressed point (SEC 1 §2.3.3): 0x04, 32 bytes of x, 32 bytes of y.
        let point = pair.public_key().as_ref();
        let half = |range| point.get(range).map(|bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes)).context("a P-256 point");
        let jwk = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID, "x": half(1..33)?, "y": half(33..65)?});
        let address = serve(move |request| {
            let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
            match request.uri().path() {
                "/.well-known/openid-configuration" => {
                    json(200, &json!({"issuer": format!("http://{host}"), "jwks_uri": format!("http://{host}/jwks")}))
                }
                "/jwks" => json(200, &json!({"keys": [jwk]})),
                _ => json(404, &json!({"error": "not found"})),
            }
        })
        .await?;
        Ok(Self { address, key: EncodingKey::from_ec_der(pkcs8.as_ref()) })
    }

    /// Returns the `iss` of its tokens.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Mints the token of a person who approves.
    pub(super) fn person_token(&self, subject: &str) -> anyhow::Result<String> {
        let now = hoop_node::clock::unix_now().to_seconds().0;
        let body = json!({"iss": self.url(), "sub": subject, "aud": PEOPLE, "iat": now, "exp": now + 600});
        self.sign(&body)
    }

    /// Mints a job's token.
    pub(super) fn token(&self, claims: &Claims) -> anyhow::Result<String> {
        let now = i64::try_from(hoop_node::clock::unix_now().to_seconds().0)?;
        let body = json!({
            "iss": self.url(),
            "sub": "repo:acme/react:ref:refs/heads/main",
            "aud": claims.audience,
            "iat": now.min(now + claims.lifetime - 60),
            "exp": now + claims.lifetime,
            "repository_id": claims.repository_id,
            "ref": "refs/heads/main",
            "run_id": "nightly-1",
        });
        self.sign(&body)
    }

    fn sign(&self, claims: &serde_json::Value) -> anyhow::Result<String> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(KEY_ID.to_owned());
        jsonwebtoken::encode(&header, claims, &self.key).context("sign a token")
    }
}
