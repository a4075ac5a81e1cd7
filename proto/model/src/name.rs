//! Resource names.

use std::fmt;

/// Longest resource name, in bytes; the DNS label limit (RFC 1035 §2.3.4), so that a name can be a host label.
const MAX_NAME_BYTES: usize = 63;

/// The immutable name of an object: `[a-z0-9-]{1,63}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceName(Box<str>);

/// Says that a text is not a resource name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a name: 1 to 63 of `a-z`, `0-9` and `-`")]
pub struct InvalidName;

impl ResourceName {
    /// Parses a name once, at the edge.
    ///
    /// # Errors
    /// [`InvalidName`] for an empty, over-long or differently spelled text.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let fits = (1..=MAX_NAME_BYTES).contains(&text.len());
        let spelled = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits && spelled { Ok(Self(text.into())) } else { Err(InvalidName) }
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

impl TryFrom<String> for ResourceName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<ResourceName> for String {
    fn from(name: ResourceName) -> Self {
        name.0.into()
    }
}

impl std::borrow::Borrow<str> for ResourceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_ascii_of_bounded_length() {
        for good in ["a", "nightly-react", "0", &"x".repeat(63)] {
            assert!(ResourceName::parse(good).is_ok(), "{good:?}");
        }
        for bad in ["", "A", "a_b", "a.b", "a/b", "а", "a ", "a\0", &"x".repeat(64)] {
            assert_eq!(ResourceName::parse(bad), Err(InvalidName), "{bad:?}");
        }
    }
}
