//! Identity: who a token stands for.

use super::{InvalidSpec, require};
use crate::{ResourceName, UnixSeconds};
use std::collections::BTreeMap;

/// What a claim of the token must be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(untagged)]
pub enum ClaimCondition {
    /// The claim is this string, byte for byte.
    Equals(String),
    /// The claim is this integer.
    Integer(IntegerIs),
    /// The claim is an array that has this string, byte for byte.
    Contains(ContainsText),
}

/// `{integer: N}`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct IntegerIs {
    /// The integer.
    pub integer: i64,
}

/// `{contains: TEXT}`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct ContainsText {
    /// The element.
    pub contains: String,
}

/// A named non-human identity.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// The issuer whose tokens can stand for it.
    pub issuer: ResourceName,
    /// What the token's claims must be; all of them.
    pub claims: BTreeMap<String, ClaimCondition>,
    /// The claim that names the run.
    pub run: String,
    /// The person or team accountable for it.
    pub owner: String,
    /// The groups it is in.
    #[serde(default)]
    pub groups: Vec<ResourceName>,
    /// The environment it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<ResourceName>,
    /// Seconds since 1970 from which it no longer exists to the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// Whether it is barred.
    #[serde(default)]
    pub suspended: bool,
}

impl Identity {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`InvalidSpec`] for the first field that is wrong.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        check_claims(&self.claims)?;
        require(!self.run.is_empty(), "run", "must name a claim")?;
        require(!self.owner.is_empty(), "owner", "must not be empty")?;
        require(self.groups.len() <= 64, "groups", "must be at most 64")
    }

    /// Returns whether it has ceased to exist at `now`.
    #[must_use]
    pub fn has_expired(&self, now: UnixSeconds) -> bool {
        self.expires.is_some_and(|at| now.0 >= at)
    }
}

/// Checks the conditions by which a token is told: of an Identity or of a Person.
pub(super) fn check_claims(claims: &BTreeMap<String, ClaimCondition>) -> Result<(), InvalidSpec> {
    require((1..=32).contains(&claims.len()), "claims", "must have 1 to 32 conditions")?;
    require(claims.keys().all(|claim| !claim.is_empty()), "claims", "must not name an empty claim")?;
    require(claims.values().all(ClaimCondition::says_something), "claims", "must not require an empty text")
}

impl ClaimCondition {
    const fn says_something(&self) -> bool {
        match self {
            Self::Equals(text) => !text.is_empty(),
            Self::Integer(_) => true,
            Self::Contains(element) => !element.contains.is_empty(),
        }
    }
}
