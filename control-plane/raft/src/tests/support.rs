//! Changes in few words, and replicas in temporary directories.

use crate::start::{Retention, start};
use crate::{Replica, ReplicaConfig, StartError};
use hoop_model::spec::{Labels, Policy};
use hoop_model::{
    ChainHead, ChainId, ContentHash, EvidenceKey, Head, Incarnation, ResourceName, Revision, SegmentRoot,
};
use hoop_model::{Spec, Uid, UnixMillis};
use hoop_state::*;
use std::collections::BTreeSet;
use std::path::Path;

pub(super) const NODE: u64 = 1;
pub(super) const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
/// Bytes to find in the file.
pub(super) const MARK: &[u8] = b"certificate-of-the-cluster";

pub(super) fn config(directory: &Path) -> ReplicaConfig {
    ReplicaConfig { node_id: NODE, data_dir: directory.to_owned(), address: None }
}

pub(super) async fn started(directory: &Path) -> Replica {
    Replica::start(config(directory)).await.unwrap()
}

pub(super) async fn started_short(directory: &Path) -> Replica {
    start(config(directory), Retention { snapshot_every: 20, keep: 5 }).await.unwrap()
}

pub(super) async fn refused(directory: &Path) -> String {
    match Replica::start(config(directory)).await {
        Err(StartError::Storage { source, .. }) => source.to_string(),
        Err(error) => panic!("refused for another reason: {error}"),
        Ok(_) => panic!("it started"),
    }
}

/// A replica of a cluster that is born.
pub(super) async fn born(directory: &Path) -> Replica {
    let replica = started(directory).await;
    assert!(matches!(replica.propose(bootstrap(), None, "boot", NOW).await, Ok(Reply::Done { .. })));
    replica
}

pub(super) fn bootstrap() -> Change {
    Change::Bootstrap(Bootstrap {
        cluster_version: CLUSTER_VERSION,
        cluster_uid: Uid::mint(1),
        ca_certificate: MARK.to_vec(),
        ca_key_sealed: vec![2],
        admin_token_hash: ContentHash([3; 32]),
        log_public_key: [4; 32],
        log_key_sealed: vec![5],
        digest_key_sealed: vec![6],
        secrets_key_sealed: vec![7],
        masking_key_sealed: vec![8],
    })
}

pub(super) fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).unwrap()
}

pub(super) fn policy(text: &str, cedar: &str) -> NewObject {
    let spec = Spec::Policy(Policy { cedar: cedar.into() });
    let (precondition, references) = (Precondition::Any, BTreeSet::new());
    NewObject { name: name(text), spec, precondition, uid: Uid::mint(9), references }
}

pub(super) fn apply(base: Revision, objects: Vec<NewObject>) -> Change {
    Change::ApplyObjects(ApplyObjects { base, objects })
}

/// Puts a policy in place, and expects that it works.
pub(super) async fn put(replica: &Replica, text: &str, cedar: &str) {
    let change = apply(replica.state().revision(), vec![policy(text, cedar)]);
    let reply = replica.propose(change, None, "admin", NOW).await.unwrap();
    assert!(matches!(reply, Reply::Applied { .. }), "{reply:?}");
}

pub(super) fn mint(token: u8) -> Change {
    Change::MintJoinToken(MintJoinToken {
        token_hash: ContentHash([token; 32]),
        role: Role::DataPlane,
        labels: Labels::from([("zone".into(), "a".into())]),
        again: None,
        expires: UnixMillis(NOW.0 + 60_000),
    })
}

pub(super) fn spend(token: u8, node: &str) -> Change {
    let (token_hash, node_uid) = (ContentHash([token; 32]), Uid::mint(u128::from(token)));
    Change::SpendJoinToken(SpendJoinToken { token_hash, role: Role::DataPlane, node: name(node), node_uid })
}

pub(super) fn chain(node: &str, shard: u32) -> ChainId {
    ChainId { node: name(node), incarnation: Incarnation::mint(1), shard }
}

pub(super) fn head(chain: &ChainId, sequence: u64) -> ChainHead {
    ChainHead { chain: chain.clone(), head: Head { sequence, hash: ContentHash([sequence.to_be_bytes()[7]; 32]) } }
}

pub(super) fn root(chain: &ChainId, first: u64, last: u64) -> SegmentRoot {
    let ChainHead { chain, head: last } = head(chain, last);
    SegmentRoot { chain, first, last, merkle_root: ContentHash([8; 32]), ends_chain: false }
}

/// Announces the incarnation that every chain here is of.
pub(super) fn announce(node: &str) -> AnchorEvidence {
    let (node, incarnation) = (name(node), Incarnation::mint(1));
    AnchorEvidence { keys: vec![EvidenceKey { node, incarnation, public: [7; 32] }], ..AnchorEvidence::default() }
}

pub(super) fn heads(heads: Vec<ChainHead>) -> Change {
    Change::AnchorEvidence(AnchorEvidence { heads, ..AnchorEvidence::default() })
}

pub(super) fn stored(size: u64) -> Change {
    Change::LogStored(LogStored { size, root: ContentHash([6; 32]) })
}

/// A replica of a cluster with a node `node-a` whose incarnation is announced: the evidence log has one entry.
pub(super) async fn announced(directory: &Path) -> Replica {
    let replica = born(directory).await;
    for change in [mint(1), spend(1, "node-a"), Change::AnchorEvidence(announce("node-a"))] {
        let reply = replica.propose(change, None, "boot", NOW).await.unwrap();
        assert!(!matches!(reply, Reply::Rejected(_)), "{reply:?}");
    }
    assert_eq!(replica.state().evidence().size(), 1);
    replica
}

pub(super) fn key(number: u8) -> Option<IdempotencyKey> {
    Some(IdempotencyKey([number; 16]))
}
