//! The replicated state machine: a pure function of proposals.
//!
//! Here live the whole replicated [`State`], the [`Change`]s that can be proposed to it and what comes of each
//! ([`Reply`], [`Notice`]). Every node applies the same proposals in the same order and must reach the same state, so
//! nothing here reads a clock, draws randomness or understands policy text: time and ids arrive inside the
//! [`Proposal`], chosen once by the proposer, who compiled and checked everything before. How proposals are stored and
//! agreed on is hoop-raft's business.
//!
//! ```text
//!   Proposal { time, key, caller, change }
//!        │ State::apply(log index, proposal)
//!        ├─ log time = max(log time, time)
//!        ├─ remembered   same caller, key and request ──▶ the same reply again
//!        ├─ objects      all or nothing ──▶ one revision
//!        ├─ secrets      ciphertext of a Secret ──▶ its next generation
//!        ├─ joining      a token, once  ──▶ one node
//!        ├─ evidence     what is new of chains ──▶ one entry of the log
//!        ├─ approvals    a held command, its votes, and one claim; what waits too long expires
//!        └─▶ (Reply, Vec<Notice>)
//! ```

mod administration;
mod anchor;
mod apply;
mod approvals;
mod change;
mod contents;
mod evidence;
mod fingerprint;
mod joining;
mod objects;
mod remembered;
mod reply;
mod secrets;
mod state;

pub use administration::{AdminSession, MAX_ADMIN_SESSION, MAX_ADMIN_SESSIONS, MAX_RECOVERY, OneTime};
pub use anchor::{Item, MAX_ANCHORED_ITEMS, Skip, Skipped};
pub use approvals::{
    ApprovalChange, CastVote, ClaimApproval, Electorate, KEPT_FOR, MAX_EFFECTS, MAX_KEPT, MAX_PENDING,
    MAX_PENDING_PER_IDENTITY, MAX_PENDING_PER_RUN, MAX_REQUIREMENTS, MAX_REVIEW_BYTES, MAX_RUN_BYTES,
    MEMBERSHIP_COUNTS_FOR, OpenApproval, RejudgeApproval,
};
pub use change::{
    AnchorEvidence, ApplyObjects, Bootstrap, Change, DeleteObject, IdempotencyKey, InvalidKey, LogStored,
    MintJoinToken, NewObject, OpenAdminSession, Precondition, Proposal, Reference, RemoveNode, Role, SetSecret,
    SpendJoinToken,
};
pub use contents::{Contents, Inconsistent};
pub use evidence::{Chain, EMPTY_TREE, EvidenceContents, EvidenceLog, MAX_CHAINS_PER_NODE, MAX_UNSTORED_PARTS};
pub use joining::{JoinToken, MAX_JOIN_TOKEN_LIFETIME, MAX_JOIN_TOKENS, Node, REMOVAL_KNOWN_FOR, Removed};
pub use objects::StoredObject;
pub use remembered::{MAX_KEYS, MAX_KEYS_PER_CALLER, NODES_REMEMBERED_FOR, REMEMBERED_FOR, Remembered};
pub use reply::{AppliedObject, Notice, Outcome, Rejection, Reply};
pub use secrets::{MAX_SEALED_BYTES, SealedValue};
pub use state::{CLUSTER_VERSION, State};

#[cfg(test)]
mod tests;
