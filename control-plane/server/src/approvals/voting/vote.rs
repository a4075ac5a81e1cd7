//! Vote: judged at the revision that the vote is proposed for.

use super::ATTEMPTS;
use super::ask::Asked;
use super::eligible::{Say, say, told};
use super::summary::Summaries;
use crate::approvals::{approval_id, key};
use crate::authorise::Asking;
use crate::cluster::Cluster;
use crate::people::Recognised;
use crate::reply;
use hoop_model::{Approval, Choice};
use hoop_state::{ApprovalChange, CastVote, Change, IdempotencyKey, Rejection, Reply};
use hoop_wire::v1;
use tonic::Status;

/// Casts a person's vote. Answers once it is durable.
pub(super) async fn vote(
    cluster: &Cluster,
    person: &Recognised,
    request: &v1::VoteRequest,
) -> Result<v1::VoteResponse, Status> {
    let (id, key) = (approval_id(&request.id)?, key(&request.idempotency_key)?);
    let choice = Choice::try_from(request.choice()).map_err(|error| Status::invalid_argument(error.to_string()))?;
    if request.any_run && choice == Choice::Deny {
        return Err(Status::invalid_argument("`any_run` goes with an approval only"));
    }
    let mut span = cluster.traced().about(id, "vote");
    let asking = Asking::Person(person.clone());
    for _ in 0..ATTEMPTS {
        let asked = Asked::by(cluster, &asking).await?;
        let approval = asked.find(id)?;
        let Some(person) = asked.asker.as_person() else {
            return Err(Status::permission_denied("only a person votes"));
        };
        // What was answered before is answered again, whatever the approval has come to since.
        if !is_remembered(&asked, key) {
            judge(&asked, approval, choice, request.any_run)?;
        }
        let revision = asked.state.revision();
        let cast = CastVote { id, person: person.uid, choice, any_run: request.any_run, revision };
        let change = Change::Approval(ApprovalChange::Vote(cast));
        match cluster.propose(change, Some(key), &asked.asker.scope()).await? {
            Reply::Approval(voted) => {
                if let Some(span) = &mut span {
                    span.note("hoop.person", asked.asker.to_string());
                    span.note("hoop.approval.state", voted.state.word());
                }
                tracing::info!(person = %asked.asker, approval = %id, ?choice, state = voted.state.word(), "voted");
                return Ok(v1::VoteResponse { summary: Some(Summaries::of(&asked).write(&voted)) });
            }
            Reply::Rejected(Rejection::BaseMoved { .. }) => {}
            other @ (Reply::Done { .. }
            | Reply::Applied { .. }
            | Reply::Joined { .. }
            | Reply::Anchored { .. }
            | Reply::Rejected(_)) => return Err(reply::unexpected(&other)),
        }
    }
    Err(Status::aborted("the configuration kept changing; the vote was not cast"))
}

/// Checks that the vote may be cast. One vote goes to every requirement that the person has a say on, so for an approval
/// none of those may be forbidden; against it, one that is not is enough.
fn judge(asked: &Asked, approval: &Approval, choice: Choice, any_run: bool) -> Result<(), Status> {
    if !approval.state.is_waiting() {
        return Err(reply::rejected(&Rejection::ApprovalOver(approval.state.word())));
    }
    let says = say(asked, &asked.state.electorate(), approval, any_run);
    let forbidden = says.iter().find_map(|say| match say {
        Say::Forbidden(refusal) => Some(told(refusal)),
        Say::Gone => Some("the identity or the connection of the command is gone".to_owned()),
        Say::Has | Say::NotAsked => None,
    });
    let has_say = says.iter().any(Say::has);
    match (choice, forbidden) {
        (Choice::Approve, Some(why)) => Err(Status::permission_denied(why)),
        (Choice::Deny, Some(why)) if !has_say => Err(Status::permission_denied(why)),
        (Choice::Approve | Choice::Deny, _) if has_say => Ok(()),
        (Choice::Approve | Choice::Deny, _) => Err(reply::rejected(&Rejection::MayNotVote)),
    }
}

fn is_remembered(asked: &Asked, key: IdempotencyKey) -> bool {
    let scope = asked.asker.scope();
    asked.state.remembered().any(|(caller, known, _)| caller == scope && known == key)
}
