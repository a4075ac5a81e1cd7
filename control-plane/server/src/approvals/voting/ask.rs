//! Who asks, in which state, and by which rules.

use crate::authorise::{Asking, rights_of};
use crate::cluster::Cluster;
use crate::people::{Entered, enter};
use hoop_identity::ResolvedPerson;
use hoop_model::spec::Right;
use hoop_model::{Approval, ApprovalId};
use hoop_policy::Rules;
use hoop_state::State;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use tonic::Status;

/// Who asks about approvals.
pub(super) enum Asker {
    /// Somebody who sees everything and votes on nothing.
    Overseer(String),
    /// A person, who sees what one of their teams is asked for, or with [`Right::SeeApprovals`] everything.
    Person(Arc<ResolvedPerson>, BTreeSet<Right>),
}

/// A question about approvals: who asks, and what is true at that moment.
pub(super) struct Asked {
    pub(super) asker: Asker,
    pub(super) state: Arc<State>,
    pub(super) rules: Arc<Rules>,
}

impl Asked {
    /// Lets the caller in: a person is recognised in a fresh state and signed in.
    pub(super) async fn by(cluster: &Cluster, asking: &Asking) -> Result<Self, Status> {
        let (asker, state) = match asking {
            Asking::Overseer(caller) => {
                let state = cluster.fresh().await?;
                (Asker::Overseer(caller.at(cluster, &state, Right::SeeApprovals)?.scope()), state)
            }
            Asking::Person(recognised) => {
                let Entered { person, state } = enter(cluster, recognised).await?;
                (Asker::person(person, &state), state)
            }
        };
        let rules = cluster.approval_rules().of(&state).await?;
        Ok(Self { asker, state, rules })
    }

    /// Finds an approval that the asker may see.
    pub(super) fn find(&self, id: ApprovalId) -> Result<&Arc<Approval>, Status> {
        let found = self.state.approval(id).filter(|approval| self.asker.sees(approval));
        found.ok_or_else(|| Status::not_found("there is no such approval"))
    }
}

impl Asker {
    /// Lets a person ask, with what they may in this state.
    pub(super) fn person(person: Arc<ResolvedPerson>, state: &State) -> Self {
        let rights = rights_of(&person.teams, state.objects().map(AsRef::as_ref));
        Self::Person(person, rights)
    }

    /// Returns whether the asker may know of an approval.
    pub(super) fn sees(&self, approval: &Approval) -> bool {
        match self {
            Self::Overseer(_) => true,
            Self::Person(person, rights) => rights.contains(&Right::SeeApprovals) || is_asked(person, approval),
        }
    }

    /// Returns whether the asker may say what became of a command whose end nobody knows. To see all approvals is not
    /// enough; and whose command it was could hide with their word that it ran.
    pub(super) fn may_resolve(&self, approval: &Approval) -> bool {
        match self {
            Self::Overseer(_) => true,
            Self::Person(person, _) => is_asked(person, approval) && !approval.barred.contains(&person.uid),
        }
    }

    /// Returns the person, if one asks.
    pub(super) const fn as_person(&self) -> Option<&Arc<ResolvedPerson>> {
        match self {
            Self::Overseer(_) => None,
            Self::Person(person, _) => Some(person),
        }
    }

    /// Returns the scope of the asker's idempotency keys.
    pub(super) fn scope(&self) -> String {
        match self {
            Self::Overseer(scope) => scope.clone(),
            Self::Person(person, _) => format!("person/{}", person.uid),
        }
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overseer(scope) => f.write_str(scope),
            Self::Person(person, _) => write!(f, "{}", person.name),
        }
    }
}

/// Returns whether one of the person's teams was asked to release the command.
fn is_asked(person: &ResolvedPerson, approval: &Approval) -> bool {
    approval.requirements.iter().any(|required| person.teams.contains(&required.requirement.team))
}
