//! The log's file against states of every age.

use super::*;
use hoop_model::{ContentHash, EvidenceKey, Incarnation, ResourceName, Uid, UnixMillis};
use hoop_state::{
    AnchorEvidence, Bootstrap, CLUSTER_VERSION, Change, MintJoinToken, Proposal, Reply, Role, SpendJoinToken, State,
};
use std::time::Duration;

const SEED: [u8; 32] = [3; 32];

fn identity() -> LogIdentity {
    LogIdentity { origin: "hoopgate/test/evidence".into(), key: SigningKey::from_seed(&SEED).unwrap() }
}

fn apply(state: &mut State, change: Change) {
    let proposal = Proposal { time: UnixMillis(1_000), key: None, caller: "test".into(), change };
    let (reply, _) = state.apply(state.revision().index + 1, proposal);
    assert!(!matches!(reply, Reply::Rejected(_)), "{reply:?}");
}

/// Returns a state whose log has so many entries, of which none is stored.
fn state(entries: u64) -> State {
    let (node, token_hash) = (ResourceName::parse("n1").unwrap(), ContentHash([1; 32]));
    let mut state = State::default();
    let bootstrap = Bootstrap {
        cluster_version: CLUSTER_VERSION,
        cluster_uid: Uid::mint(1),
        ca_certificate: vec![1],
        ca_key_sealed: vec![1],
        admin_token_hash: ContentHash([2; 32]),
        log_public_key: SigningKey::from_seed(&SEED).unwrap().verifying_key().0,
        log_key_sealed: vec![1],
        digest_key_sealed: vec![1],
        secrets_key_sealed: vec![1],
        masking_key_sealed: vec![1],
    };
    apply(&mut state, Change::Bootstrap(bootstrap));
    let expires = state.log_time().after(Duration::from_secs(60));
    let mint = MintJoinToken { token_hash, role: Role::DataPlane, labels: Default::default(), again: None, expires };
    apply(&mut state, Change::MintJoinToken(mint));
    let spend = SpendJoinToken { token_hash, role: Role::DataPlane, node: node.clone(), node_uid: Uid::mint(2) };
    apply(&mut state, Change::SpendJoinToken(spend));
    for number in 0..entries {
        let key = EvidenceKey { node: node.clone(), incarnation: Incarnation::mint(number.into()), public: [7; 32] };
        apply(&mut state, Change::AnchorEvidence(AnchorEvidence { keys: vec![key], ..Default::default() }));
    }
    state
}

fn unstored(state: &State) -> Vec<Arc<LogEntry>> {
    state.evidence().unstored_from(0).cloned().collect()
}

/// Returns a directory that holds so many entries, and the state of `size` entries that has confirmed `stored` of them.
fn kept(held: u64, stored: u64, size: u64) -> (tempfile::TempDir, State) {
    let directory = tempfile::tempdir().unwrap();
    let mut state = state(size);
    let entries = unstored(&state);
    let log = Log::open(directory.path(), identity(), State::default().evidence()).unwrap();
    for upto in [stored, held] {
        let said = log.append(&entries[..upto as usize]).unwrap();
        if upto == stored {
            apply(&mut state, Change::LogStored(said));
        }
    }
    (directory, state)
}

#[test]
fn what_the_state_has_still_to_store_may_be_there_or_not() {
    for (held, stored) in [(0, 0), (2, 2), (3, 2), (5, 2), (5, 5)] {
        let (directory, state) = kept(held, stored, 5);
        let log = Log::open(directory.path(), identity(), state.evidence()).unwrap();
        assert_eq!(log.kept().size, held, "{stored} stored");
        let entries: Vec<_> = state.evidence().unstored_from(held).cloned().collect();
        assert_eq!(log.append(&entries).unwrap().size, 5);
        assert_eq!(log.append(&unstored(&state)).unwrap().size, 5, "a repeat changes nothing");
        drop(log);
        let (whole, _) = kept(5, 5, 5);
        let read = |directory: &Path| std::fs::read(directory.join(ENTRIES)).unwrap();
        assert_eq!(read(directory.path()), read(whole.path()));
    }
}

#[test]
fn entries_that_the_state_does_not_know_are_not_cut_off() {
    let (directory, _) = kept(5, 5, 5);
    let before = std::fs::read(directory.path().join(ENTRIES)).unwrap();
    for size in [0, 3] {
        let refused = Log::open(directory.path(), identity(), state(size).evidence()).err().unwrap();
        assert!(matches!(refused, EvidenceError::Ahead { index, size: said, .. } if (index, said) == (size, size)));
    }
    assert_eq!(std::fs::read(directory.path().join(ENTRIES)).unwrap(), before);
}

#[test]
fn a_checkpoint_may_cover_what_only_the_state_has_left() {
    let (directory, state) = kept(5, 2, 5);
    let path = directory.path().join(ENTRIES);
    let mut entries = Entries::new(File::open(&path).unwrap(), std::fs::metadata(&path).unwrap().len());
    for _ in 0..3 {
        entries.next().unwrap().unwrap();
    }
    OpenOptions::new().write(true).open(&path).unwrap().set_len(entries.offset()).unwrap();
    let log = Log::open(directory.path(), identity(), state.evidence()).unwrap();
    assert_eq!(log.kept().size, 3);
}

#[test]
fn entries_must_follow_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let state = state(3);
    let log = Log::open(directory.path(), identity(), state.evidence()).unwrap();
    assert!(log.append(&unstored(&state)[1..]).is_err());
    assert_eq!(log.append(&unstored(&state)).unwrap().size, 3);
    log.close();
    assert!(matches!(log.append(&unstored(&super::tests::state(4))), Err(EvidenceError::Closed)));
    Log::open(directory.path(), identity(), state.evidence()).unwrap();
}

#[test]
fn a_log_is_opened_by_its_own_key_only() {
    let (directory, state) = kept(2, 2, 2);
    let key = SigningKey::from_seed(&[4; 32]).unwrap();
    let other = LogIdentity { key, ..identity() };
    let refused = Log::open(directory.path(), other, state.evidence()).err().unwrap();
    assert!(matches!(refused, EvidenceError::Checkpoint { .. }), "{refused}");
}
