//! What the keeper makes of pieces, on disks on which things go wrong.

use super::super::medium::Shelf;
use super::super::name::PieceName;
use super::super::spool::{Spool, Writer};
use super::super::tests::*;
use super::*;
use hoop_audit::NO_SESSION;
use hoop_model::Incarnation;
use std::sync::mpsc;

const CHAIN: (u128, u32) = (7, 0);

/// A spool whose every record is a piece of its own, and what was cut.
fn pieces(place: &Place, records: u64) -> Vec<Cut> {
    let writer = Writer { node: node(), incarnation: Incarnation::mint(7), shard: 0, stride: 1 };
    let mut spool = Spool::new(place.directory.clone(), writer);
    for number in 1..=records {
        let _ = spool.record(&answered(number), session(1), NOW).unwrap();
        spool.cut();
    }
    spool.take_cuts()
}

fn sealed(place: &Place) -> (Vec<(u128, Entry)>, bool) {
    place.sealed(&chain_id(CHAIN.0, CHAIN.1))
}

fn names(place: &Place) -> Vec<String> {
    place.ledger.next().iter().map(super::super::ledger::Segment::file).collect()
}

#[test]
fn what_is_cut_is_sealed_where_it_lies_and_waits_to_be_shipped() {
    let place = Place::new(7);
    let mut pending: Vec<_> = pieces(&place, 3).into_iter().map(Pending::of).collect();
    seal_all(&place.sealer, &place.ledger, &mut pending);
    assert!(pending.is_empty());
    assert_eq!(sealed(&place), ((1..=3).map(|number| (1, answered(number))).collect(), false));
    assert!(place.files().iter().all(|file| file.ends_with(".seg")), "{:?}", place.files());
    assert_eq!(names(&place), ["00000000000000000000000000000007-0-00000000000000000001.seg"]);
    assert_eq!(place.ledger.leftovers(), [], "it is this incarnation's");
}

#[test]
fn dp_04_a_piece_that_cannot_be_sealed_makes_the_node_refuse_and_keeps_its_successors_back() {
    let place = Place::new(7);
    let mut pending: Vec<_> = pieces(&place, 2).into_iter().map(Pending::of).collect();
    let in_the_way = place.path().join("00000000000000000000000000000007-0-00000000000000000001.seg");
    std::fs::create_dir(&in_the_way).unwrap();
    for _ in 0..3 {
        seal_all(&place.sealer, &place.ledger, &mut pending);
        assert_eq!(pending.len(), 2);
        assert!(!place.ledger.is_well());
        assert_eq!(names(&place), [""; 0]);
    }
    std::fs::remove_dir(&in_the_way).unwrap();
    seal_all(&place.sealer, &place.ledger, &mut pending);
    assert!(pending.is_empty() && place.ledger.is_well());
    assert_eq!(sealed(&place), (vec![(1, answered(1)), (1, answered(2))], false));
    assert_eq!(place.files().len(), 2, "the copy is gone: {:?}", place.files());
}

#[test]
fn a_chain_that_was_given_up_is_complete_evidence_without_what_was_written_in_part() {
    let place = Place::new(7);
    let mut cut = pieces(&place, 1).remove(0);
    std::io::Write::write_all(&mut std::fs::File::options().append(true).open(open(&place, 1)).unwrap(), b"part")
        .unwrap();
    (cut.ends_chain, cut.given_up) = (true, true);
    place.ledger.ails();
    let mut pending = vec![Pending::of(cut)];
    seal_all(&place.sealer, &place.ledger, &mut pending);
    assert_eq!(sealed(&place), (vec![(1, answered(1))], true));
    assert!(pending.is_empty() && place.ledger.is_well());
}

fn open(place: &Place, first: u64) -> std::path::PathBuf {
    place.directory.path_of(PieceName { incarnation: Incarnation::mint(7), shard: 0, first }, Form::Open)
}

#[test]
fn a_chain_that_was_given_up_before_a_record_of_its_last_piece_is_ended_by_one_of_no_session() {
    let place = Place::new(7);
    let mut cut = pieces(&place, 1).remove(0);
    let before = hoop_audit::recover(&std::fs::read(open(&place, 1)).unwrap()).unwrap().head;
    let mut pending = vec![Pending::of(Cut { file: Arc::clone(&cut.file), ..cut })];
    let mut shelf = place.directory.clone();
    cut.name.first = 2;
    let medium = shelf.create(cut.name).unwrap();
    let file = Arc::clone(super::super::medium::Medium::file(&medium));
    let last = Cut { before: Some(before), length: 0, file, ends_chain: true, given_up: false, ..cut };
    pending.push(Pending::of(last));
    seal_all(&place.sealer, &place.ledger, &mut pending);
    let none = u128::from_be_bytes(NO_SESSION.to_bytes());
    let end = (none, Entry::Closed(CloseReason::Unknown));
    assert_eq!(sealed(&place), (vec![(1, answered(1)), end], true));
}

#[test]
fn a_chain_without_a_record_leaves_nothing() {
    let place = Place::new(7);
    let name = PieceName { incarnation: Incarnation::mint(7), shard: 0, first: 1 };
    let medium = place.directory.clone().create(name).unwrap();
    let file = Arc::clone(super::super::medium::Medium::file(&medium));
    let cut = Cut { name, before: None, length: 0, file, ends_chain: true, given_up: false };
    let mut pending = vec![Pending::of(cut)];
    seal_all(&place.sealer, &place.ledger, &mut pending);
    assert!(pending.is_empty());
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn what_the_disk_has_lost_is_not_sealed_and_what_it_has_is_kept() {
    let place = Place::new(7);
    let chain = chain_id(7, 0);
    let (first, _) = frames(&chain, None, &[(1, answered(1))]);
    for lost in [first.len() + 50, 50] {
        let place = Place::new(7);
        let writer = Writer { node: node(), incarnation: Incarnation::mint(7), shard: 0, stride: 1 };
        let mut spool = Spool::new(place.directory.clone(), writer);
        for number in [1, 2] {
            let _ = spool.record(&answered(number), session(1), NOW).unwrap();
        }
        spool.cut();
        place.ledger.advanced(None, spool.progress().bytes);
        let mut bytes = std::fs::read(open(&place, 1)).unwrap();
        bytes[lost] ^= 1;
        std::fs::write(open(&place, 1), &bytes).unwrap();
        let mut pending: Vec<_> = spool.take_cuts().into_iter().map(Pending::of).collect();
        seal_all(&place.sealer, &place.ledger, &mut pending);
        assert!(pending.is_empty());
        let original = "unreadable/00000000000000000000000000000007-0-00000000000000000001.open";
        assert_eq!(std::fs::read(place.path().join(original)).unwrap(), bytes);
        assert!(place.ledger.is_broken_off(&chain));
        if lost > first.len() {
            assert_eq!(sealed(&place), (vec![(1, answered(1))], true), "its chain is over");
            assert_eq!(place.ledger.next()[0].bytes, place.ledger.waiting(), "what is lost is not counted");
        } else {
            assert_eq!((place.files(), place.ledger.waiting()), (vec![original.to_owned()], 0));
        }
    }
    drop(place);
}

#[tokio::test]
async fn the_keeper_ends_when_everything_that_can_come_is_sealed() {
    let place = Place::new(7);
    let cuts_of = pieces(&place, 2);
    let Place { ledger, sealer, lock, temporary: _temporary, .. } = place;
    let (cut, cuts) = mpsc::channel();
    let (finished, sealed) = oneshot::channel();
    let keeper = Keeper { sealer, ledger: Arc::clone(&ledger), cuts, leftovers: Vec::new(), lock, finished };
    let thread = std::thread::spawn(move || keeper.run());
    for piece in cuts_of {
        cut.send(piece).unwrap();
    }
    drop(cut);
    sealed.await.unwrap();
    thread.join().unwrap();
    assert_eq!(ledger.next().len(), 1);
    assert!(ledger.is_well() && !ledger.is_shipped());
}

#[test]
fn au_02_what_is_cut_after_a_hole_is_set_aside_and_the_last_of_it_is_known() {
    let place = Place::new(7);
    let chain = chain_id(7, 0);
    let mut pending: Vec<_> = pieces(&place, 4).into_iter().map(Pending::of).collect();
    let last = hoop_audit::recover(&std::fs::read(open(&place, 4)).unwrap()).unwrap().head;
    std::fs::write(open(&place, 2), [0xff; 300]).unwrap();
    place.ledger.advanced(None, pending.iter().map(|piece| piece.cut.length).sum());
    seal_all(&place.sealer, &place.ledger, &mut pending);
    assert!(pending.is_empty() && place.ledger.is_well());
    assert_eq!(sealed(&place), (vec![(1, answered(1))], false));
    let segment = place.ledger.next().remove(0);
    assert_eq!(segment.bytes, place.ledger.waiting(), "nothing else counts");
    place.ledger.stored(&segment);
    assert_eq!(place.ledger.broken_off(), [hoop_model::ChainHead { chain, head: last }]);
    let stranded = place.files().iter().filter(|file| file.starts_with("stranded/")).count();
    assert_eq!(stranded, 2, "{:?}", place.files());
}
