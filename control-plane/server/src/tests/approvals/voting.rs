//! What people see, and what their votes do.

use super::{Outcome, Plane, Stands, bearing, person, policy, token_of, vote};
use hoop_wire::v1::{self, ApprovalSummary};
use tonic::Code;

fn approved_by(summary: &ApprovalSummary) -> &[String] {
    &summary.requirements[0].approved_by
}

#[tokio::test]
async fn ap_05_an_approval_releases_one_command_once() {
    let (plane, mut n1) = Plane::holding().await;
    let id = plane.held(&mut n1, 1).await;
    assert!(!n1.claim(&plane, &id).await.claimed_by_caller, "nobody has agreed yet");
    let listed = plane.list_as(&token_of("ada-id")).await.unwrap();
    let [waiting] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!(
        (waiting.id.as_slice(), waiting.identity.as_str(), waiting.connection.as_str()),
        (&*id, "nightly", "react")
    );
    assert!(waiting.requirements[0].may_vote && (1..=900_000).contains(&waiting.remaining_ms));

    let voted = plane.approve("ada", &id).await.unwrap();
    assert_eq!((voted.state(), approved_by(&voted)), (Stands::Approved, &["ada".to_owned()][..]));
    n1.told(&id, Stands::Approved).await;
    let claimed = n1.claim(&plane, &id).await;
    assert_eq!((claimed.outcome(), claimed.state(), claimed.claimed_by_caller), (Outcome::Ok, Stands::Claimed, true));
    let done = n1.finish(&id, v1::Ending::Answered).await.unwrap();
    assert_eq!(done.state(), Stands::DoneAnswered);
    let again = n1.claim(&plane, &id).await;
    assert_eq!((again.outcome(), again.state(), again.claimed_by_caller), (Outcome::Ok, Stands::DoneAnswered, false));
    assert_eq!(plane.list_as(&token_of("ada-id")).await.unwrap(), [], "it is over");
}

#[tokio::test]
async fn ap_07_the_same_vote_again_is_the_same_answer() {
    let (plane, mut n1) = Plane::holding().await;
    let mut command = plane.command(&n1, 1);
    command.requirements = vec![plane.requirement("on-call", 2)];
    let id = plane.opened(&mut n1, command).await;
    let (ada, ballot) = (token_of("ada-id"), vote(&id, v1::Choice::Approve));
    let mut first = plane.vote_as(&ada, ballot.clone()).await.unwrap();
    plane.approve("ada", &id).await.unwrap();
    let after = plane.approve("bob", &id).await.unwrap();
    assert_eq!((after.state(), approved_by(&after).len()), (Stands::Approved, 2), "ada counts once");
    let mut again = plane.vote_as(&ada, ballot.clone()).await.unwrap();
    (first.remaining_ms, again.remaining_ms) = (0, 0);
    assert_eq!(again, first);
    plane.deny("bob", &id).await.unwrap();
    assert_eq!(plane.vote_as(&ada, ballot.clone()).await.unwrap().state(), Stands::Pending, "as it was then");
    let other = v1::VoteRequest { choice: v1::Choice::Deny.into(), ..ballot.clone() };
    let reused = plane.vote_as(&ada, other).await.unwrap_err();
    assert_eq!(reused.code(), Code::InvalidArgument);
    // Another person's key is another key.
    assert_eq!(plane.vote_as(&token_of("cyd-id"), ballot).await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_quorum_is_of_different_people() {
    let (plane, mut n1) = Plane::holding().await;
    let mut command = plane.command(&n1, 1);
    command.requirements = vec![plane.requirement("on-call", 2)];
    let id = plane.opened(&mut n1, command).await;
    assert_eq!(plane.approve("ada", &id).await.unwrap().state(), Stands::Pending);
    assert_eq!(plane.approve("ada", &id).await.unwrap().state(), Stands::Pending);
    assert_eq!(plane.approve("bob", &id).await.unwrap().state(), Stands::Approved);
}

#[tokio::test]
async fn ap_10_who_left_the_team_before_the_claim_does_not_count() {
    let (plane, mut n1) = Plane::holding().await;
    let id = plane.held(&mut n1, 1).await;
    let before = plane.revision();
    plane.approve("ada", &id).await.unwrap();
    plane.apply(vec![person("ada", &[], false)]).await.unwrap();
    let request = v1::ClaimRequest {
        incarnation: n1.incarnation.into(),
        id: id.clone(),
        revision: before,
        requirements: vec![plane.requirement("on-call", 1)],
    };
    let stale = n1.client.claim(request).await.unwrap().into_inner();
    assert_eq!((stale.outcome(), stale.claimed_by_caller), (Outcome::Stale, false));
    let claimed = n1.claim(&plane, &id).await;
    assert_eq!((claimed.outcome(), claimed.state(), claimed.claimed_by_caller), (Outcome::Ok, Stands::Pending, false));
    assert_eq!(plane.approve("ada", &id).await.unwrap_err().code(), Code::NotFound);
    plane.approve("bob", &id).await.unwrap();
    assert!(n1.claim(&plane, &id).await.claimed_by_caller);
}

#[tokio::test]
async fn one_against_is_enough() {
    let (plane, mut n1) = Plane::holding().await;
    let id = plane.held(&mut n1, 1).await;
    plane.approve("ada", &id).await.unwrap();
    let denied = plane.deny("bob", &id).await.unwrap();
    assert_eq!(
        (denied.state(), denied.requirements[0].denied_by.as_slice()),
        (Stands::Denied, &["bob".to_owned()][..])
    );
    n1.told(&id, Stands::Denied).await;
    assert!(!n1.claim(&plane, &id).await.claimed_by_caller);
    assert_eq!(plane.approve("cyd", &id).await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn ap_11_an_approval_of_other_teams_is_not_there() {
    let (plane, mut n1) = Plane::holding().await;
    let id = plane.held(&mut n1, 1).await;
    let eve = token_of("eve-id");
    let nothing = plane.show_as(&eve, &[7; 16]).await.unwrap_err();
    let foreign = plane.show_as(&eve, &id).await.unwrap_err();
    assert_eq!((foreign.code(), foreign.message()), (nothing.code(), nothing.message()));
    assert_eq!(foreign.code(), Code::NotFound);
    assert_eq!(plane.approve("eve", &id).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(plane.deny("eve", &id).await.unwrap_err().code(), Code::NotFound);
    let resolved = plane.resolve_as(&eve, &id, v1::Ending::NotSent).await;
    assert_eq!(resolved.unwrap_err().code(), Code::NotFound);
    assert_eq!(plane.list_as(&eve).await.unwrap(), []);
    assert_eq!(plane.list_as(&plane.token).await.unwrap().len(), 1, "the administrator sees all");
}

#[tokio::test]
async fn ap_16_only_who_may_vote_reads_the_command_and_only_while_it_waits() {
    let (plane, mut n1) = Plane::holding().await;
    let command = v1::OpenHoldRequest { triggered_by: "BOB".into(), ..plane.command(&n1, 1) };
    let id = plane.opened(&mut n1, command).await;
    let (ada, bob) = (token_of("ada-id"), token_of("bob-id"));
    let shown = plane.show_as(&ada, &id).await.unwrap();
    assert_eq!(shown.review, Some(super::review()));
    for other in [&bob, &plane.token] {
        let shown = plane.show_as(other, &id).await.unwrap();
        assert_eq!(shown.review, None);
        assert!(!shown.summary.unwrap().requirements[0].may_vote);
    }
    assert_eq!(plane.approve("bob", &id).await.unwrap_err().code(), Code::PermissionDenied, "who triggered the run");
    plane.approve("ada", &id).await.unwrap();
    assert!(plane.show_as(&ada, &id).await.unwrap().review.is_some(), "it still waits");
    n1.claim(&plane, &id).await;
    assert_eq!(plane.show_as(&ada, &id).await.unwrap().review, None);
    // What the state holds shows nothing.
    assert!(!format!("{:?}", plane.running.cluster.state()).contains("CANARY"));
}

#[tokio::test]
async fn the_administrator_cannot_vote() {
    let (plane, mut n1) = Plane::holding().await;
    let id = plane.held(&mut n1, 1).await;
    let voted = plane.vote_as(&plane.token, vote(&id, v1::Choice::Approve)).await;
    assert_eq!(voted.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(plane.list_as(&plane.token).await.unwrap()[0].state(), Stands::Pending);
}

#[tokio::test]
async fn a_policy_narrows_who_may_vote() {
    let (plane, mut n1) = Plane::holding().await;
    let narrow = r#"@id("not-ada") @message("not ada") forbid (principal == Hoop::Person::"ada",
        action == Hoop::Action::"approve", resource in Hoop::Connection::"react");
        @id("this-run") forbid (principal, action == Hoop::Action::"approve", resource) when { context.anyRun };"#;
    plane.apply(vec![policy("votes", narrow)]).await.unwrap();
    let id = plane.held(&mut n1, 1).await;
    let refused = plane.approve("ada", &id).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("votes/not-ada"), "{}", refused.message());
    assert_eq!(plane.deny("ada", &id).await.unwrap_err().code(), Code::PermissionDenied);
    let shown = plane.show_as(&token_of("ada-id"), &id).await.unwrap();
    assert!(shown.review.is_none() && !shown.summary.unwrap().requirements[0].may_vote);
    let any_run = v1::VoteRequest { any_run: true, ..vote(&id, v1::Choice::Approve) };
    let refused = plane.vote_as(&token_of("bob-id"), any_run.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // The policies of the moment count.
    plane.delete("Policy", "votes").await.unwrap();
    assert!(plane.vote_as(&token_of("bob-id"), any_run).await.unwrap().any_run);
}

#[tokio::test]
async fn what_changes_is_watched_by_whom_it_concerns() {
    let (plane, mut n1) = Plane::holding().await;
    let first = plane.held(&mut n1, 1).await;
    let mut ada = watch(&plane, &token_of("ada-id")).await;
    let mut eve = watch(&plane, &token_of("eve-id")).await;
    assert_eq!(next(&mut ada).await.unwrap().id, first);
    let second = plane.held(&mut n1, 2).await;
    assert_eq!(next(&mut ada).await.unwrap().id, second);
    plane.deny("bob", &first).await.unwrap();
    let heard = next(&mut ada).await.unwrap();
    assert_eq!((heard.id.as_slice(), heard.state()), (&*first, Stands::Denied));
    // Who is barred meanwhile hears no more.
    plane.apply(vec![person("ada", &["on-call"], true)]).await.unwrap();
    plane.deny("bob", &second).await.unwrap();
    assert_eq!(next(&mut ada).await.unwrap_err().code(), Code::PermissionDenied);
    plane.apply(vec![person("eve", &["on-call"], false)]).await.unwrap();
    let third = plane.held(&mut n1, 3).await;
    let mut heard = next(&mut eve).await.unwrap();
    while heard.id != third {
        heard = next(&mut eve).await.unwrap();
    }
}

async fn watch(plane: &Plane, token: &str) -> tonic::Streaming<ApprovalSummary> {
    let request = bearing(token, v1::WatchApprovalsRequest::default());
    plane.approvals().await.watch(request).await.unwrap().into_inner()
}

async fn next(stream: &mut tonic::Streaming<ApprovalSummary>) -> Result<ApprovalSummary, tonic::Status> {
    let heard = tokio::time::timeout(std::time::Duration::from_secs(20), stream.message()).await;
    Ok(heard.expect("within 20 s")?.expect("the stream goes on"))
}
