//! What a request is, exactly: the content that people release and that a digest covers.
//!
//! It is read from the very value that is sent afterwards ([`Forwarded`]), so what was released and what goes to the
//! backend cannot differ. The fields, in this order:
//!
//! | tag | bytes |
//! |---|---|
//! | [`tag::METHOD`] | the method |
//! | [`tag::TARGET`] | path and query in canonical form |
//! | [`tag::FIELD_NAME`] | a header field's name, in lower case |
//! | [`tag::FIELD_VALUE`] | one line of that field; all of them follow the name, in their order |
//! | [`tag::BODY`] | the body; empty if there is none |
//!
//! Header fields come sorted by name, byte by byte. The order of lines of different names carries no meaning (RFC 9110
//! §5.3), and what is sent again may have another one.
//!
//! Not part of it is what does not go on, what the gateway writes itself (`Host`, the framing, its own line of `Via`,
//! the credential), and what says how a request is carried rather than what it does: `Traceparent`, `Tracestate`,
//! `User-Agent`, `Date`, `Accept-Encoding`. Of `Prefer` the two preferences about waiting are left out, because who
//! sends a command again may wait longer; the others change what a backend does (`resolution=merge-duplicates` makes an
//! update of an insert), so they are part of the command.

use crate::head::patience;
use crate::upstream::Forwarded;
use hoop_model::{Content, ContentField};
use hoop_policy::mask::{MaskPlan, MaskedCounts};
use http::{HeaderName, HeaderValue};
use std::borrow::Cow;

/// The numbers of the fields; one that has been used never changes its meaning.
pub mod tag {
    /// The method.
    pub const METHOD: u16 = 1;
    /// The canonical path and query.
    pub const TARGET: u16 = 2;
    /// The name of a header field.
    pub const FIELD_NAME: u16 = 3;
    /// One value of the field named before.
    pub const FIELD_VALUE: u16 = 4;
    /// The body.
    pub const BODY: u16 = 5;
}

/// Largest content that [`readable`] may yield for a person to review, in bytes.
pub const MAX_REVIEW_BYTES: usize = 64 << 10;

impl Forwarded {
    /// Returns the request's content, with its whole body.
    #[must_use]
    pub fn content(&self, body: &[u8]) -> Content {
        let mut content = self.head_content();
        content.push(ContentField { tag: tag::BODY, bytes: body.into() });
        content
    }

    /// Returns the content but for its last field, the body.
    #[must_use]
    pub fn head_content(&self) -> Content {
        let field = |tag, bytes: &[u8]| ContentField { tag, bytes: bytes.into() };
        let mut content = vec![
            field(tag::METHOD, self.method().as_str().as_bytes()),
            field(tag::TARGET, self.path_and_query().as_str().as_bytes()),
        ];
        let mut names: Vec<_> = self.names().filter(|name| !is_about_carriage(name)).collect();
        names.sort_unstable_by_key(|name| name.as_str());
        for name in names {
            let mut values = self.values(name).filter_map(|value| said(name, value)).peekable();
            if values.peek().is_some() {
                content.push(field(tag::FIELD_NAME, name.as_str().as_bytes()));
                content.extend(values.map(|value| field(tag::FIELD_VALUE, &value)));
            }
        }
        content
    }
}

/// Returns content as a person reads it: the request in its textual form, with what the content covers and nothing
/// else. Its bytes are the caller's; whoever shows them must escape them.
#[must_use]
pub fn readable(content: &[ContentField]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut name: &[u8] = &[];
    for field in content {
        match field.tag {
            tag::METHOD => text.extend_from_slice(&field.bytes),
            tag::TARGET => text.extend([b" ", &*field.bytes, b"\n"].concat()),
            tag::FIELD_NAME => name = &field.bytes,
            tag::FIELD_VALUE => text.extend([name, b": ", &field.bytes, b"\n"].concat()),
            tag::BODY => text.extend([b"\n", &*field.bytes].concat()),
            // INVARIANT: the tags above are all that `content` makes.
            _ => {}
        }
    }
    text
}

/// Returns content as it is shown to people who release it: [`readable`], with what the plan masks in place of values. The
/// digest covers the values themselves.
#[must_use]
pub fn reviewed(content: &[ContentField], plan: &MaskPlan) -> Vec<u8> {
    let mut name: &[u8] = &[];
    let masked = content.iter().map(|field| {
        let named = match field.tag {
            tag::FIELD_NAME => {
                name = &field.bytes;
                return field.clone();
            }
            tag::FIELD_VALUE => name,
            _ => &[],
        };
        match plan.mask_named(named, &field.bytes, &mut MaskedCounts::default()) {
            Ok(None) => field.clone(),
            Ok(Some(masked)) => ContentField { tag: field.tag, bytes: masked.into() },
            // What is nested too deep to be read may hide a value.
            Err(_) => ContentField { tag: field.tag, bytes: b"[masked: it cannot be inspected]".as_slice().into() },
        }
    });
    readable(&masked.collect::<Vec<_>>())
}

/// Whether a field says how the request is carried, not what it does.
fn is_about_carriage(name: &HeaderName) -> bool {
    matches!(name.as_str(), "traceparent" | "tracestate" | "user-agent" | "date" | "accept-encoding")
}

/// Returns what a line says of the command; `None` if it says nothing of it.
fn said<'a>(name: &HeaderName, value: &'a HeaderValue) -> Option<Cow<'a, [u8]>> {
    let value = value.as_bytes();
    if name.as_str() == "prefer" { patience::without(value) } else { Some(value.into()) }
}

#[cfg(test)]
mod tests;
