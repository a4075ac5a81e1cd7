//! One file or directory per command; each returns what the process exits with.

pub(crate) mod apply;
pub(crate) mod approvals;
pub(crate) mod audit;
pub(crate) mod cluster;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod fleet;
pub(crate) mod get;
pub(crate) mod login;
pub(crate) mod policy;
mod policy_test;
mod receipts;
pub(crate) mod revoke;
pub(crate) mod secret;
#[cfg(test)]
mod served;
pub(crate) mod sessions;

use crate::shown::{escape_json, printable, yaml};
use std::io::Write;

/// How a command ended, in exit codes: 0 done, 1 failed, 2 usage (clap's), 3 refused, 4 timed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what was asked.
    Done,
    /// It did not, and has said why.
    Failed,
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
            Self::Failed => 1,
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
    /// For files.
    Yaml,
}

impl Format {
    /// Prints a value, or the table that shows it.
    pub(crate) fn print(self, value: &serde_json::Value, table: impl FnOnce() -> String) -> anyhow::Result<()> {
        match self {
            Self::Table => print_line(&table()),
            Self::Json => print_line(&escape_json(&serde_json::to_string_pretty(value)?)),
            Self::Yaml => print_line(yaml(value).trim_end()),
        }
    }
}

/// How to print what comes line by line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LineFormat {
    /// For people.
    Text,
    /// For scripts: one object on each line.
    Json,
}

/// Writes lines to standard output, where a reader that went away is an error and not a panic. Nothing in them acts on the
/// terminal, wherever it came from.
pub(crate) fn print_line(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(printable(line).as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Says what went wrong on standard error, if somebody listens there. Nothing in it acts on the terminal.
pub(crate) fn complain(lines: &str) {
    // Nobody can be told that nobody can be told.
    drop(writeln!(std::io::stderr().lock(), "{}", printable(lines)));
}
