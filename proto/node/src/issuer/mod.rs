//! Issuers' keys: discovered, fetched within bounds, refreshed in the background, kept while the issuer is away.
//!
//! ```text
//!   tls      whose certificates are believed          connect  which addresses are spoken to
//!      └──────────────▶ fetch  one bounded GET ◀──────────┘
//!                         └▶ discover  issuer's URL ─▶ discovery document ─▶ JWK Set
//!                               └▶ keys  when to fetch, and how long what was fetched is good    (no IO)
//!                                    └▶ kept  IssuerKeys: several issuers, one fetch at a time each
//! ```
//! What a key set means is not known here: whoever uses this brings the function that reads one.

pub mod connect;
mod discover;
mod fetch;
mod kept;
mod keys;
pub mod tls;

pub use discover::{KeysError, Parse, Unusable, fetch_keys};
pub use fetch::{FetchError, get, post_form};
pub use kept::{CannotKeep, IssuerKeys};
pub use keys::{Keys, Source};

#[cfg(test)]
mod tests;
