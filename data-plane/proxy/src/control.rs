//! The control thread: what reaches the shards reaches them through here, by one swap.
//!
//! ```text
//!   join ──▶ membership ──▶ link (contents, leases) ───┐
//!                                                      ├──▶ publisher ──▶ Shared (ArcSwap<World>, ArcSwap<Lease>)
//!   issuers' keys (hoop-node; fetched when due) ───────┘
//!
//!   evidence ──▶ link (key, leftovers, heads)           evidence ──▶ ship, by a stream of its own
//!   hold ──▶ holds (asked and told over link's channel), link (what is pushed) ──▶ hold
//! ```

pub(crate) mod contents;
pub(crate) mod heads;
pub(crate) mod holds;
pub(crate) mod job;
pub(crate) mod join;
mod keeping;
mod last_good;
pub(crate) mod link;
pub(crate) mod offset;
pub(crate) mod publish;

use crate::config::Config;
use crate::credential;
use crate::evidence::ledger::Ledger;
use crate::evidence::medium::Directory;
use crate::evidence::ship::Shipper;
use crate::hold::desk::Ask;
use crate::world::{Local, Shared};
use holds::Clerk;
use hoop_model::ResourceName;
use hoop_node::telemetry::spans::Spans;
use join::Membership;
use last_good::LastGood;
use link::{Link, LinkError};
use publish::Publisher;
use rustls::RootCertStore;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Shortest and longest wait before the next attempt to reach the control plane, in milliseconds.
const RETRY_MS: (u64, u64) = (100, 2000);

/// What the control thread needs.
pub(crate) struct Control {
    pub(crate) config: Config,
    pub(crate) shared: Arc<Shared>,
    pub(crate) roots: Arc<RootCertStore>,
    pub(crate) wanted: mpsc::Receiver<ResourceName>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) directory: Directory,
    /// What shards ask and tell about held commands.
    pub(crate) asks: mpsc::UnboundedReceiver<Ask>,
}

impl Control {
    /// Runs until it is dropped. It never gives up: whatever fails is tried again, and meanwhile the lease runs out.
    pub(crate) async fn run(self) {
        self.trace();
        let publisher = Rc::new(RefCell::new(Publisher::new(Arc::clone(&self.shared))));
        let keys = publish::keep_keys(Rc::clone(&publisher), self.wanted);
        let (joined, membership) = watch::channel(None);
        let addresses = self.config.join.control_plane.clone();
        let shipper =
            Shipper { ledger: Arc::clone(&self.ledger), directory: self.directory.clone(), addresses, membership };
        let clerk =
            Clerk { desk: Arc::clone(&self.shared.desk), asks: self.asks, incarnation: self.ledger.key.incarnation };
        let local = Arc::new(Local { roots: self.roots, sources: self.config.secrets.clone() });
        let watching = credential::watch::watch(Rc::clone(&publisher), Arc::clone(&local));
        let Self { config, shared, ledger, directory, .. } = self;
        let link = Link {
            shared,
            publisher,
            local,
            ledger,
            directory,
            contents: RefCell::default(),
            was_attached: Cell::default(),
        };
        let attached = stay_attached(&config, link, &joined);
        tokio::join!(keys, watching, attached, shipper.run(), clerk.run());
    }
}

impl Control {
    /// Has traces sent from this thread, which serves nobody.
    fn trace(&self) {
        let Some(traces) = &self.config.traces else { return };
        match Spans::start(traces, "hoop-data-plane", self.config.node.as_str()) {
            Ok(spans) => drop(self.shared.spans.set(spans)),
            Err(error) => {
                let error = chain(&error);
                tracing::error!(%error, "no traces are sent");
            }
        }
    }
}

/// Joins once, then attaches to one address after the other, for ever.
async fn stay_attached(config: &Config, mut link: Link, joined: &watch::Sender<Option<Arc<Membership>>>) {
    let (mut last, mut is_disowned) = (String::new(), false);
    for address in config.join.control_plane.iter().cycle() {
        let attempt = async {
            let membership = join::membership(config, address, is_disowned).await.map_err(LinkError::Join)?;
            link.shared.subject.get_or_init(|| membership.subject.clone());
            let membership = Arc::new(membership);
            link.recall(&config.state_dir, &membership);
            joined.send_if_modified(|known| {
                let is_another = known.as_ref().is_none_or(|known| known.certificate_pem != membership.certificate_pem);
                *known = Some(Arc::clone(&membership));
                is_another
            });
            let good = LastGood::new(&config.state_dir, &membership);
            tokio::select! {
                attached = link.attach(address, &membership, good) => attached.map(|never| match never {}),
                () = join::renew_when_due(config, address, &membership) => Ok(()),
            }
        };
        // Renewed: attached anew with the next certificate, well within the lease.
        let Err(error) = attempt.await else { continue };
        // Who was removed may join again, by another token, as a process that has recorded nothing under the removed node.
        is_disowned = !link.was_attached.get() && (is_disowned || error.is_denial());
        let told = chain(&error);
        if told == last {
            tracing::debug!(control_plane = %address, error = %told, "still not attached");
        } else {
            tracing::warn!(control_plane = %address, error = %told, "not attached to the control plane");
            last = told;
        }
        tokio::time::sleep(retry_after()).await;
    }
}

pub(crate) fn retry_after() -> Duration {
    let draw = u64::from(u32::from_be_bytes(hoop_node::random()));
    Duration::from_millis(RETRY_MS.0 + draw % (RETRY_MS.1 - RETRY_MS.0))
}

/// Writes an error with its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push_str(": ");
        told.push_str(&error.to_string());
        cause = error.source();
    }
    told
}
