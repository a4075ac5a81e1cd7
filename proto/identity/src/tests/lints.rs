//! Trust rules that `apply` refuses.

use super::*;
use crate::lint::{trust_rules, trust_rules_with_people};
use hoop_model::Kind;
use hoop_model::spec::{ClaimCondition, ContainsText, Identity, IntegerIs, Person};

fn identity(of: &str, conditions: &[(&str, &str)]) -> Identity {
    Identity {
        issuer: name(of),
        claims: conditions.iter().map(|(c, v)| ((*c).to_owned(), ClaimCondition::Equals((*v).to_owned()))).collect(),
        run: "run_id".into(),
        owner: "o".into(),
        groups: vec![],
        environment: None,
        expires: None,
        suspended: false,
    }
}

fn findings(issuers: &[(&str, Issuer)], identities: &[(&str, Identity)]) -> Vec<String> {
    let issuers: Vec<_> = issuers.iter().map(|(n, i)| (name(n), i)).collect();
    let identities: Vec<_> = identities.iter().map(|(n, i)| (name(n), i)).collect();
    let found = trust_rules(issuers.iter().map(|(n, i)| (n, *i)), identities.iter().map(|(n, i)| (n, *i)));
    found.iter().map(ToString::to_string).collect()
}

/// The findings about one identity of an ordinary issuer.
fn of_rule(conditions: &[(&str, &str)]) -> Vec<String> {
    findings(&[("ci", issuer("https://ci.example.com"))], &[("job", identity("ci", conditions))])
}

fn assert_one(found: &[String], words: &str) {
    assert!(found.len() == 1 && found[0].contains(words), "{found:#?} should be one with {words:?}");
}

#[test]
fn a_sound_set_has_no_findings() {
    let main = [("repository_id", "4711"), ("ref", "refs/heads/main"), ("environment", "nightly")];
    let other = [("repository_id", "4712"), ("repository", "acme/api"), ("sub", "repo:acme/api:ref:refs/heads/main")];
    let issuers = [("ci", issuer("https://ci.example.com")), ("two", issuer("https://two.example.com"))];
    let identities =
        [("a", identity("ci", &main)), ("b", identity("ci", &other)), ("c", identity("two", &[("sub", "robot")]))];
    assert_eq!(findings(&issuers, &identities), Vec::<String>::new());
}

#[test]
fn an_identity_needs_an_issuer_for_identities() {
    let mut people = issuer("https://sso.example.com");
    people.audience = Audience::People;
    let job = |of| [("job", identity(of, &[("sub", "x")]))];
    assert_one(&findings(&[], &job("ci")), "Identity `job`: `issuer`: there is no Issuer `ci`");
    assert_one(&findings(&[("sso", people)], &job("sso")), "`for: people`");
}

#[test]
fn jwt_28_a_name_that_can_be_taken_over_needs_its_id() {
    for (claim, value, id) in [
        ("repository", "acme/api", "repository_id"),
        ("job_workflow_ref", "acme/w/.github/workflows/x.yml@refs/heads/main", "repository_id"),
        ("project_path", "acme/api", "project_id"),
        ("sub", "repo:acme/api:ref:refs/heads/main", "repository_id"),
        ("sub", "project_path:acme/api:ref_type:branch:ref:main", "project_id"),
        ("pipeline_slug", "deploy", "pipeline_id"),
        ("terraform_workspace_name", "prod", "terraform_workspace_id"),
    ] {
        assert_one(&of_rule(&[(claim, value)]), &format!("`claims.{claim}` is a name that can be given up"));
        assert_one(&of_rule(&[(claim, value), ("ref", "refs/heads/main")]), &format!("`{id}`"));
        assert_eq!(of_rule(&[(claim, value), (id, "4711")]), Vec::<String>::new(), "{claim} with {id}");
    }
    let mut by_number = identity("ci", &[("repository", "acme/api")]);
    by_number.claims.insert("repository_id".into(), ClaimCondition::Integer(IntegerIs { integer: 4711 }));
    assert_eq!(findings(&[("ci", issuer("https://ci.example.com"))], &[("job", by_number)]), Vec::<String>::new());
}

#[test]
fn circumstances_do_not_say_whose_job_it_is() {
    for conditions in [
        &[("ref", "refs/heads/main")][..],
        &[("environment", "production")],
        &[("ref", "refs/heads/main"), ("environment", "production"), ("aud", "gw://prod")],
        &[],
    ] {
        assert_one(&of_rule(conditions), "names no job, project or subject");
    }
    assert_eq!(of_rule(&[("ref", "refs/heads/main"), ("sub", "robot")]), Vec::<String>::new());
}

#[test]
fn a_rule_for_a_public_issuer_names_an_id_of_it() {
    for (url, id) in [
        ("https://token.actions.githubusercontent.com", "repository_id"),
        ("https://token.actions.githubusercontent.com/acme", "repository_owner_id"),
        ("https://gitlab.com", "project_id"),
        ("https://agent.buildkite.com", "organization_id"),
    ] {
        let of = |conditions: &[(&str, &str)]| findings(&[("ci", issuer(url))], &[("job", identity("ci", conditions))]);
        assert_one(&of(&[("sub", "somebody"), ("ref", "main")]), "signs tokens for everybody's jobs");
        assert_eq!(of(&[(id, "7"), ("ref", "main")]), Vec::<String>::new(), "{url}");
    }
    let not_it = findings(&[("ci", issuer("https://gitlab.com.example"))], &[("job", identity("ci", &[("sub", "x")]))]);
    assert_eq!(not_it, Vec::<String>::new());
}

#[test]
fn jwt_28_patterns_are_refused_instead_of_never_matching() {
    for value in ["repo:acme/*", "refs/heads/?", "*", "a**b"] {
        assert_one(&of_rule(&[("robot", value)]), "compared byte for byte and never as patterns");
    }
    let mut array = identity("ci", &[("robot", "x")]);
    array.claims.insert("groups".into(), ClaimCondition::Contains(ContainsText { contains: "dev-*".into() }));
    assert_one(&findings(&[("ci", issuer("https://ci.example.com"))], &[("job", array)]), "`claims.groups` has `*`");
    assert_one(&of_rule(&[("robot", "a\0")]), "control character");
}

#[test]
fn two_identities_of_one_issuer_differ_in_a_claim() {
    let ci = [("ci", issuer("https://ci.example.com")), ("two", issuer("https://two.example.com"))];
    let pair = |one: Identity, other: Identity| findings(&ci, &[("a", one), ("b", other)]);
    let of = |conditions: &[(&str, &str)]| identity("ci", conditions);
    let with = |claim: &str, condition: ClaimCondition| {
        let mut identity = of(&[("robot", "x")]);
        identity.claims.insert(claim.into(), condition);
        identity
    };
    let clash = "Identity `b`: a token could match this and Identity `a`";
    assert_one(&pair(of(&[("robot", "x")]), of(&[("robot", "x")])), clash);
    assert_one(&pair(of(&[("robot", "x")]), of(&[("robot", "x"), ("ref", "main")])), clash);
    assert_one(&pair(of(&[("robot", "x")]), of(&[("sub", "y")])), clash);
    assert_eq!(pair(of(&[("robot", "x")]), of(&[("robot", "y")])), Vec::<String>::new());
    assert_eq!(pair(of(&[("robot", "x")]), identity("two", &[("robot", "x")])), Vec::<String>::new());
    let groups = |text: &str| with("groups", ClaimCondition::Contains(ContainsText { contains: text.into() }));
    assert_one(&pair(groups("p"), groups("q")), clash);
    let id = |integer| with("id", ClaimCondition::Integer(IntegerIs { integer }));
    assert_eq!(pair(id(1), id(2)), Vec::<String>::new());
    assert_one(&pair(id(1), id(1)), clash);
    let text = with("id", ClaimCondition::Equals("1".into()));
    assert_eq!(pair(id(1), text), Vec::<String>::new());
}

#[test]
fn issuers_do_not_share_their_tokens() {
    let people = |mut spec: Issuer| {
        spec.audience = Audience::People;
        spec
    };
    let for_audience = |mut spec: Issuer, aud: &str| {
        spec.audiences = vec![aud.into()];
        spec
    };
    let (a, other) = (|| issuer("https://a.example.com"), || issuer("https://b.example.com"));
    let pair = |one: Issuer, two: Issuer| findings(&[("one", one), ("two", two)], &[]);
    assert_one(&pair(a(), a()), "Issuer `two`: accepts audience `gw://prod` of the same `url` as Issuer `one`");
    assert_eq!(pair(a(), for_audience(a(), "gw://dev")), Vec::<String>::new());
    assert_one(&pair(a(), people(for_audience(a(), "admin"))), "one issuer serves either people or identities");
    assert_one(&pair(a(), people(other())), "give people and identities different audiences");
    assert_eq!(pair(a(), people(for_audience(other(), "admin"))), Vec::<String>::new());
    assert_eq!(pair(a(), other()), Vec::<String>::new());
}

#[test]
fn keys_in_the_resource_can_verify_something() {
    let with = |keys: String, algorithm| {
        let spec = Issuer { jwks: KeySource::Keys(keys), algorithms: vec![algorithm], ..issuer(IDP) };
        findings(&[("ci", spec)], &[])
    };
    assert_eq!(with(idp().jwks(), Algorithm::RS256), Vec::<String>::new());
    assert_one(&with(set(&[idp().ed_jwk("")]), Algorithm::RS256), "no key for any of `algorithms`");
    assert_one(&with("{}".into(), Algorithm::RS256), "`jwks.keys` cannot be used: the key set is not a JSON object");
}

#[test]
fn findings_do_not_depend_on_the_order_of_objects() {
    let ci = issuer("https://ci.example.com");
    let identities = [("a", identity("ci", &[("sub", "x")])), ("b", identity("gone", &[("ref", "*")]))];
    let names = identities.clone().map(|(n, _)| name(n));
    let forward = names.iter().zip(identities.iter().map(|(_, i)| i));
    let issuers = [(name("z"), ci.clone()), (name("ci"), ci)];
    let one = trust_rules(issuers.iter().map(|(n, i)| (n, i)), forward.clone());
    let two = trust_rules(issuers.iter().rev().map(|(n, i)| (n, i)), forward.rev());
    assert_eq!(one, two);
    let kinds: Vec<_> = one.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::Issuer, Kind::Identity, Kind::Identity, Kind::Identity]);
}

fn person(of: &str, conditions: &[(&str, &str)]) -> Person {
    let Identity { issuer, claims, .. } = identity(of, conditions);
    Person { issuer, claims, teams: vec![], suspended: false }
}

/// The findings about persons, and about an identity `job` whose `sub` is `x`, at an issuer each.
fn of_people(people: &[(&str, Person)]) -> Vec<String> {
    let mut sso = issuer("https://sso.example.com");
    (sso.audience, sso.audiences) = (Audience::People, vec!["hoop".into()]);
    let issuers = [(name("ci"), issuer("https://ci.example.com")), (name("sso"), sso)];
    let job = (name("job"), identity("ci", &[("sub", "x")]));
    let people: Vec<_> = people.iter().map(|(n, p)| (name(n), p)).collect();
    let people = people.iter().map(|(n, p)| (n, *p));
    let found = trust_rules_with_people(issuers.iter().map(|(n, i)| (n, i)), [(&job.0, &job.1)], people);
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn a_person_is_pinned_by_an_id_that_is_never_given_to_another() {
    for sound in [&[("sub", "248289761001")][..], &[("oid", "0b1c")], &[("email", "ada@example.com"), ("sub", "x")]] {
        assert_eq!(of_people(&[("ada", person("sso", sound))]), Vec::<String>::new(), "{sound:?}");
    }
    for taken in [&[("email", "ada@example.com")][..], &[("preferred_username", "ada"), ("hd", "example.com")], &[]] {
        assert_one(&of_people(&[("ada", person("sso", taken))]), "Person `ada`: `claims` must require `sub` or `oid`");
    }
    let mut array = person("sso", &[]);
    array.claims.insert("sub".into(), ClaimCondition::Contains(ContainsText { contains: "ada".into() }));
    assert_one(&of_people(&[("ada", array)]), "must require `sub`");
    assert_one(&of_people(&[("ada", person("sso", &[("sub", "ada*")]))]), "never as patterns");
}

#[test]
fn a_person_needs_an_issuer_for_people() {
    let ada = |of: &str| of_people(&[("ada", person(of, &[("sub", "ada")]))]);
    assert_one(&ada("gone"), "Person `ada`: `issuer`: there is no Issuer `gone`");
    let found = ada("ci");
    let clash = "Person `ada`: a token could match this and Identity `job`";
    assert!(found.iter().any(|finding| finding.contains("Issuer `ci` is `for: identities`")), "{found:#?}");
    assert!(!found.iter().any(|finding| finding.contains(clash)), "they require different values: {found:#?}");
    let same = of_people(&[("ada", person("ci", &[("sub", "x"), ("email", "ada@example.com")]))]);
    assert!(same.iter().any(|finding| finding.contains(clash)), "{same:#?}");
}

#[test]
fn ap_10_no_token_stands_for_two_persons() {
    let pair = |one, other| of_people(&[("ada", person("sso", one)), ("bob", person("sso", other))]);
    let clash = "Person `bob`: a token could match this and Person `ada`, and would then be refused";
    assert_one(&pair(&[("sub", "1")], &[("sub", "1")]), clash);
    assert_one(&pair(&[("sub", "1")], &[("oid", "1")]), clash);
    assert_eq!(pair(&[("sub", "1")], &[("sub", "2")]), Vec::<String>::new());
}
