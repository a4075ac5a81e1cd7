//! One rule of sign-ins per test.

use super::approval_support::*;
use super::support::*;
use crate::*;
use hoop_model::Uid;
use hoop_model::spec::Person;

fn signing_in(case: &Case, person: Uid) -> Change {
    Change::SignIn { person, revision: case.state.revision() }
}

#[test]
fn a_sign_in_is_a_persons_who_may() {
    let mut case = Case::begun();
    assert_eq!(case.state.signed_in(ALICE), Some(case.now()));
    case.later(7);
    case.sign_in(BOB);
    assert_eq!(case.state.signed_in(BOB), Some(case.now()));
    assert_ne!(case.state.signed_in(ALICE), Some(case.now()));
    assert_eq!(case.state.sign_ins().count(), 4);
    assert_eq!(case.reject(signing_in(&case, Uid::mint(99))), Rejection::PersonUnknown);
    // The issuer is an object, and nobody.
    assert_eq!(case.reject(signing_in(&case, Uid::mint(1))), Rejection::PersonUnknown);
    case.put_person("bob", Person { suspended: true, ..of_teams("bob", &[]) });
    assert_eq!(case.reject(signing_in(&case, BOB)), Rejection::PersonSuspended);
}

#[test]
fn a_sign_in_is_forgotten_with_its_person() {
    let mut case = Case::begun();
    case.delete_person("alice");
    assert_eq!(case.state.signed_in(ALICE), None);
    // Somebody else of the same name has not signed in.
    let uid = Uid::mint(50);
    case.objects(vec![NewObject { uid, ..object("alice", person("alice", &["on-call"]), 0) }]);
    assert_eq!((case.state.signed_in(ALICE), case.state.signed_in(uid)), (None, None));
}

#[test]
fn who_other_tokens_stand_for_has_not_signed_in() {
    let mut case = Case::begun();
    case.put_person("alice", of_teams("alice", &["dba"]));
    assert!(case.state.signed_in(ALICE).is_some(), "another team is no other person");
    case.put_person("alice", of_teams("mallory", &["dba"]));
    assert_eq!(case.state.signed_in(ALICE), None);
    case.objects(vec![object("other", issuer("https://other.test"), 60)]);
    case.put_person("bob", Person { issuer: name("other"), ..of_teams("bob", &["on-call"]) });
    assert_eq!(case.state.signed_in(BOB), None);
}

#[test]
fn sign_ins_of_nobody_are_no_state() {
    let case = Case::begun();
    let now = case.now();
    let with = |sign_ins| State::restore(Contents { sign_ins, ..contents(&case.state) });
    assert!(with(vec![(ALICE, now), (BOB, now)]).is_ok());
    assert_eq!(with(vec![(ALICE, now), (ALICE, now)]), Err(Inconsistent::SignIn(ALICE)));
    assert_eq!(with(vec![(Uid::mint(1), now)]), Err(Inconsistent::SignIn(Uid::mint(1))));
    let tomorrow = hoop_model::UnixMillis(now.0 + 1);
    assert_eq!(with(vec![(BOB, tomorrow)]), Err(Inconsistent::SignIn(BOB)));
}
