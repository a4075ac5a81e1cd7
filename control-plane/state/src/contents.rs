//! A state taken apart, as a snapshot holds it, and put together again.

use crate::approvals::Store;
use crate::joining::{JoinToken, Node, Removed};
use crate::{
    AdminSession, Bootstrap, CLUSTER_VERSION, EvidenceContents, EvidenceLog, IdempotencyKey, Reference, Remembered,
    SealedValue, State, StoredObject,
};
use hoop_model::{
    Approval, ApprovalId, ChainId, ContentHash, Incarnation, ResourceName, Revision, Spec, Uid, UnixMillis,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Everything a state holds.
#[derive(Debug, Clone)]
pub struct Contents {
    /// See [`State::cluster_version`].
    pub cluster_version: u64,
    /// See [`State::revision`].
    pub revision: Revision,
    /// See [`State::log_time`].
    pub log_time: UnixMillis,
    /// See [`State::birth`].
    pub birth: Option<Bootstrap>,
    /// See [`State::stored_objects`].
    pub objects: Vec<StoredObject>,
    /// See [`State::join_tokens`].
    pub join_tokens: Vec<(ContentHash, JoinToken)>,
    /// See [`State::nodes`].
    pub nodes: Vec<Node>,
    /// See [`State::removed_nodes`].
    pub removed_nodes: Vec<Removed>,
    /// See [`State::longest_stale`].
    pub longest_stale: Duration,
    /// See [`State::remembered`].
    pub remembered: Vec<(Box<str>, IdempotencyKey, Remembered)>,
    /// See [`State::evidence`].
    pub evidence: EvidenceContents,
    /// See [`State::approvals`].
    pub approvals: Vec<Approval>,
    /// See [`State::sign_ins`].
    pub sign_ins: Vec<(Uid, UnixMillis)>,
    /// See [`State::sealed_values`].
    pub sealed_values: Vec<(Uid, SealedValue)>,
    /// See [`State::is_bootstrap_spent`].
    pub bootstrap_spent: bool,
    /// See [`State::admin_sessions`].
    pub admin_sessions: Vec<(ContentHash, AdminSession)>,
    /// See [`State::recoveries`].
    pub recoveries: Vec<([u8; 16], UnixMillis)>,
}

/// Says that contents cannot have been taken from a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistent {
    /// There is something before the cluster's birth, or a birth without a version.
    #[error("a cluster version without a birth, or a birth without a cluster version")]
    Birth,
    /// The state is of a newer version.
    #[error("cluster version {0} is newer than this software")]
    TooNew(u64),
    /// Two objects have one kind and name.
    #[error("{} `{}` is there twice", .0.kind, .0.name)]
    ObjectTwice(Reference),
    /// An object names one that is not there.
    #[error("{} `{}` names {} `{}`, which is not there", object.kind, object.name, missing.kind, missing.name)]
    Dangling {
        /// The object.
        object: Reference,
        /// What it names.
        missing: Reference,
    },
    /// Two nodes have one name.
    #[error("node `{0}` is there twice")]
    NodeTwice(ResourceName),
    /// A removal is there twice, or in the future.
    #[error("the removal of node `{0}` is there twice, or in the future")]
    Removed(ResourceName),
    /// Two tokens have one hash.
    #[error("a join token is there twice")]
    JoinTokenTwice,
    /// A caller's key is there twice.
    #[error("an idempotency key is there twice")]
    KeyTwice,
    /// The evidence log has a hole, an empty entry or a wrong number, or none of it is stored under a tree hash of some.
    #[error("the entries of the evidence log are not those of its size")]
    EvidenceLog,
    /// A chain is there twice, of a node that is not there, or stored beyond its head.
    #[error("the chain {0} is there twice, of no node, or of no records")]
    Chain(ChainId),
    /// An incarnation's key is there twice, or of a node that is not there.
    #[error("the evidence key of {node}/{incarnation} is there twice, or of no node")]
    EvidenceKey {
        /// The node.
        node: ResourceName,
        /// The incarnation.
        incarnation: Incarnation,
    },
    /// An approval is there twice, stands where it cannot, or is beyond its time.
    #[error("the approval {0} is there twice, or contradicts itself")]
    Approval(ApprovalId),
    /// More approvals are over than are kept.
    #[error("more approvals are over than are kept")]
    TooManyApprovals,
    /// A sign-in is there twice, of a person who is not there, or in the future.
    #[error("the sign-in of {0} is there twice, of no person, or in the future")]
    SignIn(Uid),
    /// A value is there twice, of no sealed secret, of a generation or a time to come, or too large.
    #[error("the sealed value of {0} is there twice, of no sealed secret, in the future, or too large")]
    SealedValue(Uid),
    /// A session of an administrator is there twice, or ends before it was opened.
    #[error("a session of an administrator is there twice, in the future, or over before it was opened")]
    AdminSession,
}

impl State {
    /// Puts a state together.
    ///
    /// # Errors
    /// [`Inconsistent`] if the contents are not those of any state.
    pub fn restore(contents: Contents) -> Result<Self, Inconsistent> {
        if contents.cluster_version > CLUSTER_VERSION {
            return Err(Inconsistent::TooNew(contents.cluster_version));
        }
        if contents.birth.is_some() != (contents.cluster_version > 0) {
            return Err(Inconsistent::Birth);
        }
        let mut state = Self {
            cluster_version: contents.cluster_version,
            revision: contents.revision,
            log_time: contents.log_time,
            longest_stale: contents.longest_stale,
            birth: contents.birth.map(Arc::new),
            ..Self::default()
        };
        for stored in contents.objects {
            let reference = stored.reference();
            state.follow_stale(&stored.object);
            state.objects.put(stored).then_some(()).ok_or(Inconsistent::ObjectTwice(reference))?;
        }
        if let Some((object, missing)) = state.objects.dangling() {
            return Err(Inconsistent::Dangling { object, missing });
        }
        for (hash, token) in contents.join_tokens {
            state.joining.put_token(hash, token).then_some(()).ok_or(Inconsistent::JoinTokenTwice)?;
        }
        for node in contents.nodes {
            let name = node.name.clone();
            state.joining.put_node(node).then_some(()).ok_or(Inconsistent::NodeTwice(name))?;
        }
        for removed in contents.removed_nodes {
            let name = removed.name.clone();
            let fits = removed.at <= state.log_time && state.joining.put_removed(removed);
            fits.then_some(()).ok_or(Inconsistent::Removed(name))?;
        }
        for (caller, key, remembered) in contents.remembered {
            state.memory.put(caller, key, remembered).then_some(()).ok_or(Inconsistent::KeyTwice)?;
        }
        state.evidence = Arc::new(EvidenceLog::restore(contents.evidence, &state.joining)?);
        state.approvals = Arc::new(Store::restore(contents.approvals, state.log_time)?);
        state.sign_ins = Arc::new(state.restore_sign_ins(contents.sign_ins)?);
        state.sealed_values = Arc::new(state.restore_sealed(contents.sealed_values)?);
        state.administration =
            state.restore_administration(contents.bootstrap_spent, contents.admin_sessions, contents.recoveries)?;
        Ok(state)
    }

    fn restore_sign_ins(&self, sign_ins: Vec<(Uid, UnixMillis)>) -> Result<BTreeMap<Uid, UnixMillis>, Inconsistent> {
        let people = self.objects().filter(|object| matches!(object.spec, Spec::Person(_)));
        let people: BTreeSet<Uid> = people.map(|object| object.metadata.uid).collect();
        let mut known = BTreeMap::new();
        for (person, at) in sign_ins {
            let fits = people.contains(&person) && at <= self.log_time && known.insert(person, at).is_none();
            fits.then_some(()).ok_or(Inconsistent::SignIn(person))?;
        }
        Ok(known)
    }
}
