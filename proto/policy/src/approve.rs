//! Whether a person may vote for a held command.

use crate::Rules;
use crate::settle::{Outcome, settle};
use crate::slice::Unjudgeable;
use crate::vocabulary::{APPROVE, CONNECT, REVEAL, cedar_context};
use hoop_model::{ApprovalId, Code, Effect, Refusal, ResourceName, Value};
use std::sync::Arc;

/// A person as policy sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonSubject {
    /// The Person object's name.
    pub name: ResourceName,
    /// The teams they are in.
    pub teams: Vec<ResourceName>,
}

/// A vote on an approval as policy sees it: what was held, and which of its requirements the vote is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalSubject {
    /// The approval.
    pub id: ApprovalId,
    /// The Identity that sent the command.
    pub identity: ResourceName,
    /// The groups that identity is in.
    pub groups: Vec<ResourceName>,
    /// The Connection it was sent on.
    pub connection: ResourceName,
    /// What the command would do.
    pub effects: Arc<[Effect]>,
    /// The run it belongs to.
    pub run: Box<str>,
    /// The team of the requirement that the vote is for.
    pub team: ResourceName,
    /// Whether the person would let a later run use the approval too.
    pub any_run: bool,
}

impl Rules {
    /// Judges whether a person may approve. The members of the requirement's team may, unless an enforced forbid on
    /// `approve` is satisfied or cannot be evaluated; no permit is needed, and none helps.
    ///
    /// Who may not vote for reasons of their own (who triggered the run, who voted already) is not a matter of policy.
    ///
    /// # Errors
    /// The refusal: [`Code::NotPermitted`] for who is not in the team, [`Code::Forbidden`] where a policy forbids,
    /// [`Code::ConnectionUnknown`], [`Code::NothingToJudge`] and [`Code::PolicyError`] for what cannot be judged.
    pub fn may_approve(&self, person: &PersonSubject, approval: &ApprovalSubject) -> Result<(), Box<Refusal>> {
        self.admit_vote(person, approval)?;
        let unjudgeable = |Unjudgeable| approval.refuse(Code::PolicyError, "the vote could not be put to policy");
        let slice = self.approval_slice(person, approval).map_err(unjudgeable)?;
        let context = vec![("anyRun".into(), Value::Bool(approval.any_run))];
        let ended = slice.evaluate(&mut None, &Arc::default(), cedar_context(&context)).map_err(unjudgeable)?;
        let settled = settle(&ended);
        let (code, message) = match settled.outcome {
            // There is no permit in the slice: that nothing objects is enough.
            Outcome::NotPermitted | Outcome::Allow => return Ok(()),
            Outcome::Forbidden => (Code::Forbidden, "a policy forbids this person to approve this"),
            Outcome::Failed | Outcome::Hold(_) => (Code::PolicyError, "a policy could not be evaluated"),
        };
        let mut refusal = approval.refuse(code, message);
        settled.blame(&mut refusal);
        Err(refusal)
    }

    /// Refuses who is not eligible, and what policy has no words for.
    fn admit_vote(&self, person: &PersonSubject, approval: &ApprovalSubject) -> Result<(), Box<Refusal>> {
        if !person.teams.contains(&approval.team) {
            let mut refusal = approval.refuse(Code::NotPermitted, "only members of the team may approve this");
            refusal.missing = Some(format!("membership of team `{}`", approval.team).into());
            return Err(refusal);
        }
        if self.connection(&approval.connection).is_none() {
            return Err(approval.refuse(Code::ConnectionUnknown, "there is no such connection"));
        }
        if approval.effects.is_empty() {
            return Err(approval.refuse(Code::NothingToJudge, "the command has no effect that policy could judge"));
        }
        let known = |effect: &Effect| {
            ![CONNECT, APPROVE, REVEAL].contains(&&*effect.action) && self.vocabulary.action(&effect.action).is_some()
        };
        match approval.effects.iter().find(|effect| !known(effect)) {
            None => Ok(()),
            Some(_) => Err(approval.refuse(Code::PolicyError, "policy does not know an action of the command")),
        }
    }
}

impl ApprovalSubject {
    fn refuse(&self, code: Code, message: &str) -> Box<Refusal> {
        let mut refusal = Refusal::because(code, message);
        refusal.identity = Some(self.identity.clone());
        refusal.connection = Some(self.connection.clone());
        refusal.approval = Some(self.id);
        Box::new(refusal)
    }
}
