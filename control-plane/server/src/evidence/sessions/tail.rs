//! Tail: records as they reach the control plane, and before that as their nodes have them.
//!
//! INVARIANT: of each chain, records go out in order, each once (`Tailing::is_new`). What a node says it has not shipped is
//! sent only after every segment that was stored by then: nothing that was shipped in between is passed over.

use super::super::index::Piece;
use super::super::live::tails;
use super::super::recorded::Recorded;
use super::show::{nodes, of_piece};
use super::{Ended, Out, blocking, send, session};
use crate::cluster::Cluster;
use hoop_audit::NO_SESSION;
use hoop_audit::{Entry, Opening};
use hoop_model::{ChainId, SessionId};
use hoop_wire::v1;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tonic::Status;

/// How often nodes are asked.
const PACE: Duration = Duration::from_secs(1);
/// How many sessions are remembered to be wanted or not; those beyond are looked up again.
const MAX_JUDGED: usize = 65_536;

/// One reader that follows.
pub(super) struct Tailing {
    cluster: Arc<Cluster>,
    wanted: Wanted,
    news: Receiver<Piece>,
    /// The last record of each chain that went out, or was passed over.
    seen: BTreeMap<ChainId, u64>,
    judged: BTreeMap<SessionId, bool>,
}

/// What the reader wants; nothing said does not narrow.
struct Wanted {
    session: Option<SessionId>,
    identity: String,
    connection: String,
}

impl Tailing {
    /// Begins with what comes from here on, and what is not shipped yet.
    pub(super) fn begin(cluster: &Arc<Cluster>, request: v1::TailSessionsRequest) -> Result<Self, Status> {
        let v1::TailSessionsRequest { session: id, identity, connection } = request;
        let session = if id.is_empty() { None } else { Some(session(&id)?) };
        Ok(Self {
            cluster: Arc::clone(cluster),
            wanted: Wanted { session, identity, connection },
            news: cluster.evidence().index.news(),
            seen: BTreeMap::new(),
            judged: BTreeMap::new(),
        })
    }

    /// Follows until the reader hangs up.
    pub(super) async fn run(mut self, out: &Out) -> Result<(), Ended> {
        let cluster = Arc::clone(&self.cluster);
        tokio::select! {
            () = out.closed() => Ok(()),
            () = cluster.stopped() => Err(Status::unavailable("the control plane is stopping").into()),
            ended = self.follow(out) => ended,
        }
    }

    async fn follow(&mut self, out: &Out) -> Result<(), Ended> {
        let mut beat = tokio::time::interval(PACE);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beat.tick() => self.ask(out).await?,
                piece = self.news.recv() => match piece {
                    Ok(piece) => self.send_piece(&piece, out).await?,
                    Err(RecvError::Lagged(_)) => return Err(too_slow().into()),
                    Err(RecvError::Closed) => return Err(Status::unavailable("the control plane is stopping").into()),
                },
            }
        }
    }

    /// Asks the nodes, brings the stored part up to that moment, then sends what only nodes have.
    async fn ask(&mut self, out: &Out) -> Result<(), Ended> {
        let node = self.node().await?;
        let unshipped = tails(&self.cluster, nodes(&self.cluster, node.as_deref()), self.wanted.session).await;
        if unshipped.is_empty() {
            return Ok(());
        }
        let size = self.cluster.fresh().await?.evidence().size();
        self.cluster.evidence().indexed(size).await?;
        loop {
            match self.news.try_recv() {
                Ok(piece) => self.send_piece(&piece, out).await?,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                Err(TryRecvError::Lagged(_)) => return Err(too_slow().into()),
            }
        }
        for found in unshipped {
            self.look_up(found.record.chain()).await?;
            self.send_one(found, false, out).await?;
        }
        Ok(())
    }

    /// Returns the node of the one session that is wanted, if it is known.
    async fn node(&self) -> Result<Option<String>, Status> {
        let Some(session) = self.wanted.session else { return Ok(None) };
        let index = Arc::clone(&self.cluster.evidence().index);
        Ok(blocking(move || index.session(session)).await?.map(|row| row.summary.node))
    }

    async fn send_piece(&mut self, piece: &Piece, out: &Out) -> Result<(), Ended> {
        let (store, of, session) = (Arc::clone(&self.cluster.evidence().store), piece.clone(), self.wanted.session);
        for found in blocking(move || of_piece(&store, &of, session)).await? {
            self.send_one(found, true, out).await?;
        }
        Ok(())
    }

    /// Of a chain that was not heard of yet, what was stored before this reader came is not news.
    async fn look_up(&mut self, chain: ChainId) -> Result<(), Status> {
        if !self.seen.contains_key(&chain) {
            let (index, of) = (Arc::clone(&self.cluster.evidence().index), chain.clone());
            self.seen.insert(chain, blocking(move || index.last_of(&of)).await?);
        }
        Ok(())
    }

    async fn send_one(&mut self, found: Recorded, shipped: bool, out: &Out) -> Result<(), Ended> {
        if self.is_new(&found) && self.is_wanted(&found).await? {
            send(out, found.frame, shipped).await?;
        }
        Ok(())
    }

    fn is_new(&mut self, found: &Recorded) -> bool {
        let sequence = found.record.head.sequence;
        let seen = self.seen.entry(found.record.chain()).or_default();
        let is_new = sequence > *seen;
        *seen = sequence.max(*seen);
        is_new
    }

    async fn is_wanted(&mut self, found: &Recorded) -> Result<bool, Status> {
        let id = found.record.session;
        if id == NO_SESSION || self.wanted.session.is_some_and(|session| session != id) {
            return Ok(false);
        }
        if let Some(judged) = self.judged.get(&id) {
            return Ok(*judged);
        }
        let judged = match &found.record.entry {
            Entry::Opened(opening) | Entry::NotOpened(opening) => Some(self.wanted.is_of(opening)),
            Entry::Verdict(_) | Entry::Forwarded(_) | Entry::Response(_) | Entry::Closed(_) | Entry::Approval(_) => {
                let index = Arc::clone(&self.cluster.evidence().index);
                let row = blocking(move || index.session(id)).await?;
                row.map(|row| self.wanted.fits(&row.summary.identity, &row.summary.connection))
            }
        };
        if self.judged.len() >= MAX_JUDGED {
            self.judged.clear();
        }
        self.judged.extend(judged.map(|judged| (id, judged)));
        // A session of which nothing is known is shown only to who wants them all.
        Ok(judged.unwrap_or_else(|| self.wanted.fits("", "")))
    }
}

impl Wanted {
    fn is_of(&self, opening: &Opening) -> bool {
        self.fits(opening.identity.name.as_str(), opening.connection.name.as_str())
    }

    fn fits(&self, identity: &str, connection: &str) -> bool {
        let fits = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        fits(&self.identity, identity) && fits(&self.connection, connection)
    }
}

fn too_slow() -> Status {
    Status::resource_exhausted("the reader is too slow: records were passed over")
}
