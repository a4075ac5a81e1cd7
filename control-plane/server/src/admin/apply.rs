//! Apply: every document in one transaction, or nothing.

use super::request::{self, Document};
use super::world::{World, references};
use super::{ATTEMPTS, custody};
use crate::authorise::{Caller, escalation};
use crate::cluster::Cluster;
use crate::reply;
use hoop_model::spec::Right;
use hoop_model::{Revision, Uid};
use hoop_node::clock::unix_now;
use hoop_state::{
    AppliedObject, ApplyObjects, Change, IdempotencyKey, NewObject, Outcome, Proposal, Rejection, Reply, State,
};
use hoop_wire::v1;
use std::sync::Arc;
use tonic::Status;

/// Applies the documents, or with `dry_run` says what would become of them. A dry run's revision is the one it was
/// judged at.
pub(super) async fn apply(
    cluster: &Cluster,
    caller: &Caller,
    request: v1::ApplyRequest,
) -> Result<v1::ApplyResponse, Status> {
    let key = request::key(&request.idempotency_key)?;
    let documents = Arc::new(request::documents(request.documents)?);
    for _ in 0..ATTEMPTS {
        let state = cluster.fresh().await?;
        let caller = caller.at(cluster, &state, Right::Apply)?;
        if request.dry_run {
            let change = judged(&documents, &state, &caller).await?;
            return trial(&state, change);
        }
        let change = if request::is_remembered(&state, key, &caller) {
            unjudged(&documents)
        } else {
            judged(&documents, &state, &caller).await?
        };
        match propose(cluster, change, key, &caller).await? {
            Some(response) => return Ok(response),
            None => tracing::debug!(revision = %state.revision(), "the configuration moved; judging anew"),
        }
    }
    Err(Status::aborted("the configuration kept changing; nothing was changed by this request"))
}

/// Proposes; nothing means that the state moved since it was judged.
async fn propose(
    cluster: &Cluster,
    change: ApplyObjects,
    key: Option<IdempotencyKey>,
    caller: &Caller,
) -> Result<Option<v1::ApplyResponse>, Status> {
    match cluster.propose(Change::ApplyObjects(change), key, &caller.scope()).await? {
        Reply::Applied { objects, revision } => {
            cluster.meter().applied(&objects);
            tracing::info!(revision = %revision, objects = objects.len(), by = caller.scope(), "applied");
            Ok(Some(response(&objects, revision)))
        }
        Reply::Rejected(Rejection::BaseMoved { .. }) => Ok(None),
        other @ (Reply::Done { .. }
        | Reply::Joined { .. }
        | Reply::Anchored { .. }
        | Reply::Approval(_)
        | Reply::Rejected(_)) => Err(reply::unexpected(&other)),
    }
}

/// Judges the would-be world and names its base. It costs CPU, so it is not done on the threads that serve.
async fn judged(documents: &Arc<Vec<Document>>, state: &Arc<State>, caller: &Caller) -> Result<ApplyObjects, Status> {
    let unpermitted = unpermitted(documents, state, caller);
    if !unpermitted.is_empty() {
        return Err(Status::permission_denied(reply::listed(&unpermitted)));
    }
    let (documents, state) = (Arc::clone(documents), Arc::clone(state));
    let judging = tokio::task::spawn_blocking(move || judge(&documents, &state));
    let judged = judging.await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "judging a change failed");
        Status::internal("the change cannot be judged; nothing was changed")
    })?;
    judged.map_err(|problems| Status::invalid_argument(reply::listed(&problems)))
}

/// Returns why the caller may not make the change, beside that they may change objects.
fn unpermitted(documents: &[Document], state: &State, caller: &Caller) -> Vec<String> {
    let has = |right| caller.may(right);
    let mut problems = Vec::new();
    if !has(Right::UseSecret) {
        let used = custody::put_to_use(state, documents);
        let problem =
            |secret| format!("Secret `{secret}`: the right `{}` is needed to put it to use", Right::UseSecret);
        problems.extend(used.iter().map(problem));
    }
    let before = World::of(state);
    let mut after = World::of(state);
    for document in documents {
        // Who people are and what they may does not depend on uids.
        after.put(&document.name, &document.spec, Uid::mint(0));
    }
    problems.extend(escalation(before.objects(), after.objects(), has));
    problems
}

fn judge(documents: &[Document], state: &State) -> Result<ApplyObjects, Vec<String>> {
    let mut world = World::of(state);
    let mut objects = Vec::with_capacity(documents.len());
    for document in documents {
        let object = new_object(document);
        world.put(&object.name, &object.spec, object.uid);
        objects.push(object);
    }
    let problems = world.problems();
    if !problems.is_empty() {
        return Err(problems);
    }
    for object in &mut objects {
        object.references = references(&object.name, &object.spec)?;
    }
    Ok(ApplyObjects { base: state.revision(), objects })
}

/// A change that can only be answered from memory: it has no base.
fn unjudged(documents: &[Document]) -> ApplyObjects {
    ApplyObjects { base: Revision::default(), objects: documents.iter().map(new_object).collect() }
}

fn new_object(document: &Document) -> NewObject {
    NewObject {
        name: document.name.clone(),
        spec: document.spec.clone(),
        precondition: document.precondition,
        uid: Uid::mint(u128::from_be_bytes(hoop_node::random())),
        references: Default::default(),
    }
}

/// Applies to a copy of the state that is then forgotten.
fn trial(state: &State, change: ApplyObjects) -> Result<v1::ApplyResponse, Status> {
    let mut copy = state.clone();
    let index = state.revision().index.saturating_add(1);
    let change = Change::ApplyObjects(change);
    let proposal = Proposal { time: unix_now(), key: None, caller: Box::default(), change };
    match copy.apply(index, proposal) {
        (Reply::Applied { objects, .. }, _) => Ok(response(&objects, state.revision())),
        (
            other @ (Reply::Done { .. }
            | Reply::Joined { .. }
            | Reply::Anchored { .. }
            | Reply::Approval(_)
            | Reply::Rejected(_)),
            _,
        ) => Err(reply::unexpected(&other)),
    }
}

fn response(objects: &[AppliedObject], revision: Revision) -> v1::ApplyResponse {
    let applied = objects.iter().map(|object| v1::apply_response::Applied {
        kind: object.kind.to_string(),
        metadata: Some((&object.metadata).into()),
        outcome: match object.outcome {
            Outcome::Created => v1::apply_response::Outcome::Created,
            Outcome::Changed => v1::apply_response::Outcome::Changed,
            Outcome::Unchanged => v1::apply_response::Outcome::Unchanged,
        }
        .into(),
    });
    v1::ApplyResponse { applied: applied.collect(), revision: Some(revision.into()) }
}
