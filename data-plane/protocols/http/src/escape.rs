//! Percent-encoding (RFC 3986 §2): one spelling for every octet, and refusal where two readers could disagree.

use hoop_model::{Code, Refusal};
use std::fmt;

/// Says why a request target has no canonical form. Its texts are fixed and fit for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MalformedTarget {
    /// It is longer than [`MAX_TARGET_BYTES`](crate::MAX_TARGET_BYTES), as it came or once canonical.
    TooLong,
    /// It does not start with `/`.
    NotAPath,
    /// Two slashes follow each other.
    EmptySegment,
    /// A segment is `.` or `..`.
    DotSegment,
    /// A `%` is not followed by two hexadecimal digits.
    InvalidEscape,
    /// `/`, `\`, `.`, `%` or `;` is percent-encoded in the path.
    EscapedDelimiter,
    /// A `\`, `;` or `#`, a space, a control or a byte outside ASCII stands there unescaped.
    RawCharacter,
    /// A control character is percent-encoded.
    Control,
    /// It is not UTF-8 once decoded.
    NotUtf8,
    /// A pair of the query is empty, has no key, or has a `=` in its key.
    AmbiguousQuery,
    /// The query asks the backend to run another method (`_method`).
    MethodOverride,
}

impl MalformedTarget {
    /// Returns the sentence a caller gets.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::TooLong => "the request target is longer than 8 KiB",
            Self::NotAPath => "the request target must be a path that starts with `/`",
            Self::EmptySegment => "the path has an empty segment",
            Self::DotSegment => "the path has a `.` or `..` segment",
            Self::InvalidEscape => "a `%` must be followed by two hexadecimal digits",
            Self::EscapedDelimiter => "the path must not percent-encode `/`, `\\`, `.`, `%` or `;`",
            Self::RawCharacter => "`\\`, `;`, `#`, spaces, controls and non-ASCII must not stand unescaped in a target",
            Self::Control => "the target must not contain control characters",
            Self::NotUtf8 => "the target must be UTF-8 once decoded",
            Self::AmbiguousQuery => "every pair of the query needs a key, and no `=` within it",
            Self::MethodOverride => "`_method` in the query would change the method that was judged",
        }
    }
}

impl fmt::Display for MalformedTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for MalformedTarget {}

impl From<MalformedTarget> for Box<Refusal> {
    fn from(malformed: MalformedTarget) -> Self {
        Self::new(Refusal::because(Code::MalformedTarget, malformed.sentence()))
    }
}

/// Where in a target a component stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Segment,
    Key,
    Value,
}

/// Appends the canonical form of `raw` to `canonical` and returns what it means.
///
/// Unreserved characters stand as they are (RFC 3986 §2.3). Delimiters keep the form they came in, because raw and
/// escaped may differ to the backend. Every other octet is escaped, in upper case. A `+` in a query becomes `%20`:
/// HTML form decoders read both as a space, and now so does everybody else.
pub(crate) fn canonicalise(raw: &str, place: Place, canonical: &mut String) -> Result<String, MalformedTarget> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        let (octet, escaped) = match byte {
            b'%' => (unescape(&mut bytes).ok_or(MalformedTarget::InvalidEscape)?, true),
            b'+' if place != Place::Segment => (b' ', true),
            b'\\' | b';' | b'#' => return Err(MalformedTarget::RawCharacter),
            _ if !byte.is_ascii_graphic() => return Err(MalformedTarget::RawCharacter),
            _ => (byte, false),
        };
        if escaped {
            check_escaped(octet, place)?;
        }
        if is_unreserved(octet) || (!escaped && is_delimiter(octet)) {
            canonical.push(char::from(octet));
        } else {
            canonical.extend(['%', hex(octet >> 4), hex(octet & 0xf)]);
        }
        decoded.push(octet);
    }
    let decoded = String::from_utf8(decoded).map_err(|_| MalformedTarget::NotUtf8)?;
    if decoded.chars().any(|c| c.is_control() && !(place == Place::Value && matches!(c, '\t' | '\n' | '\r'))) {
        return Err(MalformedTarget::Control);
    }
    Ok(decoded)
}

/// A backend that decodes once more than we do, or before it splits, must not find a delimiter we did not see.
fn check_escaped(octet: u8, place: Place) -> Result<(), MalformedTarget> {
    match (place, octet) {
        (Place::Segment, b'/' | b'\\' | b'.' | b'%' | b';') => Err(MalformedTarget::EscapedDelimiter),
        (Place::Key, b'=') => Err(MalformedTarget::AmbiguousQuery),
        (Place::Segment | Place::Key | Place::Value, _) => Ok(()),
    }
}

fn unescape(bytes: &mut std::str::Bytes<'_>) -> Option<u8> {
    let mut digit = || char::from(bytes.next()?).to_digit(16);
    let (high, low) = (digit()?, digit()?);
    u8::try_from(high << 4 | low).ok()
}

const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

/// What RFC 3986 §3.3 and §3.4 allow to stand raw in a segment, or in a query pair, beyond the unreserved. The
/// characters that separate components (`/` and `?` of a path, `&` of a query) never get here raw.
const fn is_delimiter(octet: u8) -> bool {
    matches!(octet, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' | b'/' | b'?')
}

const fn hex(nibble: u8) -> char {
    match nibble {
        0..=9 => (b'0' + nibble) as char,
        _ => (b'A' - 10 + nibble) as char,
    }
}
