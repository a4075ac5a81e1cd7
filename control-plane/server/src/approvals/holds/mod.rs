//! The Holds service: what nodes ask of the commands they hold.
//!
//! INVARIANT: a node speaks as the process that its stream is of (`holder`), and only of approvals that the process has to
//! do with or whose connection is placed on the node (`concern`).

mod answer;
mod barred;
mod look;
mod open;

use super::approval_id;
use crate::authorise::attached_node;
use crate::cluster::Cluster;
use answer::{answer, outcome};
use hoop_model::spec::Connection;
use hoop_model::{Approval, ApprovalId, ApprovalState, Holder, Incarnation, Requirement, ResourceName, Revision};
use hoop_state::{ApprovalChange, Change, ClaimApproval, RejudgeApproval, State};
use hoop_wire::v1::hold_response::Outcome;
use hoop_wire::{Malformed, v1};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Largest message of a node about a held command, in bytes: a review of 64 KiB, effects, and requirements with the words
/// of their policies.
pub(crate) const MAX_HOLD_BYTES: usize = 1 << 20;

/// The Holds service.
pub(crate) struct Holds {
    cluster: Arc<Cluster>,
}

type Answer = Result<Response<v1::HoldResponse>, Status>;

impl Holds {
    /// Serves this cluster.
    pub(crate) const fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster }
    }

    /// Reads who asks: a process of the certificate's node, and the one whose stream the node has.
    fn holder(&self, node: &ResourceName, incarnation: &[u8]) -> Result<Holder, Status> {
        let incarnation = Incarnation::from_slice(incarnation)
            .map_err(|_| Status::invalid_argument("`incarnation` must be 16 bytes"))?;
        match self.cluster.fleet().process(node) {
            Some(attached) if attached == incarnation => Ok(Holder { node: node.clone(), incarnation }),
            Some(_) => Err(Status::permission_denied("another process speaks for this node")),
            None => Err(Status::aborted("the process is not attached; attach and try again")),
        }
    }

    /// Proposes what a process says of an approval that it has to do with.
    async fn propose(&self, holder: &Holder, id: ApprovalId, change: ApprovalChange) -> Result<Told, Status> {
        let state = self.cluster.fresh().await?;
        if !state.approval(id).is_some_and(|approval| self.concerns(approval, &state, holder)) {
            tracing::warn!(node = %holder.node, approval = %id, "a node spoke of an approval that is not its own");
            return Ok(Told::nothing(outcome(Outcome::Mismatch)));
        }
        let reply = self.cluster.propose(Change::Approval(change), None, &scope(&holder.node)).await?;
        answer(&self.cluster.state(), holder, reply, Some(id))
    }

    fn concerns(&self, approval: &Approval, state: &State, holder: &Holder) -> bool {
        let claimed = match &approval.state {
            ApprovalState::Claimed(claim) | ApprovalState::Unknown(claim) => claim.holder == *holder,
            ApprovalState::Pending
            | ApprovalState::Approved
            | ApprovalState::Denied
            | ApprovalState::Expired
            | ApprovalState::Voided
            | ApprovalState::Done(_) => false,
        };
        claimed
            || approval.holder.as_ref() == Some(holder)
            || self.cluster.fleet().kept(holder).is_some_and(|kept| kept.has(approval.id))
            || is_placed(approval.connection, state, &holder.node)
    }
}

/// What a node is answered, and whether the process may send the command.
struct Told {
    response: v1::HoldResponse,
    may_send: bool,
}

impl Told {
    const fn nothing(response: v1::HoldResponse) -> Self {
        Self { response, may_send: false }
    }
}

#[tonic::async_trait]
impl v1::holds_server::Holds for Holds {
    async fn open(&self, request: Request<v1::OpenHoldRequest>) -> Answer {
        let node = attached_node(&request)?;
        let holder = self.holder(&node, &request.get_ref().incarnation)?;
        open::open(&self.cluster, holder, request.into_inner()).await.map(Response::new)
    }

    async fn leave(&self, request: Request<v1::LeaveHoldRequest>) -> Answer {
        let node = attached_node(&request)?;
        let v1::LeaveHoldRequest { incarnation, id } = request.into_inner();
        let (holder, id) = (self.holder(&node, &incarnation)?, approval_id(&id)?);
        let change = ApprovalChange::Leave { id, holder: holder.clone() };
        Ok(Response::new(self.propose(&holder, id, change).await?.response))
    }

    async fn rejudged(&self, request: Request<v1::RejudgedRequest>) -> Answer {
        let node = attached_node(&request)?;
        let v1::RejudgedRequest { incarnation, id, revision: at, requirements: asked } = request.into_inner();
        let (holder, id) = (self.holder(&node, &incarnation)?, approval_id(&id)?);
        let (revision, requirements) = (revision(at)?, requirements(asked)?);
        let change = RejudgeApproval { id, holder: holder.clone(), revision, requirements };
        Ok(Response::new(self.propose(&holder, id, ApprovalChange::Rejudge(change)).await?.response))
    }

    async fn claim(&self, request: Request<v1::ClaimRequest>) -> Answer {
        let node = attached_node(&request)?;
        let v1::ClaimRequest { incarnation, id, revision: at, requirements: asked } = request.into_inner();
        let (holder, id) = (self.holder(&node, &incarnation)?, approval_id(&id)?);
        let (revision, requirements) = (revision(at)?, requirements(asked)?);
        let mut span = self.cluster.traced().about(id, "claim approval");
        let change = ClaimApproval { id, holder: holder.clone(), revision, requirements };
        let Told { response, may_send } = self.propose(&holder, id, ApprovalChange::Claim(change)).await?;
        if may_send {
            tracing::info!(node = %node, approval = %id, %revision, "approval claimed");
            if let Some(span) = &mut span {
                span.note("hoop.node", node.to_string());
            }
        }
        Ok(Response::new(v1::HoldResponse { claimed_by_caller: may_send, ..response }))
    }

    async fn finish(&self, request: Request<v1::FinishRequest>) -> Answer {
        let node = attached_node(&request)?;
        let message = request.into_inner();
        let (holder, id) = (self.holder(&node, &message.incarnation)?, approval_id(&message.id)?);
        let ending = message.ending().try_into().map_err(|error| malformed(&error))?;
        let change = ApprovalChange::Finish { id, holder: holder.clone(), ending };
        let Told { response, .. } = self.propose(&holder, id, change).await?;
        if response.outcome() == Outcome::Ok {
            tracing::info!(node = %node, approval = %id, ?ending, "a node said what became of a command");
        }
        Ok(Response::new(response))
    }

    async fn look(&self, request: Request<v1::LookRequest>) -> Result<Response<v1::LookResponse>, Status> {
        let node = attached_node(&request)?;
        let state = self.cluster.fresh().await?;
        look::look(&state, &node, request.get_ref()).map(Response::new)
    }
}

/// Returns the scope of a node's idempotency keys.
fn scope(node: &ResourceName) -> String {
    format!("node/{node}")
}

/// Returns whether a connection is there and the node may know it.
fn is_placed(connection: hoop_model::Uid, state: &State, node: &ResourceName) -> bool {
    let Some(node) = state.node(node) else { return false };
    state
        .objects()
        .filter(|object| object.metadata.uid == connection)
        .any(|object| object.spec.get::<Connection>().is_some_and(|connection| connection.is_placed_on(&node.labels)))
}

fn revision(written: Option<v1::Revision>) -> Result<Revision, Status> {
    written.map(Revision::from).ok_or_else(|| Status::invalid_argument("`revision` is missing"))
}

fn requirements(written: Vec<v1::Requirement>) -> Result<Vec<Requirement>, Status> {
    written.into_iter().map(|one| one.try_into().map_err(|error| malformed(&error))).collect()
}

fn malformed(malformed: &Malformed) -> Status {
    Status::invalid_argument(malformed.to_string())
}
