//! Ids: 128-bit values minted once by whoever creates the thing, never reused; and 256-bit content hashes.

use std::fmt;
use std::str::FromStr;

/// Says that a text is not the lower-case hexadecimal form of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {digits} lower-case hexadecimal digits")]
pub struct InvalidId {
    digits: usize,
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], InvalidId> {
    let invalid = InvalidId { digits: 2 * N };
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(invalid);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for &digit in pair {
            let nibble = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(invalid),
            };
            *byte = *byte << 4 | nibble;
        }
    }
    Ok(bytes)
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

macro_rules! id128 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Makes the id from 128 random bits that the caller drew.
            #[must_use]
            pub const fn mint(bits: u128) -> Self {
                Self(bits)
            }

            /// Returns the id as 16 big-endian bytes, its form on the wire.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            /// Reads the 16-byte wire form.
            ///
            /// # Errors
            /// [`InvalidId`] unless there are exactly 16 bytes.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, InvalidId> {
                bytes.try_into().map(|b| Self(u128::from_be_bytes(b))).map_err(|_| InvalidId { digits: 32 })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:032x})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_hex::<16>(text).map(|b| Self(u128::from_be_bytes(b)))
            }
        }
    };
}

id128!(
    /// Identifies one object for ever; a re-created object of the same name gets another.
    Uid
);
id128!(
    /// Identifies one session: the time one identity uses one connection in one run.
    SessionId
);
id128!(
    /// Identifies one approval request, unique in the cluster.
    ApprovalId
);
id128!(
    /// Identifies one life of a data-plane process; a restart is another incarnation.
    Incarnation
);
id128!(
    /// W3C trace id (Trace Context §3.2.2.3) that joins a refusal, its record and its trace.
    TraceId
);

/// SHA-256 of some content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// Reads the 32-byte wire form.
    ///
    /// # Errors
    /// [`InvalidId`] unless there are exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, InvalidId> {
        bytes.try_into().map(Self).map_err(|_| InvalidId { digits: 64 })
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentHash(")?;
        write_hex(f, &self.0)?;
        f.write_str(")")
    }
}

impl FromStr for ContentHash {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_hex::<32>(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let uid = Uid::mint(0xab);
        assert_eq!(uid.to_string(), "000000000000000000000000000000ab");
        assert_eq!(uid.to_string().parse(), Ok(uid));
        for wrong in [
            "",
            "ab",
            "000000000000000000000000000000AB",
            "0000000000000000000000000000000g",
            " 00000000000000000000000000000ab",
        ] {
            assert!(wrong.parse::<Uid>().is_err(), "{wrong:?}");
        }
        assert_eq!(Uid::from_slice(&uid.to_bytes()), Ok(uid));
        assert!(Uid::from_slice(&[0; 15]).is_err());
    }
}
