//! Claims and the persons they stand for.

use super::*;
use crate::{People, PersonError, VerifiedClaims};
use hoop_model::spec::{ClaimCondition, Person};
use hoop_model::{Metadata, Object, Revision, Spec, Uid};

const SSO: &str = "https://sso.test";

fn person(sub: &str) -> Person {
    Person {
        issuer: name("sso"),
        claims: [("sub".to_owned(), ClaimCondition::Equals(sub.to_owned()))].into(),
        teams: vec![name("on-call"), name("dba"), name("on-call")],
        suspended: false,
    }
}

/// What a token of the issuer for people says, verified as every token is.
fn verified(sub: &str) -> VerifiedClaims {
    let spec = Issuer { audience: Audience::People, audiences: vec!["hoop".into()], ..issuer(SSO) };
    let trust = Trust::new([trusted("sso", spec, second()), trusted("idp", issuer(IDP), idp())]);
    let claims = claims(&[("iss", &format!("\"{SSO}\"")), ("aud", r#""hoop""#), ("sub", &format!("\"{sub}\""))]);
    trust.verify(&UnverifiedToken::parse(second().token(&claims).as_bytes()).unwrap(), NOW).unwrap()
}

fn object(label: &str, person: Person) -> Object {
    let uid = Uid::mint(label.bytes().map(u128::from).sum());
    let metadata = Metadata { name: name(label), uid, generation: 1, revision: Revision::default() };
    Object { metadata, spec: Spec::Person(person) }
}

fn resolve(people: &[(&str, Person)], verified: &VerifiedClaims) -> Result<(String, Vec<String>), PersonError> {
    let objects: Vec<_> = people.iter().map(|(label, person)| object(label, person.clone())).collect();
    let compiled = People::compile(&objects);
    let found = compiled.resolve(verified)?;
    assert_eq!((found.uid, &found.issuer), (object(found.name.as_str(), person("1")).metadata.uid, &name("sso")));
    Ok((found.name.to_string(), found.teams.iter().map(ToString::to_string).collect()))
}

#[test]
fn exactly_one_person_must_match_and_has_their_teams() {
    let both = [("ada", person("1")), ("bob", person("2"))];
    let teams = vec!["dba".to_owned(), "on-call".to_owned()];
    assert_eq!(resolve(&both, &verified("1")), Ok(("ada".to_owned(), teams)));
    assert_eq!(resolve(&both, &verified("3")), Err(PersonError::None));
    assert_eq!(resolve(&[], &verified("1")), Err(PersonError::None));
    let ambiguous = PersonError::Ambiguous { first: name("ada"), second: name("zoe") };
    assert_eq!(resolve(&[("zoe", person("1")), ("ada", person("1"))], &verified("1")), Err(ambiguous));
    let unconditional = Person { claims: [].into(), ..person("1") };
    assert_eq!(resolve(&[("all", unconditional)], &verified("1")), Err(PersonError::None));
    let of_another = Person { issuer: name("idp"), ..person("1") };
    assert_eq!(resolve(&[("ada", of_another)], &verified("1")), Err(PersonError::None));
}

#[test]
fn a_suspended_person_is_refused_and_still_counts() {
    let suspended = Person { suspended: true, ..person("1") };
    assert_eq!(resolve(&[("ada", suspended.clone())], &verified("1")), Err(PersonError::Suspended(name("ada"))));
    let both = [("ada", suspended), ("bob", person("1"))];
    assert!(matches!(resolve(&both, &verified("1")), Err(PersonError::Ambiguous { .. })));
}

#[test]
fn ap_11_a_token_for_identities_never_stands_for_a_person() {
    let token = idp().token(&claims(&[("sub", r#""1""#)]));
    let of_a_job = trust().verify(&UnverifiedToken::parse(token.as_bytes()).unwrap(), NOW).unwrap();
    let person = Person { issuer: name("idp"), ..person("1") };
    assert_eq!(resolve(&[("ada", person)], &of_a_job), Err(PersonError::NotForPeople(name("idp"))));
}

#[test]
fn jwt_19_persons_are_compared_byte_for_byte() {
    for sub in ["\u{430}da", "Ada", "ada ", "ada\u{200b}", ""] {
        assert_eq!(resolve(&[("ada", person("ada"))], &verified(sub)), Err(PersonError::None), "{sub:?}");
    }
}
