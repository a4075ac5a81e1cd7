//! Why the evidence store cannot be used.

use hoop_model::ContentHash;
use std::io;
use std::path::{Path, PathBuf};
use tonic::Status;

/// Says why the evidence store cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The host refuses.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// Another process has it open.
    #[error("the evidence store `{}` is in use by another process", path.display())]
    InUse {
        /// The store.
        path: PathBuf,
    },
    /// It has fewer entries than were stored.
    #[error(
        "evidence was lost: `{}` holds {found} whole log entries, and the replicated state says that {stored} were stored",
        path.display()
    )]
    Lost {
        /// The log's file.
        path: PathBuf,
        /// How many it holds.
        found: u64,
        /// How many it must hold.
        stored: u64,
    },
    /// It has other entries than were stored.
    #[error(
        "evidence was altered: the first {size} log entries in `{}` have the tree hash {found}, and the replicated state says {stored}",
        path.display()
    )]
    Altered {
        /// The log's file.
        path: PathBuf,
        /// How many entries it is about.
        size: u64,
        /// Their tree hash.
        found: ContentHash,
        /// What it must be.
        stored: ContentHash,
    },
    /// It has entries that the state never made: the state is older than the store, or of another cluster.
    #[error(
        "log entry {index} in `{}` is not the replicated state's, which has {size}: the state is older than the evidence store, or of another cluster",
        path.display()
    )]
    Ahead {
        /// The log's file.
        path: PathBuf,
        /// The first such entry.
        index: u64,
        /// How many entries the state has.
        size: u64,
    },
    /// It has a checkpoint that does not fit.
    #[error("the checkpoint `{}` {problem}", path.display())]
    Checkpoint {
        /// The checkpoint's file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The session index cannot be read or written.
    #[error("the session index cannot be read or written")]
    Index(#[from] Box<redb::Error>),
    /// The session index says what it cannot say.
    #[error("the session index is damaged: {0}")]
    IndexDamaged(&'static str),
    /// The state was not told what the store holds, or does not take it.
    #[error("the replicated state does not confirm what the evidence store holds")]
    Unconfirmed,
    /// The store was closed: the control plane is stopping.
    #[error("the evidence store is closed")]
    Closed,
    /// Something that was stored does not read back.
    #[error("`{path}` in the evidence store is damaged: {problem}")]
    Damaged {
        /// The file, beneath the store.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl EvidenceError {
    /// Says which file the host refused.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// Says that the work on a place did not come to its end.
    pub(super) fn cut_off(path: impl AsRef<Path>) -> Self {
        Self::io(path.as_ref())(io::Error::other("the work was cut off"))
    }

    /// Says to an administrator what there is to say; the rest is in the log.
    pub(super) fn status(&self) -> Status {
        tracing::error!(error = self as &dyn std::error::Error, "evidence cannot be shown");
        match self {
            Self::Damaged { path, .. } => {
                Status::data_loss(format!("`{path}` in the evidence store is lost or damaged; verify the evidence"))
            }
            Self::Io { .. }
            | Self::InUse { .. }
            | Self::Lost { .. }
            | Self::Altered { .. }
            | Self::Ahead { .. }
            | Self::Checkpoint { .. }
            | Self::Index(_)
            | Self::IndexDamaged(_)
            | Self::Unconfirmed
            | Self::Closed => {
                Status::unavailable("the evidence store cannot be read; the control plane's log says more")
            }
        }
    }

    /// Wraps any of redb's errors.
    pub(super) fn index(error: impl Into<redb::Error>) -> Self {
        Self::Index(Box::new(error.into()))
    }
}
