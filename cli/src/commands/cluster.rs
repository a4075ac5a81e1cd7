//! `hoopctl cluster`: the control plane itself.

use super::{Format, Outcome};
use crate::client::{Admin, said};
use anyhow::Context;
use hoop_wire::v1;
use serde_json::json;

/// Looks at the cluster, and lets nodes join it.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Cluster {
    /// Prints leader, term, log and revision.
    Status {
        /// How to print.
        #[arg(short, long = "output", value_enum, default_value = "table")]
        output: Format,
    },
    /// Mints a one-time token with which one node can join.
    JoinToken {
        /// The role the node gets.
        #[arg(long, value_parser = ["data-plane"])]
        role: String,
        /// A placement label, `KEY=VALUE`; the node cannot change it.
        #[arg(long = "label", value_parser = label)]
        labels: Vec<(String, String)>,
        /// Admits a node of that name again, whose certificate is lost or has run out; it keeps its labels.
        #[arg(long, conflicts_with = "labels")]
        again: Option<String>,
        /// How long the token may wait to be spent.
        #[arg(long, default_value = "1h", value_parser = hoop_model::parse_span)]
        lifetime: std::time::Duration,
        /// How to print.
        #[arg(short, long = "output", value_enum, default_value = "table")]
        output: Format,
    },
}

fn label(text: &str) -> anyhow::Result<(String, String)> {
    let (key, value) = text.split_once('=').context("a label is `KEY=VALUE`")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Cluster {
    pub(crate) async fn run(&self, admin: Admin) -> anyhow::Result<Outcome> {
        match self {
            Self::Status { output } => status(admin, *output).await,
            Self::JoinToken { role: _, labels, again, lifetime, output } => {
                let request = v1::CreateJoinTokenRequest {
                    role: v1::create_join_token_request::Role::DataPlane.into(),
                    labels: labels.iter().cloned().collect(),
                    lifetime_ms: u64::try_from(lifetime.as_millis())?,
                    again: again.clone().unwrap_or_default(),
                };
                join_token(admin, request, *output).await
            }
        }
    }
}

async fn status(mut admin: Admin, output: Format) -> anyhow::Result<Outcome> {
    let status = admin.cluster_status(v1::ClusterStatusRequest {}).await.map_err(said)?.into_inner();
    let revision = status.revision.unwrap_or_default();
    let facts = json!({
        "cluster_version": status.cluster_version,
        "revision": format!("{}.{}", revision.epoch, revision.index),
        "term": status.term,
        "leader": status.leader,
        "voters": status.voters,
        "last_log_index": status.last_log_index,
        "applied_index": status.applied_index,
        "log_time_ms": status.log_time_ms,
    });
    output.print(&facts, || lines(&facts))?;
    Ok(Outcome::Done)
}

async fn join_token(mut admin: Admin, request: v1::CreateJoinTokenRequest, output: Format) -> anyhow::Result<Outcome> {
    let reply = admin.create_join_token(request).await.map_err(said)?.into_inner();
    let facts = json!({"token": reply.token, "expires_ms": reply.expires_ms, "ca": reply.ca});
    output.print(&facts, || reply.token.clone())?;
    Ok(Outcome::Done)
}

/// One fact on each line.
fn lines(facts: &serde_json::Value) -> String {
    let members = facts.as_object().into_iter().flatten();
    members.map(|(name, value)| format!("{name:<16} {value}")).collect::<Vec<_>>().join("\n")
}
