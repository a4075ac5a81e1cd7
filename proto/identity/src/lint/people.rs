//! What is wrong with the conditions of one Person.

use super::{Finding, alternatives, names_one_of, never_matches, wrong_issuer};
use hoop_model::spec::{Audience, Issuer, Person};
use hoop_model::{Kind, ResourceName};
use std::collections::BTreeMap;

/// Claims that name one person for ever: `sub` (OpenID Connect Core 1.0 §5.7: with `iss` the only one to be relied on)
/// and the Microsoft identity platform's `oid`, whose `sub` is another one in every application ("ID token claims
/// reference").
const IMMUTABLE: &[&str] = &["sub", "oid"];

pub(super) fn lint(name: &ResourceName, person: &Person, issuers: &BTreeMap<&ResourceName, &Issuer>) -> Vec<Finding> {
    let issuer = issuers.get(&person.issuer).copied();
    let mut messages = Vec::new();
    messages.extend(wrong_issuer(&person.issuer, issuer, Audience::People));
    messages.extend(person.claims.iter().filter_map(|(claim, is)| never_matches(claim, is)));
    messages.extend(anybody(person));
    let finding = |message| Finding { kind: Kind::Person, name: name.clone(), message };
    messages.into_iter().map(finding).collect()
}

/// Says that the conditions could come to be somebody else's.
fn anybody(person: &Person) -> Option<String> {
    (!names_one_of(&person.claims, IMMUTABLE)).then(|| {
        format!(
            "`claims` must require {}: user names, e-mail addresses and groups can be given up and taken by others",
            alternatives(IMMUTABLE)
        )
    })
}
