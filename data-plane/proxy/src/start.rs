//! Standing a node up, and taking it down in order.

mod telemetry;

use crate::config::{Config, Transport};
use crate::control::Control;
use crate::evidence::ledger::Ledger;
use crate::evidence::medium::PieceFile;
use crate::evidence::recorder::Recorder;
use crate::evidence::ship::Shipper;
use crate::evidence::{Custody, Evidence, NoEvidence};
use crate::front::listen;
use crate::hold::desk::Desk;
use crate::meter::Scrape;
use crate::shard::Shard;
use crate::tls::{self, TlsError};
use crate::world::Shared;
use hoop_http::{InvalidLoopToken, LoopToken};
use hoop_model::{Incarnation, Revision};
use rustls::ServerConfig;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use telemetry::Telemetry;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

/// How many wishes for keys may wait.
const WANTED: usize = 256;
/// How long the last records may take to be sealed once the node stops. What is not sealed is the next start's.
const SEALED_WITHIN: Duration = Duration::from_secs(5);
/// How long the control plane may take, once the node stops, to take note of what became of held commands.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// A data-plane node.
#[derive(Debug)]
pub struct DataPlane;

/// A node that runs. Dropping it without [`Running::stop`] leaves its threads running.
pub struct Running {
    /// Where callers connect.
    pub http: SocketAddr,
    shared: Arc<Shared>,
    shards: Vec<JoinHandle<()>>,
    control: JoinHandle<()>,
    stop_control: oneshot::Sender<()>,
    custody: Custody,
    telemetry: Telemetry,
    drain_delay: Duration,
}

/// Says why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// The certificate cannot be served.
    #[error("cannot serve the certificate")]
    Tls(#[from] TlsError),
    /// There is no place for evidence.
    #[error("cannot use the spool directory")]
    Spool(#[source] io::Error),
    /// Another process writes evidence there. Two would end each other's chains.
    #[error("the node's directory in the spool is in use by another process")]
    SpoolInUse,
    /// What an earlier start left there cannot be brought to an end, or nothing can be sealed.
    #[error("cannot keep evidence")]
    Evidence(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The host has no threads left.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The node has no name it could know its own requests by.
    #[error("cannot name this node in `Via`")]
    Via(#[from] InvalidLoopToken),
}

impl DataPlane {
    /// Starts a node. It brings the evidence of an earlier start to an end, then listens, and refuses everything until it
    /// has a policy and a lease.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then but threads that end by themselves.
    pub fn start(config: Config) -> Result<Running, StartError> {
        hoop_node::crypto::install();
        let incarnation = Incarnation::mint(u128::from_be_bytes(hoop_node::random()));
        let tls = match &config.transport {
            Transport::Tls { certificate, key } => Some(tls::server(certificate, key)?),
            Transport::Plaintext => None,
        };
        let evidence = Evidence::open(&config, incarnation)?;
        let bound = listen::bind(config.listen, config.shards);
        let (http, listeners) = bound.map_err(|source| StartError::Listen { address: config.listen, source })?;
        let telemetry = telemetry::Setup::prepare(config.metrics)?;
        let (wanted, wishes) = mpsc::channel(WANTED);
        let (desk, asks) = Desk::new();
        let shared = Arc::new(Shared::new(wanted, Arc::clone(&desk)));
        let setups = listeners
            .into_iter()
            .enumerate()
            .map(|(number, listener)| ShardSetup::prepare(&config, &evidence, number, listener, tls.clone(), &shared));
        // Everything that can fail for a reason of the configuration's has been tried before the first thread starts.
        let setups = setups.collect::<Result<Vec<_>, _>>()?;
        let (ledger, directory) = (Arc::clone(&evidence.ledger), evidence.directory.clone());
        let custody = evidence.start_keeper().map_err(StartError::Thread)?;
        let shards = setups.into_iter().map(ShardSetup::start).collect::<Result<_, _>>()?;
        let telemetry = telemetry.start(Scrape { shared: Arc::clone(&shared), ledger: Arc::clone(&ledger) })?;
        let (stop_control, stopped) = oneshot::channel();
        let (node, drain_delay) = (config.node.clone(), config.drain_delay);
        let roots = hoop_node::issuer::tls::system_roots();
        let addresses = config.join.control_plane.len();
        let shared_too = Arc::clone(&shared);
        let to_ship = Arc::clone(&ledger);
        let control = Control { config, shared: shared_too, roots, wanted: wishes, ledger, directory, asks };
        let control = spawn("control".to_owned(), move || async move {
            tokio::select! {
                () = control.run() => {}
                () = last_word(stopped, &desk, &to_ship, addresses) => {}
            }
        })?;
        tracing::info!(%node, %http, %incarnation, "listening");
        Ok(Running { http, shared, shards, control, stop_control, custody, telemetry, drain_delay })
    }
}

impl Running {
    /// Returns where the node's metrics are read, if anywhere.
    #[must_use]
    pub const fn metrics(&self) -> Option<SocketAddr> {
        self.telemetry.metrics
    }

    /// Returns the subject of the node's certificate; empty until the node has joined the fleet.
    #[must_use]
    pub fn certificate_subject(&self) -> String {
        self.shared.subject.get().cloned().unwrap_or_default()
    }

    /// Returns the revision that is applied; zero before the first.
    #[must_use]
    pub fn applied(&self) -> Revision {
        self.shared.world.load().as_ref().map_or_else(Revision::default, |world| world.policy.revision)
    }

    /// Stops: the node says at once that it is not ready, and serves on for as long as its configuration says that a load
    /// balancer needs to find out; then no new connections, up to 30 s for requests that are being served, then every session is closed, every chain
    /// is ended and sealed, and for up to 10 s what is not shipped yet is shipped.
    pub async fn stop(self) {
        self.shared.leaving.store(true, Ordering::Relaxed);
        tokio::time::sleep(self.drain_delay).await;
        self.shared.draining.send_replace(true);
        let join = |threads: Vec<JoinHandle<()>>| {
            tokio::task::spawn_blocking(move || threads.into_iter().map(JoinHandle::join).all(|ended| ended.is_ok()))
        };
        // The control thread goes last: what is being served needs its lease.
        let shards = join(self.shards).await.unwrap_or(false);
        // The keeper seals what the shards have left. It has ended by itself if it does not answer.
        if tokio::time::timeout(SEALED_WITHIN, self.custody.sealed).await.is_err() {
            tracing::error!("the disk does not take the last evidence; the next start seals it");
        }
        // A control thread that has ended already needs no telling.
        let _ = self.stop_control.send(());
        let last = [Some(self.control), self.telemetry.stop()].into_iter().flatten().collect();
        let control = join(last).await.unwrap_or(false);
        if shards && control {
            tracing::info!("stopped");
        } else {
            tracing::error!("a thread ended by a panic");
        }
    }
}

/// What a shard's thread takes with it.
struct ShardSetup {
    number: usize,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
    recorder: Recorder,
    loop_token: LoopToken,
}

impl ShardSetup {
    fn prepare(
        config: &Config,
        evidence: &Evidence,
        number: usize,
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        shared: &Arc<Shared>,
    ) -> Result<Self, StartError> {
        let as_number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let loop_token = LoopToken::parse(&format!("hoop-{}", evidence.ledger.key.incarnation))?;
        let meters = Arc::clone(&shared.meters);
        let synchronise = Box::new(move |file: &PieceFile| {
            let began = Instant::now();
            let outcome = file.synchronise();
            meters.synchronised.observe(began.elapsed());
            outcome
        });
        let recorder = evidence.recorder(as_number(number), as_number(config.shards), synchronise);
        let recorder = recorder.map_err(StartError::Thread)?;
        Ok(Self { number, listener, tls, shared: Arc::clone(shared), recorder, loop_token })
    }

    fn start(self) -> Result<JoinHandle<()>, StartError> {
        let Self { number, listener, tls, shared, recorder, loop_token } = self;
        spawn(format!("shard-{number}"), move || async move {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => Rc::new(Shard::new(shared, recorder, loop_token)).run(listener, tls).await,
                Err(error) => tracing::error!(%error, "a shard cannot use its listener"),
            }
        })
    }
}

/// Waits until the node is stopped, or dropped with what would have stopped it, and then for what became of held commands
/// to be told, and for what is left to be shipped.
async fn last_word(stopped: oneshot::Receiver<()>, desk: &Desk, ledger: &Ledger, addresses: usize) {
    if stopped.await.is_ok() {
        let told = tokio::time::timeout(TOLD_WITHIN, desk.settled());
        let (told, ()) = tokio::join!(told, Shipper::last_shipment(ledger, addresses));
        if told.is_err() {
            tracing::warn!("the control plane does not know yet what became of every held command");
        }
    }
}

impl From<NoEvidence> for StartError {
    fn from(error: NoEvidence) -> Self {
        match error {
            NoEvidence::Directory(error) if error.kind() == io::ErrorKind::WouldBlock => Self::SpoolInUse,
            NoEvidence::Directory(error) => Self::Spool(error),
            NoEvidence::Leftover(_) | NoEvidence::Key(_) => Self::Evidence(Box::new(error)),
        }
    }
}

/// Runs a future on a thread with a runtime of its own.
fn spawn<F: Future<Output = ()>>(
    name: String,
    future: impl FnOnce() -> F + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
    let run = move || {
        runtime.block_on(LocalSet::new().run_until(future()));
        // What still waits for the disk must not keep the node from stopping.
        runtime.shutdown_background();
    };
    std::thread::Builder::new().name(name).spawn(run).map_err(StartError::Thread)
}

#[cfg(test)]
mod tests;
