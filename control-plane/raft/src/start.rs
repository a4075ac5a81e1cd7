//! Starting a replica: open and check the file, start openraft, become what the file says, catch up.

use crate::disk::{Disk, Found};
use crate::log::Log;
use crate::machine::{Machine, Published};
use crate::network::NoPeers;
use crate::replica::{Parts, Replica};
use crate::submit;
use crate::types::Types;
use crate::writer::Write;
use openraft::{BasicNode, LogIdOptionExt, Raft, ServerState, SnapshotPolicy};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Log entries between two snapshots.
const SNAPSHOT_EVERY: u64 = 5_000;
/// Log entries kept although a snapshot has them, for a follower that is a little behind.
const KEEP_IN_LOG: u64 = 1_000;
/// Longest time a start may take to lead and to apply the log.
const CATCH_UP: Duration = Duration::from_secs(60);
/// Most proposals that wait to be submitted.
const QUEUE: usize = 1_024;

/// Where a replica lives.
#[derive(Debug, Clone)]
pub struct ReplicaConfig {
    /// The node's id in the cluster; never reused.
    pub node_id: u64,
    /// The directory that holds the log and the snapshots.
    pub data_dir: PathBuf,
    /// Where peers reach the node, `host:port`. Without peers nobody asks.
    pub address: Option<String>,
}

/// Why a replica does not start. One that finds its file damaged does not start at all: it rejoins under a new id.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory or the file in it cannot be used as it is.
    #[error("the raft log in `{directory}` cannot be used")]
    Storage {
        /// The data directory.
        directory: PathBuf,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Raft did not start.
    #[error("raft does not start")]
    Raft {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The node did not come to lead, or to apply its log.
    #[error("the node does not lead with its log applied after 60 seconds")]
    NotReady {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// How the log is kept short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    pub(crate) snapshot_every: u64,
    pub(crate) keep: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { snapshot_every: SNAPSHOT_EVERY, keep: KEEP_IN_LOG }
    }
}

/// Starts a replica; returns once it leads and has applied its log.
pub(crate) async fn start(config: ReplicaConfig, retention: Retention) -> Result<Replica, StartError> {
    let ReplicaConfig { node_id, data_dir, address } = config;
    let (disk, found) = open(data_dir, node_id).await?;
    let node = BasicNode::new(address.unwrap_or_default());
    match run(node_id, node, disk.clone(), found, retention).await {
        Ok(replica) => Ok(replica),
        Err(error) => {
            // It is closed at once or was closed already; either way the cause is the first error.
            let _ = disk.write(Write::Close).await;
            Err(error)
        }
    }
}

async fn open(directory: PathBuf, node: u64) -> Result<(Disk, Found), StartError> {
    let at = directory.clone();
    let opened = tokio::task::spawn_blocking(move || Disk::open(&at, node)).await;
    let storage = |source: Box<dyn std::error::Error + Send + Sync>| StartError::Storage { directory, source };
    match opened {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(error)) => Err(storage(error.into())),
        // redb may panic on a file that something else wrote to.
        Err(panicked) => Err(storage(panicked.into())),
    }
}

async fn run(
    node_id: u64,
    node: BasicNode,
    disk: Disk,
    found: Found,
    retention: Retention,
) -> Result<Replica, StartError> {
    let raft_failed = |error: Box<dyn std::error::Error + Send + Sync>| StartError::Raft { source: error };
    let (meta, state) = found.snapshot.unzip();
    let published = Published::new(state.unwrap_or_default());
    let machine = Machine::new(published.clone(), meta, disk.clone());
    let config = raft_config(retention).map_err(raft_failed)?;
    let raft = Raft::new(node_id, Arc::new(config), NoPeers, Log(disk.clone()), machine);
    let raft = raft.await.map_err(|error| raft_failed(error.into()))?;

    let ready = lead(&raft, node_id, node, found.last.index()).await;
    if let Err(error) = ready {
        // The error says why; that the rest stops as well is what is wanted.
        let _ = raft.shutdown().await;
        return Err(error);
    }
    let (submissions, queue) = mpsc::channel(QUEUE);
    let submitter = tokio::spawn(submit::run(raft.clone(), queue));
    Ok(Replica::new(Parts { raft, published, submissions, submitter, disk }))
}

/// Makes a node without a past the only voter, then waits until it leads and has applied what it had.
async fn lead(raft: &Raft<Types>, node_id: u64, node: BasicNode, last: Option<u64>) -> Result<(), StartError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| StartError::Raft { source: error };
    if !raft.is_initialized().await.map_err(|error| failed(error.into()))? {
        let voters = BTreeMap::from([(node_id, node)]);
        raft.initialize(voters).await.map_err(|error| failed(error.into()))?;
    }
    let not_ready = |error: Box<dyn std::error::Error + Send + Sync>| StartError::NotReady { source: error };
    let leads = raft
        .wait(Some(CATCH_UP))
        .metrics(|now| now.state == ServerState::Leader && now.last_applied.index() >= last, "leads, caught up")
        .await;
    leads.map_err(|error| not_ready(error.into()))?;
    // The leader's own first entry too, so that the first read sees all there was.
    let current = tokio::time::timeout(CATCH_UP, raft.ensure_linearizable()).await;
    match current {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(not_ready(error.into())),
        Err(late) => Err(not_ready(late.into())),
    }
}

fn raft_config(retention: Retention) -> Result<openraft::Config, Box<dyn std::error::Error + Send + Sync>> {
    let config = openraft::Config {
        cluster_name: "hoop".to_owned(),
        heartbeat_interval: 100,
        election_timeout_min: 300,
        election_timeout_max: 600,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(retention.snapshot_every),
        max_in_snapshot_log_to_keep: retention.keep,
        ..openraft::Config::default()
    };
    Ok(config.validate()?)
}
