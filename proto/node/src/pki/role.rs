//! What a node is in its cluster.

use std::fmt;

/// What a certificate lets its holder be. Written as the subject's organisational unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A voter or learner of the control plane.
    ControlPlane,
    /// A node that carries traffic.
    DataPlane,
}

/// Says that a text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a role: `control-plane` or `data-plane`")]
pub struct UnknownRole;

impl Role {
    /// Returns the role's text: `control-plane` or `data-plane`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::DataPlane => "data-plane",
        }
    }

    /// Parses a role's text, byte for byte.
    ///
    /// # Errors
    /// [`UnknownRole`] for every other text.
    pub fn parse(text: &str) -> Result<Self, UnknownRole> {
        [Self::ControlPlane, Self::DataPlane].into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_one_of_two_exact_texts() {
        for role in [Role::ControlPlane, Role::DataPlane] {
            assert_eq!(Role::parse(role.as_str()), Ok(role));
        }
        for text in ["", "data", "Data-Plane", "data-plane ", "data-plane\0", "admin", "data_plane"] {
            assert_eq!(Role::parse(text), Err(UnknownRole), "{text:?}");
        }
    }
}
