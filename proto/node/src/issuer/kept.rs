//! The keys of several issuers, kept fresh.

use super::discover::{KeysError, Parse, Unusable, fetch_keys};
use super::keys::{Keys, Source};
use super::tls;
use crate::pki::InvalidAnchors;
use hoop_model::ResourceName;
use hoop_model::spec::Issuer;
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the keys' clocks are looked at.
const TICK: Duration = Duration::from_millis(250);

/// Says why an issuer's keys cannot be kept: its tokens are not believed.
#[derive(Debug, thiserror::Error)]
pub enum CannotKeep {
    /// The keys that the resource has are not usable.
    #[error("the keys in Issuer `{issuer}` are not usable")]
    Keys {
        /// The Issuer object.
        issuer: ResourceName,
        /// What is wrong with them.
        #[source]
        source: Unusable,
    },
    /// Its endpoints cannot be verified.
    #[error("`ca` of Issuer `{issuer}` is not usable")]
    Anchors {
        /// The Issuer object.
        issuer: ResourceName,
        /// What is wrong with it.
        #[source]
        source: InvalidAnchors,
    },
}

/// The keys of several issuers, kept fresh while [`IssuerKeys::run`] runs.
///
/// Each issuer is fetched by itself, one fetch at a time and at most one in 30 s, whoever asks; every 5 minutes unasked.
/// The last good keys are kept for 24 h. Keys belong to how an issuer is configured (its URL, where its keys come from,
/// its CA): keys that were fetched for another configuration are never returned.
pub struct IssuerKeys<K> {
    parse: Parse<K>,
    system: Arc<RootCertStore>,
    /// Locked for look-ups and never across an await.
    kept: Mutex<Vec<Kept<K>>>,
}

struct Kept<K> {
    /// An Issuer object that is configured like this, for the log.
    name: ResourceName,
    keys: Keys<K>,
    tls: Arc<ClientConfig>,
    /// Told of the end of every fetch.
    ended: watch::Sender<()>,
}

impl<K: Send + Sync + 'static> IssuerKeys<K> {
    /// Makes an empty one. `parse` reads key sets; `system` verifies the endpoints of issuers without a CA of their own.
    #[must_use]
    pub fn new(parse: Parse<K>, system: Arc<RootCertStore>) -> Arc<Self> {
        Arc::new(Self { parse, system, kept: Mutex::new(Vec::new()) })
    }

    /// Keeps the keys of these issuers and forgets all others. Keys of an issuer that is configured as before are kept.
    /// Returns the issuers that cannot be kept, and why; they have no keys.
    #[must_use = "an issuer that cannot be kept has no keys"]
    pub fn keep<'a>(&self, issuers: impl IntoIterator<Item = (&'a ResourceName, &'a Issuer)>) -> Vec<CannotKeep> {
        let mut before = self.lock();
        let mut after: Vec<Kept<K>> = Vec::new();
        let mut problems = Vec::new();
        for (name, issuer) in issuers {
            let is_same = |kept: &Kept<K>| kept.keys.source().is_of(issuer);
            if after.iter().any(is_same) {
                continue;
            }
            match before.iter().position(is_same) {
                Some(at) => after.push(before.swap_remove(at)),
                None => match self.start(name, issuer) {
                    Ok(kept) => after.push(kept),
                    Err(problem) => problems.push(problem),
                },
            }
        }
        *before = after;
        problems
    }

    /// Returns the issuer's keys unless they were never had, are too old, or the issuer is not kept as it is configured
    /// here.
    #[must_use]
    pub fn keys(&self, issuer: &Issuer) -> Option<Arc<K>> {
        let kept = self.lock();
        let found = kept.iter().find(|kept| kept.keys.source().is_of(issuer))?;
        found.keys.good(Instant::now()).cloned()
    }

    /// Asks for newer keys, because there are none or because a token names one that is not among them, and returns what
    /// there is then. Waits for a fetch that runs or may begin, some 10 s at most; returns at once if it is too early
    /// for another. Runs on tokio.
    pub async fn want(self: &Arc<Self>, issuer: &Issuer) -> Option<Arc<K>> {
        let (fetch, ended) = {
            let mut kept = self.lock();
            let found = kept.iter_mut().find(|kept| kept.keys.source().is_of(issuer))?;
            found.keys.want();
            let fetch = self.begin(found);
            (fetch, found.keys.are_on_their_way().then(|| found.ended.subscribe()))
        };
        fetch.into_iter().for_each(Fetch::send);
        if let Some(mut ended) = ended {
            // An error means that the issuer was forgotten meanwhile; then there are no keys either.
            drop(ended.changed().await);
        }
        self.keys(issuer)
    }

    /// Fetches keys when they are due, each issuer by itself, for ever. Runs on tokio.
    pub async fn run(self: Arc<Self>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let due: Vec<_> = self.lock().iter_mut().filter_map(|kept| self.begin(kept)).collect();
            due.into_iter().for_each(Fetch::send);
        }
    }

    fn start(&self, name: &ResourceName, issuer: &Issuer) -> Result<Kept<K>, CannotKeep> {
        let keys = Keys::of(issuer, self.parse, Instant::now())
            .map_err(|source| CannotKeep::Keys { issuer: name.clone(), source })?;
        let tls = tls::client(keys.source().ca(), &self.system)
            .map_err(|source| CannotKeep::Anchors { issuer: name.clone(), source })?;
        Ok(Kept { name: name.clone(), keys, tls, ended: watch::Sender::new(()) })
    }

    /// Begins a fetch if one is due. It is sent off once the lock is released: its end takes the lock, and a runtime
    /// that shuts down ends it on the spot.
    fn begin(self: &Arc<Self>, kept: &mut Kept<K>) -> Option<Fetch<K>> {
        kept.keys.begin(Instant::now()).then(|| Fetch {
            of: Arc::clone(self),
            issuer: kept.name.clone(),
            source: kept.keys.source().clone(),
            tls: Arc::clone(&kept.tls),
            outcome: None,
        })
    }

    fn end(&self, source: &Source, outcome: Option<Arc<K>>) {
        let mut kept = self.lock();
        if let Some(found) = kept.iter_mut().find(|kept| kept.keys.source() == source) {
            found.keys.fetched(source, outcome, Instant::now());
            found.ended.send_replace(());
        }
    }
}

impl<K> IssuerKeys<K> {
    /// A holder that panicked changed one field at a time, each of which is right by itself.
    fn lock(&self) -> MutexGuard<'_, Vec<Kept<K>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch on its way. However it ends, also by being given up, its end is told: else it would never be tried again.
struct Fetch<K: Send + Sync + 'static> {
    of: Arc<IssuerKeys<K>>,
    issuer: ResourceName,
    source: Source,
    tls: Arc<ClientConfig>,
    outcome: Option<Arc<K>>,
}

impl<K: Send + Sync + 'static> Fetch<K> {
    fn send(self) {
        tokio::spawn(self.run());
    }

    async fn run(mut self) {
        match fetch_keys(self.source.url(), &self.tls, self.of.parse).await {
            Ok(keys) => self.outcome = Some(Arc::new(keys)),
            Err(error) => {
                tracing::warn!(issuer = %self.issuer, error = %told(&error), "the issuer's keys could not be fetched");
            }
        }
    }
}

impl<K: Send + Sync + 'static> Drop for Fetch<K> {
    fn drop(&mut self) {
        self.of.end(&self.source, self.outcome.take());
    }
}

/// Writes an error with its causes.
fn told(error: &KeysError) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push_str(": ");
        told.push_str(&error.to_string());
        cause = error.source();
    }
    told
}
