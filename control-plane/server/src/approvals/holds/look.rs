//! Where an approval stands, for the caller whose command it is about.

use super::{is_placed, malformed};
use crate::approvals::approval_id;
use hoop_model::{Approval, Choice, ResourceName, Uid};
use hoop_state::State;
use hoop_wire::Malformed;
use hoop_wire::v1::{self, approval, look_response::Seat};
use tonic::Status;

/// Looks an approval up. What is another identity's, of another run, or of a connection that the node has nothing to do
/// with, is not told from what does not exist (AP-11).
pub(super) fn look(state: &State, node: &ResourceName, request: &v1::LookRequest) -> Result<v1::LookResponse, Status> {
    let id = approval_id(&request.id)?;
    let identity = Uid::from_slice(&request.identity_uid)
        .map_err(|_| malformed(&Malformed { field: "identity_uid", problem: "must be 16 bytes" }))?;
    let is_own =
        |approval: &Approval| approval.identity == identity && (approval.any_run || *approval.run == *request.run);
    let found = state.approval(id).filter(|approval| is_own(approval));
    let found = found.filter(|approval| is_placed(approval.connection, state, node));
    Ok(found.map_or_else(v1::LookResponse::default, |approval| stands(approval, state)))
}

fn stands(approval: &Approval, state: &State) -> v1::LookResponse {
    let left = approval.expires.0.saturating_sub(state.log_time().0);
    let seats = approval.requirements.iter().map(|required| {
        let approvals = required.votes.iter().filter(|vote| vote.choice == Choice::Approve).count();
        Seat {
            team: required.requirement.team.to_string(),
            quorum: required.requirement.quorum,
            approvals: u32::try_from(approvals).unwrap_or(u32::MAX),
        }
    });
    v1::LookResponse {
        found: true,
        state: approval::State::from(&approval.state).into(),
        expires_in_ms: if approval.state.is_waiting() { left } else { 0 },
        seats: seats.collect(),
    }
}
