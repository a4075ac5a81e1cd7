//! Approvals: what is asked for, who said what, and where it stands.

use crate::connection::millis;
use crate::error::{Malformed, parsed, present};
use crate::v1;
use hoop_model::{
    Approval, ApprovalId, ApprovalState, Choice, Claim, CommandDigest, ContentHash, Effect, Ending, Holder,
    Incarnation, PolicyRef, Required, Requirement, ResourceName, SessionId, Target, Uid, UnixMillis, Vote,
};
use std::time::Duration;

impl From<&Holder> for v1::Holder {
    fn from(Holder { node, incarnation }: &Holder) -> Self {
        Self { node: node.to_string(), incarnation: incarnation.to_bytes().to_vec() }
    }
}

impl TryFrom<v1::Holder> for Holder {
    type Error = Malformed;
    fn try_from(holder: v1::Holder) -> Result<Self, Malformed> {
        Ok(Self {
            node: parsed(ResourceName::parse(&holder.node), "node")?,
            incarnation: parsed(Incarnation::from_slice(&holder.incarnation), "incarnation")?,
        })
    }
}

impl From<&Requirement> for v1::Requirement {
    fn from(Requirement { policy, team, quorum, expires }: &Requirement) -> Self {
        Self {
            statement: policy.statement.to_string(),
            policy_uid: policy.uid.to_bytes().to_vec(),
            policy_hash: policy.hash.0.to_vec(),
            message: policy.message.as_deref().map(str::to_owned),
            team: team.to_string(),
            quorum: *quorum,
            expires_ms: millis(*expires),
        }
    }
}

impl TryFrom<v1::Requirement> for Requirement {
    type Error = Malformed;
    fn try_from(requirement: v1::Requirement) -> Result<Self, Malformed> {
        let policy = PolicyRef {
            statement: requirement.statement.into(),
            uid: uid(&requirement.policy_uid, "policy_uid")?,
            hash: parsed(ContentHash::from_slice(&requirement.policy_hash), "policy_hash")?,
            message: requirement.message.map(Into::into),
        };
        if requirement.quorum == 0 {
            // Nobody would have to agree.
            return Err(Malformed { field: "quorum", problem: "is not at least 1" });
        }
        Ok(Self {
            policy,
            team: parsed(ResourceName::parse(&requirement.team), "team")?,
            quorum: requirement.quorum,
            expires: Duration::from_millis(requirement.expires_ms),
        })
    }
}

impl From<&Effect> for v1::Effect {
    fn from(Effect { action, target }: &Effect) -> Self {
        let route = match target {
            Target::Connection => None,
            Target::Route(route) => Some(route.to_string()),
        };
        Self { action: action.to_string(), route }
    }
}

impl TryFrom<v1::Effect> for Effect {
    type Error = Malformed;
    fn try_from(effect: v1::Effect) -> Result<Self, Malformed> {
        if effect.action.is_empty() {
            return Err(Malformed { field: "action", problem: "is missing" });
        }
        let target = match effect.route {
            None => Target::Connection,
            Some(route) => Target::Route(parsed(ResourceName::parse(&route), "route")?),
        };
        Ok(Self { action: effect.action.into(), target })
    }
}

impl From<Choice> for v1::Choice {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Approve => Self::Approve,
            Choice::Deny => Self::Deny,
        }
    }
}

impl TryFrom<v1::Choice> for Choice {
    type Error = Malformed;
    fn try_from(choice: v1::Choice) -> Result<Self, Malformed> {
        match choice {
            v1::Choice::Approve => Ok(Self::Approve),
            v1::Choice::Deny => Ok(Self::Deny),
            v1::Choice::Unspecified => Err(unknown("choice")),
        }
    }
}

impl From<Ending> for v1::Ending {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::NotSent => Self::NotSent,
            Ending::Answered => Self::Answered,
            Ending::FailedAfterSend => Self::FailedAfterSend,
        }
    }
}

impl TryFrom<v1::Ending> for Ending {
    type Error = Malformed;
    fn try_from(ending: v1::Ending) -> Result<Self, Malformed> {
        match ending {
            v1::Ending::NotSent => Ok(Self::NotSent),
            v1::Ending::Answered => Ok(Self::Answered),
            v1::Ending::FailedAfterSend => Ok(Self::FailedAfterSend),
            v1::Ending::Unspecified => Err(unknown("ending")),
        }
    }
}

impl From<&Vote> for v1::approval::Vote {
    fn from(Vote { person, choice, at }: &Vote) -> Self {
        Self { person_uid: person.to_bytes().to_vec(), choice: v1::Choice::from(*choice).into(), at_ms: at.0 }
    }
}

impl TryFrom<v1::approval::Vote> for Vote {
    type Error = Malformed;
    fn try_from(vote: v1::approval::Vote) -> Result<Self, Malformed> {
        Ok(Self {
            person: uid(&vote.person_uid, "person_uid")?,
            choice: vote.choice().try_into()?,
            at: UnixMillis(vote.at_ms),
        })
    }
}

impl From<&Required> for v1::approval::Required {
    fn from(Required { requirement, votes }: &Required) -> Self {
        Self { requirement: Some(requirement.into()), votes: votes.iter().map(Into::into).collect() }
    }
}

impl TryFrom<v1::approval::Required> for Required {
    type Error = Malformed;
    fn try_from(required: v1::approval::Required) -> Result<Self, Malformed> {
        let votes: Vec<Vote> = all(required.votes)?;
        let again = |(at, vote): (usize, &Vote)| votes.iter().take(at).any(|other| other.person == vote.person);
        if votes.iter().enumerate().any(again) {
            return Err(Malformed { field: "votes", problem: "have one of somebody who voted before" });
        }
        Ok(Self { requirement: present(required.requirement, "requirement")?.try_into()?, votes })
    }
}

impl From<&Claim> for v1::approval::Claim {
    fn from(Claim { holder, revision, at }: &Claim) -> Self {
        Self { holder: Some(holder.into()), revision: Some((*revision).into()), at_ms: at.0 }
    }
}

impl TryFrom<v1::approval::Claim> for Claim {
    type Error = Malformed;
    fn try_from(claim: v1::approval::Claim) -> Result<Self, Malformed> {
        Ok(Self {
            holder: present(claim.holder, "holder")?.try_into()?,
            revision: present(claim.revision, "revision")?.into(),
            at: UnixMillis(claim.at_ms),
        })
    }
}

impl From<&ApprovalState> for v1::approval::State {
    /// Keeps which state it is; whose claim it rests on is said beside it.
    fn from(state: &ApprovalState) -> Self {
        match state {
            ApprovalState::Pending => Self::Pending,
            ApprovalState::Approved => Self::Approved,
            ApprovalState::Denied => Self::Denied,
            ApprovalState::Expired => Self::Expired,
            ApprovalState::Voided => Self::Voided,
            ApprovalState::Claimed(_) => Self::Claimed,
            ApprovalState::Done(Ending::NotSent) => Self::DoneNotSent,
            ApprovalState::Done(Ending::Answered) => Self::DoneAnswered,
            ApprovalState::Done(Ending::FailedAfterSend) => Self::DoneFailedAfterSend,
            ApprovalState::Unknown(_) => Self::Unknown,
        }
    }
}

/// Reads a state and the claim beside it, which is there exactly where the state rests on one.
fn state(state: v1::approval::State, claim: Option<v1::approval::Claim>) -> Result<ApprovalState, Malformed> {
    use v1::approval::State;
    let claim = claim.map(Claim::try_from).transpose()?;
    Ok(match (state, claim) {
        (State::Pending, None) => ApprovalState::Pending,
        (State::Approved, None) => ApprovalState::Approved,
        (State::Denied, None) => ApprovalState::Denied,
        (State::Expired, None) => ApprovalState::Expired,
        (State::Voided, None) => ApprovalState::Voided,
        (State::DoneNotSent, None) => ApprovalState::Done(Ending::NotSent),
        (State::DoneAnswered, None) => ApprovalState::Done(Ending::Answered),
        (State::DoneFailedAfterSend, None) => ApprovalState::Done(Ending::FailedAfterSend),
        (State::Claimed, Some(claim)) => ApprovalState::Claimed(claim),
        (State::Unknown, Some(claim)) => ApprovalState::Unknown(claim),
        (State::Claimed | State::Unknown, None) => return Err(Malformed { field: "claim", problem: "is missing" }),
        (State::Unspecified, _) => return Err(unknown("state")),
        (_, Some(_)) => return Err(Malformed { field: "claim", problem: "is there without need" }),
    })
}

impl From<&Approval> for v1::Approval {
    fn from(approval: &Approval) -> Self {
        let claim = match &approval.state {
            ApprovalState::Claimed(claim) | ApprovalState::Unknown(claim) => Some(claim.into()),
            ApprovalState::Pending
            | ApprovalState::Approved
            | ApprovalState::Denied
            | ApprovalState::Expired
            | ApprovalState::Voided
            | ApprovalState::Done(_) => None,
        };
        Self {
            id: approval.id.to_bytes().to_vec(),
            digest: approval.digest.0.to_vec(),
            identity_uid: approval.identity.to_bytes().to_vec(),
            connection_uid: approval.connection.to_bytes().to_vec(),
            run: approval.run.to_string(),
            any_run: approval.any_run,
            session: approval.session.to_bytes().to_vec(),
            effects: approval.effects.iter().map(Into::into).collect(),
            requirements: approval.requirements.iter().map(Into::into).collect(),
            revision: Some(approval.revision.into()),
            opened_ms: approval.opened.0,
            expires_ms: approval.expires.0,
            state: v1::approval::State::from(&approval.state).into(),
            claim,
            holder: approval.holder.as_ref().map(Into::into),
            barred: approval.barred.iter().map(|person| person.to_bytes().to_vec()).collect(),
            review_sealed: approval.review_sealed.clone(),
            since_ms: approval.since.0,
        }
    }
}

impl TryFrom<v1::Approval> for Approval {
    type Error = Malformed;
    fn try_from(approval: v1::Approval) -> Result<Self, Malformed> {
        let state = state(approval.state(), approval.claim)?;
        let effects: Vec<Effect> = all(approval.effects)?;
        Ok(Self {
            id: parsed(ApprovalId::from_slice(&approval.id), "id")?,
            digest: command_digest(&approval.digest)?,
            identity: uid(&approval.identity_uid, "identity_uid")?,
            connection: uid(&approval.connection_uid, "connection_uid")?,
            run: approval.run.into(),
            any_run: approval.any_run,
            session: parsed(SessionId::from_slice(&approval.session), "session")?,
            effects: effects.into(),
            requirements: all(approval.requirements)?,
            revision: present(approval.revision, "revision")?.into(),
            opened: UnixMillis(approval.opened_ms),
            expires: UnixMillis(approval.expires_ms),
            state,
            since: UnixMillis(approval.since_ms),
            holder: approval.holder.map(TryInto::try_into).transpose()?,
            barred: approval.barred.iter().map(|person| uid(person, "barred")).collect::<Result<_, _>>()?,
            review_sealed: approval.review_sealed,
        })
    }
}

/// Reads a digest, of whatever version.
///
/// # Errors
/// [`Malformed`] unless there are exactly 33 bytes.
pub fn command_digest(bytes: &[u8]) -> Result<CommandDigest, Malformed> {
    parsed(bytes.try_into(), "digest").map(CommandDigest)
}

fn uid(bytes: &[u8], field: &'static str) -> Result<Uid, Malformed> {
    parsed(Uid::from_slice(bytes), field)
}

const fn unknown(field: &'static str) -> Malformed {
    Malformed { field, problem: "is missing or unknown" }
}

fn all<W, M: TryFrom<W, Error = Malformed>>(written: Vec<W>) -> Result<Vec<M>, Malformed> {
    written.into_iter().map(M::try_from).collect()
}

#[cfg(test)]
mod tests;
