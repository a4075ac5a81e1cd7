//! Token bytes, a key set and a time become verified claims, and claims become an Identity or a Person.
//!
//! Here live the strict reading of tokens and key sets, the choice of the key, the checks of audience and times, the
//! match of claims to an Identity or a Person, and the lints of trust rules. Nothing here fetches keys, caches, reads a
//! clock or decides what an identity or a person may do. `jsonwebtoken` verifies signatures and nothing else: it reads
//! the system clock and takes numbers leniently.
//!
//! ```text
//!   bytes ─ UnverifiedToken::parse ─▶ UnverifiedToken ─ Trust::issuer ─▶ TrustedIssuer
//!                                            │                               │ keys: KeySet::parse(JWKS)
//!                                            └────── verify_signature ───────┘          (dear: may be cached)
//!                                                          │
//!                                                      Verified ─ check(issuer, now)    (cheap: done every time)
//!                                                          │
//!                                                       Claims ─ Directory::resolve ─▶ Resolved
//!                                                             └─── People::resolve ────▶ ResolvedPerson
//! ```

mod algorithm;
mod claims;
mod directory;
mod error;
mod json;
mod keys;
pub mod lint;
mod matching;
mod people;
mod token;
mod trust;
mod verify;

#[cfg(test)]
mod tests;

pub use claims::{Claim, Claims, Tags};
pub use directory::{Directory, IdentityError, Resolved};
pub use error::{Part, TokenError};
pub use keys::{DroppedKey, KeySet, KeySetError};
pub use people::{People, PersonError, ResolvedPerson};
pub use token::{MAX_TOKEN_BYTES, UnverifiedToken, token_hash};
pub use trust::{Trust, TrustedIssuer, VerifiedClaims};
pub use verify::{LEEWAY_SECONDS, Verified, verify_signature};
