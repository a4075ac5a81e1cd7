//! What a body is, from its fields.

use super::Uninspectable;
use crate::fields::{at_most_one, elements};
use hoop_policy::mask::Charset;
use http::{HeaderMap, header};

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Text(Charset),
}

/// How a body is coded (RFC 9110 §8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
}

/// Media types of text in which a value can be written so that it does not show: in references and sections (XML), in
/// folded lines (RFC 6350 §3.2, RFC 5545 §3.1), in several `data` fields (server-sent events), in control words.
const OPAQUE_TEXTS: [&str; 9] = [
    "text/xml",
    "text/xml-external-parsed-entity",
    "text/event-stream",
    "text/calendar",
    "text/vcard",
    "text/directory",
    "text/rtf",
    "text/richtext",
    "text/enriched",
];

/// Media types of JSON and of sequences of it, beside `application/json` and everything that ends in `+json`.
const JSONS: [&str; 8] = [
    "text/json",
    "text/x-json",
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/json-seq",
    "application/jsonlines",
];

/// Reads `Content-Type` (RFC 9110 §8.3).
pub(super) fn format(headers: &HeaderMap) -> Result<Format, Uninspectable> {
    let value = at_most_one(headers, &header::CONTENT_TYPE).map_err(|_| Uninspectable::NoMediaType)?;
    let value = value.and_then(|value| value.to_str().ok()).ok_or(Uninspectable::NoMediaType)?;
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    let essence = essence.trim().to_ascii_lowercase();
    let charset = charset(parameters)?;
    let is_json = essence == "application/json" || essence.ends_with("+json") || JSONS.contains(&essence.as_str());
    if is_json {
        // RFC 8259 §8.1: JSON is UTF-8, and so is ASCII.
        return match charset {
            None | Some(Charset::Utf8) => Ok(Format::Json),
            Some(Charset::Latin1) => Err(Uninspectable::Charset),
        };
    }
    let is_script = matches!(essence.as_str(), "application/javascript" | "application/ecmascript");
    let is_text =
        essence.starts_with("text/") && !essence.ends_with("+xml") && !OPAQUE_TEXTS.contains(&essence.as_str());
    if !is_script && !is_text {
        return Err(Uninspectable::MediaType);
    }
    Ok(Format::Text(charset.unwrap_or(Charset::Utf8)))
}

/// Reads the `charset` parameter; a parameter that cannot be read could be one.
fn charset(parameters: &str) -> Result<Option<Charset>, Uninspectable> {
    let mut charset = None;
    for parameter in parameters.split(';').map(str::trim).filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').ok_or(Uninspectable::Charset)?;
        if !name.trim().eq_ignore_ascii_case("charset") {
            continue;
        }
        let value = value.trim();
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        let read = match unquoted.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "us-ascii" | "ascii" => Charset::Utf8,
            "iso-8859-1" | "iso_8859-1" | "latin1" | "windows-1252" | "cp1252" => Charset::Latin1,
            _ => return Err(Uninspectable::Charset),
        };
        if charset.replace(read).is_some() {
            return Err(Uninspectable::Charset);
        }
    }
    Ok(charset)
}

/// Reads `Content-Encoding`.
pub(super) fn coding(headers: &HeaderMap) -> Result<Coding, Uninspectable> {
    let mut codings = elements(headers, &header::CONTENT_ENCODING);
    match (codings.next(), codings.next()) {
        (None, _) => Ok(Coding::Identity),
        (Some(only), None) if only.eq_ignore_ascii_case(b"identity") => Ok(Coding::Identity),
        (Some(only), None) if only.eq_ignore_ascii_case(b"gzip") || only.eq_ignore_ascii_case(b"x-gzip") => {
            Ok(Coding::Gzip)
        }
        (Some(_), _) => Err(Uninspectable::Coding),
    }
}
