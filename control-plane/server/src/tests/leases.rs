//! The fleet's link: snapshots, acknowledgements, leases.

use super::{Attachment, INCARNATION, Plane, connection, hello, names, world};
use crate::fleet::LEASE_MS;
use hoop_wire::v1::node_receipt::Standing;
use hoop_wire::v1::{self, from_node, to_node};
use tonic::Code;

#[tokio::test]
async fn a_node_joins_attaches_applies_and_gets_its_lease() {
    let plane = Plane::start().await;
    let first = plane.apply(world()).await.unwrap().revision;
    let node = plane.joined("n1", &[]).await;
    let mut link = plane.attached(&node).await;
    let snapshot = link.snapshot().await;
    assert_eq!(snapshot.revision, first);
    assert_eq!(names(&snapshot.objects), ["ci", "nightly", "react", "agents-on-react"]);
    assert_eq!(link.renew(1, Some(v1::Revision::default())).await, 0, "nothing applied, no lease");
    assert_eq!(link.renew(2, first).await, LEASE_MS);

    let second = plane.apply(vec![connection("another", &[])]).await.unwrap().revision;
    let late = link.renew(3, first).await;
    assert!((1..LEASE_MS).contains(&late), "it lacks a young change: {late}");
    assert_eq!(link.renew(4, second).await, LEASE_MS);
    assert_eq!(link.renew(5, Some(v1::Revision { epoch: 9, index: 9 })).await, 0, "there is no such revision");

    let status = plane.fleet().await.remove("n1").unwrap();
    assert!(status.connected && status.last_renewal_ms > 0, "{status:?}");
    assert!((1..=LEASE_MS).contains(&status.lease_left_ms), "{status:?}");
    assert_eq!((status.version.as_str(), status.draining), ("test", false));
    let stops = v1::Renew {
        sequence: 6,
        incarnation: INCARNATION.into(),
        applied: second,
        draining: true,
        ..Default::default()
    };
    link.say(from_node::Message::Renew(stops)).await;
    while !matches!(link.hear().await.unwrap(), to_node::Message::Lease(_)) {}
    assert!(plane.fleet().await.remove("n1").unwrap().draining);
}

#[tokio::test]
async fn a_restarted_control_plane_does_not_know_how_old_changes_are() {
    let plane = Plane::start().await;
    let first = plane.apply(world()).await.unwrap().revision;
    let second = plane.apply(vec![connection("another", &[])]).await.unwrap().revision;
    let node = plane.joined("n1", &[]).await;
    let plane = plane.restart().await.unwrap();
    let mut link = plane.attached(&node).await;
    assert_eq!(link.renew(1, first).await, 0);
    assert_eq!(link.renew(2, second).await, LEASE_MS);
}

#[tokio::test]
async fn each_revision_is_pushed_and_waited_for() {
    let plane = Plane::start().await;
    let (n1, n2) = (plane.joined("n1", &[]).await, plane.joined("n2", &[]).await);
    let (mut one, mut two) = (plane.attached(&n1).await, plane.attached(&n2).await);
    for link in [&mut one, &mut two] {
        assert!(link.snapshot().await.objects.is_empty(), "one comes although there is nothing");
    }
    let revision = plane.apply(world()).await.unwrap().revision;
    for link in [&mut one, &mut two] {
        assert_eq!(link.snapshot().await.revision, revision);
    }
    one.acknowledge(revision).await;
    let (waited, ()) = tokio::join!(plane.wait_applied(revision, 20_000), two.acknowledge(revision));
    let standings = |waited: v1::WaitAppliedResponse| -> Vec<_> {
        waited.nodes.into_iter().map(|node| (node.node.clone(), node.standing())).collect()
    };
    let expected = |two| [("n1".to_owned(), Standing::Acknowledged), ("n2".to_owned(), two)];
    assert_eq!(standings(waited.unwrap()), expected(Standing::Acknowledged));

    let newer = plane.apply(vec![connection("another", &[])]).await.unwrap().revision;
    one.acknowledge(newer).await;
    let waited = plane.wait_applied(newer, 300).await.unwrap();
    let fenced_in = waited.nodes[1].fenced_at_ms - hoop_node::clock::unix_now().0;
    assert!((1..=LEASE_MS + 2_000).contains(&fenced_in), "{fenced_in}");
    assert_eq!(standings(waited), expected(Standing::FenceRunning));
    assert!(two.renew(1, newer).await > 0);
    let waited = plane.wait_applied(newer, 300).await.unwrap();
    assert_eq!(standings(waited), expected(Standing::Unbounded), "it judges by it; what is cut it did not say");
    drop(two);
    let waited = plane.wait_applied(newer, 300).await.unwrap();
    assert_eq!(standings(waited), expected(Standing::FenceRunning), "nobody renews its lease");
    let future = v1::Revision { epoch: 1, index: u64::MAX };
    assert_eq!(plane.wait_applied(Some(future), 0).await.unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(plane.wait_applied(None, 0).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn cp_16_a_node_is_sent_what_it_lacks_and_all_of_it_only_if_need_be() {
    let plane = Plane::start().await;
    let node = plane.joined("n1", &[]).await;
    let first = plane.apply(world()).await.unwrap().revision;
    let mut link = plane.attached(&node).await;
    assert_eq!(link.snapshot().await.objects.len(), 4);
    let second = plane.apply(vec![connection("another", &[])]).await.unwrap().revision;
    let heard = link.hear().await.unwrap();
    let to_node::Message::Delta(delta) = heard else { panic!("{heard:?}") };
    assert_eq!((delta.base, delta.revision), (first, second));
    assert_eq!((super::names(&delta.changed), delta.removed.len()), (vec!["another".to_owned()], 0));
    let third = plane.delete("Connection", "another").await.unwrap().revision;

    let attach_with = async |contents: Option<v1::Revision>| {
        let mut link = plane.attach(&node).await;
        let hello = v1::Hello { applied: contents, contents, ..hello() };
        link.say(from_node::Message::Hello(hello)).await;
        link
    };
    let heard = attach_with(second).await.hear().await.unwrap();
    let to_node::Message::Delta(delta) = heard else { panic!("{heard:?}") };
    let removed: Vec<_> = delta.removed.iter().map(|gone| (gone.kind.as_str(), gone.name.as_str())).collect();
    assert_eq!((delta.base, delta.revision, removed), (second, third, vec![("Connection", "another")]));
    let heard = attach_with(Some(v1::Revision { epoch: 1, index: 1 })).await.hear().await.unwrap();
    assert!(matches!(heard, to_node::Message::Snapshot(_)), "nobody knows that revision any more: {heard:?}");
    let mut current = attach_with(third).await;
    let renew = v1::Renew { sequence: 1, incarnation: INCARNATION.into(), applied: third, ..Default::default() };
    current.say(from_node::Message::Renew(renew)).await;
    let heard = current.hear().await.unwrap();
    assert!(matches!(heard, to_node::Message::Lease(_)), "it has everything: {heard:?}");
}

#[tokio::test]
async fn an_identity_is_revoked_once_and_the_receipt_counts_what_a_node_closed() {
    let plane = Plane::start().await;
    let mut link = plane.attached(&plane.joined("n1", &[]).await).await;
    plane.apply(world()).await.unwrap();
    let revoke = async |identity: &str| {
        let request = plane.by_admin(v1::RevokeRequest { identity: identity.into() });
        plane.admin().await.revoke(request).await.map(tonic::Response::into_inner)
    };
    assert_eq!(revoke("nobody").await.unwrap_err().code(), Code::NotFound);
    let first = revoke("nightly").await.unwrap();
    assert!(!first.already);
    let again = revoke("nightly").await.unwrap();
    assert_eq!(again, v1::RevokeResponse { already: true, ..first.clone() });
    assert_eq!(plane.list().await.revision, first.revision, "it was one change");
    let listed = plane.list().await.objects;
    let revoked = listed.iter().find(|object| object.metadata.as_ref().unwrap().name == "nightly").unwrap();
    let Some(v1::spec::Kind::Identity(identity)) = revoked.spec.as_ref().unwrap().kind.clone() else { panic!() };
    assert!(identity.suspended && identity.groups == ["agents"], "{identity:?}");

    let of = |identity_uid: &[u8], sessions| v1::ClosedSessions {
        revision: first.revision,
        identity_uid: identity_uid.into(),
        sessions,
    };
    let closed = vec![of(&first.identity_uid, 3), of(&[9; 16], 40)];
    link.say(from_node::Message::Applied(v1::Applied { revision: first.revision, closed })).await;
    let (revision, identity_uid) = (first.revision, first.identity_uid);
    let request = plane.by_admin(v1::WaitAppliedRequest { revision, timeout_ms: 20_000, identity_uid });
    let nodes = plane.admin().await.wait_applied(request).await.unwrap().into_inner().nodes;
    assert_eq!((nodes.len(), nodes[0].standing(), nodes[0].sessions_closed), (1, Standing::Acknowledged, Some(3)));
}

#[tokio::test]
async fn a_node_that_does_not_read_gets_the_newest_revision_when_it_does() {
    let plane = Plane::start().await;
    let mut link = plane.attached(&plane.joined("n1", &[]).await).await;
    link.snapshot().await;
    let mut newest = None;
    for i in 0..20 {
        newest = plane.apply(vec![connection(&format!("c{i}"), &[])]).await.unwrap().revision;
    }
    let mut snapshots = 1;
    while link.snapshot().await.revision != newest {
        snapshots += 1;
    }
    assert!(snapshots <= 20, "{snapshots}");
}

#[tokio::test]
async fn a_node_that_cannot_apply_is_fenced_and_says_why() {
    let plane = Plane::start().await;
    let mut link = plane.attached(&plane.joined("n1", &[]).await).await;
    link.snapshot().await;
    let first = plane.apply(world()).await.unwrap().revision;
    assert_eq!(link.renew(1, first).await, LEASE_MS);
    let second = plane.apply(vec![connection("another", &[])]).await.unwrap().revision;
    let cannot = v1::CannotApply { revision: second, policy: "agents-on-react".into(), reason: "x".repeat(5_000) };
    link.say(from_node::Message::CannotApply(cannot)).await;
    assert_eq!(link.renew(2, first).await, 0);
    let status = plane.fleet().await.remove("n1").unwrap();
    assert!(status.cannot_apply.starts_with("policy `agents-on-react`: x") && status.cannot_apply.len() <= 1024);
    assert_eq!(status.applied, first);
    assert_eq!(link.renew(3, second).await, LEASE_MS);
    assert_eq!(plane.fleet().await.remove("n1").unwrap().cannot_apply, "");
}

#[tokio::test]
async fn the_newest_stream_of_a_node_speaks_for_it() {
    let plane = Plane::start().await;
    let node = plane.joined("n1", &[]).await;
    let mut old = plane.attached(&node).await;
    old.snapshot().await;
    let mut new = plane.attached(&node).await;
    new.snapshot().await;
    assert_eq!(old.hear().await.unwrap_err().code(), Code::Aborted);
    let revision = plane.list().await.revision;
    assert_eq!(new.renew(1, revision).await, LEASE_MS);
    assert!(plane.fleet().await.remove("n1").unwrap().connected);
}

async fn end_after(link: &mut Attachment, message: from_node::Message) -> Code {
    link.say(message).await;
    loop {
        if let Err(status) = link.hear().await {
            return status.code();
        }
    }
}

#[tokio::test]
async fn a_node_that_breaks_the_protocol_is_told_so() {
    let plane = Plane::start().await;
    let node = plane.joined("n1", &[]).await;
    let renew = |incarnation: Vec<u8>, applied| {
        from_node::Message::Renew(v1::Renew { sequence: 1, incarnation, applied, ..Default::default() })
    };
    let zero = Some(v1::Revision::default());
    let hello = |incarnation: Vec<u8>| from_node::Message::Hello(v1::Hello { incarnation, ..hello() });
    let mut link = plane.attach(&node).await;
    assert_eq!(end_after(&mut link, renew(INCARNATION.into(), zero)).await, Code::InvalidArgument, "no hello");
    let mut link = plane.attach(&node).await;
    assert_eq!(end_after(&mut link, hello(vec![1; 15])).await, Code::InvalidArgument, "no incarnation");
    for message in [
        hello(INCARNATION.into()),
        renew(vec![1; 16], zero),
        renew(INCARNATION.into(), None),
        from_node::Message::Applied(v1::Applied::default()),
    ] {
        let mut link = plane.attached(&node).await;
        assert_eq!(end_after(&mut link, message.clone()).await, Code::InvalidArgument, "{message:?}");
    }
    let mut link = plane.attached(&node).await;
    let result = v1::JobResult { id: vec![1; 99], ..Default::default() };
    link.say(from_node::Message::JobResult(result)).await;
    assert_eq!(link.renew(7, plane.list().await.revision).await, LEASE_MS, "an unknown job's result is dropped");
}
