//! Tokens as bytes: the compact serialization (RFC 7515 §7.1) in its one spelling, with header and claims read strictly.

use crate::algorithm;
use crate::claims::Claims;
use crate::error::{Part, TokenError};
use crate::json::{Json, Object, parse_object};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hoop_model::spec::Algorithm;
use hoop_model::{ContentHash, Redacted};
use std::fmt;
use std::sync::Arc;

/// Longest token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 << 10;
/// Longest `kid`, in bytes.
const MAX_KID_BYTES: usize = 1 << 10;

/// Header members that are refused wherever they stand: extensions that must be understood (RFC 7515 §4.1.11, RFC 7797),
/// and keys or places of keys that the bearer chose (RFC 7515 §4.1.2, §4.1.3, §4.1.5, §4.1.6).
const REFUSED_MEMBERS: &[&str] = &["crit", "b64", "jku", "jwk", "x5u", "x5c"];

/// A token that is well-formed. Nothing it says has been verified.
#[derive(Clone)]
pub struct UnverifiedToken {
    text: Redacted<String>,
    pub(crate) header: Header,
    pub(crate) claims: Arc<Claims>,
}

/// What we read of the JOSE header.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<Box<str>>,
    pub(crate) typ: Option<Box<str>>,
}

/// Returns the SHA-256 of a token's bytes, the key of a cache that must not hold the token itself.
#[must_use]
pub fn token_hash(bytes: &[u8]) -> ContentHash {
    let mut hash = [0; 32];
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    ContentHash(hash)
}

impl UnverifiedToken {
    /// Reads a token.
    ///
    /// # Errors
    /// [`TokenError`] for a token that is too large, has another spelling of the same bytes, is not strict JSON, has a
    /// header member we do not accept or an algorithm we do not have, or whose registered claims have the wrong type.
    pub fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        if bytes.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TokenError::NotThreeParts)?;
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::NotThreeParts);
        };
        let header = Header::read(&object(header, Part::Header)?)?;
        let claims = Claims::read(&object(claims, Part::Claims)?)?;
        decode(signature, Part::Signature)?;
        Ok(Self { text: Redacted::new(text.to_owned()), header, claims: Arc::new(claims) })
    }

    /// Returns the issuer's URL as the token spells it.
    #[must_use]
    pub fn iss(&self) -> &str {
        self.claims.iss()
    }

    /// Returns the key id: a text of the bearer's choice, at most 1 KiB, without control characters.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Returns what is signed, and the signature, both as transmitted.
    pub(crate) fn signed(&self) -> Option<(&str, &str)> {
        self.text.reveal().rsplit_once('.')
    }
}

impl fmt::Debug for UnverifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken").field("iss", &self.iss()).field("kid", &self.kid()).finish_non_exhaustive()
    }
}

impl Header {
    fn read(object: &Object) -> Result<Self, TokenError> {
        if let Some(member) = REFUSED_MEMBERS.iter().find(|m| object.contains_key(**m)) {
            return Err(TokenError::HeaderRefused(member));
        }
        let algorithm = text(object, "alg")?.ok_or(TokenError::HeaderInvalid("alg"))?;
        let kid = text(object, "kid")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID_BYTES) {
            return Err(TokenError::HeaderInvalid("kid"));
        }
        Ok(Self {
            algorithm: algorithm::named(algorithm).ok_or(TokenError::Algorithm)?,
            kid: kid.map(Into::into),
            typ: text(object, "typ")?.map(Into::into),
        })
    }
}

fn text<'a>(object: &'a Object, name: &'static str) -> Result<Option<&'a str>, TokenError> {
    let Some(value) = object.get(name) else { return Ok(None) };
    let text = Json::as_text(value).ok_or(TokenError::HeaderInvalid(name))?;
    if text.contains(char::is_control) { Err(TokenError::ControlCharacter(Part::Header)) } else { Ok(Some(text)) }
}

fn object(text: &str, part: Part) -> Result<Object, TokenError> {
    parse_object(&decode(text, part)?).ok_or(TokenError::NotJson(part))
}

/// Decodes one part. This engine refuses padding, the other alphabet, white space, and set bits behind the last byte.
fn decode(text: &str, part: Part) -> Result<Vec<u8>, TokenError> {
    if text.is_empty() {
        return Err(TokenError::NotBase64Url(part));
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::NotBase64Url(part))
}
