//! Show: one session, from its first record to the last there is.

use super::super::index::{Found, Piece};
use super::super::live::tails;
use super::super::recorded::{Recorded, recorded};
use super::super::store::Store;
use super::super::{Evidence, EvidenceError};
use super::{Ended, Out, blocking, send};
use crate::cluster::Cluster;
use hoop_audit::{read_segment, segment_path};
use hoop_model::{ResourceName, SessionId, UnixMillis};
use std::sync::Arc;
use tonic::Status;

/// What there is of a session.
pub(super) struct Shown {
    pieces: Vec<Piece>,
    /// What only its node has.
    unshipped: Vec<Recorded>,
}

/// Finds a session. Its node is asked first, and only then is looked at what is stored: so a record that was shipped
/// meanwhile is in the store, and none is missed. What both have is in the store only.
pub(super) async fn find(cluster: &Cluster, session: SessionId) -> Result<Shown, Status> {
    let evidence = cluster.evidence();
    let index = Arc::clone(&evidence.index);
    let node = blocking(move || index.session(session)).await?.map(|row| row.summary.node);
    let unshipped = tails(cluster, nodes(cluster, node.as_deref()), Some(session)).await;
    evidence.indexed(cluster.fresh().await?.evidence().size()).await?;
    let (index, chains) = (Arc::clone(&evidence.index), unshipped.iter().map(|found| found.record.chain()).collect());
    let Found { row, pieces, last } = blocking(move || index.found(session, chains)).await?;
    let is_stored =
        |found: &Recorded| last.get(&found.record.chain()).is_some_and(|last| found.record.head.sequence <= *last);
    let mut unshipped = unshipped;
    unshipped.retain(|found| !is_stored(found));
    if row.is_none() && unshipped.is_empty() {
        return Err(Status::not_found(format!("no session `{session}` was recorded")));
    }
    Ok(Shown { pieces: in_order(evidence, session, pieces).await?, unshipped })
}

/// Sends a session's records.
pub(super) async fn send_all(cluster: &Cluster, session: SessionId, shown: Shown, out: &Out) -> Result<(), Ended> {
    for piece in shown.pieces {
        let store = Arc::clone(&cluster.evidence().store);
        for found in blocking(move || of_piece(&store, &piece, Some(session))).await? {
            send(out, found.frame, true).await?;
        }
    }
    for found in shown.unshipped {
        send(out, found.frame, false).await?;
    }
    Ok(())
}

/// Returns the node to ask, or every one that is attached if it is not known which.
pub(super) fn nodes(cluster: &Cluster, node: Option<&str>) -> Vec<ResourceName> {
    match node.map(ResourceName::parse) {
        Some(Ok(node)) => vec![node],
        Some(Err(_)) => Vec::new(),
        None => cluster.fleet().attached(),
    }
}

/// Reads the records of a stored segment, of one session or of all.
pub(super) fn of_piece(
    store: &Store,
    piece: &Piece,
    session: Option<SessionId>,
) -> Result<Vec<Recorded>, EvidenceError> {
    let damaged = |problem: String| EvidenceError::Damaged { path: segment_path(&piece.chain, piece.first), problem };
    let bytes = store.read(&piece.chain, piece.first)?.ok_or_else(|| damaged("it is not there".to_owned()))?;
    let segment = read_segment(&bytes).map_err(|broken| damaged(broken.to_string()))?;
    let all: Result<Vec<Recorded>, _> = recorded(segment.frames).collect();
    let mut all = all.map_err(|broken| damaged(broken.to_string()))?;
    all.retain(|found| session.is_none_or(|id| found.record.session == id));
    Ok(all)
}

/// Orders a session's segments: each chain's in its order, and the chain that the session began in first. It has several
/// only if its writer had to give one up.
async fn in_order(evidence: &Evidence, session: SessionId, pieces: Vec<Piece>) -> Result<Vec<Piece>, Status> {
    let mut chains: Vec<(UnixMillis, Vec<Piece>)> = Vec::new();
    for pieces in pieces.chunk_by(|one, other| one.chain == other.chain) {
        let Some(first) = pieces.first().cloned() else { continue };
        let store = Arc::clone(&evidence.store);
        let began = blocking(move || of_piece(&store, &first, Some(session))).await?;
        let began = began.first().map(|found| found.record.time).unwrap_or_default();
        chains.push((began, pieces.to_vec()));
    }
    chains.sort_by_key(|(began, _)| *began);
    Ok(chains.into_iter().flat_map(|(_, pieces)| pieces).collect())
}
