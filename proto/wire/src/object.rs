//! Objects and specs.

use crate::error::{Malformed, parsed, present};
use crate::v1;
use hoop_model::{Kind, Metadata, Object, ResourceName, Spec, Uid, spec};

/// Reads a kind's name.
///
/// # Errors
/// [`Malformed`] for a kind that does not exist.
pub fn kind(text: &str) -> Result<Kind, Malformed> {
    text.parse().map_err(|_| Malformed { field: "kind", problem: "does not exist" })
}

/// Reads a document's name.
///
/// # Errors
/// [`Malformed`] for a text that is not a resource name.
pub fn document_name(text: &str) -> Result<ResourceName, Malformed> {
    parsed(ResourceName::parse(text), "name")
}

impl From<&Metadata> for v1::Metadata {
    fn from(metadata: &Metadata) -> Self {
        Self {
            name: metadata.name.to_string(),
            uid: metadata.uid.to_bytes().into(),
            generation: metadata.generation,
            revision: Some(metadata.revision.into()),
        }
    }
}

impl TryFrom<v1::Metadata> for Metadata {
    type Error = Malformed;
    fn try_from(metadata: v1::Metadata) -> Result<Self, Malformed> {
        Ok(Self {
            name: document_name(&metadata.name)?,
            uid: parsed(Uid::from_slice(&metadata.uid), "uid")?,
            generation: metadata.generation,
            revision: present(metadata.revision, "revision")?.into(),
        })
    }
}

impl From<&Object> for v1::Object {
    fn from(object: &Object) -> Self {
        Self { metadata: Some((&object.metadata).into()), spec: Some((&object.spec).into()) }
    }
}

impl TryFrom<v1::Object> for Object {
    type Error = Malformed;
    fn try_from(object: v1::Object) -> Result<Self, Malformed> {
        Ok(Self {
            metadata: present(object.metadata, "metadata")?.try_into()?,
            spec: present(object.spec, "spec")?.try_into()?,
        })
    }
}

impl From<&Spec> for v1::Spec {
    fn from(spec: &Spec) -> Self {
        let kind = match spec {
            Spec::Issuer(issuer) => v1::spec::Kind::Issuer(issuer.into()),
            Spec::Identity(identity) => v1::spec::Kind::Identity(identity.into()),
            Spec::Connection(connection) => v1::spec::Kind::Connection(connection.into()),
            Spec::Policy(policy) => v1::spec::Kind::Policy(v1::Policy { cedar: policy.cedar.clone() }),
            Spec::Person(person) => v1::spec::Kind::Person(person.into()),
            Spec::Secret(secret) => v1::spec::Kind::Secret(secret.into()),
            Spec::DataClass(class) => v1::spec::Kind::DataClass(class.into()),
            Spec::Role(role) => v1::spec::Kind::Role(role.into()),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<v1::Spec> for Spec {
    type Error = Malformed;

    /// Reads and checks a spec: what comes out holds every rule of [`Spec::check`].
    fn try_from(spec: v1::Spec) -> Result<Self, Malformed> {
        let spec = match present(spec.kind, "spec.kind")? {
            v1::spec::Kind::Issuer(issuer) => Self::Issuer(issuer.try_into()?),
            v1::spec::Kind::Identity(identity) => Self::Identity(identity.try_into()?),
            v1::spec::Kind::Connection(connection) => Self::Connection(connection.try_into()?),
            v1::spec::Kind::Policy(policy) => Self::Policy(spec::Policy { cedar: policy.cedar }),
            v1::spec::Kind::Person(person) => Self::Person(person.try_into()?),
            v1::spec::Kind::Secret(secret) => Self::Secret(secret.try_into()?),
            v1::spec::Kind::DataClass(class) => Self::DataClass(class.try_into()?),
            v1::spec::Kind::Role(role) => Self::Role(role.try_into()?),
        };
        spec.check().map_err(|invalid| Malformed { field: invalid.field, problem: invalid.problem })?;
        Ok(spec)
    }
}
