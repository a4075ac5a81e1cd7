use super::{BodyMasker, Masked, Uninspectable, conditions, request, response};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use hoop_model::Code;
use hoop_model::spec::{ClassName, DataClass};
use hoop_policy::mask::{MaskKey, MaskPlan, Uninspectable as Body};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

const VALUE: &str = "123-45-0001";
const MASK: &str = "[masked:pii.ssn]";
const CREDENTIAL: &str = "CANARY-API-77aa";
const JSON: (&str, &str) = ("content-type", "application/json");

/// The built-in classes, fields named `ssn`, and one injected credential.
fn plan() -> Arc<MaskPlan> {
    let ssn = r#"{"class":"pii.ssn","recognise":{"fields":["ssn"]},"transform":"redact"}"#;
    let ssn: DataClass = serde_json::from_str(ssn).unwrap();
    Arc::new(MaskPlan::compile(None, [&ssn], &[CREDENTIAL.as_bytes()], MaskKey::new(&[7; 32])).unwrap())
}

fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn begin(status: u16, of: &[(&'static str, &str)]) -> Result<Masked, Uninspectable> {
    response(&plan(), &Method::GET, StatusCode::from_u16(status).unwrap(), &mut fields(of))
}

fn run<'c>(body: Option<BodyMasker>, chunks: impl IntoIterator<Item = &'c [u8]>) -> Result<Vec<u8>, Uninspectable> {
    let mut body = body.expect("a body");
    let mut out = Vec::new();
    for chunk in chunks {
        body.feed(chunk, &mut out)?;
    }
    body.finish(&mut out)?;
    Ok(out)
}

fn gzipped(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn unzipped(gzip: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    MultiGzDecoder::new(gzip).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn hm_01_hm_02_a_body_split_at_every_byte_is_masked_whatever_its_coding() {
    let plain = format!(r#"{{"ssn":"{VALUE}","mail":"ada@example.com"}}"#);
    let expected = format!(r#"{{"ssn":"{MASK}","mail":"[masked:pii.email]"}}"#);
    let length = plain.len().to_string();
    let bytes = plain.as_bytes();
    for at in 0..=bytes.len() {
        let masked = begin(200, &[JSON, ("content-length", &length)]).unwrap();
        let out = run(masked.body, [&bytes[..at], &bytes[at..]]).unwrap();
        assert_eq!(out, expected.as_bytes(), "split at {at}");
    }
    let coded = gzipped(bytes);
    for at in 0..=coded.len() {
        let masked = begin(200, &[JSON, ("content-encoding", "gzip")]).unwrap();
        let out = run(masked.body, [&coded[..at], &coded[at..]]).unwrap();
        assert_eq!(unzipped(&out), expected.as_bytes(), "split at {at}");
    }
    let masked = begin(200, &[JSON, ("content-encoding", "x-gzip")]).unwrap();
    assert_eq!(unzipped(&run(masked.body, coded.chunks(1)).unwrap()), expected.as_bytes());
}

#[test]
fn hm_05_json_that_is_none_ends_with_an_error() {
    for (bad, error) in
        [(r#"{"a":1} trailing"#, Body::Malformed), (r#"{"a":"#, Body::Truncated), ("<html>", Body::Malformed)]
    {
        assert_eq!(run(begin(200, &[JSON]).unwrap().body, [bad.as_bytes()]), Err(Uninspectable::Body(error)));
        let coded = gzipped(bad.as_bytes());
        let masked = begin(200, &[JSON, ("content-encoding", "gzip")]).unwrap();
        assert_eq!(run(masked.body, coded.chunks(3)), Err(Uninspectable::Body(error)));
    }
    for kind in
        ["application/x-ndjson", "application/json-seq", "application/problem+json", "application/vnd.api+json; v=1"]
    {
        let body = format!("{{\"ssn\":\"{VALUE}\"}}\n{{\"ssn\":1}}\n");
        let out = run(begin(200, &[("content-type", kind)]).unwrap().body, [body.as_bytes()]).unwrap();
        assert_eq!(out, format!("{{\"ssn\":\"{MASK}\"}}\n{{\"ssn\":\"{MASK}\"}}\n").as_bytes(), "{kind}");
    }
}

#[test]
fn hm_07_hm_08_a_body_that_cannot_be_read_is_refused() {
    for (headers, error) in [
        (&[][..], Uninspectable::NoMediaType),
        (&[("content-type", "text/plain"), ("content-type", "text/plain")], Uninspectable::NoMediaType),
        (&[("content-type", "\u{e9}")], Uninspectable::NoMediaType),
        (&[("content-type", "")], Uninspectable::MediaType),
        (&[("content-type", "application/octet-stream")], Uninspectable::MediaType),
        (&[("content-type", "application/xml")], Uninspectable::MediaType),
        (&[("content-type", "text/xml")], Uninspectable::MediaType),
        (&[("content-type", "TEXT/XML;charset=utf-8")], Uninspectable::MediaType),
        (&[("content-type", "image/svg+xml")], Uninspectable::MediaType),
        (&[("content-type", "text/foo+xml")], Uninspectable::MediaType),
        (&[("content-type", "text/event-stream")], Uninspectable::MediaType),
        (&[("content-type", "multipart/mixed; boundary=x")], Uninspectable::MediaType),
        (&[("content-type", "multipart/byteranges; boundary=x")], Uninspectable::MediaType),
        (&[("content-type", "application/grpc")], Uninspectable::MediaType),
        (&[("content-type", "application/cbor")], Uninspectable::MediaType),
        (&[("content-type", "application/pdf")], Uninspectable::MediaType),
        (&[("content-type", "application/x-www-form-urlencoded")], Uninspectable::MediaType),
        (&[("content-type", "application/json, text/html")], Uninspectable::MediaType),
        (&[("content-type", "text/plain; charset=utf-16")], Uninspectable::Charset),
        (&[("content-type", "text/plain; charset=\"utf-7\"")], Uninspectable::Charset),
        (&[("content-type", "text/plain; charset=cp037")], Uninspectable::Charset),
        (&[("content-type", "text/plain; charset=utf-8; charset=utf-16")], Uninspectable::Charset),
        (&[("content-type", "text/plain; charset=utf-8; charset=utf-8")], Uninspectable::Charset),
        (&[("content-type", "text/plain; charset")], Uninspectable::Charset),
        (&[("content-type", "application/json; charset=utf-16")], Uninspectable::Charset),
        (&[("content-type", "application/json; charset=latin1")], Uninspectable::Charset),
        (&[JSON, ("content-encoding", "br")], Uninspectable::Coding),
        (&[JSON, ("content-encoding", "zstd")], Uninspectable::Coding),
        (&[JSON, ("content-encoding", "deflate")], Uninspectable::Coding),
        (&[JSON, ("content-encoding", "gzip, gzip")], Uninspectable::Coding),
        (&[JSON, ("content-encoding", "gzip"), ("content-encoding", "br")], Uninspectable::Coding),
        (&[JSON, ("content-encoding", "aes128gcm")], Uninspectable::Coding),
    ] {
        for status in [200, 404, 500] {
            assert_eq!(begin(status, headers).unwrap_err(), error, "{headers:?}");
        }
    }
    // NUL bytes are UTF-16, whatever the field says.
    let masked = begin(200, &[("content-type", "text/plain")]).unwrap();
    assert_eq!(run(masked.body, [&b"a\0d\0"[..]]), Err(Uninspectable::Body(Body::Encoding)));
}

#[test]
fn texts_are_masked_in_their_encoding() {
    for kind in [
        "text/plain",
        "text/html; charset=UTF-8",
        "Text/CSV ;CHARSET=\"us-ascii\"",
        "application/javascript",
        "text/markdown; variant=GFM",
    ] {
        let out =
            run(begin(200, &[("content-type", kind)]).unwrap().body, [format!("ssn={VALUE}\né").as_bytes()]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("ssn={MASK}\né"), "{kind}");
    }
    let masked = begin(200, &[("content-type", "text/plain; charset=ISO-8859-1")]).unwrap();
    assert_eq!(run(masked.body, [&b"caf\xe9 a@b.co"[..]]).unwrap(), b"caf\xe9 [masked:pii.email]");
}

#[test]
fn hm_10_every_header_field_is_masked() {
    let basic = "dTpDQU5BUlktQVBJLTc3YWE=";
    let mut headers = fields(&[
        JSON,
        ("location", "/people?mail=ada%40example.com&ssn=123-45-0001&a=b"),
        ("set-cookie", "a=ada@example.com; Path=/"),
        ("set-cookie", "b=4111111111111111; Secure"),
        ("link", "</x?ssn=123-45-0001>; rel=next"),
        ("content-disposition", "attachment; filename=\"ada@example.com.csv\""),
        ("x-ssn", "none"),
        ("ssn", VALUE),
        ("x-api-key", "0a1b2c3d4e"),
        ("x-echo", CREDENTIAL),
        ("x-echo", basic),
        ("x-json", r#"{"s\u0073n":1,"n":2}"#),
        ("x-obs", "\u{e9} a@b.co"),
        ("date", "Tue, 24 Nov 2026 18:07:17 GMT"),
        ("x-request-id", "550e8400-e29b-41d4-a716-446655440000"),
        ("www-authenticate", "Bearer realm=\"x\""),
    ]);
    let masked = response(&plan(), &Method::GET, StatusCode::FOUND, &mut headers).unwrap();
    let of = |name: &str| -> Vec<String> {
        headers.get_all(name).iter().map(|v| String::from_utf8(v.as_bytes().to_vec()).unwrap()).collect()
    };
    assert_eq!(of("location"), [format!("/people?mail=[masked:pii.email]&ssn={MASK}&a=b")]);
    assert_eq!(of("set-cookie"), ["a=[masked:pii.email]; Path=/", "b=[masked:pii.payment_card]; Secure"]);
    assert_eq!(of("link"), [format!("</x?ssn={MASK}>; rel=next")]);
    assert_eq!(of("content-disposition"), ["attachment; filename=\"[masked:pii.email]\""]);
    assert_eq!(of("x-ssn"), ["none"]);
    assert_eq!(of("ssn"), [MASK]);
    assert_eq!(of("x-api-key"), ["[masked:secret.api_key]"]);
    // base64 of `u:[masked:secret.injected]`
    assert_eq!(of("x-echo"), ["[masked:secret.injected]", "dTpbbWFza2VkOnNlY3JldC5pbmplY3RlZF0="]);
    assert_eq!(of("x-json"), [format!(r#"{{"s\u0073n":"{MASK}","n":2}}"#)]);
    assert_eq!(of("x-obs"), ["\u{e9} [masked:pii.email]"]);
    for (name, value) in [
        ("content-type", "application/json"),
        ("date", "Tue, 24 Nov 2026 18:07:17 GMT"),
        ("x-request-id", "550e8400-e29b-41d4-a716-446655440000"),
        ("www-authenticate", "Bearer realm=\"x\""),
    ] {
        assert_eq!(of(name), [value]);
    }
    assert_eq!(masked.counts.of(&ClassName::parse("pii.ssn").unwrap()), 4);
    assert_eq!(masked.counts.of(&ClassName::injected()), 2);
}

#[test]
fn a_value_in_a_field_that_cannot_change_refuses_the_response() {
    for (name, value) in [("content-type", "text/plain; x=\"ada@example.com\""), ("date", CREDENTIAL)] {
        let mut headers = fields(&[(name, value)]);
        if name != "content-type" {
            headers.append("content-type", HeaderValue::from_static("text/plain"));
        }
        let refused = response(&plan(), &Method::GET, StatusCode::OK, &mut headers).unwrap_err();
        assert_eq!(refused, Uninspectable::Field, "{name}");
    }
}

#[test]
fn what_tells_of_the_original_body_is_removed() {
    let original = [
        ("content-length", "17"),
        ("etag", "\"5d41402abc4b2a76b9719d911017c592\""),
        ("last-modified", "x"),
        ("accept-ranges", "bytes"),
        ("content-range", "bytes */17"),
        ("content-digest", "sha-256=:x:"),
        ("repr-digest", "sha-256=:x:"),
        ("unencoded-digest", "sha-256=:x:"),
        ("content-md5", "x"),
        ("digest", "x"),
    ];
    let kept = [JSON, ("cache-control", "no-store"), ("content-encoding", "gzip")];
    let mut headers = fields(&[&original[..], &kept[..]].concat());
    response(&plan(), &Method::GET, StatusCode::RANGE_NOT_SATISFIABLE, &mut headers).unwrap();
    assert_eq!(headers, fields(&kept));
}

#[test]
fn hm_11_parts_of_a_body_are_neither_asked_for_nor_passed() {
    let mut headers = fields(&[
        ("range", "bytes=0-5"),
        ("if-range", "\"x\""),
        ("if-none-match", "\"x\""),
        ("if-match", "*"),
        ("accept-encoding", "br, gzip;q=0.5"),
        ("accept", "*/*"),
    ]);
    request(&plan(), &Method::GET, &mut headers).unwrap();
    assert_eq!(headers, fields(&[("if-match", "*"), ("accept-encoding", "gzip, identity"), ("accept", "*/*")]));
    for (accepted, narrowed) in [
        (&[][..], "identity"),
        (&["gzip"], "gzip, identity"),
        (&["br", "GZIP"], "gzip, identity"),
        (&["*"], "gzip, identity"),
        (&["*;q=0"], "identity"),
        (&["gzip;q=0"], "identity"),
        (&["gzip; q=0.000, br"], "identity"),
        (&["gzip;q=0.001"], "gzip, identity"),
        (&["br, zstd"], "identity"),
        (&["identity"], "identity"),
    ] {
        let mut headers: HeaderMap = HeaderMap::new();
        for accepted in accepted {
            headers.append("accept-encoding", HeaderValue::from_static(accepted));
        }
        request(&plan(), &Method::GET, &mut headers).unwrap();
        let all: Vec<_> = headers.get_all("accept-encoding").iter().collect();
        assert_eq!(all, [narrowed], "{accepted:?}");
    }
    assert_eq!(begin(206, &[("content-type", "text/plain")]).unwrap_err(), Uninspectable::Partial);
    assert_eq!(begin(101, &[]).unwrap_err(), Uninspectable::NotFinal);
}

#[test]
fn a_condition_on_a_tag_that_nobody_was_given_is_refused() {
    let opted_out = MaskPlan::compile(Some(&[]), [], &[CREDENTIAL.as_bytes()], MaskKey::new(&[7; 32])).unwrap();
    let (reads, writes) = ([Method::GET, Method::HEAD, Method::OPTIONS], [Method::PUT, Method::PATCH, Method::DELETE]);
    for (name, value, read, write) in [
        ("if-match", "\"x\"", false, false),
        ("if-match", "W/\"x\", *", false, false),
        ("if-match", "*", true, true),
        ("if-none-match", "\"x\"", true, false),
        ("if-none-match", "*, \"x\"", true, false),
        ("if-none-match", "*", true, true),
        ("if-unmodified-since", "Fri, 27 Nov 2026 10:00:00 GMT", true, true),
    ] {
        let headers = fields(&[(name, value)]);
        let methods = reads.iter().map(|method| (method, read)).chain(writes.iter().map(|method| (method, write)));
        for (method, passes) in methods {
            let mut sent = headers.clone();
            let asked = request(&plan(), method, &mut sent);
            let code = asked.err().map(|refusal| refusal.code);
            assert_eq!(code, (!passes).then_some(Code::PreconditionFailed), "{method} {name}: {value}");
            let goes_on = passes && (name != "if-none-match" || !reads.contains(method));
            assert_eq!(sent.contains_key(name), goes_on || !passes, "{method} {name}: {value}");
            assert!(conditions(&opted_out, method, &headers).is_ok(), "{method} {name}: {value}");
        }
    }
}

#[test]
fn hm_13_a_protocol_that_is_switched_to_is_refused() {
    let of = [("upgrade", "websocket"), ("connection", "upgrade")];
    assert_eq!(begin(101, &of).unwrap_err(), Uninspectable::NotFinal);
}

#[test]
fn hm_14_every_status_is_masked() {
    for status in [200, 201, 203, 301, 400, 404, 418, 500, 503, 599] {
        let masked = begin(status, &[JSON, ("x", "a@b.co")]).unwrap();
        assert_eq!(masked.counts.iter().count(), 1);
        let out = run(masked.body, [format!(r#"{{"error":"no such ssn: {VALUE}"}}"#).as_bytes()]).unwrap();
        assert_eq!(out, format!(r#"{{"error":"no such ssn: {MASK}"}}"#).as_bytes(), "{status}");
    }
}

#[test]
fn a_response_without_content_needs_no_type() {
    for status in [204, 304] {
        assert!(begin(status, &[("x", "a@b.co")]).unwrap().body.is_none());
    }
    assert!(begin(200, &[("content-length", "0")]).unwrap().body.is_none());
    let mut headers = fields(&[("content-length", "17"), ("content-type", "image/png"), ("x", "a@b.co")]);
    let masked = response(&plan(), &Method::HEAD, StatusCode::OK, &mut headers).unwrap();
    assert!(masked.body.is_none());
    assert_eq!(headers, fields(&[("content-type", "image/png"), ("x", "[masked:pii.email]")]));
}

#[test]
fn an_empty_plan_changes_nothing() {
    let plan = Arc::new(MaskPlan::compile(Some(&[]), [], &[], MaskKey::new(&[7; 32])).unwrap());
    let of = [
        ("content-type", "image/png"),
        ("etag", "x"),
        ("content-encoding", "br"),
        ("range", "bytes=0-1"),
        ("x", "a@b.co"),
    ];
    let mut headers = fields(&of);
    let masked = response(&plan, &Method::GET, StatusCode::PARTIAL_CONTENT, &mut headers).unwrap();
    request(&plan, &Method::GET, &mut headers).unwrap();
    assert!(masked.body.is_none() && masked.counts.is_empty());
    assert_eq!(headers, fields(&of));
}

#[test]
fn gzip_of_several_members_is_one_body() {
    let whole = format!(r#"{{"ssn":"{VALUE}","x":"y"}}"#);
    let (first, second) = whole.split_at(12);
    let coded = [gzipped(first.as_bytes()), gzipped(b""), gzipped(second.as_bytes())].concat();
    for size in [1, 7, coded.len()] {
        let masked = begin(200, &[JSON, ("content-encoding", "gzip")]).unwrap();
        let out = run(masked.body, coded.chunks(size)).unwrap();
        assert_eq!(unzipped(&out), format!(r#"{{"ssn":"{MASK}","x":"y"}}"#).as_bytes());
    }
}

#[test]
fn gzip_that_is_broken_cut_or_followed_by_anything_is_an_error() {
    let good = gzipped(br#"{"a":1}"#);
    let mut wrong_check = good.clone();
    *wrong_check.iter_mut().rev().nth(6).unwrap() ^= 1;
    let mut broken = good.clone();
    broken[12] ^= 0xff;
    let mut cases = vec![wrong_check, broken, b"plain".to_vec(), b"{\"a\":1}".to_vec(), Vec::new()];
    cases.extend((1..good.len()).map(|end| good[..end].to_vec()));
    cases.extend(
        [&b"x"[..], b"\0", b"\0\0\0\0\0\0\0\0\0\0\0\0", b"ada@example.com and more", b"\x1f\x8b\x08"]
            .map(|tail| [&good, tail].concat()),
    );
    for coded in cases {
        for size in [1, 5, coded.len().max(1)] {
            let masked = begin(200, &[JSON, ("content-encoding", "gzip")]).unwrap();
            let mut body = masked.body.unwrap();
            let mut out = Vec::new();
            let fed = coded.chunks(size).try_for_each(|chunk| body.feed(chunk, &mut out));
            let error = fed.and_then(|()| body.finish(&mut out)).expect_err("broken");
            assert!(matches!(error, Uninspectable::Gzip | Uninspectable::Body(_)), "{error}");
            assert_eq!(body.feed(&good, &mut out), Err(error), "an error is final");
            assert_eq!(body.finish(&mut out), Err(error));
        }
    }
}

#[test]
fn what_expands_too_much_is_cut_off() {
    let bomb = gzipped(&vec![b' '; 32 << 20]);
    let masked = begin(200, &[("content-type", "text/plain"), ("content-encoding", "gzip")]).unwrap();
    assert_eq!(run(masked.body, bomb.chunks(4096)), Err(Uninspectable::Expansion));
    // A text of 1 MiB may be as repetitive as it likes.
    let repetitive = gzipped(&vec![b' '; 1 << 20]);
    let masked = begin(200, &[("content-type", "text/plain"), ("content-encoding", "gzip")]).unwrap();
    assert_eq!(unzipped(&run(masked.body, [&repetitive[..]]).unwrap()).len(), 1 << 20);
}

#[test]
fn a_line_that_comes_in_gzip_is_passed_on_when_it_is_there() {
    let masked = begin(200, &[("content-type", "application/x-ndjson"), ("content-encoding", "gzip")]).unwrap();
    let (mut body, mut out) = (masked.body.unwrap(), Vec::new());
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for number in 0..3 {
        writeln!(encoder, "{{\"ssn\":{number}}}").unwrap();
        encoder.flush().unwrap();
        body.feed(&std::mem::take(encoder.get_mut()), &mut out).unwrap();
        let mut plain = vec![0; 1000];
        let mut reader = MultiGzDecoder::new(&out[..]);
        let read = reader.read(&mut plain).unwrap_or(0);
        let lines = plain[..read].iter().filter(|byte| **byte == b'\n').count();
        assert!(lines >= 1 && String::from_utf8_lossy(&plain[..read]).contains(MASK), "line {number}: {lines}");
    }
    assert_eq!(body.counts().of(&ClassName::parse("pii.ssn").unwrap()), 3);
}

#[test]
fn se_04_an_echoed_credential_is_scrubbed_from_head_and_body() {
    let hexadecimal: String = CREDENTIAL.bytes().map(|byte| format!("{byte:02x}")).collect();
    let echo = format!("authorization: {CREDENTIAL}\nx: dTpDQU5BUlktQVBJLTc3YWE=\ny: {hexadecimal}\n");
    let mut headers = fields(&[("content-type", "text/plain"), ("x-echo", CREDENTIAL)]);
    let masked = response(&plan(), &Method::GET, StatusCode::OK, &mut headers).unwrap();
    assert_eq!(headers.get("x-echo").unwrap(), "[masked:secret.injected]");
    let out = String::from_utf8(run(masked.body, echo.as_bytes().chunks(3)).unwrap()).unwrap();
    assert_eq!(
        out,
        "authorization: [masked:secret.injected]\nx: [masked:secret.injected]\ny: [masked:secret.injected]\n"
    );
}

#[test]
fn arbitrary_bodies_never_panic_and_pass_only_as_they_are_or_masked() {
    let kinds = prop::sample::select(vec!["application/json", "text/plain", "text/plain; charset=latin1"]);
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[\\[{\"]{0,3}[a-z0-9@.:,\" \\\\]{0,60}[\\]}\"]{0,3}".prop_map(String::into_bytes),
        Just(br#"[{"a":"b","ssn":"x"}]"#.to_vec()),
    ];
    let (passed, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    let cases = (kinds, body, any::<bool>(), prop::option::weighted(0.3, any::<prop::sample::Index>()), 1_usize..50);
    let config = Config { failure_persistence: None, ..Config::default() };
    let total = config.cases;
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
        .run(&cases, |(kind, body, is_coded, flipped, size)| {
            let mut sent = if is_coded { gzipped(&body) } else { body.clone() };
            if let Some(flipped) = flipped.filter(|_| is_coded) {
                let at = flipped.index(sent.len());
                sent[at] ^= 0x10;
            }
            let coding = if is_coded { "gzip" } else { "identity" };
            let masked = begin(200, &[("content-type", kind), ("content-encoding", coding)]).unwrap();
            let mut masker = masked.body.unwrap();
            let mut out = Vec::new();
            let fed = sent.chunks(size).try_for_each(|chunk| masker.feed(chunk, &mut out));
            match fed.and_then(|()| masker.finish(&mut out)) {
                Ok(()) => {
                    let plain = if is_coded { unzipped(&out) } else { out };
                    assert!(plain == body || !masker.counts().is_empty());
                    passed.set(passed.get() + 1);
                }
                Err(_) => refused.set(refused.get() + 1),
            }
            Ok(())
        })
        .unwrap();
    let varied = passed.get() * 10 >= total && refused.get() * 10 >= total;
    assert!(varied || total < 100, "{passed:?} passed, {refused:?} refused");
}
