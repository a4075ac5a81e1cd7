//! What would change a verdict: only what was tried, or what a statement itself says.

use super::{Asked, Trial};
use hoop_model::{Intent, Verdict};
use hoop_policy::{Ending, Explained, Mode, Role, Subject};
use std::collections::BTreeSet;

/// Returns what would change what comes of the command.
pub(super) fn of(
    trial: &Trial,
    subject: &Subject,
    asked: &Asked,
    intent: &Intent,
    statements: &[(String, Vec<Explained>)],
) -> Vec<String> {
    let (connects, verdict) = trial.judge(subject, asked, intent);
    let mut changes = Vec::new();
    for (action, explained) in statements {
        let is_refused = if action == "connect" { !connects } else { !matches!(verdict, Verdict::Allow) };
        if is_refused {
            changes.extend(explained.iter().filter_map(|explained| of_statement(action, explained)));
        }
    }
    if connects && matches!(verdict, Verdict::Allow) {
        return changes;
    }
    let others: BTreeSet<_> = trial.groups().filter(|group| !subject.groups.contains(group)).collect();
    for group in others {
        let mut in_group = subject.clone();
        in_group.groups.push(group.clone());
        let (would_connect, would) = trial.judge(&in_group, asked, intent);
        if (would_connect, &would) == (connects, &verdict) || !would_connect {
            continue;
        }
        match would {
            Verdict::Allow => changes.push(format!("in group `{group}` it would be allowed")),
            Verdict::Hold(_) if matches!(verdict, Verdict::Refuse(_)) || !connects => {
                changes.push(format!("in group `{group}` it would be held for people"));
            }
            Verdict::Hold(_) | Verdict::Refuse(_) => {}
        }
    }
    changes
}

fn of_statement(action: &str, explained: &Explained) -> Option<String> {
    let statement = &explained.policy.statement;
    if explained.mode == Mode::Shadow {
        return None;
    }
    let message = explained.policy.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    match (&explained.role, &explained.ending) {
        (Role::Permit, Ending::Unsatisfied) => {
            Some(format!("`{statement}` permits `{action}` under a condition that does not hold here"))
        }
        (Role::Forbid, Ending::Satisfied) => Some(format!("`{statement}` forbids it{message}")),
        (Role::Hold(required), Ending::Satisfied) => {
            Some(format!("`{statement}` holds it for {} of team `{}`{message}", required.quorum, required.team))
        }
        (_, Ending::Failed(cause)) => Some(format!("`{statement}` cannot be evaluated: {cause}")),
        (Role::Permit, Ending::Satisfied) | (Role::Forbid | Role::Hold(_), Ending::Unsatisfied) => None,
    }
}
