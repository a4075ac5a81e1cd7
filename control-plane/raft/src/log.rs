//! The log as openraft sees it.

use crate::disk::{Disk, DiskError};
use crate::types::{Entry, LogId, StorageError, StorageIoError, Types, Vote};
use crate::writer::{Done, Write};
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{AnyError, LogState, OptionalSend, RaftLogReader};
use std::fmt::Debug;
use std::ops::RangeBounds;

/// The log. Clones share the file.
#[derive(Clone)]
pub(crate) struct Log(pub(crate) Disk);

fn reading(error: DiskError) -> StorageError {
    StorageIoError::read_logs(AnyError::new(&error)).into()
}

fn writing(error: DiskError) -> StorageError {
    StorageIoError::write_logs(AnyError::new(&error)).into()
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, StorageError> {
        self.0.entries(range).map_err(reading)
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let last_purged_log_id = self.0.purged().map_err(reading)?;
        Ok(LogState { last_purged_log_id, last_log_id: self.0.last().map_err(reading)? })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let written = self.0.write(Write::vote(vote)).await;
        written.map_err(|error| StorageIoError::write_vote(AnyError::new(&error)).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        self.0.vote().map_err(|error| StorageIoError::read_vote(AnyError::new(&error)).into())
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.0.append(entries.into_iter().collect(), Done::Flushed(callback)).map_err(writing)
    }

    async fn truncate(&mut self, from: LogId) -> Result<(), StorageError> {
        self.0.write(Write::Truncate(from.index)).await.map_err(writing)
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        self.0.write(Write::purge(&upto)).await.map_err(writing)
    }
}
