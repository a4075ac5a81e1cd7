//! What stands in place of a value.

use super::plan::Class;
use super::{card, email};
use aws_lc_rs::hmac;
use hoop_model::spec::{Builtin, Transform};
use std::borrow::Cow;
use std::fmt;

/// Most asterisks in place of a value, so that they do not tell its length.
const MAX_ASTERISKS: usize = 32;
/// Bytes of the HMAC that a keyed hash shows.
const HASH_BYTES: usize = 8;

/// The cluster's key for keyed hashes.
#[derive(Clone)]
pub struct MaskKey(hmac::Key);

impl MaskKey {
    /// Takes the key; the caller owns where its bytes come from.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

/// A keyed hash of one body: equal bodies are known as such, and nobody without the key can try guesses.
pub struct BodyHash(hmac::Context);

impl BodyHash {
    pub(super) fn begin(key: &MaskKey) -> Self {
        let mut context = hmac::Context::with_key(&key.0);
        context.update(b"hoop body 1\0");
        Self(context)
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the hash of all of them.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.iter_mut().zip(self.0.sign().as_ref()).for_each(|(byte, signed)| *byte = *signed);
        hash
    }
}

impl fmt::Debug for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyHash(..)")
    }
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKey([redacted])")
    }
}

/// Writes what stands in place of `value`. Only ASCII that needs no escape in JSON, in a header or in a text.
pub(super) fn transform(class: &Class, key: &MaskKey, value: &[u8], out: &mut Vec<u8>) {
    match class.transform {
        Transform::Redact => redact(class, out),
        Transform::KeepLast(most) => keep_last(class, most, value, out),
        Transform::KeyedHash => hash(class, key, value, out),
    }
}

fn redact(class: &Class, out: &mut Vec<u8>) {
    out.extend_from_slice(b"[masked:");
    out.extend_from_slice(class.name.as_str().as_bytes());
    out.push(b']');
}

/// A value of which nothing may be kept, because a quarter of it is less than one character, is redacted.
fn keep_last(class: &Class, most: u8, value: &[u8], out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(value);
    let significant = text.chars().filter(char::is_ascii_alphanumeric).count();
    let kept = (significant / 4).min(usize::from(most));
    if kept == 0 {
        return redact(class, out);
    }
    let asterisks = text.chars().count().saturating_sub(kept).min(MAX_ASTERISKS);
    out.extend(std::iter::repeat_n(b'*', asterisks));
    let last: Vec<u8> = text.bytes().rev().filter(u8::is_ascii_alphanumeric).take(kept).collect();
    out.extend(last.iter().rev());
}

fn hash(class: &Class, key: &MaskKey, value: &[u8], out: &mut Vec<u8>) {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    let name = class.name.as_str().as_bytes();
    let mut context = hmac::Context::with_key(&key.0);
    context.update(b"hoop mask 1\0");
    context.update(name);
    context.update(b"\0");
    context.update(&canonical(class.builtin, value));
    out.extend_from_slice(name);
    out.push(b':');
    for byte in context.sign().as_ref().iter().take(HASH_BYTES) {
        out.extend([byte >> 4, byte & 15].iter().filter_map(|&digit| DIGITS.get(usize::from(digit))));
    }
}

/// Returns the one spelling under which equal values are equal: an address in lower case, a card number in digits.
fn canonical(builtin: Option<Builtin>, value: &[u8]) -> Cow<'_, [u8]> {
    match builtin {
        Some(Builtin::Email) => Cow::Owned(email::canonical(value)),
        Some(Builtin::PaymentCard) => Cow::Owned(card::canonical(value)),
        Some(Builtin::ApiKey | Builtin::Jwt | Builtin::PrivateKey) | None => Cow::Borrowed(value.trim_ascii()),
    }
}
