//! What a command is, as a number: the digest that an approval is bound to.
//!
//! # Version 1, byte by byte
//!
//! A digest has 33 bytes: the version, `01`, and then
//!
//! ```text
//!   HMAC-SHA-256(cluster digest key, message)                         RFC 2104, FIPS 180-4; the key has 32 bytes
//!
//!   message = 01 field field …
//!   field   = part (1 byte)  tag (2 bytes)  bytes  length of the bytes (8 bytes)
//! ```
//!
//! Integers are big-endian. The fields are, in this order:
//!
//! | part | tag | bytes |
//! |---|---|---|
//! | `01` | `0000` | the identity's uid, 16 bytes |
//! | `02` | `0000` | the connection's uid, 16 bytes |
//! | `03` | `0000` | the connection's generation, 8 bytes |
//! | `04` | the field's | one field of the session's context; there may be none |
//! | `05` | the field's | one field of the command's content, in the protocol's canonical order |
//!
//! A length follows its bytes, so that a body whose length nobody said beforehand can be digested while it streams.
//! Read from its end a message has one reading only: the last eight bytes say how many come before them, and so on down
//! to the version. Two commands that differ in any bit, or in where one field ends and the next begins, therefore have
//! different messages. The key keeps whoever sees digests from trying out short commands until one fits.

use aws_lc_rs::hmac;
use hoop_model::{CommandDigest, ContentField, Redacted, Uid};
use std::fmt;

/// The version of the digests made here.
const VERSION: u8 = 1;

/// The cluster's key for digests. Digests that are made with different keys are never equal.
#[derive(Debug)]
pub struct DigestKey(Redacted<[u8; DigestKey::BYTES]>);

/// Says that some bytes are not a digest key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidDigestKey;

impl fmt::Display for InvalidDigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a digest key has {} bytes", DigestKey::BYTES)
    }
}

impl std::error::Error for InvalidDigestKey {}

/// Who sends a command, and where: what a digest covers beside the command's own content.
#[derive(Debug, Clone, Copy)]
pub struct Addressed<'a> {
    /// The identity.
    pub identity: Uid,
    /// The connection.
    pub connection: Uid,
    /// The connection's `metadata.generation`: another backend makes another command.
    pub generation: u64,
    /// What else of the session changes a command's meaning, in the protocol's canonical order; nothing for HTTP.
    pub context: &'a [ContentField],
}

impl DigestKey {
    /// Length in bytes.
    pub const BYTES: usize = 32;

    /// Takes a key into custody.
    #[must_use]
    pub const fn new(key: [u8; Self::BYTES]) -> Self {
        Self(Redacted::new(key))
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// [`InvalidDigestKey`] unless there are exactly 32 bytes.
    pub fn from_slice(key: &[u8]) -> Result<Self, InvalidDigestKey> {
        key.try_into().map(Self::new).map_err(|_| InvalidDigestKey)
    }

    /// Returns the digest of a command.
    #[must_use]
    pub fn digest(&self, addressed: &Addressed<'_>, content: &[ContentField]) -> CommandDigest {
        let mut digesting = self.begin(addressed);
        content.iter().for_each(|field| digesting.field(field));
        digesting.finish()
    }

    /// Begins the digest of a command whose content is not there yet as a whole.
    #[must_use]
    pub fn begin(&self, addressed: &Addressed<'_>) -> Digesting {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.reveal());
        let mut digesting = Digesting(hmac::Context::with_key(&key));
        digesting.0.update(&[VERSION]);
        digesting.put(Part::Identity, 0, &addressed.identity.to_bytes());
        digesting.put(Part::Connection, 0, &addressed.connection.to_bytes());
        digesting.put(Part::Generation, 0, &addressed.generation.to_be_bytes());
        addressed.context.iter().for_each(|field| digesting.put(Part::Context, field.tag, &field.bytes));
        digesting
    }
}

/// What a field says.
#[derive(Clone, Copy)]
enum Part {
    Identity = 1,
    Connection = 2,
    Generation = 3,
    Context = 4,
    Content = 5,
}

/// A digest in the making.
pub struct Digesting(hmac::Context);

impl Digesting {
    /// Adds the next field of the content.
    pub fn field(&mut self, field: &ContentField) {
        self.put(Part::Content, field.tag, &field.bytes);
    }

    /// Adds the last field of the content, whose bytes are still to come.
    #[must_use]
    pub fn last(mut self, tag: u16) -> Streaming {
        self.open(Part::Content, tag);
        Streaming { digesting: self, length: 0 }
    }

    /// Returns the digest.
    #[must_use]
    pub fn finish(self) -> CommandDigest {
        let mut digest = [VERSION; CommandDigest::BYTES];
        digest.iter_mut().skip(1).zip(self.0.sign().as_ref()).for_each(|(to, from)| *to = *from);
        CommandDigest(digest)
    }

    fn put(&mut self, part: Part, tag: u16, bytes: &[u8]) {
        self.open(part, tag);
        self.0.update(bytes);
        self.close(bytes.len() as u64);
    }

    fn open(&mut self, part: Part, tag: u16) {
        self.0.update(&[part as u8]);
        self.0.update(&tag.to_be_bytes());
    }

    fn close(&mut self, length: u64) {
        self.0.update(&length.to_be_bytes());
    }
}

impl fmt::Debug for Digesting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digesting")
    }
}

/// A digest whose last field streams.
#[derive(Debug)]
pub struct Streaming {
    digesting: Digesting,
    length: u64,
}

impl Streaming {
    /// Adds the next bytes of the field; where they are cut carries no meaning.
    pub fn update(&mut self, bytes: &[u8]) {
        self.digesting.0.update(bytes);
        self.length = self.length.saturating_add(bytes.len() as u64);
    }

    /// Returns the digest of what has come.
    #[must_use]
    pub fn finish(mut self) -> CommandDigest {
        self.digesting.close(self.length);
        self.digesting.finish()
    }
}
