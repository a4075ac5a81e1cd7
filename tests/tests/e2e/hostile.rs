//! Backends that answer with what two readers would read differently, or with more than they say: the caller sees no
//! classified value, and nobody is given what was left over.

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use hoop_tests::canary::Canary;
use hoop_tests::client::{answers, raw};
use hoop_tests::stage::Stage;
use std::io::{Read, Write};

const EMAIL: &str = "ada.canary@mail.example";

/// A whole answer: a head without its framing, and a body.
fn whole(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn json(body: impl AsRef<[u8]>) -> Vec<u8> {
    whole("200 OK\r\nContent-Type: application/json", body.as_ref())
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// As many bytes as can be read of it.
fn gunzip(body: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    drop(MultiGzDecoder::new(body).read_to_end(&mut plain));
    plain
}

/// What is sent to a `GET`, where something turns out to be wrong once the answer has begun: nothing whole.
const CUT: u16 = 0;

/// What the caller's `GET` comes to, what it is, and the backend's bytes.
fn cases() -> Vec<(u16, &'static str, Vec<u8>)> {
    let object = format!("{{\"m\":\"{EMAIL}\"}}");
    let (body, gz) = (object.as_bytes(), gzip(object.as_bytes()));
    let smuggled = json(body);
    let ok = "200 OK\r\nContent-Type: application/json";
    let coded = |coding: &str, body: &[u8]| whole(&format!("{ok}\r\nContent-Encoding: {coding}"), body);
    let chunked = |fields: &str, body: &str| {
        format!("HTTP/1.1 {ok}\r\n{fields}Transfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
    };
    vec![
        (200, "more than it says", [json("{}"), smuggled.clone()].concat()),
        (200, "more than it says, plain", [json("{}"), body.to_vec()].concat()),
        (204, "204 with a body", whole("204 No Content\r\nContent-Type: application/json", body)),
        (304, "304 with a body", whole("304 Not Modified\r\nContent-Type: application/json", body)),
        (205, "205 with a body", whole("205 Reset Content\r\nContent-Type: application/json", body)),
        (
            200,
            "an early hint",
            [format!("HTTP/1.1 103 Early Hints\r\nLink: <{EMAIL}>\r\n\r\n").into_bytes(), smuggled.clone()].concat(),
        ),
        (
            502,
            "an upgrade",
            [b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n".to_vec(), body.to_vec()]
                .concat(),
        ),
        (200, "a reason", whole(&format!("200 {EMAIL}\r\nContent-Type: application/json"), b"{}")),
        (502, "a folded field", whole(&format!("{ok}\r\nX-Note: a\r\n {EMAIL}"), b"{}")),
        (200, "a field's name", whole(&format!("{ok}\r\n{}: 1", EMAIL.replace('@', "-at-")), body)),
        (200, "trailers", chunked("Trailer: X-Note\r\n", &format!("2\r\n{{}}\r\n0\r\nX-Note: {EMAIL}\r\n\r\n"))),
        (200, "an extension of a chunk", chunked("", &format!("2;note=\"{EMAIL}\"\r\n{{}}\r\n0\r\n\r\n"))),
        (
            502,
            "both framings",
            chunked("Content-Length: 2\r\n", &format!("{:x}\r\n{object}\r\n0\r\n\r\n", object.len())),
        ),
        (
            502,
            "two lengths",
            format!("HTTP/1.1 {ok}\r\nContent-Length: 2\r\nContent-Length: 99\r\n\r\n{{}}{object}").into_bytes(),
        ),
        (
            502,
            "chunked twice",
            format!("HTTP/1.1 {ok}\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n{object}")
                .into_bytes(),
        ),
        (
            502,
            "gzip as a transfer coding",
            format!(
                "HTTP/1.1 {ok}\r\nTransfer-Encoding: gzip, chunked\r\n\r\n{:x}\r\n{object}\r\n0\r\n\r\n",
                object.len()
            )
            .into_bytes(),
        ),
        (200, "gzip", coded("gzip", &gz)),
        (200, "GZIP", coded("GZIP", &gz)),
        (200, "x-gzip", coded("x-gzip", &gz)),
        (502, "gzip, identity", coded("gzip, identity", &gz)),
        (502, "identity, gzip", coded("identity, gzip", &gz)),
        (
            502,
            "gzip in two fields",
            whole(&format!("{ok}\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip"), &gzip(&gz)),
        ),
        (200, "an empty coding", coded("", body)),
        (CUT, "gzip that is none", coded("gzip", body)),
        (CUT, "gzip cut off", coded("gzip", &gz[..gz.len() - 9])),
        (200, "gzip of two members", coded("gzip", &[gzip(b"{\"a\":1}\n"), gz.clone()].concat())),
        (CUT, "gzip with more behind it", coded("gzip", &[&gzip(b"{}"), body].concat())),
        (CUT, "gzip with a broken sum", coded("gzip", &[&gz[..gz.len() - 8], &[0; 8]].concat())),
        (CUT, "gzip without saying so", json(&gz)),
        (
            CUT,
            "gzip of 64 MiB in 64 KiB",
            coded("gzip", &gzip(&[b"\"".as_slice(), &vec![b'a'; 64 << 20], b"\""].concat())),
        ),
        (200, "a member twice", json(format!("{{\"m\":1,\"m\":\"{EMAIL}\"}}"))),
        (200, "a byte order mark", json([b"\xef\xbb\xbf", body].concat())),
        (CUT, "UTF-16", json(object.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>())),
        (
            CUT,
            "bytes that are no UTF-8",
            json([b"{\"a\":\"\xff\xfe\",\"m\":\"".as_slice(), EMAIL.as_bytes(), b"\"}"].concat()),
        ),
        (200, "a lone surrogate", json(format!("{{\"a\":\"\\ud800\",\"m\":\"{EMAIL}\"}}"))),
        (CUT, "nested deeply", json(format!("{}\"{EMAIL}\"{}", "[".repeat(100_000), "]".repeat(100_000)))),
        (CUT, "a long number", json(format!("{{\"n\":{},\"m\":\"{EMAIL}\"}}", "9".repeat(200_000)))),
        (200, "a number without end", json(format!("{{\"n\":1e999999999,\"m\":\"{EMAIL}\"}}"))),
        (200, "a guard before it", json(format!(")]}}',\n{object}"))),
        (200, "a record separator", json(format!("\x1e{object}\n"))),
        (CUT, "a zero byte", json(format!("{{\"a\":1}}\0{object}"))),
        (CUT, "a comment", json(format!("/* {EMAIL} */ {{}}"))),
        (
            200,
            "a text that is JSON four times over",
            json((0..4).fold(object.clone(), |text, _| serde_json::to_string(&text).unwrap())),
        ),
        (
            502,
            "a charset in quotes",
            whole(
                "200 OK\r\nContent-Type: text/plain; charset=\"utf-16\"",
                &object.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
            ),
        ),
        (502, "two charsets", whole("200 OK\r\nContent-Type: text/plain; charset=utf-8; charset=utf-16", body)),
        (502, "two types in one field", whole("200 OK\r\nContent-Type: application/json, image/png", body)),
        (502, "an empty type", whole("200 OK\r\nContent-Type:", body)),
        (
            302,
            "a place elsewhere",
            whole(&format!("302 Found\r\nLocation: /u/{EMAIL}?m=ada.canary%40mail.example"), b""),
        ),
    ]
}

#[test]
fn hm_05_ht_08_a_hostile_answer_shows_nothing_and_leaves_nothing_behind() {
    let stage = Stage::set();
    let canary = Canary::new(EMAIL);
    let token = stage.issuer.token();
    for (expected, name, answer) in cases() {
        stage.backend.says("/hostile", &[&answer]);
        for method in ["GET", "HEAD"] {
            let fields =
                format!("Host: a\r\nAuthorization: Bearer {token}\r\nAccept-Encoding: gzip\r\nConnection: close");
            let request = format!("{method} /c/orders/hostile HTTP/1.1\r\n{fields}\r\n\r\n");
            let back = raw(stage.cluster.gateway(), request.as_bytes());
            canary.must_not_be_in(name, &back);
            if method == "GET" {
                let (whole, _) = answers(&back);
                whole.iter().for_each(|answer| canary.must_not_be_in(name, &gunzip(&answer.body)));
                assert_eq!(whole.first().map_or(CUT, |answer| answer.status), expected, "{name}");
            }
            for number in 0..2 {
                let next = stage.send("GET", &format!("/c/orders/next/{number}"));
                let target = format!("/next/{number}");
                assert_eq!((next.status, next.json()["target"].as_str()), (200, Some(&*target)), "after {name}");
            }
        }
    }
}
