//! Shipping: what is taken, what is refused, what is to come again.

use super::super::{INCARNATION, Plane};
use super::{CLOSED, Shipped, allowed, opened, process};
use crate::EvidenceLimits;
use hoop_audit::segment_path;
use hoop_wire::v1;
use hoop_wire::v1::ship_response::Outcome::{OutOfOrder, Refused, Retry, Stored};
use tonic::Code;

#[tokio::test]
async fn a_segment_is_stored_as_it_came_before_its_node_hears_so_and_again_whenever_it_comes() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    let mut writer = process.writer(3);
    let first = process.segment(&mut writer, 5, &[opened("nightly"), allowed(1)]);
    let second = process.segment(&mut writer, 5, &[allowed(2), CLOSED]);
    let answers = plane.ship(&shipper.node, &[&first, &second, &first]).await;
    let outcomes: Vec<Shipped> = answers.iter().map(|answer| answer.outcome()).collect();
    assert_eq!(outcomes, [Stored, Stored, Stored], "{answers:?}");
    assert_eq!(answers[1].first_sequence, 3);
    assert_eq!(answers[1].chain, Some((&writer.id).into()));
    for (segment, at) in [(&first, 1), (&second, 3)] {
        assert_eq!(&std::fs::read(plane.store_path(&segment_path(&writer.id, at))).unwrap(), segment);
    }
    let chain = plane.chain(&writer.id).unwrap();
    assert_eq!((chain.stored, chain.head, chain.ended), (Some(writer.head()), writer.head(), false));
}

#[tokio::test]
async fn cp_14_a_node_cannot_ship_another_nodes_segments() {
    let plane = Plane::start().await;
    let (owner, thief) = (process("n1", 1), process("n2", 2));
    let owned = plane.shipper(&owner).await;
    let stolen = plane.shipper(&thief).await;
    let mut writer = owner.writer(0);
    let segment = owner.segment(&mut writer, 5, &[opened("nightly")]);
    let (outcome, reason) = plane.ship_one(&stolen.node, &segment).await;
    assert_eq!((outcome, reason.as_str()), (Refused, "it is another node's"));
    assert!(!plane.store_path(&segment_path(&writer.id, 1)).exists());
    assert_eq!(plane.ship_one(&owned.node, &segment).await.0, Stored);
    // Sealed by the thief's own key, in the owner's name.
    let mut forged = owner.writer(1);
    let frames = forged.frames(5, &[opened("nightly")]);
    let forged = thief.seal(&frames, &mut forged, true);
    assert_eq!(plane.ship_one(&stolen.node, &forged).await.0, Refused);
    let (outcome, reason) = plane.ship_one(&owned.node, &forged).await;
    assert_eq!(outcome, Retry, "the owner never announced that key: {reason}");
}

#[tokio::test]
async fn au_01_a_segment_with_any_byte_flipped_is_not_stored() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    let mut writer = process.writer(0);
    let segment = process.segment(&mut writer, 5, &[opened("nightly"), allowed(1), CLOSED]);
    let flipped: Vec<Vec<u8>> = (0..segment.len())
        .step_by(7)
        .map(|at| {
            let mut flipped = segment.clone();
            flipped[at] ^= 1;
            flipped
        })
        .collect();
    let flipped: Vec<&[u8]> = flipped.iter().map(Vec::as_slice).collect();
    for (at, answer) in plane.ship(&shipper.node, &flipped).await.into_iter().enumerate() {
        assert_ne!(answer.outcome(), Stored, "byte {}", at * 7);
    }
    assert!(plane.chain(&writer.id).is_none());
    assert_eq!(std::fs::read_dir(plane.store_path("segments")).unwrap().count(), 0);
    assert_eq!(plane.ship_one(&shipper.node, &segment).await.0, Stored);
}

#[tokio::test]
async fn a_segment_must_be_sealed_with_the_key_that_its_signer_announced() {
    let (plane, real, other) = (Plane::start().await, process("n1", 1), process("n1", 2));
    let shipper = plane.shipper(&real).await;
    let mut writer = real.writer(0);
    let frames = writer.frames(5, &[opened("nightly")]);
    let imposter = super::Process { key: other.key, ..process("n1", 1) };
    let forged = imposter.seal(&frames, &mut real.writer(0), false);
    let (outcome, reason) = plane.ship_one(&shipper.node, &forged).await;
    assert_eq!(outcome, Refused, "{reason}");
    assert_eq!(plane.ship_one(&shipper.node, &real.seal(&frames, &mut writer, false)).await.0, Stored);
}

#[tokio::test]
async fn what_is_ahead_is_said_to_be_and_what_differs_is_refused() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    let (mut writer, mut fork) = (process.writer(0), process.writer(0));
    let first = process.segment(&mut writer, 5, &[opened("nightly")]);
    let second = process.segment(&mut writer, 5, &[allowed(1)]);
    let third = process.segment(&mut writer, 5, &[allowed(2)]);
    let (outcome, reason) = plane.ship_one(&shipper.node, &second).await;
    assert_eq!((outcome, reason.as_str()), (OutOfOrder, "the records from 1 on are missing before it"));
    assert_eq!(plane.ship_one(&shipper.node, &first).await.0, Stored);
    let (outcome, reason) = plane.ship_one(&shipper.node, &third).await;
    assert_eq!((outcome, reason.as_str()), (OutOfOrder, "the records from 2 on are missing before it"));

    let another_first = process.segment(&mut fork, 5, &[opened("another")]);
    let (outcome, reason) = plane.ship_one(&shipper.node, &another_first).await;
    assert_eq!((outcome, reason.as_str()), (Refused, "other records are stored in its place"));
    let another_second = process.segment(&mut fork, 5, &[allowed(1)]);
    let (outcome, reason) = plane.ship_one(&shipper.node, &another_second).await;
    assert_eq!((outcome, reason.as_str()), (Refused, "it does not follow the record before it"));

    let answers = plane.ship(&shipper.node, &[&second, &third]).await;
    assert!(answers.iter().all(|answer| answer.outcome() == Stored), "{answers:?}");
}

#[tokio::test]
async fn a_later_incarnation_seals_what_it_found_and_nothing_follows_the_end() {
    let (plane, old, new) = (Plane::start().await, process("n1", 1), process("n1", 2));
    let shipper = plane.shipper(&old).await;
    let mut writer = old.writer(0);
    let first = old.segment(&mut writer, 5, &[opened("nightly")]);
    assert_eq!(plane.ship_one(&shipper.node, &first).await.0, Stored);
    let (found, last) = (writer.frames(5, &[allowed(1)]), writer.frames(5, &[CLOSED]));
    let found = new.seal(&found, &mut writer, false);
    assert_eq!(plane.ship_one(&shipper.node, &found).await.0, Retry, "it is not announced");
    let _link = plane.announced(&shipper.node, &new, &[&writer.id]).await;
    let last = new.seal(&last, &mut writer, true);
    for answer in plane.ship(&shipper.node, &[&found, &last]).await {
        assert_eq!(answer.outcome(), Stored, "{}", answer.reason);
    }
    assert!(plane.chain(&writer.id).unwrap().ended);

    for more in [old.segment(&mut writer, 5, &[allowed(2)]), new.segment(&mut writer, 5, &[allowed(3)])] {
        let (outcome, reason) = plane.ship_one(&shipper.node, &more).await;
        assert_ne!(outcome, Stored, "{reason}");
    }
    assert_eq!(plane.ship_one(&shipper.node, &last).await.0, Stored, "it is there already");
}

#[tokio::test]
async fn nothing_follows_the_end_of_a_chain() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    let mut writer = process.writer(0);
    let frames = writer.frames(5, &[opened("nightly"), CLOSED]);
    let last = process.seal(&frames, &mut writer, true);
    let more = process.segment(&mut writer, 5, &[allowed(1)]);
    let answers = plane.ship(&shipper.node, &[&last, &more]).await;
    assert_eq!(answers[0].outcome(), Stored);
    assert_eq!((answers[1].outcome(), answers[1].reason.as_str()), (Refused, "its chain has ended"));
}

#[tokio::test]
async fn an_earlier_incarnation_cannot_seal_a_later_ones_chain() {
    let (plane, old, new) = (Plane::start().await, process("n1", 1), process("n1", 2));
    let shipper = plane.shipper(&old).await;
    let _link = plane.announced(&shipper.node, &new, &[]).await;
    for ends_chain in [false, true] {
        let mut writer = new.writer(0);
        let frames = writer.frames(5, &[opened("nightly")]);
        let (outcome, reason) = plane.ship_one(&shipper.node, &old.seal(&frames, &mut writer, ends_chain)).await;
        assert_eq!((outcome, reason.as_str()), (Refused, "it is sealed by an incarnation that was over by then"));
    }
}

#[tokio::test]
async fn a_segment_whose_key_is_not_anchored_yet_comes_again() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let node = plane.joined("n1", &[]).await;
    let mut writer = process.writer(0);
    let segment = process.segment(&mut writer, 5, &[opened("nightly")]);
    let (outcome, reason) = plane.ship_one(&node, &segment).await;
    assert_eq!((outcome, reason.as_str()), (Retry, "the key of its signer is not anchored yet"));
    let _link = plane.announced(&node, &process, &[]).await;
    assert_eq!(plane.ship_one(&node, &segment).await.0, Stored);
}

#[tokio::test]
async fn a_segment_of_a_process_that_is_gone_and_was_never_heard_of_is_refused() {
    let (plane, gone, next) = (Plane::start().await, process("n1", 1), process("n1", 2));
    let shipper = plane.shipper(&next).await;
    let segment = gone.segment(&mut gone.writer(0), 5, &[opened("nightly")]);
    let found = v1::ShipRequest { segment, incarnation: next.incarnation.to_bytes().to_vec() };
    let nameless = v1::ShipRequest { incarnation: vec![0; 15], ..found.clone() };
    let answers = plane.try_ship_as(&shipper.node, vec![found, nameless]).await;
    let refused = answers[0].as_ref().unwrap();
    assert_eq!((refused.outcome(), refused.reason.as_str()), (Refused, "nobody knows the key of its signer"));
    assert_eq!(answers[1].as_ref().unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_message_that_no_segment_needs_ends_the_stream_and_not_the_server() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    let huge = vec![0; crate::evidence::MAX_SHIPPED_BYTES + 1];
    let answers = plane.try_ship(&shipper.node, &[&huge]).await;
    assert_eq!(answers[0].as_ref().unwrap_err().code(), Code::OutOfRange);
    for garbage in [&b""[..], &[0; 64], &[0xff; 64]] {
        assert_eq!(plane.ship_one(&shipper.node, garbage).await.0, Refused);
    }
    let mut writer = process.writer(0);
    let segment = process.segment(&mut writer, 5, &[opened("nightly")]);
    assert_eq!(plane.ship_one(&shipper.node, &segment).await.0, Stored);
    assert_ne!(process.incarnation.to_bytes(), INCARNATION);
}

#[tokio::test]
async fn dp_05_a_node_ships_so_much_per_hour_and_every_other_as_much() {
    let limits = EvidenceLimits { node_bytes_per_hour: 20_000, reserve_bytes: 0, ..EvidenceLimits::default() };
    let plane = Plane::start_with(limits).await;
    let (greedy, modest) = (process("n1", 1), process("n2", 2));
    let (noisy, quiet) = (plane.shipper(&greedy).await, plane.shipper(&modest).await);
    let mut writer = greedy.writer(0);
    let segments: Vec<Vec<u8>> = (1..=6).map(|number| greedy.segment(&mut writer, 5, &[allowed(number)])).collect();
    let segments: Vec<&[u8]> = segments.iter().map(Vec::as_slice).collect();
    let answers = plane.ship(&noisy.node, &segments).await;
    let outcomes: Vec<Shipped> = answers.iter().map(|answer| answer.outcome()).collect();
    // A segment counts as 4 KiB at least.
    assert_eq!(outcomes, [Stored, Stored, Stored, Stored, Retry, OutOfOrder], "{answers:?}");
    assert_eq!(answers[4].reason, "the node has shipped the 20000 bytes that it may ship per hour");
    assert!(!plane.store_path(&segment_path(&writer.id, 5)).exists());
    let again = plane.ship(&noisy.node, &[segments[0]]).await;
    assert_eq!(again[0].outcome(), Stored, "what is stored costs nothing");
    let segment = modest.segment(&mut modest.writer(0), 6, &[opened("nightly")]);
    assert_eq!(plane.ship_one(&quiet.node, &segment).await.0, Stored);
}

#[tokio::test]
async fn cp_07_segments_leave_room_on_the_disk_for_the_raft_log() {
    let limits = EvidenceLimits { reserve_bytes: u64::MAX, ..EvidenceLimits::default() };
    let plane = Plane::start_with(limits).await;
    let process = process("n1", 1);
    let shipper = plane.shipper(&process).await;
    let segment = process.segment(&mut process.writer(0), 5, &[opened("nightly")]);
    let (outcome, reason) = plane.ship_one(&shipper.node, &segment).await;
    assert_eq!(outcome, Retry);
    assert!(reason.ends_with(&format!(" bytes free, and {} are kept for the Raft log", u64::MAX)), "{reason}");
    assert_eq!(std::fs::read_dir(plane.store_path("segments")).unwrap().count(), 0);
    plane.apply(vec![super::super::issuer("ci")]).await.unwrap();
}
