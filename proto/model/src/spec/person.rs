//! Person: a human who approves or administers.

use super::identity::check_claims;
use super::{ClaimCondition, InvalidSpec, require};
use crate::ResourceName;
use std::collections::BTreeMap;

/// A human who approves or administers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Person {
    /// The issuer whose tokens can stand for them; one for people.
    pub issuer: ResourceName,
    /// What the token's claims must be; all of them.
    pub claims: BTreeMap<String, ClaimCondition>,
    /// The teams they are in.
    #[serde(default)]
    pub teams: Vec<ResourceName>,
    /// Whether they are barred.
    #[serde(default)]
    pub suspended: bool,
}

impl Person {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`InvalidSpec`] for the first field that is wrong.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        check_claims(&self.claims)?;
        require(self.teams.len() <= 64, "teams", "must be at most 64")
    }
}
