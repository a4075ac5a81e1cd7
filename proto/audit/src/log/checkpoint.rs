//! Checkpoints: what the evidence log was at one moment, signed (C2SP tlog-checkpoint).

use super::note::{self, Unsigned, VerifierKey};
use crate::crypto::SigningKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hoop_model::ContentHash;

/// Says why a text is not a checkpoint of the log whose key was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotACheckpoint {
    /// It has not the form of one.
    #[error("the checkpoint has a malformed {0}")]
    Malformed(&'static str),
    /// It carries no signature by this key: it is of another cluster, or the key is.
    #[error("the checkpoint is not signed with the given key")]
    OtherKey,
    /// The signature by this key does not fit: the checkpoint was altered.
    #[error("the checkpoint's signature does not fit its text")]
    Forged,
    /// The key signed it, but for a log of another name.
    #[error("the checkpoint is of another log than the key")]
    OtherLog,
}

/// What the evidence log was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log: `hoopgate/CLUSTER_UID/evidence`. It is the name of the key, too.
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// The tree hash over them (RFC 6962 §2.1).
    pub root: ContentHash,
}

impl Checkpoint {
    /// Returns the signed note. The origin must be a name that [`VerifierKey::new`] takes; with another one the note
    /// cannot be opened.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        let Self { origin, size, root } = self;
        note::sign(&format!("{origin}\n{size}\n{}\n", BASE64.encode(root.0)), origin, key)
    }

    /// Reads a signed note. Of the text only the three lines are allowed: no extension is known.
    ///
    /// # Errors
    /// [`NotACheckpoint`] for anything but a checkpoint of the key's log, signed with it.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, NotACheckpoint> {
        let text = note::open(note, key)?;
        let checkpoint = parse(text).ok_or(NotACheckpoint::Malformed("text"))?;
        if checkpoint.origin == key.name() { Ok(checkpoint) } else { Err(NotACheckpoint::OtherLog) }
    }
}

impl From<Unsigned> for NotACheckpoint {
    fn from(unsigned: Unsigned) -> Self {
        match unsigned {
            Unsigned::Malformed(what) => Self::Malformed(what),
            Unsigned::OtherKey => Self::OtherKey,
            Unsigned::Forged => Self::Forged,
        }
    }
}

fn parse(text: &str) -> Option<Checkpoint> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let (origin, decimal, encoded) = (lines.next()?, lines.next()?, lines.next()?);
    let size: u64 = decimal.parse().ok()?;
    let root = BASE64.decode(encoded).ok()?.try_into().map(ContentHash).ok()?;
    // One spelling for each size: no sign, no leading zero.
    let whole = lines.next().is_none() && size.to_string() == decimal && !origin.is_empty();
    whole.then(|| Checkpoint { origin: origin.into(), size, root })
}
