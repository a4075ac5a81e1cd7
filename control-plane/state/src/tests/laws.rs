//! Laws of `apply`, over random histories.

use super::support::*;
use crate::*;
use hoop_model::{Kind, Revision, Uid};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// One step of a history. What depends on the state (bases, revisions) is filled in when it runs.
#[derive(Debug, Clone)]
enum Step {
    Bootstrap,
    Apply { stale: bool, objects: Vec<Document> },
    Delete { stale: bool, kind: Kind, name: u8 },
    Mint { token: u8, lifetime: u64 },
    Spend { token: u8, node: u8 },
    Remove { node: u8 },
    Tick,
}

#[derive(Debug, Clone)]
struct Document {
    kind: Kind,
    name: u8,
    text: u8,
    names: Option<u8>,
    precondition: u8,
}

#[derive(Debug, Clone)]
struct Move {
    step: Step,
    later: u64,
    key: Option<u8>,
}

fn document() -> impl Strategy<Value = Document> {
    let kind = prop_oneof![Just(Kind::Issuer), Just(Kind::Identity), Just(Kind::Policy)];
    (kind, 0..3u8, 0..3u8, proptest::option::weighted(0.2, 0..2u8), 0..16u8)
        .prop_map(|(kind, name, text, names, precondition)| Document { kind, name, text, names, precondition })
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![Just(Kind::Issuer), Just(Kind::Identity), Just(Kind::Policy)];
    prop_oneof![
        1 => Just(Step::Bootstrap),
        8 => (proptest::bool::weighted(0.1), proptest::collection::vec(document(), 1..4))
            .prop_map(|(stale, objects)| Step::Apply { stale, objects }),
        3 => (proptest::bool::weighted(0.1), kind, 0..3u8)
            .prop_map(|(stale, kind, name)| Step::Delete { stale, kind, name }),
        4 => (0..4u8, 0..3 * HOUR).prop_map(|(token, lifetime)| Step::Mint { token, lifetime }),
        5 => (0..4u8, 0..6u8).prop_map(|(token, node)| Step::Spend { token, node }),
        2 => (0..6u8).prop_map(|node| Step::Remove { node }),
        1 => Just(Step::Tick),
    ]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let later = prop_oneof![4 => 0..10_000u64, 1 => 0..8 * HOUR];
    let one = (step(), later, proptest::option::weighted(0.4, 0..6u8));
    proptest::collection::vec(one.prop_map(|(step, later, key)| Move { step, later, key }), 1..40)
}

fn label(prefix: &str, number: u8) -> String {
    format!("{prefix}{number}")
}

fn resolve(state: &State, index: u64, step: &Step) -> Change {
    let base = |stale: bool| if stale { Revision { epoch: 0, index: 1 } } else { state.revision() };
    match step {
        Step::Bootstrap => bootstrap(),
        Step::Apply { stale, objects } => {
            let objects = objects.iter().enumerate().map(|(at, document)| resolve_document(state, index, at, document));
            apply(base(*stale), objects.collect())
        }
        Step::Delete { stale, kind, name } => delete(base(*stale), reference(*kind, &label("o", *name))),
        Step::Mint { token, lifetime } => mint(*token, state.log_time().0 + lifetime),
        Step::Spend { token, node } => spend(*token, &label("n", *node)),
        Step::Remove { node } => {
            let name = name(&label("n", *node));
            let uid = state.node(&name).map_or(Uid::mint(0), |node| node.uid);
            Change::RemoveNode(RemoveNode { name, uid, gives_up_records: false })
        }
        Step::Tick => Change::Tick,
    }
}

fn resolve_document(state: &State, index: u64, at: usize, document: &Document) -> NewObject {
    let text = label("t", document.text);
    let spec = match document.kind {
        Kind::Issuer => issuer(&format!("https://{text}.test")),
        Kind::Identity => identity(&label("o", document.text), "ops"),
        Kind::Policy | Kind::Connection | Kind::Person | Kind::Secret | Kind::DataClass | Kind::Role => policy(&text),
    };
    let own = name(&label("o", document.name));
    let there = state.object(document.kind, &own).map(|object| object.metadata.revision);
    let precondition = match (document.precondition, there) {
        (0, _) => Precondition::Absent,
        (1, Some(revision)) => Precondition::At(revision),
        _ => Precondition::Any,
    };
    let named = document.names.map(|number| reference(Kind::Identity, &label("o", number)));
    let uid = u128::from(index) << 8 | at as u128;
    NewObject { precondition, references: named.into_iter().collect(), ..object(own.as_str(), spec, uid) }
}

fn proposed(state: &State, index: u64, step: &Move) -> Proposal {
    let time = state.log_time().0 + step.later;
    let change = resolve(state, index, &step.step);
    match step.key {
        Some(key) => keyed(time, key, "admin", change),
        None => proposal(time, change),
    }
}

/// How often each outcome was met, so that a law is not kept by never being tried.
pub(super) type Counts = BTreeMap<&'static str, u32>;

pub(super) fn count(counts: &RefCell<Counts>, outcome: &'static str) {
    *counts.borrow_mut().entry(outcome).or_default() += 1;
}

fn kind_of(reply: &Reply) -> &'static str {
    match reply {
        Reply::Done { .. } => "done",
        Reply::Applied { .. } => "applied",
        Reply::Joined { .. } => "joined",
        Reply::Anchored { .. } => "anchored",
        Reply::Approval(_) => "approval",
        Reply::Rejected(Rejection::Dangling { .. }) => "dangling",
        Reply::Rejected(Rejection::Referenced { .. }) => "referenced",
        Reply::Rejected(Rejection::KeyReused) => "key reused",
        Reply::Rejected(_) => "rejected",
    }
}

pub(super) fn require(counts: &RefCell<Counts>, outcomes: &[&str]) {
    let counts = counts.borrow();
    for outcome in outcomes {
        assert!(counts.get(outcome).copied().unwrap_or(0) >= 20, "`{outcome}` was hardly tried: {counts:?}");
    }
}

fn run(test: impl Fn(Vec<Move>) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
    runner.run(&moves(), test).unwrap();
}

#[test]
fn replicas_fed_the_same_proposals_are_equal() {
    let counts = RefCell::default();
    run(|moves| {
        let (mut first, mut second) = (born(), born());
        for (index, step) in (2..).zip(&moves) {
            let proposal = proposed(&first, index, step);
            let replies = (first.apply(index, proposal.clone()), second.apply(index, proposal));
            prop_assert_eq!(&replies.0, &replies.1);
            prop_assert_eq!(&first, &second);
            count(&counts, kind_of(&replies.0.0));
            // A snapshot is the state, whatever comes after it.
            second = restored(&second);
            prop_assert_eq!(&first, &second);
        }
        Ok(())
    });
    require(&counts, &["done", "applied", "joined", "dangling", "referenced", "key reused", "rejected"]);
}

#[test]
fn a_change_is_made_whole_or_not_at_all() {
    let counts = RefCell::default();
    run(|moves| {
        let mut state = born();
        for (index, step) in (2..).zip(&moves) {
            let proposal = Proposal { key: None, ..proposed(&state, index, step) };
            let before = state.clone();
            let (reply, notices) = state.apply(index, proposal.clone());
            count(&counts, kind_of(&reply));
            let moved = state.revision() != before.revision();
            prop_assert_eq!(moved, notices.iter().any(|notice| matches!(notice, Notice::RevisionMoved { .. })));
            let here = Revision { epoch: 1, index };
            prop_assert!(!moved || state.revision() == here);
            match (&reply, proposal.change) {
                (Reply::Rejected(_), _) => {
                    prop_assert!(before.objects().eq(state.objects()));
                    prop_assert!(before.nodes().eq(state.nodes()));
                    prop_assert!(before.join_tokens().eq(state.join_tokens()));
                    prop_assert_eq!(before.revision(), state.revision());
                }
                (_, Change::ApplyObjects(apply)) => {
                    for new in &apply.objects {
                        let stored = state.object(new.spec.kind(), &new.name).unwrap();
                        prop_assert_eq!(&stored.spec, &new.spec);
                    }
                }
                (_, Change::DeleteObject(delete)) => {
                    prop_assert!(state.object(delete.target.kind, &delete.target.name).is_none());
                }
                _ => {}
            }
            let uids: BTreeSet<_> = state.objects().map(|object| object.metadata.uid).collect();
            prop_assert_eq!(uids.len(), state.objects().count());
        }
        Ok(())
    });
    require(&counts, &["applied", "dangling", "referenced", "rejected"]);
}

#[test]
fn a_join_token_is_spent_at_most_once() {
    let counts = RefCell::default();
    run(|moves| {
        let mut state = born();
        let (mut minted, mut joined) = (BTreeMap::<u8, u32>::new(), BTreeMap::<u8, u32>::new());
        let mut removed = 0;
        for (index, step) in (2..).zip(&moves) {
            let proposal = Proposal { key: None, ..proposed(&state, index, step) };
            let (reply, _) = state.apply(index, proposal);
            match (&step.step, &reply) {
                (Step::Mint { token, .. }, Reply::Done { .. }) => *minted.entry(*token).or_default() += 1,
                (Step::Spend { token, .. }, Reply::Joined { .. }) => {
                    count(&counts, "joined");
                    *joined.entry(*token).or_default() += 1;
                }
                (Step::Spend { .. }, _) => count(&counts, "refused"),
                (Step::Remove { .. }, Reply::Done { .. }) => {
                    count(&counts, "removed");
                    removed += 1;
                }
                _ => {}
            }
            for (token, times) in &joined {
                prop_assert!(Some(times) <= minted.get(token), "token {} admitted {} nodes", token, times);
            }
            prop_assert_eq!(state.nodes().count() as u32 + removed, joined.values().sum::<u32>());
        }
        Ok(())
    });
    require(&counts, &["joined", "refused", "removed"]);
}

#[test]
fn a_repeat_gets_the_same_reply_and_changes_nothing() {
    let counts = RefCell::default();
    run(|moves| {
        let mut state = born();
        for (index, step) in (2..).step_by(2).zip(&moves) {
            let key = IdempotencyKey((index as u128).to_be_bytes());
            let first = Proposal { key: Some(key), ..proposed(&state, index, step) };
            let (reply, _) = state.apply(index, first.clone());
            if matches!(reply, Reply::Rejected(_)) {
                count(&counts, "rejected");
                continue;
            }
            count(&counts, kind_of(&reply));
            let after = state.clone();
            prop_assert_eq!(state.apply(index + 1, first.clone()), (reply, vec![]));
            prop_assert_eq!(&state, &after);
            // The key stands for this request only.
            let other = Proposal { change: mint(99, 1), ..first };
            prop_assert_eq!(state.apply(index + 1, other).0, Reply::Rejected(Rejection::KeyReused));
            prop_assert_eq!(&state, &after);
        }
        Ok(())
    });
    require(&counts, &["applied", "joined", "done", "rejected"]);
}
