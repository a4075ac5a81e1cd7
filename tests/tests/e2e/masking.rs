//! What callers must not see in what backends answer.

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use hoop_tests::backend::LINE_OWNER;
use hoop_tests::canary::Canary;
use hoop_tests::client::{Answer, Client};
use hoop_tests::issuer::Signing;
use hoop_tests::poll::eventually;
use hoop_tests::stage::{Stage, connection};
use serde_json::json;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

const EMAIL: &str = "ada.canary@mail.example";
const CARD: &str = "4111111111111111";
const KEY: &str = "ghp_C4naryC4naryC4naryC4naryC4naryC4nary";
const VALUES: [&str; 3] = [EMAIL, CARD, KEY];

/// An answer of the backend with this body.
fn says(stage: &Stage, target: &str, head: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    stage.backend.says(target, &[head.as_bytes(), body]);
}

fn get(stage: &Stage, target: &str, fields: &[(&str, &str)]) -> Answer {
    send(stage, "GET", target, fields)
}

fn send(stage: &Stage, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
    let token = format!("Bearer {}", stage.issuer.token());
    let fields: Vec<_> = [("Authorization", token.as_str())].iter().chain(fields).copied().collect();
    stage.connect().request(method, &format!("/c/orders{target}"), &fields, None).unwrap()
}

fn must_be_masked(place: &str, answer: &Answer) {
    let shown = format!("{:?}", answer.fields);
    for value in VALUES {
        Canary::new(value).must_not_be_in(place, &answer.body);
        Canary::new(value).must_not_be_in(place, shown.as_bytes());
    }
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn hm_04_hm_05_hm_14_whatever_the_form_and_the_status_the_caller_sees_nothing() {
    let stage = Stage::set();
    let nested = json!({"p": json!({"q": {"mail": EMAIL}, "k": KEY}).to_string()}).to_string();
    let bodies = [
        json!({"owner": EMAIL, "card": CARD, "note": format!("use {KEY} for {EMAIL}, please")}).to_string(),
        format!("{{\"a\":{CARD},\"b\":[\"{EMAIL}\"]}}"),
        nested,
        format!("{{\"a\":\"ada.canary\\u0040mail.example\",\"{EMAIL}\":1}}"),
        format!("{{\"a\":1}}\n{{\"b\":\"{EMAIL}\"}}\n\n{{\"c\":\"{KEY}\"}}"),
        format!("   {{\"a\":\"{EMAIL}\",\"a\":\"{CARD}\"}}"),
    ];
    for (number, body) in bodies.iter().enumerate() {
        for status in ["200 OK", "404 Not Found", "500 Internal Server Error", "201 Created"] {
            says(&stage, "/a", &format!("{status}\r\nContent-Type: application/json"), body.as_bytes());
            let answer = get(&stage, "/a", &[]);
            assert_eq!(answer.status.to_string(), status[..3], "{}", text(&answer));
            must_be_masked(&format!("body {number} of {status}"), &answer);
            assert!(text(&answer).contains("[masked:"), "{}", text(&answer));
        }
    }
    for media in ["text/plain", "text/html; charset=utf-8", "text/csv", "text/plain; charset=iso-8859-1"] {
        let body = format!("Dear {EMAIL},\r\nyour card {CARD} and key={KEY} are here.\r\n");
        says(&stage, "/a", &format!("200 OK\r\nContent-Type: {media}"), body.as_bytes());
        let answer = get(&stage, "/a", &[]);
        must_be_masked(media, &answer);
        assert!(text(&answer).starts_with("Dear [masked:pii.email],"), "{}", text(&answer));
    }
}

#[test]
fn hm_07_hm_08_what_cannot_be_inspected_does_not_go_through() {
    let stage = Stage::set();
    for head in [
        "200 OK",
        "200 OK\r\nContent-Type: application/octet-stream",
        "200 OK\r\nContent-Type: image/png",
        "200 OK\r\nContent-Type: application/xml",
        "200 OK\r\nContent-Type: text/event-stream",
        "200 OK\r\nContent-Type: multipart/mixed; boundary=x",
        "200 OK\r\nContent-Type: text/plain; charset=utf-16",
        "200 OK\r\nContent-Type: text/plain; charset=utf-7",
        "200 OK\r\nContent-Type: application/json\r\nContent-Type: image/png",
        "200 OK\r\nContent-Type: application/json\r\nContent-Encoding: br",
        "200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip, gzip",
        "206 Partial Content\r\nContent-Type: application/json\r\nContent-Range: bytes 0-9/99",
    ] {
        says(&stage, "/a", head, format!("{{\"a\":\"{EMAIL}\"}}").as_bytes());
        let answer = get(&stage, "/a", &[]);
        assert_eq!((answer.status, answer.refusal().as_str()), (502, "upstream_uninspectable"), "{head}");
        must_be_masked(head, &answer);
    }
    says(&stage, "/empty", "200 OK", b"");
    assert_eq!(get(&stage, "/empty", &[]).status, 200, "there is nothing to inspect");
    stage.backend.says("/no-content", &[b"HTTP/1.1 204 No Content\r\n\r\n"]);
    assert_eq!(get(&stage, "/no-content", &[]).status, 204);
}

#[test]
fn hm_01_hm_02_a_value_in_pieces_is_masked_wherever_they_are_cut() {
    let stage = Stage::set();
    let body = json!({"owner": EMAIL, "card": CARD, "text": format!("key {KEY} end")}).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
    stage.backend.says("/bytes", &[&[head.as_bytes()], bytes.as_slice()].concat());
    let chunks: Vec<String> = body.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    let chunks: Vec<&[u8]> = chunks.iter().map(String::as_bytes).collect();
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    stage.backend.says("/chunks", &[&[chunked.as_bytes()], chunks.as_slice(), &[b"0\r\n\r\n"]].concat());
    stage.backend.says("/whole", &[(head + &body).as_bytes()]);
    let whole = get(&stage, "/whole", &[]);
    must_be_masked("whole", &whole);
    for target in ["/bytes", "/chunks"] {
        assert_eq!(get(&stage, target, &[]).body, whole.body, "{target}");
    }
    for at in 0..body.len() {
        let (first, second) = body.as_bytes().split_at(at);
        let size = |piece: &[u8]| format!("{:x}\r\n", piece.len());
        let parts: [&[u8]; 3] = [
            chunked.as_bytes(),
            &[size(first).as_bytes(), first, b"\r\n"].concat(),
            &[size(second).as_bytes(), second, b"\r\n0\r\n\r\n"].concat(),
        ];
        // A chunk of no bytes would end the body.
        let parts = if first.is_empty() { [parts[0], b"", parts[2]] } else { parts };
        stage.backend.says("/cut", &parts);
        assert_eq!(get(&stage, "/cut", &[]).body, whole.body, "cut at {at}");
    }
}

#[test]
fn a_body_in_gzip_is_masked_and_is_still_in_gzip() {
    let stage = Stage::set();
    let body = json!({"owner": EMAIL, "card": CARD, "key": KEY}).to_string();
    says(&stage, "/a", "200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip", &gzip(body.as_bytes()));
    let answer = get(&stage, "/a", &[("Accept-Encoding", "br, gzip")]);
    assert_eq!(answer.field("content-encoding"), Some("gzip"));
    must_be_masked("gzip", &answer);
    let mut plain = String::new();
    GzDecoder::new(answer.body.as_slice()).read_to_string(&mut plain).unwrap();
    assert!(plain.contains("[masked:pii.email]"), "{plain}");
    assert_eq!(stage.backend.seen()[0].values("accept-encoding"), ["gzip, identity"], "what can be inspected");
}

#[test]
fn hm_10_hm_11_fields_are_masked_and_what_tells_of_the_original_is_gone() {
    let stage = Stage::set();
    let head = format!(
        "200 OK\r\nContent-Type: application/json\r\nX-Owner: {EMAIL}\r\nSet-Cookie: k={KEY}\r\n\
         Link: <https://a.test/{EMAIL}>\r\nETag: \"abc\"\r\nLast-Modified: Fri, 27 Nov 2026 10:00:00 GMT\r\n\
         Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\nRepr-Digest: sha-256=:AAAA:\r\nAccept-Ranges: bytes\r\nTrailer: X-End"
    );
    says(&stage, "/a", &head, b"{\"a\":1}");
    let answer = get(&stage, "/a", &[("Range", "bytes=0-5"), ("If-None-Match", "\"abc\""), ("If-Range", "\"abc\"")]);
    must_be_masked("fields", &answer);
    assert_eq!(answer.field("x-owner"), Some("[masked:pii.email]"));
    for gone in ["etag", "last-modified", "content-md5", "repr-digest", "accept-ranges", "trailer"] {
        assert_eq!(answer.field(gone), None, "{gone}");
    }
    let seen = stage.backend.seen();
    for asked in ["range", "if-none-match", "if-range"] {
        assert_eq!(seen[0].values(asked), Vec::<&str>::new(), "{asked}");
    }
    for (method, condition) in [("GET", "If-Match"), ("PUT", "If-Match"), ("PUT", "If-None-Match")] {
        let answer = send(&stage, method, "/a", &[(condition, "\"abc\"")]);
        assert_eq!((answer.status, &*answer.refusal()), (412, "precondition_failed"), "{method} {condition}");
    }
    assert_eq!(stage.backend.seen().len(), 1, "a guessed tag went on");
    let chunked = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"a\":1}\r\n0\r\n";
    let trailer = format!("X-End: {EMAIL}\r\n\r\n");
    stage.backend.says("/trailer", &[chunked, trailer.as_bytes()]);
    let answer = get(&stage, "/trailer", &[]);
    assert_eq!(text(&answer), "{\"a\":1}");
    must_be_masked("trailers", &answer);
    let odd = format!("HTTP/1.1 200 {EMAIL}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}");
    stage.backend.says("/reason", &[odd.as_bytes()]);
    let said = hoop_tests::client::raw(
        stage.cluster.gateway(),
        format!("GET /c/orders/reason HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", stage.issuer.token())
            .as_bytes(),
    );
    Canary::new(EMAIL).must_not_be_in("the status line", &said);
}

#[test]
fn classes_say_what_stands_in_place_of_a_value_and_connections_which_of_them() {
    let stage = Stage::set();
    let origin = stage.backend.origin();
    let class = |name: &str, spec: &str| {
        format!("---\napiVersion: hoop/v1\nkind: DataClass\nmetadata: {{name: {name}}}\nspec: {spec}\n")
    };
    let card = "{class: pii.card, recognise: {builtin: payment_card, fields: [card_number]}, transform: {keepLast: 4}}";
    let documents = class("card", card)
        + &class("staff", "{class: hr.staff, recognise: {fields: [staff_id]}, transform: keyedHash}")
        + &connection("cards", &origin, "mask: [pii.card, hr]")
        + &connection("open", &origin, "mask: []");
    stage.cluster.apply_and_wait(&documents);
    let body =
        json!({"card": CARD, "Card-Number": "12345678", "staffId": "s-1", "by": {"staff_id": "s-1"}, "m": EMAIL});
    says(&stage, "/a", "200 OK\r\nContent-Type: application/json", body.to_string().as_bytes());
    let masked = stage.send("GET", "/c/cards/a").json();
    assert_eq!(masked["card"], "************1111");
    assert_eq!(masked["Card-Number"], "******78", "no more than a quarter of it");
    assert_eq!(masked["staffId"], masked["by"]["staff_id"], "equal values stay equal");
    assert!(masked["staffId"].as_str().unwrap().starts_with("hr.staff:"), "{masked}");
    assert_eq!(masked["m"], EMAIL, "this connection does not mask it");
    assert_eq!(stage.send("GET", "/c/open/a").json(), body, "and this one nothing");
    says(&stage, "/image", "200 OK\r\nContent-Type: image/png", b"\x89PNG");
    assert_eq!(stage.send("GET", "/c/open/image").body, b"\x89PNG");
    let everything = stage.send("GET", "/c/orders/a").json();
    assert_eq!((&everything["m"], &everything["card"]), (&json!("[masked:pii.email]"), &masked["card"]));

    for (name, documents, says) in [
        ("typo", connection("typo", &origin, "mask: [pii.emial]"), "`pii.emial` selects no data class"),
        ("twice", class("again", card), "data class `pii.card` is declared twice"),
    ] {
        let refused = stage.cluster.apply(name, &documents, &[]);
        assert!(refused.code == 3 && refused.err.contains(says), "{refused:?}");
    }
    let used = stage.cluster.hoopctl(&["delete", "DataClass", "staff"]);
    assert!(used.code == 3 && used.err.contains("`hr` selects no data class"), "{used:?}");
}

#[test]
fn se_04_a_backend_that_echoes_the_credential_shows_it_to_nobody() {
    const VALUE: &str = "CANARY-s3cr3t-4711";
    let mut stage = Stage::set();
    let origin = stage.backend.origin();
    let mut documents = format!(
        "---\napiVersion: hoop/v1\nkind: Secret\nmetadata: {{name: vault}}\nspec: {{sealed: true, for: [\"{origin}\"]}}\n"
    );
    for (name, form) in [("bearer", "bearer"), ("basic", "{basic: svc}"), ("header", "{header: X-Api-Key}")] {
        for (suffix, mask) in [("", ""), ("-open", "\nmask: []")] {
            let more = format!("credential: {{secret: vault, as: {form}}}{mask}");
            documents += &connection(&format!("{name}{suffix}"), &origin, &more);
        }
    }
    stage.cluster.apply_and_wait(&documents);
    let file = stage.cluster.path("value");
    std::fs::write(&file, VALUE).unwrap();
    let set = ["secret", "set", "vault", "--wait", "--from-file", file.to_str().unwrap()];
    let _ = stage.cluster.hoopctl(&set).expect_done();
    std::fs::remove_file(file).unwrap();
    for name in ["bearer", "basic", "header", "bearer-open", "basic-open", "header-open"] {
        let answer = stage.send("GET", &format!("/c/{name}/headers"));
        assert_eq!(answer.status, 200);
        assert!(text(&answer).contains("[masked:secret.injected]"), "{name}: {}", text(&answer));
        Canary::new(VALUE).must_not_be_in(name, &answer.body);
        let page = format!("<html>bad key &quot;{VALUE}&quot;</html>");
        says(&stage, "/error", &format!("500 Oops\r\nContent-Type: text/html\r\nX-Key: {VALUE}"), page.as_bytes());
        let answer = stage.send("GET", &format!("/c/{name}/error"));
        Canary::new(VALUE).must_not_be_in(name, format!("{answer:?}{}", text(&answer)).as_bytes());
    }
    stage.cluster.gateway_process().signal("TERM");
    assert!(stage.cluster.gateway_process().wait().success());
    for directory in ["control-plane", "data-plane", "spool"] {
        let _ = Canary::new(VALUE).must_not_be_beneath(&stage.cluster.path(directory));
    }
}

#[test]
fn i3_records_have_both_bodies_masked_and_a_hash_of_each() {
    let mut stage = Stage::set();
    let body = json!({"owner": EMAIL, "cards": [CARD, CARD], "padding": "x".repeat(20_000)}).to_string();
    says(&stage, "/a", "200 OK\r\nContent-Type: application/json", body.as_bytes());
    let token = format!("Bearer {}", stage.issuer.token());
    let fields = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    let sent = json!({"key": KEY, "n": 1}).to_string();
    let mut client = stage.connect();
    for _ in 0..2 {
        let answer = client.request("POST", "/c/orders/a", &fields, Some(sent.as_bytes())).unwrap();
        assert_eq!(answer.status, 200, "{}", text(&answer));
    }
    assert_eq!(stage.backend.seen()[0].body, sent.as_bytes(), "the backend gets what the caller sent");
    let list = ["sessions", "list", "--identity", "nightly", "-o", "json"];
    let records = eventually("both exchanges are in the store", || {
        let listed: serde_json::Value = serde_json::from_str(&stage.cluster.hoopctl(&list).expect_done()).unwrap();
        let ids = listed.as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap().to_owned());
        let shown = ids.map(|id| stage.cluster.hoopctl(&["sessions", "show", &id, "-o", "json"]).expect_done());
        let lines: Vec<serde_json::Value> =
            shown.collect::<String>().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let found: Vec<_> = lines.into_iter().filter(|record| !record["request"].is_null()).collect();
        (found.len() == 2).then_some(found)
    });
    for record in &records {
        assert_eq!(record["masked"], json!({"pii.email": 1, "pii.payment_card": 2}), "{record}");
        assert_eq!(record["ended"], "whole");
        assert_eq!(record["request"]["start"], "{\"key\":\"[masked:secret.api_key]\",\"n\":1}");
        let start = record["answer"]["start"].as_str().unwrap();
        assert_eq!(start.len(), 16 << 10);
        assert!(start.contains("[masked:pii.email]") && start.contains("[masked:pii.payment_card]"), "{start}");
    }
    assert_eq!(records[0]["answer"]["hash"], records[1]["answer"]["hash"], "equal bodies are known as such");
    assert_ne!(records[0]["answer"]["hash"], records[0]["request"]["hash"]);

    stage.cluster.gateway_process().signal("TERM");
    assert!(stage.cluster.gateway_process().wait().success());
    for value in VALUES {
        for directory in ["control-plane", "data-plane", "spool"] {
            let _ = Canary::new(value).must_not_be_beneath(&stage.cluster.path(directory));
        }
    }
}

#[test]
fn what_turns_out_to_be_no_json_is_cut_off_and_recorded_as_such() {
    let stage = Stage::set();
    says(&stage, "/a", "200 OK\r\nContent-Type: application/json", format!("{{\"a\":1}} oops {EMAIL}").as_bytes());
    let token = stage.issuer.token();
    let broken = stage.connect().send("GET", "/c/orders/a", &token);
    assert_eq!(
        broken.unwrap_err().kind(),
        io::ErrorKind::UnexpectedEof,
        "an answer that is not whole ends with an error"
    );
    let list = ["sessions", "list", "--identity", "nightly", "-o", "json"];
    eventually("the record says why", || {
        let listed: serde_json::Value = serde_json::from_str(&stage.cluster.hoopctl(&list).expect_done()).unwrap();
        let ids = listed.as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap().to_owned());
        let mut shown = ids.map(|id| stage.cluster.hoopctl(&["sessions", "show", &id]).expect_done());
        shown.any(|shown| shown.contains("uninspectable")).then_some(())
    });
}

/// A value of the node's memory in KiB, from `/proc/PID/status`.
fn memory(pid: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// 64 MiB, and 1 GiB in the full run.
#[test]
fn a_large_body_streams_through_masked_and_is_never_held_whole() {
    let mib = crate::rounds(64, 1024);
    let mut stage = Stage::set();
    let pid = stage.cluster.gateway_process().id();
    // The first answer of the kind makes what all of them need.
    let _ = get(&stage, "/a", &[]);
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    let before = memory(pid, "VmRSS");
    let mut stream = TcpStream::connect(stage.cluster.gateway()).unwrap();
    let target = format!("/c/orders/lines/{}", mib * 1024);
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", stage.issuer.token());
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while !line.contains("\"line\":1,") {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0);
    }
    assert!(line.contains("[masked:pii.email]"), "{line}");
    stage.backend.release();
    let owner = LINE_OWNER.as_bytes();
    let (mut masked, mut last) = (1, Vec::new());
    loop {
        last.clear();
        assert_ne!(reader.read_until(b'\n', &mut last).unwrap(), 0);
        assert!(!last.windows(owner.len()).any(|window| window == owner));
        masked += usize::from(last.windows(18).any(|window| window == b"[masked:pii.email]"));
        if last == b"0\r\n" {
            break;
        }
    }
    assert_eq!(masked, mib * 1024);
    let more = memory(pid, "VmHWM").saturating_sub(before);
    assert!(more <= 16 << 10, "{more} KiB more");
}

#[test]
fn a_caller_that_does_not_read_stops_the_backend_and_not_the_node() {
    let mut stage = Stage::set();
    stage.backend.release();
    let pid = stage.cluster.gateway_process().id();
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    let before = memory(pid, "VmRSS");
    let mut slow = Client::connect(stage.cluster.gateway()).unwrap();
    let token = stage.issuer.token();
    let mut stream = TcpStream::connect(stage.cluster.gateway()).unwrap();
    let request = format!("GET /c/orders/lines/65536 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut first = [0; 64];
    stream.read_exact(&mut first).unwrap();
    for _ in 0..50 {
        assert_eq!(slow.send("GET", "/c/orders/1", &token).unwrap().status, 200, "others are served meanwhile");
    }
    let more = memory(pid, "VmHWM").saturating_sub(before);
    assert!(more <= 16 << 10, "{more} KiB more");
}

/// An identity in no group but its own, and what it may do on `orders`.
const REVIEWER: &str = r#"---
apiVersion: hoop/v1
kind: Identity
metadata: {name: reviewer}
spec:
  issuer: ci
  claims: {repository_id: "4712", ref: refs/heads/main}
  run: run_id
  owner: platform-team@example.com
  groups: [agents, reviewers]
  environment: production
"#;

/// The rules about what is shown.
fn reveal(cedar: &str) -> String {
    format!("---\napiVersion: hoop/v1\nkind: Policy\nmetadata: {{name: reveal}}\nspec:\n  cedar: |\n    {cedar}\n")
}

#[test]
fn who_policy_reveals_a_class_to_sees_its_values_and_no_record_does() {
    let mut stage = Stage::set();
    let scope = "principal in Hoop::Group::\"reviewers\", action == Hoop::Action::\"reveal\", resource";
    let mail = format!("@id(\"mail\") permit ({scope} == Hoop::DataClass::\"pii.email\");");
    stage.cluster.apply_and_wait(&(REVIEWER.to_owned() + &reveal(&mail)));
    let reviewer = stage.issuer.sign(Signing::Rs256, &stage.issuer.claims_with("repository_id", json!("4712")));
    let body = json!({"owner": EMAIL, "card": CARD, "api_key": EMAIL}).to_string();
    says(&stage, "/a", &format!("200 OK\r\nContent-Type: application/json\r\nX-Owner: {EMAIL}"), body.as_bytes());
    let mut open = stage.connect();
    let seen = open.send("GET", "/c/orders/a", &reviewer).unwrap();
    let (masked_card, masked_key) = ("[masked:pii.payment_card]", "[masked:secret.api_key]");
    assert_eq!(seen.json(), json!({"owner": EMAIL, "card": masked_card, "api_key": masked_key}), "{}", text(&seen));
    assert_eq!(seen.field("x-owner"), Some(EMAIL));
    must_be_masked("another identity", &get(&stage, "/a", &[]));

    let explained = stage.cluster.hoopctl(&["explain", "reviewer", "orders", "GET", "/a"]).expect_done();
    let line = explained.lines().find(|line| line.contains("pii.email")).unwrap_or_default();
    assert!(line.contains("shown: reveal/mail permits"), "{explained}");
    assert!(explained.lines().any(|line| line.contains("secret.jwt") && line.ends_with("masked")), "{explained}");

    let forbid = "forbid (principal, action == Hoop::Action::\"reveal\", resource in Hoop::DataClass::\"pii\");";
    stage.cluster.apply_and_wait(&reveal(&format!("{mail}\n    {forbid}")));
    must_be_masked("a policy that changed", &open.send("GET", "/c/orders/a", &reviewer).unwrap());
    let hold = mail.replace("permit", "@hold(\"on-call\") forbid");
    let refused = stage.cluster.apply("hold", &reveal(&hold), &[]);
    assert!(refused.code == 3 && refused.err.contains("cannot hold `reveal`"), "{refused:?}");

    let list = ["sessions", "list", "--identity", "reviewer", "-o", "json"];
    let records = eventually("both exchanges are in the store", || {
        let listed: serde_json::Value = serde_json::from_str(&stage.cluster.hoopctl(&list).expect_done()).unwrap();
        let ids = listed.as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap().to_owned());
        let shown = ids.map(|id| stage.cluster.hoopctl(&["sessions", "show", &id, "-o", "json"]).expect_done());
        let lines: Vec<serde_json::Value> =
            shown.collect::<String>().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let found: Vec<_> = lines.into_iter().filter(|record| !record["answer"].is_null()).collect();
        (found.len() == 2).then_some(found)
    });
    let [shown, masked] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((&shown["shown"], &masked["shown"]), (&json!({"pii.email": 2}), &json!({})));
    assert_eq!(shown["masked"], json!({"pii.payment_card": 1, "secret.api_key": 1}));
    assert_eq!(shown["answer"], masked["answer"], "what is recorded is masked alike");
    assert!(shown["answer"]["start"].as_str().unwrap().contains("[masked:pii.email]"), "{shown}");
    stage.cluster.gateway_process().signal("TERM");
    assert!(stage.cluster.gateway_process().wait().success());
    for value in VALUES {
        for directory in ["control-plane", "data-plane", "spool"] {
            let _ = Canary::new(value).must_not_be_beneath(&stage.cluster.path(directory));
        }
    }
}
