//! `hoopctl` administers Hoopgate, and runs both planes in one process for development.
//!
//! Here live the command line, the YAML an administrator writes, and `hoopctl dev`. Nothing here decides anything: rules are
//! checked by the same crates the planes use, and every change is the control plane's.
//!
//! ```text
//!   manifest   YAML → documents, errors by line and column
//!   client     one pinned, signed-in channel
//!   trial/     what the rules would say of a command
//!   shown/     text from elsewhere, times, amounts and YAML, as they are printed
//!   commands/  one file per command
//!   dev/       both planes, a demo issuer, a demo backend and a demo job
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks through its standard streams")]

mod client;
mod commands;
mod dev;
mod manifest;
mod shown;
mod trial;

use clap::{CommandFactory, Parser, Subcommand};
use commands::Outcome;
use std::process::ExitCode;

/// What the process exits with; [`Outcome`] and clap keep to it.
const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 timed out.";

/// Administers Hoopgate, the gateway for non-human identities.
#[derive(Debug, Parser)]
#[command(name = "hoopctl", version, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    access: client::Access,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Login(commands::login::Login),
    Whoami(commands::login::WhoAmI),
    Logout(commands::login::Logout),
    Apply(commands::apply::Apply),
    Delete(commands::delete::Delete),
    Describe(commands::describe::Describe),
    Diff(commands::diff::Diff),
    Explain(commands::explain::Explain),
    Get(commands::get::Get),
    Revoke(commands::revoke::Revoke),
    #[command(subcommand)]
    Cluster(commands::cluster::Cluster),
    #[command(subcommand)]
    Fleet(commands::fleet::Fleet),
    #[command(subcommand)]
    Policy(commands::policy::Policy),
    #[command(subcommand)]
    Secret(commands::secret::Secret),
    #[command(subcommand)]
    Sessions(commands::sessions::Sessions),
    #[command(subcommand)]
    Approvals(commands::approvals::Approvals),
    #[command(subcommand)]
    Audit(commands::audit::Audit),
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
            commands::complain(&format!("error: cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(outcome) => ExitCode::from(outcome.code()),
        // Whoever read the output has gone: there is nobody to tell.
        Err(error) if reader_left(&error) => ExitCode::FAILURE,
        Err(error) => {
            commands::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn reader_left(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

async fn run(cli: Cli) -> anyhow::Result<Outcome> {
    match cli.command {
        Command::Login(login) => login.run(&cli.access).await,
        Command::Whoami(whoami) => whoami.run(&cli.access).await,
        Command::Logout(logout) => logout.run(&cli.access).await,
        Command::Apply(apply) => apply.run(cli.access.connect().await?).await,
        Command::Delete(delete) => delete.run(cli.access.connect().await?).await,
        Command::Diff(diff) => diff.run(cli.access.connect().await?).await,
        Command::Explain(explain) => explain.run(&cli.access).await,
        Command::Get(get) => get.run(cli.access.connect().await?).await,
        Command::Revoke(revoke) => revoke.run(cli.access.connect().await?).await,
        Command::Cluster(cluster) => cluster.run(cli.access.connect().await?).await,
        Command::Fleet(fleet) => fleet.run(cli.access.connect().await?).await,
        Command::Policy(policy) => policy.run(&cli.access).await,
        Command::Secret(secret) => secret.run(cli.access.connect().await?).await,
        Command::Sessions(sessions) => sessions.run(&cli.access).await,
        Command::Describe(describe) => describe.run(cli.access.connect().await?).await,
        Command::Approvals(approvals) => approvals.run(&cli.access).await,
        Command::Audit(audit) => audit.run(&cli.access).await,
        Command::Dev(dev) => dev.run().await,
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "hoopctl", &mut script);
            commands::print_line(String::from_utf8_lossy(&script).trim_end())?;
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

    #[test]
    fn completion_knows_every_command() {
        let mut script = Vec::new();
        clap_complete::generate(clap_complete::Shell::Bash, &mut Cli::command(), "hoopctl", &mut script);
        let script = String::from_utf8(script).unwrap();
        for command in Cli::command().get_subcommands() {
            for below in command.get_subcommands() {
                let case = format!("hoopctl__subcmd__{},{})", command.get_name(), below.get_name());
                assert!(script.contains(&case), "{case}");
            }
        }
        for word in ["--accept-gaps", "--checkpoint", "--refused"] {
            assert!(script.contains(word), "{word}");
        }
    }

    #[test]
    fn exit_codes_are_what_the_help_says() {
        let codes = [Outcome::Done, Outcome::Failed, Outcome::Refused, Outcome::TimedOut].map(Outcome::code);
        assert_eq!(codes, [0, 1, 3, 4]);
        let gone = anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert!(reader_left(&gone) && !reader_left(&anyhow::anyhow!("other")));
    }
}
