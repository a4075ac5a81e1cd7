//! The directory: which Identity the claims of a token stand for.

use crate::claims::Claims;
use crate::matching::{ByIssuer, Match, each_once};
use hoop_model::spec::Identity;
use hoop_model::{Code, Metadata, Object, ResourceName, Spec, Uid, UnixSeconds};
use std::sync::Arc;

/// Every Identity, by issuer.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    by_issuer: ByIssuer<Resolved>,
}

/// An Identity that a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Its name.
    pub name: ResourceName,
    /// Its uid.
    pub uid: Uid,
    /// The issuer whose tokens stand for it.
    pub issuer: ResourceName,
    /// The groups it is in, sorted, each once.
    pub groups: Vec<ResourceName>,
    /// The environment it belongs to.
    pub environment: Option<ResourceName>,
    /// The person or team accountable for it.
    pub owner: Box<str>,
    /// The claim that names the run.
    pub run_claim: Box<str>,
    /// When it ceases to exist.
    pub expires: Option<UnixSeconds>,
    suspended: bool,
}

/// Says why claims stand for no usable Identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No Identity of the issuer matches.
    #[error("no identity matches the token")]
    None,
    /// More than one matches, so none is meant.
    #[error("several identities match the token, among them `{first}` and `{second}`")]
    Ambiguous {
        /// The first by name.
        first: ResourceName,
        /// The second by name.
        second: ResourceName,
    },
    /// The one that matches is barred.
    #[error("the identity `{0}` is suspended")]
    Suspended(ResourceName),
    /// The one that matches is over.
    #[error("the identity `{0}` has expired")]
    Expired(ResourceName),
    /// The token does not say which run it belongs to.
    #[error("the token has no claim that names the run of identity `{0}`")]
    RunMissing(ResourceName),
}

impl IdentityError {
    /// Returns the refusal's code. A token that names no run falls short of what the Identity asks of it, as one that
    /// matches none.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::None | Self::RunMissing(_) => Code::IdentityNone,
            Self::Ambiguous { .. } => Code::IdentityAmbiguous,
            Self::Suspended(_) => Code::IdentitySuspended,
            Self::Expired(_) => Code::IdentityExpired,
        }
    }
}

impl Directory {
    /// Collects the Identity objects; other kinds are passed over.
    #[must_use]
    pub fn compile<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Self {
        let mut by_issuer = ByIssuer::default();
        for object in objects {
            if let Spec::Identity(identity) = &object.spec {
                let resolved = Resolved::of(&object.metadata, identity);
                by_issuer.add(&identity.issuer, &object.metadata.name, &identity.claims, resolved);
            }
        }
        Self { by_issuer: by_issuer.sorted() }
    }

    /// Finds the one Identity of the issuer that the claims match. A suspended or expired one still counts as a match:
    /// barring an Identity must not make its tokens stand for another.
    ///
    /// # Errors
    /// [`IdentityError`], a different one for none, several, suspended and expired.
    pub fn resolve(
        &self,
        issuer: &ResourceName,
        claims: &Claims,
        now: UnixSeconds,
    ) -> Result<&Arc<Resolved>, IdentityError> {
        let found = match self.by_issuer.find(issuer, claims) {
            Match::One(found) => found,
            Match::None => return Err(IdentityError::None),
            Match::Several(first, second) => return Err(IdentityError::Ambiguous { first, second }),
        };
        if found.suspended {
            return Err(IdentityError::Suspended(found.name.clone()));
        }
        if found.expires.is_some_and(|at| now >= at) {
            return Err(IdentityError::Expired(found.name.clone()));
        }
        Ok(found)
    }
}

impl Resolved {
    fn of(metadata: &Metadata, identity: &Identity) -> Self {
        Self {
            name: metadata.name.clone(),
            uid: metadata.uid,
            issuer: identity.issuer.clone(),
            groups: each_once(&identity.groups),
            environment: identity.environment.clone(),
            owner: identity.owner.as_str().into(),
            run_claim: identity.run.as_str().into(),
            expires: identity.expires.map(UnixSeconds),
            suspended: identity.suspended,
        }
    }

    /// Returns the run that the claims name.
    ///
    /// # Errors
    /// [`IdentityError::RunMissing`] if the claim is absent, empty, or neither a text nor an integer.
    pub fn run(&self, claims: &Claims) -> Result<Box<str>, IdentityError> {
        claims.run(&self.run_claim).ok_or_else(|| IdentityError::RunMissing(self.name.clone()))
    }
}
