//! Held commands: what their nodes say of them, and what people do.
//!
//! ```text
//!   holds   Open, Leave, Rejudged, Claim, Finish   a node, of its own process ─▶ propose ─▶ where it stands
//!   kept    an approval moved ─▶ the process that keeps its command
//!   fence   a process is gone ─▶ propose Fence
//!   review  what an approver reads: sealed, opened
//!   voting  List, Show, Vote, Resolve, Watch       a person, of their teams' approvals
//!   rules   the policies by which votes are judged, once for each revision
//! ```

mod fence;
mod holds;
mod kept;
mod review;
mod rules;
mod voting;

pub(crate) use fence::fence;
pub(crate) use holds::{Holds, MAX_HOLD_BYTES};
pub(crate) use kept::Kept;
pub(crate) use review::Reviews;
pub(crate) use rules::ApprovalRules;
pub(crate) use voting::{Approvals, MAX_VOTE_BYTES};

use hoop_model::ApprovalId;
use hoop_state::IdempotencyKey;
use tonic::Status;

fn approval_id(bytes: &[u8]) -> Result<ApprovalId, Status> {
    ApprovalId::from_slice(bytes).map_err(|_| Status::invalid_argument("`id` must be 16 bytes"))
}

fn key(bytes: &[u8]) -> Result<IdempotencyKey, Status> {
    IdempotencyKey::from_slice(bytes).map_err(|_| Status::invalid_argument("`idempotency_key` must be 16 bytes"))
}
