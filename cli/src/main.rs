//! `hoopctl` administers Hoopgate, and runs both planes in one process for development.
//!
//! Here live the command line, the YAML an administrator writes, and `hoopctl dev`. Nothing here decides anything: rules are
//! checked by the same crates the planes use, and every change is the control plane's.
//!
//! ```text
//!   manifest   YAML → documents, errors by line and column
//!   client     one pinned, signed-in channel
//!   commands/  one file per command
//!   dev/       both planes, a demo issuer, a demo backend and a demo job
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks through its standard streams")]

mod client;
mod commands;
mod dev;
mod manifest;

use clap::{CommandFactory, Parser, Subcommand};
use commands::Outcome;
use std::process::ExitCode;

/// Administers Hoopgate, the gateway for non-human identities.
#[derive(Debug, Parser)]
#[command(name = "hoopctl", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    access: client::Access,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Apply(commands::apply::Apply),
    Delete(commands::delete::Delete),
    Get(commands::get::Get),
    #[command(subcommand)]
    Cluster(commands::cluster::Cluster),
    #[command(subcommand)]
    Fleet(commands::fleet::Fleet),
    #[command(subcommand)]
    Policy(commands::policy::Policy),
    Dev(dev::Dev),
    /// Prints a completion script.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    hoop_node::crypto::install();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<Outcome> {
    match cli.command {
        Command::Apply(apply) => apply.run(cli.access.connect().await?).await,
        Command::Delete(delete) => delete.run(cli.access.connect().await?).await,
        Command::Get(get) => get.run(cli.access.connect().await?).await,
        Command::Cluster(cluster) => cluster.run(cli.access.connect().await?).await,
        Command::Fleet(fleet) => fleet.run(cli.access.connect().await?).await,
        Command::Policy(policy) => policy.run(),
        Command::Dev(dev) => dev.run().await,
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "hoopctl", &mut std::io::stdout());
            Ok(Outcome::Done)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
