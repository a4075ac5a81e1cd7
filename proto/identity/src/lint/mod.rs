//! Lints of trust rules: what `apply` refuses because it would trust more, or less, than its author means.
//!
//! ```text
//!   issuers     which tokens are believed at all     (one meaning per token, keys that fit)
//!   conditions  what one Identity asks of a token    (ids that nobody can take over, no patterns)
//!   overlap     what two Identities ask              (no token may stand for both)
//! ```

mod conditions;
mod issuers;
mod overlap;

use hoop_model::spec::{Identity, Issuer};
use hoop_model::{Kind, ResourceName};
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

/// Judges all issuers and identities as they would be together. Every finding is an error: `apply` refuses while there is
/// one. Sorted by kind and name, whatever the order of the objects.
#[must_use]
pub fn trust_rules<'a>(
    issuers: impl IntoIterator<Item = (&'a ResourceName, &'a Issuer)>,
    identities: impl IntoIterator<Item = (&'a ResourceName, &'a Identity)>,
) -> Vec<Finding> {
    let issuers: BTreeMap<_, _> = issuers.into_iter().collect();
    let identities: BTreeMap<_, _> = identities.into_iter().collect();
    let mut findings = issuers::lint(&issuers);
    let mut by_issuer = BTreeMap::<&ResourceName, Vec<(&ResourceName, &Identity)>>::new();
    for (name, identity) in identities {
        findings.extend(conditions::lint(name, identity, &issuers));
        by_issuer.entry(&identity.issuer).or_default().push((name, identity));
    }
    findings.extend(by_issuer.into_values().flat_map(|identities| overlap::lint(&identities)));
    findings.sort();
    findings
}
