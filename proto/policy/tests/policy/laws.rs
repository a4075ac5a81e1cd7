//! Laws over random policies and requests. Each run counts its verdicts: a law that only ever saw refusals says nothing.

use crate::reference::{Does, Essence, Rule, What, When, Where, Who, judge, objects};
use crate::support::{AT, context, effect, name, text};
use hoop_model::{Intent, Target, Uid, Value, Verdict};
use hoop_policy::{Rules, Subject, VerdictCache};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug, Clone)]
struct Ask {
    subject: Subject,
    at: &'static str,
    intent: Intent,
}

fn when() -> impl Strategy<Value = When> {
    let leaf = prop_oneof![
        6 => Just(When::Always),
        2 => select(vec!["/a", "/b"]).prop_map(When::Path),
        2 => select(vec!["/", "/a", "/b"]).prop_map(When::PathLike),
        1 => select(vec!["q=1", "q=2"]).prop_map(When::Query),
        1 => select(vec![-1, 0, 100]).prop_map(When::BodyOver),
        1 => Just(When::BodyOverflows),
        1 => select(vec!["/a", "/b"]).prop_map(When::PathOfSomeContext),
        2 => (select(vec!["tier", "/a"]), select(vec!["x", "y"])).prop_map(|(tag, value)| When::Tag(tag, value)),
        1 => Just(When::TagNamedByPath),
        2 => select(vec!["tier", "/a"]).prop_map(When::HasTag),
        1 => select(vec!["agents", "bots"]).prop_map(When::InGroup),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        let pair = || (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            inner.clone().prop_map(|of| When::Not(Box::new(of))),
            pair().prop_map(|(a, b)| When::And(a, b)),
            pair().prop_map(|(a, b)| When::Or(a, b)),
        ]
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let who = prop_oneof![
        3 => Just(Who::Anyone),
        1 => Just(Who::AnyIdentity),
        1 => select(vec!["nightly", "weekly"]).prop_map(Who::Identity),
        2 => select(vec!["agents", "bots"]).prop_map(Who::Group),
        1 => select(vec!["agents", "bots"]).prop_map(Who::IdentityIn),
        1 => select(vec!["production", "staging"]).prop_map(Who::Environment),
    ];
    let action = || select(vec!["http:GET", "http:HEAD", "http:PATCH", "http:DELETE"]);
    let what = prop_oneof![
        3 => Just(What::Anything),
        2 => action().prop_map(What::Action),
        2 => select(vec!["read", "write"]).prop_map(What::Group),
        1 => (action(), action()).prop_map(|(a, b)| What::Either(a, b)),
    ];
    let connection = || select(vec!["react", "stage"]);
    let place = prop_oneof![
        3 => Just(Where::Anywhere),
        1 => connection().prop_map(Where::Connection),
        2 => connection().prop_map(Where::InConnection),
        1 => select(vec!["production", "staging"]).prop_map(Where::InEnvironment),
        1 => Just(Where::AnyRoute),
        1 => connection().prop_map(Where::RouteIn),
    ];
    let does = prop_oneof![4 => Just(Does::Permit), 1 => Just(Does::Forbid), 3 => Just(Does::Hold)];
    (does, prop::bool::weighted(0.15), who, what, place, when()).prop_map(|(does, shadow, who, what, place, when)| {
        // A hold must not be about `connect`.
        let what = if does == Does::Hold && matches!(what, What::Anything) { What::Group("read") } else { what };
        Rule { does, shadow, who, what, place, when }
    })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    // Rules for everyone, so that every verdict is common.
    let broad = |does, what| {
        let (shadow, who, place, when) = (false, Who::Anyone, Where::Anywhere, When::Always);
        Just(Rule { does, shadow, who, what, place, when })
    };
    let permit = prop::option::weighted(0.8, broad(Does::Permit, What::Anything));
    let hold = prop::option::weighted(0.5, broad(Does::Hold, What::Group("read")));
    (permit, hold, prop::collection::vec(rule(), 1..7)).prop_map(|(permit, hold, mut rules)| {
        rules.extend(permit);
        rules.extend(hold);
        rules
    })
}

fn subject() -> impl Strategy<Value = Subject> {
    let groups = prop::sample::subsequence(vec!["agents", "bots"], 0..=2);
    let environment = prop::option::of(select(vec!["production", "staging"]));
    let tag = (select(vec!["tier", "/a", "run"]), prop::sample::subsequence(vec!["x", "y"], 0..=2));
    let tags = prop::collection::vec(tag, 0..4);
    (select(vec!["nightly", "weekly"]), groups, environment, tags).prop_map(|(own, groups, environment, tags)| {
        let tags: BTreeMap<_, _> =
            tags.into_iter().map(|(n, vs)| (n.into(), vs.into_iter().map(Into::into).collect())).collect();
        Subject {
            name: name(own),
            uid: Uid::mint(own.len() as u128),
            groups: groups.into_iter().map(name).collect(),
            environment: environment.map(name),
            tags: Arc::new(tags),
        }
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    let action = select(vec!["http:GET", "http:GET", "http:OPTIONS", "http:PATCH", "http:DELETE"]);
    let target = prop_oneof![3 => Just(Target::Connection), 1 => Just(Target::Route(name("orders")))];
    let one = (action, target).prop_map(|(action, target)| effect(action, target));
    let effects = prop_oneof![4 => one.clone().prop_map(|e| vec![e]), 1 => prop::collection::vec(one, 2..4)];
    let path = select(vec!["/a", "/b", "/c"]);
    let body = prop::option::weighted(0.7, select(vec![0, 1, 200]));
    let pair = select(vec!["q=1", "q=2"]);
    (subject(), select(vec!["react", "react", "stage"]), effects, path, body, pair).prop_map(
        |(subject, at, effects, path, body, pair)| {
            let mut context = context("GET", path);
            context[2].1 = Value::Set(vec![text(pair)]);
            if let Some(bytes) = body {
                context.insert(0, ("bodyBytes".into(), Value::Long(bytes)));
            }
            Ask { subject, at, intent: Intent { effects, context, summary: "x".into() } }
        },
    )
}

fn compile(of: &[Rule]) -> Rules {
    let order: Vec<_> = (0..of.len()).collect();
    Rules::compile(&objects(of, &order), AT, None).unwrap()
}

fn answer(rules: &Rules, cache: &mut VerdictCache, ask: &Ask) -> hoop_model::Judgement {
    rules.judge(cache, &ask.subject, &name(ask.at), &ask.intent)
}

/// Runs a law over random cases. The law returns the verdicts it saw; each word must be a tenth of them.
fn law<S: Strategy>(of: S, law: impl Fn(S::Value) -> Vec<Verdict>) {
    let config = Config { failure_persistence: None, ..Config::default() };
    let cases = config.cases;
    let counts: RefCell<BTreeMap<&str, usize>> = RefCell::default();
    let result = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)).run(&of, |case| {
        for verdict in law(case) {
            *counts.borrow_mut().entry(verdict.word()).or_default() += 1;
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let counts = counts.into_inner();
    println!("{counts:?}");
    let total: usize = counts.values().sum();
    let seen = |word| counts.get(word).copied().unwrap_or(0);
    let varied = ["allow", "refuse", "hold"].into_iter().all(|word| seen(word) * 10 >= total);
    assert!(varied || cases < 100, "the cases say too little: {counts:?}");
}

#[test]
fn a_slice_judges_as_the_full_set_does() {
    law((rules(), ask()), |(rules, ask)| {
        let judgement = answer(&compile(&rules), &mut VerdictCache::new(), &ask);
        let Intent { effects, context, .. } = &ask.intent;
        assert_eq!(Essence::of(&judgement), judge(&rules, &ask.subject, ask.at, effects, context));
        vec![judgement.verdict]
    });
}

#[test]
fn a_cached_verdict_is_the_uncached_one() {
    law(
        (rules(), prop::collection::vec(ask(), 1..4), prop::collection::vec(any::<(Index, Index, Index)>(), 12)),
        |case| {
            let (rules, asks, mixes) = case;
            let rules = compile(&rules);
            let mut cache = VerdictCache::new();
            let mixed = mixes.iter().map(|(who, claims, content)| {
                // The same identity with other claims, and the same effects with another content, share slices.
                let mut ask = who.get(&asks).clone();
                ask.subject.tags = Arc::clone(&claims.get(&asks).subject.tags);
                ask.intent.context = content.get(&asks).intent.context.clone();
                ask
            });
            let seen = mixed.map(|ask| {
                let cached = answer(&rules, &mut cache, &ask);
                assert_eq!(cached, answer(&rules, &mut VerdictCache::new(), &ask), "{ask:?}");
                cached.verdict
            });
            seen.collect()
        },
    );
}

#[test]
fn deny_beats_allow() {
    let forbid = rule().prop_map(|rule| Rule {
        does: Does::Forbid,
        shadow: false,
        who: Who::Anyone,
        what: What::Anything,
        place: Where::Anywhere,
        when: When::Or(Box::new(When::Always), Box::new(rule.when)),
    });
    law((rules(), forbid, any::<Index>(), ask()), |(mut rules, forbid, position, ask)| {
        let before = answer(&compile(&rules), &mut VerdictCache::new(), &ask);
        rules.insert(position.index(rules.len() + 1), forbid);
        let after = answer(&compile(&rules), &mut VerdictCache::new(), &ask);
        assert_eq!(after.verdict.word(), "refuse");
        vec![before.verdict]
    });
}

#[test]
fn a_permit_never_lifts_a_forbid_or_a_hold() {
    law((rules(), rule(), ask()), |(mut rules, permit, ask)| {
        let before = answer(&compile(&rules), &mut VerdictCache::new(), &ask);
        rules.push(Rule { does: Does::Permit, shadow: false, ..permit });
        let after = answer(&compile(&rules), &mut VerdictCache::new(), &ask);
        match (&before.verdict, Essence::of(&before).word) {
            (Verdict::Allow, _) => assert_eq!(after.verdict.word(), "allow"),
            (Verdict::Hold(_), _) => assert_eq!(after.verdict.word(), "hold"),
            (Verdict::Refuse(_), "forbidden" | "policy_error") => assert_eq!(after.verdict.word(), "refuse"),
            (Verdict::Refuse(_), _) => {}
        }
        vec![before.verdict]
    });
}

#[test]
fn the_order_of_statements_does_not_matter() {
    let shuffled = rules().prop_flat_map(|rules| {
        let order: Vec<_> = (0..rules.len()).collect();
        (Just(rules), Just(order).prop_shuffle())
    });
    law((shuffled, ask()), |((rules, order), ask)| {
        let written = answer(&compile(&rules), &mut VerdictCache::new(), &ask);
        let other = Rules::compile(&objects(&rules, &order), AT, None).unwrap();
        let other = answer(&other, &mut VerdictCache::new(), &ask);
        assert_eq!(Essence::of(&written), Essence::of(&other));
        vec![written.verdict]
    });
}

#[test]
fn a_recompiled_set_judges_as_a_fresh_one() {
    law((rules(), rules(), ask()), |(before, after, ask)| {
        let order: Vec<_> = (0..after.len()).collect();
        let reused = Rules::compile(&objects(&after, &order), AT, Some(&compile(&before))).unwrap();
        let judgement = answer(&reused, &mut VerdictCache::new(), &ask);
        assert_eq!(judgement, answer(&compile(&after), &mut VerdictCache::new(), &ask));
        vec![judgement.verdict]
    });
}
