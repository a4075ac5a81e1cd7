//! What a command gets, in whole judgements.

use crate::support::{
    AT, context, effect, judge, name, policy, refusal, request, rules, statements, subject, text, world,
};
use hoop_model::{Code, Intent, Judgement, PolicyRef, Refusal, Requirement, Revision, Target, Uid, Value, Verdict};
use hoop_policy::{Ending, MAX_EFFECTS, Mode, Role, Rules, VerdictCache, content_hash};
use std::time::Duration;

const PERMIT: &str = "@id(\"ok\") permit(principal, action, resource);";

fn reference(statement: &str, cedar: &str, message: Option<&str>) -> PolicyRef {
    let (uid, hash) = (Uid::mint(1), content_hash(cedar));
    PolicyRef { statement: statement.into(), uid, hash, message: message.map(Into::into) }
}

#[test]
fn a_permit_alone_allows() {
    let judgement = judge(&rules(PERMIT), &subject(&[]), &request("GET", "/"));
    let reasons = [reference("rules/ok", PERMIT, None)].into();
    assert_eq!(judgement, Judgement { verdict: Verdict::Allow, reasons, shadow: [].into(), revision: AT });
}

#[test]
fn a_forbid_refuses_with_its_words() {
    let cedar = format!(
        "{PERMIT} @id(\"no\") @message(\"not here\") forbid(principal, action == Hoop::Action::\"http:GET\", resource);"
    );
    let judgement = judge(&rules(&cedar), &subject(&[]), &request("GET", "/"));
    let expected = Refusal {
        identity: Some(name("nightly")),
        connection: Some(name("react")),
        effect: Some(effect("http:GET", Target::Connection)),
        policy: Some("rules/no".into()),
        ..Refusal::because(Code::Forbidden, "not here")
    };
    let reasons = [reference("rules/no", &cedar, Some("not here"))].into();
    let verdict = Verdict::Refuse(Box::new(expected));
    assert_eq!(judgement, Judgement { verdict, reasons, shadow: [].into(), revision: AT });
}

#[test]
fn without_a_permit_the_caller_learns_what_is_missing() {
    let cedar = "permit(principal, action in Hoop::Action::\"read\", resource);";
    let judgement = judge(&rules(cedar), &subject(&[]), &request("DELETE", "/"));
    let refused = refusal(&judgement);
    assert_eq!((refused.code, refused.policy.as_deref()), (Code::NotPermitted, None));
    assert_eq!(refused.missing.as_deref(), Some("a permit for `http:DELETE` on connection `react`"));
    assert!(judgement.reasons.is_empty());
}

#[test]
fn a_command_is_held_for_every_hold_that_is_satisfied() {
    let cedar = format!(
        "{PERMIT}
        @id(\"b\") @hold(\"dba\") @quorum(\"2\") @expires(\"1h\") forbid(principal, action in Hoop::Action::\"write\", resource);
        @id(\"a\") @hold(\"on-call\") @message(\"ask\") forbid(principal, action == Hoop::Action::\"http:PATCH\", resource);
        @id(\"c\") @hold(\"other\") forbid(principal, action == Hoop::Action::\"http:PUT\", resource);"
    );
    let judgement = judge(&rules(&cedar), &subject(&[]), &request("PATCH", "/"));
    let (a, b) = (reference("rules/a", &cedar, Some("ask")), reference("rules/b", &cedar, None));
    let requirements = vec![
        Requirement { policy: a.clone(), team: name("on-call"), quorum: 1, expires: Duration::from_secs(900) },
        Requirement { policy: b.clone(), team: name("dba"), quorum: 2, expires: Duration::from_secs(3600) },
    ];
    let expected =
        Judgement { verdict: Verdict::Hold(requirements), reasons: [a, b].into(), shadow: [].into(), revision: AT };
    assert_eq!(judgement, expected);
}

#[test]
fn a_hold_does_not_stand_in_for_a_permit() {
    let cedar = "@hold(\"on-call\") forbid(principal, action == Hoop::Action::\"http:GET\", resource);";
    assert_eq!(refusal(&judge(&rules(cedar), &subject(&[]), &request("GET", "/"))).code, Code::NotPermitted);
}

#[test]
fn a_forbid_that_cannot_be_evaluated_refuses_whatever_else_says() {
    for note in ["", "@hold(\"on-call\")"] {
        let cedar = format!(
            "{PERMIT} @id(\"bad\") {note} forbid(principal, action in Hoop::Action::\"read\", resource) when {{ principal.getTag(\"tier\").contains(\"x\") }};"
        );
        let rules = rules(&cedar);
        let judgement = judge(&rules, &subject(&[]), &request("GET", "/"));
        let refused = refusal(&judgement);
        assert_eq!((refused.code, refused.policy.as_deref()), (Code::PolicyError, Some("rules/bad")));
        assert_eq!(&*refused.message, "a policy could not be evaluated", "nothing of the cause goes to the caller");
        assert_eq!(statements(&judgement.reasons), ["rules/bad"]);
        assert_eq!(judge(&rules, &subject(&[("tier", &["y"])]), &request("GET", "/")).verdict, Verdict::Allow);
    }
    let cedar = "permit(principal, action in Hoop::Action::\"read\", resource) when { principal.getTag(\"tier\").contains(\"x\") };";
    let judgement = judge(&rules(cedar), &subject(&[]), &request("GET", "/"));
    assert_eq!(refusal(&judgement).code, Code::NotPermitted, "a permit that fails does not permit");
}

#[test]
fn a_command_gets_the_worst_of_its_effects() {
    let cedar = format!(
        "{PERMIT}
        @id(\"h\") @hold(\"dba\") forbid(principal, action == Hoop::Action::\"http:PUT\", resource);
        @id(\"i\") @hold(\"dba\") forbid(principal, action == Hoop::Action::\"http:POST\", resource);
        @id(\"n\") forbid(principal, action == Hoop::Action::\"http:DELETE\", resource);"
    );
    let rules = rules(&cedar);
    let asks = |methods: &[&str]| {
        let effects = methods.iter().map(|m| effect(&format!("http:{m}"), Target::Connection)).collect();
        let intent = Intent { effects, context: context("GET", "/"), summary: "x".into() };
        judge(&rules, &subject(&[]), &intent)
    };
    assert_eq!(asks(&["GET", "HEAD"]).verdict, Verdict::Allow);
    assert_eq!(statements(&asks(&["GET", "PUT", "POST"]).reasons), ["rules/h", "rules/i"]);
    let Verdict::Hold(requirements) = asks(&["GET", "PUT", "POST", "PUT"]).verdict else { panic!("not held") };
    assert_eq!(requirements.len(), 2);
    let judgement = asks(&["PUT", "GET", "DELETE"]);
    assert_eq!(refusal(&judgement).effect, Some(effect("http:DELETE", Target::Connection)));
    assert_eq!(statements(&judgement.reasons), ["rules/n"]);
}

#[test]
fn what_policy_has_no_words_for_is_refused_with_its_own_reason() {
    let rules = rules(PERMIT);
    let ask = |connection: &str, intent: &Intent| {
        let judgement = rules.judge(&mut VerdictCache::new(), &subject(&[]), &name(connection), intent);
        let refused = refusal(&judgement);
        (refused.code, refused.message.to_string())
    };
    let good = || request("GET", "/");
    let mut seen = std::collections::BTreeSet::new();
    let mut expect = |connection: &str, code: Code, intent: Intent| {
        let (found, message) = ask(connection, &intent);
        assert_eq!(found, code, "{intent:?}");
        seen.insert(message);
    };
    expect("gone", Code::ConnectionUnknown, good());
    expect("react", Code::NothingToJudge, Intent { effects: vec![], ..good() });
    let many = vec![effect("http:GET", Target::Connection); MAX_EFFECTS + 1];
    expect("react", Code::PolicyError, Intent { effects: many, ..good() });
    let wrong = |change: fn(&mut Intent)| {
        let mut intent = good();
        change(&mut intent);
        intent
    };
    for action in ["http:BREW", "read", "connect", "", "http:get"] {
        let effects = vec![effect("http:GET", Target::Connection), effect(action, Target::Connection)];
        expect("react", Code::PolicyError, Intent { effects, ..good() });
    }
    for change in [
        (|i| i.context.clear()) as fn(&mut Intent),
        |i| drop(i.context.pop()),
        |i| i.context[1].1 = Value::Long(1),
        |i| i.context[4].1 = Value::Set(vec![text("a"), Value::Long(1)]),
        |i| i.context.push(("zeal".into(), Value::Bool(true))),
        |i| i.context.insert(0, ("bodyBytes".into(), text("1"))),
        |i| i.context.swap(0, 1),
        |i| i.context.insert(1, ("method".into(), text("POST"))),
    ] {
        expect("react", Code::PolicyError, wrong(change));
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
}

#[test]
fn connecting_needs_its_own_permit() {
    let connect = |cedar: &str| rules(cedar).may_connect(&mut VerdictCache::new(), &subject(&[]), &name("react"));
    let judgement =
        connect("permit(principal, action in [Hoop::Action::\"read\", Hoop::Action::\"write\"], resource);");
    assert_eq!(refusal(&judgement).code, Code::ConnectNotPermitted);
    assert_eq!(refusal(&judgement).missing.as_deref(), Some("a permit for `connect` on connection `react`"));
    let permit = "permit(principal in Hoop::Group::\"agents\", action == Hoop::Action::\"connect\", resource == Hoop::Connection::\"react\");";
    assert_eq!(connect(permit).verdict, Verdict::Allow);
    let judgement = connect(&format!("{permit} @id(\"x\") @message(\"closed\") forbid(principal, action, resource);"));
    let refused = refusal(&judgement);
    assert_eq!((refused.code, refused.policy.as_deref()), (Code::ConnectNotPermitted, Some("rules/x")));
    assert_eq!(&*refused.message, "closed");
    let unknown = rules(permit).may_connect(&mut VerdictCache::new(), &subject(&[]), &name("gone"));
    assert_eq!(refusal(&unknown).code, Code::ConnectionUnknown);
    let failing =
        connect(&format!("{permit} forbid(principal, action, resource) when {{ principal.getTag(\"a\").isEmpty() }};"));
    assert_eq!(refusal(&failing).code, Code::PolicyError);
}

#[test]
fn a_shadow_changes_nothing_and_says_what_it_would_have_changed() {
    let shadow = |id: &str, rest: &str| format!("@id(\"{id}\") @mode(\"shadow\") {rest}");
    let shadows = [
        shadow("forbid", "forbid(principal, action, resource);"),
        shadow("hold", "@hold(\"on-call\") forbid(principal, action in Hoop::Action::\"read\", resource);"),
        shadow("permit", "permit(principal, action, resource);"),
        shadow("fails", "forbid(principal, action, resource) when { principal.getTag(\"a\").isEmpty() };"),
        shadow("not", "forbid(principal, action, resource) when { principal.hasTag(\"a\") };"),
    ];
    let ask = |enforced: &str| {
        judge(&rules(&format!("{enforced} {}", shadows.concat())), &subject(&[]), &request("GET", "/"))
    };
    let allowed = ask(PERMIT);
    assert_eq!(allowed.verdict, Verdict::Allow);
    assert_eq!(statements(&allowed.shadow), ["rules/fails", "rules/forbid", "rules/hold"]);
    let refused = ask("");
    assert_eq!((refusal(&refused).code, statements(&refused.shadow)), (Code::NotPermitted, vec!["rules/permit"]));
    let forbidden = ask(&format!("{PERMIT} forbid(principal, action, resource);"));
    assert_eq!((refusal(&forbidden).code, forbidden.shadow.len()), (Code::Forbidden, 0));
    let held = ask(&format!("{PERMIT} @hold(\"dba\") forbid(principal, action in Hoop::Action::\"read\", resource);"));
    assert_eq!(held.verdict.word(), "hold");
    assert_eq!(statements(&held.shadow), ["rules/fails", "rules/forbid", "rules/hold"]);
}

#[test]
fn explain_says_what_each_statement_had_to_say() {
    let cedar = format!(
        "{PERMIT}
        @id(\"other\") forbid(principal, action == Hoop::Action::\"http:PUT\", resource);
        @id(\"a\") @mode(\"shadow\") forbid(principal, action in Hoop::Action::\"read\", resource) when {{ context.path == \"/x\" }};
        @id(\"b\") @hold(\"dba\") forbid(principal, action in Hoop::Action::\"read\", resource) when {{ context.bodyBytes > 3 }};"
    );
    let rules = rules(&cedar);
    let get = effect("http:GET", Target::Connection);
    let explained = rules.explain(&subject(&[]), &name("react"), &get, &context("GET", "/")).unwrap();
    let summary: Vec<_> = explained.iter().map(|e| (&*e.policy.statement, e.mode)).collect();
    assert_eq!(summary, [("rules/a", Mode::Shadow), ("rules/b", Mode::Enforced), ("rules/ok", Mode::Enforced)]);
    assert_eq!((&explained[0].role, &explained[0].ending), (&Role::Forbid, &Ending::Unsatisfied));
    let Ending::Failed(cause) = &explained[1].ending else { panic!("{explained:?}") };
    assert!(cause.contains("bodyBytes"), "{cause}");
    assert_eq!((&explained[2].role, &explained[2].ending), (&Role::Permit, &Ending::Satisfied));
    let connect = effect("connect", Target::Connection);
    assert_eq!(rules.explain(&subject(&[]), &name("react"), &connect, &vec![]).unwrap().len(), 1);
    let error = rules.explain(&subject(&[]), &name("gone"), &get, &vec![]).unwrap_err();
    assert_eq!(error.code, Code::ConnectionUnknown);
}

#[test]
fn a_cache_forgets_when_the_rules_change_even_at_the_same_revision() {
    let mut cache = VerdictCache::new();
    let (subject, react, get) = (subject(&[]), name("react"), request("GET", "/"));
    let open = rules(PERMIT);
    let closed = rules("forbid(principal, action, resource);");
    let next = Rules::compile(&world(PERMIT), Revision { epoch: 1, index: 8 }, Some(&open)).unwrap();
    for (rules, word, revision) in [
        (&open, "allow", AT),
        (&open, "allow", AT),
        (&closed, "refuse", AT),
        (&open, "allow", AT),
        (&next, "allow", Revision { epoch: 1, index: 8 }),
    ] {
        let judgement = rules.judge(&mut cache, &subject, &react, &get);
        assert_eq!((judgement.verdict.word(), judgement.revision), (word, revision));
    }
}

#[test]
fn a_cache_stays_right_when_it_overflows() {
    let rules =
        rules("permit(principal, action in Hoop::Action::\"read\", resource) when { context.path like \"*7\" };");
    let mut cache = VerdictCache::new();
    for i in 0..9000 {
        let mut who = subject(&[]);
        who.uid = Uid::mint(i / 2);
        let judgement = rules.judge(&mut cache, &who, &name("react"), &request("GET", &format!("/{i}")));
        assert_eq!(judgement.verdict == Verdict::Allow, i % 10 == 7, "{i}");
    }
    let long = request("GET", &format!("/{}7", "x".repeat(10_000)));
    for _ in 0..2 {
        assert_eq!(rules.judge(&mut cache, &subject(&[]), &name("react"), &long).verdict, Verdict::Allow);
    }
}

#[test]
fn policies_of_several_objects_count_together() {
    let mut objects = world(PERMIT);
    objects.push(policy(
        "more",
        2,
        "@id(\"no\") forbid(principal, action, resource in Hoop::Environment::\"production\");",
    ));
    let rules = Rules::compile(&objects, AT, None).unwrap();
    let mut cache = VerdictCache::new();
    let mut ask = |connection: &str| {
        let judgement = rules.judge(&mut cache, &subject(&[]), &name(connection), &request("GET", "/"));
        statements(&judgement.reasons).join(" ")
    };
    assert_eq!(ask("react"), "more/no");
    assert_eq!(ask("bare"), "rules/ok");
}
