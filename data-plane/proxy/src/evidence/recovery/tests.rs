//! What becomes of what an earlier life left behind, for every place where that life may have ended.

use super::super::tests::*;
use super::*;
use hoop_audit::{NO_SESSION, Sealing, SigningKey};
use hoop_model::{ChainHead, Incarnation};

const EARLIER: u128 = 3;

fn recovered(place: &Place) {
    assert_eq!(recover(&place.sealer, &place.ledger, NOW).unwrap().len(), 0);
}

fn unknown(session: u128) -> (u128, Entry) {
    (session, UNKNOWN.clone())
}

/// Seals frames as their own incarnation would have.
fn segment(chain: &ChainId, before: Option<Head>, frames: &[u8], ends_chain: bool) -> Vec<u8> {
    let key = SigningKey::from_seed(&[1; 32]).unwrap();
    let sealing = Sealing { chain: chain.clone(), before, ends_chain, signer: Incarnation::mint(EARLIER) };
    [frames, &hoop_audit::seal(frames, &sealing, &key).unwrap().footer].concat()
}

/// The segments that wait to be shipped: chain and first record, in order.
fn waiting(place: &Place) -> Vec<(u128, u64)> {
    let mut waiting = Vec::new();
    while let Some(segment) = place.ledger.next().first().cloned() {
        place.ledger.stored(&segment);
        waiting.push((u128::from_be_bytes(segment.name.incarnation.to_bytes()), segment.name.first));
    }
    waiting
}

#[test]
fn dp_05_wherever_a_file_is_cut_its_whole_records_become_evidence_and_its_chain_is_ended() {
    let chain = chain_id(EARLIER, 2);
    let records = [(1, answered(1)), (2, answered(1)), (1, closed())];
    let mut ends = vec![0];
    let (mut bytes, mut head) = (Vec::new(), None);
    for record in &records {
        let (frame, next) = frames(&chain, head, std::slice::from_ref(record));
        bytes.extend(frame);
        head = next;
        ends.push(bytes.len());
    }
    let mut place = Place::new(7);
    for cut in 0..=bytes.len() {
        place.put(&chain, 1, Form::Open, &bytes[..cut]);
        recovered(&place);
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        let (found, is_ended) = place.sealed(&chain);
        let mut expected = records[..whole].to_vec();
        let open: &[u128] = match whole {
            0 => &[],
            1 => &[1],
            2 => &[1, 2],
            _ => &[2],
        };
        expected.extend(open.iter().map(|session| unknown(*session)));
        assert_eq!((found, is_ended), (expected, whole > 0), "cut at {cut}");
        let name = "00000000000000000000000000000003-2-00000000000000000001";
        let files = match (cut, whole) {
            (0, _) => vec![],
            (_, 0) => vec![format!("unreadable/{name}.open")],
            (_, _) => vec![format!("{name}.seg")],
        };
        assert_eq!(place.files(), files, "cut at {cut}");
        place = Place::new(7);
    }
}

#[test]
fn recovering_again_changes_nothing_wherever_the_last_one_stopped() {
    let chain = chain_id(EARLIER, 0);
    let (bytes, _) = frames(&chain, None, &[(1, answered(1))]);
    let place = Place::new(7);
    let name = place.put(&chain, 1, Form::Open, &bytes);
    recovered(&place);
    let once = std::fs::read(place.directory.path_of(name, Form::Sealed)).unwrap();
    recovered(&place);
    assert_eq!(std::fs::read(place.directory.path_of(name, Form::Sealed)).unwrap(), once);
    // It stopped between the copy's last name and the removal of the original, or while it wrote the copy.
    place.put(&chain, 1, Form::Open, &bytes);
    place.put(&chain, 1, Form::Part, b"half of it");
    recovered(&place);
    assert_eq!(place.files(), [name.file(Form::Sealed)]);
    assert_eq!(std::fs::read(place.directory.path_of(name, Form::Sealed)).unwrap(), once);
}

#[test]
fn of_several_open_pieces_only_the_last_ends_the_chain_and_knows_every_session() {
    let chain = chain_id(EARLIER, 0);
    let (first, head) = frames(&chain, None, &[(1, answered(1)), (2, answered(1)), (3, answered(1))]);
    let (second, head) = frames(&chain, head, &[(2, closed())]);
    let (third, _) = frames(&chain, head, &[(1, closed()), (4, answered(1))]);
    let place = Place::new(7);
    place.put(&chain, 1, Form::Open, &first);
    place.put(&chain, 4, Form::Open, &second);
    // Being sealed when the writer died: a footer that is cut off.
    let footer = &segment(&chain, None, &first, false)[first.len()..];
    place.put(&chain, 5, Form::Open, &[&third, &footer[..20]].concat());
    recovered(&place);
    let (records, is_ended) = place.sealed(&chain);
    assert!(is_ended);
    assert_eq!(records[6..], [unknown(3), unknown(4)]);
    assert_eq!(waiting(&place), [(EARLIER, 1), (EARLIER, 4), (EARLIER, 5)]);
}

#[test]
fn a_chain_whose_pieces_are_all_sealed_is_ended_by_one_more() {
    let chain = chain_id(EARLIER, 0);
    let (first, head) = frames(&chain, None, &[(1, answered(1)), (2, answered(1))]);
    let (second, _) = frames(&chain, head, &[(1, closed())]);
    for last_session_is_open in [true, false] {
        let place = Place::new(7);
        let (second, before) = if last_session_is_open {
            (second.clone(), head)
        } else {
            (frames(&chain, head, &[(1, closed()), (2, closed())]).0, head)
        };
        place.put(&chain, 1, Form::Sealed, &segment(&chain, None, &first, false));
        place.put(&chain, 3, Form::Sealed, &segment(&chain, before, &second, false));
        // Made for the next record, which never came.
        place.put(&chain, 9, Form::Open, b"");
        recovered(&place);
        let last = if last_session_is_open { 4 } else { 5 };
        assert_eq!(waiting(&place), [(EARLIER, 1), (EARLIER, 3), (EARLIER, last)]);
        let name = PieceName { incarnation: chain.incarnation, shard: 0, first: last };
        let bytes = std::fs::read(place.directory.path_of(name, Form::Sealed)).unwrap();
        let ending = read_segment(&bytes).unwrap();
        ending.verify(&place.sealer.key.verifying_key()).unwrap();
        assert!(ending.root.ends_chain && ending.signer == Incarnation::mint(7));
        let record = records(ending.frames).next().unwrap().unwrap();
        let of = if last_session_is_open { session(2) } else { NO_SESSION };
        assert_eq!((record.session, record.entry), (of, UNKNOWN.clone()));
    }
}

#[test]
fn what_is_sealed_is_shipped_as_it_is_and_each_chain_in_its_order() {
    let place = Place::new(7);
    let (ended, open) = (chain_id(EARLIER, 0), chain_id(EARLIER + 1, 0));
    let (bytes, _) = frames(&ended, None, &[(1, answered(1))]);
    let sealed = segment(&ended, None, &bytes, true);
    let name = place.put(&ended, 1, Form::Sealed, &sealed);
    let (bytes, _) = frames(&open, None, &[(1, answered(1))]);
    place.put(&open, 1, Form::Open, &bytes);
    recovered(&place);
    assert_eq!(std::fs::read(place.directory.path_of(name, Form::Sealed)).unwrap(), sealed);
    assert_eq!(place.ledger.leftovers(), [ended, open]);
    assert_eq!(waiting(&place).len(), 2);
    assert_eq!(place.ledger.leftovers(), []);
}

#[test]
fn what_is_not_what_its_name_says_is_kept_apart_and_nothing_else_is_touched() {
    let place = Place::new(7);
    let chain = chain_id(EARLIER, 0);
    let (bytes, _) = frames(&chain, None, &[(1, answered(1))]);
    place.put(&chain_id(EARLIER, 1), 1, Form::Open, &bytes);
    place.put(&chain, 2, Form::Open, &bytes);
    place.put(&chain, 7, Form::Sealed, b"");
    place.put(&chain, 8, Form::Sealed, &segment(&chain, None, &bytes, true));
    std::fs::write(place.path().join("notes.txt"), "an operator's").unwrap();
    std::fs::create_dir(place.path().join(REFUSED)).unwrap();
    let refused = PieceName { incarnation: Incarnation::mint(EARLIER + 5), shard: 0, first: 1 };
    std::fs::write(place.path().join(REFUSED).join(refused.file(Form::Sealed)), "refused").unwrap();
    recovered(&place);
    let unreadable = place.files().iter().filter(|file| file.starts_with("unreadable/")).count();
    assert_eq!((unreadable, place.files().len()), (4, 6), "{:?}", place.files());
    assert_eq!(waiting(&place), []);
    assert_eq!(place.ledger.leftovers(), [refused.chain(&node())], "it is still on the disk");
}

#[test]
fn evidence_that_is_left_counts_against_what_the_node_may_keep() {
    let place = Place::new(7);
    let chain = chain_id(EARLIER, 0);
    let mut head = None;
    let mut bytes = Vec::new();
    while bytes.len() <= 1 << 20 {
        let (more, next) = frames(&chain, head, &vec![(1, answered(1)); 500]);
        bytes.extend(more);
        head = next;
    }
    place.put(&chain, 1, Form::Open, &bytes);
    assert!(place.ledger.is_well());
    recovered(&place);
    assert!(!place.ledger.is_well(), "more than 1 MiB waits");
    assert_eq!(waiting(&place).len(), 1);
    assert!(place.ledger.is_well());
}

#[test]
fn dp_04_a_disk_that_does_not_take_the_end_of_a_chain_does_not_keep_what_is_sealed_from_being_shipped() {
    let place = Place::new(7);
    let chain = chain_id(EARLIER, 0);
    let (first, head) = frames(&chain, None, &[(1, answered(1))]);
    let (second, _) = frames(&chain, head, &[(2, answered(1))]);
    place.put(&chain, 1, Form::Sealed, &segment(&chain, None, &first, false));
    let open = place.put(&chain, 2, Form::Open, &second);
    let in_the_way = place.directory.path_of(open, Form::Part);
    std::fs::create_dir(&in_the_way).unwrap();
    let mut unsettled = Leftover::find(&place.sealer, chain.clone(), &place.directory.list().unwrap()[..2]).unwrap();
    for _ in 0..2 {
        assert!(matches!(unsettled.settle(&place.sealer, &place.ledger, NOW), Err(NotSealed::Disk(_))));
    }
    place.ledger.unsettled(&chain);
    assert_eq!(waiting(&place), [(EARLIER, 1)], "handed over once");
    assert_eq!(place.ledger.leftovers(), std::slice::from_ref(&chain));
    assert!(!place.ledger.is_well() && place.directory.path_of(open, Form::Open).exists());
    std::fs::remove_dir(&in_the_way).unwrap();
    unsettled.settle(&place.sealer, &place.ledger, NOW).unwrap();
    place.ledger.settled(&chain);
    let sealed = std::fs::read(place.directory.path_of(open, Form::Sealed)).unwrap();
    let ending = read_segment(&sealed).unwrap();
    assert!(ending.root.ends_chain && place.ledger.is_well());
    let closed: Vec<_> = records(ending.frames).map(|record| record.unwrap().session).collect();
    assert_eq!(closed, [session(2), session(1), session(2)], "every session is known, also from what was shipped");
    assert_eq!(waiting(&place), [(EARLIER, 2)]);
    assert_eq!(place.ledger.leftovers(), []);
}

/// A chain in five pieces of one record each, of sessions 1 to 5; returns their bytes, and the head after each.
fn five(chain: &ChainId) -> Vec<(Vec<u8>, Head)> {
    let mut head = None;
    (1..=5)
        .map(|number| {
            let (bytes, next) = frames(chain, head, &[(number, answered(1))]);
            head = next;
            (bytes, next.unwrap())
        })
        .collect()
}

/// The segments that wait to be shipped, and how the chain of each ends.
fn shipped(place: &Place) -> Vec<(u64, bool)> {
    let mut shipped = Vec::new();
    while let Some(segment) = place.ledger.next().first().cloned() {
        place.ledger.stored(&segment);
        shipped.push((segment.name.first, segment.ends_chain));
    }
    shipped
}

#[test]
fn au_02_what_follows_a_hole_is_set_aside_and_the_chain_ends_before_it() {
    let chain = chain_id(EARLIER, 0);
    let pieces = five(&chain);
    let flipped = |at: usize, bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    // The third piece is gone, unreadable from its first record on, or not what it was.
    for (form, hole) in [
        (Form::Open, None),
        (Form::Sealed, None),
        (Form::Open, Some(flipped(60, &pieces[2].0))),
        (Form::Open, Some(b"torn".to_vec())),
        (Form::Sealed, Some(b"no segment".to_vec())),
    ] {
        let place = Place::new(7);
        for (index, (bytes, head)) in pieces.iter().enumerate() {
            let before = index.checked_sub(1).map(|before| pieces[before].1);
            let whole = |bytes: &[u8]| match form {
                Form::Sealed => segment(&chain, before, bytes, false),
                Form::Open | Form::Part => bytes.to_vec(),
            };
            let put = if index == 2 { hole.clone() } else { Some(whole(bytes)) };
            if let Some(bytes) = put {
                place.put(&chain, head.sequence, form, &bytes);
            }
        }
        recovered(&place);
        assert!(place.ledger.is_well());
        assert_eq!(place.ledger.broken_off(), [], "what precedes the hole is not shipped yet");
        assert_eq!(place.ledger.leftovers(), std::slice::from_ref(&chain));
        let ends = form == Form::Open;
        assert_eq!(shipped(&place), [(1, false), (2, ends)], "{form:?} {hole:?}");
        let last = ChainHead { chain: chain.clone(), head: pieces[4].1 };
        assert_eq!(place.ledger.broken_off(), [last], "{form:?} {hole:?}");
        assert_eq!(place.ledger.leftovers(), []);
        let stranded = [4, 5].map(|first| {
            let name = PieceName { incarnation: chain.incarnation, shard: 0, first };
            format!("stranded/{}", name.file(form))
        });
        let files = place.files();
        assert!(stranded.iter().all(|file| files.contains(file)), "{files:?}");
        let aside = files.iter().filter(|file| file.contains('/')).count();
        assert_eq!(aside, 2 + usize::from(hole.is_some()), "{files:?}");
    }
}

#[test]
fn au_02_no_record_takes_the_number_of_one_that_was_damaged() {
    let chain = chain_id(EARLIER, 0);
    let records = [(1, answered(1)), (2, answered(1)), (3, answered(1))];
    let (first, _) = frames(&chain, None, &records[..1]);
    let (bytes, _) = frames(&chain, None, &records);
    let mut damaged = bytes.clone();
    damaged[first.len() + 60] ^= 1;
    let place = Place::new(7);
    let name = place.put(&chain, 1, Form::Open, &damaged);
    recovered(&place);
    assert_eq!(place.sealed(&chain), (vec![(1, answered(1))], true), "nothing is added");
    let unreadable = format!("unreadable/{}", name.file(Form::Open));
    assert_eq!(place.files(), [name.file(Form::Sealed), unreadable.clone()]);
    assert_eq!(std::fs::read(place.path().join(unreadable)).unwrap(), damaged, "the rest is kept");
    assert_eq!(shipped(&place), [(1, true)]);
    assert_eq!(place.ledger.broken_off().len(), 1);
    // A tail that was never finished is no record.
    let place = Place::new(7);
    place.put(&chain, 1, Form::Open, &bytes[..bytes.len() - 1]);
    recovered(&place);
    assert_eq!(place.sealed(&chain).0[2..], [unknown(1), unknown(2)]);
    assert_eq!(place.ledger.broken_off(), []);
}

#[test]
fn the_hash_of_a_record_that_was_altered_is_not_said() {
    let chain = chain_id(EARLIER, 0);
    let mut pieces = five(&chain);
    pieces.truncate(3);
    pieces[2].0[60] ^= 1;
    let place = Place::new(7);
    for (bytes, head) in &pieces {
        place.put(&chain, head.sequence, Form::Open, bytes);
    }
    recovered(&place);
    assert_eq!(shipped(&place), [(1, false), (2, true)]);
    assert_eq!(place.ledger.broken_off(), [ChainHead { chain, head: pieces[1].1 }]);
}

#[test]
fn a_chain_whose_first_piece_cannot_be_read_is_set_aside_whole() {
    let chain = chain_id(EARLIER, 0);
    let pieces = five(&chain);
    let place = Place::new(7);
    place.put(&chain, 2, Form::Open, &[0xff; 99]);
    for (bytes, head) in &pieces[2..] {
        place.put(&chain, head.sequence, Form::Open, bytes);
    }
    recovered(&place);
    assert_eq!(shipped(&place), []);
    assert_eq!(place.ledger.broken_off(), [ChainHead { chain, head: pieces[4].1 }]);
    assert_eq!(place.ledger.leftovers(), [], "nothing of it is shipped any more");
    assert!(place.ledger.is_well());
}

#[test]
fn a_piece_that_becomes_unreadable_while_chains_are_ended_breaks_its_chain_off() {
    let chain = chain_id(EARLIER, 0);
    let pieces = five(&chain);
    let place = Place::new(7);
    for (bytes, head) in &pieces {
        place.put(&chain, head.sequence, Form::Open, bytes);
    }
    let mut leftover = Leftover::find(&place.sealer, chain.clone(), &place.directory.list().unwrap()).unwrap();
    place.put(&chain, 3, Form::Open, &[0xff; 99]);
    leftover.settle(&place.sealer, &place.ledger, NOW).unwrap();
    assert_eq!(shipped(&place), [(1, false), (2, false)]);
    assert_eq!(place.ledger.broken_off(), [ChainHead { chain, head: pieces[4].1 }]);
    let files = place.files();
    assert_eq!(files.iter().filter(|file| file.starts_with("stranded/")).count(), 2, "{files:?}");
}
