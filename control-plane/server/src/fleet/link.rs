//! One stream of one node, from Hello to its end.
//!
//! ```text
//!   Hello ─▶ seat ─▶ ┌ a revision changed ─▶ it is due    ┐
//!                    │ Renew ─▶ read index ─▶ lease due   ├─▶ sent when the node reads; a later one replaces an unsent one
//!                    │ a question ─▶ job due              │
//!                    │ an approval moved ─▶ news due      ┘
//!                    ├ Applied, CannotApply ─▶ seat
//!                    ├ JobResult ─▶ whoever asked
//!                    └ Hello, Renew: key, heads, losses ─▶ evidence
//! ```

use super::job::{Desk, Questions};
use super::known::{opened, view};
use super::receipts::ClosedSessions;
use super::registry::{Heard, Seat};
use super::testimony;
use crate::approvals::Kept;
use crate::authorise::{Member, status};
use crate::cluster::Cluster;
use crate::reply;
use hoop_model::spec::Labels;
use hoop_model::{Holder, Incarnation, ResourceName, Revision, Uid};
use hoop_node::clock::unix_now;
use hoop_state::State;
use hoop_wire::v1::{self, from_node, to_node};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

/// How long a node may take to say Hello.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// Longest version or reason of a node that is kept, in bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// Most closings that one receipt may have.
const MAX_CLOSED: usize = 256;

/// Resolves when a newer stream takes the seat.
type Taken = tokio::sync::oneshot::Receiver<()>;

/// Why a stream ended.
pub(super) enum Ended {
    /// The node hung up.
    ByNode,
    /// We end it, and say why.
    ByUs(Status),
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Self::ByUs(status)
    }
}

/// One stream of one node.
pub(super) struct Link {
    cluster: Arc<Cluster>,
    node: Member,
    out: mpsc::Sender<Result<v1::ToNode, Status>>,
    inbound: Streaming<v1::FromNode>,
}

/// What is known of a node that said Hello, and what it is owed.
struct Attached {
    cluster: Arc<Cluster>,
    member: Member,
    node: ResourceName,
    labels: Labels,
    incarnation: Incarnation,
    seat: Seat,
    desk: Desk,
    kept: Arc<Kept>,
    /// Whether an approval may have moved since the node was told of the last one.
    has_news: bool,
    /// What the node has, or is being sent.
    sent: Option<Revision>,
    lease: Option<v1::Lease>,
    renewal: Option<Renewal>,
}

/// A renewal that waits for its read index.
struct Renewal {
    request: v1::Renew,
    applied: Revision,
    fresh: Pin<Box<dyn Future<Output = Result<Arc<State>, Status>> + Send>>,
}

impl Link {
    /// Takes up a stream.
    pub(super) const fn new(
        cluster: Arc<Cluster>,
        node: Member,
        out: mpsc::Sender<Result<v1::ToNode, Status>>,
        inbound: Streaming<v1::FromNode>,
    ) -> Self {
        Self { cluster, node, out, inbound }
    }

    /// Serves the stream to its end.
    pub(super) async fn run(mut self) -> Ended {
        let (cluster, out) = (Arc::clone(&self.cluster), self.out.clone());
        tokio::select! {
            biased;
            () = cluster.stopped() => Ended::ByUs(Status::unavailable("the control plane is stopping")),
            () = out.closed() => Ended::ByNode,
            ended = self.serve() => ended,
        }
    }

    async fn serve(&mut self) -> Ended {
        let hello = match tokio::time::timeout(HELLO_WITHIN, self.hello()).await {
            Ok(Ok(hello)) => hello,
            Ok(Err(ended)) => return ended,
            Err(_) => return Ended::ByUs(Status::deadline_exceeded("the first message did not come within 10s")),
        };
        match self.converse(hello).await {
            Ok(()) => Ended::ByNode,
            Err(ended) => ended,
        }
    }

    async fn hello(&mut self) -> Result<v1::Hello, Ended> {
        match self.inbound.message().await.map_err(|_| Ended::ByNode)?.and_then(|from| from.message) {
            Some(from_node::Message::Hello(hello)) => Ok(hello),
            Some(
                from_node::Message::Applied(_)
                | from_node::Message::CannotApply(_)
                | from_node::Message::Renew(_)
                | from_node::Message::JobResult(_),
            )
            | None => Err(Status::invalid_argument("the first message must be `hello`").into()),
        }
    }

    async fn converse(&mut self, hello: v1::Hello) -> Result<(), Ended> {
        let mut changes = self.cluster.replica().changes();
        let mut moves = self.cluster.replica().approvals();
        // The first snapshot must not be older than what the node has from another control-plane node.
        let state = self.cluster.fresh().await?;
        let (mut attached, mut taken, mut questions) = self.seat(&state, hello)?;
        let kept = Arc::clone(&attached.kept);
        loop {
            let owes = attached.owes();
            tokio::select! {
                biased;
                _ = &mut taken => return Err(Status::aborted("a newer stream of this node took over").into()),
                permit = self.out.reserve(), if owes => match permit {
                    Ok(permit) => if let Some(message) = attached.next()? { permit.send(Ok(message)) },
                    Err(_) => return Ok(()),
                },
                changed = changes.changed() => if changed.is_err() {
                    return Err(Status::unavailable("the control plane is stopping").into());
                },
                moved = moves.changed() => match moved {
                    Ok(()) => attached.has_news = true,
                    Err(_) => return Err(Status::unavailable("the control plane is stopping").into()),
                },
                () = kept.news() => attached.has_news = true,
                fresh = read_index(&mut attached.renewal) => attached.renewed(fresh)?,
                Some(asked) = questions.recv() => attached.desk.ask(asked),
                message = self.inbound.message() => match message {
                    Ok(Some(message)) => attached.on(message)?,
                    Ok(None) | Err(_) => return Ok(()),
                },
            }
        }
    }

    fn seat(&self, state: &State, hello: v1::Hello) -> Result<(Attached, Taken, Questions), Status> {
        let known = self.node.at(state).map_err(status)?;
        let name = &self.node.name;
        let incarnation = incarnation(&hello.incarnation)?;
        let applied = hello.applied.map(Revision::from).unwrap_or_default();
        let contents = hello.contents.map(Revision::from).filter(|contents| *contents > Revision::default());
        let version = reply::shortened(&hello.version, MAX_TEXT_BYTES);
        let said = testimony::of_hello(name, incarnation, hello, state.evidence())?;
        tracing::info!(node = %name, %incarnation, %applied, ?version, "node attached");
        self.cluster.evidence().anchors().announce(said.key, said.lost);
        let (seat, Heard { taken, questions, kept }) = self.cluster.fleet().seat(name, incarnation, applied);
        seat.runs(version);
        // What the stream before was told may not have been heard.
        kept.tell_again();
        let attached = Attached {
            cluster: Arc::clone(&self.cluster),
            member: self.node.clone(),
            node: name.clone(),
            labels: known.labels.clone(),
            incarnation,
            seat,
            desk: Desk::default(),
            kept,
            has_news: true,
            sent: contents,
            lease: None,
            renewal: None,
        };
        Ok((attached, taken, questions))
    }
}

/// Waits for the read index of a renewal, for ever if there is none.
async fn read_index(renewal: &mut Option<Renewal>) -> Result<Arc<State>, Status> {
    match renewal {
        Some(renewal) => renewal.fresh.as_mut().await,
        None => std::future::pending().await,
    }
}

impl Attached {
    /// Returns whether there is something to send.
    fn owes(&self) -> bool {
        self.lease.is_some() || self.has_news || self.lacks_revision() || self.desk.has_unsent()
    }

    fn lacks_revision(&self) -> bool {
        self.sent != Some(self.cluster.state().revision())
    }

    /// Makes the next message, unless what was owed is not wanted any more. A lease first: its time is running. Nothing is
    /// said to a node that was removed.
    fn next(&mut self) -> Result<Option<v1::ToNode>, Status> {
        self.member.at(&self.cluster.state()).map_err(status)?;
        Ok(self.owed().map(|message| v1::ToNode { message: Some(message) }))
    }

    fn owed(&mut self) -> Option<to_node::Message> {
        if let Some(lease) = self.lease.take() {
            return Some(to_node::Message::Lease(lease));
        }
        match self.news() {
            Some(changed) => Some(to_node::Message::Hold(changed)),
            None if self.lacks_revision() => Some(self.revision()),
            None => self.desk.next().map(to_node::Message::Job),
        }
    }

    /// Returns the newest revision: what is different from what the node has, or all of it.
    fn revision(&mut self) -> to_node::Message {
        let state = self.cluster.state();
        let past = self.cluster.fleet().past();
        past.keep(&state);
        let base = self.sent.replace(state.revision());
        match base.and_then(|base| past.delta(base, &state, &self.labels, self.cluster.vault())) {
            Some(delta) => to_node::Message::Delta(delta),
            None => to_node::Message::Snapshot(snapshot(&self.cluster, &state, &self.labels)),
        }
    }

    /// Returns the next approval that the node is to be told of.
    fn news(&mut self) -> Option<v1::HoldChanged> {
        if !self.has_news {
            return None;
        }
        let holder = Holder { node: self.node.clone(), incarnation: self.incarnation };
        let next = self.kept.next(&self.cluster.state(), &holder);
        self.has_news = next.is_some();
        next
    }

    fn on(&mut self, message: v1::FromNode) -> Result<(), Status> {
        let message = message.message.ok_or_else(|| Status::invalid_argument("a message of no known kind"))?;
        match message {
            from_node::Message::Hello(_) => return Err(Status::invalid_argument("`hello` comes once")),
            from_node::Message::Applied(applied) => self.receipt(applied)?,
            from_node::Message::CannotApply(cannot) => self.cannot_apply(cannot)?,
            from_node::Message::Renew(renew) => self.renew(renew)?,
            from_node::Message::JobResult(result) => {
                if let Err(job) = self.desk.answer(result) {
                    tracing::warn!(node = %self.node, job, "dropped the result of a job that nobody asked for");
                }
            }
        }
        Ok(())
    }

    fn receipt(&self, applied: v1::Applied) -> Result<(), Status> {
        if applied.closed.len() > MAX_CLOSED {
            return Err(Status::invalid_argument(format!("`closed` may have {MAX_CLOSED} entries")));
        }
        let closed = applied.closed.into_iter().map(|closed| {
            let identity = Uid::from_slice(&closed.identity_uid);
            let identity = identity.map_err(|_| Status::invalid_argument("`identity_uid` must be 16 bytes"))?;
            Ok(ClosedSessions { revision: revision(closed.revision)?, identity, sessions: closed.sessions })
        });
        let closed = closed.collect::<Result<_, Status>>()?;
        self.seat.receipt(revision(applied.revision)?, closed);
        Ok(())
    }

    fn cannot_apply(&self, cannot: v1::CannotApply) -> Result<(), Status> {
        let revision = revision(cannot.revision)?;
        let reason = match cannot.policy.as_str() {
            "" => cannot.reason,
            policy => format!("policy `{policy}`: {}", cannot.reason),
        };
        let reason = reply::shortened(&reason, MAX_TEXT_BYTES);
        tracing::warn!(node = %self.node, %revision, ?reason, "node cannot apply a revision; it gets no lease");
        self.seat.cannot_apply(revision, reason);
        Ok(())
    }

    /// Begins a renewal. A later one replaces it: the node counts from the time it sent the later one.
    fn renew(&mut self, mut renew: v1::Renew) -> Result<(), Status> {
        if incarnation(&renew.incarnation)? != self.incarnation {
            return Err(Status::invalid_argument("`incarnation` is not the one that said `hello`"));
        }
        let applied = revision(renew.applied)?;
        self.seat.heard(renew.draining, renew.clock_ahead_ms);
        self.seat.applied(applied);
        let said = std::mem::take(&mut renew.heads);
        let heads = testimony::heads(&self.node, self.incarnation, said, self.cluster.state().evidence())?;
        let said = std::mem::take(&mut renew.broken_off);
        let broken_off = testimony::broken_off(&self.node, self.incarnation, said, self.cluster.state().evidence())?;
        let anchors = self.cluster.evidence().anchors();
        anchors.heard(&self.node, self.incarnation);
        anchors.heads(heads);
        anchors.broken_off(broken_off);
        let cluster = Arc::clone(&self.cluster);
        // INVARIANT: the read index begins after the request was received: it is asked for here.
        let fresh = Box::pin(async move { cluster.fresh().await });
        self.renewal = Some(Renewal { request: renew, applied, fresh });
        Ok(())
    }

    /// Answers a renewal whose read index is over. Without one there is no answer, and the node's lease runs out.
    fn renewed(&mut self, fresh: Result<Arc<State>, Status>) -> Result<(), Status> {
        let Some(Renewal { request, applied, .. }) = self.renewal.take() else { return Ok(()) };
        let Ok(state) = fresh else { return Ok(()) };
        self.member.at(&state).map_err(status)?;
        let granted_ms = if self.seat.is_stuck() { 0 } else { self.cluster.grant(applied) };
        let log_time = state.log_time();
        self.seat.granted(granted_ms, log_time);
        tracing::debug!(node = %self.node, granted_ms, %applied, "lease");
        self.lease = Some(v1::Lease {
            sequence: request.sequence,
            sent_boot_ms: request.sent_boot_ms,
            granted_ms,
            log_time_ms: log_time.0,
            wall_ms: unix_now().0,
        });
        Ok(())
    }
}

/// Everything a node with these labels may know.
fn snapshot(cluster: &Cluster, state: &State, labels: &Labels) -> v1::Snapshot {
    let objects: Vec<_> = view(state.objects(), labels).collect();
    v1::Snapshot {
        revision: Some(state.revision().into()),
        cluster_version: state.cluster_version(),
        secrets: opened(objects.iter().copied(), state, cluster.vault()),
        objects: objects.into_iter().map(|object| v1::Object::from(&**object)).collect(),
        digest_key: cluster.digest_key().reveal().to_vec(),
        masking_key: cluster.masking_key().reveal().to_vec(),
    }
}

fn incarnation(bytes: &[u8]) -> Result<Incarnation, Status> {
    Incarnation::from_slice(bytes).map_err(|_| Status::invalid_argument("`incarnation` must be 16 bytes"))
}

fn revision(written: Option<v1::Revision>) -> Result<Revision, Status> {
    written.map(Revision::from).ok_or_else(|| Status::invalid_argument("`revision` is missing"))
}
