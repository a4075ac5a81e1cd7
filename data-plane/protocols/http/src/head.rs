//! A request's head: everything it says, read in the only way it can be read.

pub(crate) mod patience;

use crate::fields::{Role, at_most_one, elements, role};
use crate::{Framing, Route, Target};
use hoop_model::spec::Origin;
use hoop_model::{Code, Refusal, ResourceName};
use http::{HeaderMap, Method, Uri, Version, header};
use patience::Patience;

/// A well-formed request for a connection. What it holds is what is judged, and what is forwarded is made from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    pub(crate) connection: ResourceName,
    pub(crate) method: Method,
    /// The method's action: `http:GET`.
    pub(crate) action: &'static str,
    pub(crate) target: Target,
    /// The media type without parameters, in lower case.
    pub(crate) content_type: Option<Box<str>>,
    pub(crate) framing: Framing,
    pub(crate) patience: Patience,
}

impl RequestHead {
    /// Reads a head, or refuses it: HTTP/1.1 (RFC 9112) with what peers are known to disagree on taken out.
    ///
    /// # Errors
    /// A refusal that names the first thing that is wrong. After one that [`problem`](crate::problem()) marks
    /// `Connection: close`, the connection must be closed: its next bytes have no agreed meaning.
    pub fn read(method: &Method, uri: &Uri, version: Version, headers: &HeaderMap) -> Result<Self, Box<Refusal>> {
        if version != Version::HTTP_11 {
            // 1.0 has no mandatory Host, no chunked coding and two readings of keep-alive; 0.9 has no head at all.
            return refuse(Code::MalformedRequest, "only HTTP/1.1 is spoken here");
        }
        let Some(action) = action(method) else {
            return refuse(Code::MethodNotSupported, "the method is not one of GET HEAD OPTIONS POST PUT PATCH DELETE");
        };
        check_overrides(headers)?;
        check_connection(headers)?;
        check_expect(headers)?;
        check_host(uri, headers)?;
        let framing = match Framing::of(headers) {
            Ok(framing) => framing,
            Err(sentence) => return refuse(Code::MalformedHeader, sentence),
        };
        let content_type = content_type(headers)?;
        let patience = Patience::read(headers)?;
        let Route::Connection { name, rest } = Route::of(uri.path_and_query().map_or("", |p| p.as_str())) else {
            return refuse(Code::ConnectionUnknown, "a connection is addressed as `/c/NAME/`");
        };
        let target = Target::canonical(rest)?;
        Ok(Self { connection: name, method: method.clone(), action, target, content_type, framing, patience })
    }

    /// Returns the connection that the request names.
    #[must_use]
    pub const fn connection(&self) -> &ResourceName {
        &self.connection
    }

    /// Returns the method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the target as the backend gets it.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Returns what the head says about the body.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// Returns how the caller wants to wait where its command must be released.
    #[must_use]
    pub const fn patience(&self) -> Patience {
        self.patience
    }
}

fn refuse<T>(code: Code, sentence: &str) -> Result<T, Box<Refusal>> {
    Err(Box::new(Refusal::because(code, sentence)))
}

/// Methods are case-sensitive (RFC 9110 §9.1); one that is not listed has no action, so it cannot be judged.
fn action(method: &Method) -> Option<&'static str> {
    match method.as_str() {
        "GET" => Some("http:GET"),
        "HEAD" => Some("http:HEAD"),
        "OPTIONS" => Some("http:OPTIONS"),
        "POST" => Some("http:POST"),
        "PUT" => Some("http:PUT"),
        "PATCH" => Some("http:PATCH"),
        "DELETE" => Some("http:DELETE"),
        _ => None,
    }
}

fn check_overrides(headers: &HeaderMap) -> Result<(), Box<Refusal>> {
    if headers.keys().any(|name| role(name) == Role::Overrides) {
        return refuse(Code::MalformedHeader, "a header field would change the command that was judged");
    }
    Ok(())
}

/// Everything that may be nominated here is removed anyway. Any other name would ask us, or the next hop, to remove
/// a field that somebody relies on.
fn check_connection(headers: &HeaderMap) -> Result<(), Box<Refusal>> {
    const NOMINABLE: [&[u8]; 4] = [b"close", b"keep-alive", b"te", b"trailer"];
    let nominates = |name: &[u8]| elements(headers, &header::CONNECTION).any(|e| e.eq_ignore_ascii_case(name));
    if headers.contains_key(header::UPGRADE) || nominates(b"upgrade") {
        return refuse(Code::UpgradeNotSupported, "protocol upgrades are not supported");
    }
    let is_nominable = |element: &[u8]| NOMINABLE.iter().any(|name| element.eq_ignore_ascii_case(name));
    if !elements(headers, &header::CONNECTION).all(is_nominable) {
        return refuse(
            Code::MalformedHeader,
            "`Connection` may nominate `close`, `keep-alive`, `te` and `trailer` only",
        );
    }
    Ok(())
}

fn check_expect(headers: &HeaderMap) -> Result<(), Box<Refusal>> {
    match at_most_one(headers, &header::EXPECT) {
        Ok(None) => Ok(()),
        Ok(Some(value)) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => Ok(()),
        Ok(Some(_)) | Err(_) => refuse(Code::MalformedHeader, "`Expect` may only be `100-continue`, once"),
    }
}

/// One `Host` that is a host, and a target in absolute form (RFC 9112 §3.2.2) that names the same one. It is not
/// forwarded; a head that names two places is refused all the same, for somebody before us may have read the other.
fn check_host(uri: &Uri, headers: &HeaderMap) -> Result<(), Box<Refusal>> {
    let Ok(Some(host)) = at_most_one(headers, &header::HOST) else {
        return refuse(Code::MalformedHeader, "exactly one `Host` is required");
    };
    let scheme = uri.scheme_str();
    let origin = |authority: &str| {
        Origin::parse(&format!("{}://{}", scheme.unwrap_or("https"), authority.to_ascii_lowercase())).ok()
    };
    let Some(host) = host.to_str().ok().and_then(origin) else {
        return refuse(Code::MalformedHeader, "`Host` is not a host and a port");
    };
    match (scheme, uri.authority()) {
        (None, None) => Ok(()),
        (Some(_), Some(authority)) if origin(authority.as_str()).is_some_and(|named| named == host) => Ok(()),
        (Some(_), Some(_)) => refuse(Code::MalformedHeader, "the request target and `Host` name different hosts"),
        (Some(_), None) | (None, Some(_)) => refuse(Code::MalformedRequest, "the request target is not a path"),
    }
}

/// The media type without its parameters (RFC 9110 §8.3.1). A comma is where a reader that joins or splits lists
/// would see a second type.
fn content_type(headers: &HeaderMap) -> Result<Option<Box<str>>, Box<Refusal>> {
    let Ok(value) = at_most_one(headers, &header::CONTENT_TYPE) else {
        return refuse(Code::MalformedHeader, "`Content-Type` is repeated");
    };
    let Some(value) = value else { return Ok(None) };
    match value.to_str().ok().filter(|text| !text.contains(',')).and_then(media_type) {
        Some(media_type) => Ok(Some(media_type)),
        None => refuse(Code::MalformedHeader, "`Content-Type` is not one media type"),
    }
}

fn media_type(text: &str) -> Option<Box<str>> {
    let is_token = |part: &str| {
        let in_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        !part.is_empty() && part.bytes().all(in_token)
    };
    let essence = text.split(';').next()?.trim_matches([' ', '\t']);
    let (kind, subtype) = essence.split_once('/')?;
    (is_token(kind) && is_token(subtype)).then(|| essence.to_ascii_lowercase().into())
}

#[cfg(test)]
mod tests;
