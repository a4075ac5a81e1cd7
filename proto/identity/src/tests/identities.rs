//! Claims and the identities they stand for.

use super::*;
use crate::{Claim, Claims, Directory, IdentityError};
use hoop_model::spec::{ClaimCondition, ContainsText, Identity, IntegerIs};
use hoop_model::{Code, Metadata, Object, Revision, Spec, Uid};

fn equals(text: &str) -> ClaimCondition {
    ClaimCondition::Equals(text.into())
}

fn contains(text: &str) -> ClaimCondition {
    ClaimCondition::Contains(ContainsText { contains: text.into() })
}

fn integer(integer: i64) -> ClaimCondition {
    ClaimCondition::Integer(IntegerIs { integer })
}

fn identity(conditions: &[(&str, ClaimCondition)]) -> Identity {
    Identity {
        issuer: name("idp"),
        claims: conditions.iter().map(|(claim, is)| ((*claim).to_owned(), is.clone())).collect(),
        run: "run_id".into(),
        owner: "platform@example.com".into(),
        groups: vec![name("b"), name("a"), name("b")],
        environment: Some(name("production")),
        expires: None,
        suspended: false,
    }
}

fn object(label: &str, identity: Identity) -> Object {
    let uid = Uid::mint(label.bytes().map(u128::from).sum());
    let metadata = Metadata { name: name(label), uid, generation: 1, revision: Revision::default() };
    Object { metadata, spec: Spec::Identity(identity) }
}

fn verified(changes: &[(&str, &str)]) -> Arc<Claims> {
    let token = UnverifiedToken::parse(idp().token(&claims(changes)).as_bytes()).unwrap();
    trust().verify(&token, NOW).unwrap().claims
}

fn resolve(identities: &[(&str, Identity)], claims: &Claims, now: UnixSeconds) -> Result<String, IdentityError> {
    let objects: Vec<Object> = identities.iter().map(|(label, i)| object(label, i.clone())).collect();
    let directory = Directory::compile(&objects);
    directory.resolve(&name("idp"), claims, now).map(|found| found.name.to_string())
}

#[test]
fn claims_become_sets_of_texts() {
    let claims = verified(&[
        ("text", r#""é ""#),
        ("int", "-7"),
        ("big", "18446744073709551615"),
        ("yes", "true"),
        ("list", r#"["a","a",1,false,null,1.5,{"x":1},["b"]]"#),
        ("none", "[]"),
        ("float", "1.5"),
        ("null", "null"),
        ("object", r#"{"a":"b"}"#),
    ]);
    let tags = claims.tags();
    let tag = |claim: &str| tags.get(claim).map(|texts| texts.iter().map(|t| &**t).collect::<Vec<_>>());
    assert_eq!(tag("text"), Some(vec!["é "]));
    assert_eq!(tag("int"), Some(vec!["-7"]));
    assert_eq!(tag("big"), Some(vec!["18446744073709551615"]));
    assert_eq!(tag("yes"), Some(vec!["true"]));
    assert_eq!(tag("list"), Some(vec!["1", "a", "false"]));
    assert_eq!(tag("none"), Some(vec![]));
    for hidden in ["float", "null", "object", "absent"] {
        assert_eq!(tag(hidden), None, "{hidden}");
    }
    assert_eq!(claims.claim("int"), Some(&Claim::Integer(-7)));
    assert_eq!((claims.exp(), claims.iss()), (UnixSeconds(NOW.0 + 300), IDP));
}

#[test]
fn a_condition_asks_for_a_value_and_its_type() {
    let claims = verified(&[("text", r#""7""#), ("int", "7"), ("list", r#"["7",8]"#), ("yes", "true")]);
    for (claim, condition, expected) in [
        ("text", equals("7"), true),
        ("text", equals("07"), false),
        ("text", integer(7), false),
        ("text", contains("7"), false),
        ("int", integer(7), true),
        ("int", integer(8), false),
        ("int", equals("7"), false),
        ("list", contains("7"), true),
        ("list", contains("8"), false),
        ("list", equals("7"), false),
        ("yes", equals("true"), false),
        ("absent", equals("7"), false),
    ] {
        assert_eq!(claims.meets(claim, &condition), expected, "{claim} {condition:?}");
    }
}

#[test]
fn jwt_19_subjects_are_compared_byte_for_byte() {
    let directory = [("admin", identity(&[("sub", equals("admin"))])), ("e", identity(&[("sub", equals("é"))]))];
    let resolve_sub = |sub: &str| resolve(&directory, &verified(&[("sub", &format!("\"{sub}\""))]), NOW);
    assert_eq!(resolve_sub("admin"), Ok("admin".into()));
    assert_eq!(resolve_sub("é"), Ok("e".into()));
    for sub in ["\u{430}dmin", "admin ", "Admin", "e\u{301}", "\u{202e}nimda", "admin\u{200b}", ""] {
        assert_eq!(resolve_sub(sub), Err(IdentityError::None), "{sub:?}");
    }
}

#[test]
fn exactly_one_identity_must_match() {
    let main = identity(&[("repository_id", equals("4711")), ("ref", equals("refs/heads/main"))]);
    let any = identity(&[("repository_id", equals("4711"))]);
    let on = |git_ref: &str| verified(&[("repository_id", r#""4711""#), ("ref", &format!("\"{git_ref}\""))]);
    let both = [("zz", main.clone()), ("any", any)];
    assert_eq!(resolve(&both, &on("refs/heads/dev"), NOW), Ok("any".into()));
    let ambiguous = IdentityError::Ambiguous { first: name("any"), second: name("zz") };
    assert_eq!(resolve(&both, &on("refs/heads/main"), NOW), Err(ambiguous));
    assert_eq!(resolve(&[("zz", main)], &on("refs/heads/dev"), NOW), Err(IdentityError::None));
    assert_eq!(resolve(&[], &on("refs/heads/main"), NOW), Err(IdentityError::None));
    let unconditional = identity(&[]);
    assert_eq!(resolve(&[("all", unconditional)], &on("x"), NOW), Err(IdentityError::None));
}

#[test]
fn a_suspended_or_expired_identity_is_refused_and_still_counts() {
    let job = identity(&[("sub", equals("job"))]);
    let suspended = Identity { suspended: true, ..job.clone() };
    let ends = |at: u64| Identity { expires: Some(at), ..job.clone() };
    let one = |identity: Identity| resolve(&[("x", identity)], &verified(&[]), NOW);
    assert_eq!(one(suspended.clone()), Err(IdentityError::Suspended(name("x"))));
    assert_eq!(one(ends(NOW.0)), Err(IdentityError::Expired(name("x"))));
    assert_eq!(one(ends(NOW.0 + 1)), Ok("x".into()));
    let both = [("x", suspended), ("y", job)];
    assert!(matches!(resolve(&both, &verified(&[]), NOW), Err(IdentityError::Ambiguous { .. })));
}

#[test]
fn each_identity_error_has_its_code() {
    for (error, code) in [
        (IdentityError::None, Code::IdentityNone),
        (IdentityError::RunMissing(name("x")), Code::IdentityNone),
        (IdentityError::Ambiguous { first: name("x"), second: name("y") }, Code::IdentityAmbiguous),
        (IdentityError::Suspended(name("x")), Code::IdentitySuspended),
        (IdentityError::Expired(name("x")), Code::IdentityExpired),
    ] {
        assert_eq!(error.code(), code);
    }
}

#[test]
fn tokens_of_another_issuer_do_not_match() {
    let objects = [object("x", identity(&[("sub", equals("job"))]))];
    let directory = Directory::compile(&objects);
    assert_eq!(directory.resolve(&name("b"), &verified(&[]), NOW), Err(IdentityError::None));
}

#[test]
fn what_resolves_is_what_was_written_and_the_run_is_the_tokens() {
    let objects = [object("x", identity(&[("sub", equals("job"))]))];
    let directory = Directory::compile(&objects);
    let with_run = verified(&[("run_id", r#""9001""#)]);
    let found = directory.resolve(&name("idp"), &with_run, NOW).unwrap();
    assert_eq!((found.uid, &found.issuer), (objects[0].metadata.uid, &name("idp")));
    assert_eq!((&found.groups, &found.environment), (&vec![name("a"), name("b")], &Some(name("production"))));
    assert_eq!(found.run(&with_run), Ok("9001".into()));
    assert_eq!(found.run(&verified(&[("run_id", "9001")])), Ok("9001".into()));
    for value in ["", r#""""#, "true", "[1]", "1.5", "null"] {
        let missing = Err(IdentityError::RunMissing(name("x")));
        assert_eq!(found.run(&verified(&[("run_id", value)])), missing, "{value}");
    }
}

#[test]
fn jwt_28_a_condition_is_not_a_pattern_and_an_id_outlives_a_name() {
    let sub = r#""repo:acme/api:ref:refs/heads/*""#;
    let token = verified(&[("sub", sub), ("repository", r#""acme/api""#), ("repository_id", r#""2""#)]);
    let glob = identity(&[("sub", equals("repo:acme/*"))]);
    assert_eq!(resolve(&[("x", glob)], &token, NOW), Err(IdentityError::None));
    let pinned = |id: &str| identity(&[("repository", equals("acme/api")), ("repository_id", equals(id))]);
    assert_eq!(resolve(&[("x", pinned("2"))], &token, NOW), Ok("x".into()));
    // The repository was deleted and its name taken by somebody else.
    assert_eq!(resolve(&[("x", pinned("1"))], &token, NOW), Err(IdentityError::None));
}
