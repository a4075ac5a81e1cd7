//! What the process that keeps a command is told, and when.

use super::{INCARNATION, Plane, Stands};
use crate::approvals::Kept;
use std::collections::BTreeSet;

#[tokio::test]
async fn of_several_that_change_at_once_none_is_missed() {
    let (plane, mut n1) = Plane::holding().await;
    let mut held = BTreeSet::new();
    for number in 0..20 {
        held.insert(plane.held(&mut n1, number).await);
    }
    for id in &held {
        plane.deny("ada", id).await.unwrap();
    }
    while !held.is_empty() {
        let (id, stands) = n1.hear().await;
        if stands == Stands::Denied {
            assert!(held.remove(&id), "each once");
        }
    }
}

#[tokio::test]
async fn a_process_that_attaches_again_is_told_again() {
    let (plane, mut n1) = Plane::holding().await;
    let (waits, ends) = (plane.held(&mut n1, 1).await, plane.held(&mut n1, 2).await);
    plane.approve("ada", &waits).await.unwrap();
    n1.told(&waits, Stands::Approved).await;
    let super::Holding { node, link, .. } = n1;
    drop(link);
    plane.hung_up("n1").await;
    plane.deny("ada", &ends).await.unwrap();
    let mut n1 = plane.attach_again(node).await;
    let mut told = BTreeSet::from([n1.hear().await, n1.hear().await]);
    assert!(told.remove(&(waits, Stands::Approved)) && told.remove(&(ends, Stands::Denied)), "{told:?}");
}

#[tokio::test]
async fn one_that_ends_before_it_is_looked_at_is_not_missed() {
    let (plane, mut n1) = Plane::holding().await;
    let id = plane.held(&mut n1, 1).await;
    plane.deny("ada", &id).await.unwrap();
    let state = plane.running.cluster.state();
    let node = hoop_model::ResourceName::parse("n1").unwrap();
    let holder = hoop_model::Holder { node, incarnation: hoop_model::Incarnation::from_slice(&INCARNATION).unwrap() };
    let kept = Kept::default();
    assert_eq!(kept.next(&state, &holder), None, "nothing in the state says whose it was");
    let approval = hoop_model::ApprovalId::from_slice(&id).unwrap();
    kept.keep(approval, Stands::Pending);
    let next = kept.next(&state, &holder).unwrap();
    assert_eq!((next.id.as_slice(), next.state()), (&*id, Stands::Denied));
    assert_eq!(kept.next(&state, &holder), None, "once");
    kept.tell_again();
    assert!(kept.next(&state, &holder).is_some());
}

#[tokio::test]
async fn ap_07_what_people_were_told_outlives_a_restart() {
    let (plane, mut n1) = Plane::holding().await;
    let (agreed, waits) = (plane.held(&mut n1, 1).await, plane.held(&mut n1, 2).await);
    plane.approve("ada", &agreed).await.unwrap();
    let super::Holding { node, link, .. } = n1;
    drop(link);
    let plane = plane.restart().await.unwrap();
    let mut n1 = plane.attach_again(node).await;
    let mut told = BTreeSet::from([n1.hear().await, n1.hear().await]);
    assert!(
        told.remove(&(agreed.clone(), Stands::Approved)) && told.remove(&(waits.clone(), Stands::Pending)),
        "{told:?}"
    );
    let shown = plane.show_as(&super::token_of("bob-id"), &waits).await.unwrap();
    assert_eq!(shown.review, Some(super::review()), "the review opens still");
    assert!(n1.claim(&plane, &agreed).await.claimed_by_caller);
}

#[tokio::test]
async fn who_left_is_told_no_more() {
    let (plane, mut n1) = Plane::holding().await;
    let (left, kept) = (plane.held(&mut n1, 1).await, plane.held(&mut n1, 2).await);
    n1.leave(&left).await;
    plane.deny("ada", &left).await.unwrap();
    plane.deny("ada", &kept).await.unwrap();
    loop {
        let (id, stands) = n1.hear().await;
        assert!(id != left || stands == Stands::Pending);
        if (id, stands) == (kept.clone(), Stands::Denied) {
            return;
        }
    }
}

#[tokio::test]
async fn every_node_keys_digests_alike_and_restarts_do_not_change_it() {
    let plane = Plane::start().await;
    let key = plane.attach_and_read_key("n1").await;
    assert_eq!(key.len(), 32);
    assert_eq!(plane.attach_and_read_key("n2").await, key);
    let plane = plane.restart().await.unwrap();
    assert_eq!(plane.attach_and_read_key("n3").await, key);
    assert_ne!(Plane::start().await.attach_and_read_key("n1").await, key);
}

impl Plane {
    async fn attach_and_read_key(&self, node: &str) -> Vec<u8> {
        let node = self.joined(node, &[]).await;
        self.attached(&node).await.snapshot().await.digest_key
    }

    /// Attaches the same process once more; what it is told first is not thrown away.
    async fn attach_again(&self, node: super::Node) -> super::Holding {
        let channel = self.channel(Some((&node.certificate, &node.key))).await;
        let link = self.attached(&node).await;
        super::Holding { node, link, client: super::HoldsClient::new(channel), incarnation: INCARNATION }
    }
}
