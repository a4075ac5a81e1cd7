//! Proposals in few words.

use crate::*;
use hoop_model::spec::{Access, Algorithm, Audience, ClaimCondition, Connection, Identity, Issuer, Stale};
use hoop_model::spec::{KeySource, Labels, Origin, Policy, Protocol, Recording};
use hoop_model::{ChainHead, ChainId, ContentHash, EvidenceKey, Head, Incarnation, Kind, ResourceName, Revision};
use hoop_model::{SegmentRoot, Spec, Uid, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) const HOUR: u64 = 3_600_000;

pub(crate) fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).unwrap()
}

pub(crate) fn reference(kind: Kind, text: &str) -> Reference {
    Reference { kind, name: name(text) }
}

pub(crate) fn issuer(url: &str) -> Spec {
    Spec::Issuer(Issuer {
        audience: Audience::Identities,
        url: url.into(),
        audiences: vec!["hoop".into()],
        algorithms: vec![Algorithm::ES256],
        max_token_lifetime: Duration::from_secs(600),
        token_type: None,
        jwks: KeySource::Discover {},
        ca: None,
    })
}

pub(crate) fn identity(issuer: &str, owner: &str) -> Spec {
    Spec::Identity(Identity {
        issuer: name(issuer),
        claims: BTreeMap::from([("sub".into(), ClaimCondition::Equals("bot".into()))]),
        run: "jti".into(),
        owner: owner.into(),
        groups: Vec::new(),
        environment: None,
        expires: None,
        suspended: false,
    })
}

pub(crate) fn connection(upstream: &str) -> Spec {
    Spec::Connection(Connection {
        protocol: Protocol::Http,
        upstream: Origin::parse(upstream).unwrap(),
        upstream_ca: None,
        credential: None,
        mask: None,
        access: Access::Any,
        stale: Stale::Refuse,
        environment: Some(name("prod")),
        recording: Recording::Standard,
        session_grace: Duration::ZERO,
        response_timeout: Duration::from_secs(60),
        hold: Duration::from_secs(30),
        nodes: Labels::from([("zone".into(), "a".into())]),
    })
}

pub(crate) fn policy(text: &str) -> Spec {
    Spec::Policy(Policy { cedar: text.into() })
}

pub(crate) fn object(text: &str, spec: Spec, uid: u128) -> NewObject {
    let (precondition, references) = (Precondition::Any, BTreeSet::new());
    NewObject { name: name(text), spec, precondition, uid: Uid::mint(uid), references }
}

pub(crate) fn bootstrap() -> Change {
    Change::Bootstrap(Bootstrap {
        cluster_version: CLUSTER_VERSION,
        cluster_uid: Uid::mint(1),
        ca_certificate: vec![1],
        ca_key_sealed: vec![2],
        admin_token_hash: ContentHash([3; 32]),
        log_public_key: [4; 32],
        log_key_sealed: vec![5],
        digest_key_sealed: vec![6],
        secrets_key_sealed: vec![7],
        masking_key_sealed: vec![8],
    })
}

pub(crate) fn apply(base: Revision, objects: Vec<NewObject>) -> Change {
    Change::ApplyObjects(ApplyObjects { base, objects })
}

pub(crate) fn delete(base: Revision, target: Reference) -> Change {
    Change::DeleteObject(DeleteObject { target, precondition: Precondition::Any, base })
}

pub(crate) fn mint(token: u8, expires: u64) -> Change {
    let labels = Labels::from([("zone".into(), token.to_string())]);
    let token_hash = ContentHash([token; 32]);
    Change::MintJoinToken(MintJoinToken {
        token_hash,
        role: Role::DataPlane,
        labels,
        again: None,
        expires: UnixMillis(expires),
    })
}

/// A token with which a node joins again.
pub(crate) fn mint_again(token: u8, node: &str, expires: u64) -> Change {
    Change::MintJoinToken(MintJoinToken {
        token_hash: ContentHash([token; 32]),
        role: Role::DataPlane,
        labels: Labels::new(),
        again: Some(name(node)),
        expires: UnixMillis(expires),
    })
}

/// Removes the node that joined with a token.
pub(crate) fn remove(node: &str, token: u8, gives_up_records: bool) -> Change {
    Change::RemoveNode(RemoveNode { name: name(node), uid: Uid::mint(u128::from(token)), gives_up_records })
}

pub(crate) fn spend(token: u8, node: &str) -> Change {
    let (token_hash, node_uid) = (ContentHash([token; 32]), Uid::mint(u128::from(token)));
    Change::SpendJoinToken(SpendJoinToken { token_hash, role: Role::DataPlane, node: name(node), node_uid })
}

pub(crate) fn chain(node: &str, incarnation: u128, shard: u32) -> ChainId {
    ChainId { node: name(node), incarnation: Incarnation::mint(incarnation), shard }
}

pub(crate) fn position(sequence: u64, hash: u8) -> Head {
    Head { sequence, hash: ContentHash([hash; 32]) }
}

pub(crate) fn at(chain: &ChainId, sequence: u64, hash: u8) -> ChainHead {
    ChainHead { chain: chain.clone(), head: position(sequence, hash) }
}

pub(crate) fn root(chain: &ChainId, first: u64, last: u64, hash: u8) -> SegmentRoot {
    let (merkle_root, last) = (ContentHash([hash; 32]), position(last, hash));
    SegmentRoot { chain: chain.clone(), first, last, merkle_root, ends_chain: false }
}

pub(crate) fn ending(root: SegmentRoot) -> SegmentRoot {
    SegmentRoot { ends_chain: true, ..root }
}

pub(crate) fn key(node: &str, incarnation: u8) -> EvidenceKey {
    let public = [incarnation; 32];
    EvidenceKey { node: name(node), incarnation: Incarnation::mint(u128::from(incarnation)), public }
}

pub(crate) fn stored(size: u64, root: u8) -> Change {
    Change::LogStored(LogStored { size, root: ContentHash([root; 32]) })
}

pub(crate) fn proposal(time: u64, change: Change) -> Proposal {
    Proposal { time: UnixMillis(time), key: None, caller: "admin".into(), change }
}

pub(crate) fn keyed(time: u64, key: u8, caller: &str, change: Change) -> Proposal {
    Proposal { time: UnixMillis(time), key: Some(IdempotencyKey([key; 16])), caller: caller.into(), change }
}

/// A born cluster whose next free log index is 2.
pub(crate) fn born() -> State {
    let mut state = State::default();
    let (reply, notices) = state.apply(1, proposal(1_000, bootstrap()));
    let revision = Revision { epoch: 1, index: 1 };
    assert_eq!(reply, Reply::Done { revision });
    assert_eq!(notices, vec![Notice::RevisionMoved { base: Revision::default(), revision }]);
    state
}

/// Takes a state apart and puts it together, as a snapshot does.
pub(crate) fn restored(state: &State) -> State {
    State::restore(contents(state)).unwrap()
}

pub(crate) fn contents(state: &State) -> Contents {
    let evidence = state.evidence();
    Contents {
        cluster_version: state.cluster_version(),
        revision: state.revision(),
        log_time: state.log_time(),
        longest_stale: state.longest_stale(),
        birth: state.birth().cloned(),
        objects: state.stored_objects().cloned().collect(),
        join_tokens: state.join_tokens().map(|(hash, token)| (*hash, token.clone())).collect(),
        nodes: state.nodes().cloned().collect(),
        removed_nodes: state.removed_nodes().cloned().collect(),
        remembered: state.remembered().map(|(caller, key, known)| (caller.into(), key, known.clone())).collect(),
        evidence: EvidenceContents {
            size: evidence.size(),
            stored: evidence.stored(),
            unstored: evidence.unstored_from(0).cloned().collect(),
            chains: evidence.chains().map(|(id, chain)| (id.clone(), *chain)).collect(),
            keys: evidence.keys().cloned().collect(),
        },
        approvals: state.approvals().map(|approval| approval.as_ref().clone()).collect(),
        sign_ins: state.sign_ins().collect(),
        sealed_values: state.sealed_values().map(|(secret, value)| (secret, value.clone())).collect(),
        bootstrap_spent: state.is_bootstrap_spent(),
        admin_sessions: state.admin_sessions().map(|(hash, session)| (*hash, *session)).collect(),
        recoveries: state.recoveries().collect(),
    }
}
