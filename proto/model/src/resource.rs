//! Objects: what every resource has beside its spec.

use crate::spec::{Connection, DataClass, Identity, Issuer, Person, Policy, Role, Secret};
use crate::{ResourceName, Uid};
use std::fmt;
use std::str::FromStr;

/// The position of the last change to policy-relevant state. Ordered; a restore raises the epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision {
    /// Raised by every restore of the cluster from a backup.
    pub epoch: u64,
    /// Index of the log entry that made the change.
    pub index: u64,
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.index)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{self}")
    }
}

/// What objects of one kind say.
pub trait OfKind: Sized {
    /// Returns what a spec says, if it is of this kind.
    fn of(spec: &Spec) -> Option<&Self>;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($spec:ty);)*) => {
        /// The kinds of resource.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        /// What an object says, by kind.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Spec { $($(#[$doc])* $kind($spec),)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// Returns the kind as written in a document.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind),)* }
            }
        }

        impl Spec {
            /// Returns the kind.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// Returns what it says, if it is of this kind.
            #[must_use]
            pub fn get<T: OfKind>(&self) -> Option<&T> {
                T::of(self)
            }
        }

        $(impl OfKind for $spec {
            fn of(spec: &Spec) -> Option<&Self> {
                if let Spec::$kind(spec) = spec { Some(spec) } else { None }
            }
        })*

        impl FromStr for Kind {
            type Err = UnknownKind;
            fn from_str(text: &str) -> Result<Self, UnknownKind> {
                match text {
                    $(stringify!($kind) => Ok(Self::$kind),)*
                    _ => Err(UnknownKind),
                }
            }
        }
    };
}

kinds! {
    /// A trusted OIDC token issuer.
    Issuer(Issuer);
    /// A named non-human identity.
    Identity(Identity);
    /// One backend behind the gateway.
    Connection(Connection);
    /// Policy text.
    Policy(Policy);
    /// A human who approves or administers.
    Person(Person);
    /// A backend's credential, or where it is.
    Secret(Secret);
    /// A kind of sensitive data, masked in what backends answer.
    DataClass(DataClass);
    /// What members of teams may do to the cluster itself.
    Role(Role);
}

/// Says that a text names no kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such kind")]
pub struct UnknownKind;

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What every object has beside its spec. Set by the control plane only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Unique among objects of the kind; immutable.
    pub name: ResourceName,
    /// Never reused.
    pub uid: Uid,
    /// Counts the changes of the spec, from 1.
    pub generation: u64,
    /// The revision of the last change.
    pub revision: Revision,
}

/// A stored resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What the control plane says about it.
    pub metadata: Metadata,
    /// What the administrator says.
    pub spec: Spec,
}
