//! What nodes may say of the commands they hold.

use super::{INCARNATION, Outcome, Plane, Stands, review};
use crate::tests::connection;
use hoop_model::Kind;
use hoop_wire::v1;
use tonic::Code;

#[tokio::test]
async fn the_same_key_is_the_same_hold() {
    let (plane, mut n1) = Plane::holding().await;
    let request = plane.command(&n1, 1);
    let id = plane.opened(&mut n1, request.clone()).await;
    assert_eq!(n1.open(request.clone()).await.unwrap().id, id);
    // Also when the policy has moved since: it was opened.
    plane.apply(vec![connection("another", &[])]).await.unwrap();
    assert_eq!(n1.open(request.clone()).await.unwrap().id, id);
    let other = v1::OpenHoldRequest { idempotency_key: vec![1; 16], ..request };
    assert_eq!(n1.open(other).await.unwrap().outcome(), Outcome::Stale);
}

#[tokio::test]
async fn ap_14_a_resend_takes_up_what_waits_and_nobody_keeps() {
    let (plane, mut n1) = Plane::holding().await;
    let id = plane.held(&mut n1, 1).await;
    let another = plane.held(&mut n1, 1).await;
    assert_ne!(another, id, "the first is waited for");
    assert_eq!(n1.leave(&id).await.state(), Stands::Pending);
    plane.approve("ada", &id).await.unwrap();
    let resent = plane.command(&n1, 1);
    let taken = n1.open(resent).await.unwrap();
    assert_eq!((taken.id.as_slice(), taken.state()), (&*id, Stands::Approved));
    assert!(n1.claim(&plane, &id).await.claimed_by_caller);
    let selected = v1::OpenHoldRequest { selected: id, ..plane.command(&n1, 1) };
    let spent = n1.open(selected.clone()).await.unwrap();
    assert_eq!((spent.outcome(), spent.state(), spent.claimed_by_caller), (Outcome::Ok, Stands::Claimed, false));
    let of_another = v1::OpenHoldRequest { selected: another, ..plane.command(&n1, 2) };
    assert_eq!(n1.open(of_another).await.unwrap().outcome(), Outcome::Mismatch);
}

#[tokio::test]
async fn what_a_hold_names_must_be_there() {
    let (plane, mut n1) = Plane::holding().await;
    let good = plane.command(&n1, 1);
    let unknown = vec![9; 16];
    let other_text = v1::Requirement { policy_hash: vec![0; 32], ..plane.requirement("on-call", 1) };
    let nobody = v1::Requirement { quorum: 0, ..plane.requirement("on-call", 1) };
    let bad = [
        v1::OpenHoldRequest { identity_uid: unknown.clone(), ..good.clone() },
        v1::OpenHoldRequest { identity_uid: plane.uid(Kind::Connection, "react"), ..good.clone() },
        v1::OpenHoldRequest { connection_uid: unknown.clone(), ..good.clone() },
        v1::OpenHoldRequest { requirements: vec![], ..good.clone() },
        v1::OpenHoldRequest { requirements: vec![other_text], ..good.clone() },
        v1::OpenHoldRequest { requirements: vec![nobody], ..good.clone() },
        v1::OpenHoldRequest { effects: vec![], ..good.clone() },
        v1::OpenHoldRequest { review: None, ..good.clone() },
        v1::OpenHoldRequest { revision: None, ..good.clone() },
        v1::OpenHoldRequest { digest: vec![1; 32], ..good.clone() },
        v1::OpenHoldRequest { idempotency_key: vec![], ..good.clone() },
        v1::OpenHoldRequest { run: String::new(), ..good.clone() },
        v1::OpenHoldRequest { incarnation: vec![1; 15], ..good.clone() },
    ];
    for request in bad {
        assert_eq!(n1.open(request.clone()).await.unwrap_err().code(), Code::InvalidArgument, "{request:?}");
    }
    let large = v1::Review { content: vec![b' '; 64 << 10], ..review() };
    let large = v1::OpenHoldRequest { review: Some(large), ..good.clone() };
    assert_eq!(n1.open(large).await.unwrap().outcome(), Outcome::TooLargeToReview);
    for _ in 0..5 {
        plane.held(&mut n1, 1).await;
    }
    assert_eq!(n1.open(good).await.unwrap().outcome(), Outcome::TooManyPending);
}

#[tokio::test]
async fn cp_14_a_node_has_no_say_on_what_another_holds() {
    let (plane, mut n1) = Plane::holding().await;
    plane.apply(vec![connection("react", &[("zone", "a")])]).await.unwrap();
    let mut near = plane.process(plane.joined("near", &[("zone", "a")]).await, INCARNATION).await;
    let id = plane.held(&mut near, 1).await;
    plane.approve("ada", &id).await.unwrap();
    // The connection is not on this node: the approval is none to it, and it cannot make one.
    assert_eq!(n1.claim(&plane, &id).await.outcome(), Outcome::Mismatch);
    assert_eq!(n1.leave(&id).await.outcome(), Outcome::Mismatch);
    assert_eq!(n1.finish(&id, v1::Ending::NotSent).await.unwrap().outcome(), Outcome::Mismatch);
    let request = plane.command(&n1, 2);
    assert_eq!(n1.open(request).await.unwrap_err().code(), Code::InvalidArgument);
    // The connection is on this one, but another keeps the command.
    let mut beside = plane.process(plane.joined("beside", &[("zone", "a")]).await, INCARNATION).await;
    let claimed = beside.claim(&plane, &id).await;
    assert_eq!((claimed.outcome(), claimed.claimed_by_caller), (Outcome::Mismatch, false));
    beside.leave(&id).await;
    let finished = beside.finish(&id, v1::Ending::Answered).await.unwrap_err();
    assert_eq!(finished.code(), Code::FailedPrecondition);
    assert!(near.claim(&plane, &id).await.claimed_by_caller);
    let late = beside.claim(&plane, &id).await;
    assert_eq!((late.outcome(), late.state(), late.claimed_by_caller), (Outcome::Ok, Stands::Claimed, false));
}

#[tokio::test]
async fn a_process_that_does_not_speak_for_its_node_is_refused() {
    let (plane, mut n1) = Plane::holding().await;
    let request = v1::OpenHoldRequest { incarnation: vec![1; 16], ..plane.command(&n1, 1) };
    assert_eq!(n1.open(request).await.unwrap_err().code(), Code::PermissionDenied);
    let request = plane.command(&n1, 1);
    let super::Holding { link, mut client, .. } = n1;
    drop(link);
    plane.hung_up("n1").await;
    assert_eq!(client.open(request).await.unwrap_err().code(), Code::Aborted);
}

#[tokio::test]
async fn judged_again_it_waits_for_more_or_may_never_run() {
    let (plane, mut n1) = Plane::holding().await;
    let id = plane.held(&mut n1, 1).await;
    plane.approve("ada", &id).await.unwrap();
    let rejudged = |requirements| v1::RejudgedRequest {
        incarnation: INCARNATION.into(),
        id: id.clone(),
        revision: plane.revision(),
        requirements,
    };
    let more = rejudged(vec![plane.requirement("on-call", 2)]);
    assert_eq!(n1.client.rejudged(more).await.unwrap().into_inner().state(), Stands::Pending);
    assert_eq!(n1.client.rejudged(rejudged(vec![])).await.unwrap().into_inner().state(), Stands::Voided);
    n1.told(&id, Stands::Voided).await;
}

#[tokio::test]
async fn ap_11_where_an_approval_stands_is_told_to_its_identity_and_run_and_nobody_else() {
    let (plane, mut n1) = Plane::holding().await;
    plane.apply(vec![connection("react", &[("zone", "a")])]).await.unwrap();
    let mut near = plane.process(plane.joined("near", &[("zone", "a")]).await, INCARNATION).await;
    let id = plane.held(&mut near, 1).await;
    let own = v1::LookRequest { id, identity_uid: plane.uid(Kind::Identity, "nightly"), run: "run-1".into() };
    let expected = v1::LookResponse {
        found: true,
        state: Stands::Pending.into(),
        expires_in_ms: 0,
        seats: vec![v1::look_response::Seat { team: "on-call".into(), quorum: 1, approvals: 0 }],
    };
    let look = async |client: &mut super::Holding, request: &v1::LookRequest| {
        client.client.look(request.clone()).await.map(tonic::Response::into_inner)
    };
    let told = look(&mut near, &own).await.unwrap();
    assert!(told.expires_in_ms > 0);
    assert_eq!(v1::LookResponse { expires_in_ms: 0, ..told }, expected);
    let nothing = v1::LookResponse::default();
    for other in [
        v1::LookRequest { id: vec![9; 16], ..own.clone() },
        v1::LookRequest { identity_uid: plane.uid(Kind::Connection, "react"), ..own.clone() },
        v1::LookRequest { run: "run-2".into(), ..own.clone() },
        v1::LookRequest { run: String::new(), ..own.clone() },
    ] {
        assert_eq!(look(&mut near, &other).await.unwrap(), nothing, "{other:?}");
    }
    assert_eq!(look(&mut n1, &own).await.unwrap(), nothing, "its connection is not on this node");
    for bad in
        [v1::LookRequest { id: vec![], ..own.clone() }, v1::LookRequest { identity_uid: vec![1; 15], ..own.clone() }]
    {
        assert_eq!(look(&mut near, &bad).await.unwrap_err().code(), Code::InvalidArgument);
    }
    plane.approve("ada", &own.id).await.unwrap();
    let told = look(&mut near, &own).await.unwrap();
    assert_eq!((told.state(), told.seats[0].approvals), (Stands::Approved, 1));
    assert!(near.claim(&plane, &own.id).await.claimed_by_caller);
    let told = look(&mut near, &own).await.unwrap();
    assert_eq!((told.state(), told.expires_in_ms), (Stands::Claimed, 0), "it does not wait any more");
}
