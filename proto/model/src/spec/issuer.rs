//! Issuer: whom we believe.

use super::{InvalidSpec, Origin, Scheme, require};
use std::time::Duration;

/// Longest lifetime (`exp` − `iat`) an issuer's tokens may be allowed.
pub const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
const MAX_AUDIENCES: usize = 16;
/// Largest inline key set, in bytes; the same bound holds for fetched ones.
const MAX_KEY_SET_BYTES: usize = 1 << 20;

/// Whom an issuer's tokens may stand for. One issuer never serves both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Non-human identities.
    Identities,
    /// People.
    People,
}

/// Signature algorithms a token may use (RFC 7518 §3.1, RFC 8037 §3.1): asymmetric ones only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[expect(missing_docs, reason = "the names are the registered ones")]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// Where an issuer's keys come from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum KeySource {
    /// OpenID Connect Discovery 1.0 §4 beneath the issuer's URL.
    Discover {},
    /// A JWK Set (RFC 7517 §5) written in the resource.
    Keys(String),
}

impl Default for KeySource {
    fn default() -> Self {
        Self::Discover {}
    }
}

/// A trusted OIDC token issuer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    /// Whom its tokens may stand for.
    #[serde(rename = "for")]
    pub audience: Audience,
    /// The exact `iss` of its tokens, compared byte for byte. `http` only for loopback hosts.
    pub url: String,
    /// The `aud` values accepted, compared byte for byte.
    pub audiences: Vec<String>,
    /// The algorithms its keys may be used with.
    pub algorithms: Vec<Algorithm>,
    /// Longest `exp` − `iat`.
    #[serde(with = "crate::span::written")]
    pub max_token_lifetime: Duration,
    /// The `typ` a token's header must have, byte for byte; without it `JWT` or no `typ` is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// Where its keys come from.
    #[serde(default)]
    pub jwks: KeySource,
    /// PEM certificates that its discovery and key endpoints are verified against, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

impl Issuer {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`InvalidSpec`] for the first field that is wrong.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        // The path of an issuer URL is part of its name; only its origin has a form we can check.
        let origin = Origin::of_url(&self.url);
        require(origin.is_ok(), "url", "is not an absolute `https://` URL")?;
        let secure = origin.is_ok_and(|o| o.scheme == Scheme::Https || o.is_loopback());
        require(secure, "url", "must be `https://` unless it is on this machine")?;
        require(!self.url.contains(['?', '#']), "url", "must not have a query or a fragment")?;
        require((1..=MAX_AUDIENCES).contains(&self.audiences.len()), "audiences", "must name 1 to 16 audiences")?;
        require(self.audiences.iter().all(|a| !a.is_empty()), "audiences", "must not contain an empty audience")?;
        require(!self.algorithms.is_empty(), "algorithms", "must name at least one algorithm")?;
        let lifetime = Duration::from_secs(1)..=MAX_TOKEN_LIFETIME;
        require(lifetime.contains(&self.max_token_lifetime), "maxTokenLifetime", "must be 1s to 24h")?;
        require(self.token_type.as_ref().is_none_or(|t| !t.is_empty()), "tokenType", "must not be empty")?;
        match &self.jwks {
            KeySource::Discover {} => Ok(()),
            KeySource::Keys(keys) => {
                require((1..=MAX_KEY_SET_BYTES).contains(&keys.len()), "jwks.keys", "must be 1 byte to 1 MiB")
            }
        }
    }
}
