//! The control plane's process: configuration in, signals in, an exit code out.

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use hoop_control_plane::{CA_FILE, Config, ControlPlane, Running};
use hoop_node::{files, telemetry};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

/// Hoopgate's control plane.
#[derive(Parser)]
#[command(version, subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// The configuration file (TOML).
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    /// Where the one-time token is written that opens the first administrator's session, when the first start creates the
    /// cluster; readable by its owner only.
    #[arg(long, value_name = "PATH")]
    admin_token_file: Option<PathBuf>,
    /// Which events are logged, for example `info,hoop_raft=debug`; in the place of the file's `log.filter`.
    #[arg(long, env = "RUST_LOG")]
    log: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Prints a one-time token that opens an administrator's session within ten minutes, for when nobody can sign in any
    /// more. Needs this node's data directory and seal key; the node may run meanwhile.
    Recover {
        /// The configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Command::Recover { config }) = &arguments.command {
        return recover(&Config::read(config)?);
    }
    let mut config = Config::read(&arguments.config.context("no --config")?)?;
    if let Some(filter) = arguments.log {
        config.log.filter = filter;
    }
    telemetry::init(&config.log)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token_file = arguments.admin_token_file.as_deref();
    check_token_file(token_file, &config.data_dir)?;
    let data_dir = config.data_dir.clone();
    let mut running = ControlPlane::start(config).await?;
    let kept = keep_token(&mut running, token_file, &data_dir).and_then(|()| publish(&running, &data_dir));
    if let Err(error) = kept {
        running.stop().await;
        return Err(error);
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop().await;
    Ok(())
}

fn recover(config: &Config) -> anyhow::Result<()> {
    let token = ControlPlane::recover(config)?;
    let mut out = io::stdout();
    writeln!(out, "{token}").context("cannot print the token")
}

/// Makes sure, before a cluster is created, that its administrator's token has somewhere to go: it exists only once.
fn check_token_file(token_file: Option<&Path>, data_dir: &Path) -> anyhow::Result<()> {
    let is_first_start = match std::fs::read_dir(data_dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", data_dir.display())),
    };
    match token_file {
        None if is_first_start => {
            bail!("the first start creates a cluster: say with --admin-token-file where its administrator's token goes")
        }
        Some(path) if is_first_start => {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !directory.is_dir() {
                bail!("--admin-token-file: there is no directory `{}`", directory.display());
            }
            Ok(())
        }
        None | Some(_) => Ok(()),
    }
}

fn keep_token(running: &mut Running, token_file: Option<&Path>, data_dir: &Path) -> anyhow::Result<()> {
    let Some(token) = running.bootstrap_token.take() else { return Ok(()) };
    let lost = || format!("the new cluster has no administrator: remove `{}` and start again", data_dir.display());
    let path = token_file.context("no --admin-token-file").with_context(lost)?;
    files::write_private(path, token.as_bytes()).with_context(lost)?;
    tracing::info!(path = %path.display(), "one-time token of the first administrator written");
    Ok(())
}

/// Writes the cluster CA, and the key that evidence verifies with, where whoever needs them can copy them from.
fn publish(running: &Running, data_dir: &Path) -> anyhow::Result<()> {
    let key = format!("{}\n", running.evidence_key);
    for (name, text) in [(CA_FILE, &running.ca_pem), ("evidence.vkey", &key)] {
        let path = data_dir.join(name);
        files::write_atomic(&path, text.as_bytes()).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}
