//! Masking: sensitive values are found in texts and JSON, and something else stands in their place.
//!
//! Here lives what every protocol shares: which classes a connection masks, how their values are recognised, what
//! replaces them, and two maskers that take a text or JSON in chunks of any size. How a protocol carries such bodies is
//! the protocol's business.
//!
//! ```text
//!   classes + selection + credentials ──► MaskPlan          one per connection and revision
//!                                           │
//!        JsonMasker ── strings, keys, numbers ──► leaf (JSON or base64 inside, to depth 3)
//!        TextMasker ── sliding window ────────────► scan ──► email  card  token  jwt  pem  assign  literals
//!                                                     │
//!                                                  settle (overlaps) ──► transform ──► MaskedCounts
//! ```
//!
//! Nothing that was not inspected is given out: a masker that cannot read what it gets says so, and whoever writes the
//! body ends it with an error.

mod assign;
mod bytes;
mod card;
mod counts;
mod email;
mod json;
mod jwt;
mod leaf;
mod machine;
mod names;
mod pem;
mod plan;
mod scan;
mod scrub;
mod text;
mod token;
mod transform;

#[cfg(test)]
mod tests;

pub use counts::MaskedCounts;
pub use json::JsonMasker;
pub use plan::{InvalidPlan, MaskPlan};
pub use text::{Charset, TextMasker};
pub use transform::{BodyHash, MaskKey};

/// Longest value that is held to be inspected, in bytes: a JSON string, or a text that looks like one long token.
pub const MAX_HELD_BYTES: usize = 1 << 20;

/// Says that a body cannot be inspected. What was given out before is inspected; the rest must never be given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Uninspectable {
    /// It is not JSON (RFC 8259).
    #[error("the body is not well-formed JSON")]
    Malformed,
    /// It ends inside a value.
    #[error("the body ends too early")]
    Truncated,
    /// It is not in the character encoding that it must be in.
    #[error("the body is not in the character encoding it declares")]
    Encoding,
    /// Its arrays and objects are nested too deep.
    #[error("the body is nested too deep")]
    TooDeep,
    /// One of its values is too long.
    #[error("the body has a value that is too long")]
    TooLong,
}
