//! A judgement as it is recorded.

use hoop_model::{Code, Judgement, PolicyRef, ResourceName, Revision, Verdict};
use std::sync::Arc;

/// A judgement as it is recorded: what was decided, by which statements, at which revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The revision it was judged at.
    pub revision: Revision,
    /// What was decided.
    pub outcome: Outcome,
    /// The statements that determined it, with the hashes of their texts.
    pub reasons: Arc<[PolicyRef]>,
    /// The statements in shadow mode that would have changed it.
    pub shadow: Arc<[PolicyRef]>,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It may run.
    Allow,
    /// It must not run, for this reason.
    Refuse(Code),
    /// It may run once all of these released it.
    Hold(Vec<Release>),
}

/// Who may release a held command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The team.
    pub team: ResourceName,
    /// How many of its members.
    pub quorum: u32,
}

impl Outcome {
    /// Returns the verdict's one word, the same as [`Verdict::word`].
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Refuse(_) => "refuse",
            Self::Hold(_) => "hold",
        }
    }

    /// Returns the code that the caller sees, if it did not get its way.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Allow => None,
            Self::Refuse(code) => Some(*code),
            Self::Hold(_) => Some(Code::ApprovalRequired),
        }
    }
}

impl From<&Judgement> for Judged {
    /// Keeps everything but the refusal's words; the statements that hold are reasons too.
    fn from(judgement: &Judgement) -> Self {
        let (outcome, reasons) = match &judgement.verdict {
            Verdict::Allow => (Outcome::Allow, Arc::clone(&judgement.reasons)),
            Verdict::Refuse(refusal) => (Outcome::Refuse(refusal.code), Arc::clone(&judgement.reasons)),
            Verdict::Hold(requirements) => {
                let releases = requirements.iter().map(|r| Release { team: r.team.clone(), quorum: r.quorum });
                let mut reasons = judgement.reasons.to_vec();
                for requirement in requirements {
                    if !reasons.contains(&requirement.policy) {
                        reasons.push(requirement.policy.clone());
                    }
                }
                (Outcome::Hold(releases.collect()), reasons.into())
            }
        };
        Self { revision: judgement.revision, outcome, reasons, shadow: Arc::clone(&judgement.shadow) }
    }
}
