//! Issuers.

use crate::error::Malformed;
use crate::v1;
use hoop_model::spec::{Algorithm, Audience, Issuer, KeySource};
use std::time::Duration;

const ALGORITHMS: &[(Algorithm, &str)] = &[
    (Algorithm::RS256, "RS256"),
    (Algorithm::RS384, "RS384"),
    (Algorithm::RS512, "RS512"),
    (Algorithm::PS256, "PS256"),
    (Algorithm::PS384, "PS384"),
    (Algorithm::PS512, "PS512"),
    (Algorithm::ES256, "ES256"),
    (Algorithm::ES384, "ES384"),
    (Algorithm::EdDSA, "EdDSA"),
];

fn algorithm(text: &str) -> Result<Algorithm, Malformed> {
    let found = ALGORITHMS.iter().find(|(_, name)| *name == text);
    found
        .map(|(algorithm, _)| *algorithm)
        .ok_or(Malformed { field: "algorithms", problem: "names an unknown algorithm" })
}

impl From<&Issuer> for v1::Issuer {
    fn from(issuer: &Issuer) -> Self {
        let name = |a: &Algorithm| ALGORITHMS.iter().find(|(b, _)| a == b).map(|(_, name)| (*name).to_owned());
        let audience = match issuer.audience {
            Audience::Identities => v1::issuer::Audience::Identities,
            Audience::People => v1::issuer::Audience::People,
        };
        Self {
            audience: audience.into(),
            url: issuer.url.clone(),
            audiences: issuer.audiences.clone(),
            algorithms: issuer.algorithms.iter().filter_map(name).collect(),
            max_token_lifetime_ms: crate::connection::millis(issuer.max_token_lifetime),
            token_type: issuer.token_type.clone(),
            jwks: Some(match &issuer.jwks {
                KeySource::Discover {} => v1::issuer::Jwks::Discover(true),
                KeySource::Keys(keys) => v1::issuer::Jwks::Keys(keys.clone()),
            }),
            ca: issuer.ca.clone(),
        }
    }
}

impl TryFrom<v1::Issuer> for Issuer {
    type Error = Malformed;
    fn try_from(issuer: v1::Issuer) -> Result<Self, Malformed> {
        let audience = match issuer.audience() {
            v1::issuer::Audience::Identities => Audience::Identities,
            v1::issuer::Audience::People => Audience::People,
            v1::issuer::Audience::Unspecified => return Err(Malformed { field: "for", problem: "is missing" }),
        };
        Ok(Self {
            audience,
            url: issuer.url,
            audiences: issuer.audiences,
            algorithms: issuer.algorithms.iter().map(|a| algorithm(a)).collect::<Result<_, _>>()?,
            max_token_lifetime: Duration::from_millis(issuer.max_token_lifetime_ms),
            token_type: issuer.token_type,
            jwks: match issuer.jwks {
                Some(v1::issuer::Jwks::Discover(true)) => KeySource::Discover {},
                Some(v1::issuer::Jwks::Keys(keys)) => KeySource::Keys(keys),
                Some(v1::issuer::Jwks::Discover(false)) | None => {
                    return Err(Malformed { field: "jwks", problem: "is missing" });
                }
            },
            ca: issuer.ca,
        })
    }
}
