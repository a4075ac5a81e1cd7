//! What callers are told: the only place where something that happened inside becomes text for the outside.

use crate::fresh::NotCurrent;
use hoop_raft::ProposeError;
use hoop_state::{Rejection, Reply};
use tonic::{Code, Status};

/// Most bytes of problems in one answer: it travels in HTTP/2 trailers, of which peers accept 16 KiB, percent-encoded.
const MAX_PROBLEM_BYTES: usize = 4096;

/// Answers that the state cannot be confirmed.
pub(crate) fn not_current(_: NotCurrent) -> Status {
    Status::unavailable("the control plane cannot reach a quorum; nothing was changed")
}

/// Answers that a change was not agreed on, or that nobody knows.
pub(crate) fn not_proposed(error: &ProposeError) -> Status {
    tracing::warn!(error = error as &dyn std::error::Error, "no agreement on a change");
    match error {
        ProposeError::NotProposed(_) => {
            Status::unavailable("the control plane cannot decide this now; nothing was changed")
        }
        ProposeError::Unstorable { .. } => Status::invalid_argument("the change is too large; nothing was changed"),
        ProposeError::OutcomeUnknown => Status::unknown("outcome unknown: retry with the same key"),
    }
}

/// Answers a rejection.
pub(crate) fn rejected(rejection: &Rejection) -> Status {
    let code = match rejection {
        Rejection::NotBorn
        | Rejection::AlreadyBorn
        | Rejection::JoinTokenExists
        | Rejection::LogShorter { .. }
        | Rejection::LogRootDiffers { .. }
        | Rejection::GenerationDiffers { .. }
        | Rejection::ValueTooLarge
        | Rejection::AdminSessionExists
        | Rejection::ApprovalExists => Code::Internal,
        Rejection::BaseMoved { .. } => Code::Aborted,
        Rejection::Exists(_) | Rejection::NodeNameTaken(_) => Code::AlreadyExists,
        Rejection::NotFound(_) | Rejection::NodeUnknown(_) | Rejection::ApprovalUnknown | Rejection::PersonUnknown => {
            Code::NotFound
        }
        Rejection::RevisionDiffers { .. }
        | Rejection::Dangling { .. }
        | Rejection::Referenced { .. }
        | Rejection::NotSealed(_)
        | Rejection::NodeHasRecords { .. }
        | Rejection::ApprovalOver(_)
        | Rejection::ApprovalAttended
        | Rejection::ApprovalUnclaimed => Code::FailedPrecondition,
        Rejection::GivenTwice(_)
        | Rejection::JoinTokenLifetime
        | Rejection::AdminSessionLifetime
        | Rejection::KeyReused
        | Rejection::Requirements
        | Rejection::ReviewTooLarge => Code::InvalidArgument,
        Rejection::TooManyJoinTokens
        | Rejection::TooManyAdminSessions
        | Rejection::TooManyKeys
        | Rejection::TooMuchEvidence
        | Rejection::TooMuchUnstored
        | Rejection::TooManyPending(_) => Code::ResourceExhausted,
        Rejection::JoinTokenUnknown
        | Rejection::OneTimeUnknown
        | Rejection::OneTimeSpent
        | Rejection::RecoveryExpired
        | Rejection::JoinTokenExpired
        | Rejection::JoinTokenRole
        | Rejection::JoinTokenNode
        | Rejection::PersonSuspended
        | Rejection::NotSignedIn
        | Rejection::MayNotVote => Code::PermissionDenied,
    };
    Status::new(code, rejection.to_string())
}

/// Answers a reply that does not fit the change.
pub(crate) fn unexpected(reply: &Reply) -> Status {
    match reply {
        Reply::Rejected(rejection) => rejected(rejection),
        Reply::Done { .. }
        | Reply::Applied { .. }
        | Reply::Joined { .. }
        | Reply::Anchored { .. }
        | Reply::Approval(_) => {
            tracing::error!(?reply, "a reply that does not fit its change");
            Status::internal("the control plane contradicted itself; its log says more")
        }
    }
}

/// Writes problems one per line, as many as fit, and says how many did not.
pub(crate) fn listed(problems: &[String]) -> String {
    let mut text = String::new();
    for (index, problem) in problems.iter().enumerate() {
        let fits = text.len().saturating_add(problem.len()) < MAX_PROBLEM_BYTES;
        if !fits && index > 0 {
            text.push_str(&format!("\nand {} more", problems.len() - index));
            return text;
        }
        if index > 0 {
            text.push('\n');
        }
        text.push_str(&shortened(problem, MAX_PROBLEM_BYTES));
    }
    text
}

/// Cuts a text of somebody else's down to a length, at a character.
pub(crate) fn shortened(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(max_bytes.saturating_sub(3));
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_problems_are_listed_up_to_a_bound_and_counted_beyond() {
        assert_eq!(listed(&["a".into(), "b".into()]), "a\nb");
        let many: Vec<String> = (0..100).map(|i| format!("{i}{}", "x".repeat(100))).collect();
        let text = listed(&many);
        assert!(text.len() < MAX_PROBLEM_BYTES + 20 && text.ends_with("more"), "{text}");
        let one = listed(&["é".repeat(5000)]);
        assert!(one.len() <= MAX_PROBLEM_BYTES && one.ends_with('…'));
    }
}
