//! What somebody who looks on sees.

use super::super::tests::*;
use super::*;
use hoop_audit::{Entry, Head, Sealing, SigningKey};
use hoop_model::Incarnation;

/// Returns the sessions of the records in an answer, which is frames and nothing else.
fn sessions(answer: &[u8]) -> Vec<u128> {
    let number = |session: SessionId| u128::from_be_bytes(session.to_bytes());
    records(answer).map(|record| number(record.unwrap().session)).collect()
}

fn seal(frames: &[u8], before: Option<Head>) -> Vec<u8> {
    let sealing = Sealing { chain: chain_id(3, 0), before, ends_chain: false, signer: Incarnation::mint(3) };
    let key = SigningKey::from_seed(&[1; 32]).unwrap();
    [frames, &hoop_audit::seal(frames, &sealing, &key).unwrap().footer].concat()
}

#[test]
fn every_record_that_is_not_shipped_is_seen_in_the_order_of_its_chain_whether_it_is_sealed_or_not() {
    let place = Place::new(7);
    assert_eq!(tail(&place.directory, None).unwrap(), b"");
    let chain = chain_id(3, 0);
    let (first, head) = frames(&chain, None, &[(1, answered(1)), (2, answered(1))]);
    let (second, _) = frames(&chain, head, &[(1, closed()), (2, closed())]);
    place.put(&chain, 1, Form::Sealed, &seal(&first, None));
    let half_of_the_next = &first[..30];
    place.put(&chain, 3, Form::Open, &[&second, half_of_the_next].concat());
    place.put(&chain, 3, Form::Part, b"being sealed anew");
    let all = tail(&place.directory, None).unwrap();
    assert_eq!(all, [first.as_slice(), &second].concat());
    let one = tail(&place.directory, Some(session(2))).unwrap();
    assert_eq!(sessions(&one), [2, 2]);
    assert!(tail(&place.directory, Some(session(9))).unwrap().is_empty());
}

#[test]
fn a_piece_that_lies_there_twice_is_seen_once() {
    let place = Place::new(7);
    let chain = chain_id(3, 0);
    let (bytes, _) = frames(&chain, None, &[(1, answered(1))]);
    place.put(&chain, 1, Form::Sealed, &seal(&bytes, None));
    place.put(&chain, 1, Form::Open, &bytes);
    assert_eq!(tail(&place.directory, None).unwrap(), bytes);
}

#[test]
fn of_more_than_4_mib_the_newest_are_seen() {
    let place = Place::new(7);
    let chain = chain_id(3, 0);
    let records: Vec<(u128, Entry)> = (1..=25_000).map(|number| (1, answered(number))).collect();
    let (bytes, _) = frames(&chain, None, &records);
    assert!(bytes.len() > MAX_TAIL_BYTES);
    place.put(&chain, 1, Form::Open, &bytes);
    let newest = tail(&place.directory, None).unwrap();
    assert!(bytes.ends_with(&newest) && newest.len() <= MAX_TAIL_BYTES && newest.len() > MAX_TAIL_BYTES - 1024);
}
