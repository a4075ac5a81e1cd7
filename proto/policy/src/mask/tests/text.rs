//! Texts as they stream by.

use super::{CARD, CREDENTIAL, JWT, key, name, of_text, plan, text_in, with_credential};
use crate::mask::{Charset, MAX_HELD_BYTES, MaskPlan, TextMasker, Uninspectable};
use std::sync::Arc;

fn pem(bytes: usize) -> String {
    format!("-----BEGIN RSA PRIVATE KEY-----\n{}-----END RSA PRIVATE KEY-----", "MIIEvQIBADANBg/+\n".repeat(bytes / 17))
}

#[test]
fn hm_01_a_text_split_at_every_byte_is_masked_alike() {
    let text = format!(
        "to ada@example.com: {CARD}, 4111 1111 1111 1111 12/29\r\nBearer {JWT}\n{}\nssn: 123-45-0001; api_key = 'hunter2hunter2' é\n",
        pem(100)
    );
    let expected = "to [masked:pii.email]: [masked:pii.payment_card], [masked:pii.payment_card] 12/29\r\n\
                    Bearer [masked:secret.api_key]\n[masked:secret.private_key]\n\
                    ssn: [masked:pii.ssn]; api_key = '[masked:secret.api_key]' é\n";
    let whole = of_text(&plan(), &text);
    assert_eq!(whole, expected);
    let bytes = text.as_bytes();
    let counts = text_in(&plan(), [bytes]).unwrap().1;
    for at in 0..=bytes.len() {
        let (first, second) = bytes.split_at(at);
        let (out, counted) = text_in(&plan(), [first, second]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected, "split at {at}");
        assert_eq!(counted, counts);
    }
    for size in [1, 2, 3, 7, 64] {
        let (out, counted) = text_in(&plan(), bytes.chunks(size)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected, "chunks of {size}");
        assert_eq!(counted, counts);
    }
}

#[test]
fn hm_01_a_value_anywhere_in_a_long_line_is_masked() {
    let filler = "The quick brown fox jumps over 13 lazy dogs, again. ";
    for before in (0..600).step_by(7) {
        let line: String = filler.chars().cycle().take(before).collect();
        let text = format!("{line} ada@example.com {line} {CREDENTIAL} {line}");
        let expected = format!("{line} [masked:pii.email] {line} [masked:secret.injected] {line}");
        for size in [1, 50, 256, 1000] {
            let (out, _) = text_in(&with_credential(), text.as_bytes().chunks(size)).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{before} {size}");
        }
    }
}

#[test]
fn a_private_key_of_any_length_is_masked_and_not_held() {
    let mut masker = TextMasker::new(plan(), Charset::Utf8);
    let (mut out, mut longest) = (Vec::new(), 0);
    let text = format!("a\n{}\nb ada@example.com\n", pem(4 * MAX_HELD_BYTES));
    for chunk in text.as_bytes().chunks(1 << 16) {
        masker.feed(chunk, &mut out).unwrap();
        longest = longest.max(out.len());
    }
    masker.finish(&mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "a\n[masked:secret.private_key]\nb [masked:pii.email]\n");
    assert_eq!(masker.counts().of(&name("secret.private_key")), 1);
    let cut = format!("a\n{}", pem(1000).strip_suffix("-----END RSA PRIVATE KEY-----").unwrap());
    for size in [1, 10, cut.len()] {
        let (out, _) = text_in(&plan(), cut.as_bytes().chunks(size)).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a\n[masked:secret.private_key]");
    }
}

#[test]
fn a_line_is_given_out_when_it_ends() {
    let mut masker = TextMasker::new(with_credential(), Charset::Utf8);
    let mut out = Vec::new();
    for line in ["first line\n", "mail ada@example.com\n"] {
        masker.feed(line.as_bytes(), &mut out).unwrap();
    }
    assert_eq!(String::from_utf8(out).unwrap(), "first line\nmail [masked:pii.email]\n");
}

#[test]
fn hm_07_a_text_in_another_encoding_is_an_error() {
    let utf16: Vec<u8> = "ada@example.com".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bad in [&utf16[..], b"a\0@\0", b"\xff\xfea", b"caf\xe9 ada@example.com", b"\xc3", b"abc\xe2\x82"] {
        for size in [1, bad.len()] {
            assert_eq!(text_in(&plan(), bad.chunks(size)), Err(Uninspectable::Encoding));
        }
    }
    let mut masker = TextMasker::new(plan(), Charset::Latin1);
    let mut out = Vec::new();
    masker.feed(b"caf\xe9 ada@example.com \xff", &mut out).unwrap();
    masker.finish(&mut out).unwrap();
    assert_eq!(out, b"caf\xe9 [masked:pii.email] \xff");
}

#[test]
fn a_value_that_is_too_long_to_hold_is_an_error() {
    // Header, payload, and a signature without an end.
    let token = format!("{JWT}{}", "A".repeat(MAX_HELD_BYTES));
    assert_eq!(text_in(&plan(), token.as_bytes().chunks(1 << 14)), Err(Uninspectable::TooLong));
    // What only looks like the beginning of one is not held.
    let plain = format!("eyJ{}", "A".repeat(2 * MAX_HELD_BYTES));
    assert_eq!(text_in(&plan(), plain.as_bytes().chunks(1 << 14)).unwrap().0, plain.as_bytes());
}

#[test]
fn every_byte_costs_a_bounded_time() {
    // Texts that are all anchor and no value; a quadratic reader would not come to an end here.
    let size = 1 << 16;
    for part in [
        "@",
        "a@",
        "%40",
        "eyJ",
        "eyJa.",
        "sk-",
        "sk-A1",
        "Bearer ",
        "Basic ",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY---",
        "1 ",
        "4111 ",
        "=",
        "a=",
        "api_key=",
        "ssn:",
        "\\",
        "AKIA",
        "a.",
        "&#64",
        "4 1-",
        "\u{e9}",
        "ssn=\"",
    ] {
        let text = part.repeat(size / part.len());
        assert!(text_in(&plan(), text.as_bytes().chunks(1000)).is_ok(), "{part}");
        assert!(of_text(&plan(), &text).len() <= 32 * text.len(), "{part}");
    }
}

#[test]
fn an_empty_plan_changes_nothing() {
    let empty = Arc::new(MaskPlan::compile(Some(&[]), [], &[], key()).unwrap());
    let text = format!("ada@example.com {CARD} {JWT}");
    assert_eq!(text_in(&empty, [text.as_bytes()]).unwrap().0, text.as_bytes());
}
