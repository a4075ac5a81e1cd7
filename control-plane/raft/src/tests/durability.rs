//! What was acknowledged is there afterwards.

use super::support::*;
use hoop_model::Kind;
use hoop_state::{AnchorEvidence, Change, Reply};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn a_write_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let replica = born(directory.path()).await;
    put(&replica, "p", "permit").await;
    replica.propose(mint(1), key(1), "admin", NOW).await.unwrap();
    let reply = replica.propose(spend(1, "node-a"), key(2), "join", NOW).await.unwrap();
    assert!(matches!(reply, Reply::Joined { .. }));
    let before = replica.state();
    let log = replica.status().last_log_index;
    replica.shutdown().await;
    drop(replica);

    let replica = started(directory.path()).await;
    assert_eq!(*replica.state(), *before);
    assert_eq!(*replica.changes().borrow(), before.revision());
    assert!(replica.status().applied_index >= log);
    // Memory too: the repeat is answered and changes nothing.
    assert_eq!(replica.propose(spend(1, "node-a"), key(2), "join", NOW).await, Ok(reply));
    replica.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_that_wait_together_share_a_commit() {
    let directory = tempfile::tempdir().unwrap();
    let replica = born(directory.path()).await;
    let before = replica.parts().disk.commits();
    let mut writes = tokio::task::JoinSet::new();
    for token in 0..64 {
        let replica = replica.clone();
        writes.spawn(async move { replica.propose(mint(token), None, "admin", NOW).await });
    }
    for reply in writes.join_all().await {
        assert!(matches!(reply, Ok(Reply::Done { .. })), "{reply:?}");
    }
    let commits = replica.parts().disk.commits() - before;
    assert_eq!(replica.state().join_tokens().count(), 64);
    assert!((1..32).contains(&commits), "64 writes took {commits} commits");
    replica.shutdown().await;
}

#[tokio::test]
async fn a_snapshot_and_a_short_log_make_the_same_state() {
    let directory = tempfile::tempdir().unwrap();
    let replica = started_short(directory.path()).await;
    replica.propose(bootstrap(), None, "boot", NOW).await.unwrap();
    for round in 0..70 {
        put(&replica, &format!("p{}", round % 7), &format!("permit {round}")).await;
        if round < 10 {
            replica.propose(mint(round), key(round), "admin", NOW).await.unwrap();
        }
    }
    let waiting = replica.parts().raft.wait(Some(Duration::from_secs(10)));
    let purged = waiting.metrics(
        |now| now.purged.is_some_and(|id| id.index >= 20) && now.snapshot.is_some_and(|id| id.index >= 40),
        "purged",
    );
    purged.await.unwrap();
    let before = replica.state();
    replica.shutdown().await;

    // Twice: the second start reads what the first one left.
    for _ in 0..2 {
        let replica = started_short(directory.path()).await;
        assert_eq!(*replica.state(), *before);
        let disk = &replica.parts().disk;
        let first = disk.entries(..).unwrap().first().unwrap().log_id.index;
        assert_eq!(first, disk.purged().unwrap().unwrap().index + 1);
        assert!(first > 20, "the log still begins at {first}");
        // openraft asks for what was built.
        let built = replica.parts().raft.get_snapshot().await.unwrap().unwrap();
        assert_eq!(built.meta.last_log_id, disk.snapshot().unwrap().unwrap().meta().unwrap().last_log_id);
        replica.shutdown().await;
    }
}

/// The machine dies right after the reply: whatever the file holds at that moment is all there is.
#[tokio::test]
async fn what_is_acknowledged_is_durable() {
    let directory = tempfile::tempdir().unwrap();
    let replica = born(directory.path()).await;
    for round in 0..8 {
        put(&replica, "p", &format!("permit {round}")).await;
        let crashed = tempfile::tempdir().unwrap();
        std::fs::copy(directory.path().join("raft.redb"), crashed.path().join("raft.redb")).unwrap();
        let acknowledged = replica.state();

        let other = started(crashed.path()).await;
        assert_eq!(*other.state(), *acknowledged, "round {round}");
        other.shutdown().await;
    }
    replica.shutdown().await;
}

#[tokio::test]
async fn who_holds_a_state_keeps_it() {
    let directory = tempfile::tempdir().unwrap();
    let replica = born(directory.path()).await;
    let held = replica.state();
    let mut changes = replica.changes();
    changes.mark_unchanged();
    put(&replica, "p", "permit").await;
    assert!(held.object(Kind::Policy, &name("p")).is_none());
    assert!(replica.state().object(Kind::Policy, &name("p")).is_some());
    assert!(changes.has_changed().unwrap());
    assert_eq!(*changes.borrow_and_update(), replica.state().revision());
    // Time alone is no news.
    replica.propose(Change::Tick, None, "timer", NOW).await.unwrap();
    assert!(!changes.has_changed().unwrap());
    // Without holders the state is changed in place.
    drop(held);
    assert_eq!(Arc::strong_count(&replica.state()), 2);
    replica.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_waits_together_shares_a_commit_and_each_has_its_entry() {
    let directory = tempfile::tempdir().unwrap();
    let replica = announced(directory.path()).await;
    let before = replica.parts().disk.commits();
    let mut writes = tokio::task::JoinSet::new();
    for shard in 0..64 {
        let replica = replica.clone();
        let change = heads(vec![head(&chain("node-a", shard), 5)]);
        writes.spawn(async move { replica.propose(change, None, "server", NOW).await });
    }
    let mut entries = Vec::new();
    for reply in writes.join_all().await {
        let Ok(Reply::Anchored { entry: Some(entry), skipped, .. }) = reply else { panic!("not logged: {reply:?}") };
        assert_eq!(skipped, vec![]);
        entries.push(entry);
    }
    entries.sort_unstable();
    assert_eq!(entries, (1..65).collect::<Vec<_>>());
    let commits = replica.parts().disk.commits() - before;
    assert!((1..32).contains(&commits), "64 writes took {commits} commits");
    assert_eq!(replica.state().evidence().chains_of(&name("node-a")).count(), 64);
    replica.shutdown().await;
}

#[tokio::test]
async fn the_evidence_log_survives_a_restart_from_a_snapshot_and_from_the_log() {
    let directory = tempfile::tempdir().unwrap();
    announced(directory.path()).await.shutdown().await;
    let replica = started_short(directory.path()).await;
    let id = chain("node-a", 0);
    for sequence in 1..=50 {
        let roots = if sequence % 7 == 0 { vec![root(&id, sequence - 6, sequence)] } else { vec![] };
        let heads = vec![head(&id, sequence)];
        let change = Change::AnchorEvidence(AnchorEvidence { heads, roots, ..AnchorEvidence::default() });
        let reply = replica.propose(change, None, "server", NOW).await.unwrap();
        assert_eq!(reply, Reply::Anchored { size: sequence + 1, entry: Some(sequence), skipped: vec![] });
        if sequence % 10 == 0 {
            let reply = replica.propose(stored(sequence - 3), None, "server", NOW).await.unwrap();
            assert!(matches!(reply, Reply::Done { .. }), "{reply:?}");
        }
    }
    let waiting = replica.parts().raft.wait(Some(Duration::from_secs(10)));
    waiting.metrics(|now| now.snapshot.is_some_and(|id| id.index >= 40), "a snapshot").await.unwrap();
    let before = replica.state();
    replica.shutdown().await;

    let replica = started_short(directory.path()).await;
    assert_eq!(*replica.state(), *before);
    let state = replica.state();
    let log = state.evidence();
    assert_eq!((log.size(), log.stored().size, *replica.evidence().borrow()), (51, 47, 51));
    assert!(log.unstored_from(0).map(|entry| entry.index).eq(47..51));
    let known = log.chain(&id).unwrap();
    assert_eq!((known.head, known.stored.unwrap().sequence), (head(&id, 50).head, 49));
    replica.shutdown().await;
}

#[tokio::test]
async fn whoever_waits_for_the_evidence_log_hears_of_each_entry_and_of_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let replica = announced(directory.path()).await;
    let (mut evidence, mut changes) = (replica.evidence(), replica.changes());
    assert_eq!(*evidence.borrow_and_update(), 1);
    changes.mark_unchanged();
    let change = heads(vec![head(&chain("node-a", 0), 5)]);
    replica.propose(change.clone(), None, "server", NOW).await.unwrap();
    evidence.changed().await.unwrap();
    assert_eq!(*evidence.borrow_and_update(), 2);
    assert_eq!(replica.state().evidence().unstored_from(1).count(), 1, "when it is seen, it is there");
    for change in [change, stored(1), Change::Tick] {
        replica.propose(change, None, "server", NOW).await.unwrap();
        assert!(!evidence.has_changed().unwrap());
    }
    assert!(!changes.has_changed().unwrap(), "evidence is not policy");
    replica.shutdown().await;
}
