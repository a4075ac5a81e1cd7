//! The evidence as a verifier sees it: the files of a spool.

use hoop_audit::{Broken, Entry, Expected, Outcome, Record, records, verify_chain};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every chain of a spool, verified.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The records of every chain, in the order of each.
    pub records: Vec<Record>,
    /// How many chains end inside a record, as they do when their writer died.
    pub cut_off: usize,
}

impl Evidence {
    /// Reads every chain beneath a directory and verifies it up to its end, or up to a record that was cut off.
    ///
    /// # Panics
    /// When a chain is broken in any other way.
    #[must_use]
    pub fn read(spool: &Path) -> Self {
        let mut evidence = Self::default();
        for path in files(spool) {
            let bytes = std::fs::read(&path).unwrap();
            evidence.read_chain(&path, &bytes);
        }
        evidence
    }

    fn read_chain(&mut self, path: &Path, bytes: &[u8]) {
        let mut whole = bytes.len();
        for record in records(bytes) {
            match record {
                Ok(record) => self.records.push(record),
                Err(Broken::TruncatedTail { offset, .. }) => {
                    self.cut_off += 1;
                    whole = offset;
                }
                Err(broken) => panic!("{}: {broken}", path.display()),
            }
        }
        // A writer that died before its first record was whole leaves a chain of nothing.
        let Some(Ok(first)) = records(&bytes[..whole]).next() else { return };
        let Record { node, incarnation, shard, .. } = first;
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("{incarnation}-{shard}.")), "{name} holds the chain {incarnation}-{shard}");
        let expected = Expected { node, incarnation, shard, head: None };
        verify_chain(&bytes[..whole], &expected).unwrap_or_else(|broken| panic!("{}: {broken}", path.display()));
    }

    /// Returns what was allowed, as `METHOD /path`.
    #[must_use]
    pub fn allowed(&self) -> BTreeSet<String> {
        self.verdicts().filter(|(_, outcome)| **outcome == Outcome::Allow).map(|(line, _)| line).collect()
    }

    /// Returns what was judged, as `METHOD /path`, and the outcome.
    pub fn verdicts(&self) -> impl Iterator<Item = (String, &Outcome)> {
        self.records.iter().filter_map(|record| match &record.entry {
            Entry::Verdict(verdict) => Some((verdict.summary.to_string(), &verdict.judged.outcome)),
            Entry::Opened(_) | Entry::NotOpened(_) | Entry::Forwarded(_) | Entry::Response(_) | Entry::Closed(_) => {
                None
            }
        })
    }
}

/// Returns every file beneath a directory; none when there is no such directory.
#[must_use]
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
