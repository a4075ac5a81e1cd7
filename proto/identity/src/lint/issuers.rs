//! What is wrong with issuers.

use super::Finding;
use crate::KeySet;
use hoop_model::spec::{Audience, Issuer, KeySource};
use hoop_model::{Kind, ResourceName};
use std::collections::BTreeMap;

pub(super) fn lint(issuers: &BTreeMap<&ResourceName, &Issuer>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, issuer) in issuers {
        let earlier = issuers.iter().take_while(|(other, _)| other < &name);
        let of_pairs = earlier.filter_map(|(other, spec)| clash(issuer, other, spec));
        findings.extend(of_pairs.chain(unusable_keys(issuer)).map(|message| Finding {
            kind: Kind::Issuer,
            name: (*name).clone(),
            message,
        }));
    }
    findings
}

/// Says why two issuers cannot both be trusted: a token would be both's, or could be a person's and a machine's.
fn clash(issuer: &Issuer, other: &ResourceName, spec: &Issuer) -> Option<String> {
    let same_url = issuer.url == spec.url;
    let same_use = issuer.audience == spec.audience;
    let shared = issuer.audiences.iter().find(|aud| spec.audiences.contains(aud));
    let (mine, others) = (written(issuer.audience), written(spec.audience));
    match (same_url, same_use, shared) {
        (true, false, _) => Some(format!(
            "has the same `url` as Issuer `{other}`, but is `for: {mine}` and that one is `for: {others}`; \
             one issuer serves either people or identities"
        )),
        (true, true, Some(aud)) => Some(format!(
            "accepts audience `{aud}` of the same `url` as Issuer `{other}`; a token would belong to both"
        )),
        (false, false, Some(aud)) => Some(format!(
            "is `for: {mine}` and accepts audience `{aud}`, which Issuer `{other}` accepts `for: {others}`; \
             give people and identities different audiences"
        )),
        (true | false, true, None) | (false, _, _) => None,
    }
}

const fn written(audience: Audience) -> &'static str {
    match audience {
        Audience::Identities => "identities",
        Audience::People => "people",
    }
}

/// Says why the keys written in the resource cannot verify a token.
fn unusable_keys(issuer: &Issuer) -> Option<String> {
    let KeySource::Keys(text) = &issuer.jwks else { return None };
    match KeySet::parse(text.as_bytes()) {
        Err(problem) => Some(format!("`jwks.keys` cannot be used: {problem}")),
        Ok(keys) if issuer.algorithms.iter().any(|algorithm| keys.supports(*algorithm)) => None,
        Ok(_) => Some("`jwks.keys` has no key for any of `algorithms`".to_owned()),
    }
}
