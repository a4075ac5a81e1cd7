use super::*;
use http::{HeaderName, HeaderValue};

const HOST: (&str, &str) = ("host", "gw.example");

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
    }
    headers
}

fn read(method: &str, uri: &str, fields: &[(&str, &str)]) -> Result<RequestHead, Code> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    RequestHead::read(&method, &uri.parse().unwrap(), Version::HTTP_11, &headers(fields)).map_err(|r| r.code)
}

fn code(method: &str, uri: &str, fields: &[(&str, &str)]) -> Option<Code> {
    read(method, uri, fields).err()
}

fn with(name: &str, value: &str) -> Option<Code> {
    code("GET", "/c/react/a", &[HOST, (name, value)])
}

#[test]
fn a_well_formed_head_is_read_as_a_whole() {
    let fields = [
        HOST,
        ("content-type", "Application/JSON; charset=utf-8"),
        ("content-length", "2"),
        ("connection", "TE, close"),
        ("prefer", "wait=9"),
    ];
    assert_eq!(
        read("POST", "/c/react/%6frders?x=%3d", &fields),
        Ok(RequestHead {
            connection: ResourceName::parse("react").unwrap(),
            method: Method::POST,
            action: "http:POST",
            target: Target::canonical("/orders?x=%3D").unwrap(),
            content_type: Some("application/json".into()),
            framing: Framing::Length(2),
            patience: Patience { wait: Some(std::time::Duration::from_secs(9)), ..Patience::default() },
        })
    );
}

#[test]
fn a_request_for_no_connection_is_misdirected() {
    for uri in ["/", "/orders", "/c/react", "/.hoop/healthz", "/c/REACT/"] {
        assert_eq!(code("GET", uri, &[HOST]), Some(Code::ConnectionUnknown), "{uri}");
    }
}

#[test]
fn a_target_without_canonical_form_is_refused() {
    for uri in ["/c/react/../other/a", "/c/react//a", "/c/react/%2e%2e/", "/c/react/a;b", "/c/react/a?_method=PUT"] {
        assert_eq!(code("GET", uri, &[HOST]), Some(Code::MalformedTarget), "{uri}");
    }
}

#[test]
fn ht_01_ht_02_ambiguous_framing_is_refused() {
    assert_eq!(
        code("POST", "/c/react/", &[HOST, ("content-length", "6"), ("transfer-encoding", "chunked")]),
        Some(Code::MalformedHeader)
    );
    assert_eq!(with("transfer-encoding", "chunked, identity"), Some(Code::MalformedHeader));
    assert_eq!(with("Content_Length", "0"), Some(Code::MalformedHeader));
    assert_eq!(with("Transfer_Encoding", "chunked"), Some(Code::MalformedHeader));
}

#[test]
fn ht_07_a_body_is_framed_whatever_the_method() {
    for method in ["GET", "DELETE", "OPTIONS"] {
        let head = read(method, "/c/react/", &[HOST, ("content-length", "6")]).unwrap();
        assert_eq!(head.framing(), Framing::Length(6));
        let head = read(method, "/c/react/", &[HOST, ("transfer-encoding", "chunked")]).unwrap();
        assert_eq!(head.framing(), Framing::Chunked);
    }
}

#[test]
fn ht_10_a_head_names_one_host() {
    let host = |fields: &[(&str, &str)]| code("GET", "/c/react/", fields);
    assert_eq!(host(&[]), Some(Code::MalformedHeader));
    assert_eq!(host(&[HOST, HOST]), Some(Code::MalformedHeader));
    for good in ["a", "A.example:8443", "127.0.0.1", "[::1]:80"] {
        assert_eq!(host(&[("host", good)]), None, "{good}");
    }
    for bad in ["", "a@b", "a.", "a..b", "a b", "a,b", "a/b", "a:", "a:0", "a:99999", "a:+1", "[::1", "a#", "http://a"]
    {
        assert_eq!(host(&[("host", bad)]), Some(Code::MalformedHeader), "{bad:?}");
    }
    for (uri, host, expected) in [
        ("http://gw.example/c/react/", "gw.example", None),
        ("http://GW.example:80/c/react/", "gw.example", None),
        ("http://internal/c/react/", "gw.example", Some(Code::MalformedHeader)),
        ("http://gw.example:81/c/react/", "gw.example", Some(Code::MalformedHeader)),
        ("http://u@gw.example/c/react/", "gw.example", Some(Code::MalformedHeader)),
        ("ftp://gw.example/c/react/", "gw.example", Some(Code::MalformedHeader)),
        ("gw.example:443", "gw.example", Some(Code::MalformedRequest)),
        ("*", "gw.example", Some(Code::ConnectionUnknown)),
    ] {
        assert_eq!(code("OPTIONS", uri, &[("host", host)]), expected, "{uri}");
    }
}

#[test]
fn ht_11_only_harmless_names_may_be_nominated() {
    for good in ["close", "Keep-Alive", "keep-alive, TE", "trailer", "", "close,,"] {
        assert_eq!(with("connection", good), None, "{good}");
    }
    for bad in ["Authorization", "X-Gw-Identity", "Content-Length", "close, hoop-session", "close te", "\"close\""] {
        assert_eq!(with("connection", bad), Some(Code::MalformedHeader), "{bad}");
    }
    let twice = [HOST, ("connection", "close"), ("connection", "cookie")];
    assert_eq!(code("GET", "/c/react/", &twice), Some(Code::MalformedHeader));
}

#[test]
fn ht_13_connect_is_refused_in_every_form() {
    for uri in ["169.254.169.254:80", "/c/react/", "http://gw.example/c/react/"] {
        assert_eq!(code("CONNECT", uri, &[HOST]), Some(Code::MethodNotSupported), "{uri}");
    }
}

#[test]
fn ht_14_an_upgrade_is_refused() {
    for value in ["h2c", "websocket", "", "TLS/1.3"] {
        assert_eq!(with("upgrade", value), Some(Code::UpgradeNotSupported), "{value}");
    }
    assert_eq!(with("connection", "keep-alive, Upgrade"), Some(Code::UpgradeNotSupported));
}

#[test]
fn ht_19_the_method_is_the_one_that_was_judged() {
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(code(method, "/c/react/", &[HOST]), None, "{method}");
    }
    for method in ["GeT", "get", "FOO", "PRI", "PROPFIND", "QUERY", "GETT", "M-SEARCH"] {
        assert_eq!(code(method, "/c/react/", &[HOST]), Some(Code::MethodNotSupported), "{method}");
    }
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X_HTTP_Method_Override",
        "X-Original-URL",
        "X-Rewrite-URL",
    ] {
        assert_eq!(with(name, "DELETE"), Some(Code::MalformedHeader), "{name}");
    }
}

#[test]
fn ht_20_a_content_type_is_one_media_type() {
    for (value, expected) in [("text/plain", "text/plain"), ("A/B;c", "a/b"), ("a/b ; q=\"x/y\"", "a/b")] {
        let head = read("POST", "/c/react/", &[HOST, ("content-type", value)]).unwrap();
        assert_eq!(head.content_type.as_deref(), Some(expected));
    }
    for bad in ["", "json", "a/", "/b", "a/b/c", "a /b", "a/b, c/d", "a/b;x=1, c/d", ";a/b", "a/é"] {
        assert_eq!(with("content-type", bad), Some(Code::MalformedHeader), "{bad:?}");
    }
    let twice = [HOST, ("content-type", "a/b"), ("content-type", "a/b")];
    assert_eq!(code("POST", "/c/react/", &twice), Some(Code::MalformedHeader));
    assert_eq!(with("Content_Type", "a/b"), Some(Code::MalformedHeader));
}

#[test]
fn ht_22_odd_versions_and_trace_are_refused() {
    for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_2, Version::HTTP_3] {
        let uri = "/c/react/".parse().unwrap();
        let refusal = RequestHead::read(&Method::GET, &uri, version, &headers(&[HOST])).unwrap_err();
        assert_eq!(refusal.code, Code::MalformedRequest, "{version:?}");
    }
    assert_eq!(code("TRACE", "/c/react/", &[HOST]), Some(Code::MethodNotSupported));
    assert_eq!(code("OPTIONS", "*", &[HOST]), Some(Code::ConnectionUnknown));
}

#[test]
fn an_expectation_is_100_continue_or_refused() {
    assert_eq!(with("expect", "100-Continue"), None);
    for bad in ["", "200-ok", "100-continue, x", "100-continue;q=1"] {
        assert_eq!(with("expect", bad), Some(Code::MalformedHeader), "{bad}");
    }
    let twice = [HOST, ("expect", "100-continue"), ("expect", "100-continue")];
    assert_eq!(code("PUT", "/c/react/", &twice), Some(Code::MalformedHeader));
}
