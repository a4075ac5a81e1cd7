//! What a token says about its bearer.

use crate::error::{Part, TokenError};
use crate::json::{Json, Object};
use hoop_model::UnixSeconds;
use hoop_model::spec::ClaimCondition;
use std::collections::{BTreeMap, BTreeSet};

/// Claims as policy reads them: strings as they are, integers and booleans in canonical text, arrays per element.
pub type Tags = BTreeMap<Box<str>, BTreeSet<Box<str>>>;

/// Values of the `typ` claim that some issuers (Keycloak) put into tokens which are not credentials for an API.
const FOREIGN_TYPES: &[&str] = &["Refresh", "Offline", "Logout"];

/// A claim that conditions can be about. Objects, nulls and inexact numbers are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// A truth value.
    Bool(bool),
    /// An integer, from -2^63 to 2^64 - 1.
    Integer(i128),
    /// A text without control characters.
    Text(Box<str>),
    /// The elements of an array that are truth values, integers or texts.
    List(Vec<Claim>),
}

/// The claims of one token, read strictly. Whether they are true is another matter: see [`Verified`](crate::Verified).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub(crate) iss: Box<str>,
    pub(crate) aud: Vec<Box<str>>,
    pub(crate) exp: UnixSeconds,
    pub(crate) nbf: Option<UnixSeconds>,
    pub(crate) iat: Option<UnixSeconds>,
    /// Whether there is a `nonce`: the answer to a person's interactive sign-in (OpenID Connect Core 1.0 §2).
    pub(crate) answers_sign_in: bool,
    typed: BTreeMap<Box<str>, Claim>,
    tags: Tags,
}

impl Claims {
    /// Reads the claims (RFC 7519 §4.1).
    pub(crate) fn read(object: &Object) -> Result<Self, TokenError> {
        refuse_foreign(object)?;
        let iss = object.get("iss").and_then(Json::as_text).filter(|iss| !iss.is_empty());
        let exp = time(object, "exp")?.ok_or(TokenError::ClaimInvalid("exp"))?;
        let iat = time(object, "iat")?;
        if iat.is_some_and(|iat| iat > exp) {
            return Err(TokenError::ClaimInvalid("iat"));
        }
        if object.get("sub").is_some_and(|sub| sub.as_text().is_none()) {
            return Err(TokenError::ClaimInvalid("sub"));
        }
        let typed = typed(object)?;
        Ok(Self {
            iss: iss.ok_or(TokenError::ClaimInvalid("iss"))?.into(),
            aud: audiences(object).ok_or(TokenError::ClaimInvalid("aud"))?,
            exp,
            nbf: time(object, "nbf")?,
            iat,
            answers_sign_in: object.contains_key("nonce"),
            tags: typed.iter().map(|(name, claim)| (name.clone(), claim.to_texts())).collect(),
            typed,
        })
    }

    /// Returns the issuer's URL, as the token spells it.
    #[must_use]
    pub fn iss(&self) -> &str {
        &self.iss
    }

    /// Returns the subject.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        match self.typed.get("sub") {
            Some(Claim::Text(sub)) => Some(sub),
            Some(Claim::Bool(_) | Claim::Integer(_) | Claim::List(_)) | None => None,
        }
    }

    /// Returns when the token's time is over.
    #[must_use]
    pub const fn exp(&self) -> UnixSeconds {
        self.exp
    }

    /// Returns the claims as policy reads them.
    #[must_use]
    pub const fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Returns a claim with its type.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Claim> {
        self.typed.get(name)
    }

    /// Returns whether the claim `name` is what the condition asks: same type, byte for byte.
    #[must_use]
    pub fn meets(&self, name: &str, condition: &ClaimCondition) -> bool {
        match (condition, self.typed.get(name)) {
            (ClaimCondition::Equals(wanted), Some(Claim::Text(text))) => **text == **wanted,
            (ClaimCondition::Integer(wanted), Some(Claim::Integer(value))) => *value == i128::from(wanted.integer),
            (ClaimCondition::Contains(wanted), Some(Claim::List(elements))) => {
                elements.iter().any(|e| matches!(e, Claim::Text(text) if **text == *wanted.contains))
            }
            (ClaimCondition::Equals(_) | ClaimCondition::Integer(_) | ClaimCondition::Contains(_), _) => false,
        }
    }

    /// Returns the run that the claim `name` names: a text that is not empty, or an integer.
    #[must_use]
    pub fn run(&self, name: &str) -> Option<Box<str>> {
        match self.typed.get(name)? {
            Claim::Text(run) if !run.is_empty() => Some(run.clone()),
            Claim::Integer(run) => Some(run.to_string().into()),
            Claim::Text(_) | Claim::Bool(_) | Claim::List(_) => None,
        }
    }
}

impl Claim {
    /// Reads what is exposed of a value; `None` for what is not.
    fn read(value: &Json) -> Option<Self> {
        match value {
            Json::List(elements) => Some(Self::List(elements.iter().filter_map(Self::read_scalar).collect())),
            Json::Bool(_) | Json::Integer(_) | Json::Text(_) => Self::read_scalar(value),
            Json::Null | Json::Inexact | Json::Object(_) => None,
        }
    }

    fn read_scalar(value: &Json) -> Option<Self> {
        match value {
            Json::Bool(value) => Some(Self::Bool(*value)),
            Json::Integer(value) => Some(Self::Integer(*value)),
            Json::Text(text) => Some(Self::Text(text.clone())),
            Json::Null | Json::Inexact | Json::List(_) | Json::Object(_) => None,
        }
    }

    fn to_texts(&self) -> BTreeSet<Box<str>> {
        match self {
            Self::Bool(value) => [value.to_string().into()].into(),
            Self::Integer(value) => [value.to_string().into()].into(),
            Self::Text(text) => [text.clone()].into(),
            Self::List(elements) => elements.iter().flat_map(Self::to_texts).collect(),
        }
    }

    fn has_control_character(&self) -> bool {
        match self {
            Self::Bool(_) | Self::Integer(_) => false,
            Self::Text(text) => text.contains(char::is_control),
            Self::List(elements) => elements.iter().any(Self::has_control_character),
        }
    }
}

/// Refuses signed tokens that are not credentials: security events such as logout tokens (RFC 8417 §2.2, OpenID Connect
/// Back-Channel Logout 1.0 §2.4), and what the issuer itself calls a refresh or logout token.
fn refuse_foreign(object: &Object) -> Result<(), TokenError> {
    let typ = object.get("typ").and_then(Json::as_text);
    let foreign = object.contains_key("events") || typ.is_some_and(|typ| FOREIGN_TYPES.contains(&typ));
    if foreign { Err(TokenError::Type) } else { Ok(()) }
}

/// Reads a NumericDate (RFC 7519 §2): a whole number of seconds, never before 1970.
fn time(object: &Object, name: &'static str) -> Result<Option<UnixSeconds>, TokenError> {
    match object.get(name) {
        None => Ok(None),
        Some(Json::Integer(seconds)) => {
            u64::try_from(*seconds).map(|s| Some(UnixSeconds(s))).map_err(|_| TokenError::ClaimInvalid(name))
        }
        Some(Json::Null | Json::Bool(_) | Json::Inexact | Json::Text(_) | Json::List(_) | Json::Object(_)) => {
            Err(TokenError::ClaimInvalid(name))
        }
    }
}

fn audiences(object: &Object) -> Option<Vec<Box<str>>> {
    match object.get("aud")? {
        Json::Text(audience) => Some(vec![audience.clone()]),
        Json::List(audiences) => audiences.iter().map(|a| a.as_text().map(Into::into)).collect(),
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Inexact | Json::Object(_) => None,
    }
}

fn typed(object: &Object) -> Result<BTreeMap<Box<str>, Claim>, TokenError> {
    let mut typed = BTreeMap::new();
    for (name, value) in object {
        let Some(claim) = Claim::read(value) else { continue };
        if name.contains(char::is_control) || claim.has_control_character() {
            return Err(TokenError::ControlCharacter(Part::Claims));
        }
        typed.insert(name.clone(), claim);
    }
    Ok(typed)
}
