//! What can be wrong with a message.

/// Says which field of a received message cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct Malformed {
    /// The field's name in the contract.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Reads a field that must be there.
pub(crate) fn present<T>(value: Option<T>, field: &'static str) -> Result<T, Malformed> {
    value.ok_or(Malformed { field, problem: "is missing" })
}

/// Reads a field that has a parser.
pub(crate) fn parsed<T, E>(value: Result<T, E>, field: &'static str) -> Result<T, Malformed> {
    value.map_err(|_| Malformed { field, problem: "is not well-formed" })
}
