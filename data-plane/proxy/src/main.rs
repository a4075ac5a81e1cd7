//! `hoop-data-plane --config FILE`: one data-plane node, until SIGTERM.

use anyhow::Context;
use clap::Parser;
use hoop_data_plane::{DataPlane, RawConfig};
use hoop_node::{config, telemetry};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// Runs a Hoopgate data-plane node.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Which events are logged, for example `info,hoop_data_plane=debug`; in the place of the file's `log.filter`.
    #[arg(long, env = "RUST_LOG")]
    log: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let raw: RawConfig = config::load(&arguments.config)?;
    let mut log = raw.log.clone();
    if let Some(filter) = arguments.log {
        log.filter = filter;
    }
    telemetry::init(&log)?;
    let mut config = raw.check().with_context(|| format!("configuration `{}`", arguments.config.display()))?;
    config.secrets = config.secrets.with_environment(std::env::vars_os());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let running = DataPlane::start(config)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        running.stop().await;
        Ok(())
    })
}
