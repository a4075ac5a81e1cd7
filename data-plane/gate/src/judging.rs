//! From a judgement to what the gate does with it.

use hoop_model::{Code, Judgement, Refusal, Requirement, Revision, Verdict};
use std::sync::Arc;

/// Refuses where no statement was asked.
pub(crate) fn refused(revision: Revision, code: Code, message: &str) -> Judgement {
    let none: Arc<[_]> = Arc::new([]);
    let verdict = Verdict::Refuse(Box::new(Refusal::because(code, message)));
    Judgement { verdict, reasons: Arc::clone(&none), shadow: none, revision }
}

/// Refuses because the token, and the grace after it, ran out.
pub(crate) fn expired(revision: Revision) -> Judgement {
    refused(revision, Code::TokenExpired, "the token has expired; come back with a new one")
}

/// Lets pass only what some statement answers for: an allow without a reason, or a hold without a requirement, is an
/// error of ours and refuses.
pub(crate) fn accountable(mut judgement: Judgement) -> Judgement {
    let blank = match &judgement.verdict {
        Verdict::Allow => judgement.reasons.is_empty(),
        Verdict::Hold(requirements) => requirements.is_empty(),
        Verdict::Refuse(_) => false,
    };
    if blank {
        let refusal = Refusal::because(Code::PolicyError, "the verdict names no policy that made it");
        judgement.verdict = Verdict::Refuse(Box::new(refusal));
    }
    judgement
}

/// Judges a `connect`, which is open or shut: nobody can be asked to hold a door.
pub(crate) fn connect(judgement: Judgement) -> Judgement {
    let mut judgement = accountable(judgement);
    if matches!(judgement.verdict, Verdict::Hold(_)) {
        let refusal = Refusal::because(Code::ConnectNotPermitted, "a connection cannot be opened on approval");
        judgement.verdict = Verdict::Refuse(Box::new(refusal));
    }
    judgement
}

/// Returns what stands against forwarding; `None` only for an allow.
pub(crate) fn objection(verdict: &Verdict) -> Option<Box<Refusal>> {
    match verdict {
        Verdict::Allow => None,
        Verdict::Refuse(refusal) => Some(refusal.clone()),
        Verdict::Hold(requirements) => Some(approval_required(requirements)),
    }
}

/// Refuses until people have released the command.
pub(crate) fn approval_required(requirements: &[Requirement]) -> Box<Refusal> {
    let wanted: Vec<_> = requirements
        .iter()
        .map(|r| format!("{} of team `{}`", if r.quorum == 1 { "one".into() } else { r.quorum.to_string() }, r.team))
        .collect();
    let missing = format!("approval by {}", wanted.join(" and "));
    let why = requirements.iter().find_map(|r| r.policy.message.as_deref());
    let message = why.map_or_else(|| format!("needs {missing}"), |why| format!("needs {missing}: {why}"));
    let mut refusal = Refusal::because(Code::ApprovalRequired, message);
    refusal.policy = requirements.first().map(|r| r.policy.statement.clone());
    refusal.missing = Some(missing.into());
    Box::new(refusal)
}
