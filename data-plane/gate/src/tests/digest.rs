//! The digest: its bytes, which never change, and that no two commands share one.

use super::laws::runner;
use crate::*;
use aws_lc_rs::hmac;
use hoop_model::{CommandDigest, ContentField, Uid};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;

const KEY: [u8; 32] = {
    let mut key = [0; 32];
    let mut at = 0;
    while at < 32 {
        key[at] = at as u8;
        at += 1;
    }
    key
};

/// A whole command, as a digest sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Whole {
    identity: u128,
    connection: u128,
    generation: u64,
    context: Vec<ContentField>,
    content: Vec<ContentField>,
}

fn field(tag: u16, bytes: &[u8]) -> ContentField {
    ContentField { tag, bytes: bytes.into() }
}

fn digest(whole: &Whole) -> CommandDigest {
    DigestKey::new(KEY).digest(&addressed(whole), &whole.content)
}

fn addressed(whole: &Whole) -> Addressed<'_> {
    Addressed {
        identity: Uid::mint(whole.identity),
        connection: Uid::mint(whole.connection),
        generation: whole.generation,
        context: &whole.context,
    }
}

/// The message, slowly and obviously, as the module documents it.
fn message(whole: &Whole) -> Vec<u8> {
    let mut message = vec![1];
    let mut put = |part: u8, tag: u16, bytes: &[u8]| {
        let length = (bytes.len() as u64).to_be_bytes();
        message.extend([&[part], &tag.to_be_bytes()[..], bytes, &length].concat());
    };
    put(1, 0, &whole.identity.to_be_bytes());
    put(2, 0, &whole.connection.to_be_bytes());
    put(3, 0, &whole.generation.to_be_bytes());
    whole.context.iter().for_each(|field| put(4, field.tag, &field.bytes));
    whole.content.iter().for_each(|field| put(5, field.tag, &field.bytes));
    message
}

/// Reads a message from its end. That this is a function shows that no two commands have one message.
fn read(mut message: &[u8]) -> Whole {
    let mut whole = Whole { identity: 0, connection: 0, generation: 0, context: vec![], content: vec![] };
    while message.len() > 1 {
        let (rest, length) = message.split_at(message.len() - 8);
        let (rest, bytes) = rest.split_at(rest.len() - u64::from_be_bytes(length.try_into().unwrap()) as usize);
        let (rest, head) = rest.split_at(rest.len() - 3);
        let tag = u16::from_be_bytes([head[1], head[2]]);
        match head[0] {
            1 => whole.identity = u128::from_be_bytes(bytes.try_into().unwrap()),
            2 => whole.connection = u128::from_be_bytes(bytes.try_into().unwrap()),
            3 => whole.generation = u64::from_be_bytes(bytes.try_into().unwrap()),
            4 => whole.context.insert(0, field(tag, bytes)),
            5 => whole.content.insert(0, field(tag, bytes)),
            part => panic!("part {part}"),
        }
        message = rest;
    }
    assert_eq!(message, [1]);
    whole
}

fn any_fields() -> impl Strategy<Value = Vec<ContentField>> {
    // Few values, so that fields are often equal, empty, or look like the lengths and tags of others.
    let byte = prop_oneof![3 => Just(0u8), 1 => 1..6u8, 1 => any::<u8>()];
    let bytes = proptest::collection::vec(byte, 0..12);
    let one = (0..4u16, bytes).prop_map(|(tag, bytes)| field(tag, &bytes));
    proptest::collection::vec(one, 0..5)
}

fn any_whole() -> impl Strategy<Value = Whole> {
    (any::<(u128, u128, u64)>(), any_fields(), any_fields()).prop_map(|(ids, context, content)| {
        let (identity, connection, generation) = ids;
        Whole { identity, connection, generation, context, content }
    })
}

#[test]
fn the_bytes_of_digest_version_1_never_change() {
    let http = [
        field(1, b"PATCH"),
        field(2, b"/orders/7?expand=lines"),
        field(3, b"content-type"),
        field(4, b"application/json"),
        field(5, br#"{"state":"paid"}"#),
    ];
    let every_byte: Vec<u8> = (0..=255).collect();
    let nothing = Whole { identity: 1, connection: 2, generation: 3, context: vec![], content: vec![] };
    let vectors = [
        (nothing.clone(), "01c2cc17020914b35f72f9465bafa5bb7009a5c1a9a2fe2838c635979ddb79c8e7"),
        (
            Whole { identity: 0xab, connection: 0xcd, generation: 7, content: http.into(), ..nothing },
            "019a6483de34dac124d7e14edb5a2aff856df5655df87f2d6872e8e90808a4e08c",
        ),
        (
            Whole {
                identity: u128::MAX,
                connection: 0,
                generation: u64::MAX,
                context: vec![field(1, b"orders"), field(2, b"")],
                content: vec![field(u16::MAX, &every_byte)],
            },
            "016bdc1cada47d3a66f2583a49d8585d8c1a5de0927b9a05cfb70fa159cdea5c44",
        ),
    ];
    for (whole, expected) in vectors {
        assert_eq!(digest(&whole).to_string(), expected);
        assert_eq!(digest(&whole).version(), 1);
    }
}

#[test]
fn ap_01_the_digest_is_that_of_a_message_with_one_reading() {
    let law = |whole: Whole| {
        let message = message(&whole);
        prop_assert_eq!(&read(&message), &whole);
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &KEY), &message);
        let digest = digest(&whole);
        prop_assert_eq!(&digest.0[1..], mac.as_ref());
        prop_assert_eq!(digest.0[0], 1);
        Ok(())
    };
    runner().run(&any_whole(), law).unwrap();
}

/// Changes one thing of a command; `None` where there is nothing of the kind to change.
fn changed(whole: &Whole, kind: usize, at: prop::sample::Index, bit: u8) -> Option<Whole> {
    let mut other = whole.clone();
    let some = |fields: &[ContentField]| (!fields.is_empty()).then(|| at.index(fields.len()));
    match kind {
        0 => other.identity ^= 1 << (bit % 128),
        1 => other.connection ^= 1 << (bit % 128),
        2 => other.generation ^= 1 << (bit % 64),
        3 => other.content[some(&whole.content)?].tag ^= 1 << (bit % 16),
        4 => {
            let bytes = &mut other.content[some(&whole.content)?].bytes;
            let byte = (!bytes.is_empty()).then(|| at.index(bytes.len()))?;
            bytes[byte] ^= 1 << (bit % 8);
        }
        5 => {
            // Bytes move over the border between two fields.
            let from = some(&whole.content).filter(|from| from + 1 < whole.content.len())?;
            let (last, rest) = whole.content[from].bytes.split_last()?;
            other.content[from].bytes = rest.into();
            other.content[from + 1].bytes = [&[*last], &*whole.content[from + 1].bytes].concat().into();
        }
        6 => {
            // One field becomes two, or a field is added.
            let from = some(&whole.content)?;
            let (first, second) = whole.content[from].bytes.split_at(whole.content[from].bytes.len() / 2);
            let tag = whole.content[from].tag;
            other.content.splice(from..=from, [field(tag, first), field(tag, second)]);
        }
        7 => drop(other.content.remove(some(&whole.content)?)),
        8 => {
            // A field leaves the content for the context.
            (!whole.content.is_empty()).then(|| other.context.push(other.content.remove(0)))?;
        }
        _ => other.content.reverse(),
    }
    (other != *whole).then_some(other)
}

#[test]
fn ap_01_whatever_changes_in_a_command_changes_its_digest() {
    let seen = RefCell::new(BTreeMap::new());
    let changes = (any_whole(), 0..10usize, any::<prop::sample::Index>(), any::<u8>());
    let law = |(whole, kind, at, bit): (Whole, usize, prop::sample::Index, u8)| {
        if let Some(other) = changed(&whole, kind, at, bit) {
            prop_assert_ne!(digest(&other), digest(&whole));
            *seen.borrow_mut().entry(kind).or_insert(0) += 1;
        }
        Ok(())
    };
    runner().run(&changes, law).unwrap();
    let seen = seen.into_inner();
    assert!((0..10).all(|kind| seen.get(&kind).is_some_and(|times| *times >= 15)), "{seen:?}");
}

#[test]
fn a_field_that_streams_has_the_digest_of_the_whole_wherever_it_is_cut() {
    let law = |(mut whole, cuts): (Whole, Vec<Vec<u8>>)| {
        let mut digesting = DigestKey::new(KEY).begin(&addressed(&whole));
        whole.content.iter().for_each(|field| digesting.field(field));
        let mut streaming = digesting.last(5);
        cuts.iter().for_each(|bytes| streaming.update(bytes));
        whole.content.push(field(5, &cuts.concat()));
        prop_assert_eq!(streaming.finish(), digest(&whole));
        Ok(())
    };
    let cuts = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..5);
    runner().run(&(any_whole(), cuts), law).unwrap();
}

#[test]
fn another_key_makes_another_digest_and_no_key_is_printed() {
    let whole = Whole { identity: 1, connection: 2, generation: 3, context: vec![], content: vec![field(1, b"GET")] };
    let other = DigestKey::from_slice(&[9; 32]).unwrap();
    assert_ne!(other.digest(&addressed(&whole), &whole.content), digest(&whole));
    for length in [0, 16, 31, 33, 64] {
        assert_eq!(DigestKey::from_slice(&vec![9; length]).unwrap_err(), InvalidDigestKey, "{length}");
    }
    assert_eq!(format!("{other:?}"), "DigestKey([redacted])");
    assert_eq!(format!("{:?}", other.begin(&addressed(&whole))), "Digesting");
}
