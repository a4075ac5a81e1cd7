//! The committed evidence: whoever writes another verifier tests it with these bytes, so they never change.

use super::store::{store, verifier};
use crate::*;

macro_rules! golden {
    ($path:literal) => {
        include_bytes!(concat!("../../tests/golden/", $path)).as_slice()
    };
}

const KEY: &str = include_str!("../../tests/golden/key");
const LOG: &[u8] = golden!("log/entries");
const NOTE: &str = include_str!("../../tests/golden/log/checkpoint");
const SEGMENTS: [(&str, &[u8]); 5] = [
    (
        "segments/edge-1/00000000000000000000000000000007-0/00000000000000000001.seg",
        golden!("segments/edge-1/00000000000000000000000000000007-0/00000000000000000001.seg"),
    ),
    (
        "segments/edge-1/00000000000000000000000000000007-0/00000000000000000007.seg",
        golden!("segments/edge-1/00000000000000000000000000000007-0/00000000000000000007.seg"),
    ),
    (
        "segments/edge-1/00000000000000000000000000000007-1/00000000000000000001.seg",
        golden!("segments/edge-1/00000000000000000000000000000007-1/00000000000000000001.seg"),
    ),
    (
        "segments/edge-1/00000000000000000000000000000007-1/00000000000000000004.seg",
        golden!("segments/edge-1/00000000000000000000000000000007-1/00000000000000000004.seg"),
    ),
    (
        "segments/edge-2/00000000000000000000000000000009-0/00000000000000000001.seg",
        golden!("segments/edge-2/00000000000000000000000000000009-0/00000000000000000001.seg"),
    ),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_committed_evidence_is_written_again_byte_for_byte() {
    let store = store();
    assert_eq!(KEY.trim_end(), verifier().to_string());
    assert_eq!(NOTE, store.note);
    assert_eq!(hex(LOG), hex(&store.entries()));
    let written: Vec<_> = store.segments.iter().map(|(path, bytes)| (path.as_str(), hex(bytes))).collect();
    assert_eq!(SEGMENTS.map(|(path, bytes)| (path, hex(bytes))).to_vec(), written);
}

#[test]
fn the_committed_evidence_verifies() {
    let mut auditor = Auditor::open(&KEY.trim_end().parse().unwrap(), NOTE, [LOG]).unwrap();
    SEGMENTS.iter().for_each(|(path, bytes)| auditor.segment(path, bytes));
    let report = auditor.finish();
    assert_eq!(report.problems, []);
    assert_eq!((report.anchored, report.records(), report.gaps.len()), (7, 17, 1));
}
