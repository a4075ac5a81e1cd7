//! Policy: rules as text. What the text means is hoop-policy's business.

use super::{InvalidSpec, require};

/// Largest policy text, in bytes.
pub const MAX_POLICY_BYTES: usize = 256 << 10;

/// Policy text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// Cedar policies (Cedar language 4).
    pub cedar: String,
}

impl Policy {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`InvalidSpec`] for an empty or over-long text.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        require(!self.cedar.trim().is_empty(), "cedar", "must not be empty")?;
        require(self.cedar.len() <= MAX_POLICY_BYTES, "cedar", "must be at most 256 KiB")
    }
}
