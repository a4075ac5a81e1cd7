//! One rule of approvals per test.

use super::approval_support::*;
use super::support::*;
use crate::*;
use hoop_model::spec::Person;
use hoop_model::{
    Approval, ApprovalId, ApprovalState, Choice, Claim, CommandDigest, Ending, Required, Requirement, Uid, UnixMillis,
    Vote,
};
use std::time::Duration;

const ENDINGS: [Ending; 3] = [Ending::NotSent, Ending::Answered, Ending::FailedAfterSend];

#[test]
fn what_is_held_waits_as_it_was_said() {
    let mut case = Case::begun();
    let open = case.held(1);
    let (reply, changed) = case.propose(Change::Approval(ApprovalChange::Open(open.clone())));
    let expected = Approval {
        id: id(1),
        digest: open.digest,
        identity: open.identity,
        connection: open.connection,
        run: "run".into(),
        any_run: false,
        session: open.session,
        effects: open.effects,
        requirements: vec![Required { requirement: requirement("on-call", 1), votes: vec![] }],
        revision: case.state.revision(),
        opened: case.now(),
        expires: UnixMillis(case.now().0 + 30 * MINUTE),
        state: ApprovalState::Pending,
        since: case.now(),
        holder: Some(holder(1)),
        barred: vec![],
        review_sealed: vec![1, 2, 3],
    };
    assert_eq!(**case.state.approval(id(1)).unwrap(), expected);
    // What an approver reads is in no reply, for replies are remembered.
    assert_eq!(reply, Reply::Approval(Box::new(Approval { review_sealed: vec![], ..expected })));
    assert_eq!(changed, [id(1)]);
    assert!(case.state.waiting_approvals().eq(case.state.approvals()));
}

#[test]
fn a_held_command_has_something_to_be_fulfilled_and_no_more_than_can_be_read() {
    let mut case = Case::begun();
    let good = requirement("on-call", 1);
    let wrong: [Vec<Requirement>; 5] = [
        vec![],
        vec![Requirement { quorum: 0, ..good.clone() }],
        vec![Requirement { expires: Duration::from_micros(999), ..good.clone() }],
        // Two of the same would need two people where one is asked for.
        vec![good.clone(), Requirement { expires: Duration::from_secs(1), ..good.clone() }],
        (1..).take(MAX_REQUIREMENTS + 1).map(|quorum| Requirement { quorum, ..good.clone() }).collect(),
    ];
    for requirements in wrong {
        let open = OpenApproval { requirements, ..case.held(1) };
        assert_eq!(case.refuse(ApprovalChange::Open(open)), Rejection::Requirements);
    }
    let effects = vec![case.held(1).effects[0].clone(); MAX_EFFECTS + 1];
    let too_large = [
        OpenApproval { review_sealed: vec![0; MAX_REVIEW_BYTES + 1], ..case.held(1) },
        OpenApproval { effects: effects.clone().into(), ..case.held(1) },
        OpenApproval { run: "r".repeat(MAX_RUN_BYTES + 1).into(), ..case.held(1) },
    ];
    for open in too_large {
        assert_eq!(case.refuse(ApprovalChange::Open(open)), Rejection::ReviewTooLarge);
    }
    let largest = OpenApproval {
        review_sealed: vec![0; MAX_REVIEW_BYTES],
        effects: effects[1..].into(),
        run: "r".repeat(MAX_RUN_BYTES).into(),
        requirements: (1..).take(MAX_REQUIREMENTS).map(|quorum| Requirement { quorum, ..good.clone() }).collect(),
        ..case.held(1)
    };
    assert_eq!(case.open(largest), id(1));
    let again = OpenApproval { digest: CommandDigest([9; CommandDigest::BYTES]), ..case.held(1) };
    assert_eq!(case.refuse(ApprovalChange::Open(again)), Rejection::ApprovalExists);
}

#[test]
fn what_was_judged_at_another_revision_is_rejected() {
    let mut case = Case::begun();
    let approved = case.approved(1);
    let unknown = case.approved(2);
    assert_eq!(case.claim(unknown), "claimed");
    case.fence(1);
    let approved = { case.open(OpenApproval { selected: Some(approved), ..case.held(9) }) };
    let (open, rejudge) = (ApprovalChange::Open(case.held(3)), case.rejudging(approved, &[requirement("dba", 1)]));
    let (vote, claim) = (case.cast(BOB, approved, Choice::Deny), case.claiming(approved));
    let resolve = case.resolving(unknown, Ending::NotSent);
    let base = case.state.revision();
    case.objects(vec![object("p", policy("permit"), 30)]);
    let current = case.state.revision();
    for change in [open, rejudge, vote, claim, resolve] {
        assert_eq!(case.refuse(change), Rejection::BaseMoved { base, current });
    }
    let sign_in = Change::SignIn { person: ALICE, revision: base };
    assert_eq!(case.reject(sign_in), Rejection::BaseMoved { base, current });
}

#[test]
fn ap_01_an_approval_is_for_its_command_its_caller_and_its_run_only() {
    let mut case = Case::begun();
    let mine = case.approved(1);
    case.leave(mine);
    let held = case.held(2);
    let others = [
        OpenApproval { digest: CommandDigest([2; CommandDigest::BYTES]), ..held.clone() },
        OpenApproval { identity: Uid::mint(99), ..held.clone() },
        OpenApproval { connection: Uid::mint(99), ..held.clone() },
        OpenApproval { run: "another".into(), ..held.clone() },
    ];
    for (number, other) in (10..).zip(others) {
        let named = OpenApproval { selected: Some(mine), ..other.clone() };
        assert_eq!(case.refuse(ApprovalChange::Open(named)), Rejection::ApprovalUnknown);
        assert_eq!(case.open(OpenApproval { id: id(number), ..other }), id(number));
    }
    let nobody = OpenApproval { selected: Some(id(77)), ..held.clone() };
    assert_eq!(case.refuse(ApprovalChange::Open(nobody)), Rejection::ApprovalUnknown);
    assert_eq!(case.open(held), mine);
}

#[test]
fn who_sends_it_again_takes_up_the_oldest_approved_one_then_the_oldest() {
    let mut case = Case::begun();
    // Four that nobody keeps the command for any more, opened one after the other; the third is approved.
    for number in 1..=4 {
        assert_eq!(case.open(case.held(number)), id(number));
        case.later(1);
    }
    (1..=4).for_each(|number| case.leave(id(number)));
    case.approve(ALICE, id(3));
    let again = |case: &Case| OpenApproval { holder: holder(2), ..case.held(9) };
    let named = OpenApproval { selected: Some(id(4)), ..again(&case) };
    let order = [case.open(named), case.open(again(&case)), case.open(again(&case)), case.open(again(&case))];
    assert_eq!(order, [id(4), id(3), id(1), id(2)]);
    // Nobody is left: it is another hold.
    assert_eq!(case.open(again(&case)), id(9));
    assert_eq!(case.word(id(3)), "approved");
    // Who has one is not robbed of it.
    let named = OpenApproval { selected: Some(id(4)), ..case.held(10) };
    assert_eq!(case.refuse(ApprovalChange::Open(named)), Rejection::ApprovalAttended);
    // A process that names the one it has already, has it.
    let named = OpenApproval { selected: Some(id(4)), ..again(&case) };
    assert_eq!(case.open(named), id(4));
}

#[test]
fn a_later_run_may_use_it_only_if_an_approver_said_so() {
    let mut case = Case::begun();
    let id = case.opened(1, &[requirement("on-call", 2)]);
    let any_run = |choice, person| CastVote { id, person, choice, any_run: true, revision: case.state.revision() };
    let vote = ApprovalChange::Vote(any_run(Choice::Approve, ALICE));
    assert!(case.change(vote).any_run);
    case.leave(id);
    let requirements = vec![requirement("on-call", 2)];
    let next = OpenApproval { run: "next".into(), requirements, holder: holder(2), ..case.held(1) };
    assert_eq!(case.open(OpenApproval { id: ApprovalId::mint(2), ..next }), id);
    assert_eq!(case.approve(BOB, id), "approved");
}

#[test]
fn only_who_keeps_the_command_judges_it_again_and_claims() {
    let mut case = Case::begun();
    let id = case.approved(1);
    let claim = |case: &Case, incarnation| {
        let (requirements, revision) = (vec![requirement("on-call", 1)], case.state.revision());
        ApprovalChange::Claim(ClaimApproval { id, holder: holder(incarnation), revision, requirements })
    };
    let rejudge = |case: &Case, incarnation, requirements: &[Requirement]| {
        let (requirements, revision) = (requirements.to_vec(), case.state.revision());
        ApprovalChange::Rejudge(RejudgeApproval { id, holder: holder(incarnation), revision, requirements })
    };
    let all = |case: &Case, by| [claim(case, by), rejudge(case, by, &[]), rejudge(case, by, &[requirement("dba", 1)])];
    for change in all(&case, 2) {
        assert_eq!(case.refuse(change), Rejection::ApprovalAttended);
    }
    // Another's leaving takes nothing away.
    case.change(ApprovalChange::Leave { id, holder: holder(2) });
    assert_eq!(case.state.approval(id).unwrap().holder, Some(holder(1)));
    case.leave(id);
    for change in all(&case, 1) {
        assert_eq!(case.refuse(change), Rejection::ApprovalAttended);
    }
}

#[test]
fn ap_05_an_approval_releases_one_command_once() {
    let mut case = Case::begun();
    for (number, ending) in (1..).zip(ENDINGS) {
        let id = case.approved(number);
        let claimed =
            ApprovalState::Claimed(Claim { holder: holder(1), revision: case.state.revision(), at: case.now() });
        let claim = case.claiming(id);
        assert_eq!(case.change(claim.clone()).state, claimed);
        // The claimer that did not hear is told again, and nothing happens.
        case.later(1);
        let (reply, changed) = case.propose(Change::Approval(claim.clone()));
        assert!(matches!(reply, Reply::Approval(approval) if approval.state == claimed));
        assert_eq!(changed, []);
        // Nobody else gets it, nor does a resend.
        let ApprovalChange::Claim(other) = claim.clone() else { panic!("{claim:?}") };
        let other = ApprovalChange::Claim(ClaimApproval { holder: holder(2), ..other });
        assert_eq!(case.refuse(other.clone()), Rejection::ApprovalOver("claimed"));
        let digest = case.state.approval(id).unwrap().digest;
        let named = OpenApproval { selected: Some(id), digest, ..case.held(9) };
        assert_eq!(case.refuse(ApprovalChange::Open(named)), Rejection::ApprovalOver("claimed"));
        // Whatever became of it, it is spent.
        let done = case.change(Case::finishing(id, 1, ending));
        assert_eq!(done.state, ApprovalState::Done(ending));
        let over = Rejection::ApprovalOver(done.state.word());
        assert_eq!(case.refuse(claim), over);
        assert_eq!(case.refuse(other), over);
        assert_eq!(case.refuse(case.cast(BOB, id, Choice::Approve)), over);
        assert_eq!(case.refuse(case.rejudging(id, &[])), over);
        let again = OpenApproval { digest, ..case.held(100 + number) };
        assert_eq!(case.open(again), ApprovalId::mint(100 + number));
    }
}

#[test]
fn a_command_that_was_sent_is_done_by_its_claimer_only() {
    let mut case = Case::begun();
    let id = case.approved(1);
    assert_eq!(case.refuse(Case::finishing(id, 1, Ending::Answered)), Rejection::ApprovalUnclaimed);
    assert_eq!(case.refuse(case.resolving(id, Ending::Answered)), Rejection::ApprovalUnclaimed);
    case.claim(id);
    for ending in ENDINGS {
        assert_eq!(case.refuse(Case::finishing(id, 2, ending)), Rejection::ApprovalOver("claimed"));
        // What somebody may still find out is not for people to say.
        assert_eq!(case.refuse(case.resolving(id, ending)), Rejection::ApprovalOver("claimed"));
    }
    case.change(Case::finishing(id, 1, Ending::Answered));
    let (reply, changed) = case.propose(Change::Approval(Case::finishing(id, 1, Ending::Answered)));
    assert!(matches!(reply, Reply::Approval(_)) && changed.is_empty(), "{reply:?}");
    let otherwise = Case::finishing(id, 1, Ending::NotSent);
    assert_eq!(case.refuse(otherwise), Rejection::ApprovalOver("answered"));
}

#[test]
fn ap_07_a_hold_asked_for_again_with_its_key_is_the_same_hold() {
    let mut case = Case::begun();
    let keyed = |open| keyed(0, 1, "edge", Change::Approval(ApprovalChange::Open(open)));
    let (first, changed) = case.take(keyed(case.held(1)));
    assert_eq!(changed, [id(1)]);
    case.approve(ALICE, id(1));
    // What the proposer draws and looks up is another; the hold is not.
    let again = OpenApproval { id: id(2), review_sealed: vec![9], barred: vec![BOB], ..case.held(2) };
    assert_eq!(case.take(keyed(again)), (first, vec![]));
    assert_eq!(case.state.approvals().count(), 1);
    let other = OpenApproval { run: "another".into(), ..case.held(3) };
    assert_eq!(case.take(keyed(other)).0, Reply::Rejected(Rejection::KeyReused));
}

#[test]
fn ap_07_a_vote_and_a_word_given_again_with_their_key_change_nothing() {
    let mut case = Case::begun();
    let id = case.opened(1, &[requirement("on-call", 2)]);
    let vote = case.cast(ALICE, id, Choice::Approve);
    let keyed = |key, change| keyed(0, key, "alice", Change::Approval(change));
    let (voted, _) = case.take(keyed(1, vote.clone()));
    assert_eq!(case.approve(BOB, id), "approved");
    // The policy may have moved on meanwhile: the vote was cast before.
    case.objects(vec![object("p", policy("permit"), 30)]);
    assert_eq!(case.take(keyed(1, vote)), (voted, vec![]));
    assert_eq!(case.take(keyed(1, case.cast(ALICE, id, Choice::Approve))).1, []);
    let against = case.cast(ALICE, id, Choice::Deny);
    assert_eq!(case.take(keyed(1, against)).0, Reply::Rejected(Rejection::KeyReused));
    assert_eq!(case.word(id), "approved");

    case.claim(id);
    case.fence(1);
    let resolve = case.resolving(id, Ending::Answered);
    let (resolved, changed) = case.take(keyed(2, resolve.clone()));
    assert_eq!(changed, [id]);
    assert_eq!(case.take(keyed(2, resolve)), (resolved, vec![]));
}

#[test]
fn ap_07_a_claim_given_up_before_it_was_made_is_never_made() {
    let mut case = Case::begun();
    let id = case.approved(1);
    let late = case.claiming(id);
    // The process does not know what became of its claim, and says that it sent nothing.
    case.change(Case::finishing(id, 1, Ending::NotSent));
    assert_eq!(case.word(id), "approved");
    assert_eq!(case.refuse(late), Rejection::ApprovalAttended);
    // If it was made, it is spent.
    let open = case.held(2);
    assert_eq!(case.open(open), id);
    case.claim(id);
    case.change(Case::finishing(id, 1, Ending::NotSent));
    assert_eq!(case.word(id), "not_sent");
    // And where it was over before, there is nothing to say.
    let denied = case.opened(3, &[requirement("on-call", 1)]);
    case.deny(ALICE, denied);
    let (reply, changed) = case.propose(Change::Approval(Case::finishing(denied, 1, Ending::NotSent)));
    assert!(matches!(reply, Reply::Approval(approval) if approval.state == ApprovalState::Denied));
    assert_eq!(changed, []);
    let sent = Case::finishing(denied, 1, Ending::Answered);
    assert_eq!(case.refuse(sent), Rejection::ApprovalOver("denied"));
}

#[test]
fn ap_08_what_a_fenced_process_may_have_sent_is_unknown_and_never_runs_again() {
    let mut case = Case::begun();
    let mine = case.approved(1);
    let claim = case.claiming(mine);
    case.claim(mine);
    assert_eq!(case.fence(2), []);
    assert_eq!(case.fence(1), [mine]);
    assert!(matches!(case.state_of(mine), ApprovalState::Unknown(known) if known.holder == holder(1)));
    assert_eq!(case.fence(1), [], "it was fenced before");
    let unknown = Rejection::ApprovalOver("unknown");
    assert_eq!(case.refuse(claim), unknown);
    assert_eq!(case.refuse(case.cast(BOB, mine, Choice::Deny)), unknown);
    assert_eq!(case.refuse(case.rejudging(mine, &[])), unknown);
    let named = OpenApproval { selected: Some(mine), ..case.held(2) };
    assert_eq!(case.refuse(ApprovalChange::Open(named)), unknown);
    assert_eq!(case.refuse(Case::finishing(mine, 2, Ending::Answered)), unknown);
    // It waits for somebody to find out, however long that takes.
    case.later(400 * 24 * HOUR);
    assert_eq!(case.word(mine), "unknown");
    assert_eq!(case.change(Case::finishing(mine, 1, Ending::Answered)).state, ApprovalState::Done(Ending::Answered));
}

#[test]
fn ap_08_a_claim_is_not_answered_from_memory() {
    let mut case = Case::begun();
    let mine = case.approved(1);
    let claim = keyed(0, 1, "edge", Change::Approval(case.claiming(mine)));
    for _ in 0..2 {
        let (reply, _) = case.take(claim.clone());
        assert!(matches!(reply, Reply::Approval(approval) if approval.state.word() == "claimed"));
    }
    case.fence(1);
    assert_eq!(case.take(claim).0, Reply::Rejected(Rejection::ApprovalOver("unknown")));
}

#[test]
fn ap_08_a_person_says_what_nobody_else_can() {
    let mut case = Case::begun();
    for (number, ending) in (1..).zip(ENDINGS) {
        let id = case.approved(number);
        case.claim(id);
        case.fence(1);
        assert_eq!(case.change(case.resolving(id, ending)).state, ApprovalState::Done(ending));
        let (_, changed) = case.propose(Change::Approval(case.resolving(id, ending)));
        assert_eq!(changed, []);
        let other = if ending == Ending::NotSent { Ending::Answered } else { Ending::NotSent };
        let over = Rejection::ApprovalOver(ApprovalState::Done(ending).word());
        assert_eq!(case.refuse(case.resolving(id, other)), over);
        assert_eq!(case.refuse(Case::finishing(id, 1, other)), over);
    }
}

#[test]
fn ap_08_what_a_fenced_process_kept_for_a_caller_waits_for_whoever_comes_back() {
    let mut case = Case::begun();
    let mine = case.approved(1);
    assert_eq!(case.fence(1), [mine]);
    assert_eq!(case.refuse(case.claiming(mine)), Rejection::ApprovalAttended);
    assert_eq!(case.open(OpenApproval { holder: holder(2), ..case.held(2) }), mine);
    assert_eq!(case.word(mine), "approved");
}

#[test]
fn ap_10_who_left_the_team_after_the_vote_does_not_count() {
    let mut case = Case::begun();
    let id = case.opened(1, &[requirement("on-call", 2)]);
    case.approve(ALICE, id);
    assert_eq!(case.approve(BOB, id), "approved");
    case.put_person("alice", of_teams("alice", &["dba"]));
    assert_eq!(case.claim(id), "pending");
    // The other vote is not lost, and neither is hers if she comes back.
    assert_eq!(case.approve(CAROL, id), "approved");
    case.put_person("carol", of_teams("carol", &[]));
    assert_eq!(case.claim(id), "pending");
    case.put_person("alice", of_teams("alice", &["on-call"]));
    assert_eq!(case.claim(id), "claimed");
    let votes = &case.state.approval(id).unwrap().requirements[0].votes;
    assert_eq!(votes.iter().map(|vote| vote.person).collect::<Vec<_>>(), [ALICE, BOB, CAROL]);
}

#[test]
fn ap_10_who_is_suspended_deleted_or_long_signed_in_does_not_count() {
    let undo: [fn(&mut Case); 3] = [
        |case| case.put_person("alice", Person { suspended: true, ..of_teams("alice", &["on-call"]) }),
        |case| case.delete_person("alice"),
        |case| assert!(case.later(15 * MINUTE).is_empty()),
    ];
    let why = [Rejection::PersonSuspended, Rejection::PersonUnknown, Rejection::NotSignedIn];
    for (undo, why) in undo.into_iter().zip(why) {
        let mut case = Case::begun();
        let id = case.approved(1);
        undo(&mut case);
        assert_eq!(case.claim(id), "pending");
        assert_eq!(case.refuse(case.cast(ALICE, id, Choice::Approve)), why);
        assert_eq!(case.refuse(case.cast(ALICE, id, Choice::Deny)), why);
    }
}

#[test]
fn membership_counts_for_fifteen_minutes_and_again_after_another_sign_in() {
    let mut case = Case::begun();
    let id = case.approved(1);
    case.later(15 * MINUTE - 1);
    let mut sooner = Case::begun();
    let early = sooner.approved(1);
    sooner.later(15 * MINUTE - 1);
    assert_eq!(sooner.claim(early), "claimed");
    case.later(1);
    assert_eq!(case.claim(id), "pending");
    // The vote was hers all along.
    assert_eq!(case.sign_in(BOB), []);
    assert_eq!(case.sign_in(ALICE), [id]);
    assert_eq!(case.word(id), "approved");
    assert_eq!(case.claim(id), "claimed");
}

#[test]
fn ap_10_one_person_counts_once_however_they_vote() {
    let mut case = Case::begun();
    let two = case.opened(1, &[requirement("on-call", 2)]);
    assert_eq!(case.approve(ALICE, two), "pending");
    case.later(5);
    assert_eq!(case.approve(ALICE, two), "pending");
    let votes = &case.state.approval(two).unwrap().requirements[0].votes;
    assert_eq!(votes, &[Vote { person: ALICE, choice: Choice::Approve, at: case.now() }]);
    // Carol is in both teams, and one of the two people it takes.
    let both = case.opened(2, &[requirement("on-call", 1), requirement("dba", 1)]);
    assert_eq!(case.approve(CAROL, both), "pending");
    assert_eq!(case.claim(both), "pending");
    assert_eq!(case.approve(DAVE, both), "approved");
}

#[test]
fn ap_10_who_triggered_the_run_has_no_say_then_or_later() {
    let mut case = Case::begun();
    let requirements = vec![requirement("on-call", 1)];
    let mine = case.open(OpenApproval { barred: vec![BOB], requirements, ..case.held(1) });
    for choice in [Choice::Approve, Choice::Deny] {
        assert_eq!(case.refuse(case.cast(BOB, mine, choice)), Rejection::MayNotVote);
    }
    assert_eq!(case.approve(ALICE, mine), "approved");
    // Alice triggers the run again: her vote was not for herself, and does not count now.
    case.leave(mine);
    assert_eq!(case.open(OpenApproval { barred: vec![ALICE, BOB], ..case.held(2) }), mine);
    assert_eq!(case.word(mine), "pending");
    assert_eq!(case.state.approval(mine).unwrap().barred, [BOB, ALICE]);
    assert_eq!(case.claim(mine), "pending");
    assert_eq!(case.refuse(case.cast(ALICE, mine, Choice::Approve)), Rejection::MayNotVote);
    assert_eq!(case.approve(CAROL, mine), "approved");
}

#[test]
fn ap_11_who_is_in_none_of_the_teams_has_no_say() {
    let mut case = Case::begun();
    let id = case.opened(1, &[requirement("on-call", 1)]);
    for choice in [Choice::Approve, Choice::Deny] {
        assert_eq!(case.refuse(case.cast(DAVE, id, choice)), Rejection::MayNotVote);
        assert_eq!(case.refuse(case.cast(Uid::mint(99), id, choice)), Rejection::PersonUnknown);
        let nothing = case.cast(ALICE, ApprovalId::mint(99), choice);
        assert_eq!(case.refuse(nothing), Rejection::ApprovalUnknown);
    }
    let both = case.opened(2, &[requirement("on-call", 1), requirement("dba", 1)]);
    let approval = case.state.approval(both).unwrap();
    let may_vote = |person| case.state.electorate().may_vote(person, approval);
    let table = [ALICE, CAROL, DAVE, Uid::mint(99)].map(may_vote);
    assert_eq!(table, [vec![true, false], vec![true, true], vec![false, true], vec![false, false]]);
    case.deny(DAVE, both);
    let approval = case.state.approval(both).unwrap();
    assert_eq!(case.state.electorate().may_vote(CAROL, approval), [false, false], "it is over");
}

#[test]
fn ap_14_what_is_over_takes_no_vote_and_what_nobody_waits_for_does_not_run() {
    let mut case = Case::begun();
    let left = case.opened(1, &[requirement("on-call", 1)]);
    let (denied, voided) = (case.opened(2, &[requirement("on-call", 1)]), case.opened(3, &[requirement("on-call", 1)]));
    case.deny(ALICE, denied);
    assert_eq!(case.change(case.rejudging(voided, &[])).state, ApprovalState::Voided);
    case.leave(left);
    // Nobody keeps the command: approving it releases nothing until somebody sends it again.
    assert_eq!(case.approve(ALICE, left), "approved");
    assert_eq!(case.refuse(case.claiming(left)), Rejection::ApprovalAttended);
    case.later(30 * MINUTE);
    case.sign_in(BOB);
    for (id, word) in [(left, "expired"), (denied, "denied"), (voided, "voided")] {
        let over = Rejection::ApprovalOver(word);
        for choice in [Choice::Approve, Choice::Deny] {
            assert_eq!(case.refuse(case.cast(BOB, id, choice)), over);
        }
        assert_eq!(case.refuse(case.claiming(id)), over);
        assert_eq!(case.refuse(case.rejudging(id, &[requirement("dba", 1)])), over);
        assert_eq!(case.refuse(case.resolving(id, Ending::NotSent)), over);
        let digest = case.state.approval(id).unwrap().digest;
        let named = OpenApproval { selected: Some(id), digest, ..case.held(9) };
        assert_eq!(case.refuse(ApprovalChange::Open(named)), over);
    }
}

#[test]
fn one_against_is_enough_at_any_time_before_the_claim() {
    let mut case = Case::begun();
    let approved = case.approved(1);
    assert_eq!(case.deny(BOB, approved), "denied");
    // Also of somebody whose team is one of several, and who had been for it.
    let both = case.opened(2, &[requirement("on-call", 1), requirement("dba", 1)]);
    case.approve(DAVE, both);
    assert_eq!(case.deny(DAVE, both), "denied");
    let votes = &case.state.approval(both).unwrap().requirements[1].votes;
    assert_eq!(votes, &[Vote { person: DAVE, choice: Choice::Deny, at: case.now() }]);
}

#[test]
fn votes_stay_with_what_is_still_asked_for() {
    let mut case = Case::begun();
    let (on_call, dba) = (requirement("on-call", 1), requirement("dba", 1));
    let id = case.opened(1, std::slice::from_ref(&on_call));
    assert_eq!(case.approve(ALICE, id), "approved");
    // More is needed: the vote there is stays.
    let more = case.change(case.rejudging(id, &[dba.clone(), on_call.clone()]));
    assert_eq!(
        (more.state.word(), more.requirements[0].votes.len(), more.requirements[1].votes.len()),
        ("pending", 0, 1)
    );
    assert_eq!(case.approve(DAVE, id), "approved");
    // The same team for another reason is another question.
    let mut elsewhere = on_call.clone();
    elsewhere.policy.hash.0[0] ^= 1;
    let changed = case.change(case.rejudging(id, &[dba.clone(), elsewhere]));
    assert_eq!((changed.state.word(), changed.requirements[1].votes.len()), ("pending", 0));
    // What is asked for no more need not be fulfilled.
    assert_eq!(case.change(case.rejudging(id, &[dba])).state.word(), "approved");
    for wrong in [vec![on_call.clone(), on_call.clone()], vec![Requirement { quorum: 0, ..on_call }]] {
        assert_eq!(case.refuse(case.rejudging(id, &wrong)), Rejection::Requirements);
    }
}

#[test]
fn a_claim_is_for_what_its_judgement_asks() {
    let (on_call, dba) = (requirement("on-call", 1), requirement("dba", 1));
    let claim = |case: &Case, id, requirements: &[Requirement]| {
        let (requirements, revision) = (requirements.to_vec(), case.state.revision());
        ApprovalChange::Claim(ClaimApproval { id, holder: holder(1), revision, requirements })
    };
    let mut case = Case::begun();
    // More than people said yes to: it waits for the rest.
    let id = case.approved(1);
    let pending = case.change(claim(&case, id, &[on_call.clone(), dba.clone()]));
    assert_eq!((pending.state.word(), pending.requirements.len()), ("pending", 2));
    assert_eq!(case.approve(DAVE, id), "approved");
    assert_eq!(case.change(claim(&case, id, &[on_call.clone(), dba.clone()])).state.word(), "claimed");
    // Less: what is missing may be what nobody asks for any more.
    let id = case.opened(2, &[on_call.clone(), dba.clone()]);
    assert_eq!(case.approve(ALICE, id), "pending");
    assert_eq!(case.change(claim(&case, id, std::slice::from_ref(&on_call))).state.word(), "claimed");
    // Nothing: the policy allows it, and it is spent all the same.
    let id = case.opened(3, std::slice::from_ref(&dba));
    let claimed = case.change(claim(&case, id, &[]));
    assert_eq!((claimed.state.word(), claimed.requirements.len()), ("claimed", 1));
    // Something that is nothing.
    let id = case.opened(4, std::slice::from_ref(&dba));
    assert_eq!(case.refuse(claim(&case, id, &[Requirement { quorum: 0, ..dba }])), Rejection::Requirements);
    assert_eq!(case.refuse(claim(&case, ApprovalId::mint(9), &[])), Rejection::ApprovalUnknown);
}

#[test]
fn a_resend_needs_what_it_was_judged_to_need() {
    let mut case = Case::begun();
    let mine = case.approved(1);
    case.leave(mine);
    let requirements = vec![requirement("on-call", 1), requirement("dba", 1)];
    assert_eq!(case.open(OpenApproval { requirements, ..case.held(2) }), mine);
    assert_eq!(case.word(mine), "pending");
    assert_eq!(case.approve(DAVE, mine), "approved");
}

#[test]
fn what_an_approver_read_is_erased_when_the_wait_ends() {
    let ends: [fn(&mut Case); 5] = [
        |case| assert_eq!(case.deny(ALICE, id(1)), "denied"),
        |case| assert_eq!(case.later(30 * MINUTE), [id(1)]),
        |case| assert_eq!(case.change(case.rejudging(id(1), &[])).state.word(), "voided"),
        |case| {
            case.approve(ALICE, id(1));
            assert_eq!(case.claim(id(1)), "claimed");
        },
        |case| {
            case.approve(ALICE, id(1));
            case.claim(id(1));
            case.fence(1);
        },
    ];
    for end in ends {
        let mut case = Case::begun();
        case.open(case.held(1));
        assert_eq!(case.state.approval(id(1)).unwrap().review_sealed, [1, 2, 3]);
        end(&mut case);
        let over = case.state.approval(id(1)).unwrap();
        assert_eq!((over.review_sealed.len(), &over.holder), (0, &None), "{over:?}");
        assert_eq!(case.state.waiting_approvals().count(), 0);
    }
}
