//! What is stored reads back as what it was.

use super::support::*;
use crate::convert::{decode_proposal, decode_state, encode_proposal, encode_state};
use hoop_model::spec::{Algorithm, Audience, ClaimCondition, Identity, Issuer, KeySource};
use hoop_model::{Kind, Revision, Spec, Uid, UnixMillis};
use hoop_state::*;
use hoop_wire::v1;
use prost::Message;
use std::collections::BTreeMap;
use std::time::Duration;

fn issuer() -> NewObject {
    let spec = Spec::Issuer(Issuer {
        audience: Audience::Identities,
        url: "https://ci.test".into(),
        audiences: vec!["hoop".into()],
        algorithms: vec![Algorithm::ES256],
        max_token_lifetime: Duration::from_secs(600),
        token_type: None,
        jwks: KeySource::Discover {},
        ca: None,
    });
    NewObject { name: name("ci"), spec, uid: Uid::mint(10), ..policy("ci", "x") }
}

fn identity() -> NewObject {
    let spec = Spec::Identity(Identity {
        issuer: name("ci"),
        claims: BTreeMap::from([("sub".into(), ClaimCondition::Equals("bot".into()))]),
        run: "jti".into(),
        owner: "ops".into(),
        groups: Vec::new(),
        environment: None,
        expires: None,
        suspended: false,
    });
    NewObject { name: name("bot"), spec, uid: Uid::mint(11), ..policy("bot", "x") }
}

fn history() -> Vec<Change> {
    let bot = Reference { kind: Kind::Identity, name: name("bot") };
    let naming = NewObject { references: [bot].into(), precondition: Precondition::Absent, ..policy("p", "permit") };
    let at = |index| Revision { epoch: 1, index };
    let known = NewObject { precondition: Precondition::At(at(2)), ..policy("p", "forbid") };
    let target = Reference { kind: Kind::Policy, name: name("p") };
    let (again, precondition) = (target.clone(), Precondition::At(at(3)));
    vec![
        bootstrap(),
        apply(at(1), vec![issuer(), identity(), naming]),
        apply(at(2), vec![known]),
        Change::DeleteObject(DeleteObject { target, precondition: Precondition::Any, base: at(1) }),
        Change::DeleteObject(DeleteObject { target: again, precondition, base: at(3) }),
        mint(1),
        spend(1, "node-a"),
        mint(2),
        Change::Tick,
    ]
}

fn proposals() -> impl Iterator<Item = Proposal> {
    (0..).zip(history()).map(|(number, change)| Proposal {
        time: UnixMillis(NOW.0 + u64::from(number)),
        key: key(number),
        caller: "admin".into(),
        change,
    })
}

#[test]
fn every_change_reads_back() {
    for proposal in proposals() {
        assert_eq!(decode_proposal(&encode_proposal(&proposal)), Ok(proposal.clone()));
        let keyless = Proposal { key: None, ..proposal };
        assert_eq!(decode_proposal(&encode_proposal(&keyless)), Ok(keyless));
    }
}

#[test]
fn every_state_reads_back() {
    let mut state = State::default();
    assert_eq!(decode_state(&encode_state(&state)), Ok(state.clone()));
    let mut rejected = 0;
    for (index, proposal) in (1..).zip(proposals()) {
        let (reply, _) = state.apply(index, proposal);
        rejected += usize::from(matches!(reply, Reply::Rejected(_)));
        assert_eq!(decode_state(&encode_state(&state)), Ok(state.clone()), "after {reply:?}");
    }
    assert_eq!((rejected, state.objects().count(), state.nodes().count()), (1, 2, 1));
    assert_eq!((state.join_tokens().count(), state.remembered().count()), (1, 8));
}

#[test]
fn what_is_not_wholly_understood_does_not_decode() {
    let good = proposals().next().unwrap();
    let message = v1::Proposal::decode(encode_proposal(&good).as_slice()).unwrap();
    let broken = |change: &dyn Fn(&mut v1::Proposal)| {
        let mut message = message.clone();
        change(&mut message);
        decode_proposal(&message.encode_to_vec())
    };
    assert!(broken(&|_| {}).is_ok());
    assert!(broken(&|message| message.change = None).is_err());
    assert!(broken(&|message| message.idempotency_key = vec![1; 15]).is_err());
    let role = v1::proposal::MintJoinToken { token_hash: vec![1; 32], role: 7, ..Default::default() };
    assert!(broken(&|message| message.change = Some(v1::proposal::Change::MintJoinToken(role.clone()))).is_err());
    let mut longer = encode_proposal(&good);
    longer.extend([0xa8, 0x06, 0x01]); // field 101, a number
    assert!(v1::Proposal::decode(longer.as_slice()).is_ok());
    assert!(decode_proposal(&longer).is_err());
    let mut state = encode_state(&State::default());
    state.extend([0xa8, 0x06, 0x01]);
    assert!(decode_state(&state).is_err());
}
