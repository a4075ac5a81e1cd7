//! What an attacker who can write the evidence store can do, and what of it is found.

use super::samples::name;
use super::store::*;
use crate::*;
use hoop_model::{ChainHead, Conflict, Gap, Incarnation, UnixMillis};

/// The paths of the sample store's segments: the whole chain's two, the left one's two, the lost one's.
fn paths() -> [String; 5] {
    let path = |node, incarnation, shard, first| segment_path(&chain_id(node, incarnation, shard), first);
    let whole = |first| path("edge-1", CRASHED, 0, first);
    let left = |first| path("edge-1", CRASHED, 1, first);
    [whole(1), whole(7), left(1), left(4), path("edge-2", LOST, 0, 1)]
}

fn faults(report: &Report) -> Vec<Fault> {
    report.problems.iter().map(|problem| problem.fault.clone()).collect()
}

fn in_file(path: &str, record: impl Into<Option<u64>>, offset: impl Into<Option<usize>>) -> Place {
    Place::Segment { path: path.into(), record: record.into(), offset: offset.into() }
}

fn problem(place: Place, fault: Fault) -> Problem {
    Problem { place, fault }
}

/// Where the records of a segment begin, and the seal.
fn starts(segment: &[u8]) -> Vec<usize> {
    let frames = read_segment(segment).unwrap().frames;
    records(frames).map(|record| record.unwrap().offset).chain([frames.len()]).collect()
}

#[test]
fn an_untouched_store_is_sound_and_is_summed_up() {
    let store = store();
    let report = store.audit();
    assert_eq!((report.problems.as_slice(), report.is_sound(), report.records()), (&[][..], true, 8 + 7 + 2));
    assert_eq!((report.origin.as_str(), report.entries, report.anchored), (ORIGIN, 7, 7));
    let chains: Vec<_> = report.chains.iter().map(|(id, c)| (id.shard, c.segments, c.records, c.ended)).collect();
    assert_eq!(chains, [(0, 2, 8, true), (1, 2, 7, true), (0, 1, 2, true)]);
    let gap = &store.log[6].gaps[0];
    assert_eq!((report.gaps.as_slice(), report.chains[&gap.chain].head.unwrap().sequence), (&[gap.clone()][..], 2));
    assert_eq!((report.pending, report.unanchored), (vec![], vec![]));
}

#[test]
fn the_order_of_segments_and_the_pieces_of_the_log_do_not_matter() {
    let store = store();
    let entries = store.entries();
    for size in [1, 3, 64, 1000] {
        let mut auditor = Auditor::open(&verifier(), &store.note, entries.chunks(size)).unwrap();
        store.segments.iter().rev().for_each(|(path, bytes)| auditor.segment(path, bytes));
        assert_eq!(auditor.finish(), store.audit());
    }
}

#[test]
fn au_01_a_flipped_byte_of_a_segment_is_found_where_it_is() {
    let store = store();
    let mut flips = 0;
    for (path, segment) in &store.segments {
        let starts = starts(segment);
        for at in 0..segment.len() {
            let mut store = store.clone();
            store.segments.get_mut(path).unwrap()[at] ^= [0x01, 0x80, 0xff][at % 3];
            let report = store.audit();
            let inside = starts.iter().rposition(|start| *start <= at).unwrap();
            let near = [starts[inside], *starts.get(inside + 1).unwrap_or(&starts[inside])];
            let found = |problem: &Problem| match &problem.place {
                Place::Segment { path: file, offset, .. } => {
                    file == path && offset.is_none_or(|offset| near.contains(&offset) || inside == starts.len() - 1)
                }
                Place::Log { .. } | Place::Chain { .. } => false,
            };
            assert!(report.problems.iter().any(found), "{path} at {at}: {:?}", report.problems);
            assert!(report.records() < 17, "{path} at {at}: what is altered is not counted");
            flips += 1;
        }
    }
    assert_eq!(flips, store.segments.values().map(Vec::len).sum::<usize>());
}

#[test]
fn au_01_a_flipped_byte_of_the_log_is_found() {
    let store = store();
    let entries = store.entries();
    for at in 0..entries.len() {
        let mut altered = entries.clone();
        altered[at] ^= [0x01, 0x80, 0xff][at % 3];
        let report = store.audit_bytes(&altered);
        let in_log = |problem: &Problem| matches!(problem.place, Place::Log { .. });
        assert!(report.problems.iter().any(in_log), "at {at}: {:?}", report.problems);
        assert_eq!((report.anchored, report.records()), (0, 0), "at {at}: nothing vouches for anything");
    }
}

#[test]
fn au_01_an_older_checkpoint_tells_where_the_log_was_altered() {
    let store = store();
    let mut entries: Vec<_> = store.log.iter().map(encode_log_entry).collect();
    let offset = entries[..4].iter().map(|entry| 4 + entry.len() as u64).sum();
    *entries[5].last_mut().unwrap() ^= 1;
    let (kept, log) = (store.checkpoint(4), framed(&entries));
    let report = Auditor::open_against(&verifier(), &store.note, &[&kept], [log]).unwrap().finish();
    let differs = problem(Place::Log { entry: 4, offset }, Fault::LogDiffers { size: 7, sound: 4 });
    assert!(report.problems.contains(&differs), "{:?}", report.problems);
    assert_eq!(report.anchored, 4);
}

#[test]
fn au_01_a_flipped_byte_of_the_checkpoint_is_found() {
    let store = store();
    for at in 0..store.note.len() {
        for mask in [0x01, 0x20, 0x80] {
            let mut note = store.note.clone().into_bytes();
            note[at] ^= mask;
            let opened = String::from_utf8(note).map(|note| Auditor::open(&verifier(), &note, [store.entries()]));
            assert!(opened.is_err() || opened.is_ok_and(|opened| opened.is_err()), "flip of {mask:#x} at {at}");
        }
    }
}

#[test]
fn au_02_a_deleted_record_is_found_where_it_was() {
    let store = store();
    let path = &paths()[0];
    let segment = store.segments[path].clone();
    let starts = starts(&segment);
    let seal = *starts.last().unwrap();
    for (k, pair) in starts.windows(2).enumerate() {
        let mut store = store.clone();
        store.segments.insert(path.clone(), [&segment[..pair[0]], &segment[pair[1]..]].concat());
        let sequence = k as u64 + 1;
        // Without its first or its last record it is in order up to the seal.
        let (broken, record) = if [0, starts.len() - 2].contains(&k) {
            (Broken::Seal { offset: seal + pair[0] - pair[1], what: FlawedSeal::OtherRecords }, None)
        } else {
            (Broken::Record { offset: pair[0], sequence, what: What::OutOfSequence(sequence + 1) }, Some(sequence))
        };
        let offset = if record.is_some() { pair[0] } else { seal + pair[0] - pair[1] };
        assert_eq!(store.audit().problems, [problem(in_file(path, record, offset), Fault::Broken(broken))]);
    }
}

#[test]
fn au_02_a_deleted_record_that_the_seal_conceals_is_found() {
    let store = store();
    let path = &paths()[0];
    let mut forged = Writer::open(&chain_id("edge-1", CRASHED, 0));
    let all = super::samples::session();
    all.iter().take(5).for_each(|entry| _ = forged.write(1, entry));
    let mut store = store;
    store.segments.insert(path.clone(), forged.seal(CRASHED, false).0);
    assert_eq!(store.audit().problems, [problem(in_file(path, None, None), Fault::Replaced(2))]);
}

#[test]
fn au_03_a_cut_segment_is_found() {
    let store = store();
    let path = &paths()[1];
    let segment = store.segments[path].clone();
    for length in 0..segment.len() {
        let mut store = store.clone();
        store.segments.insert(path.clone(), segment[..length].to_vec());
        let report = store.audit();
        assert!(
            matches!(&report.problems[..], [Problem { place: Place::Segment { path: file, .. }, fault: Fault::Broken(Broken::Seal { .. }) }] if file == path),
            "{length}: {:?}",
            report.problems
        );
    }
}

#[test]
fn au_03_a_deleted_segment_is_found_whichever_it_is() {
    let store = store();
    let named = [(2, 1, 6), (3, 7, 8), (3, 1, 3), (5, 4, 7), (3, 1, 2)];
    for (path, (entry, first, last)) in paths().into_iter().zip(named) {
        let mut store = store.clone();
        store.segments.remove(&path).unwrap();
        let chain =
            store.log.iter().flat_map(|entry| &entry.roots).find(|root| segment_path(&root.chain, root.first) == path);
        let place = Place::Chain { chain: chain.unwrap().chain.clone(), first, last };
        assert_eq!(store.audit().problems, [problem(place, Fault::SegmentMissing(entry))]);
    }
}

#[test]
fn au_03_a_log_that_lost_its_last_entries_is_found() {
    let store = store();
    let entries = store.entries();
    for kept in 0..7 {
        let end = framed(&store.log[..kept].iter().map(encode_log_entry).collect::<Vec<_>>()).len();
        let report = store.audit_bytes(&entries[..end]);
        let cut = problem(Place::Log { entry: kept as u64, offset: end as u64 }, Fault::LogCut(7));
        assert!(report.problems.contains(&cut), "{kept}: {:?}", report.problems);
        let torn = store.audit_bytes(&entries[..end + 9]);
        assert!(faults(&torn).contains(&Fault::EntryCut), "{kept}: {:?}", torn.problems);
    }
}

#[test]
fn au_03_a_store_taken_back_to_an_earlier_state_is_found_by_a_checkpoint_that_was_kept() {
    let (newest, mut store) = (store().note, store());
    let anchored_later: Vec<_> = paths()[1..].to_vec();
    store.log.truncate(3);
    store.note = store.checkpoint(3);
    anchored_later.iter().for_each(|path| drop(store.segments.remove(path)));
    assert!(store.audit().is_sound(), "every piece of it was so once");
    let report = store.audit_against(&[&newest]);
    let offset = store.entries().len() as u64;
    assert_eq!(report.problems, [problem(Place::Log { entry: 3, offset }, Fault::LogCut(7))]);
}

#[test]
fn au_04_swapped_segments_are_found() {
    let store = store();
    let paths = paths();
    for (a, b) in [(0, 1), (2, 3), (0, 2), (1, 4)] {
        let mut store = store.clone();
        let (first, second) = (store.segments[&paths[a]].clone(), store.segments[&paths[b]].clone());
        store.segments.insert(paths[a].clone(), second);
        store.segments.insert(paths[b].clone(), first);
        let mut expected = [(a, b), (b, a)]
            .map(|(is, belongs)| problem(in_file(&paths[is], None, None), Fault::Misplaced(paths[belongs].clone())));
        expected.sort_by_key(|problem| problem.place.to_string());
        assert_eq!(store.audit().problems, expected);
    }
}

#[test]
fn au_04_swapped_records_and_swapped_entries_are_found() {
    let mut store = store();
    let path = &paths()[0];
    let segment = store.segments[path].clone();
    let s = starts(&segment);
    let swapped = [&segment[..s[1]], &segment[s[2]..s[3]], &segment[s[1]..s[2]], &segment[s[3]..]].concat();
    store.segments.insert(path.clone(), swapped);
    let broken = Broken::Record { offset: s[1], sequence: 2, what: What::OutOfSequence(3) };
    assert_eq!(store.audit().problems, [problem(in_file(path, 2, s[1]), Fault::Broken(broken))]);

    let store = super::store::store();
    let mut entries: Vec<_> = store.log.iter().map(encode_log_entry).collect();
    entries.swap(2, 3);
    let report = store.audit_bytes(&framed(&entries));
    let found = faults(&report);
    assert_eq!(found[..2], [Fault::Misnumbered(3), Fault::Misnumbered(2)]);
    assert!(found.contains(&Fault::LogDiffers { size: 7, sound: 0 }));
}

#[test]
fn au_05_a_doubled_segment_record_or_entry_is_found() {
    let clean = store();
    let [path, ..] = paths();
    let mut store = clean.clone();
    let elsewhere = segment_path(&chain_id("edge-1", CRASHED, 0), 9);
    store.segments.insert(elsewhere.clone(), store.segments[&path].clone());
    assert_eq!(store.audit().problems, [problem(in_file(&elsewhere, None, None), Fault::Misplaced(path.clone()))]);

    let mut auditor = Auditor::open(&verifier(), &clean.note, [clean.entries()]).unwrap();
    clean.segments.iter().for_each(|(path, bytes)| auditor.segment(path, bytes));
    auditor.segment(&path, &clean.segments[&path]);
    assert_eq!(auditor.finish().problems, [problem(in_file(&path, None, None), Fault::Doubled)]);

    let segment = clean.segments[&path].clone();
    let s = starts(&segment);
    let mut store = clean.clone();
    store.segments.insert(path.clone(), [&segment[..s[2]], &segment[s[1]..]].concat());
    let broken = Broken::Record { offset: s[2], sequence: 3, what: What::OutOfSequence(2) };
    assert_eq!(store.audit().problems, [problem(in_file(&path, 3, s[2]), Fault::Broken(broken))]);

    let mut entries: Vec<_> = clean.log.iter().map(encode_log_entry).collect();
    entries.insert(4, entries[3].clone());
    let found = faults(&clean.audit_bytes(&framed(&entries)));
    assert!(found.contains(&Fault::Misnumbered(3)) && found.contains(&Fault::LogDiffers { size: 7, sound: 0 }));
}

#[test]
fn au_06_a_segment_is_not_replaced_by_one_of_another_chain_session_or_time() {
    let clean = store();
    let paths = paths();
    let replaced_by = |bytes: Vec<u8>| {
        let mut store = clean.clone();
        store.segments.insert(paths[0].clone(), bytes);
        store.audit().problems
    };
    let other_chain = clean.segments[&paths[2]].clone();
    assert_eq!(replaced_by(other_chain), [problem(in_file(&paths[0], None, None), Fault::Misplaced(paths[2].clone()))]);

    let mut other_session = Writer::open(&chain_id("edge-1", CRASHED, 0));
    (1..=6).for_each(|number| _ = other_session.write(77, &forwarded(number)));
    let heads = other_session.heads.clone();
    let contradicted = replaced_by(other_session.seal(CRASHED, false).0);
    let [Problem { place: Place::Segment { record: Some(2), .. }, fault: Fault::HeadContradicted(1) }] =
        &contradicted[..]
    else {
        panic!("{contradicted:?} {heads:?}")
    };

    let mut older = Writer::open(&chain_id("edge-1", CRASHED, 0));
    super::samples::session().iter().take(3).for_each(|entry| _ = older.write(1, entry));
    let older = replaced_by(older.seal(CRASHED, false).0);
    assert_eq!(older, [problem(in_file(&paths[0], None, None), Fault::Replaced(2))], "valid, and of an earlier moment");
}

#[test]
fn au_07_a_session_that_was_deleted_everywhere_is_found_by_the_checkpoint() {
    let mut store = store();
    let [_, _, left, recovered, _] = paths();
    let note = store.note.clone();
    store.segments.remove(&left);
    store.segments.remove(&recovered);
    for entry in &mut store.log {
        entry.heads.retain(|head| head.chain.shard != 1);
        entry.roots.retain(|root| root.chain.shard != 1);
    }
    assert_eq!(faults(&store.audit()), [Fault::LogDiffers { size: 7, sound: 0 }]);
    store.note = store.checkpoint(7);
    assert!(store.audit().is_sound(), "whoever holds the log key, too, makes up another log");
    assert_eq!(faults(&store.audit_against(&[&note])), [Fault::LogDiffers { size: 7, sound: 7 }]);
}

/// A node's key is stolen after records 1 and 2 were anchored; the thief chains other records and seals them.
#[test]
fn au_08_a_stolen_key_does_not_change_what_was_anchored_before() {
    let id = chain_id("edge-1", CRASHED, 0);
    let (mut honest, mut thief) = (Writer::open(&id), Writer::open(&id));
    honest.write(1, &forwarded(1)).write(1, &forwarded(2));
    thief.write(1, &forwarded(7)).write(1, &forwarded(8)).write(1, &Entry::Closed(CloseReason::Finished));
    let mut store = Store::empty();
    store.anchor(|entry| (entry.keys, entry.heads) = (vec![announced("edge-1", CRASHED)], vec![honest.head(2)]));
    let root = store.keep(thief.seal(CRASHED, true));
    let path = segment_path(&id, 1);

    let extra = store.audit();
    assert_eq!(faults(&extra)[0], Fault::HeadContradicted(0), "it is not anchored yet");
    store.anchor(|entry| entry.roots = vec![root]);
    let [Problem { place, fault }, ..] = &store.audit().problems[..] else { panic!("nothing found") };
    let second = starts(&store.segments[&path])[1];
    assert_eq!(
        (place, fault),
        (&in_file(&path, 2, second), &Fault::HeadContradicted(0)),
        "anchored by a careless cluster"
    );
}

#[test]
fn au_08_a_stolen_key_does_not_change_a_segment_that_was_anchored() {
    let mut store = store();
    let path = &paths()[1];
    let mut thief = Writer::open(&chain_id("edge-1", CRASHED, 0));
    super::samples::session().iter().for_each(|entry| _ = thief.write(1, entry));
    thief.seal(CRASHED, false);
    thief.write(2, &forwarded(1)).write(2, &Entry::Closed(CloseReason::Finished));
    store.segments.insert(path.clone(), thief.seal(CRASHED, true).0);
    let [Problem { place: Place::Segment { record, .. }, fault }] = &store.audit().problems[..] else { panic!() };
    assert_eq!((record, fault), (&Some(8), &Fault::HeadContradicted(2)));
}

#[test]
fn a_segment_must_be_signed_with_a_key_that_the_log_announced_for_its_node_by_then() {
    let clean = store();
    let recovered = &paths()[3];
    let with_seal = |key: &SigningKey, signer: Incarnation| {
        let mut writer = Writer::open(&chain_id("edge-1", CRASHED, 1));
        writer.write(3, &forwarded(1)).write(3, &forwarded(2)).write(3, &Entry::Closed(CloseReason::Finished));
        writer.seal(CRASHED, false);
        writer.write(5, &forwarded(1)).write(6, &forwarded(1));
        let closed = Entry::Closed(CloseReason::Unknown);
        writer.write(5, &closed).write(6, &closed);
        let mut store = clean.clone();
        store.segments.insert(recovered.clone(), writer.seal_with(key, signer, true).0);
        faults(&store.audit())
    };
    assert_eq!(with_seal(&key_of(NEXT), NEXT), []);
    assert_eq!(with_seal(&key_of(CRASHED), CRASHED), [], "it could still have been sealed by its own writer");
    assert!(matches!(
        with_seal(&key_of(CRASHED), NEXT)[..],
        [Fault::Broken(Broken::Seal { what: FlawedSeal::Forged, .. })]
    ));
    assert_eq!(with_seal(&key_of(LOST), LOST), [Fault::SignerUnknown], "the key of another node");

    let mut late = clean.clone();
    let key = late.log[4].keys.pop().unwrap();
    late.log[6].keys.push(key);
    late.note = late.checkpoint(7);
    assert_eq!(faults(&late.audit()), [Fault::SignerTooLate { key: 6, root: 5 }]);
}

#[test]
fn an_incarnation_that_is_over_seals_nothing_of_the_next() {
    let id = chain_id("edge-1", NEXT, 0);
    let mut store = Store::empty();
    store.anchor(|entry| entry.keys = vec![announced("edge-1", CRASHED)]);
    store.anchor(|entry| entry.keys = vec![announced("edge-1", NEXT)]);
    let mut writer = Writer::open(&id);
    writer.write(1, &forwarded(1));
    let root = store.keep(writer.seal(CRASHED, true));
    store.anchor(|entry| entry.roots = vec![root]);
    assert_eq!(faults(&store.audit()), [Fault::SignerOutOfTurn]);

    let mut store = Store::empty();
    store.anchor(|entry| entry.keys = vec![announced("edge-1", CRASHED)]);
    store.anchor(|entry| entry.keys = vec![announced("edge-1", NEXT)]);
    let mut writer = Writer::open(&chain_id("edge-1", CRASHED, 0));
    writer.write(1, &forwarded(1));
    let taken_over = store.keep(writer.seal(NEXT, false));
    writer.write(1, &forwarded(2));
    let given_back = store.keep(writer.seal(CRASHED, true));
    store.anchor(|entry| entry.roots = vec![taken_over, given_back]);
    assert_eq!(faults(&store.audit()), [Fault::SignerOutOfTurn]);
}

#[test]
fn records_that_only_heads_know_are_pending_for_an_hour_and_then_missing() {
    let id = chain_id("edge-1", CRASHED, 0);
    let mut writer = Writer::open(&id);
    (1..=3).for_each(|number| _ = writer.write(1, &forwarded(number)));
    let mut store = Store::empty();
    store.anchor(|entry| (entry.keys, entry.heads) = (vec![announced("edge-1", CRASHED)], vec![writer.head(3)]));
    let pending = Pending { chain: id.clone(), first: 1, last: writer.heads[2] };
    let report = store.audit();
    assert_eq!((report.problems, report.pending), (vec![], vec![pending]));
    store.anchor(|entry| (entry.keys, entry.time) = (vec![announced("edge-2", LOST)], UnixMillis(4_600_000)));
    assert!(store.audit().is_sound());
    store.anchor(|entry| (entry.keys, entry.time) = (vec![announced("edge-2", NEXT)], UnixMillis(4_600_001)));
    let place = Place::Chain { chain: id, first: 1, last: 3 };
    assert_eq!(store.audit().problems, [problem(place, Fault::RecordsMissing(0))]);
}

#[test]
fn records_after_the_end_of_a_chain_are_missing_unless_a_gap_says_so() {
    let id = chain_id("edge-1", CRASHED, 0);
    let mut writer = Writer::open(&id);
    writer.write(1, &forwarded(1));
    let mut store = Store::empty();
    let root = store.keep(writer.seal(CRASHED, true));
    writer.write(1, &forwarded(2)).write(1, &forwarded(3));
    let (keys, heads) = (vec![announced("edge-1", CRASHED)], vec![writer.head(3)]);
    store.anchor(|entry| (entry.keys, entry.heads, entry.roots) = (keys, heads, vec![root]));
    let place = Place::Chain { chain: id.clone(), first: 2, last: 3 };
    assert_eq!(store.audit().problems, [problem(place, Fault::RecordsMissing(0))]);
    let gap = Gap { chain: id, first: 2, last: writer.heads[2] };
    store.anchor(|entry| entry.gaps = vec![gap.clone()]);
    let report = store.audit();
    assert_eq!((report.problems, report.gaps), (vec![], vec![gap.clone()]));
    writer.write(1, &forwarded(4));
    let further = Gap { chain: gap.chain.clone(), first: 4, last: writer.heads[3] };
    store.anchor(|entry| entry.gaps = vec![further.clone()]);
    let report = store.audit();
    assert_eq!((report.problems, report.gaps), (vec![], vec![gap, further]), "what is heard of later is lost, too");
}

#[test]
fn a_log_that_leaves_out_a_segment_is_found() {
    let mut store = store();
    store.log[2].roots.clear();
    store.note = store.checkpoint(7);
    let id = chain_id("edge-1", CRASHED, 0);
    let report = store.audit();
    let place = Place::Chain { chain: id, first: 1, last: 6 };
    assert_eq!(report.problems[0], problem(place, Fault::RecordsMissing(3)));
    assert_eq!(report.problems[1], problem(in_file(&paths()[0], None, None), Fault::Unexpected));
}

#[test]
fn a_segment_that_does_not_continue_the_one_before_is_found() {
    let (mut here, mut there) =
        (Writer::open(&chain_id("edge-1", CRASHED, 0)), Writer::open(&chain_id("edge-1", CRASHED, 0)));
    let mut store = Store::empty();
    here.write(1, &forwarded(1));
    there.write(1, &forwarded(2));
    let first = store.keep(here.seal(CRASHED, false));
    there.seal(CRASHED, false);
    there.write(1, &forwarded(3));
    let second = store.keep(there.seal(CRASHED, true));
    let path = segment_path(&second.chain, 2);
    store.anchor(|entry| (entry.keys, entry.roots) = (vec![announced("edge-1", CRASHED)], vec![first, second]));
    assert_eq!(store.audit().problems, [problem(in_file(&path, None, None), Fault::Unlinked)]);
}

#[test]
fn a_segment_that_the_log_does_not_know_is_unanchored_if_it_fits_and_unexpected_if_not() {
    let id = chain_id("edge-1", CRASHED, 0);
    let mut writer = Writer::open(&id);
    let mut store = Store::empty();
    writer.write(1, &forwarded(1));
    let root = store.keep(writer.seal(CRASHED, false));
    store.anchor(|entry| (entry.keys, entry.roots) = (vec![announced("edge-1", CRASHED)], vec![root]));
    writer.write(1, &forwarded(2)).write(1, &forwarded(3));
    let second = store.keep(writer.seal(CRASHED, false));
    let report = store.audit();
    let unanchored = Unanchored { path: segment_path(&id, 2), records: 2 };
    assert_eq!((report.records(), &report.unanchored[..]), (1, &[unanchored][..]));
    assert!(report.is_sound());

    writer.write(1, &forwarded(4));
    store.keep(writer.seal(CRASHED, false));
    store.segments.remove(&segment_path(&second.chain, 2));
    let alone = segment_path(&id, 4);
    assert_eq!(store.audit().problems, [problem(in_file(&alone, None, None), Fault::Unexpected)]);

    let mut after_end = super::store::store();
    let mut whole = Writer::open(&id);
    super::samples::session().iter().for_each(|entry| _ = whole.write(1, entry));
    whole.seal(CRASHED, false);
    whole.write(2, &forwarded(1)).write(2, &Entry::Closed(CloseReason::Idle));
    whole.seal(CRASHED, false);
    whole.write(2, &forwarded(1));
    let root = after_end.keep(whole.seal(CRASHED, false));
    let path = segment_path(&root.chain, root.first);
    assert_eq!(after_end.audit().problems, [problem(in_file(&path, None, None), Fault::Unexpected)]);
}

#[test]
fn what_no_checkpoint_vouches_for_is_not_counted() {
    let mut store = store();
    store.note = store.checkpoint(3);
    let report = store.audit();
    assert_eq!(report.problems, []);
    assert_eq!((report.entries, report.anchored, report.records()), (7, 3, 6));
    let unanchored: Vec<_> = report.unanchored.iter().map(|segment| segment.path.as_str()).collect();
    assert_eq!(unanchored, paths()[1..].iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(report.gaps, [], "a gap is only what is vouched for");
}

#[test]
fn what_the_log_says_against_itself_is_found() {
    let altered = |alter: &dyn Fn(&mut Store)| {
        let mut store = store();
        alter(&mut store);
        store.note = store.checkpoint(store.log.len());
        faults(&store.audit())
    };
    let conflict = |chain, sequence| Fault::Conflict { chain, sequence };
    let whole = || chain_id("edge-1", CRASHED, 0);
    let other = Head { sequence: 2, hash: hoop_model::ContentHash([1; 32]) };
    let head = || ChainHead { chain: whole(), head: other };
    assert_eq!(altered(&|store| store.log[6].heads.push(head())), [conflict(whole(), 2)]);
    let seen = Conflict { known: store().log[1].heads[0].clone(), said: other };
    assert_eq!(altered(&|store| store.log[6].conflicts.push(seen.clone())), [conflict(whole(), 2)]);
    let second = hoop_model::EvidenceKey { public: [3; 32], ..announced("edge-1", CRASHED) };
    assert_eq!(altered(&|store| store.log[6].keys.push(second.clone())), [Fault::KeyReplaced(name("edge-1"))]);
    assert_eq!(altered(&|store| store.log[6].index = 9), [Fault::Misnumbered(9)]);
    let gap = Gap { chain: whole(), first: 5, last: store().log[2].roots[0].last };
    assert_eq!(altered(&|store| store.log[6].gaps.push(gap.clone())), [Fault::OutOfPlace(6)]);
}

#[test]
fn a_record_that_the_log_has_beside_another_is_not_contradicted_by_it() {
    let mut store = store();
    let said = store.log[1].heads[0].head;
    let chain = store.log[1].heads[0].chain.clone();
    store.log[1].heads[0].head.hash = hoop_model::ContentHash([1; 32]);
    let known = store.log[1].heads[0].clone();
    store.note = store.checkpoint(store.log.len());
    assert!(faults(&store.audit()).contains(&Fault::HeadContradicted(1)), "the log does not say so");
    store.log[6].conflicts.push(Conflict { known, said });
    store.note = store.checkpoint(store.log.len());
    let report = store.audit();
    assert_eq!(faults(&report), [Fault::Conflict { chain, sequence: said.sequence }]);
    assert_eq!(report.problems[0].contradicting_node(), Some(&name("edge-1")));
    assert_eq!(report.records(), self::store().audit().records(), "and so all of it is proven");
}

#[test]
fn a_checkpoint_of_another_cluster_opens_nothing() {
    let store = store();
    let other = VerifierKey::new("hoopgate/00/evidence", log_key().verifying_key()).unwrap();
    let failed = |note: &str, key| Auditor::open(key, note, [store.entries()]).err();
    assert_eq!(failed(&store.note, &other), Some(AuditFailed::Checkpoint(NotACheckpoint::OtherKey)));
    let key = VerifierKey::new(ORIGIN, key_of(LOST).verifying_key()).unwrap();
    assert_eq!(failed(&store.note, &key), Some(AuditFailed::Checkpoint(NotACheckpoint::OtherKey)));
    let kept = Auditor::open_against(&verifier(), &store.note, &["no note"], [store.entries()]).err();
    assert!(matches!(kept, Some(AuditFailed::Kept(NotACheckpoint::Malformed(_)))));
    assert_eq!(failed(&store.note, &verifier()), None);
}
