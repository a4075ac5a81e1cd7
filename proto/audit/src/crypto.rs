//! SHA-256 and Ed25519, as everything here uses them.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use hoop_model::ContentHash;
use std::fmt;

/// Length of an Ed25519 signature, in bytes (RFC 8032 §5.1.6).
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// Says that a seed is not an Ed25519 private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the seed is not an Ed25519 private key")]
pub struct InvalidSeed;

/// An Ed25519 private key (RFC 8032) that seals segments or signs checkpoints.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: VerifyingKey,
}

impl SigningKey {
    /// Makes the key of a seed: 32 random bytes that the caller drew and wipes.
    ///
    /// # Errors
    /// [`InvalidSeed`] if the cryptographic library does not take it.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, InvalidSeed> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| InvalidSeed)?;
        let public = pair.public_key().as_ref().try_into().map(VerifyingKey).map_err(|_| InvalidSeed)?;
        Ok(Self { pair, public })
    }

    /// Returns the public half.
    #[must_use]
    pub const fn verifying_key(&self) -> VerifyingKey {
        self.public
    }

    /// Signs a message whose first bytes say what kind of message it is.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// An Ed25519 public key, as its 32 bytes (RFC 8032 §5.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifyingKey(pub [u8; 32]);

impl VerifyingKey {
    /// Returns whether the private half signed exactly this message.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

/// Returns the SHA-256 of all parts, one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> ContentHash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; digest::SHA256_OUTPUT_LEN];
    hash.copy_from_slice(context.finish().as_ref());
    ContentHash(hash)
}
