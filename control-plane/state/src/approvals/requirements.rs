//! What a judgement asks for, and what becomes of the votes when the next one asks for something else.

use crate::Rejection;
use hoop_model::{Approval, Required, Requirement, Revision};

/// Most requirements of one command.
pub const MAX_REQUIREMENTS: usize = 64;

/// Checks that each of them is there once and can be fulfilled, by somebody and in time.
pub(super) fn check_requirements(requirements: &[Requirement]) -> Result<(), Rejection> {
    let can_be = |requirement: &Requirement| requirement.quorum > 0 && requirement.expires.as_millis() > 0;
    let is_once = |at: usize, one: &Requirement| !requirements.iter().take(at).any(|other| is_same(one, other));
    let are_fine = requirements.iter().enumerate().all(|(at, one)| can_be(one) && is_once(at, one));
    if requirements.len() <= MAX_REQUIREMENTS && are_fine { Ok(()) } else { Err(Rejection::Requirements) }
}

pub(super) const fn unvoted(requirement: Requirement) -> Required {
    Required { requirement, votes: Vec::new() }
}

/// Takes over what the command needs by now. Votes stay with the requirements that stay the same, and the time only gets
/// shorter.
pub(super) fn take_over(approval: &mut Approval, requirements: Vec<Requirement>, revision: Revision) {
    let shortest = requirements.iter().map(|requirement| requirement.expires).min().unwrap_or_default();
    approval.expires = approval.expires.min(approval.opened.after(shortest));
    let mut before = std::mem::take(&mut approval.requirements);
    let kept = |requirement: Requirement| {
        let known = before.iter_mut().find(|known| is_same(&known.requirement, &requirement));
        let votes = known.map_or_else(Vec::new, |known| std::mem::take(&mut known.votes));
        Required { requirement, votes }
    };
    approval.requirements = requirements.into_iter().map(kept).collect();
    approval.revision = revision;
}

/// Whether two judgements ask for the same. How long it may wait, and in which words, is no part of what is asked.
fn is_same(a: &Requirement, b: &Requirement) -> bool {
    let policy = a.policy.uid == b.policy.uid && a.policy.hash == b.policy.hash;
    policy && a.policy.statement == b.policy.statement && a.team == b.team && a.quorum == b.quorum
}
