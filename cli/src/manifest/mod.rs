//! What an administrator writes: YAML documents become names and specs, or errors with line and column.

mod document;
mod yaml;

pub(crate) use document::{Document, read_all, read_as};

/// Reads the one document of a text, whatever it says.
#[cfg(test)]
pub(crate) fn parse_value(text: &str) -> serde_json::Value {
    let mut documents = yaml::parse(text).unwrap();
    assert_eq!(documents.len(), 1);
    documents.remove(0).value
}

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
