//! Role: what members of teams may do to the cluster itself.

use super::{InvalidSpec, require};
use crate::ResourceName;
use std::fmt;
use std::str::FromStr;

macro_rules! rights {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// One thing that somebody may do to the cluster itself. What jobs may do is policy's business.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Deserialize, serde::Serialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum Right { $($(#[$doc])* $name,)* }

        impl Right {
            /// Every right.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the right as written in a document.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        impl FromStr for Right {
            type Err = UnknownRight;
            fn from_str(text: &str) -> Result<Self, UnknownRight> {
                match text { $($text => Ok(Self::$name),)* _ => Err(UnknownRight) }
            }
        }
    };
}

rights! {
    /// Read every object, and how the cluster, its nodes and its secrets stand; never a value.
    Read = "admin:read",
    /// Create, change and delete objects. Those that say who administers need [`Right::People`] beside it, and putting a
    /// secret to use needs [`Right::UseSecret`].
    Apply = "admin:apply",
    /// Change who people are and what they may: Person, Role, and issuers for people.
    People = "admin:people",
    /// Suspend an identity.
    Revoke = "admin:revoke",
    /// Let nodes join and leave.
    Nodes = "admin:nodes",
    /// Decide that a secret is sent somewhere.
    UseSecret = "admin:secret:use",
    /// Set a secret's value.
    SetSecret = "admin:secret:set",
    /// Read what was recorded of sessions.
    ReadSessions = "sessions:read",
    /// Export evidence and its checkpoints.
    ReadAudit = "audit:read",
    /// See every approval, also of other teams. It is no vote, and no word on what came of one that is unknown.
    SeeApprovals = "approvals:see",
}

/// Says that a text is no right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no such right: `admin:read`, `admin:apply`, `admin:people`, `admin:revoke`, `admin:nodes`, `admin:secret:use`, \
     `admin:secret:set`, `sessions:read`, `audit:read` or `approvals:see`"
)]
pub struct UnknownRight;

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for Right {
    type Error = UnknownRight;
    fn try_from(text: String) -> Result<Self, UnknownRight> {
        text.parse()
    }
}

impl From<Right> for &'static str {
    fn from(right: Right) -> Self {
        right.as_str()
    }
}

/// What members of teams may do to the cluster itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// Who has it: every Person in one of these teams.
    pub teams: Vec<ResourceName>,
    /// What they may.
    pub rights: Vec<Right>,
}

impl Role {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`InvalidSpec`] for the first field that is wrong.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        require((1..=64).contains(&self.teams.len()), "teams", "must be 1 to 64")?;
        require(!self.rights.is_empty(), "rights", "must not be empty")?;
        let is_repeated =
            self.rights.iter().enumerate().any(|(at, right)| self.rights.iter().skip(at + 1).any(|r| r == right));
        require(!is_repeated, "rights", "must not name one twice")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_reads_back_as_it_is_written_and_an_unknown_one_names_them_all() {
        let listed = UnknownRight.to_string();
        for right in Right::ALL {
            assert_eq!(right.as_str().parse(), Ok(*right));
            assert!(listed.contains(&format!("`{right}`")), "{right}");
        }
        assert_eq!("admin:*".parse::<Right>(), Err(UnknownRight));
    }

    #[test]
    fn a_role_is_somebodys_and_says_something_once() {
        let role = |json: &str| serde_json::from_str::<Role>(json).map_err(|e| e.to_string());
        let good = r#"{"teams":["platform"],"rights":["admin:read","admin:secret:use"]}"#;
        assert_eq!(role(good).unwrap().check(), Ok(()));
        assert_eq!(serde_json::to_string(&role(good).unwrap()).unwrap(), good);
        for bad in [
            r#"{"teams":[],"rights":["admin:read"]}"#,
            r#"{"teams":["a"],"rights":[]}"#,
            r#"{"teams":["a"],"rights":["admin:read","admin:read"]}"#,
        ] {
            assert!(role(bad).unwrap().check().is_err(), "{bad}");
        }
        assert!(role(r#"{"teams":["a"],"rights":["root"]}"#).unwrap_err().contains("no such right"));
    }
}
