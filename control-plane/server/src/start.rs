//! Starting and stopping a control-plane node.

use crate::approvals::{Reviews, fence};
use crate::birth::{self, BirthError};
use crate::cluster::{Cluster, Parts};
use crate::config::Config;
use crate::evidence::{self, Evidence, EvidenceError, Places};
use crate::fleet::{Registry, pulse};
use crate::fresh::freshness;
use crate::meter::Scrape;
use crate::people::keep_keys;
use crate::recovery::RecoveryKey;
use crate::serve::{self, CannotServe};
use hoop_node::pki::pem;
use hoop_node::seal::{SealKey, SealKeyError};
use hoop_node::telemetry::metrics;
use hoop_node::telemetry::spans::{self, Spans};
use hoop_raft::{Replica, ReplicaConfig};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Where a running node keeps the cluster CA's certificate in its data directory, for whoever connects.
pub const CA_FILE: &str = "ca.pem";

/// The id of the one voter.
const NODE_ID: u64 = 1;
/// How long open calls may take to end at a stop.
const DRAIN: Duration = Duration::from_secs(5);

/// A control-plane node.
pub struct ControlPlane;

/// A control-plane node that serves. Dropping it stops it without waiting.
pub struct Running {
    /// Where it serves.
    pub address: SocketAddr,
    /// Where its metrics are read, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// The cluster CA's certificate, PEM, for whoever connects.
    pub ca_pem: String,
    /// The public key of the cluster's evidence log, as verifiers take it: `NAME+HASH+BASE64`.
    pub evidence_key: String,
    /// The one-time token that opens the first administrator's session; only after the first start, which created the
    /// cluster. It is nowhere else.
    pub bootstrap_token: Option<String>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    background: JoinSet<()>,
    replica: Replica,
    pub(crate) cluster: Arc<Cluster>,
}

/// Says why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be made or found.
    #[error("cannot use data directory `{}`", path.display())]
    DataDirectory {
        /// The directory.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// The seal key is where a copy of the data would take it along.
    #[error("seal key `{}` is beneath the data directory: a copy of the data must open nothing", path.display())]
    SealKeyWithData {
        /// The key's file.
        path: PathBuf,
    },
    /// The seal key cannot be loaded.
    #[error("no seal key")]
    SealKey(#[source] SealKeyError),
    /// The replicated state is not available.
    #[error("the replicated state does not start")]
    Replica(#[source] hoop_raft::StartError),
    /// There is no cluster to serve.
    #[error("no cluster to serve")]
    Birth(#[source] BirthError),
    /// The evidence store cannot be used, or lacks what it must have.
    #[error("the evidence store cannot be used")]
    Evidence(#[source] EvidenceError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// The server cannot be set up.
    #[error("cannot serve")]
    Serve(#[source] CannotServe),
}

impl ControlPlane {
    /// Starts a node; the first start creates the cluster. Returns once it serves.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        hoop_node::crypto::install();
        let Config {
            listen,
            data_dir,
            seal_key,
            evidence_dir,
            evidence: limits,
            server_names,
            metrics,
            traces,
            log: _,
        } = config;
        let data_dir = make_data_dir(&data_dir)?;
        let seal_key = load_seal_key(&seal_key, &data_dir)?;
        let (listener, address) = bind(listen).await?;
        let metrics = match metrics {
            Some(listen) => Some(bind(listen).await?),
            None => None,
        };
        let places = Places { evidence_dir, data_dir: data_dir.clone(), limits };
        let replica = Replica::start(ReplicaConfig { node_id: NODE_ID, data_dir, address: None }).await;
        let replica = replica.map_err(StartError::Replica)?;
        match open(&replica, seal_key, places, (listener, server_names)).await {
            Ok(mut opened) => {
                if let Some(traces) = &traces {
                    opened.trace(traces);
                }
                let metrics = metrics.map(|(listener, address)| opened.show(listener, address));
                tracing::info!(%address, "control plane serves");
                Ok(opened.running((address, metrics), replica))
            }
            Err(error) => {
                replica.shutdown().await;
                Err(error)
            }
        }
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let cannot_listen = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let bound = listener.local_addr().map_err(cannot_listen)?;
    Ok((listener, bound))
}

/// What runs over a replica.
struct Opened {
    cluster: Arc<Cluster>,
    bootstrap_token: Option<String>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    background: JoinSet<()>,
}

async fn open(
    replica: &Replica,
    seal_key: SealKey,
    places: Places,
    (listener, server_names): (TcpListener, Vec<String>),
) -> Result<Opened, StartError> {
    let birth::Opened { ca, log, digest_key, masking_key, vault, admin_token } =
        birth::open_or_create(replica, &seal_key).await.map_err(StartError::Birth)?;
    let recovery = RecoveryKey::of(&seal_key, &pem(ca.certificate_der(), "CERTIFICATE"));
    let evidence = Evidence::open(places, log, replica.state()).await.map_err(StartError::Evidence)?;
    let (stop, stopping) = watch::channel(false);
    let fleet = Arc::new(Registry::empty());
    let (freshness, confirmer) = freshness(replica.clone(), Arc::clone(&fleet));
    let cluster = Arc::new(Cluster::new(Parts {
        replica: replica.clone(),
        freshness,
        fleet,
        ca,
        evidence,
        digest_key,
        masking_key,
        recovery,
        vault,
        reviews: Reviews::new(seal_key),
        stopping,
    }));
    let serving = serve::serve(Arc::clone(&cluster), listener, server_names).map_err(StartError::Serve)?;
    let mut background = JoinSet::new();
    background.spawn(confirmer.run());
    background.spawn(pulse(Arc::clone(&cluster)));
    background.spawn(evidence::keep(Arc::clone(&cluster)));
    background.spawn(keep_keys(Arc::clone(&cluster)));
    background.spawn(fence(Arc::clone(&cluster)));
    let bootstrap_token = admin_token.map(|token| token.reveal().clone());
    Ok(Opened { cluster, bootstrap_token, stop, serving: tokio::spawn(serving), background })
}

impl Opened {
    /// Has traces sent.
    fn trace(&self, traces: &spans::Config) {
        match Spans::start(traces, "hoop-control-plane", &format!("voter-{NODE_ID}")) {
            Ok(spans) => self.cluster.traced().send_to(spans),
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "no traces are sent"),
        }
    }

    /// Shows the node's metrics.
    fn show(&mut self, listener: TcpListener, address: SocketAddr) -> SocketAddr {
        self.background.spawn(metrics::serve(listener, Arc::new(Scrape(Arc::clone(&self.cluster)))));
        tracing::info!(%address, "metrics are served");
        address
    }

    fn running(self, (address, metrics): (SocketAddr, Option<SocketAddr>), replica: Replica) -> Running {
        let Self { cluster, bootstrap_token, stop, serving, background } = self;
        Running {
            address,
            metrics,
            ca_pem: cluster.ca_pem().to_owned(),
            evidence_key: cluster.evidence().verifier_key().to_owned(),
            bootstrap_token,
            stop,
            serving,
            background,
            replica,
            cluster,
        }
    }
}

impl Running {
    /// Ends every stream with a reason, lets open calls finish for five seconds, keeps what is left of the evidence, and
    /// closes the log. The data directory can be opened again when this returns.
    pub async fn stop(self) {
        let Self { stop, mut serving, mut background, replica, cluster, .. } = self;
        stop.send_replace(true);
        if tokio::time::timeout(DRAIN, &mut serving).await.is_err() {
            tracing::warn!("open calls were cut off");
            serving.abort();
        }
        background.shutdown().await;
        if tokio::time::timeout(DRAIN, evidence::keep_last(&cluster)).await.is_err() {
            tracing::warn!("the evidence of the last moment is left to the next start");
        }
        evidence::close(&cluster).await;
        replica.shutdown().await;
        tracing::info!("control plane stopped");
    }
}

impl ControlPlane {
    /// Makes a one-time token with which an administrator can sign in within ten minutes, whoever else can: for somebody on a
    /// voter's host, who has the data directory and the seal key. The node may run meanwhile.
    ///
    /// # Errors
    /// [`StartError`] where there is no seal key, or no cluster in the data directory.
    pub fn recover(config: &Config) -> Result<String, StartError> {
        let data_directory = |source| StartError::DataDirectory { path: config.data_dir.clone(), source };
        let data_dir = config.data_dir.canonicalize().map_err(data_directory)?;
        let seal_key = load_seal_key(&config.seal_key, &data_dir)?;
        let ca_pem = std::fs::read_to_string(data_dir.join(CA_FILE)).map_err(data_directory)?;
        Ok(RecoveryKey::of(&seal_key, &ca_pem).mint(hoop_node::clock::unix_now()).reveal().clone())
    }
}

fn make_data_dir(path: &Path) -> Result<PathBuf, StartError> {
    let made = hoop_node::files::make_directory(path).and_then(|()| path.canonicalize());
    made.map_err(|source| StartError::DataDirectory { path: path.to_owned(), source })
}

/// Loads the seal key unless its file, wherever links lead, is beneath the data directory.
fn load_seal_key(path: &Path, data_dir: &Path) -> Result<SealKey, StartError> {
    let written = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let parent = written.parent().and_then(|parent| parent.canonicalize().ok());
    let target = written.canonicalize().ok();
    if [parent, target].into_iter().flatten().any(|found| found.starts_with(data_dir)) {
        return Err(StartError::SealKeyWithData { path: path.to_owned() });
    }
    SealKey::load(path).map_err(StartError::SealKey)
}
