//! Credentials that the gateway injects, in every spelling in which a backend may echo them.

use super::plan::InvalidPlan;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Shortest spelling that is looked for, in bytes: anything shorter is found everywhere.
const MIN_BYTES: usize = 4;

/// Returns the spellings of all credentials, longest first.
///
/// # Errors
/// [`InvalidPlan::ShortCredential`].
pub(super) fn spell(credentials: &[&[u8]]) -> Result<Vec<Vec<u8>>, InvalidPlan> {
    if credentials.iter().any(|secret| secret.len() < MIN_BYTES) {
        return Err(InvalidPlan::ShortCredential);
    }
    let mut spelled: Vec<_> = credentials.iter().flat_map(|secret| spellings(secret)).collect();
    spelled.sort_unstable_by_key(|spelling| std::cmp::Reverse(spelling.len()));
    Ok(spelled)
}

/// Returns the spellings of a secret: as it is, in hexadecimal, percent-encoded (RFC 3986 §2.1), as part of a JSON string,
/// as part of markup, and in base64 at each of the three places that it can have in an encoded text.
fn spellings(secret: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut spellings = BTreeSet::from([secret.to_vec()]);
    let hexadecimal = each(secret, |text, byte| write!(text, "{byte:02x}"));
    spellings.insert(hexadecimal.to_ascii_uppercase());
    spellings.insert(hexadecimal);
    spellings.insert(each(secret, |text, byte| percent(text, byte, false)));
    spellings.insert(each(secret, |text, byte| percent(text, byte, true)));
    spellings.insert(replaced(secret, |byte| match byte {
        b'"' | b'\\' => vec![b'\\', byte],
        _ => vec![byte],
    }));
    spellings.insert(replaced(secret, |byte| match byte {
        b'"' | b'\\' | b'/' => vec![b'\\', byte],
        _ => vec![byte],
    }));
    spellings.insert(replaced(secret, |byte| match byte {
        b'&' => b"&amp;".to_vec(),
        b'<' => b"&lt;".to_vec(),
        b'>' => b"&gt;".to_vec(),
        b'"' => b"&quot;".to_vec(),
        _ => vec![byte],
    }));
    for before in 0..3 {
        spellings.extend(base64_at(secret, before));
    }
    spellings.retain(|spelling| spelling.len() >= MIN_BYTES);
    spellings
}

/// What the base64 of any text has in it that has `secret` at a position that leaves this remainder by three: the first
/// and the last characters that also hold bits of what surrounds the secret are left out.
fn base64_at(secret: &[u8], before: usize) -> [Vec<u8>; 2] {
    let padded: Vec<u8> = std::iter::repeat_n(0, before).chain(secret.iter().copied()).collect();
    let first = [0, 2, 3].get(before).copied().unwrap_or_default();
    let last = usize::from(!padded.len().is_multiple_of(3));
    [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)].map(|encoded| {
        let core = encoded.as_bytes().get(first..encoded.len().saturating_sub(last));
        core.unwrap_or_default().to_vec()
    })
}

fn percent(text: &mut String, byte: u8, is_lower: bool) -> std::fmt::Result {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.write_char(char::from(byte)),
        _ if is_lower => write!(text, "%{byte:02x}"),
        _ => write!(text, "%{byte:02X}"),
    }
}

fn each(secret: &[u8], write: impl Fn(&mut String, u8) -> std::fmt::Result) -> Vec<u8> {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = secret.iter().try_for_each(|byte| write(&mut text, *byte));
    text.into_bytes()
}

fn replaced(secret: &[u8], by: impl Fn(u8) -> Vec<u8>) -> Vec<u8> {
    secret.iter().flat_map(|byte| by(*byte)).collect()
}
