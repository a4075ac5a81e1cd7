//! Sealing, reading and recovering pieces of one chain.

use super::samples::{chain, file_of, session};
use super::store::*;
use crate::*;
use hoop_model::{ChainId, Incarnation, SessionId, UnixMillis};

fn id() -> ChainId {
    chain_id("edge-1", CRASHED, 0)
}

fn sealing(chain: ChainId, before: Option<Head>) -> Sealing {
    Sealing { chain, before, ends_chain: false, signer: CRASHED }
}

/// Two segments of one chain, of two records each.
fn two() -> [(Vec<u8>, hoop_model::SegmentRoot); 2] {
    let mut writer = Writer::open(&id());
    writer.write(1, &forwarded(1)).write(1, &forwarded(2));
    let first = writer.seal(CRASHED, false);
    writer.write(1, &forwarded(3)).write(2, &Entry::Closed(CloseReason::Idle));
    [first, writer.seal(CRASHED, true)]
}

#[test]
fn a_segment_says_what_was_sealed() {
    let [(first, root), (second, last)] = two();
    let read = read_segment(&first).unwrap();
    assert_eq!((&read.chain, read.first, read.before, read.signer), (&id(), 1, None, CRASHED));
    assert_eq!((&read.root, root.last.sequence, root.ends_chain), (&root, 2, false));
    let read = read_segment(&second).unwrap();
    assert_eq!((read.first, read.before, &read.root, last.ends_chain), (3, Some(root.last), &last, true));
    let summary = read.verify(&key_of(CRASHED).verifying_key()).unwrap();
    assert_eq!((summary.records, summary.first, summary.last), (2, UnixMillis(1003), UnixMillis(1004)));
    let sessions = [
        (SessionId::mint(1), SessionSummary { records: 1, forwarded: 1, ..SessionSummary::default() }),
        (SessionId::mint(2), SessionSummary { records: 1, closed: Some(CloseReason::Idle), ..Default::default() }),
    ];
    assert_eq!(summary.sessions, sessions.into());
}

#[test]
fn the_root_of_a_segment_is_the_tree_hash_over_its_records() {
    let [(first, root), _] = two();
    let mut tree = Tree::empty();
    records(read_segment(&first).unwrap().frames).for_each(|record| tree.push(&record.unwrap().head.hash.0));
    assert_eq!((root.merkle_root, tree.size()), (tree.root(), 2));
}

#[test]
fn a_segment_does_not_verify_with_another_key() {
    let [(first, _), _] = two();
    let read = read_segment(&first).unwrap();
    let found = read.verify(&key_of(NEXT).verifying_key());
    assert_eq!(found, Err(Broken::Seal { offset: read.frames.len(), what: FlawedSeal::Forged }));
    assert!(read.verify(&VerifyingKey([0; 32])).is_err());
}

#[test]
fn a_segment_whose_fields_were_exchanged_does_not_verify() {
    let [(first, _), (second, _)] = two();
    let key = key_of(CRASHED).verifying_key();
    let offset = read_segment(&second).unwrap().frames.len();
    let with = |exchange: &dyn Fn(&mut Segment<'_>)| {
        let mut segment = read_segment(&second).unwrap();
        exchange(&mut segment);
        segment.verify(&key).map(|summary| summary.records)
    };
    let other = read_segment(&first).unwrap().root;
    let flawed = |what| Err(Broken::Seal { offset, what });
    let record = |what| Err(Broken::Record { offset: 0, sequence: 3, what });
    assert_eq!(with(&|_| {}), Ok(2));
    let before = Head { sequence: 2, hash: other.merkle_root };
    assert_eq!(with(&|segment| segment.before = Some(before)), record(What::Unlinked));
    assert_eq!(with(&|segment| segment.chain.shard = 1), record(What::Foreign("shard")));
    assert_eq!(with(&|segment| segment.root = other.clone()), flawed(FlawedSeal::RootDiffers));
    assert_eq!(with(&|segment| segment.root.merkle_root = other.merkle_root), flawed(FlawedSeal::RootDiffers));
    assert_eq!(with(&|segment| segment.root.ends_chain = false), flawed(FlawedSeal::Forged));
    assert_eq!(with(&|segment| segment.signer = NEXT), flawed(FlawedSeal::Forged));
}

#[test]
fn only_whole_records_of_the_chain_in_order_are_sealed() {
    let (file, starts, head) = file_of(&session());
    let key = key_of(CRASHED);
    let own = chain().id().clone();
    let sealed = |frames: &[u8], chain: &ChainId, before| seal(frames, &sealing(chain.clone(), before), &key);
    let broken = |offset, sequence, what| Err(Broken::Record { offset, sequence, what });
    assert_eq!(sealed(&file, &own, None).unwrap().root.last, head);
    assert_eq!(sealed(b"", &own, None), broken(0, 1, What::Empty));
    assert_eq!(sealed(b"", &own, Some(head)), broken(0, 7, What::Empty));
    assert_eq!(sealed(&file, &id(), None), broken(0, 1, What::Foreign("shard")));
    assert_eq!(sealed(&file, &own, Some(head)), broken(0, 7, What::OutOfSequence(1)));
    let wrong = Head { sequence: 1, ..head };
    assert_eq!(sealed(&file[starts[1]..], &own, Some(wrong)), broken(0, 2, What::Unlinked));
    let torn = sealed(&file[..file.len() - 1], &own, None);
    assert_eq!(torn, Err(Broken::TruncatedTail { offset: starts[5], whole_records: 5 }));
    let twice = [file.as_slice(), &sealed(&file, &own, None).unwrap().footer].concat();
    assert_eq!(sealed(&twice, &own, None), broken(file.len(), 7, What::Malformed("frame")));
    let large = vec![0; MAX_SEGMENT_BYTES];
    let what = FlawedSeal::SegmentTooLarge;
    assert_eq!(sealed(&large, &own, None), Err(Broken::Seal { offset: MAX_SEGMENT_BYTES, what }));
}

#[test]
fn the_largest_segment_is_read_and_a_larger_one_is_not() {
    let (mut writer, mut number) = (Writer::open(&id()), 0);
    let long = |number| {
        let Entry::Verdict(verdict) = &session()[1] else { panic!() };
        let command = CommandId::from_number(number).unwrap();
        Entry::Verdict(CommandVerdict { command, summary: "x".repeat(1_000_000).into(), ..verdict.clone() })
    };
    while writer.frames.len() < MAX_SEGMENT_BYTES - 1_100_000 {
        number += 1;
        writer.write(1, &long(number));
    }
    let (segment, _) = writer.seal(CRASHED, true);
    assert!(read_segment(&segment).unwrap().verify(&key_of(CRASHED).verifying_key()).is_ok());
    let larger = [segment, vec![0; 1_200_000]].concat();
    let what = FlawedSeal::SegmentTooLarge;
    assert_eq!(read_segment(&larger), Err(Broken::Seal { offset: MAX_SEGMENT_BYTES, what }));
}

#[test]
fn au_11_malformed_segments_are_refused_with_what_is_wrong() {
    let [(first, _), _] = two();
    let end = read_segment(&first).unwrap().frames.len();
    let flawed = |offset, what| Err(Broken::Seal { offset, what });
    let with_footer = |footer: &[u8]| [&first[..end], footer].concat();
    let message = &first[end + 8..];
    let with_message =
        |message: &[u8]| with_footer(&[&[0; 4], (message.len() as u32).to_le_bytes().as_slice(), message].concat());
    let unknown_field = [message, &[0x78, 1]].concat();
    let mut other_format = message.to_vec();
    other_format[1] = 2;
    let cases: [(Vec<u8>, _); 11] = [
        (vec![], flawed(0, FlawedSeal::Missing)),
        (vec![0; 3], flawed(0, FlawedSeal::Missing)),
        (with_footer(&[]), flawed(end, FlawedSeal::Missing)),
        (with_footer(&[0; 6]), flawed(end, FlawedSeal::Missing)),
        (with_footer(&[0; 8]), flawed(end, FlawedSeal::UnknownFormat(0))),
        (with_footer(&[0, 0, 0, 0, 1, 2, 0, 0]), flawed(end, FlawedSeal::Malformed("length"))),
        (with_footer(&[0, 0, 0, 0, 0xff, 0, 0, 0, 1]), flawed(end, FlawedSeal::Missing)),
        (with_message(b"\xff\xff"), flawed(end, FlawedSeal::Malformed("message"))),
        (with_message(&other_format), flawed(end, FlawedSeal::UnknownFormat(2))),
        (with_message(&unknown_field), flawed(end, FlawedSeal::Malformed("form"))),
        ([first.as_slice(), &[0]].concat(), flawed(end, FlawedSeal::TrailingBytes(1))),
    ];
    for (bytes, found) in cases {
        assert_eq!(read_segment(&bytes), found, "{:?}", bytes.get(end..));
    }
    let huge = Err(Broken::Record { offset: 0, sequence: 1, what: What::TooLarge(u32::MAX) });
    assert_eq!(read_segment(&[0xff; 9]), huge);
    let none = [[0; 4].as_slice(), &first[end + 4..]].concat();
    assert_eq!(read_segment(&none), flawed(0, FlawedSeal::OtherRecords));
}

#[test]
fn a_chain_goes_on_where_it_was_left() {
    let (mut all, mut begun) = (Writer::open(&id()), Writer::open(&id()));
    all.write(1, &forwarded(1)).write(1, &forwarded(2));
    begun.write(1, &forwarded(1));
    let mut resumed = Chain::resume(&id(), begun.heads[0]);
    assert_eq!((resumed.id(), resumed.head()), (&id(), Some(begun.heads[0])));
    let frame = resumed.append(&forwarded(2), SessionId::mint(1), UnixMillis(1002), [2; 32]).unwrap();
    begun.frames.extend_from_slice(frame.bytes());
    assert_eq!((frame.written().head(), &begun.frames), (all.heads[1], &all.frames));
    let last = Head { sequence: u64::MAX, ..begun.heads[0] };
    let full = Chain::resume(&id(), last).append(&forwarded(1), SessionId::mint(1), UnixMillis(1), [0; 32]).err();
    assert_eq!(full, Some(Unrecordable::Full));
}

#[test]
fn a_receipt_says_what_its_record_outlives() {
    let mut chain = chain();
    let mut receipt = || chain.append(&forwarded(1), SessionId::mint(1), UnixMillis(1), [0; 32]).unwrap().written();
    assert_eq!(receipt().durability(), Durability::Written);
    let synchronised = receipt().synchronised();
    assert_eq!(synchronised.durability(), Durability::Synchronised);
    assert!(synchronised.covers(SessionId::mint(1), &forwarded(1)), "it covers the same record");
    assert!(Durability::Written < Durability::Synchronised);
}

/// Records of three sessions: one closed, one refused, two open, of which one was opened later.
fn left_behind() -> Writer {
    let mut writer = Writer::open(&id());
    let [opened @ Entry::Opened(opening), ..] = &session()[..] else { panic!() };
    writer.write(8, opened).write(1, opened).write(1, &forwarded(1)).write(2, &Entry::NotOpened(opening.clone()));
    writer.write(3, &forwarded(1)).write(1, &Entry::Closed(CloseReason::Idle)).write(8, &forwarded(1));
    writer
}

#[test]
fn what_is_left_behind_is_recovered_with_its_open_sessions() {
    let writer = left_behind();
    let leftover = recover(&writer.frames).unwrap();
    let open_sessions = [8, 3].map(SessionId::mint).to_vec();
    let (whole_bytes, head) = (writer.frames.len(), writer.heads[6]);
    let expected = Leftover { chain: id(), before: None, head, whole_bytes, open_sessions, rest: Rest::Nothing };
    assert_eq!(leftover, expected);
}

#[test]
fn a_torn_tail_is_cut_wherever_it_is_torn() {
    let writer = left_behind();
    let starts: Vec<_> = records(&writer.frames).map(|record| record.unwrap().offset).collect();
    for end in 0..writer.frames.len() {
        let whole = starts.iter().filter(|start| **start <= end).count() - 1;
        match recover(&writer.frames[..end]) {
            None => assert_eq!(whole, 0, "{end}"),
            Some(left) => {
                assert_eq!((left.head, left.whole_bytes), (writer.heads[whole - 1], starts[whole]), "{end}");
                let rest = if end > starts[whole] { Rest::Torn } else { Rest::Nothing };
                assert_eq!(left.rest, rest, "{end}");
            }
        }
    }
}

#[test]
fn what_continues_a_segment_is_recovered_and_can_be_sealed_by_the_next_incarnation() {
    let mut writer = left_behind();
    let (_, first) = writer.seal(CRASHED, false);
    writer.write(8, &forwarded(2)).write(9, &forwarded(1));
    let mut file = writer.frames.clone();
    file.extend_from_slice(b"\x40\0\0\0torn");
    let left = recover(&file).unwrap();
    assert_eq!((left.before, left.head, left.rest), (Some(first.last), writer.heads[8], Rest::Torn));
    assert_eq!(left.open_sessions, [8, 9].map(SessionId::mint));

    file.truncate(left.whole_bytes);
    let mut chain = Chain::resume(&left.chain, left.head);
    for session in &left.open_sessions {
        let frame = chain.append(&Entry::Closed(CloseReason::Unknown), *session, UnixMillis(9), [9; 32]).unwrap();
        file.extend_from_slice(frame.bytes());
        let _ = frame.written();
    }
    let sealing = Sealing { chain: left.chain, before: left.before, ends_chain: true, signer: NEXT };
    let sealed = seal(&file, &sealing, &key_of(NEXT)).unwrap();
    file.extend_from_slice(&sealed.footer);
    let segment = read_segment(&file).unwrap();
    assert_eq!((segment.first, segment.root.last.sequence, segment.signer), (8, 11, NEXT));
    assert!(segment.verify(&key_of(NEXT).verifying_key()).is_ok());
    assert_eq!(recover(&file).map(|left| left.rest), Some(Rest::Torn), "a seal is no record");
}

#[test]
fn nothing_is_recovered_from_an_altered_record_on() {
    let writer = left_behind();
    let starts: Vec<_> = records(&writer.frames).map(|record| record.unwrap().offset).collect();
    for at in 0..writer.frames.len() {
        let mut altered = writer.frames.clone();
        altered[at] ^= 1;
        let inside = starts.iter().rposition(|start| *start <= at).unwrap();
        let left = recover(&altered);
        let whole = left.as_ref().map_or(0, |left| left.whole_bytes);
        // What a header says of itself only the next record contradicts; where there is none, nothing here does.
        let next = starts.get(inside + 1).copied().unwrap_or(altered.len());
        assert!([starts[inside], next].contains(&whole), "{at}: {whole}");
        let is_damaged = left.is_some_and(|left| left.rest == Rest::Damaged);
        let is_length = (starts[inside]..starts[inside] + 4).contains(&at);
        assert!(is_damaged || is_length || whole == altered.len() || inside == 0, "{at}: no writer leaves that");
    }
    let from_zero = Chain::resume(&id(), Head { sequence: 0, hash: hoop_model::ContentHash([1; 32]) })
        .append(&forwarded(1), SessionId::mint(1), UnixMillis(1), [0; 32])
        .map(|frame| frame.bytes().to_vec())
        .unwrap();
    assert_eq!(recover(&from_zero), None, "a first record follows nothing");
}

#[test]
fn what_a_writer_leaves_that_died_is_told_from_what_was_a_record() {
    let mut writer = left_behind();
    let footer = [&[0; 4][..], &[1, 1, 0, 0], &[7; 257]].concat();
    for end in 1..=footer.len() {
        assert_eq!(Rest::of(&footer[..end]), Rest::Torn, "{end} bytes of a seal");
    }
    assert_eq!(Rest::of(&[]), Rest::Nothing);
    for zeros in [1, 4, 5, 4096] {
        assert_eq!(Rest::of(&vec![0; zeros]), Rest::Torn, "{zeros} zeros");
    }
    // A page that was lost, and what came after it.
    let frames = writer.write(1, &forwarded(1)).frames.clone();
    assert_eq!(Rest::of(&[&[0; 4096][..], &frames].concat()), Rest::Damaged);
    assert_eq!(Rest::of(&[&footer[..], &[0]].concat()), Rest::Damaged, "nothing follows a seal");
    assert_eq!(Rest::of(&frames), Rest::Damaged, "whole frames that do not follow");
    assert_eq!(Rest::of(&[0xff; 64]), Rest::Damaged);
}

#[test]
fn a_path_is_as_documented() {
    let id = chain_id("edge-1", Incarnation::mint(0xab), 12);
    let path = "segments/edge-1/000000000000000000000000000000ab-12/00000000000000000042.seg";
    assert_eq!(segment_path(&id, 42), path);
}
