//! On what a person may vote: by their teams, by who is barred, and by policy.

use super::ask::Asked;
use hoop_model::{Approval, Object, Refusal, Required, ResourceName, Spec, Uid};
use hoop_policy::{ApprovalSubject, PersonSubject};
use hoop_state::{Electorate, State};
use hoop_wire::v1;
use std::sync::Arc;

/// Whether a person's vote counts for one requirement.
pub(super) enum Say {
    /// It does.
    Has,
    /// The person is not asked: they are in another team, barred, or not signed in, or the approval does not wait.
    NotAsked,
    /// Policy forbids it.
    Forbidden(Box<Refusal>),
    /// Who or what the command was held for is gone, so nothing could be judged.
    Gone,
}

impl Say {
    /// Returns whether the vote counts.
    pub(super) const fn has(&self) -> bool {
        matches!(self, Self::Has)
    }
}

/// Says of each requirement, in order, whether the asker's vote counts for it.
pub(super) fn say(asked: &Asked, electorate: &Electorate<'_>, approval: &Approval, any_run: bool) -> Vec<Say> {
    let Some(person) = asked.asker.as_person() else {
        return approval.requirements.iter().map(|_| Say::NotAsked).collect();
    };
    let subject = PersonSubject { name: person.name.clone(), teams: person.teams.clone() };
    let judge = |required: &Required| match about(&asked.state, approval, required, any_run) {
        None => Say::Gone,
        Some(about) => match asked.rules.may_approve(&subject, &about) {
            Ok(()) => Say::Has,
            Err(refusal) => Say::Forbidden(refusal),
        },
    };
    let may_vote = electorate.may_vote(person.uid, approval);
    let asked_for = approval.requirements.iter().zip(may_vote);
    asked_for.map(|(required, may_vote)| if may_vote { judge(required) } else { Say::NotAsked }).collect()
}

/// Returns whether the asker has a say on anything that an approval waits for.
pub(super) fn has_say(asked: &Asked, approval: &Approval) -> bool {
    say(asked, &asked.state.electorate(), approval, false).iter().any(Say::has)
}

/// Writes a refusal with what decided it.
pub(super) fn told(refusal: &Refusal) -> String {
    let message = refusal.message.to_string();
    match &refusal.policy {
        Some(policy) => format!("{message}: {policy}"),
        None => message,
    }
}

fn about(state: &State, approval: &Approval, required: &Required, any_run: bool) -> Option<ApprovalSubject> {
    let identity = object(state, approval.identity)?;
    let Spec::Identity(spec) = &identity.spec else { return None };
    Some(ApprovalSubject {
        id: approval.id,
        identity: identity.metadata.name.clone(),
        groups: spec.groups.clone(),
        connection: name(state, approval.connection)?,
        effects: Arc::clone(&approval.effects),
        run: approval.run.clone(),
        team: required.requirement.team.clone(),
        any_run,
    })
}

fn object(state: &State, uid: Uid) -> Option<&Arc<Object>> {
    state.objects().find(|object| object.metadata.uid == uid)
}

fn name(state: &State, uid: Uid) -> Option<ResourceName> {
    object(state, uid).map(|object| object.metadata.name.clone())
}

/// Writes how an approval stands with one requirement.
pub(super) fn standing(
    required: &Required,
    says: &Say,
    name: impl Fn(Uid) -> String,
) -> v1::approval_summary::Standing {
    use hoop_model::Choice;
    let by = |choice| required.votes.iter().filter(move |vote| vote.choice == choice).map(|vote| name(vote.person));
    v1::approval_summary::Standing {
        requirement: Some((&required.requirement).into()),
        approved_by: by(Choice::Approve).collect(),
        denied_by: by(Choice::Deny).collect(),
        may_vote: says.has(),
    }
}
