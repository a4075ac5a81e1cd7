//! What a command gets, and why.

use crate::{ContentHash, Refusal, ResourceName, Revision, Uid};
use std::sync::Arc;
use std::time::Duration;

/// Names one policy statement that determined a verdict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyRef {
    /// The Policy object's name and the statement's `@id`, or its position: `agents-on-react/2`.
    pub statement: Box<str>,
    /// The Policy object.
    pub uid: Uid,
    /// Hash of the Policy object's text.
    pub hash: ContentHash,
    /// The statement's `@message`.
    pub message: Option<Box<str>>,
}

/// One thing that must be fulfilled before a held command may run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// The statement that holds.
    pub policy: PolicyRef,
    /// The team whose members may release it.
    pub team: ResourceName,
    /// How many different people must vote for it, at least 1.
    pub quorum: u32,
    /// How long the approval may wait.
    pub expires: Duration,
}

/// The outcome of judging a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The command may run.
    Allow,
    /// The command must not run.
    Refuse(Box<Refusal>),
    /// The command may run once all of these are fulfilled; never empty.
    Hold(Vec<Requirement>),
}

impl Verdict {
    /// Returns the verdict's one word in records, logs and metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Refuse(_) => "refuse",
            Self::Hold(_) => "hold",
        }
    }
}

/// A verdict with its provenance. Cheap to clone: cached verdicts are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The outcome.
    pub verdict: Verdict,
    /// The statements that determined it.
    pub reasons: Arc<[PolicyRef]>,
    /// The statements in shadow mode that would have changed it.
    pub shadow: Arc<[PolicyRef]>,
    /// The revision it was judged at.
    pub revision: Revision,
}
