//! Laws of the evidence log, over random histories of what nodes say.

use super::laws::{Counts, count, require};
use super::support::*;
use crate::*;
use hoop_model::{ChainId, EvidenceKey, LogEntry, SegmentRoot};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a node says, or the store: numbers small enough that they meet.
#[derive(Debug, Clone)]
enum Said {
    Key { node: u8, incarnation: u8, public: u8 },
    Head { chain: ChainId, ahead: u64, hash: u8 },
    Root { chain: ChainId, shift: u64, length: u64, hash: u8, ends_chain: bool },
    Lost(ChainId),
    BrokenOff(ChainId),
}

#[derive(Debug, Clone)]
enum Step {
    Anchor(Vec<Said>),
    Stored { behind: u64 },
    Restart { node: u8 },
}

fn node(number: u8) -> &'static str {
    // The third one never joins.
    ["a", "b", "stranger"][usize::from(number)]
}

fn any_chain() -> impl Strategy<Value = ChainId> {
    let number = prop_oneof![10 => 0..2u8, 1 => Just(2u8)];
    (number, 0..4u8, 0..2u32).prop_map(|(number, incarnation, shard)| chain(node(number), incarnation.into(), shard))
}

fn said() -> impl Strategy<Value = Said> {
    let hash = || prop_oneof![12 => Just(1u8), 1 => Just(2u8)];
    prop_oneof![
        2 => (0..3u8, 0..4u8, prop_oneof![8 => Just(0u8), 1 => Just(1u8)])
            .prop_map(|(node, incarnation, public)| Said::Key { node, incarnation, public }),
        6 => (any_chain(), 0..6u64, hash()).prop_map(|(chain, ahead, hash)| Said::Head { chain, ahead, hash }),
        6 => (any_chain(), prop_oneof![8 => Just(1u64), 1 => 0..3u64], 0..5u64, hash(), proptest::bool::weighted(0.2))
            .prop_map(|(chain, shift, length, hash, ends_chain)| Said::Root { chain, shift, length, hash, ends_chain }),
        1 => any_chain().prop_map(Said::Lost),
        1 => any_chain().prop_map(Said::BrokenOff),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => proptest::collection::vec(said(), 0..8).prop_map(Step::Anchor),
        2 => (0..4u64).prop_map(|behind| Step::Stored { behind }),
        1 => (0..2u8).prop_map(|node| Step::Restart { node }),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Makes the proposal of a step. Heads are near the known head and segments near the known end of the stored part, so
/// that most are taken and all the ways of being wrong are met.
fn resolve(state: &State, step: &Step) -> Change {
    match step {
        Step::Anchor(all) => {
            let mut anchor = AnchorEvidence::default();
            all.iter().for_each(|said| add(state.evidence(), &mut anchor, said));
            Change::AnchorEvidence(anchor)
        }
        Step::Stored { behind } => {
            let size = (state.evidence().size() + 1).saturating_sub(*behind);
            stored(size, if size == 0 { 0 } else { 1 })
        }
        Step::Restart { node: number } => {
            let name = name(node(*number));
            let newest = state.evidence().newest(&name);
            let next = newest.map_or(0, |known| (known.to_bytes()[15] + 1) % 4);
            let open = state.evidence().chains_of(&name);
            let lost = open.filter(|(id, _)| id.shard == 0).map(|(id, _)| id.clone()).collect();
            Change::AnchorEvidence(AnchorEvidence { keys: vec![key(node(*number), next)], lost, ..Default::default() })
        }
    }
}

fn add(log: &EvidenceLog, anchor: &mut AnchorEvidence, said: &Said) {
    match said {
        Said::Key { node: number, incarnation, public } => {
            let known = key(node(*number), *incarnation);
            anchor.keys.push(EvidenceKey { public: [*public + *incarnation; 32], ..known });
        }
        Said::Head { chain, ahead, hash } => {
            let head = log.chain(chain).map_or(0, |chain| chain.head.sequence);
            anchor.heads.push(at(chain, (head + ahead).saturating_sub(2), *hash));
        }
        Said::Root { chain, shift, length, hash, ends_chain } => {
            let pending = anchor.roots.iter().rfind(|root| root.chain == *chain).map(|root| root.last.sequence + 1);
            let next = pending.or_else(|| log.chain(chain).map(Chain::next_stored)).unwrap_or(1);
            let first = (next + shift).saturating_sub(1);
            let root = root(chain, first, first + length, *hash);
            anchor.roots.push(SegmentRoot { ends_chain: *ends_chain, ..root });
        }
        Said::Lost(chain) => anchor.lost.push(chain.clone()),
        Said::BrokenOff(chain) => anchor.broken_off.push(chain.clone()),
    }
}

fn begun() -> State {
    let mut state = born();
    for (token, node) in [(1, "a"), (2, "b")] {
        state.apply(2, proposal(1_000, mint(token, HOUR)));
        state.apply(2, proposal(1_000, spend(token, node)));
    }
    state
}

fn run(test: impl Fn(Vec<Step>) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
    runner.run(&steps(), test).unwrap();
}

fn kinds(reply: &Reply) -> Vec<&'static str> {
    match reply {
        Reply::Anchored { entry, skipped, .. } => {
            let entry = if entry.is_some() { "entry" } else { "nothing" };
            [entry].into_iter().chain(skipped.iter().map(|skipped| kind(skipped.why))).collect()
        }
        Reply::Rejected(Rejection::LogShorter { .. }) => vec!["shorter"],
        Reply::Rejected(Rejection::LogRootDiffers { .. }) => vec!["differs"],
        Reply::Done { .. } => vec!["stored"],
        Reply::Applied { .. } | Reply::Joined { .. } | Reply::Approval(_) | Reply::Rejected(_) => vec!["other"],
    }
}

fn kind(why: Skip) -> &'static str {
    match why {
        Skip::UnknownNode => "unknown node",
        Skip::KeyDiffers => "key differs",
        Skip::Unannounced => "unannounced",
        Skip::NoSuchRecords => "no such records",
        Skip::TooManyChains => "too many chains",
        Skip::OutOfOrder { .. } => "out of order",
        Skip::Ended => "ended",
        Skip::Alive => "alive",
    }
}

/// Applies a step, and returns the entry it made.
fn step(state: &mut State, step: &Step, counts: &RefCell<Counts>) -> Option<Arc<LogEntry>> {
    let change = resolve(state, step);
    let (reply, _) = state.apply(3, proposal(0, change));
    kinds(&reply).into_iter().for_each(|kind| count(counts, kind));
    let Reply::Anchored { entry, .. } = reply else { return None };
    let entry = state.evidence().unstored_from(entry?).next().cloned().unwrap();
    for (kind, there) in [
        ("key", !entry.keys.is_empty()),
        ("head", !entry.heads.is_empty()),
        ("root", !entry.roots.is_empty()),
        ("gap", !entry.gaps.is_empty()),
        ("conflict", !entry.conflicts.is_empty()),
    ] {
        if there {
            count(counts, kind);
        }
    }
    Some(entry)
}

#[test]
fn replicas_and_what_is_restored_from_them_stay_equal() {
    let counts = RefCell::default();
    run(|steps| {
        let (mut first, mut second) = (begun(), begun());
        for one in &steps {
            let change = resolve(&first, one);
            let replies = (first.apply(3, proposal(0, change.clone())), second.apply(3, proposal(0, change)));
            prop_assert_eq!(&replies.0, &replies.1);
            kinds(&replies.0.0).into_iter().for_each(|kind| count(&counts, kind));
            second = restored(&second);
            prop_assert_eq!(&first, &second);
        }
        Ok(())
    });
    let skips = ["unknown node", "key differs", "unannounced", "no such records", "out of order", "ended", "alive"];
    require(&counts, &skips);
    require(&counts, &["entry", "nothing", "stored", "shorter"]);
}

#[test]
fn the_log_has_every_number_once_and_no_empty_entry() {
    let counts = RefCell::default();
    run(|steps| {
        let mut state = begun();
        let mut made = 0;
        for one in &steps {
            let revision = state.revision();
            if let Some(entry) = step(&mut state, one, &counts) {
                prop_assert_eq!(entry.index, made);
                let LogEntry { index: _, time, keys, heads, roots, gaps, conflicts } = &*entry;
                prop_assert_eq!(*time, state.log_time());
                let marks = keys.len() + heads.len() + roots.len();
                prop_assert!(marks + gaps.len() + conflicts.len() > 0);
                made += 1;
            }
            prop_assert_eq!(state.evidence().size(), made);
            prop_assert!(state.evidence().stored().size <= made);
            let numbers = state.evidence().unstored_from(0).map(|entry| entry.index);
            prop_assert!(numbers.eq(state.evidence().stored().size..made));
            prop_assert_eq!(state.revision(), revision);
        }
        Ok(())
    });
    require(&counts, &["key", "head", "root", "gap", "conflict", "stored", "nothing"]);
}

#[test]
fn a_chain_never_goes_back_and_stays_ended() {
    let counts = RefCell::default();
    run(|steps| {
        let mut state = begun();
        for one in &steps {
            let before: BTreeMap<ChainId, Chain> =
                state.evidence().chains().map(|(id, chain)| (id.clone(), *chain)).collect();
            step(&mut state, one, &counts);
            for (id, was) in before {
                let Some(is) = state.evidence().chain(&id) else {
                    count(&counts, "forgotten");
                    continue;
                };
                prop_assert!(is.head == was.head || is.head.sequence > was.head.sequence);
                prop_assert!(is.next_stored() >= was.next_stored());
                prop_assert!(is.next_stored() <= is.head.sequence + 1);
                prop_assert!(is.ended || !was.ended);
                if was.ended {
                    count(&counts, "ended before");
                    prop_assert_eq!(is.stored, was.stored);
                }
            }
        }
        Ok(())
    });
    require(&counts, &["forgotten", "ended before", "head", "root"]);
}

/// AU-02, AU-03, AU-07: of a chain, the log's segments are exactly what is stored; of one that ended, its gaps are exactly
/// what anybody spoke of beyond that; of an open one, nothing is lost.
#[test]
fn au_07_every_record_that_was_spoken_of_is_stored_or_still_to_come_or_in_a_gap() {
    let counts = RefCell::default();
    run(|steps| {
        let mut state = begun();
        // The numbers in segments and in gaps of each chain, since it is known.
        let mut told: BTreeMap<ChainId, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
        for one in &steps {
            if let Some(entry) = step(&mut state, one, &counts) {
                for root in &entry.roots {
                    let told = &mut told.entry(root.chain.clone()).or_default().0;
                    told.extend(root.first..=root.last.sequence);
                }
                for gap in &entry.gaps {
                    let told = &mut told.entry(gap.chain.clone()).or_default().1;
                    told.extend(gap.first..=gap.last.sequence);
                }
            }
            told.retain(|id, _| state.evidence().chain(id).is_some());
            for (id, chain) in state.evidence().chains() {
                let (stored, lost) = told.get(id).cloned().unwrap_or_default();
                prop_assert!(stored.into_iter().eq(1..chain.next_stored()));
                if chain.ended {
                    count(&counts, if lost.is_empty() { "whole" } else { "torn" });
                    prop_assert!(lost.into_iter().eq(chain.next_stored()..=chain.head.sequence), "{} {:?}", id, chain);
                } else {
                    count(&counts, "open");
                    prop_assert!(lost.is_empty());
                }
            }
        }
        Ok(())
    });
    require(&counts, &["whole", "torn", "open", "gap"]);
}

/// A proposer that does not know what became of a change proposes it again: of an incarnation that is still known, nothing
/// is anchored twice, unless a forgotten one of its node returns with it.
#[test]
fn what_is_said_twice_is_anchored_once() {
    let counts = RefCell::default();
    run(|steps| {
        let mut state = begun();
        for one in &steps {
            let change = resolve(&state, one);
            state.apply(3, proposal(0, change.clone()));
            let known = state.clone();
            let is_known = |id: &ChainId| known.evidence().key(&id.node, id.incarnation).is_some();
            let (reply, _) = state.apply(3, proposal(0, change));
            let Reply::Anchored { entry, .. } = reply else { continue };
            count(&counts, if entry.is_some() { "again" } else { "repeated" });
            let entry = entry.and_then(|index| state.evidence().unstored_from(index).next().cloned());
            let Some(entry) = entry else { continue };
            let LogEntry { index: _, time: _, keys, heads, roots, gaps, conflicts } = &*entry;
            let fresh = |key: &EvidenceKey| known.evidence().key(&key.node, key.incarnation).is_none();
            prop_assert!(keys.iter().all(fresh));
            let returned = |id: &ChainId| keys.iter().any(|key| key.node == id.node);
            let again = |id: &ChainId| is_known(id) && !returned(id);
            prop_assert!(!heads.iter().any(|head| again(&head.chain)));
            prop_assert!(!roots.iter().any(|root| again(&root.chain)));
            prop_assert!(!gaps.iter().any(|gap| again(&gap.chain)));
            if !conflicts.is_empty() {
                count(&counts, "conflict");
            }
        }
        Ok(())
    });
    require(&counts, &["again", "repeated", "conflict"]);
}
