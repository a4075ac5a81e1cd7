//! Who may not vote: who triggered the run, and an owner who is a person.

use hoop_model::spec::{ClaimCondition, Person};
use hoop_model::{ResourceName, Spec, Uid};
use hoop_state::State;

/// Returns the persons that any of these texts denotes. Whoever writes user names does not agree on capitals, and who is
/// barred in error asks somebody else: ASCII case does not tell two persons apart here.
pub(super) fn barred(state: &State, denoted_by: &[&str]) -> Vec<Uid> {
    let texts: Vec<&str> = denoted_by.iter().copied().filter(|text| !text.is_empty()).collect();
    let barred = state.objects().filter(|object| {
        let Spec::Person(person) = &object.spec else { return false };
        texts.iter().any(|text| denotes(text, &object.metadata.name, person))
    });
    barred.map(|object| object.metadata.uid).collect()
}

fn denotes(text: &str, name: &ResourceName, person: &Person) -> bool {
    let is_told_by = |condition: &ClaimCondition| match condition {
        ClaimCondition::Equals(value) => value.eq_ignore_ascii_case(text),
        ClaimCondition::Integer(value) => value.integer.to_string() == text,
        ClaimCondition::Contains(_) => false,
    };
    name.as_str().eq_ignore_ascii_case(text) || person.claims.values().any(is_told_by)
}
