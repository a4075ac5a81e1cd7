//! Signed notes (C2SP signed-note v1) by one Ed25519 key.

use crate::crypto::{SigningKey, VerifyingKey, sha256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fmt;
use std::str::FromStr;

/// Largest note that is read, in bytes: a checkpoint has three short lines, and each witness adds one of about 150.
pub(crate) const MAX_NOTE_BYTES: usize = 16 << 10;

/// The signature type of Ed25519 (C2SP signed-note, "Signature types").
const ED25519: u8 = 1;
const KEY_ID_BYTES: usize = 4;
/// How a signature line begins.
const SIGNATURE_MARK: &str = "\u{2014} ";

/// Says why something is not the key that a note is verified with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVerifierKey {
    /// It is not `NAME+HASH+BASE64`, or one of the three is malformed.
    #[error("a verifier key has the form `NAME+HASH+BASE64`; its {0} is malformed")]
    Malformed(&'static str),
    /// It is for signatures other than Ed25519.
    #[error("unknown signature algorithm {0}; only Ed25519 (1) is known")]
    UnknownAlgorithm(u8),
    /// Its hash is of another name or key: it was mistyped.
    #[error("the hash in the verifier key is not the one of its name and key")]
    HashDiffers,
}

/// The name and public key that a note must be signed with; as text `NAME+HASH+BASE64` (C2SP signed-note, "Verifier
/// keys").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: VerifyingKey,
}

impl VerifierKey {
    /// Puts a name and a key together. The log's name is the origin of its checkpoints.
    ///
    /// # Errors
    /// [`InvalidVerifierKey`] if the name is empty or has white space, `+` or control characters.
    pub fn new(name: impl Into<String>, key: VerifyingKey) -> Result<Self, InvalidVerifierKey> {
        let name = name.into();
        if is_name(&name) { Ok(Self { name, key }) } else { Err(InvalidVerifierKey::Malformed("name")) }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the public key.
    #[must_use]
    pub const fn key(&self) -> VerifyingKey {
        self.key
    }

    fn id(&self) -> [u8; KEY_ID_BYTES] {
        key_id(&self.name, self.key)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [&[ED25519], self.key.0.as_slice()].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), BASE64.encode(material))
    }
}

impl FromStr for VerifierKey {
    type Err = InvalidVerifierKey;

    fn from_str(text: &str) -> Result<Self, InvalidVerifierKey> {
        let (name, rest) = text.split_once('+').ok_or(InvalidVerifierKey::Malformed("form"))?;
        let (hash, material) = rest.split_once('+').ok_or(InvalidVerifierKey::Malformed("form"))?;
        let material = BASE64.decode(material).map_err(|_| InvalidVerifierKey::Malformed("key"))?;
        let key = match material.split_first() {
            Some((&ED25519, key)) => key.try_into().map(VerifyingKey),
            Some((&other, _)) => return Err(InvalidVerifierKey::UnknownAlgorithm(other)),
            None => return Err(InvalidVerifierKey::Malformed("key")),
        };
        let key = Self::new(name, key.map_err(|_| InvalidVerifierKey::Malformed("key"))?)?;
        let expected = format!("{:08x}", u32::from_be_bytes(key.id()));
        if hash == expected { Ok(key) } else { Err(InvalidVerifierKey::HashDiffers) }
    }
}

/// Says why a text is not a note that the key signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsigned {
    Malformed(&'static str),
    OtherKey,
    Forged,
}

/// Signs a text, which ends with a newline, under a name.
pub(crate) fn sign(text: &str, name: &str, key: &SigningKey) -> String {
    let id = key_id(name, key.verifying_key());
    let signature = BASE64.encode([id.as_slice(), &key.sign(text.as_bytes())].concat());
    format!("{text}\n{SIGNATURE_MARK}{name} {signature}\n")
}

/// Returns the text of a note, its last newline included, if the key signed it. Signatures of others are passed over,
/// as they must be; there must be exactly one by this key.
pub(crate) fn open<'a>(note: &'a str, key: &VerifierKey) -> Result<&'a str, Unsigned> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(Unsigned::Malformed("length"));
    }
    if note.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Unsigned::Malformed("text: it has control characters"));
    }
    let end = note.rfind("\n\n").ok_or(Unsigned::Malformed("form: it has no signature"))?;
    let text = note.get(..=end).ok_or(Unsigned::Malformed("form"))?;
    let lines = note.get(end.saturating_add(2)..).and_then(|lines| lines.strip_suffix('\n'));
    let lines = lines.ok_or(Unsigned::Malformed("form: its last line does not end"))?;
    let mut ours = None;
    for line in lines.split('\n') {
        let (name, id, signature) = signature_line(line).ok_or(Unsigned::Malformed("signature line"))?;
        if name == key.name && id == key.id() && ours.replace(signature).is_some() {
            return Err(Unsigned::Malformed("signature: it is there twice"));
        }
    }
    let signature = ours.ok_or(Unsigned::OtherKey)?;
    if key.key.signed(text.as_bytes(), &signature) { Ok(text) } else { Err(Unsigned::Forged) }
}

fn signature_line(line: &str) -> Option<(&str, [u8; KEY_ID_BYTES], Vec<u8>)> {
    let (name, encoded) = line.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
    let mut id = BASE64.decode(encoded).ok()?;
    if !is_name(name) || id.len() <= KEY_ID_BYTES {
        return None;
    }
    let signature = id.split_off(KEY_ID_BYTES);
    Some((name, id.try_into().ok()?, signature))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

fn key_id(name: &str, key: VerifyingKey) -> [u8; KEY_ID_BYTES] {
    let hash = sha256(&[name.as_bytes(), b"\n", &[ED25519], &key.0]);
    hash.0.first_chunk().copied().unwrap_or_default()
}
