//! Laws over random entries and random bytes.

use super::samples::{any_entry, expected, file_of, session};
use super::store::{Store, Writer, chain_id, key_of, log_key, store, verifier};
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
        let place = |entry: &Entry| Kind::ALL.iter().position(|kind| *kind == entry.kind()).unwrap();
        entries.iter().for_each(|entry| count(&kinds[place(entry)]));
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
            Err(Broken::Record { .. } | Broken::Seal { .. }) => count(&broken),
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

type Mutation = (proptest::sample::Index, usize, Vec<u8>);

fn mutated(bytes: &[u8], mutations: Vec<Mutation>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, removed, inserted) in mutations {
        let at = at.index(bytes.len() + 1);
        let end = (at + removed).min(bytes.len());
        bytes.splice(at..end, inserted);
    }
    bytes
}

/// What begins as a segment or a log, up to the end of some record or anywhere, and goes on with anything.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let run = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..60),
        (0..3000u32).prop_map(|length| length.to_le_bytes().to_vec()),
        (any::<u8>(), 0..200usize).prop_map(|(byte, times)| vec![byte; times]),
    ];
    let files: Vec<_> = store().segments.into_values().chain([store().entries()]).collect();
    let begin = (proptest::sample::select(files), any::<proptest::sample::Index>()).prop_map(|(file, at)| {
        let ends: Vec<_> = records(&file).map_while(Result::ok).map(|record| record.offset).collect();
        let end = if ends.is_empty() { at.index(file.len()) } else { ends[at.index(ends.len())] };
        file[..end].to_vec()
    });
    let begin = prop_oneof![begin, Just(Vec::new())];
    (begin, proptest::collection::vec(run, 0..4)).prop_map(|(begin, runs)| [begin, runs.concat()].concat())
}

#[test]
fn au_11_no_bytes_panic_a_reader_and_none_but_what_was_sealed_verify() {
    let key = key_of(super::store::CRASHED).verifying_key();
    let clean = store();
    let (recovered, split) = (Cell::new(0), Cell::new(0));
    let law = |bytes: Vec<u8>| {
        if let Ok(segment) = read_segment(&bytes) {
            prop_assert!(segment.verify(&key).is_err() || clean.segments.values().any(|sealed| *sealed == bytes));
        }
        if let Some(left) = recover(&bytes) {
            count(&recovered);
            prop_assert_eq!(left.rest == Rest::Nothing, left.whole_bytes == bytes.len());
            let sealing =
                Sealing { chain: left.chain, before: left.before, ends_chain: true, signer: super::store::NEXT };
            let sealed = seal(&bytes[..left.whole_bytes], &sealing, &log_key());
            prop_assert_eq!(sealed.map(|sealed| sealed.root.last), Ok(left.head));
        }
        prop_assert!(
            decode_log_entry(&bytes).is_err() || bytes == encode_log_entry(&decode_log_entry(&bytes).unwrap())
        );
        let mut file = LogFile::default();
        file.push(&bytes);
        while let Ok(Some(_)) = file.take() {
            count(&split);
        }
        prop_assert!(file.offset() <= bytes.len() as u64);
        let report = Auditor::open(&verifier(), &clean.note, [&bytes]).unwrap().finish();
        prop_assert!(!report.is_sound() && report.records() == 0);
        Ok(())
    };
    runner(1500).run(&any_bytes(), law).unwrap();
    assert!(recovered.get() > 50 && split.get() > 100, "{recovered:?} {split:?}");
}

#[test]
fn au_11_no_text_is_a_checkpoint_but_the_signed_one() {
    let (note, key) = (store().note, verifier().to_string());
    let (same, other) = (Cell::new(0), Cell::new(0));
    let mutations = proptest::collection::vec(any_mutation(), 0..3);
    let law = |mutations: Vec<Mutation>| {
        let text = String::from_utf8_lossy(&mutated(note.as_bytes(), mutations.clone())).into_owned();
        count(if text == note { &same } else { &other });
        prop_assert_eq!(Checkpoint::open(&text, &verifier()).is_ok(), text == note);
        let text = String::from_utf8_lossy(&mutated(key.as_bytes(), mutations)).into_owned();
        prop_assert_eq!(text.parse::<VerifierKey>().is_ok(), text == key);
        Ok(())
    };
    runner(2000).run(&mutations, law).unwrap();
    assert!(same.get() > 100 && other.get() > 1000, "{same:?} {other:?}");
}

/// What is done to a store: a file is mutated, deleted, given another's content, or written where there was none.
#[derive(Debug, Clone)]
enum Attack {
    Mutate(proptest::sample::Index, Vec<Mutation>),
    Delete(proptest::sample::Index),
    Overwrite(proptest::sample::Index, proptest::sample::Index),
    Add(u64, proptest::sample::Index),
}

fn any_attack() -> impl Strategy<Value = Attack> {
    let file = any::<proptest::sample::Index>;
    prop_oneof![
        (file(), proptest::collection::vec(any_mutation(), 1..3)).prop_map(|(at, how)| Attack::Mutate(at, how)),
        file().prop_map(Attack::Delete),
        (file(), file()).prop_map(|(from, to)| Attack::Overwrite(from, to)),
        (1..9u64, file()).prop_map(|(first, from)| Attack::Add(first, from)),
    ]
}

/// Carries an attack out on the segments, or, where there is one file more, on the log.
fn attacked(store: &mut Store, log: &mut Vec<u8>, attack: Attack) {
    let paths: Vec<_> = store.segments.keys().cloned().collect();
    let Some(last) = paths.len().checked_sub(1) else { return };
    match attack {
        Attack::Mutate(at, mutations) => match paths.get(at.index(paths.len() + 1)) {
            Some(path) => drop(store.segments.insert(path.clone(), mutated(&store.segments[path], mutations))),
            None => *log = mutated(log, mutations),
        },
        Attack::Delete(at) => drop(store.segments.remove(&paths[at.index(paths.len())])),
        Attack::Overwrite(from, to) => {
            let bytes = store.segments[&paths[from.index(paths.len())]].clone();
            store.segments.insert(paths[to.index(last + 1)].clone(), bytes);
        }
        Attack::Add(first, from) => {
            let path = segment_path(&chain_id("edge-1", super::store::CRASHED, 0), first);
            let bytes = store.segments[&paths[from.index(paths.len())]].clone();
            store.segments.entry(path).or_insert(bytes);
        }
    }
}

#[test]
fn au_11_no_attack_on_the_files_stays_unseen() {
    let clean = store();
    let entries = clean.entries();
    let (seen, void) = (Cell::new(0), Cell::new(0));
    let law = |attacks: Vec<Attack>| {
        let (mut store, mut log) = (clean.clone(), entries.clone());
        attacks.into_iter().for_each(|attack| attacked(&mut store, &mut log, attack));
        let report = store.audit_bytes(&log);
        let untouched = store.segments == clean.segments && log == entries;
        prop_assert_eq!(report.is_sound(), untouched);
        prop_assert!(report.is_sound() || !report.problems.iter().any(|problem| problem.to_string().is_empty()));
        count(if untouched { &void } else { &seen });
        Ok(())
    };
    runner(1000).run(&proptest::collection::vec(any_attack(), 1..4), law).unwrap();
    assert!(seen.get() > 800 && void.get() > 10, "{seen:?} {void:?}");
}

#[test]
fn any_entries_cut_anywhere_are_one_sound_chain() {
    let pieces = proptest::collection::vec(proptest::collection::vec(any_entry(), 1..4), 1..5);
    let law = |pieces: Vec<Vec<Entry>>| {
        let mut writer = Writer::open(&chain_id("edge-1", super::store::CRASHED, 0));
        let mut store = Store::empty();
        store.anchor(|entry| entry.keys = vec![super::store::announced("edge-1", super::store::CRASHED)]);
        for (at, entries) in pieces.iter().enumerate() {
            entries.iter().for_each(|entry| _ = writer.write(1, entry));
            let root = store.keep(writer.seal(super::store::CRASHED, at + 1 == pieces.len()));
            store.anchor(|entry| entry.roots = vec![root]);
        }
        let report = store.audit();
        prop_assert_eq!(report.problems, vec![]);
        prop_assert_eq!(report.chains.len(), 1);
        let chain = report.chains.values().next().unwrap();
        prop_assert_eq!((chain.head, chain.ended), (writer.chain.head(), true));
        let whole: Vec<u8> =
            store.segments.values().flat_map(|bytes| read_segment(bytes).unwrap().frames.to_vec()).collect();
        let read: Vec<_> = records(&whole).map(|record| record.unwrap().entry).collect();
        prop_assert_eq!(read, pieces.concat());
        Ok(())
    };
    runner(100).run(&pieces, law).unwrap();
}
