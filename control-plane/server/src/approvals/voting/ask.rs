//! Who asks, in which state, and by which rules.

use crate::authorise::Asking;
use crate::cluster::{ADMINISTRATOR, Cluster};
use crate::people::{Entered, enter};
use hoop_identity::ResolvedPerson;
use hoop_model::{Approval, ApprovalId, ResourceName};
use hoop_policy::Rules;
use hoop_state::State;
use std::fmt;
use std::sync::Arc;
use tonic::Status;

/// Who asks about approvals.
pub(super) enum Asker {
    /// The administrator, who sees everything and votes on nothing.
    Administrator,
    /// A person, who sees what one of their teams is asked for.
    Person(Arc<ResolvedPerson>),
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
            Asking::Administrator => (Asker::Administrator, cluster.fresh().await?),
            Asking::Person(recognised) => {
                let Entered { person, state } = enter(cluster, recognised).await?;
                (Asker::Person(person), state)
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
    /// Returns whether the asker may know of an approval.
    pub(super) fn sees(&self, approval: &Approval) -> bool {
        match self {
            Self::Administrator => true,
            Self::Person(person) => {
                approval.requirements.iter().any(|required| is_in(person, &required.requirement.team))
            }
        }
    }

    /// Returns the person, if one asks.
    pub(super) const fn person(&self) -> Option<&Arc<ResolvedPerson>> {
        match self {
            Self::Administrator => None,
            Self::Person(person) => Some(person),
        }
    }

    /// Returns the scope of the asker's idempotency keys.
    pub(super) fn scope(&self) -> String {
        match self {
            Self::Administrator => ADMINISTRATOR.to_owned(),
            Self::Person(person) => format!("person/{}", person.uid),
        }
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Administrator => f.write_str(ADMINISTRATOR),
            Self::Person(person) => write!(f, "{}", person.name),
        }
    }
}

fn is_in(person: &ResolvedPerson, team: &ResourceName) -> bool {
    person.teams.contains(team)
}
