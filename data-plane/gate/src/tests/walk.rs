//! The walk of one command, and every place where it ends early.

use super::samples::*;
use crate::*;
use hoop_audit::{CloseReason, CommandId, CommandVerdict, Durability, Entry, Outcome, Release};
use hoop_model::spec::Access;
use hoop_model::{Code, Refusal, SessionId, UnixMillis};
use hoop_policy::VerdictCache;
use hoop_policy::mask::{MaskKey, MaskPlan};
use std::sync::Arc;
use std::time::Duration;

const LIVE: Standing = Standing::Live(IDENTITY_REVISION);

fn refused(step: Step) -> Box<Refusal> {
    match step {
        Step::Refuse(refusal) => refusal,
        other @ (Step::Forward(_) | Step::Hold(_)) => panic!("not refused: {other:?}"),
    }
}

fn verdict(decided: &Decided) -> &CommandVerdict {
    let Entry::Verdict(verdict) = decided.entry() else { panic!("not a verdict: {:?}", decided.entry()) };
    verdict
}

#[test]
fn an_allowed_command_is_recorded_then_forwarded_once() {
    let mut session = session();
    let decided = submit(&mut session, "http:GET", UnixMillis(1));
    assert_eq!(verdict(&decided).judged.outcome, Outcome::Allow);
    let Step::Forward(permit) = take(decided) else { panic!("refused") };
    assert_eq!((permit.session(), permit.command()), (SessionId::mint(9), CommandId::FIRST));
    assert_eq!((permit.revision(), permit.identity().name.as_str()), (revision(10), "nightly-react"));
    let cleared = redeem(permit, LIVE, now(1, UnixMillis(1))).unwrap();
    assert_eq!(cleared.command(), CommandId::FIRST);
    assert_eq!(session.close(CloseReason::Finished), Entry::Closed(CloseReason::Finished));
}

#[test]
fn each_command_has_its_own_id_also_if_refused() {
    let mut session = session();
    let ids: Vec<_> = ["http:GET", "http:DELETE", "http:GET"]
        .map(|action| verdict(&submit(&mut session, action, UnixMillis(1))).command.number())
        .into();
    assert_eq!(ids, [1, 2, 3]);
}

#[test]
fn a_forbidden_command_is_refused_in_the_words_of_its_policy() {
    let refusal = refused(take(submit(&mut session(), "http:DELETE", UnixMillis(1))));
    assert_eq!((refusal.code, &*refusal.message), (Code::Forbidden, "jobs never delete"));
    assert_eq!(refusal.identity, Some(name("nightly-react")));
    assert_eq!(refusal.connection, Some(name("react")));
    assert_eq!(refusal.trace_id, Some(hoop_model::TraceId::mint(2)));
}

#[test]
fn a_held_command_that_nobody_captured_is_refused_and_names_who_may_release_it() {
    let decided = submit(&mut session(), "http:PATCH", UnixMillis(1));
    let judged = &verdict(&decided).judged;
    assert_eq!(judged.outcome, Outcome::Hold(vec![Release { team: name("on-call"), quorum: 2 }]));
    assert_eq!((judged.outcome.word(), judged.outcome.code()), ("hold", Some(Code::ApprovalRequired)));
    assert_eq!(judged.reasons.len(), 1, "a statement that holds is named once");
    let refusal = refused(take(decided));
    assert_eq!(refusal.code, Code::ApprovalRequired);
    assert_eq!(&*refusal.message, "needs approval by 2 of team `on-call`: updates wait");
    assert_eq!(refusal.missing.as_deref(), Some("approval by 2 of team `on-call`"));
    assert_eq!(refusal.policy.as_deref(), Some("agents/patches"));
}

#[test]
fn a_command_without_effects_is_refused() {
    let mut empty = intent("http:GET");
    empty.effects.clear();
    let mut session = session();
    let decided = session.submit(&USUAL, &mut VerdictCache::new(), empty, None, UnixMillis(1));
    assert_eq!(refused(take(decided)).code, Code::NothingToJudge);
}

#[test]
fn the_receipt_of_another_record_opens_nothing() {
    let other_session = SessionId::mint(8);
    let mine = SessionId::mint(9);
    let mut session = session();
    let other_command = submit(&mut session, "http:GET", UnixMillis(1));
    let wrong = |decided: &Decided| {
        let mut edited = verdict(decided).clone();
        edited.summary = "GET /something-else".into();
        [
            record(mine, other_command.entry()),
            record(mine, &Entry::Forwarded(verdict(decided).command)),
            record(mine, &Entry::Verdict(edited)),
            record(mine, &Entry::Closed(CloseReason::Idle)),
            record(other_session, decided.entry()),
        ]
    };
    for which in 0..5 {
        let decided = submit(&mut session, "http:GET", UnixMillis(1));
        let receipt = wrong(&decided).into_iter().nth(which).unwrap();
        assert_eq!(refused(decided.after(receipt)).code, Code::RecorderUnavailable, "receipt {which}");
    }
}

#[test]
fn a_strict_connection_opens_nothing_for_a_record_that_the_disk_does_not_have() {
    let mine = SessionId::mint(9);
    let admit = || {
        let request = OpenSession { durability: Durability::Synchronised, ..request() };
        Session::open(request, &USUAL, &mut VerdictCache::new(), UnixMillis(1))
    };
    let admission = admit();
    assert_eq!(admission.durability(), Durability::Synchronised);
    let written = record(mine, admission.entry());
    assert_eq!(admission.after(written).unwrap_err().code, Code::RecorderUnavailable);

    let admission = admit();
    let synchronised = record(mine, admission.entry()).synchronised();
    let mut session = admission.after(synchronised).unwrap();
    let decided = submit(&mut session, "http:GET", UnixMillis(1));
    assert_eq!(decided.durability(), Durability::Synchronised);
    let written = record(mine, decided.entry());
    assert_eq!(refused(decided.after(written)).code, Code::RecorderUnavailable);
    let decided = submit(&mut session, "http:GET", UnixMillis(1));
    let synchronised = record(mine, decided.entry()).synchronised();
    assert!(matches!(decided.after(synchronised), Step::Forward(_)));
}

#[test]
fn a_record_more_durable_than_asked_opens_as_well() {
    let decided = submit(&mut session(), "http:GET", UnixMillis(1));
    assert_eq!(decided.durability(), Durability::Written);
    let synchronised = record(SessionId::mint(9), decided.entry()).synchronised();
    assert!(matches!(decided.after(synchronised), Step::Forward(_)));
}

#[test]
fn without_a_record_a_command_is_refused_whatever_its_verdict() {
    for action in ["http:GET", "http:PATCH", "http:DELETE"] {
        let refusal = submit(&mut session(), action, UnixMillis(1)).unrecorded();
        assert_eq!((refusal.code, refusal.policy), (Code::RecorderUnavailable, None), "{action}");
    }
    let admission = Session::open(request(), &USUAL, &mut VerdictCache::new(), UnixMillis(1));
    assert_eq!(admission.unrecorded().code, Code::RecorderUnavailable);
}

#[test]
fn a_session_opens_only_where_connect_is_permitted_and_the_token_is_valid() {
    let exp = EXP.to_millis();
    let cases = [
        (GET_ALLOWED, UnixMillis(exp.0 - 1), None),
        (GET_ALLOWED, exp, Some(Code::TokenExpired)),
        (NO_CONNECT, UnixMillis(1), Some(Code::ConnectNotPermitted)),
    ];
    for (cedar, now, code) in cases {
        let admission = Session::open(request(), &rules(cedar, 10), &mut VerdictCache::new(), now);
        let (Entry::Opened(opening) | Entry::NotOpened(opening)) = admission.entry() else { panic!() };
        assert_eq!(opening.judged.outcome.code(), code);
        assert_eq!(opening.judged.revision, revision(10));
        assert_eq!(matches!(admission.entry(), Entry::Opened(_)), code.is_none());
        let receipt = record(SessionId::mint(9), admission.entry());
        assert_eq!(admission.after(receipt).err().map(|refusal| refusal.code), code);
    }
}

#[test]
fn a_session_does_not_open_with_another_receipt() {
    let admission = Session::open(request(), &USUAL, &mut VerdictCache::new(), UnixMillis(1));
    let receipt = record(SessionId::mint(8), admission.entry());
    assert_eq!(admission.after(receipt).unwrap_err().code, Code::RecorderUnavailable);
}

#[test]
fn grace_counts_up_to_its_longest_only() {
    let request = OpenSession { grace: Duration::from_secs(86_400), ..request() };
    let admission = Session::open(request, &USUAL, &mut VerdictCache::new(), UnixMillis(1));
    let receipt = record(SessionId::mint(9), admission.entry());
    assert_eq!(admission.after(receipt).unwrap().ends_at(), EXP.to_millis().after(LONGEST_GRACE));
}

#[test]
fn connect_is_judged_again_at_each_revision() {
    let mut session = session();
    let (mut cache, at) = (VerdictCache::new(), UnixMillis(1));
    let decided = session.submit(&rules(NO_CONNECT, 11), &mut cache, intent("http:GET"), None, at);
    assert_eq!(verdict(&decided).judged.revision, revision(11));
    assert_eq!(refused(take(decided)).code, Code::ConnectNotPermitted);
    let decided = session.submit(&rules(GET_ALLOWED, 12), &mut cache, intent("http:GET"), None, at);
    assert!(matches!(take(decided), Step::Forward(_)));
}

#[test]
fn a_permit_needs_the_identity_that_was_judged_at_a_snapshot_not_older() {
    let at = now(1, UnixMillis(1));
    let cases = [
        (Standing::Suspended, Code::IdentitySuspended),
        (Standing::Expired, Code::IdentityExpired),
        (Standing::Gone, Code::IdentityNone),
        (Standing::Live(revision(11)), Code::IdentityChanged),
        (Standing::Live(revision(2)), Code::IdentityChanged),
    ];
    for (standing, code) in cases {
        assert_eq!(redeem(permit(), standing, at).unwrap_err().code, code, "{standing:?}");
    }
    let lease = Lease::NONE.renewed(BootMillis(0), LONGEST_GRANT);
    let older = Authority { lease, stale: Duration::ZERO, applied: revision(9), standing: &|_| LIVE };
    assert_eq!(permit().redeem(&older, at).unwrap_err().code, Code::NotReady);
    assert_eq!(
        permit().redeem(&Authority { lease: Lease::NONE, stale: Duration::ZERO, ..older }, at).unwrap_err().code,
        Code::LeaseExpired
    );
}

#[test]
fn a_lease_counts_from_when_its_renewal_was_sent_and_the_last_sent_has_the_say() {
    let seconds = Duration::from_secs;
    let ten = Lease::NONE.renewed(BootMillis(1_000), seconds(10));
    assert_eq!(ten.deadline(), BootMillis(11_000));
    assert_eq!(ten.renewed(BootMillis(900), seconds(15)), ten, "an answer overtaken by a later one");
    assert_eq!(ten.renewed(BootMillis(900), seconds(0)), ten, "also if it grants nothing");
    assert_eq!(ten.renewed(BootMillis(2_000), seconds(1)).deadline(), BootMillis(3_000), "it may grant less");
    assert_eq!(ten.renewed(BootMillis(1_000), seconds(12)), ten, "of two answers the shorter");
    assert_eq!(ten.renewed(BootMillis(1_000), seconds(5)).deadline(), BootMillis(6_000));
    assert!(!ten.renewed(BootMillis(2_000), seconds(0)).is_live(BootMillis(2_000)), "zero is no lease");
    assert!(!ten.renewed(BootMillis(2_000), Duration::from_nanos(1)).is_live(BootMillis(2_000)));
    assert_eq!(ten.renewed(BootMillis(2_000), Duration::MAX).deadline(), BootMillis(17_000));
    assert!(!Lease::NONE.is_live(BootMillis(0)));
}

/// Submits a command where the policy allows everything.
fn stepped(access: Access, action: &'static str) -> Result<Permit, Code> {
    let (all, mut cache) =
        (compiled_with(access, &["permit (principal, action, resource);"], 10, None), VerdictCache::new());
    let admission = Session::open(request(), &all, &mut cache, UnixMillis(1));
    let receipt = record(SessionId::mint(9), admission.entry());
    let mut session = admission.after(receipt).unwrap();
    match take(session.submit(&all, &mut cache, intent(action), None, UnixMillis(1))) {
        Step::Forward(permit) => Ok(permit),
        Step::Refuse(refusal) => Err(refusal.code),
        Step::Hold(held) => panic!("held: {held:?}"),
    }
}

#[test]
fn dp_01_without_a_lease_only_reads_go_on_within_the_window_and_only_of_whom_the_snapshot_knows() {
    let seconds = Duration::from_secs;
    let lease = Lease::NONE.renewed(BootMillis(0), seconds(15));
    let redeem = |action, stale, standing: Standing, boot| {
        let authority = Authority { lease, stale, applied: revision(10), standing: &|_| standing };
        let permit = stepped(Access::Any, action).unwrap();
        permit
            .redeem(&authority, Now { boot: BootMillis(boot), wall: UnixMillis(1_000_000) })
            .map(|_| ())
            .map_err(|r| r.code)
    };
    let live = Standing::Live(IDENTITY_REVISION);
    let window = seconds(60);
    let cases = [
        ("http:GET", window, live, 14_999, Ok(())),
        ("http:POST", window, live, 14_999, Ok(())),
        ("http:GET", window, live, 15_000, Ok(())),
        ("http:HEAD", window, live, 74_999, Ok(())),
        ("http:OPTIONS", window, live, 74_999, Ok(())),
        ("http:GET", window, live, 75_000, Err(Code::LeaseExpired)),
        ("http:POST", window, live, 15_000, Err(Code::LeaseExpired)),
        ("http:GET", Duration::ZERO, live, 15_000, Err(Code::LeaseExpired)),
        ("http:GET", window, Standing::Suspended, 15_000, Err(Code::IdentitySuspended)),
        ("http:GET", window, Standing::Gone, 15_000, Err(Code::IdentityNone)),
        ("http:GET", window, Standing::Live(revision(9)), 15_000, Err(Code::IdentityChanged)),
        // However long a window is said to be.
        ("http:GET", seconds(86_400), live, 15_000 + 3_599_999, Ok(())),
        ("http:GET", seconds(86_400), live, 15_000 + 3_600_000, Err(Code::LeaseExpired)),
    ];
    for (action, stale, standing, boot, expected) in cases {
        assert_eq!(redeem(action, stale, standing, boot), expected, "{action} {stale:?} {standing:?} {boot}");
    }
}

#[test]
fn dp_01_a_window_counts_from_the_end_of_the_last_lease_and_nothing_puts_it_off() {
    let (window, seconds) = (Duration::from_secs(60), Duration::from_secs);
    let at = |lease: Lease, boot| lease.reach(BootMillis(boot), window);
    // A machine that has just started: a lease that never was has no window.
    assert_eq!(at(Lease::NONE, 1), Reach::Nothing);
    assert_eq!(at(Lease::NONE.renewed(BootMillis(0), Duration::ZERO), 1), Reach::Nothing);
    let lease = Lease::NONE.renewed(BootMillis(1_000), seconds(10));
    assert_eq!(
        [10_999, 11_000, 70_999, 71_000].map(|boot| at(lease, boot)),
        [Reach::All, Reach::Reads, Reach::Reads, Reach::Nothing]
    );
    // A node that cannot apply what it lacks is granted nothing, each second.
    let stuck = (12..60).fold(lease, |lease, second| lease.renewed(BootMillis(second * 1_000), Duration::ZERO));
    assert_eq!([70_999, 71_000].map(|boot| at(stuck, boot)), [Reach::Reads, Reach::Nothing]);
    let ended = lease.renewed(BootMillis(5_000), Duration::ZERO);
    assert_eq!([4_999, 5_000, 65_000].map(|boot| at(ended, boot)), [Reach::All, Reach::Reads, Reach::Nothing]);
    // Of an earlier process.
    let taken_up = Lease::NONE.taken_up(BootMillis(11_000), BootMillis(30_000));
    assert_eq!([30_000, 70_999, 71_000].map(|boot| at(taken_up, boot)), [Reach::Reads, Reach::Reads, Reach::Nothing]);
    assert_eq!(at(Lease::NONE.taken_up(BootMillis(45_001), BootMillis(30_000)), 30_000), Reach::Nothing);
    assert_eq!(lease.taken_up(BootMillis(12_000), BootMillis(2_000)), lease, "there is another");
}

#[test]
fn where_only_reads_are_let_through_policy_is_not_asked_about_anything_else() {
    let cases = [
        ("http:GET", Ok(())),
        ("http:POST", Err(Code::ReadOnly)),
        ("http:PATCH", Err(Code::ReadOnly)),
        ("http:DELETE", Err(Code::ReadOnly)),
    ];
    for (action, expected) in cases {
        assert_eq!(stepped(Access::Read, action).map(|_| ()), expected, "{action}");
    }
}

#[test]
fn what_a_session_is_shown_is_asked_per_revision_and_plan() {
    let permit = |class: &str| {
        let names = "principal, action == Hoop::Action::\"reveal\", resource";
        rules(&format!("{GET_ALLOWED} permit ({names} == Hoop::DataClass::\"{class}\");"), 11)
    };
    let plan = || Arc::new(MaskPlan::compile(None, [], &[], MaskKey::new(&[7; 32])).unwrap());
    let (one, other) = (plan(), plan());
    let (mut session, cache) = (session(), &mut VerdictCache::new());
    assert!(session.view(&USUAL, cache, &one, LIVE).is_none(), "nothing is revealed");
    let rules = permit("pii.email");
    let view = session.view(&rules, cache, &one, LIVE).unwrap();
    assert_eq!(view.revealed().map(ToString::to_string).collect::<Vec<_>>(), ["pii.email"]);
    assert!(Arc::ptr_eq(&view, &session.view(&rules, cache, &one, LIVE).unwrap()), "and known");
    assert!(!Arc::ptr_eq(&view, &session.view(&rules, cache, &other, LIVE).unwrap()), "of another plan");
    for standing in [Standing::Live(revision(12)), Standing::Suspended, Standing::Expired, Standing::Gone] {
        assert!(session.view(&rules, cache, &one, standing).is_none(), "{standing:?}");
    }
    assert!(session.view(&USUAL, cache, &one, LIVE).is_none(), "a permit that is gone");
}
