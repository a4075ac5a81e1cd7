//! The Merkle tree of RFC 6962, from which only the root is ever asked.

use crate::crypto::sha256;
use hoop_model::ContentHash;

/// A Merkle tree that grows by leaves (RFC 6962 §2.1), in memory only the roots of its full subtrees: one hash for each
/// bit that is set in its size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    size: u64,
    /// The largest subtree first.
    full: Vec<ContentHash>,
}

impl Tree {
    /// Returns the tree without leaves.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Appends one leaf: its content, not its hash.
    pub fn push(&mut self, leaf: &[u8]) {
        let mut hash = sha256(&[&[0], leaf]);
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.full.pop() {
                hash = node(left, hash);
            }
        }
        self.full.push(hash);
        self.size = self.size.saturating_add(1);
    }

    /// Returns how many leaves there are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the Merkle tree hash over all of them; that of no leaf is the SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> ContentHash {
        let mut subtrees = self.full.iter().rev().copied();
        let last = subtrees.next().unwrap_or_else(|| sha256(&[]));
        subtrees.fold(last, |right, left| node(left, right))
    }
}

fn node(left: ContentHash, right: ContentHash) -> ContentHash {
    sha256(&[&[1], &left.0, &right.0])
}
