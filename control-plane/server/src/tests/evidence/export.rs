//! Exporting: a copy that proves itself with one public key, and nothing that does not.

use super::super::Plane;
use super::{CLOSED, Shipped, allowed, opened, process};
use hoop_audit::{Auditor, Checkpoint, Report, VerifierKey, segment_path};
use hoop_wire::v1;
use hoop_wire::v1::audit_client::AuditClient;
use std::collections::BTreeMap;
use tokio_stream::StreamExt;

type Files = BTreeMap<String, Vec<u8>>;

impl Plane {
    async fn audit(&self) -> AuditClient<tonic::transport::Channel> {
        AuditClient::new(self.channel(None).await)
    }

    /// Waits until everything that was agreed on is stored.
    async fn stored(&self) {
        self.until(|state| Some(()).filter(|()| state.evidence().size() > 0)).await;
        let size = self.running.cluster.state().evidence().size();
        self.running.cluster.evidence().indexed_entries().wait_for(|stored| *stored >= size).await.unwrap();
    }

    async fn export(&self, since_ms: u64) -> Files {
        let request = self.by_admin(v1::ExportRequest { since_ms });
        let mut parts = self.audit().await.export(request).await.unwrap().into_inner();
        let (mut files, mut at) = (Files::new(), String::new());
        while let Some(v1::ExportPart { path, content }) = parts.next().await.transpose().unwrap() {
            if !path.is_empty() {
                let plain = path
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"./-".contains(&byte));
                assert!(plain && !path.contains("..") && !path.starts_with('/'), "{path}");
                at = path;
            }
            files.entry(at.clone()).or_default().extend(content);
        }
        files
    }

    async fn key(&self) -> VerifierKey {
        let response = self.audit().await.checkpoint(self.by_admin(v1::CheckpointRequest {})).await.unwrap();
        assert_eq!(response.get_ref().key, self.running.evidence_key);
        response.get_ref().key.parse().unwrap()
    }
}

fn verify(files: &Files, key: &VerifierKey) -> Report {
    let note = std::str::from_utf8(&files["log/checkpoint"]).unwrap();
    let mut auditor = Auditor::open(key, note, [&files["log/entries"]]).unwrap();
    for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with("segments/")) {
        auditor.segment(path, bytes);
    }
    auditor.finish()
}

#[tokio::test]
async fn an_export_verifies_with_the_public_key_and_is_what_the_store_holds() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    let (mut one, mut two) = (process.writer(0), process.writer(1));
    let segments = [
        process.segment(&mut one, 5, &[opened("nightly"), allowed(1)]),
        process.segment(&mut two, 6, &[opened("nightly"), CLOSED]),
        process.segment(&mut one, 5, &[allowed(2), CLOSED]),
    ];
    let segments: Vec<&[u8]> = segments.iter().map(Vec::as_slice).collect();
    for answer in plane.ship(&shipper.node, &segments).await {
        assert_eq!(answer.outcome(), Shipped::Stored);
    }
    plane.stored().await;
    let (files, key) = (plane.export(0).await, plane.key().await);
    assert_eq!(files.len(), 5);
    for (path, bytes) in &files {
        assert_eq!(&std::fs::read(plane.store_path(path)).unwrap(), bytes, "{path}");
    }
    let report = verify(&files, &key);
    assert!(report.problems.is_empty() && report.gaps.is_empty(), "{report:?}");
    let records: Vec<u64> = report.chains.values().map(|chain| chain.records).collect();
    assert_eq!(records, [4, 2]);

    let mut damaged = files.clone();
    let path = segment_path(&one.id, 1);
    damaged.get_mut(&path).unwrap()[20] ^= 1;
    assert!(!verify(&damaged, &key).problems.is_empty());
    damaged.remove(&path);
    assert!(!verify(&damaged, &key).problems.is_empty(), "a whole file is missed as well");
}

#[tokio::test]
async fn an_export_of_later_segments_has_the_whole_log() {
    let (plane, process) = (Plane::start().await, process("n1", 1));
    let shipper = plane.shipper(&process).await;
    let mut writer = process.writer(0);
    let segment = process.segment(&mut writer, 5, &[opened("nightly")]);
    assert_eq!(plane.ship_one(&shipper.node, &segment).await.0, Shipped::Stored);
    plane.stored().await;
    let later = plane.running.cluster.state().log_time().0 + 1;
    let (all, some) = (plane.export(0).await, plane.export(later).await);
    assert!(all.contains_key(&segment_path(&writer.id, 1)));
    assert_eq!(some.keys().collect::<Vec<_>>(), ["log/checkpoint", "log/entries"]);
    assert_eq!(some["log/entries"], all["log/entries"]);
}

#[tokio::test]
async fn a_cluster_without_evidence_has_a_checkpoint_of_nothing() {
    let plane = Plane::start().await;
    let (files, key) = (plane.export(0).await, plane.key().await);
    assert_eq!(files["log/entries"], b"");
    let note = String::from_utf8(files["log/checkpoint"].clone()).unwrap();
    let checkpoint = Checkpoint::open(&note, &key).unwrap();
    let cluster = plane.running.cluster.state().birth().unwrap().cluster_uid;
    assert_eq!((checkpoint.size, checkpoint.origin), (0, format!("hoopgate/{cluster}/evidence")));
    assert!(verify(&files, &key).problems.is_empty());
}
