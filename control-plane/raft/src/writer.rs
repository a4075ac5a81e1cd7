//! The one thread that writes: it takes everything that waits, makes it durable in one transaction, and only then says
//! so to each. After a failed write it writes no more, for what is on disk is no longer known.

use crate::disk::{DiskError, LOG, PLACES, Store, store};
use crate::record::{LogIdRecord, Place, SnapshotRecord, VoteRecord, seal_entry};
use crate::types::{Entry, LogId, Types, Vote};
use openraft::storage::LogFlushed;
use std::sync::{Arc, mpsc};
use std::time::Instant;
use tokio::sync::oneshot;

/// Most jobs in one transaction, so that the first does not wait for ever.
const MAX_JOBS: usize = 256;

/// Something to write, and who waits for it.
pub(crate) struct Job {
    pub(crate) write: Write,
    pub(crate) done: Done,
}

/// Something to write.
pub(crate) enum Write {
    /// Sealed entries by index.
    Append(Vec<(u64, Vec<u8>)>),
    /// A sealed record of a place.
    Put(Place, Vec<u8>),
    /// Removes entries from this index on.
    Truncate(u64),
    /// Removes entries up to and with this index; the record says up to where.
    Purge(u64, Vec<u8>),
    /// Closes the file.
    Close,
}

/// Who waits.
pub(crate) enum Done {
    /// openraft, for entries.
    Flushed(LogFlushed<Types>),
    /// A task.
    Waiting(oneshot::Sender<Result<(), DiskError>>),
}

impl Write {
    pub(crate) fn append(entries: &[Entry]) -> Self {
        Self::Append(entries.iter().map(|entry| (entry.log_id.index, seal_entry(entry))).collect())
    }

    pub(crate) fn vote(vote: &Vote) -> Self {
        Self::Put(Place::Vote, Place::Vote.seal(&VoteRecord::from(vote)))
    }

    pub(crate) fn snapshot(record: &SnapshotRecord) -> Self {
        Self::Put(Place::Snapshot, Place::Snapshot.seal(record))
    }

    pub(crate) fn purge(upto: &LogId) -> Self {
        Self::Purge(upto.index, Place::Purged.seal(&LogIdRecord::from(upto)))
    }
}

impl Done {
    fn tell(self, result: Result<(), DiskError>) {
        match self {
            Self::Flushed(flushed) => flushed.log_io_completed(result.map_err(std::io::Error::other)),
            Self::Waiting(waiting) => {
                // Who no longer waits need not be told.
                let _ = waiting.send(result);
            }
        }
    }
}

/// The writing thread.
pub(crate) struct Writer {
    store: Arc<Store>,
    queue: mpsc::Receiver<Job>,
    failed: bool,
}

impl Writer {
    pub(crate) const fn new(store: Arc<Store>, queue: mpsc::Receiver<Job>) -> Self {
        Self { store, queue, failed: false }
    }

    /// Writes until it is told to close, or nobody is left to tell it anything.
    pub(crate) fn run(mut self) {
        while let Ok(first) = self.queue.recv() {
            let jobs: Vec<Job> = std::iter::once(first).chain(self.queue.try_iter().take(MAX_JOBS)).collect();
            let closing = jobs.iter().any(|job| matches!(job.write, Write::Close));
            let result = if self.failed { Err(DiskError::Failed) } else { self.commit(&jobs) };
            if let Err(error) = &result {
                tracing::error!(error = error as &dyn std::error::Error, "the raft log cannot be written");
                self.failed = true;
            }
            if closing {
                self.store.close();
            }
            self.tell(jobs, result);
            if closing {
                return;
            }
        }
    }

    /// Makes all of it durable, in order.
    fn commit(&self, jobs: &[Job]) -> Result<(), DiskError> {
        if jobs.iter().all(|job| matches!(job.write, Write::Close)) {
            return Ok(());
        }
        let began = Instant::now();
        let database = self.store.database();
        let mut transaction = database.as_ref().ok_or(DiskError::Closed)?.begin_write().map_err(store)?;
        transaction.set_two_phase_commit(true);
        for job in jobs {
            write(&transaction, &job.write)?;
        }
        transaction.commit().map_err(store)?;
        if jobs.iter().any(|job| matches!(job.write, Write::Append(_))) {
            self.store.count_commit();
            if let Some(observe) = self.store.observer.get() {
                observe(began.elapsed());
            }
        }
        Ok(())
    }

    fn tell(&self, jobs: Vec<Job>, result: Result<(), DiskError>) {
        let failed = result.is_err();
        let mut cause = result.err();
        for Job { write, done } in jobs {
            if let Write::Append(entries) = write {
                let mut pending = self.store.pending();
                entries.iter().for_each(|(index, _)| drop(pending.remove(index)));
            }
            // The first to hear of an error hears its cause.
            let result = if failed { Err(cause.take().unwrap_or(DiskError::Failed)) } else { Ok(()) };
            done.tell(result);
        }
    }
}

fn write(transaction: &redb::WriteTransaction, write: &Write) -> Result<(), DiskError> {
    let mut log = transaction.open_table(LOG).map_err(store)?;
    let mut places = transaction.open_table(PLACES).map_err(store)?;
    match write {
        Write::Append(entries) => {
            for (index, record) in entries {
                log.insert(index, record.as_slice()).map_err(store)?;
            }
        }
        Write::Put(place, record) => {
            places.insert(place.name(), record.as_slice()).map_err(store)?;
        }
        Write::Truncate(from) => log.retain_in(*from.., |_, _| false).map_err(store)?,
        Write::Purge(upto, record) => {
            log.retain_in(..=*upto, |_, _| false).map_err(store)?;
            places.insert(Place::Purged.name(), record.as_slice()).map_err(store)?;
        }
        Write::Close => {}
    }
    Ok(())
}
