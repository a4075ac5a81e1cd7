//! What goes to a backend and what comes back: heads without anything that belongs to one hop only.

use crate::fields::{Role, elements, is_stripped_from_response, role};
use crate::{Framing, RequestHead};
use hoop_model::spec::Origin;
use hoop_model::{Code, Refusal};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use std::fmt;

/// A node's name in `Via` (RFC 9110 §7.6.3), by which it knows a request that comes back. Make it from enough random
/// bits that no other gateway on the way has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopToken {
    token: Box<str>,
    via: HeaderValue,
}

/// Says that a text cannot name a node in `Via`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a loop token: 8 to 64 of `a-z`, `A-Z`, `0-9` and `-`")]
pub struct InvalidLoopToken;

impl LoopToken {
    /// Reads a token.
    ///
    /// # Errors
    /// [`InvalidLoopToken`] for one that is too short to be unique, too long, or differently spelled.
    pub fn parse(token: &str) -> Result<Self, InvalidLoopToken> {
        let fits = (8..=64).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let via = HeaderValue::try_from(format!("1.1 {token}")).map_err(|_| InvalidLoopToken)?;
        if fits { Ok(Self { token: token.into(), via }) } else { Err(InvalidLoopToken) }
    }
}

/// Returns whether a request has been through this node: refuse it with [`Code::UpstreamLoop`].
#[must_use]
pub fn comes_back(headers: &HeaderMap, token: &LoopToken) -> bool {
    let is_ours = |word: &[u8]| word.eq_ignore_ascii_case(token.token.as_bytes());
    elements(headers, &header::VIA).any(|hop| hop.split(u8::is_ascii_whitespace).any(is_ours))
}

/// What of a request goes on: its content is read from it, and then it is sent.
#[derive(Clone)]
pub struct Forwarded {
    method: Method,
    path_and_query: PathAndQuery,
    framing: Framing,
    /// All the fields that came; those that [`is_forwarded`] admits go on.
    headers: HeaderMap,
}

impl RequestHead {
    /// Returns what of the request goes on, made from what was judged and from the end-to-end fields of `headers`,
    /// which must be those this head was read from.
    #[must_use]
    pub fn forwarded(&self, headers: HeaderMap) -> Forwarded {
        let path_and_query = self.target.path_and_query().clone();
        Forwarded { method: self.method.clone(), path_and_query, framing: self.framing, headers }
    }

    /// Returns the head that is forwarded, as [`Forwarded::to_upstream`] makes it.
    ///
    /// # Errors
    /// As [`Forwarded::to_upstream`].
    pub fn to_upstream(&self, headers: HeaderMap, origin: &Origin, token: &LoopToken) -> Result<Parts, Box<Refusal>> {
        self.forwarded(headers).to_upstream(origin, token)
    }
}

impl Forwarded {
    /// Returns the head that is sent.
    ///
    /// Gone are hop-by-hop fields, the caller's `Authorization` and everything the gateway alone may say (`Hoop-*`,
    /// `X-Gw-*`, `X-Forwarded-*`, `Forwarded`). `Host` is the origin's, the framing is written from the one reading
    /// it had, and this node is added to `Via`. `Cookie` goes on: it can only be the caller's own. The gateway's
    /// credential is not here yet; whoever sends adds it last.
    ///
    /// # Errors
    /// [`Code::UpstreamUnreachable`] where the origin has no host that a field can hold, [`Code::MalformedRequest`]
    /// where there are more fields than a head can hold.
    pub fn to_upstream(self, origin: &Origin, token: &LoopToken) -> Result<Parts, Box<Refusal>> {
        let host = HeaderValue::try_from(origin.host_header())
            .map_err(|_| refusal(Code::UpstreamUnreachable, "the connection's upstream has no usable host"))?;
        let mut forwarded = HeaderMap::new();
        let mut append = |name: HeaderName, value: HeaderValue| match forwarded.try_append(name, value) {
            Ok(_) => Ok(()),
            Err(_) => Err(refusal(Code::MalformedRequest, "the request has too many header fields")),
        };
        append(header::HOST, host)?;
        match self.framing {
            Framing::Unsaid => {}
            Framing::Length(length) => append(header::CONTENT_LENGTH, HeaderValue::from(length))?,
            Framing::Chunked => append(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?,
        }
        let mut field = None;
        for (name, value) in self.headers {
            // A map yields a name with its first value only; the values that follow are of the same field.
            if let Some(name) = name {
                field = is_forwarded(&name).then_some(name);
            }
            if let Some(name) = &field {
                append(name.clone(), value)?;
            }
        }
        append(header::VIA, token.via.clone())?;

        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method;
        parts.uri = Uri::from(self.path_and_query);
        parts.version = Version::HTTP_11;
        parts.headers = forwarded;
        Ok(parts)
    }

    pub(crate) const fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) const fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }

    /// Returns the names of the fields that the caller sent and that go on, each once.
    pub(crate) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.headers.keys().filter(|name| is_forwarded(name))
    }

    /// Returns what the caller sent under a name, in its order.
    pub(crate) fn values(&self, name: &HeaderName) -> impl Iterator<Item = &HeaderValue> {
        self.headers.get_all(name).iter()
    }
}

impl fmt::Debug for Forwarded {
    /// The fields are left out: the caller's token is among those that do not go on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path_and_query, framing, headers: _ } = self;
        let mut shown = f.debug_struct("Forwarded");
        shown.field("method", method).field("path_and_query", path_and_query).field("framing", framing);
        shown.finish_non_exhaustive()
    }
}

fn is_forwarded(name: &HeaderName) -> bool {
    match role(name) {
        Role::EndToEnd | Role::Judged => true,
        Role::Ours | Role::Overrides => false,
    }
}

/// Takes out of a response's fields what is not for the caller: hop-by-hop fields and those that `Connection`
/// nominates, `Alt-Svc`, and the gateway's own marks. `Content-Length` stays, `Transfer-Encoding` goes: whoever
/// writes the body frames it.
///
/// # Errors
/// [`Code::UpstreamMisbehaved`] for an interim status (an upgrade was never asked for, and the others are the
/// HTTP client's to swallow), for ambiguous framing, and for a nominated name that is no name.
pub fn from_upstream(status: StatusCode, headers: &mut HeaderMap) -> Result<(), Box<Refusal>> {
    let misbehaved = |sentence| refusal(Code::UpstreamMisbehaved, sentence);
    if status.is_informational() {
        return Err(misbehaved("the backend sent an interim response in place of a final one"));
    }
    Framing::of(headers).map_err(|_| misbehaved("the backend's response has no agreed length"))?;
    let nominated = elements(headers, &header::CONNECTION).map(HeaderName::from_bytes).collect::<Result<Vec<_>, _>>();
    let nominated = nominated.map_err(|_| misbehaved("the backend's `Connection` is malformed"))?;
    let ours: Vec<_> = headers.keys().filter(|name| is_stripped_from_response(name)).cloned().collect();
    for name in nominated.iter().chain(&ours) {
        headers.remove(name);
    }
    Ok(())
}

fn refusal(code: Code, sentence: &'static str) -> Box<Refusal> {
    Box::new(Refusal::because(code, sentence))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "hoop-0123456789abcdef";

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_static(value));
        }
        headers
    }

    fn forwarded(method: Method, uri: &str, fields: &[(&'static str, &'static str)]) -> Parts {
        let headers = headers(fields);
        let head = RequestHead::read(&method, &uri.parse().unwrap(), Version::HTTP_11, &headers).unwrap();
        let origin = Origin::parse("https://orders.internal:8443").unwrap();
        head.to_upstream(headers, &origin, &LoopToken::parse(TOKEN).unwrap()).unwrap()
    }

    fn lines(headers: &HeaderMap) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
    }

    #[test]
    fn only_what_was_judged_and_end_to_end_fields_are_forwarded() {
        let fields = [
            ("Host", "gw.example"),
            ("Authorization", "Bearer CANARY"),
            ("Proxy-Authorization", "Basic CANARY"),
            ("Connection", "close, te"),
            ("Keep-Alive", "timeout=5"),
            ("TE", "trailers"),
            ("Trailer", "x-sum"),
            ("Expect", "100-continue"),
            ("HTTP2-Settings", "x"),
            ("Content-Length", "0012"),
            ("Content-Type", "text/plain; x=1"),
            ("Hoop-Identity", "root"),
            ("X-Gw-Identity", "root"),
            ("X-Forwarded-For", "127.0.0.1"),
            ("X-Forwarded-Host", "internal"),
            ("X-Real-Ip", "127.0.0.1"),
            ("Forwarded", "for=127.0.0.1"),
            ("Accept", "a/b"),
            ("Accept", "c/d"),
            ("Cookie", "mine=1"),
            ("Via", "1.1 lb"),
            ("X_Api_Key", "k"),
        ];
        let parts = forwarded(Method::POST, "/c/react/%6frders?a=+", &fields);
        assert_eq!((parts.method, parts.version), (Method::POST, Version::HTTP_11));
        assert_eq!(parts.uri.to_string(), "/orders?a=%20");
        assert_eq!(
            lines(&parts.headers),
            [
                ("host", "orders.internal:8443"),
                ("content-length", "12"),
                ("content-type", "text/plain; x=1"),
                ("accept", "a/b"),
                ("accept", "c/d"),
                ("cookie", "mine=1"),
                ("via", "1.1 lb"),
                ("via", "1.1 hoop-0123456789abcdef"),
                ("x_api_key", "k"),
            ]
        );
    }

    #[test]
    fn ht_07_a_body_is_framed_again_from_its_one_reading() {
        let host = ("host", "gw.example");
        let parts = forwarded(Method::GET, "/c/react/", &[host, ("transfer-encoding", "chunked")]);
        assert_eq!(lines(&parts.headers)[1], ("transfer-encoding", "chunked"));
        let parts = forwarded(Method::GET, "/c/react/", &[host]);
        assert_eq!(lines(&parts.headers), [("host", "orders.internal:8443"), ("via", "1.1 hoop-0123456789abcdef")]);
    }

    #[test]
    fn ht_10_the_absolute_form_and_the_callers_host_are_not_forwarded() {
        let parts = forwarded(Method::GET, "http://gw.example/c/react/a", &[("host", "gw.example")]);
        assert_eq!(parts.uri.to_string(), "/a");
        assert_eq!(parts.headers.get_all("host").iter().collect::<Vec<_>>(), ["orders.internal:8443"]);
    }

    #[test]
    fn a_request_that_comes_back_is_known() {
        let token = LoopToken::parse(TOKEN).unwrap();
        let parts = forwarded(Method::GET, "/c/react/", &[("host", "a"), ("via", "1.1 lb")]);
        assert!(comes_back(&parts.headers, &token));
        for via in ["1.0 a,1.1 hoop-0123456789abcdef (x), 1.1 b", "1.1\tHOOP-0123456789ABCDEF"] {
            assert!(comes_back(&headers(&[("via", "1.1 a"), ("via", via)]), &token), "{via}");
        }
        for via in ["1.1 a", "1.1 hoop-0123456789abcde", "1.1 xhoop-0123456789abcdef", ""] {
            assert!(!comes_back(&headers(&[("via", via)]), &token), "{via}");
        }
        assert!(!comes_back(&HeaderMap::new(), &token));
    }

    #[test]
    fn a_loop_token_is_one_word() {
        for bad in ["", "short", "with space", "with,comma", "with\r\nline", &"x".repeat(65)] {
            assert_eq!(LoopToken::parse(bad), Err(InvalidLoopToken), "{bad:?}");
        }
    }

    #[test]
    fn a_response_loses_what_belongs_to_one_hop() {
        let mut headers = headers(&[
            ("Content-Length", "3"),
            ("Content-Type", "a/b"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("Connection", "Upgrade, X-Hop"),
            ("Connection", "keep-alive,"),
            ("X-Hop", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Upgrade", "h2,h2c"),
            ("Proxy-Authenticate", "Basic"),
            ("Trailer", "x"),
            ("Alt-Svc", "h3=\":443\""),
            ("Hoop-Refusal", "forbidden"),
            ("X-Gw-Id", "1"),
        ]);
        from_upstream(StatusCode::OK, &mut headers).unwrap();
        let kept = [("content-length", "3"), ("content-type", "a/b"), ("set-cookie", "a=1"), ("set-cookie", "b=2")];
        let mut left = lines(&headers);
        left.sort_unstable();
        assert_eq!(left, kept);
    }

    #[test]
    fn ht_14_an_interim_response_never_passes() {
        for status in [100, 101, 102, 103, 199] {
            let status = StatusCode::from_u16(status).unwrap();
            let refusal = from_upstream(status, &mut HeaderMap::new()).unwrap_err();
            assert_eq!(refusal.code, Code::UpstreamMisbehaved, "{status}");
        }
        for status in [200, 204, 304, 418, 500, 599] {
            assert_eq!(from_upstream(StatusCode::from_u16(status).unwrap(), &mut HeaderMap::new()), Ok(()));
        }
    }

    #[test]
    fn a_response_without_agreed_length_is_misbehaviour() {
        for fields in [
            &[("content-length", "1"), ("transfer-encoding", "chunked")][..],
            &[("content-length", "1"), ("content-length", "2")],
            &[("content-length", "1, 1")],
            &[("transfer-encoding", "gzip, chunked")],
            &[("connection", "a b")],
        ] {
            let refusal = from_upstream(StatusCode::OK, &mut headers(fields)).unwrap_err();
            assert_eq!(refusal.code, Code::UpstreamMisbehaved, "{fields:?}");
        }
        let mut chunked = headers(&[("transfer-encoding", "chunked")]);
        assert_eq!(from_upstream(StatusCode::OK, &mut chunked), Ok(()));
        assert!(chunked.is_empty());
    }
}
