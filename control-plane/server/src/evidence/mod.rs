//! The control plane's side of evidence: what nodes recorded is kept, vouched for and shown.
//!
//! ```text
//!   Hello: key, losses ─┐                           ┌─ log/entries ─▶ log/checkpoint (signed) ─▶ LogStored
//!   Renew: heads ───────┼─▶ anchors ─▶ one entry ─▶ keeper
//!   Ship: a segment     │   (Raft)                  └─ index: sessions ─▶ Sessions/List, Show, Tail
//!     │ take: verified  │
//!     └─▶ store ─ root ─┘ ─▶ STORED                    store, log ─▶ Audit/Checkpoint, Export
//! ```
//!
//! INVARIANTS: the log names no segment that the store does not hold durably (`take`); a checkpoint covers no entry that is
//! not durable (`log`), and the replicated state lets go of no entry before a checkpoint covers it (`keeper`). The index is
//! made from the other two and can always be made again.

mod allowance;
mod anchors;
mod audit;
mod dock;
mod entries;
mod error;
mod export;
mod index;
mod keeper;
mod live;
mod lives;
mod log;
mod recorded;
mod sessions;
mod ship;
mod store;
mod take;

pub(crate) use audit::Audit;
pub(crate) use keeper::{close, keep, keep_last};
pub(crate) use sessions::Sessions;
pub(crate) use ship::{MAX_SHIPPED_BYTES, Ship};

pub use allowance::EvidenceLimits;
pub use error::EvidenceError;

use crate::birth::LogIdentity;
use allowance::Allowance;
use anchors::Anchors;
use dock::Docks;
use hoop_state::State;
use index::Index;
use log::Log;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

/// The file of the session index, beneath the data directory.
const INDEX: &str = "evidence-index.redb";
/// How many readers may be served at once: each may have a segment in memory.
const READERS: usize = 32;
/// How long a reader waits for the index.
const INDEXED_WITHIN: Duration = Duration::from_secs(5);

/// Everything the control plane has of evidence.
pub(crate) struct Evidence {
    store: Arc<Store>,
    log: Arc<Log>,
    index: Arc<Index>,
    anchors: Anchors,
    allowance: Arc<Allowance>,
    docks: Docks,
    readers: Arc<Semaphore>,
}

/// Where it lies.
pub(crate) struct Places {
    /// The evidence store.
    pub(crate) evidence_dir: PathBuf,
    /// The data directory, which has the index.
    pub(crate) data_dir: PathBuf,
    /// How much may come.
    pub(crate) limits: EvidenceLimits,
}

impl Evidence {
    /// Opens the store and compares it with what the state says of it.
    ///
    /// # Errors
    /// [`EvidenceError`] if the host refuses, or if evidence was lost or altered.
    pub(crate) async fn open(places: Places, log: LogIdentity, state: Arc<State>) -> Result<Self, EvidenceError> {
        let Places { evidence_dir, data_dir, limits } = places;
        let at = evidence_dir.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let store = Store::open(&at)?;
            let log = Log::open(&at, log, state.evidence())?;
            Ok::<_, EvidenceError>((store, log))
        });
        let (store, log) = opened.await.map_err(|_| EvidenceError::cut_off(&evidence_dir))??;
        let index = open_index(data_dir.join(INDEX), log.origin().to_owned(), log.kept().size).await?;
        Ok(Self {
            store: Arc::new(store),
            log: Arc::new(log),
            index: Arc::new(index),
            anchors: Anchors::new(limits.lost_after),
            allowance: Arc::new(Allowance::new(limits)),
            docks: Docks::default(),
            readers: Arc::new(Semaphore::new(READERS)),
        })
    }

    /// Returns where what nodes say is gathered for the log.
    pub(crate) const fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// Returns how many bytes the store's file system has free, if it says so.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        self.allowance.free(self.store.directory())
    }

    /// Waits until the index has the first `size` entries of the log.
    async fn indexed(&self, size: u64) -> Result<(), Status> {
        let mut position = self.index.position();
        let caught_up = position.wait_for(|position| *position >= size);
        match tokio::time::timeout(INDEXED_WITHIN, caught_up).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                let has = *self.index.position().borrow();
                Err(Status::unavailable(format!("the session index has {has} of {size} log entries; try again")))
            }
        }
    }

    /// Returns how many entries of the log are stored and in the index, and news of it.
    #[cfg(test)]
    pub(crate) fn indexed_entries(&self) -> tokio::sync::watch::Receiver<u64> {
        self.index.position()
    }

    /// Returns what the index has of a session.
    #[cfg(test)]
    pub(crate) fn row(&self, session: u128) -> Option<hoop_wire::v1::SessionSummary> {
        let row = self.index.session(hoop_model::SessionId::mint(session)).ok()?;
        row.map(|row| row.summary)
    }

    /// Admits one more reader. Dropping what is returned lets the next one in.
    fn reader(&self) -> Result<OwnedSemaphorePermit, Status> {
        let permit = Arc::clone(&self.readers).try_acquire_owned();
        permit.map_err(|_| Status::resource_exhausted(format!("{READERS} readers of evidence are being served")))
    }

    /// Returns the public key of the log as verifiers take it: `NAME+HASH+BASE64`.
    pub(crate) fn verifier_key(&self) -> &str {
        self.log.verifier_key()
    }
}

/// Opens the index, or begins another if the file is not one: a broken file may also make the library panic.
async fn open_index(path: PathBuf, origin: String, size: u64) -> Result<Index, EvidenceError> {
    let (at, of) = (path.clone(), origin.clone());
    match tokio::task::spawn_blocking(move || Index::open(&at, &of, size)).await {
        Ok(Ok(index)) => Ok(index),
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the session index is made again");
            begin_index(path, origin, size).await
        }
        Err(panicked) => {
            tracing::warn!(error = &panicked as &dyn std::error::Error, "the session index is made again");
            begin_index(path, origin, size).await
        }
    }
}

async fn begin_index(path: PathBuf, origin: String, size: u64) -> Result<Index, EvidenceError> {
    let at = path.clone();
    let begun = tokio::task::spawn_blocking(move || {
        remove(&at)?;
        Index::open(&at, &origin, size)
    });
    begun.await.map_err(|_| EvidenceError::cut_off(&path))?
}

fn remove(path: &Path) -> Result<(), EvidenceError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(EvidenceError::io(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
