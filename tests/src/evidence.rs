//! The evidence as a verifier sees it: what a node keeps and what the store has, put together again.

use hoop_audit::{Broken, Entry, Expected, Outcome, Record, read_segment, records, verify_chain};
use hoop_model::{ChainId, ResourceName};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Every chain there is, verified from its first record on.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The records of every chain, in the order of each.
    pub records: Vec<Record>,
    /// How many chains end inside a record, as they do when their writer died.
    pub cut_off: usize,
    /// How many chains were ended in order.
    pub ended: usize,
}

/// The pieces of one chain, by the number of their first record.
type Pieces = BTreeMap<u64, Vec<u8>>;

impl Evidence {
    /// Reads every piece of a chain beneath a node's spool and the evidence store, and verifies each chain up to its end,
    /// or up to a record that was cut off.
    ///
    /// # Panics
    /// When a chain is broken in any other way, or lacks a piece.
    #[must_use]
    pub fn read(spool: &Path, store: &Path) -> Self {
        let mut evidence = Self::default();
        for (chain, pieces) in pieces(spool, store) {
            evidence.read_chain(&chain, &pieces);
        }
        evidence
    }

    fn read_chain(&mut self, chain: &ChainId, pieces: &Pieces) {
        let mut bytes = Vec::new();
        for piece in pieces.values() {
            let frames = match read_segment(piece) {
                Ok(segment) => {
                    assert_eq!(&segment.chain, chain);
                    self.ended += usize::from(segment.root.ends_chain);
                    segment.frames
                }
                // It is not sealed yet. Only the last piece can end inside a record, or the chain would not verify.
                Err(_) => self.whole_records(chain, piece),
            };
            bytes.extend_from_slice(frames);
        }
        if bytes.is_empty() {
            // A writer that died before its first record was whole leaves a chain of nothing.
            return;
        }
        let ChainId { node, incarnation, shard } = chain.clone();
        let expected = Expected { node, incarnation, shard, head: None };
        verify_chain(&bytes, &expected).unwrap_or_else(|broken| panic!("{chain}: {broken}"));
        self.records.extend(records(&bytes).map(Result::unwrap));
    }

    fn whole_records<'a>(&mut self, chain: &ChainId, piece: &'a [u8]) -> &'a [u8] {
        match records(piece).find_map(Result::err) {
            None => piece,
            Some(Broken::TruncatedTail { offset, .. }) => {
                self.cut_off += 1;
                &piece[..offset]
            }
            Some(broken) => panic!("{chain}: {broken}"),
        }
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
            Entry::Opened(_)
            | Entry::NotOpened(_)
            | Entry::Forwarded(_)
            | Entry::Response(_)
            | Entry::Closed(_)
            | Entry::Approval(_) => None,
        })
    }
}

/// Collects the pieces. A piece that moves on while it is looked for is looked for again.
fn pieces(spool: &Path, store: &Path) -> BTreeMap<ChainId, Pieces> {
    crate::poll::eventually("no piece of evidence moves while it is read", || {
        let mut found = BTreeMap::<ChainId, Pieces>::new();
        // A node deletes a piece only once the store has it, so nothing is missed in this order.
        for path in files(spool).into_iter().filter(|path| is_kept(path)).chain(files(&store.join("segments"))) {
            match std::fs::read(&path) {
                Ok(bytes) => {
                    let (chain, first) = named(&path);
                    let known = found.entry(chain).or_default().insert(first, bytes);
                    drop(known);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => return None,
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
        Some(found)
    })
}

/// Whether a file of a spool is a piece of a chain, and not a copy on its way to be one or what was set aside.
fn is_kept(path: &Path) -> bool {
    let set_aside = path.iter().any(|part| part == "refused" || part == "unreadable" || part == "stranded");
    !set_aside && path.extension().is_some_and(|extension| extension == "open" || extension == "seg")
}

/// Reads chain and first record off a path: `NODE/INCARNATION-SHARD-FIRST.EXTENSION` in a spool,
/// `NODE/INCARNATION-SHARD/FIRST.seg` in the store.
fn named(path: &Path) -> (ChainId, u64) {
    let parts: Vec<_> = path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    let [.., before_last, node_or_chain, stem] = parts.as_slice() else { panic!("{}", path.display()) };
    let fields: Vec<_> = stem.split('-').collect();
    let (node, incarnation, shard, first) = match fields.as_slice() {
        [incarnation, shard, first] => (node_or_chain, *incarnation, *shard, *first),
        [first] => {
            let (incarnation, shard) = node_or_chain.split_once('-').unwrap();
            (before_last, incarnation, shard, *first)
        }
        _ => panic!("{} is no piece of evidence", path.display()),
    };
    let node = ResourceName::parse(node).unwrap();
    let chain = ChainId { node, incarnation: incarnation.parse().unwrap(), shard: shard.parse().unwrap() };
    (chain, first.parse().unwrap())
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
