//! A replica as the server uses it.

use crate::convert;
use crate::disk::Disk;
use crate::machine::Published;
use crate::pace::Pace;
use crate::start::{self, ReplicaConfig, Retention, StartError};
use crate::submit::Submission;
use crate::types::Types;
use crate::writer::Write;
use hoop_model::{Revision, UnixMillis};
use hoop_state::{Change, IdempotencyKey, Proposal, Reply, State};
use openraft::error::{CheckIsLeaderError, RaftError};
use openraft::{LogIdOptionExt, Raft};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Longest time since a quorum was heard in which a write or a read may begin or go on.
const QUORUM_FRESH: Duration = Duration::from_secs(1);
/// How often a waiting write looks whether the quorum is still there.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Longest time a write waits while the quorum is there: a slow disk.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time a read waits for the quorum.
const READ_TIMEOUT: Duration = Duration::from_secs(1);
/// Largest proposal, in bytes; the largest message the control plane takes (16 MiB), so that one request can fill one.
const MAX_PROPOSAL_BYTES: usize = 16 << 20;

/// Why a proposal has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It was not proposed and will not happen.
    #[error("not proposed: {0}")]
    NotProposed(#[from] Unavailable),
    /// It may have happened, or may happen yet. Only a repeat with the same key tells.
    #[error("the outcome is unknown; retry with the same idempotency key")]
    OutcomeUnknown,
    /// It was not proposed, and never can be: other nodes could not read it.
    #[error("the change cannot be stored: {problem}")]
    Unstorable {
        /// What is wrong with it.
        problem: String,
    },
}

/// Why this node can neither write nor read what decides something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Another node leads, or none.
    #[error("this node does not lead")]
    NotLeader {
        /// Who does, if it is known.
        leader: Option<u64>,
    },
    /// The other voters cannot be reached.
    #[error("no quorum of the control plane was heard within a second")]
    NoQuorum,
    /// Too many proposals wait.
    #[error("too many proposals wait")]
    Busy,
    /// Raft stopped, after an error or a shutdown.
    #[error("the replica has stopped")]
    Stopped,
}

/// What a replica knows of its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The term.
    pub term: u64,
    /// Who leads it, if it is known.
    pub leader: Option<u64>,
    /// Whether this node does.
    pub leads: bool,
    /// Whose votes count.
    pub voters: BTreeSet<u64>,
    /// The index of the last log entry.
    pub last_log_index: u64,
    /// The index of the last log entry in the state.
    pub applied_index: u64,
}

/// One member of the control plane's Raft. Clones are the same replica.
#[derive(Clone)]
pub struct Replica {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    pace: Mutex<Pace>,
}

/// What a running replica is made of.
pub(crate) struct Parts {
    pub(crate) raft: Raft<Types>,
    pub(crate) published: Published,
    pub(crate) submissions: mpsc::Sender<Submission>,
    pub(crate) submitter: JoinHandle<()>,
    pub(crate) disk: Disk,
}

impl Replica {
    /// Opens the log in the data directory, or begins one, and returns once the node leads and has applied it.
    ///
    /// # Errors
    /// [`StartError`] if the log is damaged, another node's or in use, or the node does not come to lead.
    pub async fn start(config: ReplicaConfig) -> Result<Self, StartError> {
        start::start(config, Retention::default()).await
    }

    pub(crate) fn new(parts: Parts) -> Self {
        Self { inner: Arc::new(Inner { parts, pace: Mutex::default() }) }
    }

    /// Proposes a change and returns what came of it, once it is durable and applied.
    ///
    /// `time` is the proposer's clock; log time advances by it no faster than monotonic time does, but for a second.
    ///
    /// # Errors
    /// [`ProposeError`], which says whether the change can still happen.
    pub async fn propose(
        &self,
        change: Change,
        key: Option<IdempotencyKey>,
        caller: impl Into<Box<str>>,
        time: UnixMillis,
    ) -> Result<Reply, ProposeError> {
        self.can_write()?;
        let time = self.inner.pace.lock().unwrap_or_else(PoisonError::into_inner).stamp(time, Instant::now());
        let proposal = storable(Proposal { time, key, caller: caller.into(), change })?;
        let (reply, mut waiting) = oneshot::channel();
        let queued = self.inner.parts.submissions.try_send(Submission { proposal, reply });
        queued.map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unavailable::Busy,
            mpsc::error::TrySendError::Closed(_) => Unavailable::Stopped,
        })?;

        let deadline = tokio::time::Instant::now() + WRITE_TIMEOUT;
        while tokio::time::Instant::now() < deadline {
            match tokio::time::timeout(LOOK_AGAIN, &mut waiting).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(_)) => return Err(ProposeError::OutcomeUnknown),
                Err(_) if self.can_write().is_err() => return Err(ProposeError::OutcomeUnknown),
                Err(_) => {}
            }
        }
        Err(ProposeError::OutcomeUnknown)
    }

    /// Waits until [`Replica::state`] holds everything that was acknowledged before this was called (Raft §6.4,
    /// ReadIndex).
    ///
    /// # Errors
    /// [`Unavailable`] if this node does not lead, or cannot show within a second that it does.
    pub async fn read_index(&self) -> Result<(), Unavailable> {
        match tokio::time::timeout(READ_TIMEOUT, self.inner.parts.raft.ensure_linearizable()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(forward)))) => {
                Err(Unavailable::NotLeader { leader: forward.leader_id })
            }
            Ok(Err(RaftError::APIError(CheckIsLeaderError::QuorumNotEnough(_)))) | Err(_) => Err(Unavailable::NoQuorum),
            Ok(Err(RaftError::Fatal(_))) => Err(Unavailable::Stopped),
        }
    }

    /// Returns the state as this node has applied it. It stays as it is for whoever holds it.
    #[must_use]
    pub fn state(&self) -> Arc<State> {
        self.inner.parts.published.state()
    }

    /// Returns the revision of the state, and news of it. When it is seen, [`Replica::state`] has it.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Revision> {
        self.inner.parts.published.changes()
    }

    /// Returns the size of the evidence log, and news of it. When it is seen, [`Replica::state`] has the entries.
    #[must_use]
    pub fn evidence(&self) -> watch::Receiver<u64> {
        self.inner.parts.published.evidence()
    }

    /// Returns news of approvals, as a number that moves whenever any of them may have changed. When it is seen,
    /// [`Replica::state`] has what changed.
    #[must_use]
    pub fn approvals(&self) -> watch::Receiver<u64> {
        self.inner.parts.published.approvals()
    }

    /// Returns what this node knows of the cluster.
    #[must_use]
    pub fn status(&self) -> Status {
        let metrics = self.inner.parts.raft.metrics();
        let now = metrics.borrow();
        Status {
            term: now.current_term,
            leader: now.current_leader,
            leads: now.state.is_leader(),
            voters: now.membership_config.voter_ids().collect(),
            last_log_index: now.last_log_index.unwrap_or_default(),
            applied_index: now.last_applied.index().unwrap_or_default(),
        }
    }

    /// Has the time observed that making log entries durable takes, each time from here on. Only the first observer counts.
    pub fn observe_flushes(&self, observe: impl Fn(Duration) + Send + Sync + 'static) {
        self.inner.parts.disk.observe_flushes(Box::new(observe));
    }

    /// Stops the replica and closes its log, which can be opened again when this returns. What waits for a reply gets
    /// [`ProposeError::OutcomeUnknown`].
    pub async fn shutdown(&self) {
        let Parts { raft, submitter, disk, .. } = &self.inner.parts;
        submitter.abort();
        if let Err(error) = raft.shutdown().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "raft did not stop in order");
        }
        if let Err(error) = disk.write(Write::Close).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the raft log was closed already");
        }
    }

    /// Returns whether a write can begin: this node leads, and heard from a quorum a moment ago.
    fn can_write(&self) -> Result<(), Unavailable> {
        let metrics = self.inner.parts.raft.metrics();
        let now = metrics.borrow();
        if now.running_state.is_err() || self.inner.parts.submitter.is_finished() {
            return Err(Unavailable::Stopped);
        }
        if !now.state.is_leader() {
            return Err(Unavailable::NotLeader { leader: now.current_leader });
        }
        let heard = now.millis_since_quorum_ack.map(Duration::from_millis);
        if heard.is_some_and(|age| age <= QUORUM_FRESH) { Ok(()) } else { Err(Unavailable::NoQuorum) }
    }

    #[cfg(test)]
    pub(crate) fn parts(&self) -> &Parts {
        &self.inner.parts
    }
}

/// Encodes a proposal, and makes sure that what is stored can be read: an entry that cannot stops every node for good.
fn storable(proposal: Proposal) -> Result<Vec<u8>, ProposeError> {
    let unstorable = |problem: String| ProposeError::Unstorable { problem };
    let bytes = convert::encode_proposal(&proposal);
    if bytes.len() > MAX_PROPOSAL_BYTES {
        return Err(unstorable(format!("it has {} bytes, more than {MAX_PROPOSAL_BYTES}", bytes.len())));
    }
    match convert::decode_proposal(&bytes) {
        Ok(read) if read == proposal => Ok(bytes),
        Ok(_) => Err(unstorable("it reads back as another change".to_owned())),
        Err(error) => Err(unstorable(error.to_string())),
    }
}
