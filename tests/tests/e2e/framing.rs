//! Bytes that two readers would read differently: never more than the judged request reaches the backend.

use hoop_tests::client::{answers, raw};
use hoop_tests::stage::Stage;

/// Where a smuggled request would go; POST is allowed there, so only its framing keeps it out.
const SMUGGLED: &str = "/c/orders/smuggled";

/// What is sent, and what may come of it.
struct Case {
    /// The adversarial case, and what it is.
    name: &'static str,
    /// The bytes, with `TOKEN` for the caller's token.
    bytes: String,
    /// The statuses that come back, at most.
    statuses: &'static [u16],
    /// The requests that may reach the backend.
    reach: &'static [&'static str],
}

fn refused(name: &'static str, bytes: impl Into<String>) -> Case {
    Case { name, bytes: bytes.into(), statuses: &[400], reach: &[] }
}

fn smuggled() -> String {
    format!("POST {SMUGGLED} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKEN\r\nContent-Length: 0\r\n\r\n")
}

/// A POST with these framing fields and this body.
fn post(fields: &str, body: &str) -> String {
    format!("POST /c/orders/judged HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKEN\r\n{fields}\r\n{body}")
}

/// Sends cases one by one and demands what each allows.
fn check(cases: Vec<Case>) {
    let stage = Stage::set();
    let token = stage.issuer.token();
    for case in cases {
        let back = raw(stage.cluster.gateway(), case.bytes.replace("TOKEN", &token).as_bytes());
        let (answers, rest) = answers(&back);
        assert!(rest.is_empty(), "{}: {:?}", case.name, String::from_utf8_lossy(&rest));
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert!(case.statuses.starts_with(&statuses), "{}: {statuses:?}", case.name);
        // A request that comes through afterwards shows that nothing else is on its way.
        assert_eq!(stage.send("GET", "/c/orders/fence").status, 200, "{}", case.name);
        let mut lines = stage.backend.lines();
        assert_eq!(lines.pop().as_deref(), Some("GET /fence"), "{}", case.name);
        assert!(lines.iter().all(|line| case.reach.contains(&line.as_str())), "{}: {lines:?}", case.name);
        let bytes = stage.backend.connections().concat();
        let smuggled = b"POST /smuggled";
        assert!(!bytes.windows(smuggled.len()).any(|window| window == smuggled), "{}", case.name);
        stage.backend.forget();
    }
}

#[test]
fn ht_01_two_lengths_are_none() {
    let smuggled = smuggled();
    let chunked = "Transfer-Encoding: chunked\r\n";
    check(vec![
        refused("HT-01 CL.TE", post(&format!("Content-Length: 5\r\n{chunked}"), &format!("0\r\n\r\n{smuggled}"))),
        refused("HT-01 TE.CL", post(&format!("{chunked}Content-Length: 5\r\n"), &format!("0\r\n\r\n{smuggled}"))),
        refused("HT-01 CL.TE, mixed case", post("content-LENGTH: 5\r\ntransfer-ENCODING: chunked\r\n", "0\r\n\r\n")),
        refused("HT-01 CL twice", post("Content-Length: 0\r\nContent-Length: 5\r\n", &smuggled)),
        refused("HT-01 CL twice, equal", post("Content-Length: 0\r\nContent-Length: 0\r\n", &smuggled)),
        refused("HT-01 CL list", post("Content-Length: 0, 0\r\n", &smuggled)),
        refused("HT-01 CL signed", post("Content-Length: +0\r\n", &smuggled)),
        refused("HT-01 CL negative", post("Content-Length: -1\r\n", &smuggled)),
        refused("HT-01 CL hexadecimal", post("Content-Length: 0x0\r\n", &smuggled)),
        refused("HT-17 CL beyond any", post("Content-Length: 99999999999999999999\r\n", &smuggled)),
        refused("HT-01 CL before a space", post("Content-Length : 0\r\n", &smuggled)),
    ]);
}

#[test]
fn ht_02_a_coding_is_exactly_chunked() {
    let body = format!("0\r\n\r\n{}", smuggled());
    let codings = [
        ("HT-02 xchunked", "Transfer-Encoding: xchunked\r\n"),
        ("HT-02 a space before the colon", "Transfer-Encoding : chunked\r\n"),
        ("HT-02 a vertical tab", "Transfer-Encoding: \x0bchunked\r\n"),
        ("HT-02 chunked, identity", "Transfer-Encoding: chunked, identity\r\n"),
        ("HT-02 identity, chunked", "Transfer-Encoding: identity, chunked\r\n"),
        ("HT-02 gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n"),
        ("HT-02 twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("HT-02 twice, one identity", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
        ("HT-02 folded", "Transfer-Encoding:\r\n chunked\r\n"),
        ("HT-02 quoted", "Transfer-Encoding: \"chunked\"\r\n"),
        ("HT-02 upper case", "Transfer-Encoding: CHUNKED\r\n"),
    ];
    check(codings.into_iter().map(|(name, fields)| refused(name, post(fields, &body))).collect());
}

#[test]
fn ht_04_a_chunk_has_one_length() {
    let smuggled = smuggled();
    // The head is in order, so it may be forwarded before its body turns out not to be.
    let odd = |name, body: String| Case {
        name,
        bytes: post("Transfer-Encoding: chunked\r\n", &body),
        statuses: &[400],
        reach: &["POST /judged"],
    };
    let extension = "x".repeat(1 << 20);
    check(vec![
        odd("HT-04 bare line feed", format!("5;a\nabcde\r\n0\r\n\r\n{smuggled}")),
        odd("HT-04 hexadecimal prefix", format!("0x5\r\nabcde\r\n0\r\n\r\n{smuggled}")),
        odd("HT-04 negative", format!("-1\r\nabcde\r\n0\r\n\r\n{smuggled}")),
        odd("HT-04 too large", format!("FFFFFFFFFFFFFFFF0\r\nabcde\r\n0\r\n\r\n{smuggled}")),
        odd("HT-04 wraps", format!("10000000000000005\r\nabcde\r\n0\r\n\r\n{smuggled}")),
        odd("HT-04 spaces", format!("5 \r\nabcde\r\n0\r\n\r\n{smuggled}")),
        odd("HT-04 an extension of 1 MiB", format!("5;{extension}\r\nabcde\r\n0\r\n\r\n{smuggled}")),
        odd("HT-04 more than it says", format!("5\r\nabcdefg\r\n0\r\n\r\n{smuggled}")),
        odd("HT-04 no end", "5\r\nabc".to_owned()),
    ]);
}

#[test]
fn ht_04_what_follows_a_body_does_not_go_on() {
    let stage = Stage::set();
    let body = "5\r\nabcde\r\n0\r\nContent-Length: 7\r\nAuthorization: Bearer x\r\n\r\n";
    let request = post("Transfer-Encoding: chunked\r\n", body).replace("TOKEN", &stage.issuer.token());
    let (answers, _) = answers(&raw(stage.cluster.gateway(), request.as_bytes()));
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200]);
    let seen = stage.backend.seen().remove(0);
    assert_eq!((seen.line().as_str(), seen.body.as_slice()), ("POST /judged", b"abcde".as_slice()));
    let bytes = String::from_utf8_lossy(&stage.backend.connections().concat()).to_ascii_lowercase();
    assert!(!bytes.contains("authorization") && !bytes.contains("content-length: 7"), "a trailer went on: {bytes}");
}

#[test]
fn ht_07_every_request_of_a_connection_is_judged_by_itself() {
    let get = |method: &str, target: &str, body: &str| {
        let length = body.len();
        format!(
            "{method} {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKEN\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    // It needs no token to be seen: it must not even be a request.
    let smuggled = smuggled().replace("TOKEN", "x");
    let bodies = ["GET", "OPTIONS"].map(|method| get(method, "/c/orders/judged", &smuggled)).concat();
    check(vec![
        Case {
            name: "HT-07 a body where none is expected is a body",
            bytes: bodies,
            statuses: &[200, 200],
            reach: &["GET /judged", "OPTIONS /judged"],
        },
        Case {
            name: "HT-07 a forbidden request behind an allowed one",
            bytes: get("GET", "/c/orders/judged", "")
                + &get("DELETE", "/c/orders/judged", "")
                + &get("GET", "/c/orders/judged", ""),
            statuses: &[200, 403, 200],
            reach: &["GET /judged"],
        },
        Case {
            name: "HT-07 a request without a token behind one with",
            bytes: get("GET", "/c/orders/judged", "") + "GET /c/orders/other HTTP/1.1\r\nHost: a\r\n\r\n",
            statuses: &[200, 401],
            reach: &["GET /judged"],
        },
    ]);
}

#[test]
fn ht_10_a_request_names_one_host() {
    let get = |line: &str, fields: &str| format!("{line} HTTP/1.1\r\n{fields}Authorization: Bearer TOKEN\r\n\r\n");
    let path = "GET /c/orders/judged";
    check(vec![
        refused("HT-10 no Host", get(path, "")),
        refused("HT-10 two Hosts", get(path, "Host: a\r\nHost: b\r\n")),
        refused("HT-10 two Hosts, equal", get(path, "Host: a\r\nHost: a\r\n")),
        refused("HT-10 user information", get(path, "Host: a@b\r\n")),
        refused("HT-10 empty", get(path, "Host: \r\n")),
        refused("HT-10 two in one", get(path, "Host: a, b\r\n")),
        refused("HT-10 another host in the target", get("GET http://internal/c/orders/judged", "Host: a\r\n")),
        refused("HT-10 user information in the target", get("GET http://x@a/c/orders/judged", "Host: a\r\n")),
        refused("HT-10 another scheme", get("GET ftp://a/c/orders/judged", "Host: a\r\n")),
        Case {
            name: "HT-10 the same host in the target",
            bytes: get("GET http://a/c/orders/judged", "Host: a\r\n"),
            statuses: &[200],
            reach: &["GET /judged"],
        },
    ]);
}

#[test]
fn ht_13_ht_14_there_is_no_tunnel() {
    let with = |line: &str, fields: &str| {
        format!("{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKEN\r\n{fields}\r\n{}", smuggled())
    };
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let websocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    check(vec![
        refused("HT-13 CONNECT to an address", with("CONNECT 169.254.169.254:80", "")),
        refused("HT-13 CONNECT to a path", with("CONNECT /c/orders/judged", "")),
        refused("HT-14 h2c", with("GET /c/orders/judged", h2c)),
        refused("HT-14 websocket", with("GET /c/orders/judged", websocket)),
        refused("HT-14 upgrade without asking", with("GET /c/orders/judged", "Upgrade: h2c\r\n")),
        refused("HT-22 TRACE", with("TRACE /c/orders/judged", "")),
    ]);
}

#[test]
fn ht_14_the_preface_of_http_2_is_not_a_request() {
    let stage = Stage::set();
    let back = raw(stage.cluster.gateway(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    let (answers, _) = answers(&back);
    assert!(answers.iter().all(|answer| answer.status == 400), "{answers:?}");
    stage.nothing_reached_the_backend();
}

#[test]
fn ht_22_only_http_1_1_is_spoken() {
    let fields = "Host: a\r\nAuthorization: Bearer TOKEN\r\n";
    check(vec![
        refused("HT-22 HTTP/1.0", format!("GET /c/orders/judged HTTP/1.0\r\n{fields}\r\n{}", smuggled())),
        refused(
            "HT-22 HTTP/1.0 keep-alive",
            format!("GET /c/orders/judged HTTP/1.0\r\n{fields}Connection: keep-alive\r\n\r\n{}", smuggled()),
        ),
        refused("HT-22 HTTP/0.9", "GET /c/orders/judged\r\n\r\n"),
        refused("HT-22 HTTP/1.2", format!("GET /c/orders/judged HTTP/1.2\r\n{fields}\r\n")),
        refused("HT-22 bare line feeds", format!("GET /c/orders/judged HTTP/1.1\n{}\n", fields.replace("\r\n", "\n"))),
        refused("HT-22 a bare line feed", format!("GET /c/orders/judged HTTP/1.1\r\nX: y\n{fields}\r\n")),
        refused("HT-22 a folded field", format!("GET /c/orders/judged HTTP/1.1\r\nX: y\r\n z\r\n{fields}\r\n")),
        refused("HT-22 a zero byte", format!("GET /c/orders/judged HTTP/1.1\r\nX: \0\r\n{fields}\r\n")),
        refused("HT-22 a space in the target", format!("GET /c/orders/a b HTTP/1.1\r\n{fields}\r\n")),
        Case {
            name: "HT-22 empty lines before",
            bytes: "\r\n".repeat(1000) + &format!("GET /c/orders/judged HTTP/1.1\r\n{fields}\r\n"),
            statuses: &[200],
            reach: &["GET /judged"],
        },
    ]);
}
