//! What a node has not shipped yet, asked of it at this moment. Nothing seals it and nothing vouches for it: it is shown,
//! marked so, and never kept.

use super::recorded::{Recorded, recorded};
use crate::cluster::Cluster;
use futures_util::{StreamExt, stream};
use hoop_audit::MAX_FRAME_BYTES;
use hoop_model::{ResourceName, SessionId};
use hoop_node::clock::unix_now;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The job: its payload is a session's 16 bytes, or nothing for every session; its result, the frames that are not shipped,
/// of each chain in order and without a hole.
const TAIL: &str = "evidence.tail";
/// Up to how many bytes an answer is surely all there is: a node answers with 4 MiB at most, the newest records of more, and
/// the one that does not fit has up to [`MAX_FRAME_BYTES`]. A larger answer may lack what comes before it, so it waits until
/// it is shipped.
const SURELY_ALL: usize = (4 << 20) - MAX_FRAME_BYTES - 4;
/// How long a node may take.
const WITHIN: Duration = Duration::from_secs(2);
/// How many nodes are asked at once, and how long all of them may take.
const AT_ONCE: usize = 32;
const ALL_WITHIN: Duration = Duration::from_secs(4);
/// How many bytes of answers are enough. The other nodes' records wait until they are shipped.
const ENOUGH: usize = 64 << 20;

/// Returns the records that these nodes have not shipped yet, of one session or of all. A node that does not answer in time
/// adds nothing; of a node that answers there is everything, so that of no chain a record in between is missing.
pub(super) async fn tails(cluster: &Cluster, nodes: Vec<ResourceName>, session: Option<SessionId>) -> Vec<Recorded> {
    let until = Instant::now() + ALL_WITHIN;
    let mut answers = stream::iter(nodes).map(|node| tail(cluster, node, session)).buffer_unordered(AT_ONCE);
    let (mut all, mut bytes) = (Vec::new(), 0_usize);
    while bytes < ENOUGH
        && let Ok(Some(records)) = timeout_at(until, answers.next()).await
    {
        bytes = records.iter().fold(bytes, |bytes, found| bytes.saturating_add(found.frame.len()));
        all.extend(records);
    }
    all
}

async fn tail(cluster: &Cluster, node: ResourceName, session: Option<SessionId>) -> Vec<Recorded> {
    let payload = session.map(|session| session.to_bytes().to_vec()).unwrap_or_default();
    // What log time would be if it were brought up to date now.
    let deadline = cluster.state().log_time().max(unix_now()).after(WITHIN);
    match cluster.fleet().ask(&node, (TAIL, payload), deadline.0, WITHIN).await {
        Ok(frames) if frames.len() <= SURELY_ALL => read(&node, session, &frames),
        Ok(frames) => {
            tracing::debug!(%node, bytes = frames.len(), "a tail that may lack its beginning");
            Vec::new()
        }
        Err(reason) => {
            tracing::debug!(%node, %reason, "no tail");
            Vec::new()
        }
    }
}

/// Reads a node's answer: only its own records, and only what was asked for (CP-14).
fn read(node: &ResourceName, session: Option<SessionId>, frames: &[u8]) -> Vec<Recorded> {
    let mut read = Vec::new();
    for record in recorded(frames) {
        match record {
            Ok(Recorded { record, .. }) if record.node != *node => {
                tracing::warn!(%node, of = %record.node, "a node answered with another node's records");
                return Vec::new();
            }
            Ok(found) => read.extend(Some(found).filter(|found| session.is_none_or(|id| found.record.session == id))),
            Err(broken) => {
                tracing::warn!(%node, %broken, "a node's unshipped records cannot be read to their end");
                break;
            }
        }
    }
    read
}
