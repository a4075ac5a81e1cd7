//! A file that is not what was written is not used.

use super::support::*;
use crate::disk::Disk;
use crate::record::{Place, open_entry, seal_entry};
use crate::types::{Batch, Entry, LogId};
use crate::{Replica, ReplicaConfig, StartError};
use hoop_wire::v1;
use openraft::{CommittedLeaderId, EntryPayload};
use prost::Message;
use std::path::Path;

fn file(directory: &Path) -> std::path::PathBuf {
    directory.join("raft.redb")
}

fn find(bytes: &[u8], mark: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|&at| bytes[at..].starts_with(mark)).collect()
}

async fn filled() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let replica = born(directory.path()).await;
    for round in 0..20 {
        put(&replica, "p", &format!("permit {round}")).await;
    }
    replica.shutdown().await;
    directory
}

#[tokio::test]
async fn a_flipped_byte_in_the_stored_log_refuses_to_start() {
    let directory = filled().await;
    let path = file(directory.path());
    let whole = std::fs::read(&path).unwrap();
    let places = find(&whole, MARK);
    assert!(!places.is_empty());
    // Every copy, for pages that are free may hold old ones.
    let mut bytes = whole.clone();
    places.iter().for_each(|&at| bytes[at] ^= 1);
    std::fs::write(&path, bytes).unwrap();
    let why = refused(directory.path()).await;
    assert!(why.contains("damaged"), "{why}");
    std::fs::write(&path, whole).unwrap();
    started(directory.path()).await.shutdown().await;
}

/// Wherever a bit flips: either the file is refused, or the bit was in no page that is used.
#[tokio::test]
async fn a_bit_that_flips_anywhere_is_found_or_does_not_matter() {
    let directory = filled().await;
    let whole = std::fs::read(file(directory.path())).unwrap();
    let entries = |disk: &Disk| disk.entries(..).unwrap();
    let (disk, _) = Disk::open(directory.path(), NODE).unwrap();
    let expected = entries(&disk);
    drop(disk);
    let (mut found, mut harmless) = (0, 0);
    let used: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] != 0).collect();
    for at in used.iter().step_by(used.len() / 150 + 1) {
        let crashed = tempfile::tempdir().unwrap();
        let mut bytes = whole.clone();
        bytes[*at] ^= 1 << (at % 8);
        std::fs::write(file(crashed.path()), bytes).unwrap();
        let path = crashed.path().to_owned();
        let opened = tokio::task::spawn_blocking(move || Disk::open(&path, NODE)).await;
        match opened {
            Ok(Ok((disk, _))) => {
                assert_eq!(format!("{:?}", entries(&disk)), format!("{expected:?}"), "a flip at {at} went unnoticed");
                harmless += 1;
            }
            Ok(Err(_)) | Err(_) => found += 1,
        }
    }
    assert!(found >= 20, "{found} found, {harmless} harmless");
}

#[tokio::test]
async fn a_file_cut_short_or_emptied_is_no_new_cluster() {
    let directory = filled().await;
    let path = file(directory.path());
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 1, 4096, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        refused(directory.path()).await;
    }
}

#[tokio::test]
async fn a_log_is_one_nodes_and_open_once() {
    let directory = tempfile::tempdir().unwrap();
    let replica = born(directory.path()).await;
    assert_eq!(refused(directory.path()).await, "the log is in use by another process");
    replica.shutdown().await;
    let other = ReplicaConfig { node_id: NODE + 1, ..config(directory.path()) };
    match Replica::start(other).await {
        Err(StartError::Storage { source, .. }) => {
            assert_eq!(source.to_string(), "the log belongs to node 1, not to node 2");
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it started"),
    }
    started(directory.path()).await.shutdown().await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = filled().await;
    let mode = std::fs::metadata(file(directory.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_record_opens_only_where_it_belongs_and_whole() {
    let log_id = LogId::new(CommittedLeaderId::new(1, 1), 7);
    let entry = Entry { log_id, payload: EntryPayload::Normal(Batch(vec![vec![1, 2, 3]])) };
    let record = seal_entry(&entry);
    assert_eq!(open_entry(7, &record).unwrap().log_id, log_id);
    let why = open_entry(8, &record).unwrap_err().to_string();
    assert_eq!(why, "the record of the log entry 8 is damaged: its checksum does not match");
    assert!(Place::Vote.open::<crate::record::VoteRecord>(&record).is_err());
    for at in 0..record.len() {
        let mut flipped = record.clone();
        flipped[at] ^= 1;
        assert!(open_entry(7, &flipped).is_err(), "byte {at}");
        assert!(open_entry(7, &record[..at]).is_err(), "cut at {at}");
    }
}

/// An entry of a newer version stops the node when it is applied, and keeps it from starting.
#[tokio::test]
async fn an_entry_of_an_unknown_kind_stops_the_node() {
    let directory = tempfile::tempdir().unwrap();
    let replica = born(directory.path()).await;
    let before = replica.state();
    let mut unknown = v1::Proposal { time_ms: NOW.0, caller: "newer".into(), ..v1::Proposal::default() };
    unknown.change = None;
    let mut bytes = unknown.encode_to_vec();
    bytes.extend([0xfa, 0x01, 0x00]); // field 31, a message, empty
    let written = replica.parts().raft.client_write(Batch(vec![bytes])).await;
    assert!(written.is_err());
    assert_eq!(*replica.state(), *before);
    let refusal = replica.propose(hoop_state::Change::Tick, None, "admin", NOW).await;
    assert_eq!(refusal, Err(crate::ProposeError::NotProposed(crate::Unavailable::Stopped)));
    assert!(replica.read_index().await.is_err());
    replica.shutdown().await;
    let why = refused(directory.path()).await;
    assert!(why.contains("parts this software does not know"), "{why}");
}
