//! The stream to the control plane: snapshots and deltas down, acknowledgements and renewals up.

use super::contents::Contents;
use super::heads::Heads;
use super::job::Jobs;
use super::join::{JoinError, Membership};
use super::keeping::Keeping;
use super::last_good::LastGood;
use super::offset::{Exchange, MAX_OFF_MS};
use super::publish::Publisher;
use crate::evidence::ledger::Ledger;
use crate::evidence::medium::Directory;
use crate::hold::desk::Desk;
use crate::hold::wire;
use crate::settling::Settled;
use crate::world::{CannotApply, Compiled, Local, Policy, Shared};
use hoop_gate::BootMillis;
use hoop_model::{ApprovalId, Revision, UnixMillis};
use hoop_wire::v1;
use hoop_wire::v1::fleet_client::FleetClient;
use hoop_wire::v1::from_node::Message as Up;
use hoop_wire::v1::to_node::Message as Down;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

/// How often the lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How long the control plane may say nothing: every renewal is answered.
const SILENCE: Duration = Duration::from_secs(5);
/// How many unanswered renewals are remembered; older ones would grant nothing any more.
const MAX_UNANSWERED: usize = 16;
/// How many messages may wait to be sent.
const OUTBOX: usize = 32;

/// The node's end of the link.
pub(crate) struct Link {
    pub(crate) shared: Arc<Shared>,
    pub(crate) publisher: Rc<RefCell<Publisher>>,
    pub(crate) local: Arc<Local>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) directory: Directory,
    /// What was received, applied or not; none if a snapshot is needed.
    pub(crate) contents: RefCell<Option<Contents>>,
    /// Whether the control plane has taken this process for one of its nodes.
    pub(crate) was_attached: Cell<bool>,
}

/// Says why the link is down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The node is not in the fleet.
    #[error("cannot join")]
    Join(#[source] JoinError),
    /// The control plane cannot be reached.
    #[error("cannot connect")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It ended the stream with an error.
    #[error("the control plane ended the stream")]
    Status(#[source] Box<tonic::Status>),
    /// It ended the stream.
    #[error("the stream has ended")]
    Ended,
    /// It says nothing.
    #[error("no answer within 5 s")]
    Silent,
    /// It sent what this node cannot place.
    #[error("the control plane sent {0}")]
    Misbehaved(&'static str),
}

impl LinkError {
    /// Returns whether the control plane does not take this node for one of its own.
    pub(crate) fn is_denial(&self) -> bool {
        matches!(self, Self::Status(status) if status.code() == tonic::Code::PermissionDenied)
    }
}

/// One attachment.
struct Attachment<'a> {
    link: &'a Link,
    outbox: mpsc::Sender<v1::FromNode>,
    sequence: u64,
    unanswered: VecDeque<(u64, BootMillis)>,
    heads: Heads,
    /// The last known records of the chains that were broken off.
    broken_off: Heads,
    jobs: Jobs,
    /// The revision of the last receipt; zero before the first.
    receipt: Revision,
    compiling: Option<JoinHandle<(Revision, Result<Compiled, CannotApply>)>>,
    /// Whether more came while something was being compiled.
    is_behind: bool,
    keeping: Keeping,
}

impl Link {
    /// Attaches, and stays attached until something goes wrong.
    pub(crate) async fn attach(
        &mut self,
        address: &str,
        membership: &Membership,
        good: LastGood,
    ) -> Result<Infallible, LinkError> {
        let client = (membership.certificate_pem.as_str(), membership.key_pem.reveal().as_str());
        let ca = &membership.ca_pem;
        let channel = hoop_rpc::connect(address, ca, hoop_rpc::SERVER_NAME, Some(client)).await;
        let channel = channel.map_err(|error| LinkError::Connect(error.into()))?;
        let mut client = FleetClient::new(channel.clone()).max_decoding_message_size(hoop_rpc::MAX_MESSAGE_BYTES);
        let (outbox, inbox) = mpsc::channel(OUTBOX);
        let mut attachment = Attachment {
            link: self,
            outbox,
            sequence: 0,
            unanswered: VecDeque::new(),
            heads: Heads::default(),
            broken_off: Heads::default(),
            jobs: Jobs::new(self.directory.clone()),
            receipt: Revision::default(),
            compiling: None,
            is_behind: false,
            keeping: Keeping::new(good),
        };
        // What is applied already is kept again: the certificate, and with it the key, may be another by now.
        attachment.keeping.applied(self.contents.borrow().as_ref());
        attachment.send(Up::Hello(self.hello()))?;
        let status = |status| LinkError::Status(Box::new(status));
        let attaching = tokio::time::timeout(SILENCE, client.attach(ReceiverStream::new(inbox))).await;
        let stream = attaching.map_err(|_| LinkError::Silent)?.map_err(status)?.into_inner();
        tracing::info!(control_plane = %address, "attached to the control plane");
        self.was_attached.set(true);
        let _attached = Attached::to(&self.shared.desk, channel);
        attachment.run(stream).await
    }

    fn hello(&self) -> v1::Hello {
        let applied = self.publisher.borrow().applied();
        let contents = self.contents.borrow().as_ref().is_some_and(|contents| contents.revision() == applied);
        v1::Hello {
            incarnation: self.incarnation(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            applied: Some(applied.into()),
            contents: contents.then(|| applied.into()),
            evidence_key: self.ledger.key.public.to_vec(),
            leftovers: self.ledger.leftovers().iter().map(Into::into).collect(),
        }
    }

    fn incarnation(&self) -> Vec<u8> {
        self.ledger.key.incarnation.to_bytes().to_vec()
    }
}

impl Attachment<'_> {
    async fn run(&mut self, mut stream: tonic::Streaming<v1::ToNode>) -> Result<Infallible, LinkError> {
        let mut renew = tokio::time::interval(RENEW_EVERY);
        renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut settled = self.link.shared.settling.watch();
        settled.mark_changed();
        loop {
            tokio::select! {
                message = stream.message() => {
                    heard = Instant::now();
                    let message = message.map_err(|status| LinkError::Status(Box::new(status)))?;
                    self.receive(message.ok_or(LinkError::Ended)?)?;
                }
                _ = renew.tick() => self.renew()?,
                compiled = compiled(&mut self.compiling) => self.apply(compiled)?,
                is_behind = self.keeping.done() => if is_behind {
                    self.keeping.applied(self.link.contents.borrow().as_ref());
                },
                Ok(()) = settled.changed(), if !self.keeping.is_forgetting() => self.give_receipt(&settled.borrow_and_update())?,
                done = self.jobs.done() => self.send(Up::JobResult(done))?,
                () = tokio::time::sleep_until(heard + SILENCE) => return Err(LinkError::Silent),
            }
        }
    }

    fn receive(&mut self, message: v1::ToNode) -> Result<(), LinkError> {
        match message.message {
            Some(Down::Snapshot(snapshot)) => {
                self.link.contents.replace(Some(Contents::of(snapshot)));
                self.compile();
            }
            Some(Down::Delta(delta)) => {
                let changed = self.link.contents.borrow_mut().as_mut().map(|contents| contents.change(delta));
                if !matches!(changed, Some(Ok(()))) {
                    // Attaching anew brings a snapshot.
                    self.link.contents.replace(None);
                    return Err(LinkError::Misbehaved("a delta on a base that this node does not have"));
                }
                self.compile();
            }
            Some(Down::Lease(lease)) => self.renewed(&lease),
            Some(Down::Job(job)) => {
                if let Some(answer) = self.jobs.take(job) {
                    self.send(Up::JobResult(answer))?;
                }
            }
            Some(Down::Hold(changed)) => {
                let id = ApprovalId::from_slice(&changed.id).ok();
                let news = id.zip(wire::state(changed.state()));
                let (id, state) = news.ok_or(LinkError::Misbehaved("a hold without an id or a state"))?;
                self.link.shared.desk.board.post(id, state);
            }
            None => return Err(LinkError::Misbehaved("a message of an unknown kind")),
        }
        Ok(())
    }

    /// Compiles what was received, off this thread, so that renewals go on. One at a time: what comes meanwhile is compiled
    /// afterwards, all at once.
    fn compile(&mut self) {
        self.is_behind = self.compiling.is_some();
        let contents = self.link.contents.borrow();
        let Some(contents) = contents.as_ref().filter(|_| !self.is_behind) else { return };
        let revision = contents.revision();
        let read = contents.read();
        let previous = self.link.publisher.borrow().policy().cloned();
        let local = Arc::clone(&self.link.local);
        self.compiling = Some(tokio::task::spawn_blocking(move || {
            let compiled = read
                .and_then(|(objects, given)| Policy::compile(&objects, revision, previous.as_deref(), &local, given));
            (revision, compiled)
        }));
    }

    fn apply(&mut self, compiled: Option<(Revision, Result<Compiled, CannotApply>)>) -> Result<(), LinkError> {
        self.compiling = None;
        let (revision, compiled) = compiled.ok_or(LinkError::Misbehaved("a snapshot that crashes the compiler"))?;
        let applied = compiled.and_then(|compiled| self.link.publisher.borrow_mut().apply(compiled));
        match applied {
            Ok(()) => {
                tracing::info!(%revision, "revision applied");
                self.keeping.superseded();
                if let Some(contents) = self.link.contents.borrow().as_ref().filter(|c| c.revision() == revision) {
                    self.keeping.applied(Some(contents));
                }
                // A lease covers what is applied: a node that was behind is of use from here on, not from the next tick.
                self.renew()?;
            }
            Err(error) => {
                tracing::error!(%revision, %error, "revision cannot be applied");
                let CannotApply { object, reason } = error;
                let cannot = v1::CannotApply { revision: Some(revision.into()), policy: object, reason };
                self.send(Up::CannotApply(cannot))?;
            }
        }
        if self.is_behind {
            self.compile();
        }
        Ok(())
    }

    /// Tells what every shard has carried out, and what that closed.
    fn give_receipt(&mut self, settled: &Settled) -> Result<(), LinkError> {
        let revision = settled.revision();
        if revision == Revision::default() {
            return Ok(());
        }
        let closed = settled.closed_since(self.receipt).map(|(revision, identity, sessions)| v1::ClosedSessions {
            revision: Some(revision.into()),
            identity_uid: identity.to_bytes().to_vec(),
            sessions,
        });
        let applied = v1::Applied { revision: Some(revision.into()), closed: closed.collect() };
        if revision > self.receipt || !applied.closed.is_empty() {
            self.receipt = revision;
            self.send(Up::Applied(applied))?;
        }
        Ok(())
    }

    fn renew(&mut self) -> Result<(), LinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        // Read before the message is on its way: what the way takes is lost to this node.
        let sent = BootMillis(hoop_node::clock::boot_now_ms());
        if self.unanswered.len() >= MAX_UNANSWERED {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back((self.sequence, sent));
        let heads = self.heads.moved(self.sequence, self.link.ledger.heads());
        let broken_off = self.broken_off.moved(self.sequence, self.link.ledger.broken_off());
        self.send(Up::Renew(v1::Renew {
            sequence: self.sequence,
            incarnation: self.link.incarnation(),
            applied: Some(self.link.publisher.borrow().applied().into()),
            sent_boot_ms: sent.0,
            heads: heads.iter().map(Into::into).collect(),
            draining: self.link.shared.is_leaving(),
            clock_ahead_ms: self.link.shared.clock_ahead_ms.load(Ordering::Relaxed),
            broken_off: broken_off.iter().map(Into::into).collect(),
        }))
    }

    /// Counts from this node's own note of when it sent the renewal. An answer to none is no lease.
    fn renewed(&mut self, lease: &v1::Lease) {
        let sent = self.unanswered.iter().find(|(sequence, _)| *sequence == lease.sequence).map(|(_, sent)| *sent);
        if let Some(sent) = sent.filter(|sent| sent.0 == lease.sent_boot_ms) {
            self.unanswered.retain(|(sequence, _)| *sequence > lease.sequence);
            self.heads.answered(lease.sequence);
            self.broken_off.answered(lease.sequence);
            self.note_clock(sent, lease.wall_ms);
            self.jobs.log_time(UnixMillis(lease.log_time_ms));
            let granted = Duration::from_millis(lease.granted_ms);
            let renewed = self.link.shared.lease.load().renewed(sent, granted);
            self.link.shared.lease.store(Arc::new(renewed));
            self.keeping.leased(self.link.publisher.borrow().applied(), renewed.deadline());
        }
    }

    /// Notes how far this node's clock is off, and says so when that begins and ends to matter.
    fn note_clock(&self, sent: BootMillis, answered: u64) {
        let heard = hoop_node::clock::unix_now().0;
        let asked = heard.saturating_sub(hoop_node::clock::boot_now_ms().saturating_sub(sent.0));
        let ahead_ms = Exchange { asked, answered, heard }.ahead_ms();
        let before = self.link.shared.clock_ahead_ms.swap(ahead_ms, Ordering::Relaxed);
        match (before.unsigned_abs() > MAX_OFF_MS, ahead_ms.unsigned_abs() > MAX_OFF_MS) {
            (false, true) => tracing::error!(ahead_ms, "this node's clock is off; it is not ready until it is not"),
            (true, false) => tracing::info!("this node's clock is right again"),
            (false, false) | (true, true) => {}
        }
    }

    /// A control plane that does not take what is sent to it is as good as gone.
    fn send(&self, message: Up) -> Result<(), LinkError> {
        self.outbox.try_send(v1::FromNode { message: Some(message) }).map_err(|_| LinkError::Silent)
    }
}

/// Lets shards ask and tell for as long as it lives.
struct Attached<'a>(&'a Desk);

impl<'a> Attached<'a> {
    fn to(desk: &'a Desk, channel: Channel) -> Self {
        desk.attached(Some(channel));
        Self(desk)
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.0.attached(None);
    }
}

async fn compiled(
    compiling: &mut Option<JoinHandle<(Revision, Result<Compiled, CannotApply>)>>,
) -> Option<(Revision, Result<Compiled, CannotApply>)> {
    match compiling {
        Some(handle) => handle.await.ok(),
        None => std::future::pending().await,
    }
}
