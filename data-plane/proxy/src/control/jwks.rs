//! Issuers' keys: discovered, refreshed in the background, kept while the issuer is away, never mixed up.

use super::fetch::{self, FetchError};
use hoop_identity::{KeySet, KeySetError};
use hoop_model::spec::{Issuer, KeySource};
use rustls::ClientConfig;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often keys are refreshed unasked.
const REFRESH_EVERY: Duration = Duration::from_secs(5 * 60);
/// Least time between two fetches of one issuer, whoever asks (JWT-13).
const FETCH_EVERY: Duration = Duration::from_secs(30);
/// How long keys are good after the last fetch that succeeded (JWT-14).
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// Says why an issuer's keys could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
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
    KeySet(#[from] KeySetError),
}

/// What is read of a discovery document; it has many more members.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// Fetches an issuer's keys by discovery.
pub(crate) async fn fetch_keys(issuer_url: &str, tls: &Arc<ClientConfig>) -> Result<KeySet, KeysError> {
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
    Ok(KeySet::parse(&keys)?)
}

/// The keys of one issuer, and when they are to be fetched.
#[derive(Debug)]
pub(crate) struct Keys {
    /// What they were configured from; another source starts from nothing.
    source: Source,
    held: Option<(Arc<KeySet>, Instant)>,
    last_attempt: Option<Instant>,
    fetching: bool,
    wanted: bool,
}

/// What keys are configured from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    url: String,
    from: KeySource,
    ca: Option<String>,
}

impl Source {
    fn of(issuer: &Issuer) -> Self {
        Self { url: issuer.url.clone(), from: issuer.jwks.clone(), ca: issuer.ca.clone() }
    }
}

impl Keys {
    /// Starts with the keys that the resource itself has, or with none.
    ///
    /// # Errors
    /// [`KeySetError`] where the resource has keys that are not usable.
    pub(crate) fn of(issuer: &Issuer, now: Instant) -> Result<Self, KeySetError> {
        let held = match &issuer.jwks {
            KeySource::Keys(json) => Some((Arc::new(KeySet::parse(json.as_bytes())?), now)),
            KeySource::Discover {} => None,
        };
        Ok(Self { source: Source::of(issuer), held, last_attempt: None, fetching: false, wanted: false })
    }

    /// Returns whether these are the keys of the issuer as it is configured in `issuer`.
    pub(crate) fn are_of(&self, issuer: &Issuer) -> bool {
        self.source == Source::of(issuer)
    }

    /// Returns what they are configured from.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    fn are_inline(&self) -> bool {
        self.source.from != KeySource::Discover {}
    }

    /// Returns the keys unless they were never had or are too old.
    pub(crate) fn good(&self, now: Instant) -> Option<&Arc<KeySet>> {
        let fresh = |at: Instant| self.are_inline() || now.duration_since(at) < MAX_AGE;
        self.held.as_ref().filter(|(_, at)| fresh(*at)).map(|(keys, _)| keys)
    }

    /// Returns whether nobody knows yet whether the issuer can be reached.
    pub(crate) fn are_pending(&self) -> bool {
        self.held.is_none() && !self.are_inline() && (self.last_attempt.is_none() || self.fetching)
    }

    /// Notes that a token named a key which is not there.
    pub(crate) fn want(&mut self) {
        self.wanted = true;
    }

    /// Returns whether to fetch now, and then counts on it: exactly one answer to [`Keys::fetched`] must follow.
    pub(crate) fn begin(&mut self, now: Instant) -> bool {
        let since = |at: Instant| now.duration_since(at);
        let may = !self.are_inline() && !self.fetching && self.last_attempt.is_none_or(|at| since(at) >= FETCH_EVERY);
        // An issuer that cannot be reached is asked as often as is allowed.
        let due = match (&self.held, self.last_attempt) {
            (Some((_, at)), Some(attempt)) => since(*at) >= REFRESH_EVERY || since(attempt) >= REFRESH_EVERY,
            (None, _) | (_, None) => true,
        };
        let begin = may && (due || self.wanted);
        if begin {
            self.fetching = true;
            self.wanted = false;
            self.last_attempt = Some(now);
        }
        begin
    }

    /// Takes the outcome of a fetch from a source. After a failure the last good keys are kept. What was on its way when
    /// the issuer was configured anew is dropped: it must not replace keys that were pinned meanwhile.
    pub(crate) fn fetched(&mut self, source: &Source, outcome: Result<Arc<KeySet>, ()>, now: Instant) {
        if *source != self.source || !self.fetching {
            return;
        }
        self.fetching = false;
        if let Ok(keys) = outcome {
            self.held = Some((keys, now));
        }
    }
}

#[cfg(test)]
mod tests;
