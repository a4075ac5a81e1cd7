//! What a policy must be to be committed, and what a node takes over from the revision before.

use crate::support::{AT, judge, name, person, policy, refusal, request, rules, statements, subject, world};
use hoop_model::{Code, Revision, Verdict};
use hoop_policy::{CompileError, Reference, Rules, World, check, content_hash, references, validate};

fn mistakes(cedar: &str) -> Vec<(usize, usize, String)> {
    let errors = validate(&world(cedar)).expect_err(cedar);
    errors.into_iter().map(|CompileError { line, column, message, .. }| (line, column, message)).collect()
}

/// The one mistake's place, and whether its message has the words.
#[track_caller]
fn one_mistake(cedar: &str, at: (usize, usize), words: &str) {
    let found = mistakes(cedar);
    assert_eq!(
        found.iter().map(|(line, column, _)| (*line, *column)).collect::<Vec<_>>(),
        [at],
        "{cedar:.200}: {found:?}"
    );
    assert!(found[0].2.contains(words), "{cedar:.200}: {found:?}");
}

const SAMPLE: &str = r#"
    permit (principal in Hoop::Group::"agents", action == Hoop::Action::"connect", resource == Hoop::Connection::"react");
    permit (principal in Hoop::Group::"agents", action in Hoop::Action::"read", resource in Hoop::Connection::"react");
    permit (principal in Hoop::Group::"agents", action == Hoop::Action::"http:PATCH", resource in Hoop::Connection::"react");

    @hold("on-call") @expires("15m") @message("updates wait for on-call; notes do not")
    forbid (principal, action == Hoop::Action::"http:PATCH", resource in Hoop::Connection::"react")
    unless { context.path like "/notes/*" };

    @message("jobs never delete in production")
    forbid (principal, action == Hoop::Action::"http:DELETE", resource in Hoop::Environment::"production");
"#;

#[test]
fn what_an_administrator_writes_is_valid() {
    assert_eq!(validate(&world(SAMPLE)), Ok(()));
    for condition in [
        r#"principal.hasTag("ref") && principal.getTag("ref").contains("refs/heads/main")"#,
        r#"context.query.contains("dry=1") && context.queryKeys.containsAny(["a", "b"])"#,
        r#"context.segments.contains("admin") || context.path like "*/raw""#,
        r#"context has contentType && context.contentType == "application/json""#,
        r#"context has bodyBytes && context.bodyBytes <= 65536 && context.method == "PATCH""#,
        r#"resource is Hoop::Route && principal in Hoop::Environment::"production""#,
    ] {
        let cedar = format!("permit(principal, action in Hoop::Action::\"write\", resource) when {{ {condition} }};");
        assert_eq!(validate(&world(&cedar)), Ok(()), "{condition}");
    }
}

#[test]
fn every_entity_a_policy_names_must_exist() {
    for literal in ["Group::\"agent\"", "Environment::\"prod\"", "Identity::\"nobody\"", "Group::\"Agents\""] {
        let operator = if literal.starts_with("Identity") { "==" } else { "in" };
        let cedar = format!(
            "permit(principal, action, resource);\npermit(principal {operator} Hoop::{literal}, action, resource);"
        );
        let column = 19 + operator.len();
        one_mistake(&cedar, (2, column), &format!("there is no `Hoop::{literal}`"));
    }
    one_mistake("permit(principal, action, resource == Hoop::Connection::\"reac\");", (1, 39), "there is no");
    one_mistake("permit(principal, action, resource == Hoop::Route::\"react/orders\");", (1, 39), "there is no");
    let inside =
        "permit(principal, action, resource) when { principal in [Hoop::Group::\"agents\", Hoop::Group::\"x\"] };";
    one_mistake(inside, (1, 81), "there is no `Hoop::Group::\"x\"`");
    for foreign in ["Hoop::Issuer::\"ci\"", "Hoop::Team::\"on-call\"", "Hoop::Person::\"ada\"", "Group::\"agents\""] {
        let cedar = format!("permit(principal in {foreign}, action, resource);");
        assert!(!mistakes(&cedar).is_empty(), "{foreign}");
    }
}

#[test]
fn types_are_strict_and_warnings_are_errors() {
    let when = |condition: &str| {
        format!("permit(principal, action in Hoop::Action::\"read\", resource) when {{ {condition} }};")
    };
    for condition in [
        "context.pathh == \"/\"",
        "context.bodyBytes > 3",
        "context.path > 3",
        "context.json.a == 1",
        "principal.hasTag(\"a\") && principal.getTag(\"a\") == \"x\"",
        "principal.getTag(\"a\").contains(\"x\")",
        "principal.owner == \"x\"",
        "context.segments == \"x\"",
        "false",
        "resource is Hoop::Person",
        "context.path == 1",
        "1 == 1 && \"a\" == 2",
    ] {
        assert!(!mistakes(&when(condition)).is_empty(), "{condition}");
    }
    for scope in [
        "principal, action == Hoop::Action::\"connect\", resource is Hoop::Route",
        "principal is Hoop::Person, action, resource",
        "principal is Hoop::Connection, action, resource",
        "principal, action == Hoop::Action::\"http:BREW\", resource",
        "principal, action == Hoop::Action::\"read\", resource",
    ] {
        assert!(!mistakes(&format!("permit({scope});")).is_empty(), "{scope}");
    }
    // `connect` has no path.
    assert!(!mistakes("permit(principal, action, resource) when { context.path == \"/\" };").is_empty());
}

#[test]
fn a_mistake_says_where_it_is() {
    let cedar = "// first\npermit(principal, action, resource);\n\n  permit(principal, action in Hoop::Action::\"read\", resource)\n  when { context.pth == \"/\" };";
    one_mistake(cedar, (5, 10), "pth");
    one_mistake(
        "permit(principal, action, resource);\npermit(principal, action resource);",
        (2, 26),
        "unexpected token",
    );
    one_mistake(
        "permit(principal, action, resource);\n@who(\"x\")\nforbid(principal, action, resource);",
        (2, 1),
        "`@who`",
    );
}

#[test]
fn templates_and_duplicates_are_refused() {
    one_mistake("permit(principal == ?principal, action, resource);", (1, 21), "template");
    let twice = "@id(\"a\") permit(principal, action, resource);\n@id(\"a\") permit(principal, action, resource);";
    one_mistake(twice, (2, 1), "`rules/a` already");
    let position = "@id(\"2\") permit(principal, action, resource);\npermit(principal, action, resource);";
    one_mistake(position, (2, 1), "`rules/2` already");
    let mut objects = world("permit(principal, action, resource);");
    objects.push(policy("rules", 2, "forbid(principal, action, resource);"));
    let errors = Rules::compile(&objects, AT, None).unwrap_err();
    assert_eq!(errors[0].to_string(), "policy `rules`, line 1, column 1: two policies have this name");
}

#[test]
fn a_hold_cannot_hold_reveal() {
    for action in ["action == Hoop::Action::\"reveal\"", "action in [Hoop::Action::\"read\", Hoop::Action::\"reveal\"]"]
    {
        let hold = format!("@hold(\"on-call\") forbid(principal, {action}, resource);");
        one_mistake(&hold, (1, 1), "cannot hold `reveal`");
        assert!(Rules::compile(&world(&hold), AT, None).is_err(), "a node refuses it too: {action}");
    }
}

#[test]
fn a_hold_cannot_hold_connect() {
    let hold = |action: &str| format!("@hold(\"on-call\") forbid(principal, {action}, resource);");
    for action in [
        "action",
        "action == Hoop::Action::\"connect\"",
        "action in [Hoop::Action::\"read\", Hoop::Action::\"connect\"]",
        "action in Hoop::Action::\"connect\"",
    ] {
        one_mistake(&hold(action), (1, 1), "cannot hold `connect`");
        assert!(Rules::compile(&world(&hold(action)), AT, None).is_err(), "a node refuses it too: {action}");
    }
    for action in ["action in Hoop::Action::\"write\"", "action == Hoop::Action::\"http:GET\""] {
        assert_eq!(validate(&world(&hold(action))), Ok(()), "{action}");
    }
}

#[test]
fn a_hold_cannot_hold_a_vote() {
    for actions in
        ["action == Hoop::Action::\"approve\"", "action in [Hoop::Action::\"read\", Hoop::Action::\"approve\"]"]
    {
        let cedar = format!("@hold(\"on-call\") forbid(principal, {actions}, resource);");
        one_mistake(&cedar, (1, 1), "`@hold` cannot hold `approve`");
        assert!(Rules::compile(&world(&cedar), AT, None).is_err(), "a node refuses it too: {actions}");
    }
}

#[test]
fn a_permit_says_nothing_of_votes() {
    for scope in [
        "principal, action == Hoop::Action::\"approve\", resource",
        "principal, action in [Hoop::Action::\"http:GET\", Hoop::Action::\"approve\"], resource",
        "principal is Hoop::Person, action, resource",
        "principal in Hoop::Team::\"on-call\", action, resource",
        "principal is Hoop::Person in Hoop::Team::\"on-call\", action, resource",
        "principal == Hoop::Person::\"ada\", action, resource",
        "principal, action, resource is Hoop::Approval",
        "principal, action, resource is Hoop::Approval in Hoop::Connection::\"react\"",
    ] {
        let cedar = format!("permit({scope});");
        one_mistake(&cedar, (1, 1), "`approve` needs no permit");
        assert!(Rules::compile(&world(&cedar), AT, None).is_err(), "a node refuses it too: {scope}");
    }
    for condition in ["principal is Hoop::Person", "resource is Hoop::Approval", "resource has run"] {
        let cedar = format!("permit(principal, action, resource) when {{ {condition} }};");
        assert!(!mistakes(&cedar).is_empty(), "{condition}");
    }
    // What it says of everything else stands.
    let tag = r#"permit(principal, action, resource) when { principal.hasTag("ref") && principal.getTag("ref").contains("main") };"#;
    assert_eq!(validate(&world(tag)), Ok(()));
}

#[test]
fn a_forbid_on_votes_is_typed() {
    let mut objects = world("permit(principal, action, resource);");
    objects.push(person("ada", &["on-call"], false));
    let forbid = |scope: &str, condition: &str| {
        let cedar = format!("forbid({scope}) when {{ {condition} }};");
        check(&name("p"), &cedar, &World::of(&objects)).map_err(|errors| errors[0].message.clone())
    };
    let approve = "principal, action == Hoop::Action::\"approve\", resource";
    for condition in [
        r#"resource.effects.contains("http:DELETE") && resource.run like "release-*""#,
        r#"resource.identity == Hoop::Identity::"nightly" || resource.groups.contains(Hoop::Group::"agents")"#,
        r#"resource.connection == Hoop::Connection::"react" && resource in Hoop::Environment::"production""#,
        r#"resource.team == Hoop::Team::"on-call" && !(principal in Hoop::Team::"on-call")"#,
        r#"principal == Hoop::Person::"ada" && context.anyRun"#,
    ] {
        assert!(forbid(approve, condition).is_ok(), "{condition}: {:?}", forbid(approve, condition));
    }
    for condition in [
        r#"resource.effects == "http:DELETE""#,
        r#"resource.owner == "ada""#,
        r#"resource.identity == Hoop::Person::"ada""#,
        r#"resource.identity in Hoop::Group::"agents""#,
        r#"resource.identity.hasTag("ref")"#,
        r#"principal.hasTag("ref")"#,
        r#"principal is Hoop::Identity"#,
        r#"principal == Hoop::Person::"bob""#,
        r#"context.path == "/""#,
        r#"context.anyRun == 1"#,
    ] {
        assert!(forbid(approve, condition).is_err(), "{condition}");
    }
    assert!(forbid("principal is Hoop::Identity, action == Hoop::Action::\"approve\", resource", "true").is_err());
    assert!(forbid("principal is Hoop::Person, action in Hoop::Action::\"write\", resource", "true").is_err());
}

#[test]
fn references_are_every_literal_once() {
    let found = references(&name("p"), SAMPLE).unwrap();
    let found: Vec<_> = found.iter().map(|r| format!("{} {}", r.entity_type, r.id)).collect();
    let expected = [
        "Hoop::Action connect",
        "Hoop::Action http:DELETE",
        "Hoop::Action http:PATCH",
        "Hoop::Action read",
        "Hoop::Connection react",
        "Hoop::Environment production",
        "Hoop::Group agents",
    ];
    assert_eq!(found, expected);
    let world = World::of(&world(SAMPLE));
    assert_eq!(check(&name("p"), SAMPLE, &world), references(&name("p"), SAMPLE));
    assert!(!world.has(&Reference { entity_type: "Hoop::Group".into(), id: "gone".into() }));
}

#[test]
fn an_unchanged_policy_is_not_compiled_again() {
    let permit = "permit(principal, action, resource);";
    let objects = |second: &str, uid| vec![policy("one", 1, permit), policy("two", uid, second)];
    let first = Rules::compile(&objects(permit, 2), AT, None).unwrap();
    let next =
        |text: &str, uid| Rules::compile(&objects(text, uid), Revision { epoch: 1, index: 8 }, Some(&first)).unwrap();
    assert_eq!(next(permit, 2).shared_with(&first), 2);
    assert_eq!(next("forbid(principal, action, resource);", 2).shared_with(&first), 1);
    assert_eq!(next(permit, 3).shared_with(&first), 1, "another object of the same name and text is another policy");
    assert_eq!(next(permit, 2).revision(), Revision { epoch: 1, index: 8 });
}

#[test]
fn a_hash_is_sha_256() {
    assert_eq!(
        content_hash("abc").to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "FIPS 180-2, appendix B.1"
    );
}

#[test]
fn cp_13_an_empty_policy_is_a_mistake_and_no_policy_allows_nothing() {
    for empty in ["", " \n", "// permit(principal, action, resource);", ";", "\u{feff}", "null", "[]"] {
        assert!(validate(&world(empty)).is_err(), "{empty:?}");
        assert!(Rules::compile(&world(empty), AT, None).is_err(), "{empty:?}");
    }
    let mut objects = world("permit(principal, action, resource);");
    objects.pop();
    let none = Rules::compile(&objects, AT, None).unwrap();
    assert_eq!(refusal(&judge(&none, &subject(&[]), &request("GET", "/"))).code, Code::NotPermitted);
}

#[test]
fn cp_13_one_wrong_policy_rejects_the_whole_and_the_last_good_stays() {
    let good = rules("permit(principal, action, resource);");
    let mut objects = world("permit(principal, action, resource);");
    objects.push(policy("wrong", 9, "forbid(principal, action, resource"));
    objects.push(policy("also-wrong", 10, "allow(principal, action, resource);"));
    let errors = Rules::compile(&objects, Revision { epoch: 1, index: 8 }, Some(&good)).unwrap_err();
    assert_eq!(errors.iter().map(|e| e.policy.as_str()).collect::<Vec<_>>(), ["wrong", "also-wrong"]);
    assert_eq!(judge(&good, &subject(&[]), &request("GET", "/")).verdict, Verdict::Allow);
}

#[test]
fn cp_13_an_unknown_action_is_a_mistake_and_never_a_rule_that_matches_nothing() {
    for action in ["http:BREW", "http:get", "GET", "sql:select", "Connect", ""] {
        let cedar = format!("forbid(principal, action == Hoop::Action::\"{action}\", resource);");
        assert!(!mistakes(&cedar).is_empty(), "{action}");
    }
}

#[test]
fn cp_13_a_huge_policy_is_refused_before_it_is_parsed() {
    let huge = "permit(principal, action, resource);".repeat(64 << 15);
    assert_eq!(huge.len(), 36 * (64 << 15));
    for result in [validate(&world(&huge)), Rules::compile(&world(&huge), AT, None).map(drop)] {
        assert!(result.unwrap_err()[0].message.contains("256 KiB"));
    }
}

#[test]
fn cp_13_a_deep_or_long_statement_neither_overflows_the_stack_nor_is_skipped() {
    let when = |condition: String| {
        format!("permit(principal, action in Hoop::Action::\"read\", resource) when {{ {condition} }};")
    };
    let long = |piece: &str, count: usize| when(format!("{}true", piece.repeat(count)));
    // At the bound: it compiles, and is evaluated or refused.
    for (piece, count) in [("true && ", 250), ("false || ", 250), ("if true then true else ", 250)] {
        let cedar = long(piece, count);
        let rules = rules(&cedar);
        let judgement = judge(&rules, &subject(&[]), &request("GET", "/"));
        assert!(statements(&judgement.reasons).len() <= 1);
        drop(validate(&world(&cedar)));
    }
    let sum = when(format!("context.bodyBytes {}== 0", "+ 1 ".repeat(250)));
    drop((rules(&sum), validate(&world(&sum))));
    let chain = when(format!("context{} == 0", ".a".repeat(250)));
    drop((rules(&chain), validate(&world(&chain))));
    let nested = when(format!("{}true{}", "(".repeat(15), ")".repeat(15)));
    assert_eq!(validate(&world(&nested)), Ok(()));
    // Beyond it: refused with its own reason.
    one_mistake(&long("true && ", 5000), (1, 2105), "operators");
    one_mistake(&when(format!("{}true{}", "(".repeat(16), ")".repeat(16))), (1, 83), "nested");
    one_mistake(&when(format!("{}true{}", "[".repeat(100_000), "]".repeat(100_000))), (1, 83), "nested");
}

#[test]
fn cp_13_a_pattern_with_many_wildcards_is_cheap() {
    let pattern = "*a".repeat(500);
    let rules = rules(&format!(
        "permit(principal, action in Hoop::Action::\"read\", resource) when {{ context.path like \"{pattern}b\" }};"
    ));
    let judgement = judge(&rules, &subject(&[]), &request("GET", &format!("/{}", "a".repeat(16 << 10))));
    assert_eq!(refusal(&judgement).code, Code::NotPermitted);
}

#[test]
fn cp_13_a_rule_that_cannot_be_enforced_is_a_mistake() {
    for cedar in [
        "@hold(\"on-call\") forbid(principal, action, resource);",
        "@hold(\"on-call\") permit(principal, action in Hoop::Action::\"read\", resource);",
        "@mask(\"pii\") permit(principal, action, resource);",
        "@mode(\"audit\") forbid(principal, action, resource);",
        "forbid(principal, action, resource) when { Hoop::Connection::\"bare\" in Hoop::Environment::\"production\" };",
        "forbid(principal, action in Hoop::Action::\"manage\", resource);",
    ] {
        assert!(!mistakes(cedar).is_empty(), "{cedar}");
    }
}
