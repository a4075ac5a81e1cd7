//! Header fields by name: which go on, which are ours, and which would undo what was judged.

use http::{HeaderMap, HeaderName, HeaderValue};

/// What a field of a request is to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Goes on as it is.
    EndToEnd,
    /// Goes on, and what it says is looked at: it has one spelling.
    Judged,
    /// Between two hops, or said by the gateway and nobody else: never goes on.
    Ours,
    /// Makes a backend run another command than the one that was judged: refused.
    Overrides,
}

/// Returns a request field's role.
///
/// CGI and its heirs (RFC 3875 §4.1.18) read `_` in a name as `-`, some of them anything that is not a letter or a digit.
/// So a second spelling of a name that matters here is an override: `X_Forwarded_For` and `X.Forwarded.For` would arrive
/// as the `X-Forwarded-For` that was removed.
pub(crate) fn role(name: &HeaderName) -> Role {
    let name = name.as_str();
    let is_plain = |b: u8| b == b'-' || b.is_ascii_alphanumeric();
    if name.bytes().all(is_plain) {
        return role_of(name);
    }
    match role_of(&name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")) {
        Role::EndToEnd => Role::EndToEnd,
        Role::Judged | Role::Ours | Role::Overrides => Role::Overrides,
    }
}

fn role_of(name: &str) -> Role {
    const OVERRIDES: [&str; 4] = ["x-http-method", "x-method-override", "x-original-", "x-rewrite-"];
    const OURS: [&str; 3] = ["hoop-", "x-gw-", "x-forwarded-"];
    let starts_with = |prefix: &&str| name.starts_with(prefix);
    match name {
        "content-type" | "if-match" | "if-none-match" | "if-range" => Role::Judged,
        "host" | "content-length" | "expect" | "authorization" | "forwarded" | "x-real-ip" => Role::Ours,
        _ if is_hop_by_hop(name) || OURS.iter().any(starts_with) => Role::Ours,
        _ if OVERRIDES.iter().any(starts_with) => Role::Overrides,
        _ => Role::EndToEnd,
    }
}

/// Returns whether a field of a response is not the backend's to say: hop-by-hop, the gateway's own marks, or
/// `Alt-Svc`, which would lead the caller around the gateway.
pub(crate) fn is_stripped_from_response(name: &HeaderName) -> bool {
    let name = name.as_str();
    is_hop_by_hop(name) || name == "alt-svc" || name.starts_with("hoop-") || name.starts_with("x-gw-")
}

/// RFC 9110 §7.6.1, and `HTTP2-Settings` (RFC 7540 §3.2.1).
fn is_hop_by_hop(name: &str) -> bool {
    matches!(name, "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade" | "http2-settings")
        || name.starts_with("proxy-")
}

/// Says that a field that may occur once occurs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doubled;

/// Returns the only value of a field.
pub(crate) fn at_most_one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Doubled> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(Doubled),
    }
}

/// Returns the elements of a comma-separated field, over all its lines; empty ones carry no meaning (RFC 9110 §5.6.1).
pub(crate) fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter();
    lines.flat_map(|line| line.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii)).filter(|e| !e.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_spelling_of_a_name_that_matters_is_an_override() {
        for (name, expected) in [
            ("accept", Role::EndToEnd),
            ("x_api_version", Role::EndToEnd),
            ("cookie", Role::EndToEnd),
            ("via", Role::EndToEnd),
            ("content-type", Role::Judged),
            ("if-match", Role::Judged),
            ("if_match", Role::Overrides),
            ("if.none-match", Role::Overrides),
            ("content_type", Role::Overrides),
            ("authorization", Role::Ours),
            ("proxy-authorization", Role::Ours),
            ("proxy-connection", Role::Ours),
            ("transfer-encoding", Role::Ours),
            ("transfer_encoding", Role::Overrides),
            ("content_length", Role::Overrides),
            ("x-forwarded-host", Role::Ours),
            ("x-forwarded_host", Role::Overrides),
            ("hoop-identity", Role::Ours),
            ("hoop_identity", Role::Overrides),
            ("x-gw-identity", Role::Ours),
            ("x-http-method", Role::Overrides),
            ("x-http-method-override", Role::Overrides),
            ("x_http_method_override", Role::Overrides),
            ("x.http.method.override", Role::Overrides),
            ("x.forwarded.for", Role::Overrides),
            ("x.api.version", Role::EndToEnd),
            ("x-method-override", Role::Overrides),
            ("x-original-url", Role::Overrides),
            ("x-rewrite-url", Role::Overrides),
        ] {
            assert_eq!(role(&HeaderName::from_static(name)), expected, "{name}");
        }
    }
}
