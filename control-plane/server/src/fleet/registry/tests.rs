//! Seats, and what is known of who sits in them.

use super::node::ENDS_WITHIN;
use super::*;

fn process(number: u128) -> Incarnation {
    Incarnation::mint(number)
}

#[tokio::test(start_paused = true)]
async fn a_process_is_gone_when_another_comes_or_it_has_been_silent_for_two_leases() {
    let registry = Arc::new(Registry::empty());
    let (node, other) = (ResourceName::parse("n1").unwrap(), ResourceName::parse("n2").unwrap());
    let of = |node: &ResourceName, number| Holder { node: node.clone(), incarnation: process(number) };
    let is_gone = |holder| registry.is_gone(&holder, Instant::now());
    let (seat, heard) = registry.seat(&node, process(1), Revision::default());
    assert!(!is_gone(of(&node, 1)) && is_gone(of(&node, 2)) && !is_gone(of(&other, 1)));
    tokio::time::advance(GONE_AFTER - Duration::from_millis(1)).await;
    seat.heard(false, 0);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(!is_gone(of(&node, 1)), "it renews");
    assert!(is_gone(of(&other, 1)), "it has not come since the start");
    drop((seat, heard));
    assert_eq!(registry.process(&node), None);
    assert!(!is_gone(of(&node, 1)), "it may come back");
    let (seat, heard) = registry.seat(&node, process(1), Revision::default());
    assert!(Arc::ptr_eq(&heard.kept, &registry.kept(&of(&node, 1)).unwrap()));
    assert_eq!(registry.process(&node), Some(process(1)));
    tokio::time::advance(GONE_AFTER).await;
    assert!(is_gone(of(&node, 1)), "attached, but silent");
    let (_newer, _) = registry.seat(&node, process(2), Revision::default());
    assert!(registry.kept(&of(&node, 1)).is_none());
    seat.heard(false, 0);
    assert!(is_gone(of(&node, 1)) && !is_gone(of(&node, 2)));
}

#[test]
fn the_newest_stream_of_a_node_wins() {
    let registry = Arc::new(Registry::empty());
    let name = ResourceName::parse("n1").unwrap();
    let at = |index| Revision { epoch: 1, index };
    let applied = || registry.nodes.borrow().node(&name).unwrap().applied;

    let (old, Heard { taken: mut old_taken, .. }) = registry.seat(&name, process(1), at(1));
    assert!(old_taken.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Empty));
    let (new, Heard { taken: mut new_taken, .. }) = registry.seat(&name, process(1), at(2));
    assert_eq!(old_taken.try_recv(), Err(oneshot::error::TryRecvError::Closed));

    old.applied(at(9));
    assert_eq!(applied(), at(2), "an old stream says nothing about the node any more");
    assert!(old.is_stuck(), "and gets no lease");
    drop(old);
    assert!(registry.has_connected(), "and its end does not detach the node");
    assert_eq!(new_taken.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    new.applied(at(3));
    assert_eq!(applied(), at(3));
    drop(new);
    assert!(!registry.has_connected());
}

#[test]
fn a_node_stays_stuck_until_it_applies_what_it_could_not() {
    let registry = Arc::new(Registry::empty());
    let at = |index| Revision { epoch: 1, index };
    let (seat, _heard) = registry.seat(&ResourceName::parse("n1").unwrap(), process(1), at(1));
    assert!(!seat.is_stuck());
    seat.cannot_apply(at(5), "no".into());
    seat.applied(at(4));
    assert!(seat.is_stuck());
    seat.applied(at(5));
    assert!(!seat.is_stuck());
}

#[tokio::test(start_paused = true)]
async fn dp_01_a_node_that_is_not_heard_from_is_fenced_after_its_lease_and_the_longest_window() {
    let registry = Arc::new(Registry::empty());
    let name = ResourceName::parse("n1").unwrap();
    let revision = Revision { epoch: 1, index: 2 };
    let began = Instant::now();
    let (seat, heard) = registry.seat(&name, process(1), Revision { epoch: 1, index: 1 });
    tokio::time::advance(Duration::from_secs(100)).await;
    seat.granted(15_000, UnixMillis(1));
    drop((seat, heard));
    let standing = |stale| {
        let fence = registry.fence(Duration::ZERO, Duration::from_secs(stale));
        registry.nodes.borrow().node(&name).unwrap().standing(revision, &fence)
    };
    let end = |stale| began + Duration::from_secs(115 + stale) + ENDS_WITHIN;
    for stale in [0, 60, 3_600] {
        assert_eq!(standing(stale), Standing::FenceRunning(end(stale)));
    }
    let left =
        |stale| registry.nodes.borrow().node(&name).unwrap().authority_left(Duration::from_secs(stale)).as_secs();
    assert_eq!([left(0), left(60)], [15, 75]);
    tokio::time::advance(Duration::from_secs(15) + ENDS_WITHIN).await;
    assert_eq!([standing(0), standing(60)], [Standing::Fenced(end(0)), Standing::FenceRunning(end(60))]);
    // Another process of the node carried it out; the earlier one may read on.
    let (seat, _heard) = registry.seat(&name, process(2), Revision::default());
    seat.receipt(revision, Vec::new());
    assert_eq!([standing(0), standing(60)], [Standing::Acknowledged, Standing::FenceRunning(end(60))]);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(standing(60), Standing::Acknowledged);
}
