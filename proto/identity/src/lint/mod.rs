//! Lints of trust rules: what `apply` refuses because it would trust more, or less, than its author means.
//!
//! ```text
//!   issuers     which tokens are believed at all     (one meaning per token, keys that fit)
//!   conditions  what one Identity asks of a token    (ids that nobody can take over, no patterns)
//!   people      what one Person asks of a token      (an id that nobody can take over, no patterns)
//!   overlap     what two of them ask                 (no token may stand for both)
//! ```

mod conditions;
mod issuers;
mod overlap;
mod people;

use hoop_model::spec::{Audience, ClaimCondition, Identity, Issuer, Person};
use hoop_model::{Kind, ResourceName};
use overlap::Claimant;
use std::collections::BTreeMap;
use std::fmt;

/// Something wrong with the trust rules, in the administrator's words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The kind of the object to change.
    pub kind: Kind,
    /// Its name.
    pub name: ResourceName,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`: {}", self.kind, self.name, self.message)
    }
}

/// Judges all issuers and identities as they would be together, without any person; else as
/// [`trust_rules_with_people`].
#[must_use]
pub fn trust_rules<'a>(
    issuers: impl IntoIterator<Item = (&'a ResourceName, &'a Issuer)>,
    identities: impl IntoIterator<Item = (&'a ResourceName, &'a Identity)>,
) -> Vec<Finding> {
    trust_rules_with_people(issuers, identities, [])
}

/// Judges all issuers, identities and persons as they would be together. Every finding is an error: `apply` refuses
/// while there is one. Sorted by kind and name, whatever the order of the objects.
#[must_use]
pub fn trust_rules_with_people<'a>(
    issuers: impl IntoIterator<Item = (&'a ResourceName, &'a Issuer)>,
    identities: impl IntoIterator<Item = (&'a ResourceName, &'a Identity)>,
    people: impl IntoIterator<Item = (&'a ResourceName, &'a Person)>,
) -> Vec<Finding> {
    let issuers: BTreeMap<_, _> = issuers.into_iter().collect();
    let identities: BTreeMap<_, _> = identities.into_iter().collect();
    let people: BTreeMap<_, _> = people.into_iter().collect();
    let mut findings = issuers::lint(&issuers);
    let mut by_issuer = BTreeMap::<&ResourceName, Vec<Claimant<'_>>>::new();
    for (name, identity) in identities {
        findings.extend(conditions::lint(name, identity, &issuers));
        let claimant = Claimant { kind: Kind::Identity, name, claims: &identity.claims };
        by_issuer.entry(&identity.issuer).or_default().push(claimant);
    }
    for (name, person) in people {
        findings.extend(people::lint(name, person, &issuers));
        let claimant = Claimant { kind: Kind::Person, name, claims: &person.claims };
        by_issuer.entry(&person.issuer).or_default().push(claimant);
    }
    findings.extend(by_issuer.into_values().flat_map(|claimants| overlap::lint(&claimants)));
    findings.sort();
    findings
}

/// The conditions of an Identity or a Person.
type Conditions = BTreeMap<String, ClaimCondition>;

/// Says why the issuer's tokens never stand for what names it.
fn wrong_issuer(name: &ResourceName, issuer: Option<&Issuer>, wanted: Audience) -> Option<String> {
    let serves = issuer.map(|issuer| issuer.audience);
    match (serves, wanted) {
        (None, _) => Some(format!("`issuer`: there is no Issuer `{name}`")),
        (Some(Audience::People), Audience::Identities) => {
            Some(format!("`issuer`: Issuer `{name}` is `for: people`; its tokens never stand for an identity"))
        }
        (Some(Audience::Identities), Audience::People) => {
            Some(format!("`issuer`: Issuer `{name}` is `for: identities`; its tokens never stand for a person"))
        }
        (Some(Audience::People), Audience::People) | (Some(Audience::Identities), Audience::Identities) => None,
    }
}

/// Says why a condition holds for no token, or not for those its author thinks of.
fn never_matches(claim: &str, condition: &ClaimCondition) -> Option<String> {
    let text = text_of(condition)?;
    if text.contains(['*', '?']) {
        return Some(format!(
            "`claims.{claim}` has `*` or `?`, but values are compared byte for byte and never as patterns"
        ));
    }
    let has_control = claim.chars().chain(text.chars()).any(char::is_control);
    has_control.then(|| format!("`claims.{}` has a control character, which no token may have", claim.escape_debug()))
}

fn text_of(condition: &ClaimCondition) -> Option<&str> {
    match condition {
        ClaimCondition::Equals(text) => Some(text),
        ClaimCondition::Contains(element) => Some(&element.contains),
        ClaimCondition::Integer(_) => None,
    }
}

/// Returns whether the conditions fix the value of one of these claims.
fn names_one_of(claims: &Conditions, ids: &[&str]) -> bool {
    ids.iter().any(|id| match claims.get(*id) {
        Some(ClaimCondition::Equals(_) | ClaimCondition::Integer(_)) => true,
        Some(ClaimCondition::Contains(_)) | None => false,
    })
}

fn alternatives(ids: &[&str]) -> String {
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(" or ")
}
