//! Laws over random entries and random bytes.

use super::samples::{any_entry, expected, file_of, session};
use crate::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;

/// A runner with a fixed seed, so that a red run is repeatable.
fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
    TestRunner::new_with_rng(config, rng)
}

fn count(counter: &Cell<u32>) {
    counter.set(counter.get() + 1);
}

#[test]
fn what_is_appended_is_what_is_read() {
    let kinds: Vec<_> = Kind::ALL.iter().map(|_| Cell::new(0)).collect();
    let entries = proptest::collection::vec(any_entry(), 1..6);
    let law = |entries: Vec<Entry>| {
        let (file, _, head) = file_of(&entries);
        let read: Vec<_> = records(&file).map(|record| record.unwrap().entry).collect();
        prop_assert_eq!(&read, &entries);
        prop_assert_eq!(verify_chain(&file, &expected(Some(head))).unwrap().records, entries.len() as u64);
        entries.iter().for_each(|entry| count(&kinds[entry.kind().number() as usize - 1]));
        Ok(())
    };
    runner(256).run(&entries, law).unwrap();
    assert!(kinds.iter().all(|seen| seen.get() > 20), "{kinds:?}");
}

#[test]
fn au_11_no_bytes_panic_the_verifier_and_none_but_a_chain_verify() {
    let (read, unread) = (Cell::new(0), Cell::new(0));
    let law = |bytes: Vec<u8>| {
        prop_assert!(verify_chain(&bytes, &expected(None)).is_err());
        count(if records(&bytes).all(|record| record.is_ok()) { &read } else { &unread });
        prop_assert!(records(&bytes).filter(Result::is_err).count() <= 1);
        Ok(())
    };
    runner(2000).run(&proptest::collection::vec(any::<u8>(), 0..300), law).unwrap();
    assert!(unread.get() > 1900, "{read:?} {unread:?}");
}

/// What is done to a file at a place: bytes are replaced, removed or inserted.
fn any_mutation() -> impl Strategy<Value = (proptest::sample::Index, usize, Vec<u8>)> {
    (any::<proptest::sample::Index>(), 0..80usize, proptest::collection::vec(any::<u8>(), 0..80))
}

#[test]
fn au_11_no_mutation_of_a_chain_verifies() {
    let (file, _, head) = file_of(&session());
    let (broken, truncated, same) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let mutations = proptest::collection::vec(any_mutation(), 1..4);
    let law = |mutations: Vec<(proptest::sample::Index, usize, Vec<u8>)>| {
        let mut mutated = file.clone();
        for (at, removed, inserted) in mutations {
            let at = at.index(mutated.len());
            let end = (at + removed).min(mutated.len());
            mutated.splice(at..end, inserted);
            if mutated.is_empty() {
                break;
            }
        }
        match verify_chain(&mutated, &expected(Some(head))) {
            Ok(_) => prop_assert_eq!(&mutated[..file.len()], &file[..]),
            Err(Broken::Record { .. }) => count(&broken),
            Err(Broken::TruncatedTail { offset, .. }) => {
                prop_assert_eq!(offset, file.len(), "before the head a cut is a loss");
                count(&truncated);
            }
        }
        if mutated == file {
            count(&same);
        }
        Ok(())
    };
    runner(3000).run(&mutations, law).unwrap();
    assert!(broken.get() > 2500, "{broken:?} {truncated:?} {same:?}");
}
