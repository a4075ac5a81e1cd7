//! Opening: a command is held, or a resend takes up what waits.

use super::answer::{answer, outcome};
use super::barred::barred;
use super::{is_placed, malformed, requirements, revision, scope};
use crate::approvals::key;
use crate::cluster::Cluster;
use hoop_model::{ApprovalId, Effect, Holder, SessionId, Spec, Uid};
use hoop_state::{ApprovalChange, Change, IdempotencyKey, OpenApproval, Reply, State};
use hoop_wire::v1;
use hoop_wire::v1::hold_response::Outcome;
use std::sync::Arc;
use tonic::Status;

/// Longest run, or value that names who triggered it, in bytes: longer ones are no names.
const MAX_NAME_BYTES: usize = 1024;

/// Opens an approval, or takes one up. The same key is the same hold.
pub(super) async fn open(
    cluster: &Cluster,
    holder: Holder,
    request: v1::OpenHoldRequest,
) -> Result<v1::HoldResponse, Status> {
    let key = key(&request.idempotency_key)?;
    let traceparent = request.traceparent.clone();
    let mut span = cluster.traced().called(&traceparent, "open approval");
    let id = ApprovalId::mint(u128::from_be_bytes(hoop_node::random()));
    let review = request.review.as_ref().ok_or_else(|| Status::invalid_argument("`review` is missing"))?;
    let Some(review_sealed) = cluster.reviews().seal(id, review) else {
        return Ok(outcome(Outcome::TooLargeToReview));
    };
    let triggered_by = request.triggered_by.clone();
    let mut open = OpenApproval { review_sealed, ..read(id, holder.clone(), request)? };
    let state = cluster.fresh().await?;
    match owner(&open, &state) {
        Ok(owner) => open.barred = barred(&state, &[&triggered_by, owner]),
        // What was answered before is answered again, whatever has changed since; it is not judged again.
        Err(_) if is_remembered(&state, &holder, key) => {}
        Err(Unfit::Stale) => return Ok(outcome(Outcome::Stale)),
        Err(Unfit::Wrong(problem)) => return Err(Status::invalid_argument(problem)),
    }
    let selected = open.selected;
    let change = Change::Approval(ApprovalChange::Open(open));
    let reply = cluster.propose(change, Some(key), &scope(&holder.node)).await?;
    let opened = if let Reply::Approval(approval) = &reply { Some(approval.id) } else { None };
    let response = answer(&cluster.state(), &holder, reply, selected)?.response;
    if let Some(id) = opened {
        tracing::info!(node = %holder.node, approval = %id, "a command is held");
        if let Some(span) = &mut span {
            span.note("hoop.approval", id.to_string());
            span.note("hoop.node", holder.node.to_string());
        }
        cluster.traced().remember(id, &traceparent);
        if let Some(kept) = cluster.fleet().kept(&holder) {
            kept.keep(id, response.state());
        }
    }
    Ok(response)
}

/// Why a hold does not fit the state.
enum Unfit {
    /// It was judged at another revision.
    Stale,
    /// It names what it may not.
    Wrong(&'static str),
}

/// Checks what a hold names against the state; returns the identity's owner.
fn owner<'a>(open: &OpenApproval, state: &'a State) -> Result<&'a str, Unfit> {
    if open.revision != state.revision() {
        return Err(Unfit::Stale);
    }
    if !is_placed(open.connection, state, &open.holder.node) {
        return Err(Unfit::Wrong("`connection_uid` is of no connection on this node"));
    }
    let are_there = open.requirements.iter().all(|requirement| {
        let policies = state.objects().filter(|object| object.metadata.uid == requirement.policy.uid);
        policies.into_iter().any(|object| {
            let Spec::Policy(policy) = &object.spec else { return false };
            hoop_policy::content_hash(&policy.cedar) == requirement.policy.hash
        })
    });
    if !are_there {
        return Err(Unfit::Wrong("`requirements` has one of no policy"));
    }
    let found = state.objects().filter(|object| object.metadata.uid == open.identity).find_map(|object| {
        let Spec::Identity(identity) = &object.spec else { return None };
        Some(identity.owner.as_str())
    });
    found.ok_or(Unfit::Wrong("`identity_uid` is of no identity"))
}

fn read(id: ApprovalId, holder: Holder, request: v1::OpenHoldRequest) -> Result<OpenApproval, Status> {
    let invalid = |problem: &str| Status::invalid_argument(problem);
    let effects = request.effects.into_iter().map(Effect::try_from).collect::<Result<Arc<[_]>, _>>();
    let effects = effects.map_err(|error| malformed(&error))?;
    if effects.is_empty() {
        return Err(invalid("`effects` is empty"));
    }
    if request.run.is_empty() || request.run.len() > MAX_NAME_BYTES || request.triggered_by.len() > MAX_NAME_BYTES {
        return Err(invalid("`run` must be 1 to 1024 bytes, and `triggered_by` at most 1024"));
    }
    let selected = match request.selected.as_slice() {
        [] => None,
        id => Some(ApprovalId::from_slice(id).map_err(|_| invalid("`selected` must be 16 bytes, or empty"))?),
    };
    let uid = |bytes: &[u8]| Uid::from_slice(bytes).map_err(|_| invalid("a uid must be 16 bytes"));
    Ok(OpenApproval {
        id,
        digest: hoop_wire::command_digest(&request.digest).map_err(|error| malformed(&error))?,
        identity: uid(&request.identity_uid)?,
        connection: uid(&request.connection_uid)?,
        run: request.run.into(),
        session: SessionId::from_slice(&request.session).map_err(|_| invalid("`session` must be 16 bytes"))?,
        effects,
        requirements: requirements(request.requirements)?,
        revision: revision(request.revision)?,
        selected,
        holder,
        barred: Vec::new(),
        review_sealed: Vec::new(),
    })
}

fn is_remembered(state: &State, holder: &Holder, key: IdempotencyKey) -> bool {
    let scope = scope(&holder.node);
    state.remembered().any(|(caller, known, _)| caller == scope && known == key)
}
