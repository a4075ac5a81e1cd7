//! One thread that serves callers: everything it needs per request is its own.
//!
//! A panic in a connection's task ends that task alone: tokio catches it at the task's border and the shard goes on. All
//! shared state of a shard is in cells whose guards are released while the stack unwinds, and what was being recorded is
//! either whole in the chain or cut off by the next record.

use crate::evidence::recorder::Recorder;
use crate::evidence::spool::RecorderUnavailable;
use crate::front::serve::serve;
use crate::hold::capture::Captives;
use crate::meter::ShardMeter;
use crate::settling::Place;
use crate::upstream::line::Line;
use crate::upstream::pool::Pool;
use crate::walk::session::{self, Sessions};
use crate::walk::token::TokenCache;
use crate::world::{Backend, Shared, World};
use hoop_audit::{Durability, Entry, Receipt};
use hoop_gate::{BootMillis, Now, Reach};
use hoop_http::LoopToken;
use hoop_model::{Code, Refusal, SessionId};
use hoop_policy::VerdictCache;
use rustls::ServerConfig;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Most connections of callers a shard has.
const MAX_CONNECTIONS: usize = 10_000;
/// How long a TLS handshake may take (HT-16).
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests may go on once the node stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How often what is over is cut and cleared away, if no revision comes.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether what was cut has ended.
const SETTLE_EVERY: Duration = Duration::from_millis(20);
/// How long to wait after an error of `accept`, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One shard's state.
pub(crate) struct Shard {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tokens: RefCell<TokenCache>,
    pub(crate) sessions: RefCell<Sessions>,
    pub(crate) verdicts: RefCell<VerdictCache>,
    pub(crate) pool: RefCell<Pool<Line>>,
    pub(crate) loop_token: LoopToken,
    pub(crate) captives: Captives,
    /// What this shard tells of the revisions it carried out.
    pub(crate) place: Place,
    pub(crate) meter: ShardMeter,
    recorder: Recorder,
    connections: Cell<usize>,
}

/// Counts one connection for as long as it lives.
struct Counted(Rc<Shard>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count_callers(self.0.connections.get().saturating_sub(1));
    }
}

impl Shard {
    pub(crate) fn new(shared: Arc<Shared>, recorder: Recorder, loop_token: LoopToken) -> Self {
        let place = Place::take(&shared.settling);
        let meter = shared.meters.enrol();
        Self {
            shared,
            place,
            meter,
            tokens: RefCell::default(),
            sessions: RefCell::default(),
            verdicts: RefCell::new(VerdictCache::new()),
            pool: RefCell::new(Pool::new()),
            loop_token,
            captives: Captives::default(),
            recorder,
            connections: Cell::new(0),
        }
    }

    /// Returns the world, to be kept while a request lasts, if this node may act in it, or read on one of its connections.
    pub(crate) fn world(&self) -> Result<Arc<World>, Box<Refusal>> {
        self.look_stale(Arc::clone)
    }

    /// Refuses what is for a connection that this node may not even read from by now.
    pub(crate) fn may_serve(&self, world: &World, backend: &Backend) -> Result<(), Box<Refusal>> {
        self.reaches(|| world.policy.stale(backend.uid, backend.generation))
    }

    /// Looks at the world if this node may act in it. Unlike keeping it, that counts nothing that other shards count, too.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Arc<World>) -> T) -> Result<T, Box<Refusal>> {
        let world = self.shared.world.load();
        let world = world.as_ref().ok_or_else(no_policy)?;
        self.reaches(|| Duration::ZERO)?;
        Ok(look(world))
    }

    /// Looks at the world also if this node may only read on one of its connections. What is done there is checked again,
    /// for its connection and its effects, where its permit is redeemed.
    pub(crate) fn look_stale<T>(&self, look: impl FnOnce(&Arc<World>) -> T) -> Result<T, Box<Refusal>> {
        let world = self.shared.world.load();
        let world = world.as_ref().ok_or_else(no_policy)?;
        self.reaches(|| world.policy.longest_stale())?;
        Ok(look(world))
    }

    /// Refuses where the lease is over and reads go on for no longer than `window`, which is asked for only then.
    fn reaches(&self, window: impl FnOnce() -> Duration) -> Result<(), Box<Refusal>> {
        let (lease, boot) = (**self.shared.lease.load(), BootMillis(hoop_node::clock::boot_now_ms()));
        if lease.is_live(boot) || lease.reach(boot, window()) != Reach::Nothing {
            return Ok(());
        }
        let sentence = "this node's authority has run out; another node may have it";
        Err(Box::new(Refusal::because(Code::LeaseExpired, sentence)))
    }

    /// Writes the record that something is about to happen.
    pub(crate) fn record(&self, entry: &Entry, session: SessionId) -> Result<Receipt, RecorderUnavailable> {
        self.recorder.record(entry, session).inspect(|_| self.meter.records.increment())
    }

    /// Waits until the record that was written just now is as durable as asked.
    pub(crate) async fn durable(
        &self,
        receipt: Receipt,
        durability: Durability,
    ) -> Result<Receipt, RecorderUnavailable> {
        self.recorder.durable(receipt, durability).await
    }

    /// Writes the record of something that has happened. If it cannot be written, the recorder has said so, and whoever
    /// reads the chain misses it.
    pub(crate) fn note(&self, entry: &Entry, session: SessionId) {
        if self.recorder.note(entry, session).is_ok() {
            self.meter.records.increment();
        }
    }

    fn count_callers(&self, connections: usize) {
        self.connections.set(connections);
        self.meter.callers.set(connections);
    }

    /// Serves callers until the node stops, then waits for those that are being served.
    pub(crate) async fn run(self: Rc<Self>, listener: TcpListener, tls: Option<Arc<ServerConfig>>) {
        let chores = tokio::task::spawn_local(do_chores(Rc::clone(&self)));
        let mut serving = JoinSet::new();
        self.accept(listener, tls.map(TlsAcceptor::from), &mut serving).await;
        let drained = async {
            while self.connections.get() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::warn!(connections = self.connections.get(), "requests were cut off because the node stops");
        }
        // What is cut off is recorded by whoever was serving it, before its session is closed and the chain ends.
        serving.shutdown().await;
        chores.abort();
        session::close_all(&self);
        self.recorder.end();
    }

    async fn accept(self: &Rc<Self>, listener: TcpListener, tls: Option<TlsAcceptor>, serving: &mut JoinSet<()>) {
        let mut draining = self.shared.draining.subscribe();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = draining.wait_for(|draining| *draining) => return,
            };
            match accepted {
                // Too many: closed at once, so that the load balancer tries another node.
                Ok(_) if self.connections.get() >= MAX_CONNECTIONS => {
                    tracing::warn!(connections = MAX_CONNECTIONS, "too many connections; a caller was turned away");
                }
                Ok((stream, _)) => {
                    self.count_callers(self.connections.get().saturating_add(1));
                    let counted = Counted(Rc::clone(self));
                    serving.spawn_local(handle(counted, stream, tls.clone()));
                    while serving.try_join_next().is_some() {}
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn no_policy() -> Box<Refusal> {
    Box::new(Refusal::because(Code::NotReady, "this node has no policy yet"))
}

/// Reads both clocks.
pub(crate) fn now() -> Now {
    Now { boot: BootMillis(hoop_node::clock::boot_now_ms()), wall: hoop_node::clock::unix_now() }
}

async fn handle(counted: Counted, stream: TcpStream, tls: Option<TlsAcceptor>) {
    let shard = &counted.0;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a caller's connection is gone already");
        return;
    }
    let Some(tls) = tls else { return serve(Rc::clone(shard), stream).await };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve(Rc::clone(shard), stream).await,
        Ok(Err(error)) => tracing::debug!(%error, "a caller's TLS handshake failed"),
        Err(_) => tracing::debug!("a caller's TLS handshake took too long"),
    }
}

async fn do_chores(shard: Rc<Shard>) {
    let sweeps = async {
        let mut published = shard.shared.published.subscribe();
        loop {
            let is_settled = session::sweep(&shard);
            shard.meter.verdicts(shard.verdicts.borrow_mut().take_counts());
            shard.pool.borrow_mut().sweep();
            let pause = if is_settled { SWEEP_EVERY } else { SETTLE_EVERY };
            // Early or not: the next look decides.
            drop(tokio::time::timeout(pause, published.changed()).await);
        }
    };
    tokio::join!(sweeps, shard.recorder.run());
}

#[cfg(test)]
mod tests;
