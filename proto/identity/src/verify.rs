//! Verification in two steps: the signature, which is dear and may be cached, and the rest, which is done every time.

use crate::algorithm;
use crate::claims::Claims;
use crate::error::TokenError;
use crate::keys::KeySet;
use crate::token::UnverifiedToken;
use hoop_model::UnixSeconds;
use hoop_model::spec::{Algorithm, Audience, Issuer};
use std::sync::Arc;

/// How far our clock and the issuer's may differ, in seconds.
pub const LEEWAY_SECONDS: u64 = 30;

/// Evidence that a key of the issuer signed the token. It holds for as long as that key set is the issuer's; whether the
/// token may be used at a given time is [`Verified::check`]'s to say. Made only by [`verify_signature`].
#[derive(Debug, Clone)]
pub struct Verified {
    algorithm: Algorithm,
    typ: Option<Box<str>>,
    claims: Arc<Claims>,
}

/// Verifies that a key of the issuer signed the token, with an algorithm that both the issuer and the key allow.
///
/// # Errors
/// [`TokenError::KeyUnknown`] if newer keys might help; else what is wrong with issuer, algorithm, key or signature.
pub fn verify_signature(token: &UnverifiedToken, keys: &KeySet, issuer: &Issuer) -> Result<Verified, TokenError> {
    let header = &token.header;
    is_allowed(token.iss(), header.algorithm, issuer)?;
    let key = keys.choose(header.kid.as_deref(), header.algorithm)?;
    let (signed, signature) = token.signed().ok_or(TokenError::NotThreeParts)?;
    let algorithm = algorithm::for_verification(header.algorithm);
    match jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key.verifying, algorithm) {
        Ok(true) => {
            Ok(Verified { algorithm: header.algorithm, typ: header.typ.clone(), claims: Arc::clone(&token.claims) })
        }
        Ok(false) | Err(_) => Err(TokenError::Signature),
    }
}

impl Verified {
    /// Checks everything but the signature against the issuer as it is configured at present: URL, algorithm, type,
    /// audience and times. Leeway is [`LEEWAY_SECONDS`] at each boundary, boundaries included.
    ///
    /// # Errors
    /// [`TokenError`] with the first thing that is wrong.
    pub fn check(&self, issuer: &Issuer, now: UnixSeconds) -> Result<(), TokenError> {
        is_allowed(self.claims.iss(), self.algorithm, issuer)?;
        self.check_type(issuer)?;
        if !self.claims.aud.iter().any(|aud| is_accepted(aud, issuer)) {
            return Err(TokenError::Audience);
        }
        self.check_times(issuer, now)
    }

    /// Returns the claims.
    #[must_use]
    pub const fn claims(&self) -> &Arc<Claims> {
        &self.claims
    }

    fn check_type(&self, issuer: &Issuer) -> Result<(), TokenError> {
        let typ = self.typ.as_deref();
        let as_required = match &issuer.token_type {
            Some(required) => typ == Some(required),
            None => typ.is_none_or(|typ| typ == "JWT"),
        };
        let of_a_person = issuer.audience == Audience::Identities && self.claims.answers_sign_in;
        if as_required && !of_a_person { Ok(()) } else { Err(TokenError::Type) }
    }

    fn check_times(&self, issuer: &Issuer, now: UnixSeconds) -> Result<(), TokenError> {
        let claims = &self.claims;
        let in_future = |time: UnixSeconds| time.0 > now.0.saturating_add(LEEWAY_SECONDS);
        if now.0 > claims.exp.0.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenError::Expired);
        }
        if claims.nbf.is_some_and(in_future) || claims.iat.is_some_and(in_future) {
            return Err(TokenError::NotYetValid);
        }
        // Without `iat` the token counts as issued this moment: what is left of it must not exceed a whole lifetime.
        let from = claims.iat.unwrap_or(now);
        if claims.exp.0.saturating_sub(from.0) > issuer.max_token_lifetime.as_secs() {
            return Err(TokenError::Lifetime);
        }
        Ok(())
    }
}

/// Returns whether the issuer takes tokens for this audience, byte for byte.
pub(crate) fn is_accepted(aud: &str, issuer: &Issuer) -> bool {
    issuer.audiences.iter().any(|accepted| accepted == aud)
}

fn is_allowed(iss: &str, algorithm: Algorithm, issuer: &Issuer) -> Result<(), TokenError> {
    if iss != issuer.url {
        return Err(TokenError::IssuerUnknown);
    }
    if issuer.algorithms.contains(&algorithm) { Ok(()) } else { Err(TokenError::Algorithm) }
}
