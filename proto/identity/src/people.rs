//! People: which Person the claims of a token stand for.

use crate::matching::{ByIssuer, Match, each_once};
use crate::trust::VerifiedClaims;
use hoop_model::spec::{Audience, Person};
use hoop_model::{Metadata, Object, ResourceName, Spec, Uid};
use std::sync::Arc;

/// Every Person, by issuer.
#[derive(Debug, Clone, Default)]
pub struct People {
    by_issuer: ByIssuer<ResolvedPerson>,
}

/// A Person that a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedPerson {
    /// Their name.
    pub name: ResourceName,
    /// Their uid.
    pub uid: Uid,
    /// The issuer whose tokens stand for them.
    pub issuer: ResourceName,
    /// The teams they are in, sorted, each once.
    pub teams: Vec<ResourceName>,
    suspended: bool,
}

/// Says why claims stand for no usable Person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PersonError {
    /// The issuer's tokens stand for identities, whatever their claims say.
    #[error("tokens of issuer `{0}` never stand for a person")]
    NotForPeople(ResourceName),
    /// No Person of the issuer matches.
    #[error("no person matches the token")]
    None,
    /// More than one matches, so none is meant.
    #[error("several persons match the token, among them `{first}` and `{second}`")]
    Ambiguous {
        /// The first by name.
        first: ResourceName,
        /// The second by name.
        second: ResourceName,
    },
    /// The one who matches is barred.
    #[error("the person `{0}` is suspended")]
    Suspended(ResourceName),
}

impl People {
    /// Collects the Person objects; other kinds are passed over.
    #[must_use]
    pub fn compile<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Self {
        let mut by_issuer = ByIssuer::default();
        for object in objects {
            if let Spec::Person(person) = &object.spec {
                let resolved = ResolvedPerson::of(&object.metadata, person);
                by_issuer.add(&person.issuer, &object.metadata.name, &person.claims, resolved);
            }
        }
        Self { by_issuer: by_issuer.sorted() }
    }

    /// Finds the one Person that verified claims match. A suspended one still counts as a match: barring a Person must
    /// not make their tokens stand for another.
    ///
    /// # Errors
    /// [`PersonError`], a different one for an issuer of identities, none, several and suspended.
    pub fn resolve(&self, verified: &VerifiedClaims) -> Result<&Arc<ResolvedPerson>, PersonError> {
        match verified.audience {
            Audience::People => {}
            Audience::Identities => return Err(PersonError::NotForPeople(verified.issuer.clone())),
        }
        match self.by_issuer.find(&verified.issuer, &verified.claims) {
            Match::None => Err(PersonError::None),
            Match::Several(first, second) => Err(PersonError::Ambiguous { first, second }),
            Match::One(found) if found.suspended => Err(PersonError::Suspended(found.name.clone())),
            Match::One(found) => Ok(found),
        }
    }
}

impl ResolvedPerson {
    fn of(metadata: &Metadata, person: &Person) -> Self {
        Self {
            name: metadata.name.clone(),
            uid: metadata.uid,
            issuer: person.issuer.clone(),
            teams: each_once(&person.teams),
            suspended: person.suspended,
        }
    }
}
