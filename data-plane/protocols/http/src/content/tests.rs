//! What people release is what is sent.

use super::*;
use crate::{LoopToken, RequestHead};
use hoop_model::spec::Origin;
use http::{HeaderMap, Method, Version};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use std::cell::Cell;

type Fields = Vec<(&'static str, &'static str)>;

fn forwarded(method: Method, uri: &str, fields: &[(&'static str, &'static str)]) -> Forwarded {
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().chain(&[("host", "gw.example")]) {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    RequestHead::read(&method, &uri.parse().unwrap(), Version::HTTP_11, &headers).unwrap().forwarded(headers)
}

fn content(fields: &[(&'static str, &'static str)], body: &[u8]) -> Vec<(u16, String)> {
    texts(&forwarded(Method::PATCH, "/c/react/%6frders?id=7", fields).content(body))
}

fn texts(content: &Content) -> Vec<(u16, String)> {
    content.iter().map(|field| (field.tag, String::from_utf8(field.bytes.to_vec()).unwrap())).collect()
}

fn expected(fields: &[(u16, &str)], body: &str) -> Vec<(u16, String)> {
    let head = [(tag::METHOD, "PATCH"), (tag::TARGET, "/orders?id=7")];
    let body = [(tag::BODY, body)];
    head.iter().chain(fields).chain(&body).map(|(tag, text)| (*tag, (*text).to_owned())).collect()
}

#[test]
fn ap_01_content_is_everything_that_goes_on_and_gives_the_command_its_meaning() {
    let fields = [
        ("x-tenant", "b"),
        ("authorization", "Bearer CANARY"),
        ("content-length", "5"),
        ("connection", "te"),
        ("te", "trailers"),
        ("hoop-approval", "0000000000000000000000000000ab00"),
        ("x-forwarded-for", "10.0.0.1"),
        ("user-agent", "bot/1"),
        ("traceparent", "00-1-1-01"),
        ("tracestate", "a=1"),
        ("date", "now"),
        ("accept-encoding", "gzip"),
        ("user_agent", "other"),
        ("prefer", "wait=5, return=minimal"),
        ("prefer", "respond-async"),
        ("content-type", "text/plain; charset=utf-8"),
        ("content-encoding", "identity"),
        ("x-tenant", "a"),
        ("via", "1.1 lb"),
        ("cookie", ""),
    ];
    let (name, value) = (tag::FIELD_NAME, tag::FIELD_VALUE);
    let head = [
        (name, "content-encoding"),
        (value, "identity"),
        (name, "content-type"),
        (value, "text/plain; charset=utf-8"),
        (name, "cookie"),
        (value, ""),
        (name, "prefer"),
        (value, "return=minimal"),
        (name, "user_agent"),
        (value, "other"),
        (name, "via"),
        (value, "1.1 lb"),
        (name, "x-tenant"),
        (value, "b"),
        (value, "a"),
    ];
    assert_eq!(content(&fields, b"paid!"), expected(&head, "paid!"));
    assert_eq!(content(&[], b""), expected(&[], ""));
}

#[test]
fn a_person_reads_what_is_released_and_nothing_else() {
    let fields = [("x-tenant", "b"), ("user-agent", "bot/1"), ("x-tenant", "a"), ("authorization", "Bearer CANARY")];
    let content = forwarded(Method::PATCH, "/c/react/%6frders?id=7", &fields).content(b"paid\n\xff");
    assert_eq!(readable(&content), b"PATCH /orders?id=7\nx-tenant: b\nx-tenant: a\n\npaid\n\xff");
    assert_eq!(readable(&forwarded(Method::GET, "/c/react/", &[]).content(b"")), b"GET /\n\n");
}

#[test]
fn what_is_sent_again_later_is_the_same_command() {
    let first = content(&[("a", "1"), ("prefer", "wait=5"), ("traceparent", "x"), ("b", "2"), ("a", "3")], b"");
    let again = content(&[("b", "2"), ("a", "1"), ("a", "3"), ("prefer", "wait=60,respond-async")], b"");
    assert_eq!(first, again);
    for other in [
        vec![("a", "3"), ("a", "1"), ("b", "2")],
        vec![("a", "1, 3"), ("b", "2")],
        vec![("a", "1"), ("b", "2"), ("a", "3"), ("prefer", "return=minimal")],
        vec![("a", "1"), ("b", "2")],
    ] {
        assert_ne!(content(&other, b""), first, "{other:?}");
    }
}

#[test]
fn the_callers_token_is_not_printed() {
    let forwarded = forwarded(Method::GET, "/c/react/", &[("authorization", "Bearer CANARY")]);
    assert!(!format!("{forwarded:?}").contains("CANARY"));
}

fn any_fields() -> impl Strategy<Value = Fields> {
    let name = proptest::sample::select(vec![
        "accept",
        "accept-encoding",
        "authorization",
        "cookie",
        "date",
        "forwarded",
        "hoop-x",
        "if-match",
        "prefer",
        "proxy-x",
        "range",
        "tracestate",
        "user-agent",
        "via",
        "x-a",
        "x-b",
        "x-gw-a",
        "x_a",
    ]);
    let value =
        proptest::sample::select(vec!["", "a", "a, b", "wait=1", "wait=1, b", "respond-async", "b=\",wait=1\""]);
    let once =
        |fields: &Fields, word: &str| fields.iter().filter(|(n, v)| *n == "prefer" && v.contains(word)).count() <= 1;
    proptest::collection::vec((name, value), 0..10)
        .prop_filter("a preference about waiting twice", move |f| once(f, "wait") && once(f, "async"))
}

/// What an end-to-end field says of the command, slowly: without the gateway's own and without what is about carriage.
fn sent(forwarded: Forwarded) -> Vec<(String, String)> {
    let origin = Origin::parse("https://orders.internal").unwrap();
    let token = LoopToken::parse("hoop-0123456789abcdef").unwrap();
    let parts = forwarded.to_upstream(&origin, &token).unwrap();
    let mut sent = Vec::new();
    for (name, value) in &parts.headers {
        let text = value.to_str().unwrap();
        let text = match name.as_str() {
            "host" | "accept-encoding" | "date" | "tracestate" | "user-agent" => continue,
            "via" if text == "1.1 hoop-0123456789abcdef" => continue,
            "prefer" if text == "wait=1" || text == "respond-async" => continue,
            "prefer" => text.strip_prefix("wait=1, ").unwrap_or(text),
            _ => text,
        };
        sent.push((name.to_string(), text.to_owned()));
    }
    sent.sort_by(|(a, _), (b, _)| a.cmp(b));
    sent
}

#[test]
fn i7_content_and_what_is_sent_never_differ() {
    let config = Config { cases: 1000, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let several = Cell::new(0);
    let law = |fields: Fields| {
        let forwarded = forwarded(Method::GET, "/c/react/", &fields);
        let (mut released, mut name) = (Vec::new(), String::new());
        for (tag, text) in texts(&forwarded.head_content()) {
            match tag {
                tag::FIELD_NAME => name = text,
                tag::FIELD_VALUE => released.push((name.clone(), text)),
                _ => {}
            }
        }
        let sent = sent(forwarded);
        several.set(several.get() + u32::from(sent.len() > 1));
        prop_assert_eq!(released, sent);
        Ok(())
    };
    TestRunner::new_with_rng(config, rng).run(&any_fields(), law).unwrap();
    assert!(several.get() > 300, "{several:?}");
}

#[test]
fn what_is_shown_to_people_is_masked_and_what_is_digested_is_not() {
    use hoop_policy::mask::MaskKey;
    let fields = [("content-type", "application/json"), ("x-owner", "ada@mail.example")];
    let body =
        br#"{"mail":"ada@mail.example","card":"4111111111111111","n":{"m":"\u0061da@mail.example"},"state":"open"}"#;
    let content = forwarded(Method::PATCH, "/c/react/orders?mail=ada@mail.example", &fields).content(body);
    let plan = |selection| MaskPlan::compile(selection, &[], &[], MaskKey::new(&[1; 32])).unwrap();
    let shown = String::from_utf8(reviewed(&content, &plan(None))).unwrap();
    assert!(!shown.contains("mail.example") && !shown.contains("41111"), "{shown}");
    assert!(shown.contains(r#""state":"open""#) && shown.contains("x-owner: [masked:pii.email]"), "{shown}");
    assert_eq!(reviewed(&content, &plan(Some(&[]))), readable(&content), "a connection that opted out");
    assert!(readable(&content).windows(12).any(|window| window == b"mail.example"));
}
