//! Specs: what an administrator writes, one file per kind. Unknown keys are errors, and every value is parsed here once.

mod connection;
mod credential;
mod data_class;
mod identity;
mod issuer;
mod origin;
mod person;
mod policy;
mod role;
mod secret;
mod stale;

pub use connection::{Access, Connection, Labels, Protocol, Recording};
pub use credential::{Credential, CredentialForm};
pub use data_class::{Builtin, ClassName, DataClass, InvalidClassName, Recognise, Transform};
pub use identity::{ClaimCondition, ContainsText, Identity, IntegerIs};
pub use issuer::{Algorithm, Audience, Issuer, KeySource, MAX_TOKEN_LIFETIME};
pub use origin::{InvalidOrigin, Origin, Scheme};
pub use person::Person;
pub use policy::{MAX_POLICY_BYTES, Policy};
pub use role::{Right, Role, UnknownRight};
pub use secret::{InvalidSecretValue, MAX_SECRET_BYTES, MIN_SECRET_BYTES, Secret, SecretSource, SecretValue};
pub use stale::{LONGEST_STALE, Stale};

/// Says that a spec contradicts itself or leaves a bound, in the administrator's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct InvalidSpec {
    /// The field as written, dotted.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl crate::Spec {
    /// Checks what the types cannot say. Everything that stores or applies a spec calls this first.
    ///
    /// # Errors
    /// [`InvalidSpec`] for the first field that is wrong.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        match self {
            Self::Issuer(issuer) => issuer.check(),
            Self::Identity(identity) => identity.check(),
            Self::Connection(connection) => connection.check(),
            Self::Policy(policy) => policy.check(),
            Self::Person(person) => person.check(),
            Self::Secret(secret) => secret.check(),
            Self::DataClass(class) => class.check(),
            Self::Role(role) => role.check(),
        }
    }
}

fn require(holds: bool, field: &'static str, problem: &'static str) -> Result<(), InvalidSpec> {
    if holds { Ok(()) } else { Err(InvalidSpec { field, problem }) }
}
