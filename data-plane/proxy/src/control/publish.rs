//! What the shards see: the policy that is applied and the keys that are good, published together.

use super::chain;
use crate::world::{CannotApply, Compiled, Policy, Shared, World};
use hoop_identity::{KeySet, Trust, TrustedIssuer};
use hoop_model::{ResourceName, Revision};
use hoop_node::issuer::{self, Keys, Source, Unusable};
use rustls::ClientConfig;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often the keys' clocks are looked at.
const TICK: Duration = Duration::from_millis(250);

/// The only writer of [`Shared::world`].
pub(crate) struct Publisher {
    shared: Arc<Shared>,
    policy: Option<Arc<Policy>>,
    keys: BTreeMap<ResourceName, Keys<KeySet>>,
    version: u64,
    /// What was published of each issuer's keys; a difference is a reason to publish again.
    published: Vec<Option<Arc<KeySet>>>,
}

/// The keys of one issuer to be fetched.
struct Fetch {
    issuer: ResourceName,
    url: String,
    source: Source,
    tls: Arc<ClientConfig>,
}

struct Fetched {
    issuer: ResourceName,
    /// What they were fetched for; the issuer may be configured anew by then.
    source: Source,
    /// `None` if they could not be had.
    keys: Option<Arc<KeySet>>,
}

impl Publisher {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, policy: None, keys: BTreeMap::new(), version: 0, published: Vec::new() }
    }

    /// Returns the policy that is applied.
    pub(crate) fn policy(&self) -> Option<&Arc<Policy>> {
        self.policy.as_ref()
    }

    /// Returns the revision that is applied; zero before the first.
    pub(crate) fn applied(&self) -> Revision {
        self.policy.as_ref().map_or_else(Revision::default, |policy| policy.revision)
    }

    /// Applies a revision: one swap.
    ///
    /// # Errors
    /// [`CannotApply`] for one that is older than what is applied: a revocation is never undone by a node that lags.
    pub(crate) fn apply(&mut self, (policy, fresh): Compiled) -> Result<(), CannotApply> {
        if policy.revision < self.applied() {
            let reason = format!("revision {} is older than {}", policy.revision, self.applied());
            return Err(CannotApply { object: String::new(), reason });
        }
        let mut known = std::mem::take(&mut self.keys);
        for (name, keys) in fresh {
            let kept = policy
                .issuers
                .get(&name)
                .and_then(|issuer| known.remove(&name).filter(|known| known.source().is_of(&issuer.spec)));
            self.keys.insert(name, kept.unwrap_or(keys));
        }
        self.policy = Some(Arc::new(policy));
        self.publish(Instant::now());
        Ok(())
    }

    fn publish(&mut self, now: Instant) {
        let Some(policy) = self.policy.clone() else { return };
        self.published = self.good(now);
        self.version = self.version.wrapping_add(1);
        let trusted = policy.issuers.iter().map(|(name, issuer)| TrustedIssuer {
            name: name.clone(),
            spec: issuer.spec.clone(),
            keys: self.keys.get(name).and_then(|keys| keys.good(now)).cloned(),
        });
        let trust = Trust::new(trusted);
        let awaited = self.keys.iter().filter(|(_, keys)| keys.are_pending()).map(|(name, _)| name.clone());
        let awaited: BTreeSet<_> = awaited.collect();
        self.shared.world.store(Some(Arc::new(World { version: self.version, policy, trust, awaited })));
        self.shared.published.send_replace(self.version);
    }

    fn good(&self, now: Instant) -> Vec<Option<Arc<KeySet>>> {
        self.keys.values().map(|keys| keys.good(now).cloned()).collect()
    }

    /// Publishes if keys have come or gone.
    fn refresh(&mut self) {
        let now = Instant::now();
        let same = |(a, b): (&Option<Arc<KeySet>>, &Option<Arc<KeySet>>)| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let good = self.good(now);
        if good.len() != self.published.len() || !good.iter().zip(&self.published).all(same) {
            self.publish(now);
        }
    }

    fn begin_fetches(&mut self) -> Vec<Fetch> {
        let Some(policy) = &self.policy else { return Vec::new() };
        let now = Instant::now();
        let due = self.keys.iter_mut().filter_map(|(name, keys)| {
            let issuer = policy.issuers.get(name)?;
            let source = keys.source().clone();
            let url = issuer.spec.url.clone();
            let fetch = Fetch { issuer: name.clone(), url, source, tls: Arc::clone(&issuer.tls) };
            keys.begin(now).then_some(fetch)
        });
        due.collect()
    }

    fn fetched(&mut self, fetched: Fetched) {
        let first = self.keys.get(&fetched.issuer).is_some_and(Keys::are_pending);
        if let Some(keys) = self.keys.get_mut(&fetched.issuer) {
            keys.fetched(&fetched.source, fetched.keys, Instant::now());
        }
        if first {
            // Also without keys: nobody waits for them any more.
            self.publish(Instant::now());
        } else {
            self.refresh();
        }
    }
}

/// Reads a JWK Set.
pub(crate) fn read_keys(json: &[u8]) -> Result<KeySet, Unusable> {
    Ok(KeySet::parse(json)?)
}

/// Fetches keys when they are due or wanted, each issuer by itself, for ever.
pub(crate) async fn keep_keys(publisher: Rc<RefCell<Publisher>>, mut wanted: mpsc::Receiver<ResourceName>) {
    let mut fetching = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => publisher.borrow_mut().refresh(),
            Some(issuer) = wanted.recv() => {
                if let Some(keys) = publisher.borrow_mut().keys.get_mut(&issuer) {
                    keys.want();
                }
            }
            Some(fetched) = fetching.join_next() => {
                if let Ok(fetched) = fetched {
                    publisher.borrow_mut().fetched(fetched);
                }
            }
        }
        for fetch in publisher.borrow_mut().begin_fetches() {
            fetching.spawn(run(fetch));
        }
    }
}

async fn run(fetch: Fetch) -> Fetched {
    let keys = issuer::fetch_keys(&fetch.url, &fetch.tls, read_keys).await;
    let keys = match keys {
        Ok(keys) => {
            for dropped in keys.dropped() {
                tracing::info!(issuer = %fetch.issuer, kid = ?dropped.kid, reason = dropped.reason, "a key is not used");
            }
            Some(Arc::new(keys))
        }
        Err(error) => {
            tracing::warn!(issuer = %fetch.issuer, error = %chain(&error), "the issuer's keys could not be fetched");
            None
        }
    };
    Fetched { issuer: fetch.issuer, source: fetch.source, keys }
}
