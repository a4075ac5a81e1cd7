//! What was encoded reads back the same, and what is not well-formed does not read at all.

use super::*;
use prost::Message;

fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).unwrap()
}

fn requirement() -> Requirement {
    let policy = PolicyRef {
        statement: "agents/patches".into(),
        uid: Uid::mint(3),
        hash: ContentHash([4; 32]),
        message: Some("updates wait".into()),
    };
    Requirement { policy, team: name("on-call"), quorum: 2, expires: Duration::from_secs(900) }
}

fn claim() -> Claim {
    let holder = Holder { node: name("edge-1"), incarnation: Incarnation::mint(5) };
    Claim { holder, revision: hoop_model::Revision { epoch: 1, index: 9 }, at: UnixMillis(77) }
}

fn approval(state: ApprovalState) -> Approval {
    let vote = |person, choice| Vote { person: Uid::mint(person), choice, at: UnixMillis(66) };
    Approval {
        id: ApprovalId::mint(1),
        digest: CommandDigest([1; CommandDigest::BYTES]),
        identity: Uid::mint(6),
        connection: Uid::mint(7),
        run: "4711".into(),
        any_run: true,
        session: SessionId::mint(8),
        effects: [
            Effect { action: "http:PATCH".into(), target: Target::Connection },
            Effect { action: "http:PATCH".into(), target: Target::Route(name("orders")) },
        ]
        .into(),
        requirements: vec![
            Required { requirement: requirement(), votes: vec![vote(9, Choice::Approve), vote(10, Choice::Deny)] },
            Required { requirement: requirement(), votes: vec![] },
        ],
        revision: hoop_model::Revision { epoch: 1, index: 8 },
        opened: UnixMillis(55),
        expires: UnixMillis(99),
        state,
        since: UnixMillis(60),
        holder: Some(claim().holder),
        barred: vec![Uid::mint(11), Uid::mint(12)],
        review_sealed: vec![1, 2, 3],
    }
}

fn states() -> Vec<ApprovalState> {
    vec![
        ApprovalState::Pending,
        ApprovalState::Approved,
        ApprovalState::Denied,
        ApprovalState::Expired,
        ApprovalState::Voided,
        ApprovalState::Claimed(claim()),
        ApprovalState::Done(Ending::NotSent),
        ApprovalState::Done(Ending::Answered),
        ApprovalState::Done(Ending::FailedAfterSend),
        ApprovalState::Unknown(claim()),
    ]
}

#[test]
fn an_approval_in_every_state_reads_back_the_same() {
    for state in states() {
        let approval = approval(state);
        let bytes = v1::Approval::from(&approval).encode_to_vec();
        assert_eq!(Approval::try_from(v1::Approval::decode(bytes.as_slice()).unwrap()), Ok(approval));
    }
    for ending in [Ending::NotSent, Ending::Answered, Ending::FailedAfterSend] {
        assert_eq!(Ending::try_from(v1::Ending::from(ending)), Ok(ending));
    }
}

#[test]
fn an_approval_that_breaks_a_rule_does_not_read() {
    type Spoil = fn(&mut v1::Approval);
    let spoilt: [(&str, Spoil); 16] = [
        ("id", |a| a.id.truncate(15)),
        ("digest", |a| a.digest.truncate(32)),
        ("digest", |a| a.digest.push(0)),
        ("identity_uid", |a| a.identity_uid.clear()),
        ("connection_uid", |a| a.connection_uid.clear()),
        ("session", |a| a.session.push(0)),
        ("action", |a| a.effects[0].action.clear()),
        ("route", |a| a.effects[1].route = Some(String::new())),
        ("requirement", |a| a.requirements[0].requirement = None),
        ("quorum", |a| a.requirements[0].requirement.as_mut().unwrap().quorum = 0),
        ("team", |a| a.requirements[0].requirement.as_mut().unwrap().team.clear()),
        ("policy_hash", |a| a.requirements[0].requirement.as_mut().unwrap().policy_hash.truncate(31)),
        ("choice", |a| a.requirements[0].votes[0].choice = 0),
        ("votes", |a| a.requirements[0].votes[1].person_uid = a.requirements[0].votes[0].person_uid.clone()),
        ("revision", |a| a.revision = None),
        ("barred", |a| a.barred[1].clear()),
    ];
    for (field, spoil) in spoilt {
        let mut wire = v1::Approval::from(&approval(ApprovalState::Pending));
        spoil(&mut wire);
        assert_eq!(Approval::try_from(wire).unwrap_err().field, field);
    }
    assert_eq!(v1::Ending::try_from(0).map(Ending::try_from), Ok(Err(unknown("ending"))));
}

#[test]
fn a_claim_is_there_exactly_where_the_state_rests_on_one() {
    for state in states() {
        let mut wire = v1::Approval::from(&approval(state));
        wire.claim = if wire.claim.is_some() { None } else { Some((&claim()).into()) };
        assert_eq!(Approval::try_from(wire).unwrap_err().field, "claim");
    }
    let mut wire = v1::Approval::from(&approval(ApprovalState::Pending));
    for number in [0, 11, -1] {
        wire.state = number;
        assert_eq!(Approval::try_from(wire.clone()).unwrap_err().field, "state", "{number}");
    }
}
