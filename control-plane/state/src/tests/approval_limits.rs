//! Time, and how many there may be.

use super::approval_support::*;
use super::support::*;
use crate::*;
use hoop_model::{Approval, ApprovalState, CommandDigest, Ending, Requirement, Uid, UnixMillis};
use std::time::Duration;

#[test]
fn an_approval_expires_by_log_time_and_not_before() {
    let mut case = Case::begun();
    let short = Requirement { expires: Duration::from_secs(60), ..requirement("dba", 1) };
    // The shortest of them counts.
    let mine = case.opened(1, &[requirement("on-call", 1), short]);
    let approved = case.approved(2);
    case.later(MINUTE - 1);
    assert_eq!(case.word(mine), "pending");
    assert_eq!(case.later(1), [mine]);
    assert_eq!((case.word(mine), case.state.approval(mine).unwrap().since), ("expired", case.now()));
    // An approved one as well; a claimed one has no time any more.
    let claimed = case.approved(3);
    case.claim(claimed);
    assert_eq!(case.later(29 * MINUTE), [approved]);
    case.later(24 * HOUR);
    assert_eq!(case.word(claimed), "claimed");
}

#[test]
fn time_passes_with_every_proposal_whatever_comes_of_it() {
    let late = |case: &Case, change| proposal(case.now().0 + 30 * MINUTE, change);
    let mut case = Case::begun();
    let mine = case.approved(1);
    // A claim that comes too late finds it over.
    let claim = Change::Approval(case.claiming(mine));
    let (reply, changed) = case.take(late(&case, claim));
    assert_eq!((reply, changed), (Reply::Rejected(Rejection::ApprovalOver("expired")), vec![mine]));
    // So does a repeat of a request, beside its old answer.
    let mine = case.opened(2, &[requirement("on-call", 1)]);
    let tick = |time| keyed(time, 1, "admin", Change::Tick);
    let (answer, _) = case.take(tick(0));
    assert_eq!(case.take(tick(case.now().0 + 30 * MINUTE)), (answer, vec![mine]));
    // And a change that is rejected for another reason.
    let mine = case.opened(3, &[requirement("on-call", 1)]);
    let (reply, changed) = case.take(late(&case, bootstrap()));
    assert_eq!((reply, changed), (Reply::Rejected(Rejection::AlreadyBorn), vec![mine]));
}

#[test]
fn judging_again_makes_the_time_shorter_and_never_longer() {
    let mut case = Case::begun();
    let mine = case.opened(1, &[requirement("on-call", 1)]);
    let lasting = |seconds| Requirement { expires: Duration::from_secs(seconds), ..requirement("on-call", 1) };
    let opened = case.now();
    let expires = |approval: &Approval| approval.expires.0 - opened.0;
    assert_eq!(expires(&case.change(case.rejudging(mine, &[lasting(3600)]))), 30 * MINUTE);
    assert_eq!(expires(&case.change(case.rejudging(mine, &[lasting(600)]))), 10 * MINUTE);
    case.later(5 * MINUTE);
    // What may wait for five minutes has waited for five minutes.
    let (reply, changed) = case.propose(Change::Approval(case.rejudging(mine, &[lasting(300)])));
    assert!(matches!(reply, Reply::Approval(approval) if approval.state == ApprovalState::Expired));
    assert_eq!(changed, [mine]);
    // The same for a claim: it does not go through.
    let mine = case.approved(2);
    case.later(5 * MINUTE);
    let (holder, revision) = (holder(1), case.state.revision());
    let claim = ClaimApproval { id: mine, holder, revision, requirements: vec![lasting(300)] };
    assert_eq!(case.change(ApprovalChange::Claim(claim)).state, ApprovalState::Expired);
}

#[test]
fn at_the_end_of_time_nothing_waits() {
    let mut case = Case::begun();
    case.take(proposal(u64::MAX, Change::Tick));
    let approval = case.change(ApprovalChange::Open(case.held(1)));
    assert_eq!(approval.state, ApprovalState::Expired);
}

#[test]
fn a_run_an_identity_and_a_cluster_wait_for_so_many_only() {
    let mut case = Case::begun();
    let mut number = 0;
    let mut open = |case: &mut Case, identity: u128, run: u128| {
        number += 1;
        let mut digest = CommandDigest([0; CommandDigest::BYTES]);
        digest.0[..16].copy_from_slice(&u128::to_be_bytes(number));
        let (identity, run) = (Uid::mint(identity), run.to_string().into());
        let open = OpenApproval { digest, identity, run, review_sealed: vec![], ..case.held(number) };
        // Without the snapshot of every step: there are a thousand.
        case.state.apply(3, proposal(0, Change::Approval(ApprovalChange::Open(open)))).0
    };
    let too_many = |scope| Reply::Rejected(Rejection::TooManyPending(scope));
    for run in 0..MAX_PENDING_PER_IDENTITY / MAX_PENDING_PER_RUN {
        for _ in 0..MAX_PENDING_PER_RUN {
            assert!(matches!(open(&mut case, 1, run as u128), Reply::Approval(_)));
        }
        assert_eq!(open(&mut case, 1, run as u128), too_many("run"));
    }
    assert_eq!(open(&mut case, 1, 99), too_many("identity"));
    // A run of the same name is another identity's own.
    assert!(matches!(open(&mut case, 2, 0), Reply::Approval(_)));
    for one in MAX_PENDING_PER_IDENTITY + 1..MAX_PENDING {
        assert!(matches!(open(&mut case, 1_000 + one as u128, 0), Reply::Approval(_)), "{one}");
    }
    assert_eq!(case.state.waiting_approvals().count(), MAX_PENDING);
    assert_eq!(open(&mut case, 3, 0), too_many("cluster"));
    // Who comes back to one that waits opens none.
    case.leave(id(1));
    let mut digest = CommandDigest([0; CommandDigest::BYTES]);
    digest.0[15] = 1;
    let again = OpenApproval { digest, identity: Uid::mint(1), run: "0".into(), ..case.held(5_000) };
    assert_eq!(case.open(again), id(1));
    // One that ends makes room for one.
    case.deny(ALICE, id(1));
    assert!(matches!(open(&mut case, 1, 0), Reply::Approval(_)));
    assert_eq!(open(&mut case, 1, 0), too_many("run"));
}

#[test]
fn what_is_over_can_be_looked_at_for_a_week() {
    let week = 7 * 24 * HOUR;
    let mut case = Case::begun();
    let (denied, done, unknown) = (case.opened(1, &[requirement("dba", 1)]), case.approved(2), case.approved(3));
    case.claim(unknown);
    case.fence(1);
    let digest = case.state.approval(done).unwrap().digest;
    case.open(OpenApproval { digest, ..case.held(9) });
    case.claim(done);
    case.change(Case::finishing(done, 1, Ending::Answered));
    case.later(1);
    case.deny(DAVE, denied);
    case.later(week - 1);
    assert!(case.state.approval(done).is_none());
    assert_eq!(case.word(denied), "denied");
    case.later(1);
    assert!(case.state.approval(denied).is_none());
    // Nobody has found out yet.
    assert_eq!(case.word(unknown), "unknown");
    case.change(case.resolving(unknown, Ending::NotSent));
    case.later(week);
    assert_eq!(case.state.approvals().count(), 0);
}

#[test]
fn of_those_that_are_over_the_newest_ten_thousand_are_kept() {
    let mut case = Case::begun();
    let unknown = case.approved(1);
    case.claim(unknown);
    case.fence(1);
    let template = case.state.approval(unknown).unwrap().as_ref().clone();
    let now = case.now();
    let over = |number: usize, since| Approval {
        id: id(number as u128),
        state: ApprovalState::Denied,
        since: UnixMillis(since),
        ..template.clone()
    };
    // All but the first ended in the same moment.
    let mut approvals: Vec<Approval> = (100..100 + MAX_KEPT).map(|number| over(number, now.0)).collect();
    approvals[MAX_KEPT - 1].opened = UnixMillis(now.0 - 1);
    approvals[MAX_KEPT - 1].since = UnixMillis(now.0 - 1);
    approvals.push(template.clone());
    let full = Contents { approvals: approvals.clone(), ..contents(&case.state) };
    case.state = State::restore(full).unwrap();
    let mine = case.opened(2, &[requirement("dba", 1)]);
    assert_eq!(case.state.approvals().count(), MAX_KEPT + 2);
    case.deny(DAVE, mine);
    assert_eq!(case.state.approvals().count(), MAX_KEPT + 1);
    let oldest = id(100 + MAX_KEPT as u128 - 1);
    assert!(case.state.approval(oldest).is_none());
    assert_eq!((case.word(mine), case.word(unknown)), ("denied", "unknown"));
    approvals.push(over(99, now.0));
    let too_many = Contents { approvals, ..contents(&case.state) };
    assert_eq!(State::restore(too_many), Err(Inconsistent::TooManyApprovals));
}

#[test]
fn approvals_of_no_state_are_refused() {
    let mut case = Case::begun();
    let waiting = case.approved(1);
    let over = case.opened(2, &[requirement("dba", 1)]);
    case.deny(DAVE, over);
    case.later(MINUTE);
    let restore = |approval: &Approval| {
        let approvals = vec![approval.clone()];
        State::restore(Contents { approvals, ..contents(&case.state) }).map(|_| ())
    };
    let twice: Vec<_> = case.state.approvals().chain(case.state.approvals()).map(|one| one.as_ref().clone()).collect();
    let twice = State::restore(Contents { approvals: twice, ..contents(&case.state) });
    assert_eq!(twice, Err(Inconsistent::Approval(waiting)));
    let broken = |which, change: &dyn Fn(&mut Approval)| {
        let mut approval = case.state.approval(which).unwrap().as_ref().clone();
        assert_eq!(restore(&approval), Ok(()));
        change(&mut approval);
        assert_eq!(restore(&approval), Err(Inconsistent::Approval(which)), "{approval:?}");
    };
    let now = case.now();
    broken(waiting, &|approval| approval.expires = now);
    broken(waiting, &|approval| approval.requirements.clear());
    broken(waiting, &|approval| approval.requirements[0].requirement.quorum = 0);
    broken(waiting, &|approval| approval.requirements.push(approval.requirements[0].clone()));
    broken(waiting, &|approval| {
        let vote = approval.requirements[0].votes[0];
        approval.requirements[0].votes.push(vote);
    });
    broken(waiting, &|approval| approval.since = UnixMillis(now.0 + 1));
    broken(waiting, &|approval| approval.opened = UnixMillis(approval.since.0 + 1));
    broken(over, &|approval| approval.holder = Some(holder(1)));
    broken(over, &|approval| approval.review_sealed = vec![1]);
}
