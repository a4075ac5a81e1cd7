//! Anchoring: keys, heads, losses and contradictions become entries of the log.

use super::super::{Plane, hello};
use super::{Shipped, allowed, opened, other_hash, process, renew};
use hoop_audit::decode_log_entry;
use hoop_model::{ChainHead, LogEntry};
use hoop_wire::v1::{self, from_node};
use std::time::Duration;
use tonic::Code;

impl Plane {
    /// Returns every entry of the log, once the store has `size` of them.
    async fn log(&self, size: usize) -> Vec<LogEntry> {
        let mut position = self.running.cluster.evidence().indexed_entries();
        let waited = position.wait_for(|stored| *stored >= size as u64);
        tokio::time::timeout(Duration::from_secs(20), waited).await.expect("within 20 s").unwrap();
        let mut file = hoop_audit::LogFile::default();
        file.push(&std::fs::read(self.store_path("log/entries")).unwrap());
        let mut entries = Vec::new();
        while let Some(entry) = file.take().unwrap() {
            entries.push(decode_log_entry(entry).unwrap());
        }
        entries
    }
}

#[tokio::test]
async fn a_key_is_anchored_before_any_segment_and_a_root_once_it_is_stored() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    let mut writer = process.writer(0);
    let segment = process.segment(&mut writer, 5, &[opened("nightly")]);
    assert_eq!(plane.ship_one(&shipper.node, &segment).await.0, Shipped::Stored);
    let log = plane.log(2).await;
    assert_eq!((log[0].keys[0].public, log[0].roots.len()), (process.key.verifying_key().0, 0));
    assert_eq!((log[1].roots[0].chain.clone(), log[1].roots[0].last), (writer.id.clone(), writer.head()));
    let indices: Vec<u64> = log.iter().map(|entry| entry.index).collect();
    assert_eq!(indices, [0, 1]);
}

#[tokio::test]
async fn heads_are_anchored_within_seconds_and_only_the_newest_of_each_chain() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let mut shipper = plane.shipper(&process).await;
    let (mut one, mut two) = (process.writer(0), process.writer(1));
    for number in 1..=3 {
        one.frames(5, &[allowed(number)]);
        two.frames(6, &[allowed(number)]);
        shipper.link.say(renew(&process, vec![one.wire_head(), two.wire_head()])).await;
    }
    let (first, second) = (one.id.clone(), two.id.clone());
    plane.until(|state| Some(()).filter(|()| state.evidence().chain(&second).is_some())).await;
    let log = plane.log(2).await;
    let expected = [(first, one.head()), (second, two.head())].map(|(chain, head)| ChainHead { chain, head });
    assert_eq!(log[1].heads, expected, "one entry for all of it");
    shipper.link.say(renew(&process, vec![one.wire_head()])).await;
    let segment = process.segment(&mut process.writer(2), 7, &[opened("nightly")]);
    plane.ship_one(&shipper.node, &segment).await;
    assert!(plane.log(3).await[2].heads.is_empty(), "what is known is not said again");
}

#[tokio::test]
async fn cp_14_a_node_speaks_of_its_own_chains_only() {
    let plane = Plane::start().await;
    let (one, two) = (process("n1", 1), process("n2", 2));
    let nodes = [plane.joined("n1", &[]).await, plane.joined("n2", &[]).await];
    let mut foreign = two.writer(0);
    foreign.frames(5, &[opened("nightly")]);
    let mut link = plane.announced(&nodes[0], &one, &[]).await;
    link.say(renew(&one, vec![foreign.wire_head()])).await;
    assert_eq!(link.end().await.code(), Code::PermissionDenied);
    let mut link = plane.attach(&nodes[0]).await;
    link.say(from_node::Message::Hello(one.hello(&[&foreign.id]))).await;
    assert_eq!(link.end().await.code(), Code::PermissionDenied);
    let mut link = plane.announced(&nodes[0], &one, &[]).await;
    let mut earlier = process("n1", 9).writer(0);
    earlier.frames(5, &[opened("nightly")]);
    link.say(renew(&one, vec![earlier.wire_head()])).await;
    assert_eq!(link.end().await.code(), Code::InvalidArgument, "of another incarnation");
    assert!(plane.chain(&foreign.id).is_none() && plane.chain(&earlier.id).is_none());
}

#[tokio::test]
async fn an_incarnation_keeps_the_key_it_announced_first() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    let mut link = plane.attach(&shipper.node).await;
    let other = v1::Hello { evidence_key: vec![5; 32], ..process.hello(&[]) };
    link.say(from_node::Message::Hello(other)).await;
    assert_eq!(link.end().await.code(), Code::PermissionDenied);
    for evidence_key in [vec![], vec![5; 31]] {
        let mut link = plane.attach(&shipper.node).await;
        link.say(from_node::Message::Hello(v1::Hello { evidence_key, ..hello() })).await;
        assert_eq!(link.end().await.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_chain_that_its_node_has_nothing_of_any_more_leaves_a_gap_up_to_its_known_head() {
    let (plane, old, new) = (Plane::start().await, process("n1", 1), process("n1", 2));
    let mut shipper = plane.shipper(&old).await;
    let (mut lost, mut left) = (old.writer(0), old.writer(1));
    let segment = old.segment(&mut lost, 5, &[opened("nightly")]);
    assert_eq!(plane.ship_one(&shipper.node, &segment).await.0, Shipped::Stored);
    lost.frames(5, &[allowed(1), allowed(2)]);
    left.frames(6, &[opened("nightly")]);
    shipper.link.say(renew(&old, vec![lost.wire_head(), left.wire_head()])).await;
    let (known, chain) = (lost.head(), lost.id.clone());
    plane.until(|state| state.evidence().chain(&chain).filter(|chain| chain.head == known).copied()).await;

    let _link = plane.announced(&shipper.node, &new, &[&left.id]).await;
    plane.until(|state| state.evidence().chain(&chain).filter(|chain| chain.ended).copied()).await;
    let size = plane.running.cluster.state().evidence().size();
    let gaps: Vec<_> = plane.log(size as usize).await.into_iter().flat_map(|entry| entry.gaps).collect();
    assert_eq!(gaps, [hoop_model::Gap { chain: lost.id, first: 2, last: known }]);
    assert!(!plane.chain(&left.id).unwrap().ended, "its node still has it");
}

#[tokio::test]
async fn au_02_what_a_node_says_is_missing_of_a_chain_is_a_gap_at_once() {
    let (plane, process, other, stranger) =
        (Plane::start().await, process("n1", 1), process("n1", 2), process("n2", 3));
    let mut shipper = plane.shipper(&process).await;
    let mut writer = process.writer(0);
    let segment = process.segment(&mut writer, 5, &[opened("nightly")]);
    assert_eq!(plane.ship_one(&shipper.node, &segment).await.0, Shipped::Stored);
    writer.frames(5, &[allowed(1), allowed(2)]);
    let mut foreign = other.writer(0);
    foreign.frames(6, &[opened("nightly")]);
    let broken_off = vec![writer.wire_head(), foreign.wire_head()];
    let from_node::Message::Renew(renewal) = renew(&process, vec![]) else { unreachable!() };
    shipper.link.say(from_node::Message::Renew(v1::Renew { broken_off, ..renewal })).await;
    plane.until(|state| state.evidence().chain(&writer.id).filter(|chain| chain.ended).copied()).await;
    let size = plane.running.cluster.state().evidence().size();
    let gaps: Vec<_> = plane.log(size as usize).await.into_iter().flat_map(|entry| entry.gaps).collect();
    assert_eq!(gaps, [hoop_model::Gap { chain: writer.id.clone(), first: 2, last: writer.head() }]);
    assert!(plane.chain(&foreign.id).is_none(), "nobody announced it");
    let mut stranger = stranger.writer(0);
    stranger.frames(5, &[opened("nightly")]);
    let from_node::Message::Renew(renewal) = renew(&process, vec![]) else { unreachable!() };
    let broken_off = vec![stranger.wire_head()];
    shipper.link.say(from_node::Message::Renew(v1::Renew { broken_off, ..renewal })).await;
    assert_eq!(shipper.link.end().await.code(), Code::PermissionDenied, "cp-14");
}

#[tokio::test]
async fn a_process_that_is_not_the_newest_cannot_declare_the_newest_ones_chains_lost() {
    let (plane, old, new) = (Plane::start().await, process("n1", 1), process("n1", 2));
    let shipper = plane.shipper(&old).await;
    let mut link = plane.announced(&shipper.node, &new, &[]).await;
    let mut writer = new.writer(0);
    writer.frames(5, &[opened("nightly")]);
    link.say(renew(&new, vec![writer.wire_head()])).await;
    plane.until(|state| state.evidence().chain(&writer.id).copied()).await;
    let mut stale = plane.announced(&shipper.node, &old, &[]).await;
    stale.snapshot().await;
    let segment = old.segment(&mut old.writer(7), 6, &[opened("nightly")]);
    assert_eq!(plane.ship_one(&shipper.node, &segment).await.0, Shipped::Stored, "whatever waited is anchored now");
    assert!(!plane.chain(&writer.id).unwrap().ended);
}

#[tokio::test]
async fn a_segment_that_contradicts_a_head_within_it_is_stored_and_the_log_says_both() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let mut shipper = plane.shipper(&process).await;
    let mut writer = process.writer(0);
    let mut frames = writer.frames(5, &[opened("nightly")]);
    let said = writer.head();
    let lie = v1::ChainHead { hash: other_hash(said).hash.0.to_vec(), ..writer.wire_head() };
    shipper.link.say(renew(&process, vec![lie])).await;
    plane.until(|state| state.evidence().chain(&writer.id).copied()).await;
    frames.extend(writer.frames(5, &[allowed(1)]));
    let segment = process.seal(&frames, &mut writer, false);
    assert_eq!(plane.ship_one(&shipper.node, &segment).await.0, Shipped::Stored);
    let conflicts: Vec<_> = plane.log(3).await.into_iter().flat_map(|entry| entry.conflicts).collect();
    let known = ChainHead { chain: writer.id, head: other_hash(said) };
    assert_eq!(conflicts, [hoop_model::Conflict { known, said }]);
}
