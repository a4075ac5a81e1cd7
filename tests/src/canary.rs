//! Canaries: values that must be nowhere, in no encoding (I3).

use crate::tools::inflate;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::path::Path;

/// A value that must be nowhere.
pub struct Canary {
    value: Vec<u8>,
    spellings: Vec<(&'static str, Vec<u8>)>,
}

impl Canary {
    /// Prepares every spelling to look for.
    #[must_use]
    pub fn new(value: &str) -> Self {
        let bytes = value.as_bytes();
        let mut spellings = vec![
            ("clear", bytes.to_vec()),
            ("hex", hex::encode(bytes).into_bytes()),
            ("upper-case hex", hex::encode_upper(bytes).into_bytes()),
            ("URL-encoded", url_encoded(bytes, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))),
            ("wholly URL-encoded", url_encoded(bytes, |_| false)),
            (
                "JSON-escaped",
                serde_json::to_vec(value).unwrap().into_iter().skip(1).take_while(|&b| b != b'"').collect(),
            ),
            ("wholly JSON-escaped", bytes.iter().flat_map(|b| format!("\\u{b:04x}").into_bytes()).collect()),
            ("list of bytes", format!("{bytes:?}").trim_matches(['[', ']']).as_bytes().to_vec()),
        ];
        spellings.extend((0..3).map(|shift| ("base64", base64_inside(bytes, shift, &STANDARD_NO_PAD))));
        spellings.extend((0..3).map(|shift| ("base64url", base64_inside(bytes, shift, &URL_SAFE_NO_PAD))));
        Self { value: bytes.to_vec(), spellings }
    }

    /// Returns how the canary is spelled in these bytes, if it is there, also within what is compressed in them.
    #[must_use]
    pub fn spelled_in(&self, haystack: &[u8]) -> Option<String> {
        if let Some(spelling) = self.spelled_plainly(haystack) {
            return Some(spelling.to_owned());
        }
        let is_compressed = contains(haystack, &[0x1f, 0x8b, 8]);
        let inflated = if is_compressed { inflate(haystack) } else { Vec::new() };
        self.spelled_plainly(&inflated).map(|spelling| format!("gzip of {spelling}"))
    }

    fn spelled_plainly(&self, haystack: &[u8]) -> Option<&'static str> {
        self.spellings.iter().find(|(_, needle)| contains(haystack, needle)).map(|(name, _)| *name)
    }

    /// Demands that these bytes have no trace of it.
    ///
    /// # Panics
    /// When they have.
    pub fn must_not_be_in(&self, place: &str, haystack: &[u8]) {
        if let Some(spelling) = self.spelled_in(haystack) {
            panic!("the canary `{}` is in {place}, {spelling}", String::from_utf8_lossy(&self.value));
        }
    }

    /// Demands that no file beneath a directory has a trace of it; returns how many bytes were searched.
    ///
    /// # Panics
    /// When one has.
    #[must_use]
    pub fn must_not_be_beneath(&self, directory: &Path) -> usize {
        let mut searched = 0;
        for path in crate::evidence::files(directory) {
            let bytes = std::fs::read(&path).unwrap();
            searched += bytes.len();
            self.must_not_be_in(&path.display().to_string(), &bytes);
        }
        searched
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some(&first) = needle.first() else { return false };
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|&byte| byte == first) {
        rest = &rest[at..];
        if rest.starts_with(needle) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

fn url_encoded(bytes: &[u8], is_kept: impl Fn(u8) -> bool) -> Vec<u8> {
    bytes.iter().flat_map(|&b| if is_kept(b) { vec![b] } else { format!("%{b:02X}").into_bytes() }).collect()
}

/// What base64 makes of the value inside a longer text, `shift` bytes after a group of three begins: without the
/// characters at its ends, which depend on the neighbours too.
fn base64_inside(bytes: &[u8], shift: usize, engine: &impl Engine) -> Vec<u8> {
    let shifted = [&[0; 3][..shift], bytes].concat();
    let text = engine.encode(&shifted[..shifted.len() / 3 * 3]).into_bytes();
    text[if shift == 0 { 0 } else { 4 }..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_found_in_every_encoding() {
        let canary = Canary::new("CANARY-\"77aa\"/é");
        let value = "CANARY-\"77aa\"/é";
        for before in ["", "a", "ab", "abc"] {
            let text = format!("{before}{value} and more");
            for encoded in [
                text.clone(),
                STANDARD_NO_PAD.encode(&text),
                URL_SAFE_NO_PAD.encode(&text),
                hex::encode(&text),
                hex::encode_upper(&text),
                String::from_utf8(url_encoded(text.as_bytes(), |b| b.is_ascii_alphanumeric() || b == b'-')).unwrap(),
                format!("{:?}", text.as_bytes()),
            ] {
                assert!(canary.spelled_in(encoded.as_bytes()).is_some(), "{encoded}");
            }
        }
        assert_eq!(canary.spelled_in(b"CANARY-77aa and nothing else, at some length"), None);
    }

    #[test]
    fn a_canary_is_found_in_what_is_compressed() {
        let canary = Canary::new("CANARY-77aa");
        let compressed = crate::tools::deflate(b"some text, then CANARY-77aa, then more");
        assert!(canary.spelled_plainly(&compressed).is_none());
        let text = [b"log line ".as_slice(), &compressed, b" more"].concat();
        assert_eq!(canary.spelled_in(&text).as_deref(), Some("gzip of clear"));
    }
}
