//! Proposing, reading, stopping.

use super::support::*;
use crate::{ProposeError, Unavailable};
use hoop_model::{Revision, UnixMillis};
use hoop_state::{Change, Rejection, Reply};
use std::collections::BTreeSet;

#[tokio::test]
async fn a_single_voter_leads_itself() {
    let directory = tempfile::tempdir().unwrap();
    let replica = started(directory.path()).await;
    let status = replica.status();
    assert_eq!((status.leader, status.voters), (Some(NODE), BTreeSet::from([NODE])));
    assert!(status.applied_index <= status.last_log_index);
    assert_eq!(replica.state().cluster_version(), 0);
    replica.read_index().await.unwrap();
    replica.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_on_one_base_one_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let replica = born(directory.path()).await;
    let base = replica.state().revision();
    let mut writes = tokio::task::JoinSet::new();
    for number in 0..50 {
        let replica = replica.clone();
        let change = apply(base, vec![policy(&format!("p{number}"), "permit")]);
        writes.spawn(async move { replica.propose(change, None, "admin", NOW).await.unwrap() });
    }
    let replies = writes.join_all().await;
    let made = replies.iter().filter(|reply| matches!(reply, Reply::Applied { .. })).count();
    let moved = replies.iter().filter(|r| matches!(r, Reply::Rejected(Rejection::BaseMoved { .. }))).count();
    assert_eq!((made, moved), (1, 49));
    assert_eq!(replica.state().objects().count(), 1);
    replica.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_nodes_with_one_token_one_joins() {
    let directory = tempfile::tempdir().unwrap();
    let replica = born(directory.path()).await;
    replica.propose(mint(1), None, "admin", NOW).await.unwrap();
    let mut joins = tokio::task::JoinSet::new();
    for number in 0..50 {
        let replica = replica.clone();
        let change = spend(1, &format!("node-{number}"));
        joins.spawn(async move { replica.propose(change, None, "join", NOW).await.unwrap() });
    }
    let replies = joins.join_all().await;
    assert_eq!(replies.iter().filter(|reply| matches!(reply, Reply::Joined { .. })).count(), 1);
    assert_eq!(replica.state().nodes().count(), 1);
    replica.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_read_back_is_not_proposed() {
    let directory = tempfile::tempdir().unwrap();
    let replica = born(directory.path()).await;
    let before = replica.status().last_log_index;
    let empty = apply(replica.state().revision(), vec![policy("p", " ")]);
    let refused = replica.propose(empty, None, "admin", NOW).await;
    assert_eq!(refused, Err(ProposeError::Unstorable { problem: "`cedar` must not be empty".into() }));
    let mut unborn = bootstrap();
    if let Change::Bootstrap(bootstrap) = &mut unborn {
        bootstrap.cluster_version = 99;
    }
    assert!(matches!(replica.propose(unborn, None, "x", NOW).await, Err(ProposeError::Unstorable { .. })));
    assert_eq!(replica.status().last_log_index, before);
    replica.shutdown().await;
}

#[tokio::test]
async fn a_stopped_replica_says_that_it_did_not_propose() {
    let directory = tempfile::tempdir().unwrap();
    let replica = born(directory.path()).await;
    replica.shutdown().await;
    let stopped = Err(ProposeError::NotProposed(Unavailable::Stopped));
    assert_eq!(replica.propose(Change::Tick, None, "timer", NOW).await, stopped);
    assert_eq!(replica.read_index().await, Err(Unavailable::Stopped));
    // Twice does no harm, and what is known stays readable.
    replica.shutdown().await;
    assert_eq!(replica.state().revision(), Revision { epoch: 1, index: replica.state().revision().index });
}

#[tokio::test]
async fn a_clock_that_jumps_does_not_take_log_time_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let replica = born(directory.path()).await;
    let day_later = UnixMillis(NOW.0 + 86_400_000);
    replica.propose(Change::Tick, None, "timer", day_later).await.unwrap();
    let log_time = replica.state().log_time();
    assert!(log_time >= NOW && log_time.0 < NOW.0 + 60_000, "{log_time:?}");
    replica.shutdown().await;
}
