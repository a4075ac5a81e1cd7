//! Laws of the parsers, over tokens that are almost right.

use super::*;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::Cell;

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// One change to a token's bytes.
#[derive(Debug, Clone)]
enum Change {
    Replace(u8),
    Insert(u8),
    Remove,
    Truncate,
}

fn change() -> impl Strategy<Value = (prop::sample::Index, Change)> {
    let byte = || prop_oneof![prop::sample::select(b"AQgw_-+/=. \n".to_vec()), any::<u8>()];
    let change = prop_oneof![
        byte().prop_map(Change::Replace),
        byte().prop_map(Change::Insert),
        Just(Change::Remove),
        Just(Change::Truncate)
    ];
    (any::<prop::sample::Index>(), change)
}

fn changed(mut token: Vec<u8>, changes: &[(prop::sample::Index, Change)]) -> Vec<u8> {
    for (at, change) in changes {
        if token.is_empty() {
            break;
        }
        let at = at.index(token.len());
        match change {
            Change::Replace(byte) => token[at] = *byte,
            Change::Insert(byte) => token.insert(at, *byte),
            Change::Remove => drop(token.remove(at)),
            Change::Truncate => token.truncate(at),
        }
    }
    token
}

/// A header and claims of which many are acceptable, and any signature.
fn almost_a_token() -> impl Strategy<Value = Vec<u8>> {
    let header = prop_oneof![
        Just(r#"{"alg":"RS256","kid":"r1"}"#.to_owned()),
        Just(r#"{ "typ":"JWT", "alg":"EdDSA" }"#.to_owned()),
        "[ -~]{0,40}"
    ];
    let payload = prop_oneof![
        "[a-z\"{}\\[\\]:,0-9. ]{0,6}".prop_map(|value| claims(&[("x", &value)])),
        "[a-zé]{0,9}".prop_map(|text| claims(&[("x", &format!("\"{text}\""))])),
        "\\PC{0,60}"
    ];
    (header, payload, prop::collection::vec(any::<u8>(), 0..70), prop::collection::vec(change(), 0..3)).prop_map(
        |(header, payload, signature, changes)| {
            let token = format!("{}.{}.{}", b64(header), b64(payload), b64(signature));
            changed(token.into_bytes(), &changes)
        },
    )
}

#[test]
fn an_accepted_token_is_the_only_spelling_of_its_bytes() {
    // Takes what a lenient reader would take: any padding, and set bits behind the last byte.
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let lenient = GeneralPurpose::new(&base64::alphabet::URL_SAFE, config);
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    let count = |counter: &Cell<u32>| counter.set(counter.get() + 1);
    runner(6000)
        .run(&almost_a_token(), |token| {
            if UnverifiedToken::parse(&token).is_err() {
                count(&refused);
                return Ok(());
            }
            count(&accepted);
            let parts: Vec<String> =
                token.split(|b| *b == b'.').map(|part| b64(lenient.decode(part).unwrap())).collect();
            prop_assert_eq!(parts.len(), 3);
            prop_assert_eq!(parts.join(".").into_bytes(), token);
            Ok(())
        })
        .unwrap();
    assert!(accepted.get() > 500 && refused.get() > 500, "{} accepted, {} refused", accepted.get(), refused.get());
}

#[test]
fn no_bytes_panic_the_token_parser() {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        (prop::collection::vec(any::<u8>(), 0..90), prop::collection::vec(any::<u8>(), 0..90))
            .prop_map(|(header, payload)| format!("{}.{}.AA", b64(header), b64(payload)).into_bytes()),
    ];
    let refused = Cell::new(0);
    runner(4000)
        .run(&bytes, |bytes| {
            prop_assert!(UnverifiedToken::parse(&bytes).is_err());
            refused.set(refused.get() + 1);
            Ok(())
        })
        .unwrap();
    assert_eq!(refused.get(), 4000);
}

#[test]
fn no_bytes_panic_the_key_set_parser() {
    let jwks = idp().jwks().into_bytes();
    let (accepted, refused) = (Cell::new(0), Cell::new(0));
    runner(2000)
        .run(&prop::collection::vec(change(), 1..4), |changes| {
            let outcome = if KeySet::parse(&changed(jwks.clone(), &changes)).is_ok() { &accepted } else { &refused };
            outcome.set(outcome.get() + 1);
            Ok(())
        })
        .unwrap();
    assert!(accepted.get() > 100 && refused.get() > 100, "{} accepted, {} refused", accepted.get(), refused.get());
}

#[test]
fn a_changed_token_never_verifies() {
    let trust = trust();
    let token = idp().sign("EdDSA", r#"{"alg":"EdDSA","kid":"d1"}"#, &claims(&[])).into_bytes();
    let (same, parsed, malformed) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let count = |counter: &Cell<u32>| counter.set(counter.get() + 1);
    runner(4000)
        .run(&prop::collection::vec(change(), 1..3), |changes| {
            let changed = changed(token.clone(), &changes);
            if changed == token {
                count(&same);
                prop_assert_eq!(judge(&trust, &changed, NOW), Ok(()));
                return Ok(());
            }
            count(if UnverifiedToken::parse(&changed).is_ok() { &parsed } else { &malformed });
            prop_assert!(judge(&trust, &changed, NOW).is_err());
            Ok(())
        })
        .unwrap();
    assert!(parsed.get() > 50 && malformed.get() > 500, "{} parsed, {} malformed", parsed.get(), malformed.get());
}
