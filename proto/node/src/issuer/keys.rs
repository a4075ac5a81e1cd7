//! One issuer's keys: when they are to be fetched, and how long what was fetched is good. No IO.

use super::discover::{Parse, Unusable};
use hoop_model::spec::{Issuer, KeySource};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often keys are refreshed unasked.
const REFRESH_EVERY: Duration = Duration::from_secs(5 * 60);
/// Least time between two fetches of one issuer, whoever asks (JWT-13).
const FETCH_EVERY: Duration = Duration::from_secs(30);
/// How long keys are good after the last fetch that succeeded (JWT-14).
pub(super) const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// What keys are configured from; another source starts from nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    url: String,
    from: KeySource,
    ca: Option<String>,
}

impl Source {
    /// Returns what an issuer's keys are configured from.
    #[must_use]
    pub fn of(issuer: &Issuer) -> Self {
        Self { url: issuer.url.clone(), from: issuer.jwks.clone(), ca: issuer.ca.clone() }
    }

    /// Returns whether it is what the issuer's keys are configured from.
    #[must_use]
    pub fn is_of(&self, issuer: &Issuer) -> bool {
        self.url == issuer.url && self.ca == issuer.ca && self.from == issuer.jwks
    }

    /// Returns the issuer's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }
}

/// The keys of one issuer, and when they are to be fetched.
#[derive(Debug)]
pub struct Keys<K> {
    source: Source,
    held: Option<(Arc<K>, Instant)>,
    last_attempt: Option<Instant>,
    fetching: bool,
    wanted: bool,
}

impl<K> Keys<K> {
    /// Starts with the keys that the resource itself has, or with none.
    ///
    /// # Errors
    /// What `parse` says of keys in the resource that are not usable.
    pub fn of(issuer: &Issuer, parse: Parse<K>, now: Instant) -> Result<Self, Unusable> {
        let held = match &issuer.jwks {
            KeySource::Keys(json) => Some((Arc::new(parse(json.as_bytes())?), now)),
            KeySource::Discover {} => None,
        };
        Ok(Self { source: Source::of(issuer), held, last_attempt: None, fetching: false, wanted: false })
    }

    /// Returns what they are configured from.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    fn are_inline(&self) -> bool {
        self.source.from != KeySource::Discover {}
    }

    /// Returns the keys unless they were never had or are older than 24 h.
    #[must_use]
    pub fn good(&self, now: Instant) -> Option<&Arc<K>> {
        let fresh = |at: Instant| self.are_inline() || now.duration_since(at) < MAX_AGE;
        self.held.as_ref().filter(|(_, at)| fresh(*at)).map(|(keys, _)| keys)
    }

    /// Returns whether nobody knows yet whether the issuer can be reached.
    #[must_use]
    pub fn are_pending(&self) -> bool {
        self.held.is_none() && !self.are_inline() && (self.last_attempt.is_none() || self.fetching)
    }

    /// Returns whether a fetch was begun and has not ended.
    #[must_use]
    pub const fn are_on_their_way(&self) -> bool {
        self.fetching
    }

    /// Notes that a token named a key which is not there.
    pub const fn want(&mut self) {
        self.wanted = true;
    }

    /// Returns whether to fetch now, and then counts on it: exactly one answer to [`Keys::fetched`] must follow.
    pub fn begin(&mut self, now: Instant) -> bool {
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

    /// Takes the outcome of a fetch from a source; `None` is a failure, after which the last good keys are kept. What was
    /// on its way when the issuer was configured anew is dropped: it must not replace keys that were pinned meanwhile.
    pub fn fetched(&mut self, source: &Source, outcome: Option<Arc<K>>, now: Instant) {
        if *source != self.source || !self.fetching {
            return;
        }
        self.fetching = false;
        if let Some(keys) = outcome {
            self.held = Some((keys, now));
        }
    }
}
