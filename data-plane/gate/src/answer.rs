//! What the control plane says of an approval.

use hoop_audit::HoldStage;
use hoop_model::{ApprovalId, Code};

/// The control plane's answer to a request about an approval, or what it pushes of its own. Used up by what it moves.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an answer moves a hold on"]
pub enum HoldAnswer {
    /// There is an approval, and this is where it stands.
    Stands {
        /// The approval.
        approval: ApprovalId,
        /// Where it stands.
        state: HoldState,
        /// Whether it is claimed by this process; false in what is pushed.
        claimed_by_caller: bool,
    },
    /// The policy moved on since the command was judged.
    Stale,
    /// The control plane keeps no approval for the command.
    Unfit(Unfit),
}

/// Where an approval stands, as far as a node needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// Votes are missing.
    Pending,
    /// People released the command; nobody has used that.
    Approved,
    /// A person said no.
    Denied,
    /// Its time is over.
    Expired,
    /// It cannot be used any more.
    Voided,
    /// Some process may send the command, once.
    Claimed,
    /// It was used.
    Done,
    /// It was used, and nobody can know whether the command ran.
    Unknown,
}

/// Why the control plane keeps no approval for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// The approval that the caller names is not one for this command in this run.
    Mismatch,
    /// Too many commands wait already.
    TooManyPending,
    /// What an approver would have to read is too large.
    TooLargeToReview,
}

impl HoldState {
    /// Returns how a hold ends at this node because of it, and what the caller is told; `None` while it waits.
    pub(crate) const fn ending(self) -> Option<(HoldStage, Code, &'static str)> {
        match self {
            Self::Pending | Self::Approved => None,
            Self::Denied => Some((HoldStage::Denied, Code::ApprovalDenied, "a person refused to release the command")),
            Self::Expired => Some((HoldStage::Expired, Code::ApprovalExpired, "nobody released the command in time")),
            Self::Voided => {
                Some((HoldStage::Voided, Code::ApprovalVoided, "the approval cannot be used any more; ask for another"))
            }
            Self::Claimed | Self::Done | Self::Unknown => {
                Some((HoldStage::Spent, Code::ApprovalSpent, "the approval has been used; it releases one execution"))
            }
        }
    }
}

impl Unfit {
    pub(crate) const fn refusal(self) -> (Code, &'static str) {
        match self {
            Self::Mismatch => (Code::ApprovalMismatch, "the approval named is not one for this command in this run"),
            Self::TooManyPending => (Code::TooManyPending, "too many commands wait for people already"),
            Self::TooLargeToReview => (Code::TooLargeToReview, TOO_LARGE_TO_REVIEW),
        }
    }
}

pub(crate) const TOO_LARGE_TO_REVIEW: &str = "the command needs approval and is larger than what a person could review";
