//! Tokens: random texts that are shown once; the state has only their hashes.

use aws_lc_rs::digest::{SHA256, digest};
use hoop_model::{ContentHash, Redacted};

/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;

/// A token and the hash that recognises it.
pub(crate) struct Minted {
    /// What its bearer shows: 64 hexadecimal digits.
    pub(crate) text: Redacted<String>,
    /// What the state keeps.
    pub(crate) hash: ContentHash,
}

/// Draws a token.
pub(crate) fn mint() -> Minted {
    let text = hex::encode(hoop_node::random::<TOKEN_BYTES>());
    Minted { hash: hash(&text), text: Redacted::new(text) }
}

/// Hashes a token's text: SHA-256.
pub(crate) fn hash(text: &str) -> ContentHash {
    let mut hash = ContentHash([0; 32]);
    hash.0.iter_mut().zip(digest(&SHA256, text.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
    hash
}
