//! Approvals and sign-ins: what is stored reads back as what it was, and whoever listens hears of them.

use super::support::*;
use crate::convert::{decode_proposal, decode_state, encode_proposal, encode_state};
use hoop_model::spec::{Algorithm, Audience, ClaimCondition, Issuer, KeySource, Person};
use hoop_model::{
    ApprovalId, Choice, CommandDigest, ContentHash, Effect, Ending, Holder, Incarnation, PolicyRef, Requirement,
    Revision, SessionId, Spec, Target, Uid, UnixMillis,
};
use hoop_state::*;
use hoop_wire::v1;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const ALICE: Uid = Uid::mint(0xa);
const REVISION: Revision = Revision { epoch: 1, index: 2 };

fn id(number: u128) -> ApprovalId {
    ApprovalId::mint(number)
}

fn holder() -> Holder {
    Holder { node: name("edge"), incarnation: Incarnation::mint(1) }
}

fn people() -> Change {
    let issuer = Spec::Issuer(Issuer {
        audience: Audience::People,
        url: "https://idp.test".into(),
        audiences: vec!["hoop-people".into()],
        algorithms: vec![Algorithm::ES256],
        max_token_lifetime: Duration::from_secs(600),
        token_type: None,
        jwks: KeySource::Discover {},
        ca: None,
    });
    let alice = Spec::Person(Person {
        issuer: name("idp"),
        claims: BTreeMap::from([("sub".into(), ClaimCondition::Equals("alice".into()))]),
        teams: vec![name("on-call")],
        suspended: false,
    });
    let objects = vec![
        NewObject { name: name("idp"), spec: issuer, uid: Uid::mint(1), ..policy("x", "x") },
        NewObject { name: name("alice"), spec: alice, uid: ALICE, ..policy("x", "x") },
    ];
    apply(Revision { epoch: 1, index: 1 }, objects)
}

fn requirement(team: &str) -> Requirement {
    let message = (team == "on-call").then(|| "somebody on call must look".into());
    let policy = PolicyRef { statement: "holds/a".into(), uid: Uid::mint(4), hash: ContentHash([5; 32]), message };
    Requirement { policy, team: name(team), quorum: 1, expires: Duration::from_secs(600) }
}

fn open(number: u128) -> OpenApproval {
    OpenApproval {
        id: id(number),
        digest: CommandDigest([u8::try_from(number).unwrap(); CommandDigest::BYTES]),
        identity: Uid::mint(6),
        connection: Uid::mint(7),
        run: number.to_string().into(),
        session: SessionId::mint(8),
        effects: Arc::new([
            Effect { action: "http:PATCH".into(), target: Target::Connection },
            Effect { action: "http:PATCH".into(), target: Target::Route(name("orders")) },
        ]),
        requirements: vec![requirement("on-call")],
        revision: REVISION,
        selected: None,
        holder: holder(),
        barred: vec![Uid::mint(9)],
        review_sealed: vec![1, 2, 3],
    }
}

fn vote(number: u128, choice: Choice) -> ApprovalChange {
    ApprovalChange::Vote(CastVote { id: id(number), person: ALICE, choice, any_run: number == 2, revision: REVISION })
}

fn claim(number: u128) -> ApprovalChange {
    let requirements = vec![requirement("on-call")];
    ApprovalChange::Claim(ClaimApproval { id: id(number), holder: holder(), revision: REVISION, requirements })
}

fn rejudge(number: u128, teams: &[&str]) -> ApprovalChange {
    let requirements = teams.iter().map(|team| requirement(team)).collect();
    ApprovalChange::Rejudge(RejudgeApproval { id: id(number), holder: holder(), revision: REVISION, requirements })
}

fn finish(number: u128, ending: Ending) -> ApprovalChange {
    ApprovalChange::Finish { id: id(number), holder: holder(), ending }
}

fn resolve(number: u128, ending: Ending) -> ApprovalChange {
    ApprovalChange::Resolve { id: id(number), ending, revision: REVISION }
}

/// Every kind of change, and what leaves something in every state.
fn history() -> Vec<Change> {
    let waiting = [
        ApprovalChange::Open(open(1)),
        ApprovalChange::Open(open(2)),
        vote(2, Choice::Approve),
        ApprovalChange::Leave { id: id(2), holder: holder() },
        ApprovalChange::Open(OpenApproval { selected: Some(id(2)), ..open(2) }),
        ApprovalChange::Open(open(3)),
        vote(3, Choice::Deny),
        ApprovalChange::Open(open(4)),
        rejudge(4, &["dba", "on-call"]),
        rejudge(4, &[]),
    ];
    let released =
        (5..=9).flat_map(|number| [ApprovalChange::Open(open(number)), vote(number, Choice::Approve), claim(number)]);
    let over = [finish(5, Ending::NotSent), finish(6, Ending::Answered)];
    let fenced = [ApprovalChange::Fence { holder: holder() }, resolve(7, Ending::FailedAfterSend)];
    let again = [
        ApprovalChange::Open(OpenApproval { holder: Holder { node: name("other"), ..holder() }, ..open(10) }),
        ApprovalChange::Open(open(11)),
        vote(11, Choice::Approve),
        claim(11),
    ];
    let sign_in = Change::SignIn { person: ALICE, revision: REVISION };
    let changes = waiting.into_iter().chain(released).chain(over).chain(fenced).chain(again);
    [bootstrap(), people(), sign_in].into_iter().chain(changes.map(Change::Approval)).collect()
}

fn proposals() -> impl Iterator<Item = Proposal> {
    (0..).zip(history()).map(|(number, change)| Proposal {
        time: UnixMillis(NOW.0 + u64::from(number)),
        key: key(number),
        caller: "edge".into(),
        change,
    })
}

fn state() -> State {
    let mut state = State::default();
    for (index, proposal) in (1..).zip(proposals()) {
        let (reply, _) = state.apply(index, proposal);
        assert!(!matches!(reply, Reply::Rejected(_)), "{reply:?}");
    }
    state
}

#[test]
fn every_change_of_an_approval_reads_back() {
    for proposal in proposals() {
        assert_eq!(decode_proposal(&encode_proposal(&proposal)), Ok(proposal));
    }
}

#[test]
fn approvals_in_every_state_read_back_with_what_was_answered() {
    let mut state = state();
    assert_eq!(decode_state(&encode_state(&state)), Ok(state.clone()));
    let words = |state: &State| state.approvals().map(|approval| approval.state.word()).collect::<BTreeSet<_>>();
    let expected =
        ["pending", "approved", "denied", "voided", "not_sent", "answered", "failed_after_send", "unknown", "claimed"];
    assert_eq!(words(&state), BTreeSet::from(expected));
    assert_eq!(state.sign_ins().count(), 1);
    let answered = state.remembered().filter(|(.., known)| matches!(known.reply, Reply::Approval(_)));
    // Not those of the birth, the people, the sign-in and the fence; and a claim is never remembered.
    assert_eq!(answered.count(), history().len() - 4 - 6);
    let late = Proposal { time: UnixMillis(NOW.0 + 700_000), key: None, caller: "x".into(), change: Change::Tick };
    state.apply(91, late);
    assert_eq!(
        words(&state)
            .into_iter()
            .filter(|word| matches!(*word, "pending" | "approved" | "expired"))
            .collect::<Vec<_>>(),
        ["expired"]
    );
    assert_eq!(decode_state(&encode_state(&state)), Ok(state));
}

#[test]
fn a_change_of_an_approval_that_is_not_wholly_understood_does_not_decode() {
    type Spoil = fn(&mut v1::approval_change::Change);
    fn spoil(change: ApprovalChange, spoil: Spoil) -> String {
        let proposal = Proposal { time: NOW, key: None, caller: "edge".into(), change: Change::Approval(change) };
        let mut message = v1::Proposal::decode(encode_proposal(&proposal).as_slice()).unwrap();
        let Some(v1::proposal::Change::Approval(approval)) = &mut message.change else { panic!("{message:?}") };
        spoil(approval.change.as_mut().unwrap());
        decode_proposal(&message.encode_to_vec()).unwrap_err().to_string()
    }
    use v1::approval_change::Change as Wire;
    let leave = || ApprovalChange::Leave { id: id(1), holder: holder() };
    let cases: [(ApprovalChange, Spoil, &str); 12] = [
        (
            ApprovalChange::Open(open(1)),
            |c| {
                if let Wire::Open(c) = c {
                    c.id.clear()
                }
            },
            "`id` is not 16 bytes",
        ),
        (
            ApprovalChange::Open(open(1)),
            |c| {
                if let Wire::Open(c) = c {
                    c.digest.push(1)
                }
            },
            "`digest` is not well-formed",
        ),
        (
            ApprovalChange::Open(open(1)),
            |c| {
                if let Wire::Open(c) = c {
                    c.session.clear()
                }
            },
            "`session` is not 16 bytes",
        ),
        (
            ApprovalChange::Open(open(1)),
            |c| {
                if let Wire::Open(c) = c {
                    c.selected = Some(vec![])
                }
            },
            "`id` is not 16 bytes",
        ),
        (
            ApprovalChange::Open(open(1)),
            |c| {
                if let Wire::Open(c) = c {
                    c.barred.push(vec![])
                }
            },
            "`uid` is not 16 bytes",
        ),
        (
            ApprovalChange::Open(open(1)),
            |c| {
                if let Wire::Open(c) = c {
                    c.revision = None
                }
            },
            "`revision` is missing",
        ),
        (
            leave(),
            |c| {
                if let Wire::Leave(c) = c {
                    c.holder = None
                }
            },
            "`holder` is missing",
        ),
        (
            vote(1, Choice::Deny),
            |c| {
                if let Wire::Vote(c) = c {
                    c.choice = 0
                }
            },
            "`choice` is missing or unknown",
        ),
        (
            vote(1, Choice::Deny),
            |c| {
                if let Wire::Vote(c) = c {
                    c.choice = 3
                }
            },
            "`choice` is unknown",
        ),
        (
            finish(1, Ending::NotSent),
            |c| {
                if let Wire::Finish(c) = c {
                    c.ending = 0
                }
            },
            "`ending` is missing or unknown",
        ),
        (
            resolve(1, Ending::NotSent),
            |c| {
                if let Wire::Resolve(c) = c {
                    c.ending = 4
                }
            },
            "`ending` is unknown",
        ),
        (
            claim(1),
            |c| {
                if let Wire::Claim(c) = c {
                    c.requirements[0].quorum = 0
                }
            },
            "`quorum` is not at least 1",
        ),
    ];
    for (change, spoiled, problem) in cases {
        assert_eq!(spoil(change, spoiled), problem);
    }
    let proposal = |change| v1::Proposal {
        time_ms: NOW.0,
        caller: "edge".into(),
        change: Some(change),
        ..v1::Proposal::default()
    };
    let nothing = proposal(v1::proposal::Change::Approval(v1::ApprovalChange { change: None }));
    assert!(decode_proposal(&nothing.encode_to_vec()).is_err());
    let nobody = v1::proposal::SignIn { person_uid: vec![], revision: Some(REVISION.into()) };
    assert!(decode_proposal(&proposal(v1::proposal::Change::SignIn(nobody)).encode_to_vec()).is_err());
}

#[test]
fn a_state_whose_approvals_contradict_themselves_does_not_decode() {
    let state = state();
    let message = v1::State::decode(encode_state(&state).as_slice()).unwrap();
    let broken = |change: &dyn Fn(&mut v1::State)| {
        let mut message = message.clone();
        change(&mut message);
        decode_state(&message.encode_to_vec())
    };
    assert_eq!(broken(&|_| {}), Ok(state.clone()));
    assert!(broken(&|state| state.approvals.push(state.approvals[0].clone())).is_err());
    assert!(broken(&|state| state.approvals[0].requirements.clear()).is_err());
    assert!(broken(&|state| state.approvals[0].expires_ms = 0).is_err());
    assert!(broken(&|state| state.sign_ins[0].person_uid = vec![0; 16]).is_err());
    assert!(broken(&|state| state.sign_ins.push(state.sign_ins[0].clone())).is_err());
    assert!(broken(&|state| state.birth.as_mut().unwrap().digest_key_sealed.clear()).is_err());
}

#[tokio::test]
async fn whoever_listens_hears_of_approvals_and_a_restart_has_them() {
    let directory = tempfile::tempdir().unwrap();
    let replica = born(directory.path()).await;
    let mut news = replica.approvals();
    put(&replica, "p", "permit").await;
    assert!(!news.has_changed().unwrap());
    let revision = replica.state().revision();
    let hold = Change::Approval(ApprovalChange::Open(OpenApproval { revision, ..open(1) }));
    assert!(matches!(replica.propose(hold, key(1), "edge", NOW).await, Ok(Reply::Approval(_))));
    assert!(news.has_changed().unwrap());
    news.mark_unchanged();
    replica.propose(Change::Tick, None, "edge", NOW).await.unwrap();
    assert!(!news.has_changed().unwrap());
    let before = replica.state();
    assert_eq!(before.waiting_approvals().count(), 1);
    replica.shutdown().await;
    drop(replica);
    let replica = started(directory.path()).await;
    assert!(replica.state().approvals().eq(before.approvals()));
    replica.shutdown().await;
}
