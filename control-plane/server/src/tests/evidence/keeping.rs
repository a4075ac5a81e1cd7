//! Keeping: what a restart finds of the store, and what it does not put up with (AU-01, AU-03, AU-07).

use super::super::{Plane, config};
use super::{CLOSED, Shipped, allowed, opened, process};
use crate::{ControlPlane, EvidenceError, StartError};
use hoop_audit::segment_path;
use std::path::{Path, PathBuf};

/// A control plane that stored two segments and was stopped.
struct Stopped {
    dir: tempfile::TempDir,
    segments: Vec<PathBuf>,
}

async fn stopped() -> Stopped {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    let mut writer = process.writer(0);
    let first = process.segment(&mut writer, 5, &[opened("nightly"), allowed(1)]);
    let second = process.segment(&mut writer, 5, &[allowed(2), CLOSED]);
    for answer in plane.ship(&shipper.node, &[&first, &second]).await {
        assert_eq!(answer.outcome(), Shipped::Stored);
    }
    let segments = [1, 3].map(|at| plane.store_path(&segment_path(&writer.id, at))).to_vec();
    let Plane { dir, running, .. } = plane;
    running.stop().await;
    Stopped { dir, segments }
}

impl Stopped {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("evidence").join(name)
    }

    fn entries(&self) -> Vec<u8> {
        std::fs::read(self.path("log/entries")).unwrap()
    }

    /// Returns where the entries end, the start of the file included.
    fn ends(&self) -> Vec<usize> {
        let (bytes, mut ends) = (self.entries(), vec![0]);
        while let Some(length) = bytes[*ends.last().unwrap()..].first_chunk() {
            ends.push(ends.last().unwrap() + 4 + u32::from_le_bytes(*length) as usize);
        }
        ends
    }

    async fn refused(&self) -> EvidenceError {
        match ControlPlane::start(config(self.dir.path())).await {
            Err(StartError::Evidence(error)) => error,
            Err(other) => panic!("{other:?}"),
            Ok(running) => {
                running.stop().await;
                panic!("it started")
            }
        }
    }

    async fn starts(&self) {
        ControlPlane::start(config(self.dir.path())).await.unwrap().stop().await;
    }
}

#[tokio::test]
async fn an_intact_store_is_taken_up_where_it_was_left() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    let mut writer = process.writer(0);
    let first = process.segment(&mut writer, 5, &[opened("nightly")]);
    assert_eq!(plane.ship_one(&shipper.node, &first).await.0, Shipped::Stored);
    let key = plane.running.evidence_key.clone();
    let plane = plane.restart().await.unwrap();
    assert_eq!(plane.running.evidence_key, key);
    let state = plane.running.cluster.state();
    assert_eq!(state.evidence().stored().size, state.evidence().size(), "a stop keeps what there is");
    let second = process.segment(&mut writer, 5, &[allowed(1)]);
    let answers = plane.ship(&shipper.node, &[&first, &second]).await;
    assert!(answers.iter().all(|answer| answer.outcome() == Shipped::Stored), "{answers:?}");
}

#[tokio::test]
async fn au_01_a_store_with_any_altered_entry_is_not_served_from() {
    let stopped = stopped().await;
    let whole = stopped.entries();
    for at in (0..whole.len()).step_by(11) {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        std::fs::write(stopped.path("log/entries"), &altered).unwrap();
        let error = stopped.refused().await;
        assert!(matches!(error, EvidenceError::Altered { .. } | EvidenceError::Lost { .. }), "byte {at}: {error}");
    }
    std::fs::write(stopped.path("log/entries"), &whole).unwrap();
    stopped.starts().await;
}

#[tokio::test]
async fn au_03_a_store_that_lost_entries_is_not_served_from() {
    let stopped = stopped().await;
    let (whole, ends) = (stopped.entries(), stopped.ends());
    let stored = ends.len() - 1;
    assert!(stored >= 3, "{ends:?}");
    for (left, end) in ends.iter().enumerate().take(stored) {
        std::fs::write(stopped.path("log/entries"), &whole[..*end]).unwrap();
        let error = stopped.refused().await;
        let EvidenceError::Lost { found, stored: said, .. } = error else { panic!("{error}") };
        assert_eq!((found, said), (left as u64, stored as u64));
    }
    std::fs::remove_dir_all(stopped.path("")).unwrap();
    assert!(matches!(stopped.refused().await, EvidenceError::Lost { found: 0, .. }));
}

#[tokio::test]
async fn a_store_that_knows_more_than_the_state_is_not_served_from() {
    let stopped = stopped().await;
    let (whole, ends) = (stopped.entries(), stopped.ends());
    let more = [&whole[..], &whole[..ends[1]]].concat();
    std::fs::write(stopped.path("log/entries"), more).unwrap();
    assert!(matches!(stopped.refused().await, EvidenceError::Ahead { .. }));
}

#[tokio::test]
async fn a_tail_that_was_not_written_whole_is_cut_off() {
    let stopped = stopped().await;
    let (whole, ends) = (stopped.entries(), stopped.ends());
    for torn in [&whole[..ends[1] - 1], &whole[..2], &[0; 512]] {
        std::fs::write(stopped.path("log/entries"), [&whole, torn].concat()).unwrap();
        stopped.starts().await;
        assert_eq!(stopped.entries(), whole);
    }
}

#[tokio::test]
async fn a_checkpoint_that_is_not_this_logs_is_not_overwritten() {
    let stopped = stopped().await;
    let note = std::fs::read_to_string(stopped.path("log/checkpoint")).unwrap();
    let other = Plane::start().await;
    let foreign = std::fs::read_to_string(other.store_path("log/checkpoint")).unwrap();
    let mut lines: Vec<String> = note.lines().map(str::to_owned).collect();
    let root = lines[2].split_off(1);
    lines[2] = format!("{}{root}", if lines[2] == "A" { "B" } else { "A" });
    let other_root = lines.join("\n") + "\n";
    for wrong in [foreign, note.replacen('\n', "\n1", 1), other_root, String::new()] {
        std::fs::write(stopped.path("log/checkpoint"), wrong).unwrap();
        assert!(matches!(stopped.refused().await, EvidenceError::Checkpoint { .. }));
    }
    std::fs::remove_file(stopped.path("log/checkpoint")).unwrap();
    stopped.starts().await;
    assert_eq!(std::fs::read_to_string(stopped.path("log/checkpoint")).unwrap(), note, "one can be signed again");
}

#[tokio::test]
async fn a_segment_that_was_stored_and_not_anchored_is_anchored_by_the_next_start() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    let mut writer = process.writer(0);
    let first = process.segment(&mut writer, 5, &[opened("nightly")]);
    let second = process.segment(&mut writer, 5, &[allowed(1)]);
    assert_eq!(plane.ship_one(&shipper.node, &first).await.0, Shipped::Stored);
    std::fs::write(plane.store_path(&segment_path(&writer.id, 2)), &second).unwrap();
    let plane = plane.restart().await.unwrap();
    let head = writer.head();
    plane.until(|state| state.evidence().chain(&writer.id).filter(|chain| chain.stored == Some(head)).copied()).await;
    assert_eq!(plane.ship_one(&shipper.node, &second).await.0, Shipped::Stored);
}

#[tokio::test]
async fn two_processes_do_not_share_a_store() {
    let one = Plane::start().await;
    let other = tempfile::tempdir().unwrap();
    super::super::write_seal_key(&other.path().join("seal.key"), "b");
    let config = crate::Config { evidence_dir: one.dir.path().join("evidence"), ..config(other.path()) };
    let refused = ControlPlane::start(config).await.err().unwrap();
    assert!(matches!(refused, StartError::Evidence(EvidenceError::InUse { .. })), "{refused:?}");
}

#[tokio::test]
async fn an_index_that_is_lost_broken_or_another_logs_is_made_again() {
    let stopped = stopped().await;
    let index = stopped.dir.path().join("data/evidence-index.redb");
    let other = Plane::start().await;
    let foreign = other.dir.path().join("data/evidence-index.redb");
    let foreign_copy = stopped.dir.path().join("foreign");
    other.running.stop().await;
    std::fs::copy(foreign, &foreign_copy).unwrap();
    let breaks: [&dyn Fn(&Path); 4] = [
        &|index| std::fs::remove_file(index).unwrap(),
        &|index| std::fs::write(index, b"no index").unwrap(),
        &|index| std::fs::write(index, vec![0; 1 << 20]).unwrap(),
        &|index| assert!(std::fs::copy(&foreign_copy, index).unwrap() > 0),
    ];
    for spoil in breaks {
        spoil(&index);
        let running = ControlPlane::start(config(stopped.dir.path())).await.unwrap();
        let size = running.cluster.state().evidence().size();
        let mut indexed = running.cluster.evidence().indexed_entries();
        indexed.wait_for(|indexed| *indexed == size).await.unwrap();
        let row = running.cluster.evidence().row(5).unwrap();
        assert_eq!((row.commands, row.ended.as_str()), (2, "finished"));
        running.stop().await;
    }
}

#[tokio::test]
async fn au_07_a_segment_that_is_lost_costs_what_was_in_it_and_nothing_else() {
    let stopped = stopped().await;
    std::fs::remove_file(&stopped.segments[1]).unwrap();
    std::fs::remove_file(stopped.dir.path().join("data/evidence-index.redb")).unwrap();
    let running = ControlPlane::start(config(stopped.dir.path())).await.unwrap();
    let size = running.cluster.state().evidence().size();
    running.cluster.evidence().indexed_entries().wait_for(|indexed| *indexed == size).await.unwrap();
    assert_eq!(running.cluster.evidence().row(5).unwrap().commands, 1);
    running.stop().await;
}
