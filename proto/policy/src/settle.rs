//! What the endings of a slice's statements mean for one effect.

use crate::slice::{Ended, Ending};
use crate::statement::{Mode, Role, Statement};
use hoop_model::{PolicyRef, Refusal, Requirement};

/// The outcome of one effect.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Permitted, and nothing objects.
    Allow,
    /// Permitted once these are fulfilled; never empty.
    Hold(Vec<Requirement>),
    /// A statement forbids it.
    Forbidden,
    /// No statement permits it.
    NotPermitted,
    /// A forbid could not be evaluated. Cedar alone would skip it, which would fail open.
    Failed,
}

/// The outcome of one effect, with its reasons.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) outcome: Outcome,
    /// The statements that determined it, by name.
    pub(crate) reasons: Vec<PolicyRef>,
    /// The statements in shadow mode that, enforced alone, would have changed it.
    pub(crate) shadow: Vec<PolicyRef>,
}

/// Settles one effect.
pub(crate) fn settle(ended: &[Ended<'_>]) -> Settled {
    let enforced = |wanted: fn(&Role) -> bool, ending: fn(&Ending) -> bool| -> Vec<&Statement> {
        let matching = ended.iter().filter(|(s, e)| s.mode == Mode::Enforced && wanted(&s.role) && ending(e));
        matching.map(|(statement, _)| *statement).collect()
    };
    let satisfied = |ending: &Ending| *ending == Ending::Satisfied;
    let failed = enforced(|role| *role != Role::Permit, |ending| matches!(ending, Ending::Failed(_)));
    let forbids = enforced(|role| *role == Role::Forbid, satisfied);
    let permits = enforced(|role| *role == Role::Permit, satisfied);
    let holds = enforced(|role| matches!(role, Role::Hold(_)), satisfied);
    let (outcome, reasons) = if !failed.is_empty() {
        (Outcome::Failed, failed)
    } else if !forbids.is_empty() {
        (Outcome::Forbidden, forbids)
    } else if permits.is_empty() {
        (Outcome::NotPermitted, Vec::new())
    } else if !holds.is_empty() {
        (Outcome::Hold(holds.iter().filter_map(|s| requirement(s)).collect()), holds)
    } else {
        (Outcome::Allow, permits)
    };
    let shadow = ended.iter().filter(|(s, ending)| s.mode == Mode::Shadow && would_change(&outcome, &s.role, ending));
    let shadow = shadow.map(|(s, _)| s.reference.clone()).collect();
    Settled { reasons: reasons.into_iter().map(|s| s.reference.clone()).collect(), shadow, outcome }
}

impl Settled {
    /// Names in a refusal the statement that decided, and has it speak with that statement's words.
    pub(crate) fn blame(&self, refusal: &mut Refusal) {
        match self.outcome {
            Outcome::Forbidden => {
                let spoken = self.reasons.iter().find(|reason| reason.message.is_some());
                let decided = spoken.or(self.reasons.first());
                refusal.policy = decided.map(|reason| reason.statement.clone());
                if let Some(message) = decided.and_then(|reason| reason.message.clone()) {
                    refusal.message = message;
                }
            }
            Outcome::Failed => refusal.policy = self.reasons.first().map(|reason| reason.statement.clone()),
            Outcome::NotPermitted | Outcome::Allow | Outcome::Hold(_) => {}
        }
    }
}

fn requirement(statement: &Statement) -> Option<Requirement> {
    match &statement.role {
        Role::Hold(requirement) => Some(requirement.clone()),
        Role::Permit | Role::Forbid => None,
    }
}

fn would_change(outcome: &Outcome, role: &Role, ending: &Ending) -> bool {
    let refused = match outcome {
        Outcome::Allow | Outcome::Hold(_) => false,
        Outcome::Forbidden | Outcome::NotPermitted | Outcome::Failed => true,
    };
    match (role, ending) {
        (Role::Permit, Ending::Satisfied) => *outcome == Outcome::NotPermitted,
        (Role::Forbid | Role::Hold(_), Ending::Satisfied | Ending::Failed(_)) => !refused,
        (_, Ending::Unsatisfied) | (Role::Permit, Ending::Failed(_)) => false,
    }
}
