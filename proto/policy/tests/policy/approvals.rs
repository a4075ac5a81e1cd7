//! Who may vote: the team's members, unless a forbid says otherwise.

use crate::support::{AT, connection, effect, name, policy, request, subject, world};
use hoop_model::{ApprovalId, Code, Refusal, ResourceName, Target, Verdict};
use hoop_policy::{ApprovalSubject, PersonSubject, Rules, VerdictCache};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;

fn names(of: &[&str]) -> Vec<ResourceName> {
    of.iter().map(|text| name(text)).collect()
}

fn person(text: &str, teams: &[&str]) -> PersonSubject {
    PersonSubject { name: name(text), teams: names(teams) }
}

fn approval() -> ApprovalSubject {
    ApprovalSubject {
        id: ApprovalId::mint(7),
        identity: name("nightly"),
        groups: names(&["agents"]),
        connection: name("react"),
        effects: [effect("http:PATCH", Target::Connection)].into(),
        run: "release-4711".into(),
        team: name("on-call"),
        any_run: false,
    }
}

fn vote(cedar: &str, person: &PersonSubject, approval: &ApprovalSubject) -> Result<(), Box<Refusal>> {
    Rules::compile(&world(cedar), AT, None).unwrap().may_approve(person, approval)
}

const ANYTHING: &str = "permit(principal, action, resource);";

fn forbid(condition: &str) -> String {
    format!("@id(\"no\") forbid(principal, action == Hoop::Action::\"approve\", resource) when {{ {condition} }};")
}

#[test]
fn the_team_may_approve_without_any_permit() {
    let ada = person("ada", &["dba", "on-call"]);
    for cedar in [ANYTHING, "forbid(principal, action == Hoop::Action::\"http:PATCH\", resource);"] {
        assert_eq!(vote(cedar, &ada, &approval()), Ok(()), "{cedar}");
    }
}

#[test]
fn ap_11_who_is_not_in_the_team_may_not_approve_whatever_policy_says() {
    for teams in [&[][..], &["dba"], &["on-call-2"]] {
        let refused = *vote(ANYTHING, &person("ada", teams), &approval()).unwrap_err();
        let expected = Refusal {
            identity: Some(name("nightly")),
            connection: Some(name("react")),
            approval: Some(ApprovalId::mint(7)),
            missing: Some("membership of team `on-call`".into()),
            ..Refusal::because(Code::NotPermitted, "only members of the team may approve this")
        };
        assert_eq!(refused, expected);
    }
}

#[test]
fn a_forbid_narrows_who_may_approve_what() {
    let (ada, bob) = (person("ada", &["on-call"]), person("bob", &["on-call", "interns"]));
    for (condition, of_ada, of_bob) in [
        ("principal == Hoop::Person::\"ada\"", false, true),
        ("principal in Hoop::Team::\"interns\"", true, false),
        ("resource in Hoop::Connection::\"react\"", false, false),
        ("resource in Hoop::Connection::\"bare\"", true, true),
        ("resource in Hoop::Environment::\"production\"", false, false),
        ("resource in Hoop::Environment::\"staging\"", true, true),
        ("resource.connection == Hoop::Connection::\"react\"", false, false),
        ("resource.identity == Hoop::Identity::\"nightly\"", false, false),
        ("resource.identity == Hoop::Identity::\"weekly\"", true, true),
        ("resource.groups.contains(Hoop::Group::\"agents\")", false, false),
        ("resource.groups.contains(Hoop::Group::\"bots\")", true, true),
        ("resource.effects.contains(\"http:PATCH\")", false, false),
        ("resource.effects.contains(\"http:DELETE\")", true, true),
        ("resource.run like \"release-*\"", false, false),
        ("resource.team == Hoop::Team::\"dba\"", true, true),
        ("context.anyRun", true, true),
        ("!context.anyRun", false, false),
    ] {
        let may = |person| vote(&forbid(condition), person, &approval()).is_ok();
        assert_eq!((may(&ada), may(&bob)), (of_ada, of_bob), "{condition}");
    }
    let any_run = ApprovalSubject { any_run: true, ..approval() };
    assert!(vote(&forbid("context.anyRun"), &ada, &any_run).is_err());
}

#[test]
fn a_refused_vote_says_which_policy_and_its_words() {
    let cedar = format!("{ANYTHING} @message(\"interns watch\") {}", forbid("principal in Hoop::Team::\"interns\""));
    let refused = *vote(&cedar, &person("bob", &["on-call", "interns"]), &approval()).unwrap_err();
    assert_eq!((refused.code, refused.policy.as_deref()), (Code::Forbidden, Some("rules/no")));
    assert_eq!(&*refused.message, "interns watch");
}

#[test]
fn a_forbid_that_cannot_be_evaluated_refuses_the_vote() {
    let ada = person("ada", &["on-call"]);
    for condition in ["principal.getTag(\"ref\").contains(\"main\")", "context.path == \"/\""] {
        let cedar = format!("@id(\"bad\") forbid(principal, action, resource) when {{ {condition} }};");
        let refused = *vote(&cedar, &ada, &approval()).unwrap_err();
        assert_eq!((refused.code, refused.policy.as_deref()), (Code::PolicyError, Some("rules/bad")));
        assert_eq!(&*refused.message, "a policy could not be evaluated");
        assert_eq!(vote(&format!("@mode(\"shadow\") {cedar}"), &ada, &approval()), Ok(()), "a shadow changes nothing");
    }
}

#[test]
fn cp_13_a_vote_that_policy_has_no_words_for_is_refused() {
    let ada = person("ada", &["on-call"]);
    let code = |approval: ApprovalSubject| vote(ANYTHING, &ada, &approval).map_err(|refused| refused.code);
    assert_eq!(code(ApprovalSubject { connection: name("gone"), ..approval() }), Err(Code::ConnectionUnknown));
    assert_eq!(code(ApprovalSubject { effects: [].into(), ..approval() }), Err(Code::NothingToJudge));
    for action in ["http:BREW", "read", "connect", "approve", ""] {
        let effects = [effect("http:GET", Target::Connection), effect(action, Target::Connection)].into();
        assert_eq!(code(ApprovalSubject { effects, ..approval() }), Err(Code::PolicyError), "{action}");
    }
}

#[test]
fn a_rule_about_votes_says_nothing_of_commands_and_no_command_is_a_vote() {
    let cedar = format!("{ANYTHING} {}", forbid("true"));
    let rules = Rules::compile(&world(&cedar), AT, None).unwrap();
    let mut cache = VerdictCache::new();
    let mut judge = |intent| rules.judge(&mut cache, &subject(&[]), &name("react"), &intent).verdict;
    assert_eq!(judge(request("GET", "/")), Verdict::Allow);
    let mut vote = request("GET", "/");
    vote.effects = vec![effect("approve", Target::Connection)];
    let Verdict::Refuse(refused) = judge(vote) else { panic!("a command cannot approve") };
    assert_eq!(refused.code, Code::PolicyError);
}

/// A piece of Cedar, and what it means.
type Piece<T, Means = bool> = (&'static str, fn(&T) -> Means);

/// A forbid in the words of this test.
#[derive(Debug, Clone)]
struct Narrowing {
    shadow: bool,
    who: Piece<PersonSubject>,
    place: Piece<ApprovalSubject>,
    when: Piece<ApprovalSubject, Option<bool>>,
}

impl Narrowing {
    fn cedar(&self, id: usize) -> String {
        let mode = if self.shadow { "@mode(\"shadow\") " } else { "" };
        let actions = ["action", "action == Hoop::Action::\"approve\""][id % 2];
        let (who, place, when) = (self.who.0, self.place.0, self.when.0);
        format!("@id(\"s{id}\") {mode}forbid({who}, {actions}, {place}) when {{ {when} }};\n")
    }
}

fn narrowing() -> impl Strategy<Value = Narrowing> {
    let who: Vec<Piece<PersonSubject>> = vec![
        ("principal", |_| true),
        ("principal is Hoop::Person", |_| true),
        ("principal is Hoop::Identity", |_| false),
        ("principal == Hoop::Person::\"ada\"", |p| p.name.as_str() == "ada"),
        ("principal in Hoop::Team::\"dba\"", |p| p.teams.contains(&name("dba"))),
        ("principal is Hoop::Person in Hoop::Team::\"interns\"", |p| p.teams.contains(&name("interns"))),
        ("principal in Hoop::Group::\"dba\"", |_| false),
    ];
    let place: Vec<Piece<ApprovalSubject>> = vec![
        ("resource", |_| true),
        ("resource is Hoop::Approval", |_| true),
        ("resource is Hoop::Route", |_| false),
        ("resource == Hoop::Connection::\"react\"", |_| false),
        ("resource in Hoop::Connection::\"react\"", |a| a.connection.as_str() == "react"),
        ("resource in Hoop::Environment::\"staging\"", |a| a.connection.as_str() == "stage"),
        ("resource is Hoop::Approval in Hoop::Environment::\"production\"", |a| a.connection.as_str() == "react"),
    ];
    let when: Vec<Piece<ApprovalSubject, Option<bool>>> = vec![
        ("true", |_| Some(true)),
        ("resource.effects.contains(\"http:DELETE\")", |a| Some(a.effects.iter().any(|e| e.action == "http:DELETE"))),
        ("resource.run == \"1\"", |a| Some(&*a.run == "1")),
        ("resource.team == Hoop::Team::\"dba\"", |a| Some(a.team.as_str() == "dba")),
        ("resource.groups.containsAny([Hoop::Group::\"bots\"])", |a| Some(a.groups.contains(&name("bots")))),
        ("resource.identity == Hoop::Identity::\"nightly\"", |a| Some(a.identity.as_str() == "nightly")),
        ("context.anyRun", |a| Some(a.any_run)),
        ("context.path == \"/\"", |_| None),
        ("resource.run == \"1\" && context.path == \"/\"", |a| if &*a.run == "1" { None } else { Some(false) }),
    ];
    (prop::bool::weighted(0.15), select(who), select(place), select(when))
        .prop_map(|(shadow, who, place, when)| Narrowing { shadow, who, place, when })
}

fn asked() -> impl Strategy<Value = (PersonSubject, ApprovalSubject)> {
    let teams = prop::sample::subsequence(vec!["dba", "interns", "on-call"], 1..=3);
    let effects = prop::collection::vec(select(vec!["http:GET", "http:DELETE"]), 1..3);
    let groups = prop::sample::subsequence(vec!["agents", "bots"], 0..=2);
    let (who, at) = (select(vec!["ada", "bob"]), select(vec!["react", "stage"]));
    let identity = select(vec!["nightly", "weekly"]);
    let more = (select(vec!["1", "2"]), select(vec!["dba", "on-call"]), any::<bool>());
    (teams, effects, groups, who, at, identity, more).prop_map(|(teams, effects, groups, who, at, identity, more)| {
        let approval = ApprovalSubject {
            identity: name(identity),
            groups: names(&groups),
            connection: name(at),
            effects: effects.iter().map(|action| effect(action, Target::Connection)).collect(),
            run: more.0.into(),
            team: name(more.1),
            any_run: more.2,
            ..approval()
        };
        (person(who, &teams), approval)
    })
}

/// Judges a vote one rule at a time, without Cedar.
fn reference(rules: &[Narrowing], person: &PersonSubject, approval: &ApprovalSubject) -> Result<(), Code> {
    if !person.teams.contains(&approval.team) {
        return Err(Code::NotPermitted);
    }
    let concerned = rules.iter().filter(|rule| !rule.shadow && (rule.who.1)(person) && (rule.place.1)(approval));
    let ended: Vec<_> = concerned.map(|rule| (rule.when.1)(approval)).collect();
    if ended.contains(&None) {
        return Err(Code::PolicyError);
    }
    if ended.contains(&Some(true)) { Err(Code::Forbidden) } else { Ok(()) }
}

#[test]
fn a_slice_judges_votes_as_the_full_set_does() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let cases = config.cases;
    let counts: RefCell<BTreeMap<&str, usize>> = RefCell::default();
    let all = (prop::collection::vec(narrowing(), 0..8), asked());
    let result = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)).run(
        &all,
        |(rules, (person, approval))| {
            let narrowings: String = rules.iter().enumerate().map(|(id, rule)| rule.cedar(id)).collect();
            let noise = "@hold(\"dba\") forbid(principal, action in Hoop::Action::\"write\", resource);";
            let objects = [
                connection("react", Some("production")),
                connection("stage", Some("staging")),
                policy("rules", 1, &format!("{ANYTHING} {noise}\n{narrowings}")),
            ];
            let judged = Rules::compile(&objects, AT, None).unwrap().may_approve(&person, &approval);
            let judged = judged.map_err(|refusal| refusal.code);
            prop_assert_eq!(judged, reference(&rules, &person, &approval), "{}", narrowings);
            let word = judged.map_or_else(Code::as_str, |()| "may");
            *counts.borrow_mut().entry(word).or_default() += 1;
            Ok(())
        },
    );
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let counts = counts.into_inner();
    let seen = |word| counts.get(word).copied().unwrap_or(0) * 50 >= cases as usize;
    let varied = ["may", "forbidden", "policy_error", "not_permitted"].into_iter().all(seen);
    assert!(varied || cases < 100, "the cases say too little: {counts:?}");
}
