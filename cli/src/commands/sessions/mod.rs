//! `hoopctl sessions`: what was done, by whom, and what became of it.

mod explain;
mod follow;
mod json;
mod line;
mod list;
#[cfg(test)]
pub(crate) mod samples;
mod summary;

use super::Outcome;
use crate::client::Access;

/// Reads recorded sessions.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Sessions {
    List(list::List),
    Show(follow::Show),
    Tail(follow::Tail),
    Explain(explain::Explain),
}

impl Sessions {
    pub(crate) async fn run(&self, access: &Access) -> anyhow::Result<Outcome> {
        match self {
            Self::List(list) => list.run(access.sessions().await?).await,
            Self::Show(show) => show.run(access.sessions().await?).await,
            Self::Tail(tail) => tail.run(access.sessions().await?).await,
            Self::Explain(explain) => explain.run(access).await,
        }
    }
}
