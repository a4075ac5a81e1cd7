//! What becomes of commands whose process is gone.

use super::super::role;
use super::{Outcome, Plane, Stands, token_of};
use hoop_model::spec::Right;
use hoop_wire::v1;
use std::time::Duration;
use tonic::Code;

impl Plane {
    /// Waits until an approval stands somewhere.
    async fn stands(&self, id: &[u8], stands: Stands) {
        let mut moves = self.running.cluster.replica().approvals();
        let id = hoop_model::ApprovalId::from_slice(id).unwrap();
        loop {
            moves.mark_unchanged();
            if Stands::from(&self.running.cluster.state().approval(id).unwrap().state) == stands {
                return;
            }
            tokio::time::timeout(Duration::from_secs(20), moves.changed()).await.expect("within 20 s").unwrap();
        }
    }
}

#[tokio::test]
async fn ap_08_what_a_process_that_died_may_have_sent_is_unknown_until_a_person_knows() {
    let (plane, mut n1) = Plane::holding().await;
    let (claimed, other, waits) =
        (plane.held(&mut n1, 1).await, plane.held(&mut n1, 2).await, plane.held(&mut n1, 3).await);
    for id in [&claimed, &other] {
        plane.approve("ada", id).await.unwrap();
        assert!(n1.claim(&plane, id).await.claimed_by_caller);
    }
    let ada = token_of("ada-id");
    let early = plane.resolve_as(&ada, &claimed, v1::Ending::NotSent).await;
    assert_eq!(early.unwrap_err().code(), Code::FailedPrecondition, "its process still has a say");

    let mut newer = plane.process(n1.node, [8; 16]).await;
    plane.stands(&claimed, Stands::Unknown).await;
    plane.stands(&other, Stands::Unknown).await;
    assert!(!newer.claim(&plane, &claimed).await.claimed_by_caller);
    let known = plane.list_as(&ada).await.unwrap();
    assert_eq!(known.len(), 3, "an Unknown one is listed until somebody resolves it");
    let resolved = plane.resolve_as(&ada, &claimed, v1::Ending::Answered).await;
    assert_eq!(resolved.unwrap(), Stands::DoneAnswered);
    let resolved = plane.resolve_as(&plane.token, &other, v1::Ending::NotSent).await;
    assert_eq!(resolved.unwrap(), Stands::DoneNotSent);
    let otherwise = plane.resolve_as(&ada, &claimed, v1::Ending::NotSent).await;
    assert_eq!(otherwise.unwrap_err().code(), Code::FailedPrecondition, "it is known");

    // What the gone process kept is there for whoever sends it again.
    let resent = plane.command(&newer, 3);
    let taken = newer.open(resent).await.unwrap();
    assert_eq!((taken.outcome(), taken.id), (Outcome::Ok, waits));
}

#[tokio::test]
async fn an_attached_process_is_not_fenced() {
    let (plane, mut n1) = Plane::holding().await;
    let id = plane.held(&mut n1, 1).await;
    plane.approve("ada", &id).await.unwrap();
    assert!(n1.claim(&plane, &id).await.claimed_by_caller);
    // Another node's processes are none of its.
    let mut other = plane.process(plane.joined("n2", &[]).await, [8; 16]).await;
    let its = plane.held(&mut other, 2).await;
    plane.process(other.node, [9; 16]).await;
    plane.stands(&id, Stands::Claimed).await;
    let unattended = |state: &hoop_state::State| {
        let id = hoop_model::ApprovalId::from_slice(&its).unwrap();
        state.approval(id).unwrap().holder.is_none()
    };
    let mut moves = plane.running.cluster.replica().approvals();
    while !unattended(&plane.running.cluster.state()) {
        tokio::time::timeout(Duration::from_secs(20), moves.changed()).await.expect("within 20 s").unwrap();
    }
    assert_eq!(n1.finish(&id, v1::Ending::FailedAfterSend).await.unwrap().state(), Stands::DoneFailedAfterSend);
}

#[tokio::test]
async fn what_became_of_a_command_is_said_by_who_was_asked_for_it_and_not_by_whose_it_was() {
    let (plane, mut n1) = Plane::holding().await;
    plane.apply(vec![role("finance", &["finance"], &[Right::SeeApprovals])]).await.unwrap();
    let triggered = v1::OpenHoldRequest { triggered_by: "bob".into(), ..plane.command(&n1, 1) };
    let id = plane.opened(&mut n1, triggered).await;
    plane.approve("ada", &id).await.unwrap();
    assert!(n1.claim(&plane, &id).await.claimed_by_caller);
    let _newer = plane.process(n1.node, [8; 16]).await;
    plane.stands(&id, Stands::Unknown).await;
    for (who, why) in [("eve", "who only sees it"), ("bob", "who triggered it")] {
        let token = token_of(&format!("{who}-id"));
        assert_eq!(plane.list_as(&token).await.unwrap().len(), 1, "{why}");
        let resolved = plane.resolve_as(&token, &id, v1::Ending::NotSent).await;
        assert_eq!(resolved.unwrap_err().code(), Code::PermissionDenied, "{why}");
    }
    let resolved = plane.resolve_as(&token_of("ada-id"), &id, v1::Ending::Answered).await;
    assert_eq!(resolved.unwrap(), Stands::DoneAnswered);
}
