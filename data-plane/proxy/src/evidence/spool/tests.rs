//! A chain on disks on which things go wrong.

use super::super::name::Form;
use super::super::tests::*;
use super::*;
use hoop_audit::CommandVerdict;
use hoop_audit::{CommandId, Expected, Judged, Outcome, verify_chain};
use hoop_model::{Code, Revision};

fn spool(place: &Place, space: usize) -> (Spool<Faulty>, Faulty) {
    let shelf = Faulty::on(&place.directory, space);
    let writer = Writer { node: node(), incarnation: Incarnation::mint(7), shard: 1, stride: 2 };
    (Spool::new(shelf.clone(), writer), shelf)
}

fn write(spool: &mut Spool<Faulty>) -> Result<Receipt, RecorderUnavailable> {
    spool.record(&answered(1), session(1), NOW)
}

/// Returns what is in a piece, whatever it is.
fn open_piece(place: &Place, shard: u32, first: u64) -> Vec<u8> {
    let name = PieceName { incarnation: Incarnation::mint(7), shard, first };
    std::fs::read(place.directory.path_of(name, Form::Open)).unwrap()
}

/// Verifies a piece that begins its chain; returns how many records it has.
fn records(place: &Place, shard: u32) -> u64 {
    let expected = Expected { node: node(), incarnation: Incarnation::mint(7), shard, head: None };
    verify_chain(&open_piece(place, shard, 1), &expected).unwrap().records
}

fn fill(spool: &mut Spool<Faulty>) -> u64 {
    let mut written = 0;
    while write(spool).is_ok() {
        written += 1;
    }
    assert!(written > 0);
    written
}

#[test]
fn dp_04_a_full_disk_refuses_and_recovers_in_the_same_chain() {
    let place = Place::new(7);
    let (mut spool, shelf) = spool(&place, 1000);
    let before = fill(&mut spool);
    assert!(write(&mut spool).is_err());
    assert_eq!(records(&place, 1), before, "the partial frame is gone");
    shelf.disk.space.set(10_000);
    let _ = write(&mut spool).unwrap();
    assert_eq!(records(&place, 1), before + 1);
    assert!(!spool.has_cuts());
}

#[test]
fn dp_04_a_file_that_cannot_be_cut_ends_its_chain_with_its_whole_records_and_another_begins() {
    let place = Place::new(7);
    let (mut spool, shelf) = spool(&place, 1000);
    shelf.disk.cuts.set(false);
    let before = fill(&mut spool);
    let [cut] = <[Cut; 1]>::try_from(spool.take_cuts()).unwrap();
    assert!(cut.ends_chain && cut.given_up && cut.before.is_none());
    let bytes = open_piece(&place, 1, 1);
    assert!((bytes.len() as u64) > cut.length, "part of a frame is left behind");
    let expected = Expected { node: node(), incarnation: Incarnation::mint(7), shard: 1, head: None };
    let whole = &bytes[..usize::try_from(cut.length).unwrap()];
    assert_eq!(verify_chain(whole, &expected).unwrap().records, before);
    shelf.disk.space.set(10_000);
    let _ = write(&mut spool).unwrap();
    assert_eq!(records(&place, 3), 1, "the next chain has a number of the same shard that was never used");
}

#[test]
fn dp_04_a_disk_on_which_no_file_can_be_made_refuses_and_the_chain_goes_on_once_it_can() {
    let place = Place::new(7);
    let (mut spool, shelf) = spool(&place, 1 << 20);
    shelf.disk.creates.set(false);
    assert!(write(&mut spool).is_err());
    shelf.disk.creates.set(true);
    let _ = write(&mut spool).unwrap();
    spool.cut();
    shelf.disk.creates.set(false);
    assert!(write(&mut spool).is_err());
    shelf.disk.creates.set(true);
    assert_eq!(write(&mut spool).unwrap().head().sequence, 2);
    assert_eq!(place.files().len(), 2);
}

#[test]
fn a_chain_goes_on_from_piece_to_piece() {
    let place = Place::new(7);
    let (mut spool, _) = spool(&place, usize::MAX);
    let large = Entry::Verdict(CommandVerdict {
        command: CommandId::FIRST,
        summary: "x".repeat(700 << 10).into(),
        effects: vec![],
        digest: None,
        trace: None,
        judged: Judged {
            outcome: Outcome::Refuse(Code::NotPermitted),
            reasons: [].into(),
            shadow: [].into(),
            revision: Revision::default(),
        },
    });
    for _ in 0..14 {
        let _ = spool.record(&large, session(1), NOW).unwrap();
    }
    let cuts = spool.take_cuts();
    assert_eq!(cuts.iter().map(|cut| cut.name.first).collect::<Vec<_>>(), [1, 7]);
    assert!(cuts.iter().all(|cut| cut.length >= PIECE_BYTES && !cut.ends_chain && !cut.given_up));
    let pieces = [1, 7, 13].map(|first| open_piece(&place, 1, first));
    assert_eq!(pieces.clone().map(|piece| hoop_audit::records(&piece).count()), [6, 6, 2]);
    let expected = Expected { node: node(), incarnation: Incarnation::mint(7), shard: 1, head: None };
    let summary = verify_chain(&pieces.concat(), &expected).unwrap();
    assert_eq!(cuts[1].before.unwrap().sequence, 6);
    assert_eq!((summary.records, Some(summary.head)), (14, spool.progress().head.map(|head| head.head)));
}

#[tokio::test(start_paused = true)]
async fn a_piece_is_cut_when_its_first_record_is_old_and_never_while_there_is_none() {
    let place = Place::new(7);
    let (mut spool, _) = spool(&place, usize::MAX);
    tokio::time::advance(PIECE_AGE).await;
    spool.cut_if_old();
    let _ = write(&mut spool).unwrap();
    tokio::time::advance(PIECE_AGE - Duration::from_millis(1)).await;
    let _ = write(&mut spool).unwrap();
    spool.cut_if_old();
    assert!(!spool.has_cuts());
    tokio::time::advance(Duration::from_millis(1)).await;
    spool.cut_if_old();
    assert_eq!(spool.take_cuts().len(), 1);
    tokio::time::advance(PIECE_AGE * 10).await;
    spool.cut_if_old();
    assert!(!spool.has_cuts(), "an idle shard cuts nothing");
    let _ = write(&mut spool).unwrap();
    tokio::time::advance(PIECE_AGE).await;
    spool.cut_if_old();
    let [cut] = <[Cut; 1]>::try_from(spool.take_cuts()).unwrap();
    assert_eq!((cut.name.first, cut.before.unwrap().sequence), (3, 2));
}

#[test]
fn every_chain_that_has_a_record_can_be_ended() {
    let closing = closed();
    let end = |spool: &mut Spool<Faulty>| {
        spool.prepare_end(&closing, NOW);
        spool.end();
        spool.take_cuts().into_iter().map(|cut| (cut.name.first, cut.ends_chain, cut.given_up)).collect::<Vec<_>>()
    };
    let place = Place::new(7);
    let (mut unused, _) = spool(&place, usize::MAX);
    assert_eq!(end(&mut unused), []);

    let (mut open, _) = spool(&place, usize::MAX);
    let _ = write(&mut open).unwrap();
    assert_eq!(end(&mut open), [(1, true, false)]);
    assert_eq!(records(&place, 1), 1, "nothing was added");

    let place = Place::new(7);
    let (mut cut, _) = spool(&place, usize::MAX);
    let _ = write(&mut cut).unwrap();
    cut.cut();
    assert_eq!(end(&mut cut), [(1, false, false), (2, true, false)]);
    let last = open_piece(&place, 1, 2);
    let record = hoop_audit::records(&last).next().unwrap().unwrap();
    assert_eq!((record.session, record.entry), (NO_SESSION, closing.clone()));
}

#[test]
fn a_file_that_could_not_be_synchronised_is_given_up_with_its_chain_and_no_other_is() {
    let place = Place::new(7);
    let (mut spool, _) = spool(&place, usize::MAX);
    let _ = write(&mut spool).unwrap();
    let file = spool.take_unsynchronised().unwrap();
    assert!(spool.take_unsynchronised().is_none(), "nothing was written since");
    spool.cut();
    let _ = write(&mut spool).unwrap();
    assert_eq!(spool.take_cuts().len(), 1);
    spool.give_up(&file);
    assert!(!spool.has_cuts(), "whoever seals that one finds out for itself");
    let file = spool.take_unsynchronised().unwrap();
    spool.give_up(&file);
    let [cut] = <[Cut; 1]>::try_from(spool.take_cuts()).unwrap();
    assert!(cut.given_up && cut.ends_chain);
    assert_eq!(write(&mut spool).unwrap().head().sequence, 1, "another chain");
}

#[test]
fn files_are_private_and_no_two_salts_are_alike() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new(7);
    let (mut spool, _) = spool(&place, usize::MAX);
    for _ in 0..100 {
        let _ = write(&mut spool).unwrap();
    }
    let file = place.path().join("00000000000000000000000000000007-1-00000000000000000001.open");
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(place.path().metadata().unwrap().mode() & 0o777, 0o700);
    let salts: std::collections::BTreeSet<_> = (0..100).map(|_| spool.salt()).collect();
    assert!(salts.len() == 100 && !salts.contains(&[0; 32]));
}
