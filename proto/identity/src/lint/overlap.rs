//! Who of one issuer a single token could match at once: two Identities, two Persons, or one of each.

use super::{Conditions, Finding};
use hoop_model::spec::ClaimCondition;
use hoop_model::{Kind, ResourceName};
use std::collections::BTreeMap;

/// One that tokens can stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimant<'a> {
    pub(super) kind: Kind,
    pub(super) name: &'a ResourceName,
    pub(super) claims: &'a Conditions,
}

/// What a condition makes of its claim. Two different ones cannot hold together: they are different values, or different
/// types. Two `contains` can.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Must<'a> {
    Be(&'a str),
    BeInteger(i64),
    BeArray,
}

/// Reports each claimant that could match together with one before it, naming the first such. They are those of one
/// issuer, sorted by kind and name.
pub(super) fn lint(claimants: &[Claimant<'_>]) -> Vec<Finding> {
    let commonest = commonest_claim(claimants);
    // Claimants that require different values of the commonest claim need no comparison, so that a thousand of them,
    // each with its own repository, cost a thousand steps and not half a million.
    let mut seen = BTreeMap::<Option<Must<'_>>, Vec<Claimant<'_>>>::new();
    let mut findings = Vec::new();
    for &claimant in claimants {
        let must = commonest.and_then(|claim| claimant.claims.get(claim)).map(must);
        let with_same = seen.get(&must).into_iter();
        let rivals: Vec<_> =
            if must.is_some() { with_same.chain(seen.get(&None)).collect() } else { seen.values().collect() };
        let matching = rivals.into_iter().flatten().filter(|other| can_both_match(claimant.claims, other.claims));
        let first = matching.min_by_key(|other| (other.kind, other.name));
        findings.extend(first.map(|other| Finding {
            kind: claimant.kind,
            name: claimant.name.clone(),
            message: clash(claimant, *other),
        }));
        seen.entry(must).or_default().push(claimant);
    }
    findings
}

fn clash(claimant: Claimant<'_>, Claimant { kind, name, .. }: Claimant<'_>) -> String {
    let then = if claimant.kind == kind { "would then be refused" } else { "would then stand for the identity alone" };
    format!("a token could match this and {kind} `{name}`, and {then}; require different values of one claim in both")
}

fn must(condition: &ClaimCondition) -> Must<'_> {
    match condition {
        ClaimCondition::Equals(text) => Must::Be(text),
        ClaimCondition::Integer(is) => Must::BeInteger(is.integer),
        ClaimCondition::Contains(_) => Must::BeArray,
    }
}

fn can_both_match(one: &Conditions, other: &Conditions) -> bool {
    let contradicts = |(claim, condition)| other.get(claim).is_some_and(|theirs| must(theirs) != must(condition));
    !one.iter().any(contradicts)
}

fn commonest_claim<'a>(claimants: &[Claimant<'a>]) -> Option<&'a str> {
    let mut uses = BTreeMap::<&str, usize>::new();
    for claimant in claimants {
        for claim in claimant.claims.keys() {
            *uses.entry(claim).or_default() += 1;
        }
    }
    uses.into_iter().max_by_key(|(_, count)| *count).map(|(claim, _)| claim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_model::spec::{ContainsText, IntegerIs};
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    use std::cell::Cell;

    fn condition() -> impl Strategy<Value = ClaimCondition> {
        prop_oneof![
            "[ab]".prop_map(ClaimCondition::Equals),
            (0..2_i64).prop_map(|integer| ClaimCondition::Integer(IntegerIs { integer })),
            "[ab]".prop_map(|contains| ClaimCondition::Contains(ContainsText { contains })),
        ]
    }

    #[test]
    fn buckets_find_what_comparing_every_pair_finds() {
        let (clean, clashing) = (Cell::new(0), Cell::new(0));
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let sets = proptest::collection::vec(proptest::collection::btree_map("[xyz]", condition(), 1..3), 1..7);
        let config = Config { cases: 2000, failure_persistence: None, ..Config::default() };
        TestRunner::new_with_rng(config, rng)
            .run(&sets, |sets| {
                let names: Vec<_> = (0..sets.len()).map(|i| ResourceName::parse(&format!("i{i}")).unwrap()).collect();
                // The later ones are persons: they are compared with identities as with each other.
                let kind = |i: usize| if i < 4 { Kind::Identity } else { Kind::Person };
                let all = names.iter().zip(&sets).enumerate();
                let all: Vec<_> = all.map(|(i, (name, claims))| Claimant { kind: kind(i), name, claims }).collect();
                let mut expected = Vec::new();
                for (at, one) in all.iter().enumerate() {
                    if let Some(other) = all[..at].iter().find(|other| can_both_match(one.claims, other.claims)) {
                        expected.push((one.name.clone(), format!("{} `{}`", other.kind, other.name)));
                    }
                }
                let found = lint(&all);
                prop_assert_eq!(found.len(), expected.len());
                for (finding, (name, other)) in found.iter().zip(&expected) {
                    prop_assert_eq!(&finding.name, name);
                    prop_assert!(finding.message.contains(other.as_str()));
                }
                let outcome = if found.is_empty() { &clean } else { &clashing };
                outcome.set(outcome.get() + 1);
                Ok(())
            })
            .unwrap();
        assert!(clean.get() > 100 && clashing.get() > 100, "{} clean, {} clashing", clean.get(), clashing.get());
    }
}
