//! Approvals, both ways.

use super::decode::{present, revision_of, uid_of};
use hoop_model::{ApprovalId, Choice, Effect, Ending, Holder, Requirement, SessionId, Uid};
use hoop_state::{ApprovalChange, CastVote, ClaimApproval, OpenApproval, RejudgeApproval};
use hoop_wire::v1::approval_change::{self as wire, Change};
use hoop_wire::{Malformed, command_digest, v1};

pub(super) fn of_change(change: &ApprovalChange) -> v1::ApprovalChange {
    let change = match change {
        ApprovalChange::Open(open) => Change::Open(of_open(open)),
        ApprovalChange::Leave { id, holder } => {
            Change::Leave(wire::Leave { id: of_id(*id), holder: of_holder(holder) })
        }
        ApprovalChange::Rejudge(RejudgeApproval { id, holder, revision, requirements }) => {
            Change::Rejudge(wire::Rejudge {
                id: of_id(*id),
                holder: of_holder(holder),
                revision: Some((*revision).into()),
                requirements: requirements.iter().map(Into::into).collect(),
            })
        }
        ApprovalChange::Vote(CastVote { id, person, choice, any_run, revision }) => Change::Vote(wire::Vote {
            id: of_id(*id),
            person_uid: of_uid(*person),
            choice: v1::Choice::from(*choice).into(),
            any_run: *any_run,
            revision: Some((*revision).into()),
        }),
        ApprovalChange::Claim(ClaimApproval { id, holder, revision, requirements }) => Change::Claim(wire::Claim {
            id: of_id(*id),
            holder: of_holder(holder),
            revision: Some((*revision).into()),
            requirements: requirements.iter().map(Into::into).collect(),
        }),
        ApprovalChange::Finish { id, holder, ending } => {
            Change::Finish(wire::Finish { id: of_id(*id), holder: of_holder(holder), ending: of_ending(*ending) })
        }
        ApprovalChange::Resolve { id, ending, revision } => Change::Resolve(wire::Resolve {
            id: of_id(*id),
            ending: of_ending(*ending),
            revision: Some((*revision).into()),
        }),
        ApprovalChange::Fence { holder } => Change::Fence(wire::Fence { holder: of_holder(holder) }),
    };
    v1::ApprovalChange { change: Some(change) }
}

pub(super) fn change_of(change: v1::ApprovalChange) -> Result<ApprovalChange, Malformed> {
    Ok(match present(change.change, "approval")? {
        Change::Open(open) => ApprovalChange::Open(open_of(open)?),
        Change::Leave(wire::Leave { id, holder }) => {
            ApprovalChange::Leave { id: id_of(&id)?, holder: holder_of(holder)? }
        }
        Change::Rejudge(wire::Rejudge { id, holder, revision, requirements }) => {
            ApprovalChange::Rejudge(RejudgeApproval {
                id: id_of(&id)?,
                holder: holder_of(holder)?,
                revision: revision_of(revision, "revision")?,
                requirements: requirements_of(requirements)?,
            })
        }
        Change::Vote(wire::Vote { id, person_uid, choice, any_run, revision }) => ApprovalChange::Vote(CastVote {
            id: id_of(&id)?,
            person: uid_of(&person_uid)?,
            choice: choice_of(choice)?,
            any_run,
            revision: revision_of(revision, "revision")?,
        }),
        Change::Claim(wire::Claim { id, holder, revision, requirements }) => ApprovalChange::Claim(ClaimApproval {
            id: id_of(&id)?,
            holder: holder_of(holder)?,
            revision: revision_of(revision, "revision")?,
            requirements: requirements_of(requirements)?,
        }),
        Change::Finish(wire::Finish { id, holder, ending }) => {
            ApprovalChange::Finish { id: id_of(&id)?, holder: holder_of(holder)?, ending: ending_of(ending)? }
        }
        Change::Resolve(wire::Resolve { id, ending, revision }) => ApprovalChange::Resolve {
            id: id_of(&id)?,
            ending: ending_of(ending)?,
            revision: revision_of(revision, "revision")?,
        },
        Change::Fence(wire::Fence { holder }) => ApprovalChange::Fence { holder: holder_of(holder)? },
    })
}

fn of_open(open: &OpenApproval) -> wire::Open {
    let OpenApproval {
        id,
        digest,
        identity,
        connection,
        run,
        session,
        effects,
        requirements,
        revision,
        selected,
        holder,
        barred,
        review_sealed,
    } = open;
    wire::Open {
        id: of_id(*id),
        digest: digest.0.to_vec(),
        identity_uid: of_uid(*identity),
        connection_uid: of_uid(*connection),
        run: run.to_string(),
        session: session.to_bytes().to_vec(),
        effects: effects.iter().map(Into::into).collect(),
        requirements: requirements.iter().map(Into::into).collect(),
        revision: Some((*revision).into()),
        selected: selected.map(of_id),
        holder: of_holder(holder),
        barred: barred.iter().copied().map(of_uid).collect(),
        review_sealed: review_sealed.clone(),
    }
}

fn open_of(open: wire::Open) -> Result<OpenApproval, Malformed> {
    let session = SessionId::from_slice(&open.session);
    Ok(OpenApproval {
        id: id_of(&open.id)?,
        digest: command_digest(&open.digest)?,
        identity: uid_of(&open.identity_uid)?,
        connection: uid_of(&open.connection_uid)?,
        run: open.run.into(),
        session: session.map_err(|_| Malformed { field: "session", problem: "is not 16 bytes" })?,
        effects: open.effects.into_iter().map(Effect::try_from).collect::<Result<_, _>>()?,
        requirements: requirements_of(open.requirements)?,
        revision: revision_of(open.revision, "revision")?,
        selected: open.selected.map(|id| id_of(&id)).transpose()?,
        holder: holder_of(open.holder)?,
        barred: open.barred.iter().map(|person| uid_of(person)).collect::<Result<_, _>>()?,
        review_sealed: open.review_sealed,
    })
}

fn of_id(id: ApprovalId) -> Vec<u8> {
    id.to_bytes().to_vec()
}

fn id_of(bytes: &[u8]) -> Result<ApprovalId, Malformed> {
    ApprovalId::from_slice(bytes).map_err(|_| Malformed { field: "id", problem: "is not 16 bytes" })
}

fn of_uid(uid: Uid) -> Vec<u8> {
    uid.to_bytes().to_vec()
}

fn of_holder(holder: &Holder) -> Option<v1::Holder> {
    Some(holder.into())
}

fn holder_of(holder: Option<v1::Holder>) -> Result<Holder, Malformed> {
    present(holder, "holder")?.try_into()
}

fn requirements_of(requirements: Vec<v1::Requirement>) -> Result<Vec<Requirement>, Malformed> {
    requirements.into_iter().map(Requirement::try_from).collect()
}

fn choice_of(choice: i32) -> Result<Choice, Malformed> {
    let choice = v1::Choice::try_from(choice).map_err(|_| Malformed { field: "choice", problem: "is unknown" })?;
    choice.try_into()
}

fn of_ending(ending: Ending) -> i32 {
    v1::Ending::from(ending).into()
}

fn ending_of(ending: i32) -> Result<Ending, Malformed> {
    let ending = v1::Ending::try_from(ending).map_err(|_| Malformed { field: "ending", problem: "is unknown" })?;
    ending.try_into()
}
