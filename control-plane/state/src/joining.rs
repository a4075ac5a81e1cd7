//! Joining: a token admits one node, once; and removal, after which the node is nobody.

use crate::{MintJoinToken, Rejection, RemoveNode, Role, SpendJoinToken};
use hoop_model::spec::Labels;
use hoop_model::{ContentHash, ResourceName, Uid, UnixMillis};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

/// Longest time a join token is valid.
pub const MAX_JOIN_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Most unspent, unexpired join tokens.
pub const MAX_JOIN_TOKENS: usize = 1_000;
/// How long it is known of a node that it was removed. What it was allowed to do before is over by then: twice the longest
/// that anybody serves reads without the control plane.
pub const REMOVAL_KNOWN_FOR: Duration = Duration::from_secs(2 * 3600);

/// An unspent join token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// What the joining node will be.
    pub role: Role,
    /// Labels fixed for the joining node.
    pub labels: Labels,
    /// The node that it admits again, with the labels it has; none if it admits a node that is not there yet.
    pub again: Option<ResourceName>,
    /// The log time from which the token is void.
    pub expires: UnixMillis,
}

/// A node that joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name; unique.
    pub name: ResourceName,
    /// Its uid; never reused.
    pub uid: Uid,
    /// What it is.
    pub role: Role,
    /// Its placement labels.
    pub labels: Labels,
    /// When it joined, in log time.
    pub joined: UnixMillis,
}

/// A node that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Its name, which another node may bear since.
    pub name: ResourceName,
    /// Its uid.
    pub uid: Uid,
    /// When it was removed, in log time.
    pub at: UnixMillis,
}

/// Unspent tokens, the nodes that spent theirs, and those that were removed lately.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Joining {
    tokens: BTreeMap<ContentHash, JoinToken>,
    nodes: BTreeMap<ResourceName, Node>,
    /// The last one of each name.
    removed: BTreeMap<ResourceName, Removed>,
}

impl Joining {
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (&ContentHash, &JoinToken)> {
        self.tokens.iter()
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    pub(crate) fn node(&self, name: &ResourceName) -> Option<&Node> {
        self.nodes.get(name)
    }

    pub(crate) fn removed(&self) -> impl Iterator<Item = &Removed> {
        self.removed.values()
    }

    /// Puts a removal in its place; returns whether the place was empty.
    pub(crate) fn put_removed(&mut self, removed: Removed) -> bool {
        self.removed.insert(removed.name.clone(), removed).is_none()
    }

    /// Puts a token in its place; returns whether the place was empty.
    pub(crate) fn put_token(&mut self, hash: ContentHash, token: JoinToken) -> bool {
        self.tokens.insert(hash, token).is_none()
    }

    /// Puts a node in its place; returns whether the place was empty.
    pub(crate) fn put_node(&mut self, node: Node) -> bool {
        self.nodes.insert(node.name.clone(), node).is_none()
    }

    /// Admits whoever shows the token. Makes room by dropping tokens that expired, which says nothing new of them.
    pub(crate) fn mint(&mut self, mint: MintJoinToken, now: UnixMillis) -> Result<(), Rejection> {
        let MintJoinToken { token_hash, role, labels, again, expires } = mint;
        if expires <= now || expires > now.after(MAX_JOIN_TOKEN_LIFETIME) {
            return Err(Rejection::JoinTokenLifetime);
        }
        if self.tokens.contains_key(&token_hash) {
            return Err(Rejection::JoinTokenExists);
        }
        if let Some(name) = again.as_ref().filter(|name| !self.nodes.contains_key(*name)) {
            return Err(Rejection::NodeUnknown(name.clone()));
        }
        if self.tokens.values().filter(|token| token.expires > now).count() >= MAX_JOIN_TOKENS {
            return Err(Rejection::TooManyJoinTokens);
        }
        self.tokens.retain(|_, token| token.expires > now);
        self.tokens.insert(token_hash, JoinToken { role, labels, again, expires });
        Ok(())
    }

    /// Spends the token and registers the node, or admits again the one that the token is for. A refused attempt leaves the
    /// token as it is.
    pub(crate) fn spend(&mut self, spend: SpendJoinToken, now: UnixMillis) -> Result<&Node, Rejection> {
        let SpendJoinToken { token_hash, role, node: name, node_uid: uid } = spend;
        let Entry::Occupied(entry) = self.tokens.entry(token_hash) else { return Err(Rejection::JoinTokenUnknown) };
        let token = entry.get();
        if now >= token.expires {
            return Err(Rejection::JoinTokenExpired);
        }
        if token.role != role {
            return Err(Rejection::JoinTokenRole);
        }
        match (&token.again, self.nodes.entry(name.clone())) {
            (Some(again), Entry::Occupied(node)) if *again == name && node.get().uid == uid => {
                entry.remove();
                Ok(node.into_mut())
            }
            (Some(_), Entry::Occupied(_) | Entry::Vacant(_)) => Err(Rejection::JoinTokenNode),
            (None, Entry::Occupied(_)) => Err(Rejection::NodeNameTaken(name)),
            (None, Entry::Vacant(place)) => {
                let token = entry.remove();
                Ok(place.insert(Node { name, uid, role, labels: token.labels, joined: now }))
            }
        }
    }

    /// Removes a node, and forgets the tokens that would admit it again.
    pub(crate) fn remove(&mut self, remove: &RemoveNode, now: UnixMillis) -> Result<(), Rejection> {
        let RemoveNode { name, uid, .. } = remove;
        self.check_there(name, *uid)?;
        self.nodes.remove(name);
        self.tokens.retain(|_, token| token.again.as_ref() != Some(name));
        self.removed.insert(name.clone(), Removed { name: name.clone(), uid: *uid, at: now });
        Ok(())
    }

    /// Refuses unless this very node is there: another one may bear its name.
    pub(crate) fn check_there(&self, name: &ResourceName, uid: Uid) -> Result<(), Rejection> {
        match self.nodes.get(name) {
            Some(node) if node.uid == uid => Ok(()),
            Some(_) | None => Err(Rejection::NodeUnknown(name.clone())),
        }
    }

    /// Forgets the removals that are of no consequence any more.
    pub(crate) fn pass_time(&mut self, now: UnixMillis) {
        self.removed.retain(|_, removed| removed.at.after(REMOVAL_KNOWN_FOR) > now);
    }
}
