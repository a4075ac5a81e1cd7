//! `hoopctl approvals`: commands that wait for people.
//!
//! Whoever votes signs in with a token of their own: `--token-file` (or `HOOP_TOKEN_FILE`) holds the OIDC token of a Person,
//! not the administrator's.

mod shown;

use super::{Format, LineFormat, Outcome, print_line};
use crate::client::{Access, Approvals as Client, said};
use anyhow::{Context, ensure};
use hoop_model::ApprovalId;
use hoop_wire::v1;

/// Shows and releases commands that wait for people.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Approvals {
    /// Lists what waits, and what nobody knows the end of.
    List(List),
    /// Shows one, with the command itself for those who may release it.
    Show(Show),
    /// Releases a command: it may run once.
    Approve(Approve),
    /// Refuses to release a command; one refusal is enough.
    Deny(Named),
    /// Prints every change, beginning with what waits.
    Watch(Watch),
    /// Says what became of a command whose node died between using the approval and saying so. For those who were asked to
    /// release it, whose command it was not, and for an administrator.
    Resolve(Resolve),
}

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Also those that are over.
    #[arg(long)]
    all: bool,
    /// Only those of this identity.
    #[arg(long, default_value = "")]
    identity: String,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The approval.
    id: ApprovalId,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

/// Arguments of `approve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Approve {
    /// The approval.
    id: ApprovalId,
    /// Let a later run of the same identity use it too.
    #[arg(long)]
    any_run: bool,
}

/// Arguments of a command that only needs to know which.
#[derive(Debug, clap::Args)]
pub(crate) struct Named {
    /// The approval.
    id: ApprovalId,
}

/// Arguments of `watch`.
#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    /// Only those of this identity.
    #[arg(long, default_value = "")]
    identity: String,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "text")]
    output: LineFormat,
}

/// Arguments of `resolve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Resolve {
    /// The approval.
    id: ApprovalId,
    /// What was found out.
    #[arg(value_enum)]
    ending: Ending,
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Ending {
    /// The backend never got it.
    NotSent,
    /// The backend did it.
    Answered,
    /// The backend got it, and it failed.
    FailedAfterSend,
}

impl Approvals {
    pub(crate) async fn run(&self, access: &Access) -> anyhow::Result<Outcome> {
        let client = access.approvals().await?;
        match self {
            Self::List(list) => list.run(client).await,
            Self::Show(show) => show.run(client).await,
            Self::Approve(approve) => vote(client, approve.id, v1::Choice::Approve, approve.any_run).await,
            Self::Deny(named) => vote(client, named.id, v1::Choice::Deny, false).await,
            Self::Watch(watch) => watch.run(client).await,
            Self::Resolve(resolve) => resolve.run(client).await,
        }
    }
}

impl List {
    async fn run(&self, mut client: Client) -> anyhow::Result<Outcome> {
        let request = v1::ListApprovalsRequest { all: self.all, identity: self.identity.clone() };
        let listed = client.list(request).await.map_err(said)?.into_inner().approvals;
        let values: Vec<_> = listed.iter().map(shown::json).collect();
        self.output.print(&values.into(), || shown::table(&listed))?;
        Ok(Outcome::Done)
    }
}

impl Show {
    async fn run(&self, mut client: Client) -> anyhow::Result<Outcome> {
        let request = v1::ShowApprovalRequest { id: self.id.to_bytes().to_vec() };
        let answer = client.show(request).await.map_err(said)?.into_inner();
        let summary = answer.summary.context("the control plane's answer has no approval")?;
        let value = shown::whole_json(&summary, answer.review.as_ref());
        self.output.print(&value, || shown::whole(&summary, answer.review.as_ref()))?;
        Ok(Outcome::Done)
    }
}

async fn vote(mut client: Client, id: ApprovalId, choice: v1::Choice, any_run: bool) -> anyhow::Result<Outcome> {
    let request = v1::VoteRequest {
        id: id.to_bytes().to_vec(),
        choice: choice.into(),
        any_run,
        idempotency_key: hoop_node::random::<16>().to_vec(),
    };
    let answer = client.vote(request).await.map_err(said)?.into_inner();
    let summary = answer.summary.context("the control plane's answer has no approval")?;
    print_line(&shown::line(&summary))?;
    Ok(Outcome::Done)
}

impl Watch {
    async fn run(&self, mut client: Client) -> anyhow::Result<Outcome> {
        let request = v1::WatchApprovalsRequest { identity: self.identity.clone() };
        let mut changes = client.watch(request).await.map_err(said)?.into_inner();
        loop {
            let change = tokio::select! {
                change = changes.message() => change.map_err(said)?,
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted.context("wait for Ctrl-C")?;
                    return Ok(Outcome::Done);
                }
            };
            let change = change.context("the control plane ended the stream")?;
            print_line(&match self.output {
                LineFormat::Text => shown::line(&change),
                LineFormat::Json => crate::shown::escape_json(&shown::json(&change).to_string()),
            })?;
        }
    }
}

impl Resolve {
    async fn run(&self, mut client: Client) -> anyhow::Result<Outcome> {
        let ending = match self.ending {
            Ending::NotSent => v1::Ending::NotSent,
            Ending::Answered => v1::Ending::Answered,
            Ending::FailedAfterSend => v1::Ending::FailedAfterSend,
        };
        let request = v1::ResolveApprovalRequest {
            id: self.id.to_bytes().to_vec(),
            ending: ending.into(),
            idempotency_key: hoop_node::random::<16>().to_vec(),
        };
        let answer = client.resolve(request).await.map_err(said)?.into_inner();
        let summary = answer.summary.context("the control plane's answer has no approval")?;
        ensure!(summary.id == self.id.to_bytes(), "the control plane answered about another approval");
        print_line(&shown::line(&summary))?;
        Ok(Outcome::Done)
    }
}
