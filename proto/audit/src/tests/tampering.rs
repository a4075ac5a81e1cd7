//! What an attacker who can write the file can do, and what of it is found.

use super::samples::{chain, expected, file_of, judged, name, session};
use crate::*;
use hoop_model::{Incarnation, SessionId, UnixMillis};

/// Verifies pieces of a file, put together, against its true head.
fn verify(pieces: &[&[u8]], head: Option<Head>) -> Result<ChainSummary, Broken> {
    verify_chain(&pieces.concat(), &expected(head))
}

#[test]
fn an_untouched_chain_verifies_and_is_summed_up() {
    let (file, _, head) = file_of(&session());
    let summary = verify_chain(&file, &expected(Some(head))).unwrap();
    let of_session = SessionSummary { records: 6, commands: 2, forwarded: 1, closed: Some(CloseReason::Finished) };
    let sessions = [(SessionId::mint(9), of_session)].into();
    let (first, last) = (UnixMillis(1000), UnixMillis(1005));
    assert_eq!(summary, ChainSummary { records: 6, head, first, last, sessions });
    let entries: Vec<_> = records(&file).map(|record| record.unwrap().entry).collect();
    assert_eq!(entries, session());
}

#[test]
fn au_01_a_flipped_byte_is_found_at_every_offset() {
    let (file, starts, head) = file_of(&session());
    let last = *starts.last().unwrap();
    let mut flips = 0;
    for at in 0..file.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut file = file.clone();
            file[at] ^= mask;
            let found = verify_chain(&file, &expected(Some(head)));
            assert!(found.is_err(), "flip of {mask:#x} at {at} with the head");
            if at < last {
                assert!(verify_chain(&file, &expected(None)).is_err(), "flip of {mask:#x} at {at} without the head");
            }
            flips += 1;
        }
    }
    assert_eq!(flips, 3 * file.len());
}

#[test]
fn au_01_an_altered_payload_is_found_where_it_is() {
    let (mut file, starts, _) = file_of(&session());
    let (offset, end) = (starts[4], starts[5]);
    file[end - 1] ^= 1;
    let what = What::PayloadAltered;
    assert_eq!(verify_chain(&file, &expected(None)), Err(Broken::Record { offset, sequence: 5, what }));
}

#[test]
fn au_02_a_deleted_record_is_found() {
    let (file, starts, head) = file_of(&session());
    for (k, &start) in starts.iter().enumerate() {
        let end = starts.get(k + 1).copied().unwrap_or(file.len());
        let found = verify(&[&file[..start], &file[end..]], Some(head));
        let sequence = k as u64 + 1;
        let what = if end == file.len() { What::HeadMissing(6) } else { What::OutOfSequence(sequence + 1) };
        assert_eq!(found, Err(Broken::Record { offset: start, sequence, what }));
    }
}

#[test]
fn au_03_a_lost_tail_is_found_by_the_known_head() {
    let (file, starts, head) = file_of(&session());
    for (kept, &end) in starts.iter().enumerate().skip(1) {
        let sequence = kept as u64 + 1;
        let what = What::HeadMissing(6);
        let found = verify_chain(&file[..end], &expected(Some(head)));
        assert_eq!(found, Err(Broken::Record { offset: end, sequence, what }));
        assert_eq!(verify_chain(&file[..end], &expected(None)).unwrap().records, kept as u64);
    }
    let nowhere = Head { sequence: 0, hash: head.hash };
    assert!(verify_chain(&file, &expected(Some(nowhere))).is_err(), "no record has the number 0");
}

#[test]
fn au_04_swapped_records_are_found() {
    let (file, s, head) = file_of(&session());
    let found = verify(&[&file[..s[1]], &file[s[2]..s[3]], &file[s[1]..s[2]], &file[s[3]..]], Some(head));
    let what = What::OutOfSequence(3);
    assert_eq!(found, Err(Broken::Record { offset: s[1], sequence: 2, what }));
}

#[test]
fn au_05_a_doubled_record_is_found() {
    let (file, s, head) = file_of(&session());
    let found = verify(&[&file[..s[2]], &file[s[1]..]], Some(head));
    let what = What::OutOfSequence(2);
    assert_eq!(found, Err(Broken::Record { offset: s[2], sequence: 3, what }));
}

#[test]
fn au_06_a_record_of_another_chain_does_not_fit() {
    let (file, s, _) = file_of(&session());
    let mut other = session();
    other[0] = Entry::Forwarded(CommandId::FIRST);
    let (other, t, head) = file_of(&other);
    let found = verify(&[&file[..s[1]], &other[t[1]..]], Some(head));
    assert_eq!(found, Err(Broken::Record { offset: s[1], sequence: 2, what: What::Unlinked }));
    assert!(matches!(
        verify_chain(&file, &expected(Some(head))),
        Err(Broken::Record { sequence: 6, what: What::HeadDiffers, .. })
    ));
}

#[test]
fn au_06_a_chain_of_another_writer_is_refused() {
    let (file, _, _) = file_of(&session());
    let node = Expected { node: name("edge-2"), ..expected(None) };
    let incarnation = Expected { incarnation: Incarnation::mint(8), ..expected(None) };
    let shard = Expected { shard: 4, ..expected(None) };
    for (expected, field) in [(node, "node"), (incarnation, "incarnation"), (shard, "shard")] {
        let what = What::Foreign(field);
        assert_eq!(verify_chain(&file, &expected), Err(Broken::Record { offset: 0, sequence: 1, what }));
    }
}

#[test]
fn au_11_malformed_files_are_never_verified() {
    let (file, starts, _) = file_of(&session());
    let broken = |what| Err(Broken::Record { offset: 0, sequence: 1, what });
    let frame = What::Malformed("frame");
    let cases: [(&[u8], Result<ChainSummary, Broken>); 6] = [
        (b"", broken(What::Empty)),
        (b"\0\0\0\0", broken(frame)),
        (b"\x04\0\0\0\xff\xff\xff\xff", broken(frame)),
        (b"\x04\0\0\0\0\0\0\0", broken(What::UnknownFormat(0))),
        (b"\xff\xff\xff\xff", broken(What::TooLarge(u32::MAX))),
        (b"{\"json\": 1}", broken(What::TooLarge(u32::from_le_bytes(*b"{\"js")))),
    ];
    for (bytes, found) in cases {
        assert_eq!(verify_chain(bytes, &expected(None)), found, "{bytes:?}");
    }
    let header_end = starts[0] + 8 + u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize;
    let mut erased = u32::try_from(header_end - 4).unwrap().to_le_bytes().to_vec();
    erased.extend_from_slice(&file[4..header_end]);
    assert_eq!(verify_chain(&erased, &expected(None)), broken(What::Malformed("salt")));
}

#[test]
fn a_cut_in_the_last_frame_is_a_truncated_tail_and_the_rest_verifies() {
    let (file, starts, _) = file_of(&session());
    let anchored = verify_chain(&file[..starts[3]], &expected(None)).unwrap().head;
    let last = *starts.last().unwrap();
    for end in last + 1..file.len() {
        let found = verify_chain(&file[..end], &expected(Some(anchored)));
        assert_eq!(found, Err(Broken::TruncatedTail { offset: last, whole_records: 5 }));
    }
    assert_eq!(verify_chain(&file[..last], &expected(Some(anchored))).unwrap().records, 5);
    let before_anchor = verify_chain(&file[..starts[2] + 1], &expected(Some(anchored)));
    let what = What::HeadMissing(3);
    assert_eq!(before_anchor, Err(Broken::Record { offset: starts[2], sequence: 3, what }));
}

#[test]
fn a_frame_that_was_not_written_leaves_no_trace_in_the_chain() {
    let (mut chain, mut file) = (chain(), Vec::new());
    let session = SessionId::mint(9);
    let closed = Entry::Closed(CloseReason::Idle);
    drop(chain.append(&closed, session, UnixMillis(1), [1; 32]).unwrap());
    assert_eq!(chain.head(), None);
    for salt in [[2; 32], [3; 32]] {
        let frame = chain.append(&closed, session, UnixMillis(2), salt).unwrap();
        file.extend_from_slice(frame.bytes());
        let _ = frame.written();
        drop(chain.append(&closed, session, UnixMillis(3), [4; 32]).unwrap());
    }
    assert_eq!(verify_chain(&file, &expected(chain.head())).unwrap().records, 2);
}

#[test]
fn a_record_larger_than_readers_accept_is_not_appended() {
    let mut chain = chain();
    let huge = |bytes: usize| {
        Entry::Verdict(CommandVerdict {
            command: CommandId::FIRST,
            summary: "x".repeat(bytes).into(),
            effects: vec![],
            digest: None,
            trace: None,
            judged: judged(Outcome::Allow),
        })
    };
    let session = SessionId::mint(1);
    let refused = chain.append(&huge(MAX_FRAME_BYTES), session, UnixMillis(1), [0; 32]);
    assert_eq!(refused.err(), Some(Unrecordable::TooLarge));
    let frame = chain.append(&huge(MAX_FRAME_BYTES - 4096), session, UnixMillis(1), [0; 32]).unwrap();
    assert!(verify_chain(frame.bytes(), &expected(None)).is_ok());
}

#[test]
fn a_receipt_covers_its_record_only() {
    let entries = session();
    let mut chain = chain();
    for written in &entries {
        let receipt = chain.append(written, SessionId::mint(9), UnixMillis(1), [7; 32]).unwrap().written();
        assert_eq!(Some(receipt.head()), chain.head());
        assert_eq!(receipt.command(), written.command());
        for entry in &entries {
            assert_eq!(receipt.covers(SessionId::mint(9), entry), entry == written, "{entry:?}");
        }
        assert!(!receipt.covers(SessionId::mint(8), written));
    }
}

#[test]
fn the_bytes_of_a_record_never_change() {
    let (file, _, head) = file_of(&session());
    let whole = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &file);
    let hex: String = whole.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (hex.as_str(), head.hash.to_string().as_str()),
        (
            "61f56e22da3df3e440355b3cda9d0eb1588d3a4f2646dc0351b8cf8d78560295",
            "93f4443f853d4ab079d25ac5c6e3c0394e386716f314149f6d85002debf72c3c"
        )
    );
}

#[test]
fn a_frame_is_laid_out_as_documented() {
    let sha256 = |bytes: &[u8]| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref().to_vec();
    let (file, starts, head) = file_of(&[Entry::Forwarded(CommandId::FIRST)]);
    let length = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let (t, h) = (length(0), length(4));
    assert_eq!((starts, t), (vec![0], file.len() - 4));
    let header = &file[8..8 + h];
    assert_eq!(head.hash.0.to_vec(), sha256(&[b"hoop-chain-v1", header].concat()));
    assert_eq!(&file[8 + h..40 + h], [0; 32], "the salt");
    assert_eq!(&file[40 + h..], [0x08, 1], "field 1, varint 1: the payload of `forwarded`");
    assert_eq!(file.len() - (40 + h), t - 36 - h);
    let mut fields = vec![0x08, 1, 0x12, 6];
    fields.extend_from_slice(b"edge-1");
    fields.extend_from_slice(&[0x1a, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0x20, 3, 0x28, 1, 0x32, 32]);
    fields.extend_from_slice(&[0; 32]);
    fields.extend_from_slice(&[
        0x38, 0xe8, 0x07, 0x42, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0x48, 4, 0x52, 32,
    ]);
    fields.extend_from_slice(&sha256(&file[8 + h..]));
    assert_eq!(header, fields);
}
