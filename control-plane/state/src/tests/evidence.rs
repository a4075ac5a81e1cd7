//! One rule of the evidence log per test.

use super::support::*;
use crate::*;
use hoop_model::{
    ChainHead, ChainId, Conflict, ContentHash, EvidenceKey, Gap, Incarnation, LogEntry, SegmentRoot, UnixMillis,
};
use std::sync::Arc;

/// A cluster with the nodes `a` and `b`, at log time 1,000.
fn joined() -> State {
    let mut state = born();
    for (token, node) in [(1, "a"), (2, "b")] {
        state.apply(2, proposal(1_000, mint(token, HOUR)));
        assert!(matches!(state.apply(2, proposal(1_000, spend(token, node))).0, Reply::Joined { .. }));
    }
    state
}

/// What a change made of the log: its entry, and what was left out.
type Anchored = (Option<LogEntry>, Vec<(Item, Skip)>);

fn anchor(state: &mut State, evidence: AnchorEvidence) -> Anchored {
    let (before, revision) = (state.evidence().size(), state.revision());
    let (reply, notices) = state.apply(3, proposal(0, Change::AnchorEvidence(evidence)));
    assert_eq!(state.revision(), revision, "evidence is not policy");
    assert_eq!(restored(state), *state);
    let Reply::Anchored { size, entry, skipped } = reply else { panic!("not anchored: {reply:?}") };
    let logged = Notice::EvidenceLogged { size };
    assert_eq!(notices, Vec::from_iter(entry.map(|_| logged)));
    assert_eq!((size, entry), (state.evidence().size(), (size > before).then_some(before)));
    let entry = entry.and_then(|index| state.evidence().unstored_from(index).next()).map(|entry| (**entry).clone());
    (entry, skipped.into_iter().map(|Skipped { item, why }| (item, why)).collect())
}

/// Anchors what is all taken, and returns its entry.
fn made(state: &mut State, evidence: AnchorEvidence) -> LogEntry {
    let (entry, skipped) = anchor(state, evidence);
    assert_eq!(skipped, vec![]);
    entry.unwrap()
}

fn refused(state: &mut State, change: Change) -> Rejection {
    let before = state.clone();
    match state.apply(3, proposal(0, change)) {
        (Reply::Rejected(rejection), notices) => {
            assert_eq!((&*state, notices), (&before, vec![]), "a rejection changed something");
            rejection
        }
        (reply, _) => panic!("not rejected: {reply:?}"),
    }
}

/// What is known already, or not heard of, changes nothing.
fn nothing(state: &mut State, evidence: AnchorEvidence) {
    let before = state.clone();
    assert_eq!(anchor(state, evidence), (None, vec![]));
    assert_eq!(*state, before);
}

fn only(skipped: Item, why: Skip) -> Anchored {
    (None, vec![(skipped, why)])
}

fn announced() -> State {
    let mut state = joined();
    made(&mut state, keys([key("a", 1), key("b", 1)]));
    state
}

#[test]
fn an_item_of_a_node_that_did_not_join_costs_no_other_its_place() {
    let mut state = joined();
    let stranger = chain("stranger", 1, 0);
    let (entry, skipped) = anchor(
        &mut state,
        AnchorEvidence {
            keys: vec![key("stranger", 1), key("a", 1)],
            heads: vec![at(&stranger, 1, 1), at(&chain("a", 1, 0), 4, 1)],
            roots: vec![root(&stranger, 1, 1, 1), root(&chain("a", 1, 0), 1, 2, 1)],
            lost: vec![stranger.clone()],
            broken_off: vec![stranger.clone()],
        },
    );
    let entry = entry.unwrap();
    assert_eq!((entry.keys.len(), entry.heads.len(), entry.roots.len()), (1, 1, 1));
    let node = name("stranger");
    let items = [
        Item::Key { node, incarnation: Incarnation::mint(1) },
        Item::Head(stranger.clone()),
        Item::Root { chain: stranger.clone(), first: 1 },
        Item::Lost(stranger.clone()),
        Item::Lost(stranger.clone()),
    ];
    assert_eq!(skipped, items.map(|item| (item, Skip::UnknownNode)));
    assert_eq!(state.evidence().chain(&stranger), None);
}

#[test]
fn an_entry_has_the_next_number_and_log_time_and_says_all_that_is_new() {
    let mut state = joined();
    state.apply(3, proposal(7_000, Change::Tick));
    let open = chain("a", 1, 0);
    let evidence = AnchorEvidence {
        keys: vec![key("a", 1)],
        heads: vec![at(&open, 9, 1)],
        roots: vec![root(&open, 1, 4, 1)],
        lost: vec![],
        broken_off: vec![],
    };
    let entry = made(&mut state, evidence.clone());
    let AnchorEvidence { keys, heads, roots, .. } = evidence.clone();
    let (gaps, conflicts) = (vec![], vec![]);
    assert_eq!(entry, LogEntry { index: 0, time: UnixMillis(7_000), keys, heads, roots, gaps, conflicts });
    nothing(&mut state, evidence);
    assert_eq!(made(&mut state, heads_of([at(&open, 10, 1)])).index, 1);
    assert_eq!(state.evidence().size(), 2);
    let known = Chain { head: position(10, 1), stored: Some(position(4, 1)), ended: false };
    assert_eq!(state.evidence().chains_of(&name("a")).collect::<Vec<_>>(), [(&open, &known)]);
    assert_eq!(state.evidence().chains_of(&name("b")).count(), 0);
    assert_eq!(state.evidence().unstored_from(1).map(|entry| entry.index).collect::<Vec<_>>(), [1]);
    assert_eq!(state.evidence().unstored_from(2).count(), 0);
}

#[test]
fn a_key_is_announced_once_and_never_replaced() {
    let mut state = joined();
    let (first, other) = (key("a", 1), EvidenceKey { public: [99; 32], ..key("a", 1) });
    assert_eq!(made(&mut state, keys([first.clone()])).keys, std::slice::from_ref(&first));
    nothing(&mut state, keys([first.clone()]));
    let item = Item::Key { node: name("a"), incarnation: Incarnation::mint(1) };
    assert_eq!(anchor(&mut state, keys([other])), only(item, Skip::KeyDiffers));
    assert_eq!(state.evidence().key(&name("a"), Incarnation::mint(1)), Some(&first.public));
    assert_eq!(state.evidence().key(&name("b"), Incarnation::mint(1)), None);
    assert_eq!(state.evidence().newest(&name("a")), Some(Incarnation::mint(1)));
    // A repeat does not make an incarnation the newest again.
    made(&mut state, keys([key("a", 2)]));
    nothing(&mut state, keys([first]));
    assert_eq!(state.evidence().newest(&name("a")), Some(Incarnation::mint(2)));
}

#[test]
fn a_head_goes_forward_only() {
    let mut state = announced();
    let id = chain("a", 1, 0);
    assert_eq!(made(&mut state, heads_of([at(&id, 5, 1)])).heads, [at(&id, 5, 1)]);
    nothing(&mut state, heads_of([at(&id, 5, 1)]));
    nothing(&mut state, heads_of([at(&id, 4, 9)]));
    assert_eq!(made(&mut state, heads_of([at(&id, 7, 1)])).heads, [at(&id, 7, 1)]);
    assert_eq!(state.evidence().chain(&id).unwrap().head, position(7, 1));
}

#[test]
fn au_06_two_things_said_of_one_record_are_a_conflict() {
    let mut state = announced();
    let id = chain("a", 1, 0);
    made(&mut state, heads_of([at(&id, 5, 1)]));
    let conflict = |known, said| Conflict { known: ChainHead { chain: id.clone(), head: known }, said };
    let entry = made(&mut state, heads_of([at(&id, 5, 2)]));
    assert_eq!((entry.heads.len(), entry.conflicts), (0, vec![conflict(position(5, 1), position(5, 2))]));
    assert_eq!(state.evidence().chain(&id).unwrap().head, position(5, 1), "what was said first stays");
    // Of the last record in the store as well, although the head is beyond it.
    let (_, skipped) = anchor(
        &mut state,
        AnchorEvidence { roots: vec![root(&id, 1, 3, 1)], heads: vec![at(&id, 9, 1)], ..Default::default() },
    );
    assert_eq!(skipped, vec![]);
    let entry = made(&mut state, heads_of([at(&id, 3, 2)]));
    assert_eq!(entry.conflicts, vec![conflict(position(3, 1), position(3, 2))]);
    nothing(&mut state, heads_of([at(&id, 3, 1)]));
}

#[test]
fn a_head_begins_a_chain_only_of_an_announced_incarnation() {
    let mut state = joined();
    let id = chain("a", 1, 0);
    assert_eq!(anchor(&mut state, heads_of([at(&id, 1, 1)])), only(Item::Head(id.clone()), Skip::Unannounced));
    // The key may come with it.
    let together = AnchorEvidence { keys: vec![key("a", 1)], ..heads_of([at(&id, 1, 1)]) };
    assert_eq!(made(&mut state, together).heads, [at(&id, 1, 1)]);
}

#[test]
fn numbers_of_no_record_are_left_out() {
    let mut state = announced();
    let id = chain("a", 1, 0);
    for sequence in [0, u64::MAX] {
        let found = anchor(&mut state, heads_of([at(&id, sequence, 1)]));
        assert_eq!(found, only(Item::Head(id.clone()), Skip::NoSuchRecords));
    }
    for (first, last) in [(0, 1), (0, 0), (2, 1), (1, u64::MAX)] {
        let found = anchor(&mut state, roots_of([root(&id, first, last, 1)]));
        assert_eq!(found, only(Item::Root { chain: id.clone(), first }, Skip::NoSuchRecords));
    }
    let last = u64::MAX - 1;
    assert_eq!(made(&mut state, heads_of([at(&id, last, 1)])).heads, [at(&id, last, 1)]);
    let ends = SegmentRoot { ends_chain: true, ..root(&id, 1, last, 1) };
    assert_eq!(made(&mut state, roots_of([ends])).gaps, []);
}

#[test]
fn au_02_a_segment_begins_where_the_stored_part_of_its_chain_ends() {
    let mut state = announced();
    let id = chain("a", 1, 0);
    let late = root(&id, 5, 7, 1);
    let out_of_order = |first, expected| only(Item::Root { chain: id.clone(), first }, Skip::OutOfOrder { expected });
    assert_eq!(anchor(&mut state, roots_of([late.clone()])), out_of_order(5, 1));
    assert_eq!(state.evidence().chain(&id), None, "it begins nothing");
    assert_eq!(made(&mut state, roots_of([root(&id, 1, 4, 1)])).roots, [root(&id, 1, 4, 1)]);
    assert_eq!(anchor(&mut state, roots_of([root(&id, 6, 7, 1)])), out_of_order(6, 5));
    assert_eq!(anchor(&mut state, roots_of([root(&id, 4, 7, 1)])), out_of_order(4, 5));
    assert_eq!(anchor(&mut state, roots_of([root(&id, 1, 3, 1)])), out_of_order(1, 5));
    assert_eq!(made(&mut state, roots_of([late.clone(), root(&id, 8, 8, 1)])).roots.len(), 2);
    // The last one is known, the one before it cannot be told from another one.
    nothing(&mut state, roots_of([root(&id, 8, 8, 1)]));
    assert_eq!(anchor(&mut state, roots_of([late])), out_of_order(5, 9));
    let stored = Chain { head: position(8, 1), stored: Some(position(8, 1)), ended: false };
    assert_eq!(state.evidence().chain(&id), Some(&stored), "a segment beyond the head is also the head");
    assert_eq!(stored.next_stored(), 9);
}

#[test]
fn au_06_a_segment_that_contradicts_the_head_is_anchored_and_the_contradiction_too() {
    let mut state = announced();
    let id = chain("a", 1, 0);
    made(&mut state, heads_of([at(&id, 4, 1)]));
    let entry = made(&mut state, roots_of([root(&id, 1, 4, 2)]));
    let known = at(&id, 4, 1);
    assert_eq!(entry.roots, [root(&id, 1, 4, 2)]);
    assert_eq!(entry.conflicts, [Conflict { known, said: position(4, 2) }]);
    // Both are known from here on.
    nothing(&mut state, heads_of([at(&id, 4, 1), at(&id, 4, 2)]));
    nothing(&mut state, roots_of([root(&id, 1, 4, 2)]));
    assert_eq!(made(&mut state, heads_of([at(&id, 4, 3)])).conflicts.len(), 1);
    assert_eq!(made(&mut state, roots_of([root(&id, 5, 6, 2)])).roots.len(), 1);
}

#[test]
fn au_06_another_segment_for_records_that_are_stored_is_left_out_and_a_conflict() {
    let mut state = announced();
    let id = chain("a", 1, 0);
    made(&mut state, roots_of([root(&id, 1, 4, 1)]));
    let (entry, skipped) = anchor(&mut state, roots_of([root(&id, 1, 4, 2)]));
    let entry = entry.unwrap();
    assert_eq!((entry.roots.len(), entry.conflicts.len()), (0, 1));
    assert_eq!(skipped, [(Item::Root { chain: id.clone(), first: 1 }, Skip::OutOfOrder { expected: 5 })]);
    assert_eq!(state.evidence().chain(&id).unwrap().stored, Some(position(4, 1)));
}

#[test]
fn au_03_a_chain_that_ends_before_its_head_lacks_its_tail() {
    let mut state = announced();
    let id = chain("a", 1, 0);
    made(&mut state, heads_of([at(&id, 9, 1)]));
    let entry = made(&mut state, roots_of([ending(root(&id, 1, 6, 1))]));
    assert_eq!(entry.gaps, [Gap { chain: id.clone(), first: 7, last: position(9, 1) }]);
    assert_eq!(state.evidence().chains_of(&name("a")).count(), 0);
    // Whole chains lack nothing.
    let whole = chain("a", 1, 1);
    let entry = made(&mut state, roots_of([root(&whole, 1, 6, 1), ending(root(&whole, 7, 9, 1))]));
    assert_eq!((entry.roots.len(), entry.gaps), (2, vec![]));
}

#[test]
fn au_03_in_one_change_the_end_of_a_chain_is_measured_against_its_head_there() {
    let mut state = joined();
    let id = chain("a", 1, 0);
    let all = AnchorEvidence {
        keys: vec![key("a", 1), key("a", 2), key("a", 3)],
        heads: vec![at(&id, 9, 1)],
        roots: vec![ending(root(&id, 1, 6, 1))],
        lost: vec![],
        broken_off: vec![],
    };
    assert_eq!(made(&mut state, all).gaps, [Gap { chain: id, first: 7, last: position(9, 1) }]);
}

#[test]
fn what_comes_late_of_an_ended_chain_begins_nothing_and_loses_nothing() {
    let mut state = announced();
    let id = chain("a", 1, 0);
    made(&mut state, heads_of([at(&id, 2, 1)]));
    made(&mut state, roots_of([ending(root(&id, 1, 6, 1))]));
    nothing(&mut state, heads_of([at(&id, 2, 1), at(&id, 6, 1)]));
    nothing(&mut state, roots_of([ending(root(&id, 1, 6, 1))]));
    assert_eq!(made(&mut state, heads_of([at(&id, 6, 2)])).conflicts.len(), 1);
    // Nor after a restart of its node.
    made(&mut state, keys([key("a", 2)]));
    nothing(&mut state, heads_of([at(&id, 4, 1)]));
    nothing(&mut state, AnchorEvidence { lost: vec![id.clone()], ..Default::default() });
    // After the next one it is forgotten, and so is its incarnation.
    made(&mut state, keys([key("a", 3)]));
    assert_eq!(state.evidence().chain(&id), None);
    assert_eq!(state.evidence().key(&name("a"), Incarnation::mint(1)), None);
    assert_eq!(anchor(&mut state, heads_of([at(&id, 4, 1)])), only(Item::Head(id), Skip::Unannounced));
}

#[test]
fn au_03_a_head_beyond_the_end_of_its_chain_is_of_lost_records() {
    let mut state = announced();
    let id = chain("a", 1, 0);
    made(&mut state, heads_of([at(&id, 8, 1)]));
    made(&mut state, roots_of([ending(root(&id, 1, 6, 1))]));
    made(&mut state, keys([key("a", 2)]));
    let entry = made(&mut state, heads_of([at(&id, 11, 1)]));
    assert_eq!((entry.heads, entry.gaps), (vec![], vec![Gap { chain: id.clone(), first: 9, last: position(11, 1) }]));
    nothing(&mut state, heads_of([at(&id, 11, 1), at(&id, 8, 1)]));
    assert!(state.evidence().chain(&id).unwrap().ended);
    // No segment comes after the end.
    let more = anchor(&mut state, roots_of([root(&id, 7, 11, 1)]));
    assert_eq!(more, only(Item::Root { chain: id, first: 7 }, Skip::Ended));
}

#[test]
fn au_07_a_chain_that_its_node_lost_lacks_what_is_not_stored() {
    let mut state = announced();
    let (part, none, all) = (chain("a", 1, 0), chain("a", 1, 1), chain("a", 1, 2));
    made(&mut state, heads_of([at(&part, 9, 1), at(&none, 3, 1), at(&all, 5, 1)]));
    made(&mut state, roots_of([root(&part, 1, 6, 1), root(&all, 1, 5, 1)]));
    let lost = AnchorEvidence { lost: vec![part.clone(), none.clone(), all.clone()], ..Default::default() };
    // A node that runs has its chains.
    let (entry, skipped) = anchor(&mut state, lost.clone());
    assert_eq!(entry, None);
    assert_eq!(skipped, [&part, &none, &all].map(|id| (Item::Lost(id.clone()), Skip::Alive)));

    let entry = made(&mut state, AnchorEvidence { keys: vec![key("a", 2)], ..lost.clone() });
    let gap = |id: &ChainId, first, last| Gap { chain: id.clone(), first, last: position(last, 1) };
    assert_eq!(entry.gaps, [gap(&part, 7, 9), gap(&none, 1, 3)]);
    assert_eq!(state.evidence().chains_of(&name("a")).count(), 0);
    nothing(&mut state, lost);
    // What was lost does not come back.
    let found = anchor(&mut state, roots_of([root(&none, 1, 3, 1)]));
    assert_eq!(found, only(Item::Root { chain: none, first: 1 }, Skip::Ended));
    nothing(&mut state, AnchorEvidence { lost: vec![chain("a", 7, 7)], ..Default::default() });
}

#[test]
fn au_02_a_chain_that_is_broken_off_ends_with_what_is_stored_and_lacks_the_rest() {
    let mut state = announced();
    let (hole, whole) = (chain("a", 1, 0), chain("a", 1, 1));
    made(&mut state, heads_of([at(&hole, 9, 1), at(&whole, 5, 1)]));
    made(&mut state, roots_of([root(&hole, 1, 6, 1), root(&whole, 1, 5, 1)]));
    // Also of the process that runs: it goes on with other chains. The last record is newer than any head before.
    let said = AnchorEvidence { broken_off: vec![hole.clone(), whole.clone()], ..heads_of([at(&hole, 12, 1)]) };
    let entry = made(&mut state, said.clone());
    assert_eq!(entry.gaps, [Gap { chain: hole.clone(), first: 7, last: position(12, 1) }]);
    assert_eq!(state.evidence().chains_of(&name("a")).count(), 0);
    nothing(&mut state, said);
    let late = anchor(&mut state, roots_of([root(&hole, 13, 14, 1)]));
    assert_eq!(late, only(Item::Root { chain: hole.clone(), first: 13 }, Skip::Ended));
    // One more record that was there turns up.
    let entry = made(&mut state, AnchorEvidence { broken_off: vec![hole.clone()], ..heads_of([at(&hole, 14, 1)]) });
    assert_eq!(entry.gaps, [Gap { chain: hole, first: 13, last: position(14, 1) }]);
    // Of one that nobody has heard of, all that is said is lost.
    let unheard = chain("b", 1, 3);
    let said = AnchorEvidence { broken_off: vec![unheard.clone()], ..heads_of([at(&unheard, 2, 1)]) };
    assert_eq!(made(&mut state, said).gaps, [Gap { chain: unheard, first: 1, last: position(2, 1) }]);
    nothing(&mut state, AnchorEvidence { broken_off: vec![chain("b", 1, 4)], ..Default::default() });
}

#[test]
fn a_process_that_died_before_it_was_heard_of_still_has_its_segments_anchored() {
    let mut state = announced();
    let id = chain("a", 77, 0);
    let entry = made(&mut state, roots_of([root(&id, 1, 2, 1)]));
    assert_eq!(entry.roots, [root(&id, 1, 2, 1)]);
    assert_eq!(state.evidence().newest(&name("a")), Some(Incarnation::mint(1)));
    assert_eq!(made(&mut state, heads_of([at(&id, 4, 1)])).heads.len(), 1, "the chain is known");
    let entry = made(&mut state, roots_of([ending(root(&id, 3, 3, 1))]));
    assert_eq!(entry.gaps, [Gap { chain: id.clone(), first: 4, last: position(4, 1) }]);
    assert_eq!(state.evidence().chain(&id), None, "nothing keeps it");
}

#[test]
fn an_incarnation_is_known_while_it_is_of_the_two_newest_or_has_an_open_chain() {
    let mut state = joined();
    let (open, ended) = (chain("a", 1, 0), chain("a", 1, 1));
    made(&mut state, AnchorEvidence { keys: vec![key("a", 1)], ..heads_of([at(&open, 2, 1)]) });
    made(&mut state, roots_of([ending(root(&ended, 1, 2, 1))]));
    made(&mut state, keys([key("a", 2), key("a", 3), key("a", 4)]));
    let known = |state: &State| -> Vec<Incarnation> { state.evidence().keys().map(|key| key.incarnation).collect() };
    assert_eq!(known(&state), [1, 3, 4].map(Incarnation::mint));
    nothing(&mut state, heads_of([at(&ended, 1, 1)]));
    made(&mut state, roots_of([ending(root(&open, 1, 2, 1))]));
    assert_eq!(known(&state), [3, 4].map(Incarnation::mint));
    assert_eq!(state.evidence().chains().count(), 0);
}

#[test]
fn a_change_has_a_bounded_number_of_items() {
    let mut state = announced();
    let id = chain("a", 1, 0);
    let heads: Vec<ChainHead> = (1..=MAX_ANCHORED_ITEMS as u64).map(|sequence| at(&id, sequence, 1)).collect();
    let full = AnchorEvidence { heads, ..Default::default() };
    for more in [
        AnchorEvidence { keys: vec![key("a", 2)], ..full.clone() },
        AnchorEvidence { roots: vec![root(&id, 1, 1, 1)], ..full.clone() },
        AnchorEvidence { lost: vec![id.clone()], ..full.clone() },
        AnchorEvidence { broken_off: vec![id.clone()], ..full.clone() },
    ] {
        assert_eq!(refused(&mut state, Change::AnchorEvidence(more)), Rejection::TooMuchEvidence);
    }
    assert_eq!(made(&mut state, full).heads.len(), MAX_ANCHORED_ITEMS);
}

#[test]
fn a_node_has_a_bounded_number_of_chains_and_costs_no_other_its_own() {
    let mut state = announced();
    let shards = (0..MAX_CHAINS_PER_NODE as u32).map(|shard| at(&chain("a", 1, shard), 1, 1));
    made(&mut state, AnchorEvidence { heads: shards.collect(), ..Default::default() });
    let (one_more, other) = (chain("a", 1, 5_000), chain("b", 1, 0));
    let found = anchor(
        &mut state,
        AnchorEvidence {
            heads: vec![at(&one_more, 1, 1), at(&other, 1, 1), at(&chain("a", 1, 7), 2, 1)],
            roots: vec![root(&one_more, 1, 1, 1), root(&chain("a", 1, 8), 1, 1, 1)],
            ..Default::default()
        },
    );
    let entry = found.0.unwrap();
    assert_eq!((entry.heads.len(), entry.roots.len()), (2, 1));
    let items = [Item::Head(one_more.clone()), Item::Root { chain: one_more, first: 1 }];
    assert_eq!(found.1, items.map(|item| (item, Skip::TooManyChains)));
}

#[test]
fn a_log_that_is_not_stored_grows_up_to_a_bound_and_then_refuses() {
    let mut state = announced();
    let id = chain("a", 1, 0);
    let mut sequence = 0;
    let mut more = || {
        let heads = (0..MAX_ANCHORED_ITEMS).map(|_| {
            sequence += 1;
            at(&id, sequence, 1)
        });
        AnchorEvidence { heads: heads.collect(), ..Default::default() }
    };
    // Two parts are there already: the keys.
    for _ in 0..=(MAX_UNSTORED_PARTS - 2) / MAX_ANCHORED_ITEMS {
        let (reply, _) = state.apply(3, proposal(0, Change::AnchorEvidence(more())));
        assert!(matches!(reply, Reply::Anchored { entry: Some(_), .. }));
    }
    let next = more();
    let full = Change::AnchorEvidence(next.clone());
    assert_eq!(refused(&mut state, full), Rejection::TooMuchUnstored);
    assert_eq!(refused(&mut restored(&state), Change::AnchorEvidence(next.clone())), Rejection::TooMuchUnstored);
    // What the store takes makes room.
    state.apply(4, proposal(0, stored(2, 1)));
    assert_eq!(made(&mut state, next).heads.len(), MAX_ANCHORED_ITEMS);
}

#[test]
fn what_the_store_holds_leaves_the_state() {
    let mut state = announced();
    let id = chain("a", 1, 0);
    for sequence in 1..=3 {
        made(&mut state, heads_of([at(&id, sequence, 1)]));
    }
    assert_eq!(state.evidence().stored(), LogStored { size: 0, root: EMPTY_TREE });
    let revision = state.revision();
    assert_eq!(state.apply(4, proposal(0, stored(3, 7))), (Reply::Done { revision }, vec![]));
    let first = |state: &State| state.evidence().unstored_from(0).map(|entry| entry.index).collect::<Vec<_>>();
    assert_eq!((state.evidence().size(), first(&state)), (4, vec![3]));
    assert_eq!(state.evidence().stored(), LogStored { size: 3, root: ContentHash([7; 32]) });
    assert_eq!(restored(&state), state);
    // A repeat, and what was overtaken.
    let after = state.clone();
    for change in [stored(3, 7), stored(2, 9)] {
        assert_eq!(state.apply(5, proposal(0, change)).0, Reply::Done { revision });
        assert_eq!(state, after);
    }
    assert_eq!(refused(&mut state, stored(3, 8)), Rejection::LogRootDiffers { size: 3 });
    assert_eq!(refused(&mut state, stored(5, 8)), Rejection::LogShorter { size: 4 });
    state.apply(5, proposal(0, stored(4, 8)));
    assert_eq!((state.evidence().size(), first(&state)), (4, vec![]));
    assert_eq!(made(&mut state, heads_of([at(&id, 9, 1)])).index, 4);
}

#[test]
fn of_an_empty_log_only_the_empty_tree_is_stored() {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"");
    assert_eq!(EMPTY_TREE.0, hash.as_ref());
    let mut state = joined();
    assert_eq!(refused(&mut state, stored(0, 1)), Rejection::LogRootDiffers { size: 0 });
    assert_eq!(refused(&mut state, stored(1, 1)), Rejection::LogShorter { size: 0 });
    let empty = Change::LogStored(LogStored { size: 0, root: EMPTY_TREE });
    assert!(matches!(state.apply(3, proposal(0, empty)).0, Reply::Done { .. }));
}

#[test]
fn nothing_is_anchored_before_the_birth() {
    for change in [Change::AnchorEvidence(keys([key("a", 1)])), stored(0, 1)] {
        assert_eq!(refused(&mut State::default(), change), Rejection::NotBorn);
    }
}

#[test]
fn a_repeat_under_a_key_is_told_the_same() {
    let mut state = joined();
    let strange = heads_of([at(&chain("stranger", 1, 0), 1, 1)]);
    let change = Change::AnchorEvidence(AnchorEvidence { keys: vec![key("a", 1)], ..strange });
    let (reply, _) = state.apply(3, keyed(0, 1, "server", change.clone()));
    let after = state.clone();
    assert!(matches!(&reply, Reply::Anchored { entry: Some(0), skipped, .. } if skipped.len() == 1));
    assert_eq!(state.apply(4, keyed(0, 1, "server", change)), (reply, vec![]));
    assert_eq!(state, after);
}

#[test]
fn contents_of_no_evidence_log_are_refused() {
    let mut state = announced();
    let id = chain("a", 1, 0);
    made(&mut state, heads_of([at(&id, 4, 1)]));
    made(&mut state, roots_of([root(&id, 1, 2, 1)]));
    state.apply(3, proposal(0, stored(1, 1)));
    let broken = |change: &dyn Fn(&mut EvidenceContents)| {
        let mut contents = contents(&state);
        change(&mut contents.evidence);
        State::restore(contents)
    };
    assert_eq!(broken(&|_| {}), Ok(state.clone()));
    let no_log: [&dyn Fn(&mut EvidenceContents); 6] = [
        &|log| log.size = 2,
        &|log| log.size = 4,
        &|log| drop(log.unstored.remove(0)),
        &|log| log.unstored.swap(0, 1),
        &|log| log.stored.size = 0,
        &|log| {
            let LogEntry { index, time, .. } = *log.unstored[1];
            let (keys, heads, roots, gaps, conflicts) = Default::default();
            log.unstored[1] = Arc::new(LogEntry { index, time, keys, heads, roots, gaps, conflicts });
        },
    ];
    for change in no_log {
        assert_eq!(broken(change), Err(Inconsistent::EvidenceLog));
    }
    let no_chain: [&dyn Fn(&mut EvidenceContents); 5] = [
        &|log| log.chains.push(log.chains[0].clone()),
        &|log| log.chains[0].1.head.sequence = 1,
        &|log| log.chains[0].1.stored = Some(position(0, 1)),
        &|log| log.chains[0].1.head.sequence = u64::MAX,
        &|log| log.chains[0].1 = Chain { head: position(0, 1), stored: None, ended: false },
    ];
    for change in no_chain {
        assert_eq!(broken(change), Err(Inconsistent::Chain(id.clone())));
    }
    let stranger = chain("stranger", 1, 0);
    assert_eq!(broken(&|log| log.chains[0].0 = stranger.clone()), Err(Inconsistent::Chain(stranger.clone())));
    let incarnation = Incarnation::mint(1);
    let twice = Inconsistent::EvidenceKey { node: name("a"), incarnation };
    assert_eq!(broken(&|log| log.keys.push(key("a", 1))), Err(twice));
    let foreign = Inconsistent::EvidenceKey { node: name("stranger"), incarnation };
    assert_eq!(broken(&|log| log.keys.push(key("stranger", 1))), Err(foreign));
}

fn heads_of<const N: usize>(heads: [ChainHead; N]) -> AnchorEvidence {
    AnchorEvidence { heads: heads.into(), ..Default::default() }
}

fn roots_of<const N: usize>(roots: [SegmentRoot; N]) -> AnchorEvidence {
    AnchorEvidence { roots: roots.into(), ..Default::default() }
}

fn keys<const N: usize>(keys: [EvidenceKey; N]) -> AnchorEvidence {
    AnchorEvidence { keys: keys.into(), ..Default::default() }
}

#[test]
fn a_node_with_chains_that_have_not_ended_is_removed_only_if_they_are_given_up() {
    let mut state = joined();
    let (open, whole, other) = (chain("a", 1, 0), chain("a", 1, 1), chain("b", 1, 0));
    let known = AnchorEvidence {
        keys: vec![key("a", 1), key("b", 1)],
        heads: vec![at(&open, 9, 1), at(&whole, 3, 1), at(&other, 5, 1)],
        roots: vec![root(&open, 1, 4, 1), ending(root(&whole, 1, 3, 1))],
        ..AnchorEvidence::default()
    };
    made(&mut state, known);
    let has_records = Rejection::NodeHasRecords { node: name("a"), chains: 1, records: 5 };
    assert_eq!(refused(&mut state, remove("a", 1, false)), has_records);

    let size = state.evidence().size();
    let (_, notices) = state.apply(4, proposal(2_000, remove("a", 1, true)));
    let removed = Notice::NodeRemoved { node: name("a"), at: UnixMillis(2_000) };
    assert_eq!(notices, [removed, Notice::EvidenceLogged { size: size + 1 }]);
    let entry = state.evidence().unstored_from(size).next().unwrap();
    assert_eq!(entry.gaps, [Gap { chain: open, first: 5, last: position(9, 1) }]);
    assert_eq!((entry.keys.len(), entry.heads.len(), entry.roots.len()), (0, 0, 0));
    let chains: Vec<&ChainId> = state.evidence().chains().map(|(id, _)| id).collect();
    assert_eq!(chains, [&other], "what is another node's stays");
    assert_eq!(state.evidence().keys().map(|key| key.node.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(restored(&state), state);

    // The node that is gone says nothing any more, and neither does one that bears its name with its keys.
    let late = AnchorEvidence { heads: vec![at(&chain("a", 1, 0), 10, 1)], ..AnchorEvidence::default() };
    let (entry, skipped) = anchor(&mut state, late.clone());
    assert_eq!((entry, skipped), (None, vec![(Item::Head(chain("a", 1, 0)), Skip::UnknownNode)]));
    state.apply(5, proposal(3_000, mint(7, HOUR)));
    state.apply(5, proposal(3_000, spend(7, "a")));
    let (entry, skipped) = anchor(&mut state, late);
    assert_eq!((entry, skipped), (None, vec![(Item::Head(chain("a", 1, 0)), Skip::Unannounced)]));
}
