//! Laws over random values and surroundings. Each run counts what it saw: a law that only ever saw texts with nothing
//! to mask says nothing.

use super::{CREDENTIAL, class, json_in, key, text_in};
use crate::mask::{MaskPlan, MaskedCounts};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs a law over random cases. The law returns what it saw; each outcome must be a tenth of all.
fn law<S: Strategy>(outcomes: &[&'static str], of: S, law: impl Fn(S::Value) -> Vec<&'static str>) {
    let config = Config { failure_persistence: None, ..Config::default() };
    let cases = config.cases;
    let counts: RefCell<BTreeMap<&str, usize>> = RefCell::default();
    let result = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)).run(&of, |case| {
        for outcome in law(case) {
            *counts.borrow_mut().entry(outcome).or_default() += 1;
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let counts = counts.into_inner();
    println!("{counts:?}");
    let total: usize = counts.values().sum();
    let varied = outcomes.iter().all(|outcome| counts.get(outcome).copied().unwrap_or(0) * 10 >= total);
    assert!(varied || cases < 100, "the cases say too little: {counts:?}");
}

/// A value of each kind, and one of none.
fn value() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        2 => "[a-z][a-z0-9._+]{0,20}[a-z0-9]@[a-z]{2,10}\\.(com|org|co\\.uk)".prop_map(|text| ("email", text)),
        2 => ("4[0-9]{14}", any::<bool>()).prop_map(|(digits, grouped)| ("card", card(&digits, grouped))),
        2 => prop_oneof!["AKIA[A-Z2-7]{16}", "ghp_[A-Za-z0-9]{36}", "glpat-[A-Za-z0-9]{20}", "xoxb-[0-9]{12}-[a-z]{8}"]
            .prop_map(|text| ("api_key", text)),
        2 => "eyJhbGciOiJFUzI1NiJ9\\.[A-Za-z0-9_-]{10,60}\\.[A-Za-z0-9_-]{10,60}".prop_map(|text| ("jwt", text)),
        2 => "[A-Za-z0-9+/]{20,100}".prop_map(|body| {
            ("key", format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"))
        }),
        2 => "[a-z ,.!]{0,30}".prop_map(|text| ("plain", text)),
    ]
}

fn card(digits: &str, grouped: bool) -> String {
    let with_check = (0..10).map(|check| format!("{digits}{check}"));
    let right = |number: &String| {
        let sum: u32 = number
            .bytes()
            .rev()
            .enumerate()
            .map(|(place, digit)| {
                let digit = u32::from(digit - b'0') << (place % 2);
                digit / 10 + digit % 10
            })
            .sum();
        sum.is_multiple_of(10)
    };
    let number = with_check.into_iter().find(right).unwrap();
    let groups: Vec<_> = number.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).unwrap()).collect();
    if grouped { groups.join("-") } else { number }
}

/// What can be around a value without becoming a part of it.
fn before() -> impl Strategy<Value = String> {
    "([a-zé]{0,8}[ (\"\n;,<>|]){0,6}"
}

fn after() -> impl Strategy<Value = String> {
    "([ )\"\n;,<>|][a-zé]{0,8}){0,6}"
}

/// One plan for each transform.
fn plans() -> impl Strategy<Value = (&'static str, Arc<MaskPlan>)> {
    let of = |transform: &str| {
        let declared: Vec<_> = ["email", "payment_card", "api_key", "jwt"]
            .iter()
            .map(|builtin| {
                class(&format!(
                    r#"{{"class":"x.{builtin}","recognise":{{"builtin":"{builtin}","fields":["the_{builtin}"]}},"transform":{transform}}}"#
                ))
            })
            .collect();
        Arc::new(MaskPlan::compile(None, &declared, &[], key()).unwrap())
    };
    let plans = [("redact", of(r#""redact""#)), ("keep", of(r#"{"keepLast":4}"#)), ("hash", of(r#""keyedHash""#))];
    proptest::sample::select(plans.to_vec())
}

const OUTCOMES: [&str; 6] = ["email", "card", "api_key", "jwt", "key", "plain"];

#[test]
fn a_masked_text_never_contains_the_value() {
    law(&OUTCOMES, (plans(), before(), value(), after()), |((_, plan), before, (kind, value), after)| {
        let text = format!("{before}{value}{after}");
        let mut counts = MaskedCounts::default();
        let masked = plan.mask_text(text.as_bytes(), &mut counts);
        match kind {
            "plain" => assert_eq!(masked, None, "{text}"),
            _ => {
                let masked = String::from_utf8(masked.expect(&text)).unwrap();
                assert!(!masked.contains(&value), "{text}: {masked}");
                // Even a part of it that is not short is gone.
                let gone =
                    value.as_bytes().windows(8).all(|part| !masked.as_bytes().windows(8).any(|here| here == part));
                assert!(gone || before.len() + after.len() > 8, "{text}: {masked}");
                assert!(masked.starts_with(&before) && masked.ends_with(&after), "{text}: {masked}");
            }
        }
        vec![kind]
    });
}

#[test]
fn how_a_text_is_cut_into_chunks_does_not_matter() {
    let pieces = prop::collection::vec((before(), value()), 1..8);
    law(&OUTCOMES, (plans(), pieces, 1_usize..300), |((_, plan), pieces, size)| {
        let text: String = pieces.iter().map(|(before, (_, value))| format!("{before}{value} ")).collect();
        let whole = plan.mask_text(text.as_bytes(), &mut MaskedCounts::default());
        let whole = whole.unwrap_or_else(|| text.clone().into_bytes());
        let (out, _) = text_in(&plan, text.as_bytes().chunks(size)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8(whole).unwrap(), "{text}");
        pieces.iter().map(|(_, (kind, _))| *kind).collect()
    });
}

#[test]
fn what_is_masked_never_has_a_value_of_a_class_that_is_not_revealed() {
    let pieces = prop::collection::vec((before(), value()), 1..8);
    let shown = proptest::sample::subsequence(vec!["email", "card", "api_key", "jwt", "key"], 0..=5);
    law(&["shown", "masked"], (plans(), shown, pieces, 1_usize..300), |((_, plan), shown, pieces, size)| {
        let classes = shown.iter().map(|kind| match *kind {
            "card" => "x.payment_card".to_owned(),
            "key" => "secret.private_key".to_owned(),
            kind => format!("x.{kind}"),
        });
        let classes: Vec<_> = classes.collect();
        let view = Arc::new(plan.revealing(|class| classes.iter().any(|shown| shown == class.as_str())).unwrap());
        let text: String = pieces.iter().map(|(before, (_, value))| format!("{before}{value} ")).collect();
        let (out, _) = text_in(&view, text.as_bytes().chunks(size)).unwrap();
        let out = String::from_utf8(out).unwrap();
        let json = serde_json::json!({"a": [text]}).to_string();
        let (json, _) = json_in(&view, json.as_bytes().chunks(size)).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let inside = json["a"][0].as_str().unwrap();
        let outcomes = pieces.iter().filter(|(_, (kind, _))| *kind != "plain").map(|(_, (kind, value))| {
            let is_shown = shown.contains(kind);
            assert_eq!((out.contains(value), inside.contains(value)), (is_shown, is_shown), "{kind} in {text}: {out}");
            if is_shown { "shown" } else { "masked" }
        });
        outcomes.collect()
    });
}

/// Pieces of values, which are more often broken than whole.
fn pieces() -> impl Strategy<Value = String> {
    let pieces = vec![
        "ada",
        "@",
        "example.com",
        "%40",
        "&#64;",
        ".",
        "4111",
        "1111 1111 1111",
        "4111111111111111",
        "-",
        " ",
        "+",
        "%20",
        "\n",
        "eyJhbGciOiJFUzI1NiJ9",
        ".abc",
        "Bearer ",
        "sk-",
        "A1b2C3d4E5f6G7h8I9j0",
        "AKIA",
        "IOSFODNN7EXAMPLE",
        "api_key",
        "ssn",
        "=",
        ":",
        "\"",
        "\\",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----\n",
        "-----BEGIN ",
        "CANARY-API/77",
        "aa?x=\"1\"&y",
        "Q0FOQVJZLUFQSS83N2Fh",
        "é",
        ", ",
        "x",
    ];
    prop::collection::vec(proptest::sample::select(pieces), 0..40).prop_map(|pieces| pieces.concat())
}

#[test]
fn how_broken_values_are_cut_into_chunks_does_not_matter() {
    let fields = class(r#"{"class":"pii.ssn","recognise":{"fields":["ssn"]},"transform":"redact"}"#);
    let plan = Arc::new(MaskPlan::compile(None, [&fields], &[CREDENTIAL.as_bytes()], key()).unwrap());
    law(&["masked", "plain"], (pieces(), 1_usize..80), |(text, size)| {
        let whole = plan.mask_text(text.as_bytes(), &mut MaskedCounts::default());
        let outcome = if whole.is_some() { "masked" } else { "plain" };
        let whole = whole.unwrap_or_else(|| text.clone().into_bytes());
        let (out, _) = text_in(&plan, text.as_bytes().chunks(size)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8(whole).unwrap(), "{text}");
        vec![outcome]
    });
}

#[test]
fn masked_json_is_the_same_json_without_the_values() {
    let places = ["string", "field", "key", "nested"];
    let place = proptest::sample::select(places.to_vec());
    law(
        &places,
        (plans(), place, before(), value(), 1_usize..60, any::<bool>()),
        |(plan, place, before, value, size, ascii)| {
            let ((_, plan), (kind, value)) = (plan, value);
            let text = format!("{before}{value}");
            let json = match place {
                "string" => serde_json::json!([1, {"a": text}, null]),
                "field" => serde_json::json!({"the_email": {"x": [text, 7]}, "n": 7}),
                "key" => serde_json::json!({text: 1}),
                _ => serde_json::json!({"a": serde_json::json!({"b": text}).to_string()}),
            };
            let written = if ascii { escaped(&json.to_string()) } else { json.to_string() };
            let (out, counts) = json_in(&plan, written.as_bytes().chunks(size)).unwrap();
            let masked: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(shape(&masked), shape(&json), "{written}");
            match (kind, place) {
                ("plain", "string" | "key" | "nested") => assert_eq!(String::from_utf8(out).unwrap(), written),
                _ => {
                    assert!(!counts.is_empty(), "{written}");
                    let all = masked.to_string();
                    assert!(value.len() < 4 || !all.contains(&value), "{written}: {all}");
                }
            }
            vec![place]
        },
    );
}

/// Writes every character that may be written so as an escape.
fn escaped(json: &str) -> String {
    let mut out = String::new();
    let (mut in_string, mut is_escape) = (false, false);
    for character in json.chars() {
        match character {
            '"' if !is_escape => {
                in_string = !in_string;
                out.push('"');
            }
            _ if in_string && !is_escape && character != '\\' => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
            _ => out.push(character),
        }
        is_escape = in_string && !is_escape && character == '\\';
    }
    out
}

/// Kinds of values and lengths of containers; what is masked becomes a string, and nested JSON stays JSON.
fn shape(json: &serde_json::Value) -> String {
    match json {
        serde_json::Value::Null => "null".to_owned(),
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) | serde_json::Value::String(_) => "leaf".to_owned(),
        serde_json::Value::Array(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(",")),
        serde_json::Value::Object(fields) => {
            format!("{{{}}}", fields.values().map(shape).collect::<Vec<_>>().join(","))
        }
    }
}

#[test]
fn masking_again_finds_nothing_where_values_were_redacted() {
    law(&OUTCOMES, (before(), value(), after()), |(before, (kind, value), after)| {
        let plan = MaskPlan::compile(None, [], &[], key()).unwrap();
        let text = format!("{before}{value}{after}");
        if let Some(masked) = plan.mask_text(text.as_bytes(), &mut MaskedCounts::default()) {
            let again = plan.mask_text(&masked, &mut MaskedCounts::default());
            assert_eq!(again, None, "{}", String::from_utf8_lossy(&masked));
        }
        vec![kind]
    });
}

#[test]
fn arbitrary_bytes_never_panic_and_are_never_given_out_uninspected() {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "[\\[\\]{}\",:\\\\ua@.%40-9eyJ\\-=A-Z\n]{0,300}".prop_map(String::into_bytes),
    ];
    law(&["read", "refused"], (plans(), bytes, 1_usize..40), |((_, plan), bytes, size)| {
        let _ = plan.mask_text(&bytes, &mut MaskedCounts::default());
        let json = json_in(&plan, bytes.chunks(size));
        if let Ok((out, counts)) = &json {
            assert!(!counts.is_empty() || *out == bytes);
        }
        let text = text_in(&plan, bytes.chunks(size));
        if let Ok((out, counts)) = &text {
            assert!(!counts.is_empty() || *out == bytes);
        }
        vec![if text.is_ok() { "read" } else { "refused" }]
    });
}
