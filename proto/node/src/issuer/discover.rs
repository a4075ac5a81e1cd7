//! From an issuer's URL to its keys (OpenID Connect Discovery 1.0 §4).

use super::fetch::{self, FetchError};
use rustls::ClientConfig;
use serde::Deserialize;
use std::error::Error;
use std::sync::Arc;

/// Says why a key set cannot be used, in the words of whoever reads key sets.
pub type Unusable = Box<dyn Error + Send + Sync>;

/// Reads a JWK Set (RFC 7517 §5).
pub type Parse<K> = fn(&[u8]) -> Result<K, Unusable>;

/// Says why an issuer's keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The discovery document could not be had.
    #[error("cannot get the discovery document")]
    Discovery(#[source] FetchError),
    /// It is not one.
    #[error("the discovery document is not JSON with `issuer` and `jwks_uri`")]
    Malformed,
    /// It is another issuer's (OpenID Connect Discovery 1.0 §4.3).
    #[error("the discovery document names another issuer")]
    OtherIssuer,
    /// Its keys would come unprotected.
    #[error("the discovery document of an `https` issuer names a `jwks_uri` that is not `https`")]
    Plaintext,
    /// The keys could not be had.
    #[error("cannot get the keys")]
    Keys(#[source] FetchError),
    /// They are not usable.
    #[error("the keys are not usable")]
    KeySet(#[source] Unusable),
}

/// What is read of a discovery document; it has many more members.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// Fetches an issuer's keys by discovery: two documents, each within 5 s and 1 MiB, without following a redirect.
///
/// # Errors
/// [`KeysError`] with the first thing that is wrong.
pub async fn fetch_keys<K>(issuer_url: &str, tls: &Arc<ClientConfig>, parse: Parse<K>) -> Result<K, KeysError> {
    let document = format!("{}/.well-known/openid-configuration", issuer_url.trim_end_matches('/'));
    let document = fetch::get(&document, tls).await.map_err(KeysError::Discovery)?;
    let discovery: Discovery = serde_json::from_slice(&document).map_err(|_| KeysError::Malformed)?;
    if discovery.issuer != issuer_url {
        return Err(KeysError::OtherIssuer);
    }
    // An issuer that is known by TLS is not left for one that is not.
    if issuer_url.starts_with("https://") && !discovery.jwks_uri.starts_with("https://") {
        return Err(KeysError::Plaintext);
    }
    let keys = fetch::get(&discovery.jwks_uri, tls).await.map_err(KeysError::Keys)?;
    parse(&keys).map_err(KeysError::KeySet)
}
