//! Which Identities of one issuer a single token could match at once.

use super::Finding;
use hoop_model::spec::{ClaimCondition, Identity};
use hoop_model::{Kind, ResourceName};
use std::collections::BTreeMap;

type Named<'a> = (&'a ResourceName, &'a Identity);

/// What a condition makes of its claim. Two different ones cannot hold together: they are different values, or different
/// types. Two `contains` can.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Must<'a> {
    Be(&'a str),
    BeInteger(i64),
    BeArray,
}

/// Reports each Identity that could match together with one before it, naming the first such. `identities` are those of
/// one issuer, sorted by name.
pub(super) fn lint(identities: &[Named<'_>]) -> Vec<Finding> {
    let commonest = commonest_claim(identities);
    // Identities that require different values of the commonest claim need no comparison, so that a thousand of them,
    // each with its own repository, cost a thousand steps and not half a million.
    let mut seen = BTreeMap::<Option<Must<'_>>, Vec<Named<'_>>>::new();
    let mut findings = Vec::new();
    for &(name, identity) in identities {
        let must = commonest.and_then(|claim| identity.claims.get(claim)).map(must);
        let with_same = seen.get(&must).into_iter();
        let rivals: Vec<_> =
            if must.is_some() { with_same.chain(seen.get(&None)).collect() } else { seen.values().collect() };
        let first =
            rivals.into_iter().flatten().filter(|(_, other)| can_both_match(identity, other)).map(|(n, _)| n).min();
        findings.extend(first.map(|other| Finding {
            kind: Kind::Identity,
            name: name.clone(),
            message: format!(
                "a token could match this and Identity `{other}`, and would then be refused; \
                 require different values of one claim in both"
            ),
        }));
        seen.entry(must).or_default().push((name, identity));
    }
    findings
}

fn must(condition: &ClaimCondition) -> Must<'_> {
    match condition {
        ClaimCondition::Equals(text) => Must::Be(text),
        ClaimCondition::Integer(is) => Must::BeInteger(is.integer),
        ClaimCondition::Contains(_) => Must::BeArray,
    }
}

fn can_both_match(one: &Identity, other: &Identity) -> bool {
    let contradicts =
        |(claim, condition)| other.claims.get(claim).is_some_and(|theirs| must(theirs) != must(condition));
    !one.claims.iter().any(contradicts)
}

fn commonest_claim<'a>(identities: &[Named<'a>]) -> Option<&'a str> {
    let mut uses = BTreeMap::<&str, usize>::new();
    for (_, identity) in identities {
        for claim in identity.claims.keys() {
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

    fn identity(claims: BTreeMap<String, ClaimCondition>) -> Identity {
        Identity {
            issuer: ResourceName::parse("ci").unwrap(),
            claims,
            run: "run_id".into(),
            owner: "o".into(),
            groups: vec![],
            environment: None,
            expires: None,
            suspended: false,
        }
    }

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
                let all: Vec<(ResourceName, Identity)> = sets
                    .into_iter()
                    .enumerate()
                    .map(|(i, claims)| (ResourceName::parse(&format!("i{i}")).unwrap(), identity(claims)))
                    .collect();
                let named: Vec<Named<'_>> = all.iter().map(|(n, i)| (n, i)).collect();
                let mut expected = Vec::new();
                for (at, (name, one)) in named.iter().enumerate() {
                    if let Some((other, _)) = named[..at].iter().find(|(_, other)| can_both_match(one, other)) {
                        expected.push(((*name).clone(), format!("`{other}`")));
                    }
                }
                let found = lint(&named);
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
