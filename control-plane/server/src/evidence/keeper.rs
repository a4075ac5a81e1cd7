//! Keeping: entries that were agreed on become durable, then vouched for, then the replicated state lets go of them.

use super::Evidence;
use super::error::EvidenceError;
use super::take;
use crate::cluster::{CONTROL_PLANE, Cluster};
use hoop_model::LogEntry;
use hoop_state::{Change, LogStored, Reply};
use std::sync::Arc;
use std::time::Duration;

/// How long after a failure the same is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is looked whether everything is kept, although nothing came: the index may have failed.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Anchors what nodes say and keeps what was anchored, until the end of the task.
pub(crate) async fn keep(cluster: Arc<Cluster>) {
    let evidence = cluster.evidence();
    tokio::join!(evidence.anchors.run(&cluster), keep_all(&cluster), adopt(&cluster));
}

/// Takes up the segments that the store holds and the log does not name, because the process ended in between. Their nodes
/// were not told that they are stored, but may not have them any more.
async fn adopt(cluster: &Cluster) {
    let state = cluster.state();
    for (chain, known) in state.evidence().chains().filter(|(_, known)| !known.ended) {
        let (store, of, first) = (Arc::clone(&cluster.evidence().store), chain.clone(), known.next_stored());
        let read = tokio::task::spawn_blocking(move || store.read(&of, first)).await;
        if let Ok(Ok(Some(bytes))) = read {
            let taken = take::take(cluster, &chain.node, None, bytes).await;
            tracing::info!(%chain, first, outcome = taken.outcome().as_str_name(), "a segment was stored and not anchored");
        }
    }
}

/// Anchors and keeps what there is, once more: at a stop, when nothing new comes.
pub(crate) async fn keep_last(cluster: &Cluster) {
    if !cluster.evidence().anchors.propose(cluster).await {
        tracing::warn!("what nodes said of their evidence last was not anchored; they say it again");
    }
    if let Err(error) = keep_once(cluster).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "log entries are left to be stored at the next start");
    }
}

/// Closes the store: it can be opened again when this returns, whoever still holds it.
pub(crate) async fn close(cluster: &Cluster) {
    let (log, index) = (Arc::clone(&cluster.evidence().log), Arc::clone(&cluster.evidence().index));
    let closing = tokio::task::spawn_blocking(move || {
        log.close();
        index.close();
    });
    // It fails only where the whole process ends.
    drop(closing.await);
}

async fn keep_all(cluster: &Cluster) {
    let mut grown = cluster.replica().evidence();
    loop {
        grown.mark_unchanged();
        match keep_once(cluster).await {
            Ok(()) => match tokio::time::timeout(LOOK_AGAIN, grown.changed()).await {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(_)) => return,
            },
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the evidence log cannot be stored");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

async fn keep_once(cluster: &Cluster) -> Result<(), EvidenceError> {
    let evidence = cluster.evidence();
    let state = cluster.state();
    let had = evidence.log.kept().size;
    let entries: Vec<Arc<LogEntry>> = state.evidence().unstored_from(had).cloned().collect();
    let stored = write(evidence, entries.clone()).await?;
    entries.iter().for_each(|entry| report(entry));
    if stored.size > state.evidence().stored().size {
        propose(cluster, stored).await?;
    }
    Ok(())
}

/// Writes entries and checkpoint; then the index, without which evidence is as whole, only harder to find.
async fn write(evidence: &Evidence, entries: Vec<Arc<LogEntry>>) -> Result<LogStored, EvidenceError> {
    let (log, store, index) = (Arc::clone(&evidence.log), Arc::clone(&evidence.store), Arc::clone(&evidence.index));
    let writing = tokio::task::spawn_blocking(move || {
        let stored = log.append(&entries)?;
        if let Err(error) = index.catch_up(&log, &store) {
            tracing::error!(error = &error as &dyn std::error::Error, "the session index is behind the evidence log");
        }
        Ok(stored)
    });
    writing.await.map_err(|_| EvidenceError::cut_off(super::log::ENTRIES))?
}

async fn propose(cluster: &Cluster, stored: LogStored) -> Result<(), EvidenceError> {
    match cluster.propose(Change::LogStored(stored), None, CONTROL_PLANE).await {
        Ok(Reply::Done { .. }) => Ok(()),
        Ok(reply) => {
            tracing::error!(?reply, "the state does not take what the evidence store holds");
            Err(EvidenceError::Unconfirmed)
        }
        // Whoever proposes says why it failed.
        Err(_) => Err(EvidenceError::Unconfirmed),
    }
}

/// Says what somebody should look at, once, when it becomes evidence.
fn report(entry: &LogEntry) {
    for gap in &entry.gaps {
        let (first, last) = (gap.first, gap.last.sequence);
        tracing::warn!(chain = %gap.chain, first, last, entry = entry.index, "records are lost");
    }
    for conflict in &entry.conflicts {
        let (chain, sequence) = (&conflict.known.chain, conflict.said.sequence);
        let (known, said) = (conflict.known.head.hash, conflict.said.hash);
        tracing::warn!(%chain, sequence, %known, %said, entry = entry.index, "a node contradicted itself");
    }
}
