//! What an administrator writes: YAML documents become names and specs, or errors with line and column.

mod document;
mod yaml;

pub(crate) use document::{Document, read_all};

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {problem}")]
pub(crate) struct ManifestError {
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
    /// What is wrong, in the administrator's words.
    pub(crate) problem: String,
}
