//! Entering: who was recognised is recognised in a fresh state, and their sign-in is in the log.

use super::Recognised;
use crate::cluster::{CONTROL_PLANE, Cluster};
use crate::reply;
use hoop_identity::ResolvedPerson;
use hoop_node::clock::unix_now;
use hoop_state::{Change, Rejection, Reply, State};
use std::sync::Arc;
use std::time::Duration;
use tonic::Status;

/// How old the last sign-in may be before another is committed, in log time.
const SIGN_IN_AGAIN: Duration = Duration::from_secs(60);
/// How often a sign-in is tried while the configuration moves under it.
const ATTEMPTS: usize = 8;

/// A Person who acts, and the state in which they were recognised.
pub(crate) struct Entered {
    /// The Person.
    pub(crate) person: Arc<ResolvedPerson>,
    /// A state that has everything committed before the call, and their sign-in.
    pub(crate) state: Arc<State>,
}

/// Recognises the bearer in a fresh state, and commits a sign-in if the last one is old.
pub(crate) async fn enter(cluster: &Cluster, recognised: &Recognised) -> Result<Entered, Status> {
    let mut has_signed_in = false;
    for _ in 0..ATTEMPTS {
        let state = cluster.fresh().await?;
        let person = recognised.again(cluster.people(), &state).map_err(super::Unrecognised::status)?;
        // While nobody proposes anything log time stands still, and catches up with the next proposal.
        let now = state.log_time().max(unix_now());
        let is_recent = state.signed_in(person.uid).is_some_and(|at| at.after(SIGN_IN_AGAIN) > now);
        if is_recent || (has_signed_in && state.signed_in(person.uid).is_some()) {
            return Ok(Entered { person, state });
        }
        let change = Change::SignIn { person: person.uid, revision: state.revision() };
        match cluster.propose(change, None, CONTROL_PLANE).await? {
            Reply::Done { .. } => {
                tracing::info!(person = %person.name, "signed in");
                has_signed_in = true;
            }
            Reply::Rejected(Rejection::BaseMoved { .. }) => {}
            other @ (Reply::Applied { .. }
            | Reply::Joined { .. }
            | Reply::Anchored { .. }
            | Reply::Approval(_)
            | Reply::Rejected(_)) => return Err(reply::unexpected(&other)),
        }
    }
    Err(Status::aborted("the configuration kept changing; nothing was done"))
}
