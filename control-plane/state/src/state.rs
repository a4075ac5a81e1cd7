//! The whole replicated state, and what can be read from it.

use crate::administration::Administration;
use crate::approvals::Store;
use crate::joining::{JoinToken, Joining, Node, Removed};
use crate::objects::{Objects, StoredObject};
use crate::remembered::{Memory, Remembered};
use crate::secrets::SealedValues;
use crate::{Bootstrap, EvidenceLog, IdempotencyKey};
use hoop_model::{Approval, ApprovalId, ContentHash, Kind, Object, ResourceName, Revision, Uid, UnixMillis};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The newest behaviour of [`State::apply`] this code has. Behaviour for an existing version never changes: what
/// differs is done from the next version on, once the cluster agreed to it.
pub const CLUSTER_VERSION: u64 = 1;

/// The epoch a cluster is born in; a restore from a backup raises it.
pub(crate) const FIRST_EPOCH: u64 = 1;

/// Everything the control plane agrees on. Equal on every node that applied the same proposals.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    pub(crate) cluster_version: u64,
    pub(crate) revision: Revision,
    pub(crate) log_time: UnixMillis,
    pub(crate) birth: Option<Arc<Bootstrap>>,
    pub(crate) objects: Objects,
    pub(crate) joining: Joining,
    pub(crate) memory: Memory,
    pub(crate) evidence: Arc<EvidenceLog>,
    pub(crate) approvals: Arc<Store>,
    /// INVARIANT: every one is of a Person that is there; `delete_object` forgets with the Person.
    pub(crate) sign_ins: Arc<BTreeMap<Uid, UnixMillis>>,
    /// INVARIANT: every one is of a Secret that is there and sealed; `follow_secret` forgets.
    pub(crate) sealed_values: Arc<SealedValues>,
    pub(crate) administration: Administration,
    /// INVARIANT (`apply_objects`, `restore`): no connection was ever applied with a longer window.
    pub(crate) longest_stale: Duration,
}

impl State {
    /// Returns the behaviour every voter agreed to; 0 before the cluster's birth.
    #[must_use]
    pub const fn cluster_version(&self) -> u64 {
        self.cluster_version
    }

    /// Returns the position of the last change to policy-relevant state.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns the cluster's time: the latest any proposal carried.
    #[must_use]
    pub const fn log_time(&self) -> UnixMillis {
        self.log_time
    }

    /// Returns what the cluster was born with, unless it is not born.
    #[must_use]
    pub fn birth(&self) -> Option<&Bootstrap> {
        self.birth.as_deref()
    }

    /// Returns every object, by kind and name.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> + Clone {
        self.objects.all().map(|stored| &stored.object)
    }

    /// Returns every object with what it references, by kind and name.
    pub fn stored_objects(&self) -> impl Iterator<Item = &StoredObject> {
        self.objects.all()
    }

    /// Returns one object.
    #[must_use]
    pub fn object(&self, kind: Kind, name: &ResourceName) -> Option<&Arc<Object>> {
        self.objects.find(kind, name).map(|stored| &stored.object)
    }

    /// Returns every node that joined, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.joining.nodes()
    }

    /// Returns one node.
    #[must_use]
    pub fn node(&self, name: &ResourceName) -> Option<&Node> {
        self.joining.node(name)
    }

    /// Returns the nodes that were removed within [`REMOVAL_KNOWN_FOR`](crate::REMOVAL_KNOWN_FOR), by name; of one name the
    /// last.
    pub fn removed_nodes(&self) -> impl Iterator<Item = &Removed> {
        self.joining.removed()
    }

    /// Returns the unspent join tokens, by hash. Some may have expired.
    pub fn join_tokens(&self) -> impl Iterator<Item = (&ContentHash, &JoinToken)> {
        self.joining.tokens()
    }

    /// Returns the remembered requests, by caller and key.
    pub fn remembered(&self) -> impl Iterator<Item = (&str, IdempotencyKey, &Remembered)> {
        self.memory.all()
    }

    /// Returns the longest window for which a node may serve reads after its lease, by any revision there has been: who lacks
    /// a change acts by what was said before.
    #[must_use]
    pub const fn longest_stale(&self) -> Duration {
        self.longest_stale
    }

    /// Returns the evidence log.
    #[must_use]
    pub fn evidence(&self) -> &EvidenceLog {
        &self.evidence
    }

    /// Returns one approval.
    #[must_use]
    pub fn approval(&self, id: ApprovalId) -> Option<&Arc<Approval>> {
        self.approvals.find(id)
    }

    /// Returns every approval that is known, by id: those that wait, are claimed or unknown, and those that were over for
    /// less than [`KEPT_FOR`](crate::KEPT_FOR).
    pub fn approvals(&self) -> impl Iterator<Item = &Arc<Approval>> {
        self.approvals.all()
    }

    /// Returns the approvals that wait, in the order in which their time is over.
    pub fn waiting_approvals(&self) -> impl Iterator<Item = &Arc<Approval>> {
        self.approvals.waiting()
    }

    /// Returns when, in log time, a person signed in for the last time.
    #[must_use]
    pub fn signed_in(&self, person: Uid) -> Option<UnixMillis> {
        self.sign_ins.get(&person).copied()
    }

    /// Returns when, in log time, every person signed in for the last time, by uid.
    pub fn sign_ins(&self) -> impl Iterator<Item = (Uid, UnixMillis)> {
        self.sign_ins.iter().map(|(person, at)| (*person, *at))
    }
}
