//! JSON Web Tokens in compact form (RFC 7515 §7.1, RFC 7516 §7.1): base64url parts joined by dots, the first of which is
//! a JSON object that names an algorithm.

use super::bytes::{Reading, Window};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// What every such token begins with: base64url of `{"`.
pub(super) const START: &str = "eyJ";
/// Longest header that is read, in bytes of base64url. One with a chain of certificates (RFC 7515 §4.1.6) is long.
const MAX_HEADER_BYTES: usize = 16 << 10;
/// How many places of one run are tried; a run may be long and full of [`START`].
const MAX_TRIES: usize = 4;

/// Finds tokens, one place after the other, and remembers where the run and its part end that it is in.
#[derive(Debug, Default)]
pub(super) struct Tries {
    run_end: usize,
    part_end: usize,
    tries: usize,
}

impl Tries {
    /// Reads the token at a place that [`START`] is at. Places must come in ascending order.
    pub(super) fn at(&mut self, window: Window<'_>, at: usize) -> Reading {
        if at >= self.run_end {
            // A run has no bound of its own: a value that is too long to hold is the masker's to refuse.
            let run_end = window.run(at, usize::MAX, |byte| is_base64url(byte) || byte == b'.');
            *self = Self { run_end, ..Self::default() };
        }
        if at >= self.part_end {
            self.part_end = window.run(at, usize::MAX, is_base64url);
        }
        if self.part_end - at > MAX_HEADER_BYTES {
            return Reading::Nothing;
        }
        if window.is_cut_at(self.run_end) {
            return Reading::Unfinished(at);
        }
        self.tries += 1;
        let parts = window.slice(at..self.run_end).split(|&byte| byte == b'.').take(3).count();
        // Whoever writes so many beginnings into one run hides one.
        let is_hiding = self.tries > MAX_TRIES;
        let is_token = parts == 3 && (is_hiding || names_algorithm(window.slice(at..self.part_end)));
        if is_token { Reading::Value(at..self.run_end) } else { Reading::Nothing }
    }
}

fn names_algorithm(header: &[u8]) -> bool {
    let json = URL_SAFE_NO_PAD.decode(header).ok();
    let object = json.and_then(|json| serde_json::from_slice::<Value>(&json).ok());
    object.is_some_and(|object| object.get("alg").is_some())
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}
