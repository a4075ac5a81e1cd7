//! Masking of responses: which bodies can be inspected, and everything else of a response that can tell a value.
//!
//! What is sensitive and what stands in its place is `hoop-policy`'s business ([`hoop_policy::mask`]). Here is how HTTP
//! carries it. On a connection that masks, a response goes through in one of these ways or not at all:
//!
//! ```text
//!   request ──► conditions()  412: it names an entity tag, and nobody was given one
//!           ──► request()     no part of a body is asked for, and no coding but gzip
//!   head ─────► response() ──► Uninspectable                      502: nothing of it goes through
//!                         └──► fields masked, body: None          there is none
//!                         └──► fields masked, body: BodyMasker    gzip ► JSON or text ► gzip
//! ```
//!
//! A connection that opted out (`mask: []`) and has a credential is looked through for that alone: in every text, whatever
//! its form. What is not text goes through.
//!
//! Every status is treated alike. Trailer fields, and the reason phrase of a status line, are the backend's text and not
//! masked: they must not be forwarded.

mod body;
mod content;
mod fields;
mod gzip;

#[cfg(test)]
mod tests;

pub use body::BodyMasker;
pub use fields::{Masked, conditions, request, response, upload};

/// Says why a response cannot be inspected. Its text is fit for the caller: it has nothing of the response in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Uninspectable {
    /// It has a body of no declared or more than one declared type.
    #[error("the response does not say what its body is")]
    NoMediaType,
    /// Its media type is not one that is inspected.
    #[error("the response is of a media type that cannot be masked")]
    MediaType,
    /// Its character encoding is not one that is inspected.
    #[error("the response is in a character encoding that cannot be masked")]
    Charset,
    /// Its content coding is not one that is inspected.
    #[error("the response has a content coding that cannot be masked")]
    Coding,
    /// It is a part of a body: values that lie across its ends cannot be seen.
    #[error("the response is a part of a body, which cannot be masked")]
    Partial,
    /// It is not a final response, or switches to another protocol.
    #[error("the response is not a final one")]
    NotFinal,
    /// A value is in a field that cannot be changed.
    #[error("the response has a header field that cannot be masked")]
    Field,
    /// Its gzip is broken, cut, or followed by something else.
    #[error("the response is not well-formed gzip")]
    Gzip,
    /// It expands to far more than any text does.
    #[error("the response expands too much")]
    Expansion,
    /// The body itself cannot be inspected.
    #[error(transparent)]
    Body(#[from] hoop_policy::mask::Uninspectable),
}
