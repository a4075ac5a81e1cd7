//! Who asks.

use hoop_model::{ResourceName, Uid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The claims of a token as policy reads them: each a set of texts.
pub type Tags = BTreeMap<Box<str>, BTreeSet<Box<str>>>;

/// An identity as policy sees it: what its object says, and the claims of the token it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The Identity object's name.
    pub name: ResourceName,
    /// The Identity object.
    pub uid: Uid,
    /// The groups it is in.
    pub groups: Vec<ResourceName>,
    /// The environment it belongs to.
    pub environment: Option<ResourceName>,
    /// The claims; shared by every request of a session, so that they are prepared for evaluation once.
    pub tags: Arc<Tags>,
}
