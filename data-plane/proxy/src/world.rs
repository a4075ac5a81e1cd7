//! Everything a request is judged by, swapped as a whole.
//!
//! ```text
//!   Snapshot (from the control plane) ──compile, off the hot path──▶ Policy ─┐
//!   issuers' keys (fetched by this node) ───────────────────────────────────┴▶ World ──▶ one ArcSwap ──▶ shards
//! ```

mod backend;
pub(crate) mod masking;

use crate::control::offset::MAX_OFF_MS;
use crate::control::publish::read_keys;
use crate::credential::source::SecretSources;
use crate::hold::desk::Desk;
use crate::meter::Meters;
use crate::settling::Settling;
use hoop_gate::{DigestKey, Lease, Standing};
use hoop_identity::{Directory, KeySet, Trust};
use hoop_model::spec::{Issuer, SecretValue};
use hoop_model::{Object, ResourceName, Revision, Spec, Uid, UnixSeconds};
use hoop_node::issuer::{Keys, tls};
use hoop_node::telemetry::spans::Spans;
use hoop_policy::Rules;
use rustls::{ClientConfig, RootCertStore};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) use backend::Backend;
use backend::Secrets;
use masking::{Classes, MaskingKey};

/// One revision, compiled.
pub(crate) struct Policy {
    pub(crate) revision: Revision,
    pub(crate) rules: Rules,
    pub(crate) directory: Directory,
    pub(crate) issuers: BTreeMap<ResourceName, Trusted>,
    /// What digests of commands are keyed with.
    pub(crate) digest_key: DigestKey,
    identities: BTreeMap<Uid, Known>,
    classes: Arc<Classes>,
    backends: BTreeMap<ResourceName, Arc<Backend>>,
    /// For how long reads go on without a lease, by uid and generation of the connections where they do.
    stale: BTreeMap<(Uid, u64), Duration>,
}

/// What is known of an identity beside how it matches.
#[derive(Debug, Clone, Copy)]
struct Known {
    changed: Revision,
    suspended: bool,
    expires: Option<UnixSeconds>,
}

/// An issuer, and how to reach it.
pub(crate) struct Trusted {
    pub(crate) spec: Issuer,
    pub(crate) tls: Arc<ClientConfig>,
}

/// What a shard loads once per request.
pub(crate) struct World {
    /// Different for every World of this process: what was found out in one is not used in another.
    pub(crate) version: u64,
    pub(crate) policy: Arc<Policy>,
    pub(crate) trust: Trust,
    /// The issuers whose first keys are on their way.
    pub(crate) awaited: BTreeSet<ResourceName>,
}

/// Says why a revision cannot be applied. It is applied whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{object}`: {reason}")]
pub(crate) struct CannotApply {
    pub(crate) object: String,
    pub(crate) reason: String,
}

/// What the control thread shares with the shards.
pub(crate) struct Shared {
    pub(crate) world: arc_swap::ArcSwapOption<World>,
    pub(crate) lease: arc_swap::ArcSwap<Lease>,
    /// Counts publications, for those who wait for one.
    pub(crate) published: watch::Sender<u64>,
    /// Issuers of tokens whose key is not there.
    pub(crate) wanted: tokio::sync::mpsc::Sender<ResourceName>,
    /// The subject of the node's certificate, once it has one.
    pub(crate) subject: OnceLock<String>,
    /// Where spans go; empty where no collector is configured.
    pub(crate) spans: OnceLock<Spans>,
    /// How far this node's clock is ahead of the control plane's, at least, or behind, in milliseconds.
    pub(crate) clock_ahead_ms: AtomicI64,
    /// True once the node is to stop: it says that it is not ready, and serves on.
    pub(crate) leaving: AtomicBool,
    /// True once the node stops.
    pub(crate) draining: watch::Sender<bool>,
    /// What the shards have carried out.
    pub(crate) settling: Arc<Settling>,
    /// Where shards ask and tell about held commands.
    pub(crate) desk: Arc<Desk>,
    /// What the shards count.
    pub(crate) meters: Arc<Meters>,
}

impl Shared {
    pub(crate) fn new(wanted: tokio::sync::mpsc::Sender<ResourceName>, desk: Arc<Desk>) -> Self {
        Self {
            world: arc_swap::ArcSwapOption::empty(),
            lease: arc_swap::ArcSwap::from_pointee(Lease::NONE),
            published: watch::Sender::new(0),
            wanted,
            subject: OnceLock::new(),
            spans: OnceLock::new(),
            clock_ahead_ms: AtomicI64::new(0),
            leaving: AtomicBool::new(false),
            draining: watch::Sender::new(false),
            settling: Arc::new(Settling::new()),
            desk,
            meters: Arc::default(),
        }
    }

    /// Returns whether this node's clock is too far off to judge tokens by.
    pub(crate) fn clock_is_off(&self) -> bool {
        self.clock_ahead_ms.load(Ordering::Relaxed).unsigned_abs() > MAX_OFF_MS
    }

    /// Returns whether the node stops, or is about to.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed) || *self.draining.borrow()
    }
}

/// What the control plane sends with a revision, beside its objects.
#[derive(Debug)]
pub(crate) struct Given {
    /// What digests of commands are keyed with.
    pub(crate) digest_key: DigestKey,
    /// The values of sealed secrets, by their uids.
    pub(crate) values: BTreeMap<Uid, SecretValue>,
    /// What hashes of masked values are keyed with.
    pub(crate) masking_key: MaskingKey,
}

/// What a revision is compiled with that is the node's own.
pub(crate) struct Local {
    /// Who is trusted to certify servers.
    pub(crate) roots: Arc<RootCertStore>,
    /// Where secrets may be on this node.
    pub(crate) sources: SecretSources,
}

/// What compiling one revision yields: the policy, and each issuer's keys as the revision itself has them.
pub(crate) type Compiled = (Policy, BTreeMap<ResourceName, Keys<KeySet>>);

impl Policy {
    /// Compiles a revision. What is as it was in `previous` is taken from there.
    ///
    /// # Errors
    /// [`CannotApply`] for the first object that cannot be used.
    pub(crate) fn compile(
        objects: &[Arc<Object>],
        revision: Revision,
        previous: Option<&Self>,
        local: &Local,
        given: Given,
    ) -> Result<Compiled, CannotApply> {
        let rules = Rules::compile(objects, revision, previous.map(|p| &p.rules)).map_err(|errors| CannotApply {
            object: errors.first().map_or_else(String::new, |e| e.policy.to_string()),
            reason: errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        })?;
        let mut policy = Self {
            revision,
            rules,
            directory: Directory::compile(objects.iter().map(AsRef::as_ref)),
            issuers: BTreeMap::new(),
            digest_key: given.digest_key,
            identities: BTreeMap::new(),
            classes: Classes::of(objects, given.masking_key, previous.map(|previous| &previous.classes)),
            backends: BTreeMap::new(),
            stale: BTreeMap::new(),
        };
        let secrets = Secrets::of(objects, given.values, &local.sources);
        let mut keys = BTreeMap::new();
        for object in objects {
            let name = &object.metadata.name;
            match &object.spec {
                Spec::Issuer(issuer) => {
                    let before = previous.and_then(|previous| previous.issuers.get(name));
                    let tls = match before.filter(|before| before.spec.ca == issuer.ca) {
                        Some(before) => Arc::clone(&before.tls),
                        None => tls::client(issuer.ca.as_deref(), &local.roots).map_err(|e| cannot(name, &e))?,
                    };
                    keys.insert(
                        name.clone(),
                        Keys::of(issuer, read_keys, Instant::now()).map_err(|e| cannot(name, &*e))?,
                    );
                    policy.issuers.insert(name.clone(), Trusted { spec: issuer.clone(), tls });
                }
                Spec::Identity(identity) => {
                    let known = Known {
                        changed: object.metadata.revision,
                        suspended: identity.suspended,
                        expires: identity.expires.map(UnixSeconds),
                    };
                    policy.identities.insert(object.metadata.uid, known);
                }
                Spec::Connection(connection) => {
                    let window = connection.stale.window();
                    let of = (object.metadata.uid, object.metadata.generation);
                    policy.stale.extend((!window.is_zero()).then_some((of, window)));
                    let before = previous.and_then(|previous| previous.backends.get(name));
                    let backend = Backend::of(object, connection, (local, &secrets, &policy.classes), before);
                    policy.backends.insert(name.clone(), backend.map_err(|error| cannot(name, &*error))?);
                }
                Spec::Policy(_) | Spec::Person(_) | Spec::Secret(_) | Spec::DataClass(_) | Spec::Role(_) => {}
            }
        }
        Ok((policy, keys))
    }

    /// Returns a connection that this node serves.
    pub(crate) fn backend(&self, name: &ResourceName) -> Option<&Arc<Backend>> {
        self.backends.get(name)
    }

    /// Returns every connection that this node serves.
    pub(crate) fn backends(&self) -> impl Iterator<Item = &Arc<Backend>> {
        self.backends.values()
    }

    /// Returns how long reads go on without a lease, on the connection where they do longest.
    pub(crate) fn longest_stale(&self) -> Duration {
        self.stale.values().max().copied().unwrap_or(Duration::ZERO)
    }

    /// Returns how long reads go on without a lease on a connection as it was judged; not at all if it has changed.
    pub(crate) fn stale(&self, connection: Uid, generation: u64) -> Duration {
        self.stale.get(&(connection, generation)).copied().unwrap_or(Duration::ZERO)
    }

    /// Returns the revision of an identity's last change.
    pub(crate) fn identity_changed(&self, identity: Uid) -> Option<Revision> {
        self.identities.get(&identity).map(|known| known.changed)
    }

    /// Returns what this revision says of an identity.
    pub(crate) fn standing(&self, identity: Uid, now: UnixSeconds) -> Standing {
        match self.identities.get(&identity) {
            None => Standing::Gone,
            Some(known) if known.suspended => Standing::Suspended,
            Some(known) if known.expires.is_some_and(|at| now >= at) => Standing::Expired,
            Some(known) => Standing::Live(known.changed),
        }
    }
}

fn cannot(name: &ResourceName, error: &dyn std::error::Error) -> CannotApply {
    CannotApply { object: name.to_string(), reason: crate::control::chain(error) }
}
