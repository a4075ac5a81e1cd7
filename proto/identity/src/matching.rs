//! Who of an issuer the claims of a token are meant for: exactly one, or nobody.

use crate::claims::Claims;
use hoop_model::ResourceName;
use hoop_model::spec::ClaimCondition;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Those that tokens can stand for, by issuer, sorted by name.
#[derive(Debug, Clone)]
pub(crate) struct ByIssuer<T> {
    entries: BTreeMap<ResourceName, Vec<Entry<T>>>,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    name: ResourceName,
    conditions: Vec<(Box<str>, ClaimCondition)>,
    resolved: Arc<T>,
}

/// Who matches.
pub(crate) enum Match<'a, T> {
    /// Nobody.
    None,
    /// One, as must be.
    One(&'a Arc<T>),
    /// More than one, so none is meant: the first two by name.
    Several(ResourceName, ResourceName),
}

impl<T> Default for ByIssuer<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<T> ByIssuer<T> {
    /// Adds one who is told by these claims; [`ByIssuer::sorted`] comes last.
    pub(crate) fn add(
        &mut self,
        issuer: &ResourceName,
        name: &ResourceName,
        claims: &BTreeMap<String, ClaimCondition>,
        resolved: T,
    ) {
        let entries = self.entries.entry(issuer.clone()).or_default();
        let conditions = claims.iter().map(|(claim, is)| (claim.as_str().into(), is.clone())).collect();
        entries.push(Entry { name: name.clone(), conditions, resolved: Arc::new(resolved) });
    }

    /// Sorts what was added, so that what is found does not depend on its order.
    pub(crate) fn sorted(mut self) -> Self {
        self.entries.values_mut().for_each(|entries| entries.sort_by(|a, b| a.name.cmp(&b.name)));
        self
    }

    /// Finds who of the issuer the claims match.
    pub(crate) fn find(&self, issuer: &ResourceName, claims: &Claims) -> Match<'_, T> {
        let entries = self.entries.get(issuer).into_iter().flatten();
        let mut matching = entries.filter(|entry| entry.matches(claims));
        match (matching.next(), matching.next()) {
            (None, _) => Match::None,
            (Some(found), None) => Match::One(&found.resolved),
            (Some(first), Some(second)) => Match::Several(first.name.clone(), second.name.clone()),
        }
    }
}

impl<T> Entry<T> {
    /// Every condition holds, and there is one: whoever has no conditions matches nothing, not everything.
    fn matches(&self, claims: &Claims) -> bool {
        !self.conditions.is_empty() && self.conditions.iter().all(|(name, condition)| claims.meets(name, condition))
    }
}

/// Sorts names; each is there once.
pub(crate) fn each_once(names: &[ResourceName]) -> Vec<ResourceName> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    names
}
