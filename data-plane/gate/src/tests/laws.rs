//! Laws over random judgements and times; each counts what it has seen.

use super::samples::*;
use crate::*;
use hoop_audit::{Entry, Outcome};
use hoop_model::{Code, ContentHash, Judgement, PolicyRef, Refusal, Requirement, Uid, UnixMillis, Verdict};
use hoop_policy::VerdictCache;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// A runner with a fixed seed, so that a red run is repeatable.
pub(super) fn runner() -> TestRunner {
    let config = Config { cases: 1000, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    TestRunner::new_with_rng(config, rng)
}

/// How often each of two outcomes was seen.
#[derive(Debug, Default)]
struct Seen {
    opened: Cell<u32>,
    refused: Cell<u32>,
}

impl Seen {
    fn note(&self, opened: bool) {
        let counter = if opened { &self.opened } else { &self.refused };
        counter.set(counter.get() + 1);
    }

    fn assert_both(&self, at_least: u32) {
        assert!(self.opened.get() >= at_least && self.refused.get() >= at_least, "{self:?}");
    }
}

fn any_policy() -> impl Strategy<Value = PolicyRef> {
    ("[a-z]{1,8}/[0-9]", any::<u128>(), any::<[u8; 32]>()).prop_map(|(statement, bits, hash)| PolicyRef {
        statement: statement.into(),
        uid: Uid::mint(bits),
        hash: ContentHash(hash),
        message: None,
    })
}

fn any_policies() -> impl Strategy<Value = Vec<PolicyRef>> {
    proptest::collection::vec(any_policy(), 0..3)
}

fn any_judgement() -> impl Strategy<Value = Judgement> {
    let requirement = (any_policy(), "[a-z]{1,8}", 1..5u32).prop_map(|(policy, team, quorum)| Requirement {
        policy,
        team: name(&team),
        quorum,
        expires: Duration::from_secs(900),
    });
    let refuse =
        proptest::sample::select(Code::ALL).prop_map(|code| Verdict::Refuse(Box::new(Refusal::because(code, "no"))));
    let verdict = prop_oneof![
        3 => Just(Verdict::Allow),
        1 => refuse,
        1 => proptest::collection::vec(requirement, 0..3).prop_map(Verdict::Hold),
    ];
    (verdict, any_policies(), any_policies(), any::<u64>()).prop_map(|(verdict, reasons, shadow, index)| Judgement {
        verdict,
        reasons: reasons.into(),
        shadow: shadow.into(),
        revision: revision(index),
    })
}

#[test]
fn nothing_is_forwarded_without_an_allow_that_some_statement_answers_for() {
    let seen = Seen::default();
    let law = |judgement: Judgement| {
        let may = judgement.verdict == Verdict::Allow && !judgement.reasons.is_empty();
        let decided = session().decide(intent("http:GET"), None, judgement);
        let forwarded = matches!(take(decided), Step::Forward(_));
        prop_assert_eq!(forwarded, may);
        seen.note(forwarded);
        Ok(())
    };
    runner().run(&any_judgement(), law).unwrap();
    seen.assert_both(200);
}

#[test]
fn i6_every_verdict_record_names_revision_verdict_and_reasons() {
    let seen = Seen::default();
    let law = |judgement: Judgement| {
        let decided = session().decide(intent("http:GET"), None, judgement.clone());
        let Entry::Verdict(record) = decided.entry() else { panic!("{:?}", decided.entry()) };
        let judged = &record.judged;
        prop_assert_eq!(judged.revision, judgement.revision);
        prop_assert_eq!(&judged.shadow, &judgement.shadow);
        prop_assert!(judgement.reasons.iter().all(|reason| judged.reasons.contains(reason)));
        if let Verdict::Hold(requirements) = &judgement.verdict {
            prop_assert!(requirements.iter().all(|r| judged.reasons.contains(&r.policy)));
        }
        // A refusal always has its code; the others always have the statements that made them.
        prop_assert!(judged.outcome.code().is_some() || !judged.reasons.is_empty());
        let word = judged.outcome.word();
        prop_assert_eq!(&record.effects, &intent("http:GET").effects);
        match (take(decided), word) {
            (Step::Forward(_), "allow") => seen.note(true),
            (Step::Refuse(refusal), "refuse" | "hold") => {
                let code = match &judged_outcome(&judgement) {
                    Some(outcome) => outcome.code(),
                    None => Some(Code::PolicyError),
                };
                prop_assert_eq!(Some(refusal.code), code);
                seen.note(false);
            }
            (step, word) => prop_assert!(false, "recorded {}, but {:?}", word, step),
        }
        Ok(())
    };
    runner().run(&any_judgement(), law).unwrap();
    seen.assert_both(200);
}

/// What the record must say, slowly and obviously; `None` where nobody answers for the verdict.
fn judged_outcome(judgement: &Judgement) -> Option<Outcome> {
    match &judgement.verdict {
        Verdict::Allow if judgement.reasons.is_empty() => None,
        Verdict::Hold(requirements) if requirements.is_empty() => None,
        Verdict::Allow => Some(Outcome::Allow),
        Verdict::Refuse(refusal) => Some(Outcome::Refuse(refusal.code)),
        Verdict::Hold(_) => Some(Outcome::Hold(vec![])),
    }
}

#[test]
fn a_permit_is_never_redeemed_at_or_after_the_deadline() {
    let seen = Seen::default();
    // (sent, granted ms, how far from the deadline)
    let times = (0..1_000_000u64, 0..20_000u64, -3..3i64);
    let law = |(sent, granted, distance): (u64, u64, i64)| {
        let lease = Lease::NONE.renewed(BootMillis(sent), Duration::from_millis(granted));
        let boot = BootMillis((sent + granted.min(15_000)).saturating_add_signed(distance));
        let standing = |_| Standing::Live(IDENTITY_REVISION);
        let authority = Authority { lease, stale: Duration::ZERO, applied: revision(10), standing: &standing };
        let redeemed = permit().redeem(&authority, Now { boot, wall: UnixMillis(1) });
        prop_assert_eq!(redeemed.as_ref().is_ok(), distance < 0);
        prop_assert!(redeemed.as_ref().err().is_none_or(|refusal| refusal.code == Code::LeaseExpired));
        seen.note(redeemed.is_ok());
        Ok(())
    };
    runner().run(&times, law).unwrap();
    seen.assert_both(200);
}

/// Answers to renewals: when each was sent, and how many milliseconds it granted.
type Answers = Vec<(u64, u64)>;

#[test]
fn answers_that_overtake_each_other_end_in_the_lease_of_the_last_sent() {
    let seen = Seen::default();
    let answers = proptest::collection::vec((0..50u64, 0..20_000u64), 1..6)
        .prop_flat_map(|answers| (Just(answers.clone()), Just(answers).prop_shuffle()));
    let law = |(one, other): (Answers, Answers)| {
        let taken = |answers: &[(u64, u64)]| {
            let take = |lease: Lease, &(sent, granted): &(u64, u64)| {
                lease.renewed(BootMillis(sent), Duration::from_millis(granted))
            };
            answers.iter().fold(Lease::NONE, take)
        };
        prop_assert_eq!(taken(&one), taken(&other));
        seen.note(one == other);
        Ok(())
    };
    runner().run(&answers, law).unwrap();
    seen.assert_both(100);
}

#[test]
fn a_session_past_its_token_and_grace_always_refuses() {
    let seen = Seen::default();
    let cache = RefCell::new(VerdictCache::new());
    let nearby = prop_oneof![-5_000..5_000i64, -2..2i64];
    let law = |(action, distance): (&'static str, i64)| {
        let wall = UnixMillis(END.0.saturating_add_signed(distance));
        let over = distance >= 0;
        let mut session = session();
        let decided = session.submit(&USUAL, &mut cache.borrow_mut(), intent(action), None, wall);
        match take(decided) {
            Step::Forward(_) => prop_assert!(!over && action == "http:GET"),
            Step::Refuse(refusal) => prop_assert_eq!(refusal.code == Code::TokenExpired, over),
            Step::Hold(held) => prop_assert!(false, "nobody captured {:?}", held),
        }
        let redeemed = redeem(permit(), Standing::Live(IDENTITY_REVISION), now(1, wall));
        prop_assert_eq!(redeemed.as_ref().err().map(|refusal| refusal.code), over.then_some(Code::TokenExpired));
        seen.note(redeemed.is_ok());
        Ok(())
    };
    let actions = proptest::sample::select(vec!["http:GET", "http:PATCH", "http:DELETE", "http:POST"]);
    runner().run(&(actions, nearby), law).unwrap();
    seen.assert_both(200);
}
