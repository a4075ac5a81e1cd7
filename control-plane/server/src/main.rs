//! The control plane's process: configuration in, signals in, an exit code out.

use anyhow::{Context, bail};
use clap::Parser;
use hoop_control_plane::{Config, ControlPlane, Running};
use hoop_node::{files, telemetry};
use std::io;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

/// Hoopgate's control plane.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where the administrator's token is written when the first start creates the cluster, readable by its owner only.
    #[arg(long, value_name = "PATH")]
    admin_token_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = Config::read(&arguments.config)?;
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
    tracing::info!(path = %path.display(), "administrator's token written");
    Ok(())
}

/// Writes the cluster CA, and the key that evidence verifies with, where whoever needs them can copy them from.
fn publish(running: &Running, data_dir: &Path) -> anyhow::Result<()> {
    let key = format!("{}\n", running.evidence_key);
    for (name, text) in [("ca.pem", &running.ca_pem), ("evidence.vkey", &key)] {
        let path = data_dir.join(name);
        files::write_atomic(&path, text.as_bytes()).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}
