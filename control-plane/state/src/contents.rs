//! A state taken apart, as a snapshot holds it, and put together again.

use crate::joining::{JoinToken, Node};
use crate::{Bootstrap, CLUSTER_VERSION, IdempotencyKey, Reference, Remembered, State, StoredObject};
use hoop_model::{ContentHash, ResourceName, Revision, UnixMillis};
use std::sync::Arc;

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
    /// See [`State::remembered`].
    pub remembered: Vec<(Box<str>, IdempotencyKey, Remembered)>,
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
    /// Two tokens have one hash.
    #[error("a join token is there twice")]
    JoinTokenTwice,
    /// A caller's key is there twice.
    #[error("an idempotency key is there twice")]
    KeyTwice,
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
            birth: contents.birth.map(Arc::new),
            ..Self::default()
        };
        for stored in contents.objects {
            let reference = stored.reference();
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
        for (caller, key, remembered) in contents.remembered {
            state.memory.put(caller, key, remembered).then_some(()).ok_or(Inconsistent::KeyTwice)?;
        }
        Ok(state)
    }
}
