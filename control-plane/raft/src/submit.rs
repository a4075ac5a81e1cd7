//! Submission: proposals that wait for the same write become one log entry. openraft 0.9 waits for each entry to be
//! durable before it takes the next, so it is here that one write carries many.

use crate::types::{Batch, Types};
use hoop_state::Reply;
use openraft::Raft;
use tokio::sync::{mpsc, oneshot};

/// Most proposals in one entry.
const MAX_BATCH: usize = 64;
/// Bytes from which on an entry takes no further proposal.
const FULL_BYTES: usize = 1 << 20;

/// A proposal, and who waits for its reply. Dropping the sender says that the outcome is unknown.
pub(crate) struct Submission {
    pub(crate) proposal: Vec<u8>,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// Submits what is queued until the queue is closed.
pub(crate) async fn run(raft: Raft<Types>, mut queue: mpsc::Receiver<Submission>) {
    while let Some(first) = queue.recv().await {
        let (batch, waiting) = gather(first, &mut queue);
        if batch.is_empty() {
            continue;
        }
        match raft.client_write(Batch(batch)).await {
            Ok(written) => tell(waiting, written.data.0),
            // A deposed leader says "forward" also of what it wrote and lost; nobody can tell which it was.
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "proposals have no outcome"),
        }
    }
}

/// Takes what waits. Whoever stopped waiting was told that the outcome is unknown, and is not proposed for.
fn gather(first: Submission, queue: &mut mpsc::Receiver<Submission>) -> (Vec<Vec<u8>>, Vec<oneshot::Sender<Reply>>) {
    let (mut batch, mut waiting) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    let mut next = Some(first);
    while let Some(Submission { proposal, reply }) = next {
        if !reply.is_closed() {
            bytes += proposal.len();
            batch.push(proposal);
            waiting.push(reply);
        }
        next = if batch.len() < MAX_BATCH && bytes < FULL_BYTES { queue.try_recv().ok() } else { None };
    }
    (batch, waiting)
}

fn tell(waiting: Vec<oneshot::Sender<Reply>>, replies: Vec<Reply>) {
    for (waiting, reply) in waiting.into_iter().zip(replies) {
        // Who no longer waits was told that the outcome is unknown.
        let _ = waiting.send(reply);
    }
}
