//! Joining: a token admits one node, once.

use crate::{MintJoinToken, Rejection, Role, SpendJoinToken};
use hoop_model::spec::Labels;
use hoop_model::{ContentHash, ResourceName, Uid, UnixMillis};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

/// Longest time a join token is valid.
pub const MAX_JOIN_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Most unspent, unexpired join tokens.
pub const MAX_JOIN_TOKENS: usize = 1_000;

/// An unspent join token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// What the joining node will be.
    pub role: Role,
    /// Labels fixed for the joining node.
    pub labels: Labels,
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

/// Unspent tokens and the nodes that spent theirs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Joining {
    tokens: BTreeMap<ContentHash, JoinToken>,
    nodes: BTreeMap<ResourceName, Node>,
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
        let MintJoinToken { token_hash, role, labels, expires } = mint;
        if expires <= now || expires > now.after(MAX_JOIN_TOKEN_LIFETIME) {
            return Err(Rejection::JoinTokenLifetime);
        }
        if self.tokens.contains_key(&token_hash) {
            return Err(Rejection::JoinTokenExists);
        }
        if self.tokens.values().filter(|token| token.expires > now).count() >= MAX_JOIN_TOKENS {
            return Err(Rejection::TooManyJoinTokens);
        }
        self.tokens.retain(|_, token| token.expires > now);
        self.tokens.insert(token_hash, JoinToken { role, labels, expires });
        Ok(())
    }

    /// Spends the token and registers the node. A refused attempt leaves the token as it is.
    pub(crate) fn spend(&mut self, spend: SpendJoinToken, now: UnixMillis) -> Result<&Node, Rejection> {
        let SpendJoinToken { token_hash, role, node: name, node_uid: uid } = spend;
        let Entry::Occupied(entry) = self.tokens.entry(token_hash) else { return Err(Rejection::JoinTokenUnknown) };
        if now >= entry.get().expires {
            return Err(Rejection::JoinTokenExpired);
        }
        if entry.get().role != role {
            return Err(Rejection::JoinTokenRole);
        }
        if self.nodes.contains_key(&name) {
            return Err(Rejection::NodeNameTaken(name));
        }
        let token = entry.remove();
        let node = Node { name: name.clone(), uid, role, labels: token.labels, joined: now };
        Ok(self.nodes.entry(name).or_insert(node))
    }
}
