//! Holds in the words of the contract. The process's own name is written in by whoever sends.

use hoop_gate::{ClaimRequest, HoldAnswer, HoldRequest, HoldState, Rejudgement, Unfit};
use hoop_model::{ApprovalId, Requirement, Revision};
use hoop_wire::v1;
use hoop_wire::v1::approval::State;
use hoop_wire::v1::hold_response::Outcome;

/// What `Open` needs beside what the gate knows.
pub(super) struct ToOpen<'a> {
    pub(super) selected: Option<ApprovalId>,
    /// What a person reads of it.
    pub(super) content: Vec<u8>,
    /// Who is accountable for the identity.
    pub(super) owner: &'a str,
    pub(super) triggered_by: &'a str,
    pub(super) idempotency_key: [u8; 16],
    /// Where in its trace the hold is; empty: nobody wants to know.
    pub(super) traceparent: String,
}

pub(super) fn open(asks: &HoldRequest<'_>, more: ToOpen<'_>) -> v1::OpenHoldRequest {
    let reasons: Vec<&str> = asks.requirements.iter().filter_map(|wanted| wanted.policy.message.as_deref()).collect();
    v1::OpenHoldRequest {
        incarnation: Vec::new(),
        digest: asks.digest.0.to_vec(),
        identity_uid: asks.identity.uid.to_bytes().to_vec(),
        connection_uid: asks.connection.uid.to_bytes().to_vec(),
        run: asks.run.to_owned(),
        session: asks.session.to_bytes().to_vec(),
        effects: asks.effects.iter().map(Into::into).collect(),
        requirements: requirements(asks.requirements),
        revision: Some(asks.revision.into()),
        selected: more.selected.map(|id| id.to_bytes().to_vec()).unwrap_or_default(),
        review: Some(v1::Review {
            summary: asks.summary.to_owned(),
            content: more.content,
            identity: asks.identity.name.to_string(),
            connection: asks.connection.name.to_string(),
            owner: more.owner.to_owned(),
            message: reasons.join("; "),
        }),
        triggered_by: more.triggered_by.to_owned(),
        idempotency_key: more.idempotency_key.to_vec(),
        traceparent: more.traceparent,
    }
}

pub(crate) fn rejudged(rejudgement: &Rejudgement) -> v1::RejudgedRequest {
    let Rejudgement { approval, revision, requirements } = rejudgement;
    stands_for(*approval, *revision, requirements)
}

/// Says again what is asked for, to hear where the approval stands.
pub(super) fn stands_for(approval: ApprovalId, revision: Revision, asked: &[Requirement]) -> v1::RejudgedRequest {
    v1::RejudgedRequest {
        incarnation: Vec::new(),
        id: approval.to_bytes().to_vec(),
        revision: Some(revision.into()),
        requirements: requirements(asked),
    }
}

pub(super) fn claim(asks: &ClaimRequest<'_>) -> v1::ClaimRequest {
    v1::ClaimRequest {
        incarnation: Vec::new(),
        id: asks.approval.to_bytes().to_vec(),
        revision: Some(asks.revision.into()),
        requirements: requirements(asks.requirements),
    }
}

/// Reads an answer; `None` for one that says nothing.
pub(super) fn answer(response: &v1::HoldResponse) -> Option<HoldAnswer> {
    match response.outcome() {
        Outcome::Ok => Some(HoldAnswer::Stands {
            approval: ApprovalId::from_slice(&response.id).ok()?,
            state: state(response.state())?,
            claimed_by_caller: response.claimed_by_caller,
        }),
        Outcome::Stale => Some(HoldAnswer::Stale),
        Outcome::Mismatch => Some(HoldAnswer::Unfit(Unfit::Mismatch)),
        Outcome::TooManyPending => Some(HoldAnswer::Unfit(Unfit::TooManyPending)),
        Outcome::TooLargeToReview => Some(HoldAnswer::Unfit(Unfit::TooLargeToReview)),
        Outcome::Unspecified => None,
    }
}

/// Reads where an approval stands; `None` for a state that is none.
pub(crate) const fn state(state: State) -> Option<HoldState> {
    match state {
        State::Pending => Some(HoldState::Pending),
        State::Approved => Some(HoldState::Approved),
        State::Denied => Some(HoldState::Denied),
        State::Expired => Some(HoldState::Expired),
        State::Voided => Some(HoldState::Voided),
        State::Claimed => Some(HoldState::Claimed),
        State::DoneNotSent | State::DoneAnswered | State::DoneFailedAfterSend => Some(HoldState::Done),
        State::Unknown => Some(HoldState::Unknown),
        State::Unspecified => None,
    }
}

fn requirements(written: &[Requirement]) -> Vec<v1::Requirement> {
    written.iter().map(Into::into).collect()
}
