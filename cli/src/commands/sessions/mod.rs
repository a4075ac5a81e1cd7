//! `hoopctl sessions`: what was done, by whom, and what became of it.

mod follow;
mod json;
mod line;
mod list;
#[cfg(test)]
pub(crate) mod samples;
mod summary;

use super::Outcome;
use crate::client;

/// Reads recorded sessions.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Sessions {
    List(list::List),
    Show(follow::Show),
    Tail(follow::Tail),
}

impl Sessions {
    pub(crate) async fn run(&self, sessions: client::Sessions) -> anyhow::Result<Outcome> {
        match self {
            Self::List(list) => list.run(sessions).await,
            Self::Show(show) => show.run(sessions).await,
            Self::Tail(tail) => tail.run(sessions).await,
        }
    }
}
