//! What is stored reads back as what it was.

use super::support::*;
use crate::convert::{decode_proposal, decode_state, encode_proposal, encode_state};
use hoop_model::spec::{
    Algorithm, Audience, ClaimCondition, Identity, Issuer, KeySource, Origin, Secret, SecretSource,
};
use hoop_model::{
    ChainHead, ChainId, ContentHash, Head, Incarnation, Kind, Revision, SegmentRoot, Spec, Uid, UnixMillis,
};
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
        Change::AnchorEvidence(AnchorEvidence { heads: vec![head(&chain("node-a", 0), 9)], ..announce("node-a") }),
        Change::AnchorEvidence(everything()),
        stored(1),
        Change::AnchorEvidence(AnchorEvidence::default()),
        apply(at(5), vec![secret()]),
        set_secret(at(14)),
        mint(3),
        spend(3, "node-b"),
        Change::RemoveNode(RemoveNode { name: name("node-b"), uid: Uid::mint(3), gives_up_records: true }),
        rejoining(),
    ]
}

fn rejoining() -> Change {
    let Change::MintJoinToken(mint) = mint(4) else { panic!("not a token") };
    Change::MintJoinToken(MintJoinToken { again: Some(name("node-a")), ..mint })
}

fn secret() -> NewObject {
    let sent_to = vec![Origin::parse("https://a.test").unwrap()];
    let spec = Spec::Secret(Secret { source: SecretSource::Sealed, sent_to });
    NewObject { name: name("vault"), spec, uid: Uid::mint(12), ..policy("vault", "x") }
}

fn set_secret(base: Revision) -> Change {
    let (sealed, value_mac) = (vec![7; 40].into(), ContentHash([8; 32]));
    Change::SetSecret(SetSecret { name: name("vault"), generation: 2, sealed, value_mac, base })
}

/// Evidence of every kind: some of it taken, an end before its head, a contradiction, and every way of being left out
/// that needs no thousand chains.
fn everything() -> AnchorEvidence {
    let (torn, whole, other, stranger) =
        (chain("node-a", 0), chain("node-a", 1), chain("node-a", 2), chain("stranger", 0));
    let elsewhere = ChainId { incarnation: Incarnation::mint(5), ..chain("node-a", 0) };
    let conflicting = ChainHead { head: Head { hash: ContentHash([99; 32]), ..head(&torn, 9).head }, ..head(&torn, 9) };
    let mut other_key = announce("node-a").keys;
    other_key.extend(announce("stranger").keys);
    other_key.iter_mut().for_each(|key| key.public = [1; 32]);
    AnchorEvidence {
        keys: other_key,
        heads: vec![conflicting, head(&elsewhere, 1), head(&other, 0), head(&other, 3)],
        roots: vec![
            SegmentRoot { ends_chain: true, ..root(&torn, 1, 7) },
            root(&torn, 8, 9),
            root(&whole, 1, 7),
            root(&whole, 9, 9),
            root(&stranger, 1, 1),
        ],
        lost: vec![other],
        broken_off: vec![chain("node-a", 9)],
    }
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
    assert_eq!((rejected, state.objects().count(), state.nodes().count()), (1, 3, 1));
    assert_eq!((state.join_tokens().count(), state.remembered().count()), (2, 18));
    assert_eq!(state.removed_nodes().map(|removed| removed.name.as_str()).collect::<Vec<_>>(), ["node-b"]);
    assert_eq!(state.sealed_value(Uid::mint(12)).map(|value| (value.generation, value.sealed.len())), Some((2, 40)));
    // There is something of everything.
    let log = state.evidence();
    assert_eq!((log.size(), log.stored().size, log.keys().count()), (2, 1, 1));
    let entry = log.unstored_from(1).next().unwrap();
    assert_eq!((entry.heads.len(), entry.roots.len(), entry.gaps.len(), entry.conflicts.len()), (1, 2, 1, 1));
    let chains: Vec<(bool, bool)> = log.chains().map(|(_, chain)| (chain.stored.is_some(), chain.ended)).collect();
    assert_eq!(chains, [(true, true), (true, false), (false, false)]);
}

#[test]
fn a_remembered_reply_says_of_each_item_why_it_was_left_out() {
    let mut state = State::default();
    for (index, proposal) in (1..).zip(proposals()) {
        state.apply(index, proposal);
    }
    let decoded = decode_state(&encode_state(&state)).unwrap();
    let skipped = decoded.remembered().filter_map(|(_, _, known)| {
        let Reply::Anchored { size: 2, entry: Some(1), skipped } = &known.reply else { return None };
        Some(skipped.clone())
    });
    let (own, stranger) = (chain("node-a", 0), chain("stranger", 0));
    let key = |id: &ChainId| Item::Key { node: id.node.clone(), incarnation: id.incarnation };
    let elsewhere = ChainId { incarnation: Incarnation::mint(5), ..own.clone() };
    let segment = |id: &ChainId, first| Item::Root { chain: id.clone(), first };
    let whole = chain("node-a", 1);
    let expected = [
        (key(&own), Skip::KeyDiffers),
        (key(&stranger), Skip::UnknownNode),
        (Item::Head(elsewhere), Skip::Unannounced),
        (Item::Head(chain("node-a", 2)), Skip::NoSuchRecords),
        (segment(&own, 8), Skip::Ended),
        (segment(&whole, 9), Skip::OutOfOrder { expected: 8 }),
        (segment(&stranger, 1), Skip::UnknownNode),
        (Item::Lost(chain("node-a", 2)), Skip::Alive),
    ];
    let expected = expected.map(|(item, why)| Skipped { item, why });
    assert_eq!(skipped.collect::<Vec<_>>(), [expected.to_vec()]);
}

#[test]
fn evidence_that_is_not_wholly_understood_does_not_decode() {
    let proposal = Proposal { time: NOW, key: None, caller: "admin".into(), change: stored(1) };
    let message = v1::Proposal::decode(encode_proposal(&proposal).as_slice()).unwrap();
    let broken = |change: v1::proposal::Change| {
        decode_proposal(&v1::Proposal { change: Some(change), ..message.clone() }.encode_to_vec())
    };
    let short = v1::proposal::LogStored { size: 1, root: vec![6; 31] };
    assert!(broken(v1::proposal::Change::LogStored(short)).is_err());
    let good = v1::proposal::AnchorEvidence { lost: vec![(&chain("node-a", 0)).into()], ..Default::default() };
    assert!(broken(v1::proposal::Change::AnchorEvidence(good.clone())).is_ok());
    let mut nameless = good.clone();
    nameless.lost[0].node.clear();
    nameless.broken_off.append(&mut nameless.lost.clone());
    assert!(broken(v1::proposal::Change::AnchorEvidence(nameless.clone())).is_err());
    nameless.lost.clear();
    assert!(broken(v1::proposal::Change::AnchorEvidence(nameless)).is_err());
    let headless = v1::proposal::AnchorEvidence { heads: vec![v1::ChainHead::default()], ..good };
    assert!(broken(v1::proposal::Change::AnchorEvidence(headless)).is_err());

    let mut state = State::default();
    for (index, proposal) in (1..).zip(proposals()) {
        state.apply(index, proposal);
    }
    let message = v1::State::decode(encode_state(&state).as_slice()).unwrap();
    let broken = |change: &dyn Fn(&mut v1::state::EvidenceLog)| {
        let mut message = message.clone();
        change(message.evidence.as_mut().unwrap());
        decode_state(&message.encode_to_vec())
    };
    assert_eq!(broken(&|_| {}), Ok(state));
    assert!(broken(&|log| log.size = 3).is_err());
    assert!(broken(&|log| log.stored_root.clear()).is_err());
    assert!(broken(&|log| log.unstored[0].index = 0).is_err());
    assert!(broken(&|log| log.chains[0].head = None).is_err());
    assert!(broken(&|log| log.chains[0].stored = log.chains[1].stored.clone()).is_err());
    assert!(broken(&|log| log.keys[0].public.push(0)).is_err());
    let without = v1::State { evidence: None, ..message };
    assert!(decode_state(&without.encode_to_vec()).is_err());
}

#[test]
fn a_sealed_value_that_is_not_wholly_understood_does_not_decode() {
    let change = set_secret(Revision { epoch: 1, index: 1 });
    let good = Proposal { time: NOW, key: None, caller: "admin".into(), change };
    let message = v1::Proposal::decode(encode_proposal(&good).as_slice()).unwrap();
    let broken = |change: &dyn Fn(&mut v1::proposal::SetSecret)| {
        let mut message = message.clone();
        let Some(v1::proposal::Change::SetSecret(set)) = &mut message.change else { panic!("not a secret") };
        change(set);
        decode_proposal(&message.encode_to_vec())
    };
    assert_eq!(broken(&|_| {}), Ok(good));
    assert!(broken(&|set| set.name.clear()).is_err());
    assert!(broken(&|set| set.value_mac.clear()).is_err());
    assert!(broken(&|set| set.base = None).is_err());
    let mut state = State::default();
    for (index, proposal) in (1..).zip(proposals()) {
        state.apply(index, proposal);
    }
    let message = v1::State::decode(encode_state(&state).as_slice()).unwrap();
    let broken = |change: &dyn Fn(&mut v1::state::SealedValue)| {
        let mut message = message.clone();
        change(&mut message.sealed_values[0]);
        decode_state(&message.encode_to_vec())
    };
    assert_eq!(broken(&|_| {}), Ok(state));
    assert!(broken(&|value| value.secret_uid.clear()).is_err());
    assert!(broken(&|value| value.generation = 9).is_err());
    let mut keyless = message.clone();
    keyless.birth.as_mut().unwrap().secrets_key_sealed.clear();
    assert!(decode_state(&keyless.encode_to_vec()).is_err());
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
    let unsigned = |message: &mut v1::Proposal| {
        let Some(v1::proposal::Change::Bootstrap(bootstrap)) = &mut message.change else { panic!("not a birth") };
        bootstrap.log_public_key.clear();
    };
    assert!(broken(&unsigned).is_err());
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
