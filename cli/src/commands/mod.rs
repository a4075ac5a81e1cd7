//! One file per command; each returns what the process exits with.

pub(crate) mod apply;
pub(crate) mod cluster;
pub(crate) mod delete;
pub(crate) mod fleet;
pub(crate) mod get;
pub(crate) mod policy;

/// How a command ended, in exit codes: 0 done, 1 failed, 2 usage (clap's), 3 refused, 4 timed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what was asked.
    Done,
    /// The rules do not allow it, or it is not valid.
    Refused,
    /// It may yet happen.
    TimedOut,
}

impl Outcome {
    /// Returns the exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 3,
            Self::TimedOut => 4,
        }
    }
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For scripts.
    Json,
}
