//! The evidence files of the demo's node.

use anyhow::Context;
use hoop_audit::{Expected, Head, verify_chain};
use hoop_model::ResourceName;
use std::path::Path;

/// One chain file, whole, with the head that was read from it first.
pub(super) struct ChainFile {
    bytes: Vec<u8>,
    expected: Expected,
}

/// Reads every chain of a node that has records.
pub(super) fn read_all(spool: &Path, node: &ResourceName) -> anyhow::Result<Vec<ChainFile>> {
    let directory = spool.join(node.as_str());
    let mut chains = Vec::new();
    for entry in std::fs::read_dir(&directory).with_context(|| format!("read `{}`", directory.display()))? {
        let path = entry?.path();
        let bytes = std::fs::read(&path).with_context(|| format!("read `{}`", path.display()))?;
        if !bytes.is_empty() {
            chains.push(ChainFile { expected: named(&path, node)?, bytes });
        }
    }
    Ok(chains)
}

/// Reads incarnation and shard off a file's name, `INCARNATION-SHARD.open`.
fn named(path: &Path, node: &ResourceName) -> anyhow::Result<Expected> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).context("a chain file's name")?;
    let (incarnation, shard) = stem.split_once('-').context("a chain file's name")?;
    Ok(Expected { node: node.clone(), incarnation: incarnation.parse()?, shard: shard.parse()?, head: None })
}

impl ChainFile {
    /// Verifies the chain; returns how many records it has and its head.
    pub(super) fn verify(&self) -> anyhow::Result<(u64, Head)> {
        let summary = verify_chain(&self.bytes, &self.expected)?;
        Ok((summary.records, summary.head))
    }

    /// Returns a copy in which one bit in the middle is another, to be verified against a head that was kept.
    pub(super) fn with_flipped_bit(&self, head: Head) -> Self {
        let mut bytes = self.bytes.clone();
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 1;
        }
        Self { bytes, expected: Expected { head: Some(head), ..self.expected.clone() } }
    }

    /// Returns a copy without its last byte, to be verified against a head that was kept.
    pub(super) fn with_cut_tail(&self, head: Head) -> Self {
        let mut bytes = self.bytes.clone();
        bytes.pop();
        Self { bytes, expected: Expected { head: Some(head), ..self.expected.clone() } }
    }
}
