//! The state machine as openraft sees it: the state in memory, snapshots on disk.

use crate::convert::{self, Undecodable};
use crate::disk::{Disk, DiskError};
use crate::record::{Place, SnapshotRecord};
use crate::types::{Batch, Entry, LogId, Replies, SnapshotMeta, StorageError, StorageIoError, StoredMembership, Types};
use crate::writer::Write;
use hoop_model::Revision;
use hoop_state::{Notice, Proposal, State};
use openraft::storage::{RaftStateMachine, Snapshot};
use openraft::{AnyError, EntryPayload, OptionalSend, RaftSnapshotBuilder};
use std::io::Cursor;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// The state as everyone reads it, and the news of its revision, of its evidence log and of its approvals.
#[derive(Clone)]
pub(crate) struct Published {
    state: Arc<RwLock<Arc<State>>>,
    revision: watch::Sender<Revision>,
    evidence: watch::Sender<u64>,
    approvals: watch::Sender<u64>,
}

impl Published {
    pub(crate) fn new(state: State) -> Self {
        let revision = watch::Sender::new(state.revision());
        let evidence = watch::Sender::new(state.evidence().size());
        let approvals = watch::Sender::new(0);
        Self { state: Arc::new(RwLock::new(Arc::new(state))), revision, evidence, approvals }
    }

    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn changes(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    pub(crate) fn evidence(&self) -> watch::Receiver<u64> {
        self.evidence.subscribe()
    }

    pub(crate) fn approvals(&self) -> watch::Receiver<u64> {
        self.approvals.subscribe()
    }

    /// Applies the proposals of one entry; readers see all of them or none. Who holds the state keeps what it holds.
    fn apply(&self, index: u64, proposals: Vec<Proposal>) -> Replies {
        let mut published = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let state = Arc::make_mut(&mut published);
        let mut replies = Vec::with_capacity(proposals.len());
        let mut approvals_changed = false;
        for proposal in proposals {
            let (reply, notices) = state.apply(index, proposal);
            notices.iter().for_each(report);
            approvals_changed |= notices.iter().any(|notice| matches!(notice, Notice::ApprovalChanged { .. }));
            replies.push(reply);
        }
        drop(published);
        if approvals_changed {
            self.approvals.send_modify(|times| *times = times.wrapping_add(1));
        }
        Replies(replies)
    }

    fn replace(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        self.approvals.send_modify(|times| *times = times.wrapping_add(1));
    }

    fn announce(&self) {
        let state = self.state();
        let (revision, size) = (state.revision(), state.evidence().size());
        drop(state);
        self.revision.send_if_modified(|known| std::mem::replace(known, revision) != revision);
        self.evidence.send_if_modified(|known| std::mem::replace(known, size) != size);
    }
}

fn report(notice: &Notice) {
    match notice {
        Notice::RevisionMoved { base, revision } => tracing::debug!(%base, %revision, "revision moved"),
        Notice::NodeJoined { node, at } => tracing::info!(%node, log_time = at.0, "node joined"),
        Notice::NodeRemoved { node, at } => tracing::info!(%node, log_time = at.0, "node removed"),
        Notice::EvidenceLogged { size } => tracing::debug!(size, "evidence logged"),
        Notice::ApprovalChanged { id } => tracing::debug!(approval = %id, "approval changed"),
    }
}

/// The state machine.
pub(crate) struct Machine {
    published: Published,
    applied: Option<LogId>,
    membership: StoredMembership,
    disk: Disk,
}

impl Machine {
    /// Starts from a snapshot, or from nothing.
    pub(crate) fn new(published: Published, snapshot: Option<SnapshotMeta>, disk: Disk) -> Self {
        let SnapshotMeta { last_log_id: applied, last_membership: membership, .. } = snapshot.unwrap_or_default();
        Self { published, applied, membership, disk }
    }

    fn apply_one(&mut self, entry: Entry) -> Result<Replies, Undecodable> {
        let Entry { log_id, payload } = entry;
        let replies = match payload {
            EntryPayload::Blank => Replies(Vec::new()),
            EntryPayload::Normal(Batch(batch)) => {
                // All of them before any: an entry this software does not understand changes nothing.
                let proposals: Result<Vec<Proposal>, _> =
                    batch.iter().map(|bytes| convert::decode_proposal(bytes)).collect();
                self.published.apply(log_id.index, proposals?)
            }
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(log_id), membership);
                Replies(Vec::new())
            }
        };
        self.applied = Some(log_id);
        Ok(replies)
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Replies>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut replies = Vec::new();
        for entry in entries {
            let log_id = entry.log_id;
            let applied = self.apply_one(entry);
            replies.push(applied.map_err(|error| StorageIoError::apply(log_id, AnyError::new(&error)))?);
        }
        self.published.announce();
        Ok(replies)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let id = self.applied.map(|id| id.to_string()).unwrap_or_default();
        let meta =
            SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone(), snapshot_id: id };
        Builder { state: self.published.state(), meta, disk: self.disk.clone() }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let bytes = snapshot.into_inner();
        let state = convert::decode_state(&bytes).map_err(|error| reading(Place::Snapshot.damaged(error).into()))?;
        self.disk.write(Write::snapshot(&SnapshotRecord::new(meta, bytes))).await.map_err(writing)?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.published.replace(state);
        self.published.announce();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError> {
        let Some(record) = self.disk.snapshot().map_err(reading)? else { return Ok(None) };
        let meta = record.meta().map_err(|damaged| reading(damaged.into()))?;
        Ok(Some(Snapshot { meta, snapshot: Box::new(Cursor::new(record.state)) }))
    }
}

/// Builds a snapshot of the state as it was when it was asked for.
pub(crate) struct Builder {
    state: Arc<State>,
    meta: SnapshotMeta,
    disk: Disk,
}

impl RaftSnapshotBuilder<Types> for Builder {
    /// Returns a snapshot that is durable: what it covers may be purged from here on.
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError> {
        let (state, meta) = (Arc::clone(&self.state), self.meta.clone());
        let encode = move || {
            let bytes = convert::encode_state(&state);
            (Write::snapshot(&SnapshotRecord::new(&meta, bytes.clone())), bytes)
        };
        let encoded = tokio::task::spawn_blocking(encode).await;
        let (write, bytes) = encoded.map_err(|error| StorageIoError::write_snapshot(None, AnyError::new(&error)))?;
        self.disk.write(write).await.map_err(writing)?;
        tracing::info!(snapshot = %self.meta.snapshot_id, bytes = bytes.len(), "snapshot saved");
        Ok(Snapshot { meta: self.meta.clone(), snapshot: Box::new(Cursor::new(bytes)) })
    }
}

fn reading(error: DiskError) -> StorageError {
    StorageIoError::read_snapshot(None, AnyError::new(&error)).into()
}

fn writing(error: DiskError) -> StorageError {
    StorageIoError::write_snapshot(None, AnyError::new(&error)).into()
}
