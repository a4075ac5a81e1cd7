//! What became of a proposal, in the words that nodes act on.

use super::Told;
use crate::reply;
use hoop_model::{Approval, ApprovalId, ApprovalState, Holder};
use hoop_state::{Rejection, Reply, State};
use hoop_wire::v1::hold_response::Outcome;
use hoop_wire::v1::{self, approval};
use tonic::Status;

/// Answers with where the approval stands in a state that has the change: a reply may be an old one, said again.
pub(super) fn answer(state: &State, holder: &Holder, reply: Reply, asked: Option<ApprovalId>) -> Result<Told, Status> {
    let rejection = match reply {
        Reply::Approval(told) => {
            let standing = state.approval(told.id).map_or(&*told, |current| &**current);
            return Ok(stands(standing, holder));
        }
        Reply::Rejected(rejection) => rejection,
        other @ (Reply::Done { .. } | Reply::Applied { .. } | Reply::Joined { .. } | Reply::Anchored { .. }) => {
            return Err(reply::unexpected(&other));
        }
    };
    let is_over = matches!(rejection, Rejection::ApprovalOver(_));
    if let Some(standing) = asked.and_then(|id| state.approval(id)).filter(|_| is_over) {
        return Ok(stands(standing, holder));
    }
    tracing::debug!(node = %holder.node, reason = %rejection, "a change of an approval was rejected");
    outcome_of(&rejection).map(|known| Told::nothing(outcome(known))).ok_or_else(|| reply::rejected(&rejection))
}

/// Answers without an approval.
pub(super) fn outcome(outcome: Outcome) -> v1::HoldResponse {
    v1::HoldResponse { outcome: outcome.into(), ..Default::default() }
}

fn stands(approval: &Approval, holder: &Holder) -> Told {
    let may_send = matches!(&approval.state, ApprovalState::Claimed(claim) if claim.holder == *holder);
    let response = v1::HoldResponse {
        outcome: Outcome::Ok.into(),
        id: approval.id.to_bytes().to_vec(),
        state: approval::State::from(&approval.state).into(),
        expires_ms: approval.expires.0,
        claimed_by_caller: false,
    };
    Told { response, may_send }
}

/// Returns the word for a rejection that a node acts on; others are somebody's mistake.
fn outcome_of(rejection: &Rejection) -> Option<Outcome> {
    let is_none_of_its =
        matches!(rejection, Rejection::ApprovalUnknown | Rejection::ApprovalAttended | Rejection::ApprovalOver(_));
    if is_none_of_its {
        return Some(Outcome::Mismatch);
    }
    let words = [
        (matches!(rejection, Rejection::BaseMoved { .. }), Outcome::Stale),
        (matches!(rejection, Rejection::TooManyPending(_)), Outcome::TooManyPending),
        (matches!(rejection, Rejection::ReviewTooLarge), Outcome::TooLargeToReview),
    ];
    words.into_iter().find_map(|(is, word)| is.then_some(word))
}
