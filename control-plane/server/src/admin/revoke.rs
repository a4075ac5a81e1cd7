//! Revoke: an identity is suspended, whatever else is wrong with the configuration.

use super::{ATTEMPTS, request};
use crate::authorise::Caller;
use crate::cluster::Cluster;
use crate::reply;
use hoop_model::spec::Right;
use hoop_model::{Kind, Object, Revision, Spec};
use hoop_state::{ApplyObjects, Change, NewObject, Precondition, Rejection, Reply};
use hoop_wire::v1;
use tonic::Status;

/// Suspends an identity. It is not judged together with the other objects: suspending lets nobody do more, and must not
/// wait for somebody to mend a policy.
pub(super) async fn revoke(
    cluster: &Cluster,
    caller: &Caller,
    request: v1::RevokeRequest,
) -> Result<v1::RevokeResponse, Status> {
    let target = request::target(&Kind::Identity.to_string(), &request.identity)?;
    for _ in 0..ATTEMPTS {
        let state = cluster.fresh().await?;
        let caller = caller.at(cluster, &state, Right::Revoke)?;
        let object = state.object(target.kind, &target.name);
        let object = object.ok_or_else(|| reply::rejected(&Rejection::NotFound(target.clone())))?;
        let answer = |already, revision: Revision| v1::RevokeResponse {
            already,
            revision: Some(revision.into()),
            identity_uid: object.metadata.uid.to_bytes().to_vec(),
        };
        let Some(change) = suspended(object, state.revision()) else {
            return Ok(answer(true, object.metadata.revision));
        };
        match cluster.propose(Change::ApplyObjects(change), None, &caller.scope()).await? {
            Reply::Applied { revision, .. } => {
                tracing::info!(identity = %target.name, %revision, by = caller.scope(), "identity revoked");
                return Ok(answer(false, revision));
            }
            Reply::Rejected(Rejection::BaseMoved { .. }) => {}
            other @ (Reply::Done { .. }
            | Reply::Joined { .. }
            | Reply::Anchored { .. }
            | Reply::Approval(_)
            | Reply::Rejected(_)) => return Err(reply::unexpected(&other)),
        }
    }
    Err(Status::aborted("the configuration kept changing; nothing was changed by this request"))
}

/// Returns the change that suspends it, unless it is.
fn suspended(object: &Object, base: Revision) -> Option<ApplyObjects> {
    let Spec::Identity(identity) = &object.spec else { return None };
    if identity.suspended {
        return None;
    }
    let object = NewObject {
        name: object.metadata.name.clone(),
        spec: Spec::Identity(hoop_model::spec::Identity { suspended: true, ..identity.clone() }),
        precondition: Precondition::At(object.metadata.revision),
        uid: object.metadata.uid,
        references: Default::default(),
    };
    Some(ApplyObjects { base, objects: vec![object] })
}
