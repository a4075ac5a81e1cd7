//! Trust: whose tokens are believed.

use crate::claims::Claims;
use crate::error::TokenError;
use crate::keys::KeySet;
use crate::token::UnverifiedToken;
use crate::verify::{is_accepted, verify_signature};
use hoop_model::spec::{Audience, Issuer};
use hoop_model::{ResourceName, UnixSeconds};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An issuer with the keys it has at present.
#[derive(Debug, Clone)]
pub struct TrustedIssuer {
    /// The Issuer object's name.
    pub name: ResourceName,
    /// What the administrator says about it.
    pub spec: Issuer,
    /// Its keys; `None` while they were never had or have become too old.
    pub keys: Option<Arc<KeySet>>,
}

/// The issuers whose tokens are believed, by their exact URL.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    by_url: BTreeMap<Box<str>, Vec<TrustedIssuer>>,
}

/// Claims that the issuer vouches for at the time they were verified.
#[derive(Debug, Clone)]
pub struct VerifiedClaims {
    /// The Issuer object that vouches.
    pub issuer: ResourceName,
    /// Whom its tokens may stand for.
    pub audience: Audience,
    /// The claims.
    pub claims: Arc<Claims>,
}

impl Trust {
    /// Collects the issuers. Several may share a URL as long as their audiences do not overlap.
    #[must_use]
    pub fn new(issuers: impl IntoIterator<Item = TrustedIssuer>) -> Self {
        let mut by_url = BTreeMap::<Box<str>, Vec<TrustedIssuer>>::new();
        for issuer in issuers {
            by_url.entry(issuer.spec.url.as_str().into()).or_default().push(issuer);
        }
        Self { by_url }
    }

    /// Finds the one issuer that the token's `iss` and `aud` point to, byte for byte.
    ///
    /// # Errors
    /// [`TokenError::IssuerUnknown`], [`TokenError::Audience`], or [`TokenError::AudienceAmbiguous`].
    pub fn issuer(&self, token: &UnverifiedToken) -> Result<&TrustedIssuer, TokenError> {
        let candidates = self.by_url.get(token.iss()).ok_or(TokenError::IssuerUnknown)?;
        let is_meant = |issuer: &&TrustedIssuer| token.claims.aud.iter().any(|aud| is_accepted(aud, &issuer.spec));
        let mut meant = candidates.iter().filter(is_meant);
        match (meant.next(), meant.next()) {
            (Some(issuer), None) => Ok(issuer),
            (None, _) => Err(TokenError::Audience),
            (Some(_), Some(_)) => Err(TokenError::AudienceAmbiguous),
        }
    }

    /// Verifies a token completely. Who caches signatures calls [`Trust::issuer`], [`verify_signature`] and
    /// [`Verified::check`](crate::Verified::check) instead.
    ///
    /// # Errors
    /// [`TokenError`] with the first thing that is wrong.
    pub fn verify(&self, token: &UnverifiedToken, now: UnixSeconds) -> Result<VerifiedClaims, TokenError> {
        let issuer = self.issuer(token)?;
        let keys = issuer.keys.as_ref().ok_or(TokenError::KeysUnavailable)?;
        let verified = verify_signature(token, keys, &issuer.spec)?;
        verified.check(&issuer.spec, now)?;
        Ok(VerifiedClaims {
            issuer: issuer.name.clone(),
            audience: issuer.spec.audience,
            claims: Arc::clone(verified.claims()),
        })
    }
}
