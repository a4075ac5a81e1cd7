//! The walk of a held command, and every place where it ends early.

use super::samples::*;
use crate::*;
use hoop_audit::{Durability, Entry, HoldStage, HoldStep, Outcome, Receipt};
use hoop_model::{ApprovalId, Code, ContentField, Refusal, SessionId, UnixMillis};
use hoop_policy::{Rules, VerdictCache};
use std::time::Duration;

const LIVE: Standing = Standing::Live(IDENTITY_REVISION);
const APPROVAL: ApprovalId = ApprovalId::mint(0xa1);

fn mine(entry: &Entry) -> Receipt {
    record(SessionId::mint(9), entry).synchronised()
}

fn fresh_held() -> Held {
    let decided = captured(submit(&mut session(), "http:PATCH", UnixMillis(1)), b"PATCH /7");
    match take(decided) {
        Step::Hold(held) => held,
        other @ (Step::Forward(_) | Step::Refuse(_)) => panic!("{other:?}"),
    }
}

fn stands(state: HoldState) -> HoldAnswer {
    HoldAnswer::Stands { approval: APPROVAL, state, claimed_by_caller: false }
}

fn claimed() -> HoldAnswer {
    HoldAnswer::Stands { approval: APPROVAL, state: HoldState::Claimed, claimed_by_caller: true }
}

fn opened(answer: HoldAnswer, kept: &mut Kept) -> Turn {
    match fresh_held().opened(answer, kept) {
        Opened::Turn(turn) => turn,
        Opened::Resubmit(intent) => panic!("{intent:?}"),
    }
}

fn waiting(kept: &mut Kept) -> Waiting {
    match opened(stands(HoldState::Pending), kept) {
        Turn::Wait(waiting) => waiting,
        other @ (Turn::Rejudge(_) | Turn::Over(_)) => panic!("{other:?}"),
    }
}

fn approved(kept: &mut Kept) -> Waiting {
    match waiting(kept).told(stands(HoldState::Approved)) {
        Turn::Rejudge(waiting) => waiting,
        other @ (Turn::Wait(_) | Turn::Over(_)) => panic!("{other:?}"),
    }
}

fn over(turn: Turn) -> Over {
    match turn {
        Turn::Over(over) => over,
        other @ (Turn::Wait(_) | Turn::Rejudge(_)) => panic!("{other:?}"),
    }
}

/// Judges again with everything in order but what is named.
fn rejudge(waiting: Waiting, rules: &Rules, generation: Option<u64>, standing: Standing) -> Rejudged {
    let lease = Lease::NONE.renewed(BootMillis(0), LONGEST_GRANT);
    let standing = |_| standing;
    let authority = Authority { lease, stale: Duration::ZERO, applied: rules.revision(), standing: &standing };
    let cache = &mut VerdictCache::new();
    waiting.rejudge(Current { rules, cache, generation, authority }, now(1, UnixMillis(1)))
}

fn intended(kept: &mut Kept) -> Intended {
    match rejudge(approved(kept), &USUAL, Some(GENERATION), LIVE) {
        Rejudged::Claim(intended) => intended,
        other @ (Rejudged::Wait(_) | Rejudged::Needs(..) | Rejudged::Over(_)) => panic!("{other:?}"),
    }
}

fn claiming(kept: &mut Kept) -> Claiming {
    let intended = intended(kept);
    let receipt = mine(intended.entry());
    intended.after(receipt).unwrap()
}

fn unreleased(claimed: Claimed) -> Turn {
    match claimed {
        Claimed::Turn(turn) => turn,
        Claimed::Released(released) => panic!("{released:?}"),
    }
}

fn step(entry: &Entry) -> &HoldStep {
    let Entry::Approval(step) = entry else { panic!("{entry:?}") };
    step
}

fn told(over: &Over) -> (Code, Option<HoldStage>) {
    (over.refusal.code, over.entry.as_ref().map(|entry| step(entry).stage))
}

#[test]
fn a_held_command_is_released_once_and_every_step_of_it_is_recorded() {
    let mut kept = Kept::new();
    let decided = captured(submit(&mut session(), "http:PATCH", UnixMillis(1)), b"PATCH /7");
    let Entry::Verdict(verdict) = decided.entry() else { panic!("{:?}", decided.entry()) };
    let (command, digest) = (verdict.command, verdict.digest.unwrap());
    assert_eq!(decided.durability(), Durability::Synchronised);
    let Step::Hold(held) = take(decided) else { panic!("not held") };
    let asked = held.request();
    assert_eq!(
        (asked.digest, asked.run, asked.session, asked.revision),
        (digest, "4711", SessionId::mint(9), revision(10))
    );
    assert_eq!((asked.identity.name.as_str(), asked.connection.name.as_str()), ("nightly-react", "react"));
    assert_eq!((asked.requirements[0].quorum, asked.effects[0].action.as_ref()), (2, "http:PATCH"));

    let Opened::Turn(Turn::Wait(waiting)) = held.opened(stands(HoldState::Pending), &mut kept) else { panic!() };
    let waits = waiting.entry();
    let judged = verdict_of(&waits);
    assert_eq!(
        (step(&waits).stage, step(&waits).digest, step(&waits).approval),
        (HoldStage::Waiting, digest, APPROVAL)
    );
    assert!(matches!(judged, Outcome::Hold(_)));
    let Turn::Rejudge(waiting) = waiting.told(stands(HoldState::Approved)) else { panic!() };
    let Rejudged::Claim(intended) = rejudge(waiting, &rules(GET_ALLOWED, 12), Some(GENERATION), LIVE) else { panic!() };
    let entry = intended.entry();
    assert_eq!(
        (step(entry).stage, step(entry).judged.revision, step(entry).command),
        (HoldStage::Released, revision(12), command)
    );
    let receipt = mine(entry);
    let claiming = intended.after(receipt).unwrap();
    assert_eq!((claiming.request().approval, claiming.request().revision), (APPROVAL, revision(12)));
    assert_eq!(claiming.request().requirements.len(), 1);

    let Claimed::Released(Released { permit, spent }) = claiming.answered(claimed(), &mut kept) else { panic!() };
    assert_eq!((permit.approval(), permit.digest(), permit.command()), (Some(APPROVAL), Some(digest), command));
    assert_eq!((permit.revision(), spent.approval()), (revision(12), APPROVAL));
    let lease = Lease::NONE.renewed(BootMillis(0), LONGEST_GRANT);
    let authority = Authority { lease, stale: Duration::ZERO, applied: revision(12), standing: &|_| LIVE };
    assert_eq!(permit.redeem(&authority, now(1, UnixMillis(1))).unwrap().command(), command);
    assert!(matches!(opened(stands(HoldState::Pending), &mut kept), Turn::Over(_)), "spent until it is finished");
    kept.finished(spent);
    assert!(matches!(opened(stands(HoldState::Pending), &mut kept), Turn::Wait(_)));
}

fn verdict_of(entry: &Entry) -> &Outcome {
    &step(entry).judged.outcome
}

#[test]
fn what_is_released_still_needs_authority_for_its_first_byte() {
    let cases = [
        (Standing::Suspended, now(1, UnixMillis(1)), Code::IdentitySuspended),
        (Standing::Live(revision(4)), now(1, UnixMillis(1)), Code::IdentityChanged),
        (LIVE, now(20_000, UnixMillis(1)), Code::LeaseExpired),
        (LIVE, now(1, END), Code::TokenExpired),
    ];
    for (standing, at, code) in cases {
        let kept = &mut Kept::new();
        let Claimed::Released(released) = claiming(kept).answered(claimed(), kept) else { panic!() };
        let refusal = redeem(released.permit, standing, at).unwrap_err();
        assert_eq!((refusal.code, refusal.approval), (code, Some(APPROVAL)));
    }
}

#[test]
fn a_hold_needs_its_record_on_the_disk() {
    let decide = || captured(submit(&mut session(), "http:PATCH", UnixMillis(1)), b"PATCH /7");
    let refused = |step: Step| match step {
        Step::Refuse(refusal) => refusal.code,
        other @ (Step::Forward(_) | Step::Hold(_)) => panic!("{other:?}"),
    };
    let decided = decide();
    let written = record(SessionId::mint(9), decided.entry());
    assert_eq!(refused(decided.after(written)), Code::RecorderUnavailable);
    // The record without the digest, or with another's, is not its record.
    for other in [submit(&mut session(), "http:PATCH", UnixMillis(1)), captured(decide(), b"PATCH /8")] {
        assert_eq!(refused(decide().after(mine(other.entry()))), Code::RecorderUnavailable);
    }
}

#[test]
fn a_claim_needs_its_record_on_the_disk() {
    let other = waiting(&mut Kept::new()).entry();
    for receipt in [mine(&other), record(SessionId::mint(8), intended(&mut Kept::new()).entry()).synchronised()] {
        let over = intended(&mut Kept::new()).after(receipt).unwrap_err();
        assert_eq!((told(&over), &over.tell), ((Code::RecorderUnavailable, None), &Tell::Leave(APPROVAL)));
    }
    let intended = intended(&mut Kept::new());
    let written = record(SessionId::mint(9), intended.entry());
    assert_eq!(told(&intended.after(written).unwrap_err()), (Code::RecorderUnavailable, None));
}

#[test]
fn i6_a_command_that_was_captured_has_its_digest_in_its_record_whatever_its_verdict() {
    let digest_of = |action, content: &[u8]| {
        let decided = captured(submit(&mut session(), action, UnixMillis(1)), content);
        let Entry::Verdict(verdict) = decided.entry() else { panic!() };
        verdict.digest.unwrap()
    };
    for action in ["http:GET", "http:PATCH", "http:DELETE"] {
        assert_eq!(digest_of(action, b"/7"), digest_of("http:GET", b"/7"));
        assert_ne!(digest_of(action, b"/8"), digest_of("http:GET", b"/7"));
    }
    assert!(matches!(take(captured(submit(&mut session(), "http:GET", UnixMillis(1)), b"")), Step::Forward(_)));
}

#[test]
fn ap_16_what_a_person_could_not_read_is_refused_and_recorded_as_that() {
    let decided = submit(&mut session(), "http:PATCH", UnixMillis(1));
    assert_eq!(decided.requirements().len(), 1);
    let decided = decided.too_large_to_review();
    let Entry::Verdict(verdict) = decided.entry() else { panic!() };
    assert_eq!(verdict.judged.outcome, Outcome::Refuse(Code::TooLargeToReview));
    assert_eq!(verdict.judged.reasons.len(), 1);
    let Step::Refuse(refusal) = take(decided) else { panic!() };
    assert_eq!(refusal.code, Code::TooLargeToReview);
    let allowed = submit(&mut session(), "http:GET", UnixMillis(1));
    assert!(allowed.requirements().is_empty());
    assert!(matches!(take(allowed.too_large_to_review()), Step::Forward(_)));
}

#[test]
fn i9_an_approval_that_cannot_release_any_more_ends_the_hold_with_its_own_reason() {
    let cases = [
        (HoldState::Denied, Code::ApprovalDenied, HoldStage::Denied),
        (HoldState::Expired, Code::ApprovalExpired, HoldStage::Expired),
        (HoldState::Voided, Code::ApprovalVoided, HoldStage::Voided),
        (HoldState::Claimed, Code::ApprovalSpent, HoldStage::Spent),
        (HoldState::Done, Code::ApprovalSpent, HoldStage::Spent),
        (HoldState::Unknown, Code::ApprovalSpent, HoldStage::Spent),
    ];
    for (state, code, stage) in cases {
        let kept = &mut Kept::new();
        let ends = [
            over(opened(stands(state), kept)),
            over(waiting(kept).told(stands(state))),
            over(approved(kept).told(stands(state))),
            over(unreleased(claiming(kept).answered(stands(state), kept))),
        ];
        for over in ends {
            assert_eq!((told(&over), &over.tell), ((code, Some(stage)), &Tell::Nothing), "{state:?}");
            assert_eq!(over.refusal.approval, Some(APPROVAL));
        }
    }
}

#[test]
fn i9_only_the_answer_to_the_claim_of_this_approval_releases() {
    let other = |state| HoldAnswer::Stands { approval: ApprovalId::mint(0xb2), state, claimed_by_caller: true };
    let says_ours = |state| HoldAnswer::Stands { approval: APPROVAL, state, claimed_by_caller: true };
    let kept = &mut Kept::new();
    // The claim of another approval, and a claim by another process.
    let over_of = |claimed: Claimed| told(&over(unreleased(claimed))).0;
    assert_eq!(over_of(claiming(kept).answered(other(HoldState::Claimed), kept)), Code::ApprovalMismatch);
    assert_eq!(over_of(claiming(kept).answered(stands(HoldState::Claimed), kept)), Code::ApprovalSpent);
    // Ours, but it is over by now: done cannot be done again.
    for state in [HoldState::Done, HoldState::Unknown] {
        assert_eq!(over_of(claiming(kept).answered(says_ours(state), kept)), Code::ApprovalSpent);
    }
    // What is told outside of a claim never releases.
    assert_eq!(told(&over(opened(claimed(), kept))).0, Code::ApprovalSpent);
    assert_eq!(told(&over(waiting(kept).told(claimed()))).0, Code::ApprovalSpent);
    assert_eq!(told(&over(waiting(kept).told(other(HoldState::Approved)))).0, Code::ApprovalMismatch);
    for (answer, waits) in [(stands(HoldState::Pending), true), (stands(HoldState::Approved), false)] {
        match unreleased(claiming(kept).answered(answer, kept)) {
            Turn::Wait(_) => assert!(waits),
            Turn::Rejudge(_) => assert!(!waits),
            Turn::Over(over) => panic!("{over:?}"),
        }
    }
    assert!(matches!(unreleased(claiming(kept).answered(HoldAnswer::Stale, kept)), Turn::Rejudge(_)));
}

#[test]
fn i9_one_approval_is_in_the_hands_of_one_request() {
    let kept = &mut Kept::new();
    let first = waiting(kept);
    let second = over(opened(stands(HoldState::Approved), kept));
    assert_eq!(
        (told(&second), &second.tell),
        ((Code::ApprovalMismatch, None), &Tell::Nothing),
        "the first still waits"
    );
    let over = first.left();
    assert_eq!((told(&over), &over.tell), ((Code::ApprovalRequired, Some(HoldStage::Left)), &Tell::Leave(APPROVAL)));
    let (over, spent) = claiming(kept).unanswered(kept);
    assert_eq!((told(&over), &over.tell), ((Code::NotReady, Some(HoldStage::Left)), &Tell::Nothing));
    let late = self::over(opened(stands(HoldState::Pending), kept));
    assert_eq!(told(&late).0, Code::ApprovalMismatch, "it may be spent");
    kept.finished(spent);
    drop(waiting(kept));
}

#[test]
fn what_cannot_be_held_is_refused_with_its_own_reason() {
    let cases = [
        (Unfit::Mismatch, Code::ApprovalMismatch),
        (Unfit::TooManyPending, Code::TooManyPending),
        (Unfit::TooLargeToReview, Code::TooLargeToReview),
    ];
    for (unfit, code) in cases {
        let over = over(opened(HoldAnswer::Unfit(unfit), &mut Kept::new()));
        assert_eq!((told(&over), over.tell, over.refusal.approval), ((code, None), Tell::Nothing, None));
    }
    match fresh_held().opened(HoldAnswer::Stale, &mut Kept::new()) {
        Opened::Resubmit(again) => assert_eq!(again, intent("http:PATCH")),
        Opened::Turn(turn) => panic!("{turn:?}"),
    }
    assert_eq!(fresh_held().unopened().code, Code::ApprovalRequired);
}

#[test]
fn an_unfinished_hold_says_what_it_waits_for_and_when_to_come_back() {
    let refusal: Box<Refusal> = waiting(&mut Kept::new()).refusal();
    assert_eq!((refusal.code, refusal.approval), (Code::ApprovalRequired, Some(APPROVAL)));
    assert_eq!(refusal.missing.as_deref(), Some("approval by 2 of team `on-call`"));
    assert_eq!((refusal.retry_after, refusal.trace_id.is_some()), (Some(COME_BACK_AFTER), true));
}

#[test]
fn the_policy_of_the_moment_has_the_last_word() {
    let kept = &mut Kept::new();
    let forbidden = rules(&GET_ALLOWED.replace("@hold(\"on-call\") @quorum(\"2\") ", ""), 12);
    let shut = rules(NO_CONNECT, 12);
    for rules in [&forbidden, &shut] {
        let Rejudged::Over(over) = rejudge(approved(kept), rules, Some(GENERATION), LIVE) else { panic!() };
        assert_eq!(told(&over), (Code::ApprovalVoided, Some(HoldStage::Voided)));
        let void = Rejudgement { approval: APPROVAL, revision: revision(12), requirements: vec![] };
        assert_eq!(over.tell, Tell::Void(void));
        assert!(matches!(verdict_of(over.entry.as_ref().unwrap()), Outcome::Refuse(_)));
    }
    let Rejudged::Over(over) = rejudge(approved(kept), &forbidden, Some(GENERATION), LIVE) else { panic!() };
    assert_eq!(&*over.refusal.message, "the policy refuses the command by now: updates wait");
    assert_eq!(over.refusal.policy.as_deref(), Some("agents/patches"));

    let stricter = rules(&GET_ALLOWED.replace("@quorum(\"2\")", "@quorum(\"3\")"), 12);
    let Rejudged::Needs(asking, needs) = rejudge(approved(kept), &stricter, Some(GENERATION), LIVE) else { panic!() };
    assert_eq!((needs.requirements[0].quorum, needs.revision, asking.revision()), (3, revision(12), revision(12)));
    let Turn::Wait(asking) = asking.told(stands(HoldState::Pending)) else { panic!() };
    assert!(matches!(rejudge(asking, &stricter, Some(GENERATION), LIVE), Rejudged::Wait(_)), "asked once");

    let lenient = rules(GET_ALLOWED.split("@id(\"patches\")").next().unwrap(), 12);
    for from in [approved, waiting] {
        let kept = &mut Kept::new();
        let Rejudged::Claim(intended) = rejudge(from(kept), &lenient, Some(GENERATION), LIVE) else { panic!() };
        assert_eq!(*verdict_of(intended.entry()), Outcome::Allow);
        let receipt = mine(intended.entry());
        assert!(intended.after(receipt).unwrap().request().requirements.is_empty());
    }
}

#[test]
fn ap_01_another_backend_is_another_command() {
    for generation in [None, Some(GENERATION + 1), Some(GENERATION - 1)] {
        let Rejudged::Over(over) = rejudge(approved(&mut Kept::new()), &USUAL, generation, LIVE) else { panic!() };
        assert_eq!(told(&over), (Code::ApprovalVoided, Some(HoldStage::Voided)));
        assert!(matches!(over.tell, Tell::Void(void) if void.requirements.is_empty()));
    }
}

#[test]
fn nobodys_approval_is_spent_on_what_cannot_be_sent() {
    let cases = [
        (Standing::Suspended, Code::IdentitySuspended),
        (Standing::Expired, Code::IdentityExpired),
        (Standing::Gone, Code::IdentityNone),
        (Standing::Live(revision(4)), Code::IdentityChanged),
    ];
    for (standing, code) in cases {
        let Rejudged::Over(over) = rejudge(approved(&mut Kept::new()), &USUAL, Some(GENERATION), standing) else {
            panic!()
        };
        assert_eq!((told(&over), over.tell), ((code, Some(HoldStage::Left)), Tell::Leave(APPROVAL)));
    }
}

#[test]
fn a_hold_is_not_judged_for_ever() {
    let mut current = waiting(&mut Kept::new());
    for _ in 0..MAX_REJUDGED {
        current = match rejudge(current, &USUAL, Some(GENERATION), LIVE) {
            Rejudged::Wait(waiting) => waiting,
            other @ (Rejudged::Needs(..) | Rejudged::Claim(_) | Rejudged::Over(_)) => panic!("{other:?}"),
        };
    }
    let Rejudged::Over(over) = rejudge(current, &USUAL, Some(GENERATION), LIVE) else { panic!() };
    assert_eq!((told(&over).0, over.tell), (Code::ApprovalRequired, Tell::Leave(APPROVAL)));
}

#[test]
fn the_captured_content_is_the_digest() {
    let digest = |bytes: &[u8], generation| {
        let content = [ContentField { tag: 1, bytes: bytes.into() }];
        let capture = Capture { key: &KEY, generation, context: &[], content: &content };
        match take(submit(&mut session(), "http:PATCH", UnixMillis(1)).captured(&capture)) {
            Step::Hold(held) => held.request().digest,
            other @ (Step::Forward(_) | Step::Refuse(_)) => panic!("{other:?}"),
        }
    };
    assert_eq!(digest(b"PATCH /7", GENERATION), fresh_held().request().digest);
    assert_ne!(digest(b"PATCH /8", GENERATION), digest(b"PATCH /7", GENERATION));
    assert_ne!(digest(b"PATCH /7", GENERATION + 1), digest(b"PATCH /7", GENERATION));
}
