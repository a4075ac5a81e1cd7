//! `hoopctl sessions explain`: why a command was decided as it was, by what was recorded of it. Nothing is judged again.

use super::follow::{Seen, next};
use super::line;
use crate::client::{Access, said};
use crate::commands::{Outcome, print_line};
use crate::shown::escape;
use anyhow::{Context, ensure};
use hoop_audit::{CommandId, Entry, Judged};
use hoop_model::{Object, PolicyRef, SessionId, Spec, Uid};
use hoop_wire::v1;
use std::collections::BTreeMap;

/// Says why one command was decided as it was, and what became since of the policies that decided it.
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The session, as `sessions list` names it.
    id: SessionId,
    /// The command's number, as `sessions show` prints it after `#`.
    #[arg(value_parser = command)]
    command: CommandId,
}

fn command(text: &str) -> anyhow::Result<CommandId> {
    CommandId::from_number(text.trim_start_matches('#').parse()?).context("commands are numbered from 1")
}

impl Explain {
    pub(crate) async fn run(&self, access: &Access) -> anyhow::Result<Outcome> {
        let request = v1::ShowSessionRequest { id: self.id.to_bytes().to_vec() };
        let mut records = access.sessions().await?.show(request).await.map_err(said)?.into_inner();
        let mut own = Vec::new();
        while let Some(seen) = next(&mut records, Some(self.id)).await? {
            if seen.record.entry.command() == Some(self.command) {
                own.push(seen);
            }
        }
        ensure!(!own.is_empty(), "session {} has no record of a command #{}", self.id, self.command);
        let listed = access.connect().await?.list(v1::ListRequest { kind: "Policy".to_owned() }).await.map_err(said)?;
        let objects = listed.into_inner().objects.into_iter().map(Object::try_from).collect::<Result<Vec<_>, _>>()?;
        let policies = objects.iter().map(|object| (object.metadata.uid, object)).collect();
        for seen in &own {
            print_line(&line::record(seen))?;
            for line in standing(seen, &policies) {
                print_line(&line)?;
            }
        }
        Ok(Outcome::Done)
    }
}

/// Says of each statement that decided whether it still stands as it was.
fn standing(seen: &Seen, policies: &BTreeMap<Uid, &Object>) -> Vec<String> {
    let judged: &Judged = match &seen.record.entry {
        Entry::Verdict(verdict) => &verdict.judged,
        Entry::Approval(step) => &step.judged,
        Entry::Opened(_) | Entry::NotOpened(_) | Entry::Forwarded(_) | Entry::Response(_) | Entry::Closed(_) => {
            return Vec::new();
        }
    };
    let decided = judged.reasons.iter().map(|reason| ("decided by", reason));
    let shadow = judged.shadow.iter().map(|reason| ("in shadow", reason));
    let lines = decided
        .chain(shadow)
        .map(|(how, reason)| format!("    {how} {}: {}", escape(&reason.statement), since(reason, policies)));
    lines.collect()
}

fn since(reason: &PolicyRef, policies: &BTreeMap<Uid, &Object>) -> &'static str {
    match policies.get(&reason.uid).map(|object| &object.spec) {
        Some(Spec::Policy(policy)) if hoop_policy::content_hash(&policy.cedar) == reason.hash => "as it is now",
        Some(_) => "the policy has changed since",
        None => "the policy is gone",
    }
}
