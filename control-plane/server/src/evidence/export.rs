//! Exporting the store as of one checkpoint: the segments that its entries name, then exactly those entries, then the
//! checkpoint. An export that was cut off has none, and verifies as nothing.

use super::Evidence;
use super::entries::Entries;
use super::error::EvidenceError;
use super::log::{CHECKPOINT, ENTRIES, Kept};
use super::sessions::blocking;
use hoop_audit::{decode_log_entry, segment_path};
use hoop_model::SegmentRoot;
use hoop_wire::v1;
use std::fs::File;
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::Status;

/// Largest piece of a file, in bytes.
const PART_BYTES: usize = 256 << 10;
/// How many segments are looked for at once.
const ROOTS_AT_ONCE: usize = 1_024;

type Out = mpsc::Sender<Result<v1::ExportPart, Status>>;

/// The entries that are still to be gone through.
struct Walk {
    entries: Entries<File>,
    left: u64,
}

/// Sends every file. Segments that were stored before `since_ms`, in log time, are left out.
pub(super) async fn export(evidence: &Evidence, since_ms: u64, out: &Out) -> Result<(), Status> {
    let kept = evidence.log.kept();
    let log = Arc::clone(&evidence.log);
    let of = kept.clone();
    let mut walk = blocking(move || Ok(Walk { entries: log.read(0, &of)?, left: of.size })).await?;
    loop {
        let (rest, roots) = blocking(move || walk.roots(since_ms)).await?;
        walk = rest;
        for root in &roots {
            send_segment(evidence, root, out).await?;
        }
        if walk.left == 0 {
            break;
        }
    }
    send_entries(evidence, &kept, out).await?;
    send(out, CHECKPOINT, kept.note.as_bytes().to_vec()).await
}

impl Walk {
    /// Goes through entries until there are some segments, or no more entries.
    fn roots(mut self, since_ms: u64) -> Result<(Self, Vec<SegmentRoot>), EvidenceError> {
        let damaged = |problem: String| EvidenceError::Damaged { path: ENTRIES.to_owned(), problem };
        let mut roots = Vec::new();
        while self.left > 0 && roots.len() < ROOTS_AT_ONCE {
            let entry = self.entries.next().map_err(|error| damaged(error.to_string()))?;
            let entry = entry.ok_or_else(|| damaged("it ends too early".to_owned()))?;
            let entry = decode_log_entry(&entry).map_err(|error| damaged(error.to_string()))?;
            self.left -= 1;
            if entry.time.0 >= since_ms {
                roots.extend(entry.roots);
            }
        }
        Ok((self, roots))
    }
}

/// Sends a segment. One that is lost is not there in the copy either, and whoever verifies the copy finds that out.
async fn send_segment(evidence: &Evidence, root: &SegmentRoot, out: &Out) -> Result<(), Status> {
    let (store, chain, first) = (Arc::clone(&evidence.store), root.chain.clone(), root.first);
    let path = segment_path(&root.chain, root.first);
    match blocking(move || store.read(&chain, first)).await? {
        Some(bytes) => send_file(out, &path, &bytes).await,
        None => {
            tracing::error!(path, "a segment that the log names is not in the evidence store");
            Ok(())
        }
    }
}

async fn send_entries(evidence: &Evidence, kept: &Kept, out: &Out) -> Result<(), Status> {
    let mut at = 0;
    while at < kept.bytes || at == 0 {
        let left = usize::try_from(kept.bytes.saturating_sub(at)).unwrap_or(PART_BYTES);
        let (log, from, length) = (Arc::clone(&evidence.log), at, left.min(PART_BYTES));
        let content = blocking(move || log.read_bytes(from, length)).await?;
        send(out, if at == 0 { ENTRIES } else { "" }, content).await?;
        if length == 0 {
            break;
        }
        at = at.saturating_add(length as u64);
    }
    Ok(())
}

async fn send_file(out: &Out, path: &str, bytes: &[u8]) -> Result<(), Status> {
    let mut name = path;
    for part in bytes.chunks(PART_BYTES) {
        send(out, name, part.to_vec()).await?;
        name = "";
    }
    Ok(())
}

/// Sends a piece; without a path it continues the file of the piece before.
async fn send(out: &Out, path: &str, content: Vec<u8>) -> Result<(), Status> {
    let part = v1::ExportPart { path: path.to_owned(), content };
    out.send(Ok(part)).await.map_err(|_| Status::cancelled("the reader hung up"))
}
