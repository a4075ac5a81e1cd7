//! Why a token is refused.

use hoop_model::Code;
use std::fmt;

/// The three parts of a token (RFC 7515 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The JOSE header.
    Header,
    /// The claims.
    Claims,
    /// The signature.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Claims => "claims",
            Self::Signature => "signature",
        })
    }
}

/// Says why a token is not believed. Carries nothing that the token's bearer chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is longer than [`MAX_TOKEN_BYTES`](crate::MAX_TOKEN_BYTES).
    #[error("the token is larger than 16 KiB")]
    TooLarge,
    /// It is not in the compact serialization.
    #[error("the token is not three parts with dots between them")]
    NotThreeParts,
    /// A part is empty, padded, in the other alphabet, or not the one spelling of its bytes (RFC 4648 §3.5).
    #[error("the token's {0} is not canonical unpadded base64url")]
    NotBase64Url(Part),
    /// A part is not one JSON object, or repeats a key, or nests too deeply.
    #[error("the token's {0} is not a JSON object, repeats a key or nests deeper than 32")]
    NotJson(Part),
    /// The header has a member that would change how the token is to be understood, or names its own key.
    #[error("the token's header has `{0}`, which is not accepted")]
    HeaderRefused(&'static str),
    /// A header member is missing or has the wrong type or length.
    #[error("the token's header has no valid `{0}`")]
    HeaderInvalid(&'static str),
    /// A claim is missing, has the wrong type, or contradicts another.
    #[error("the token has no valid `{0}` claim")]
    ClaimInvalid(&'static str),
    /// A header member, a claim or a claim's name has a control character.
    #[error("the token's {0} has a control character in a text")]
    ControlCharacter(Part),
    /// Nobody trusts the issuer.
    #[error("the token's issuer is not trusted")]
    IssuerUnknown,
    /// It is not meant for us.
    #[error("the token is for another audience")]
    Audience,
    /// It is meant for several trusted issuers' audiences at once.
    #[error("the token's audiences belong to more than one trusted issuer")]
    AudienceAmbiguous,
    /// The issuer's keys were never had, or became too old.
    #[error("the issuer's keys are not available")]
    KeysUnavailable,
    /// No key has the token's key id; newer keys may have it.
    #[error("the issuer has no key with the token's key id")]
    KeyUnknown,
    /// It names no key and several could have signed it.
    #[error("the token names no key and the issuer has several for its algorithm")]
    KeyAmbiguous,
    /// The algorithm is not one that we, the issuer and the key all allow.
    #[error("the token's algorithm is not allowed for its issuer and key")]
    Algorithm,
    /// The signature is not the key's.
    #[error("the token's signature does not verify")]
    Signature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come, or it says that it was issued in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It lives longer than the issuer's tokens may.
    #[error("the token lives longer than its issuer's tokens may")]
    Lifetime,
    /// It was issued for something else: its `typ` is wrong, or it is a refresh, logout or sign-in token.
    #[error("the token is not of the type required")]
    Type,
}

impl TokenError {
    /// Returns the refusal's code.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::TooLarge
            | Self::NotThreeParts
            | Self::NotBase64Url(_)
            | Self::NotJson(_)
            | Self::HeaderRefused(_)
            | Self::HeaderInvalid(_)
            | Self::ClaimInvalid(_)
            | Self::ControlCharacter(_) => Code::TokenMalformed,
            Self::IssuerUnknown => Code::TokenIssuerUnknown,
            Self::Audience | Self::AudienceAmbiguous => Code::TokenAudience,
            Self::KeysUnavailable => Code::IssuerKeysUnavailable,
            Self::KeyUnknown | Self::KeyAmbiguous => Code::TokenKeyUnknown,
            Self::Algorithm => Code::TokenAlgorithm,
            Self::Signature => Code::TokenSignature,
            Self::Expired => Code::TokenExpired,
            Self::NotYetValid => Code::TokenNotYetValid,
            Self::Lifetime => Code::TokenLifetime,
            Self::Type => Code::TokenType,
        }
    }
}
