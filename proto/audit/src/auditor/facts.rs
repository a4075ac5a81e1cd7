//! What the log says, and how much of it a checkpoint vouches for.

use super::chain::{ChainFacts, Said};
use super::report::{Fault, Place, Problem};
use crate::crypto::VerifyingKey;
use crate::log::{Checkpoint, LogFile, Tree, decode_log_entry};
use hoop_model::{ChainId, EvidenceKey, Incarnation, LogEntry, ResourceName, UnixMillis};
use std::collections::BTreeMap;

/// A key and the log entry that announces it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Announced {
    pub(super) key: VerifyingKey,
    pub(super) entry: u64,
}

/// What the log says. Of what no checkpoint vouches for only the keys are kept.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) origin: String,
    pub(super) entries: u64,
    pub(super) anchored: u64,
    /// The time of the last anchored entry.
    pub(super) latest: UnixMillis,
    pub(super) keys: BTreeMap<(ResourceName, Incarnation), Announced>,
    pub(super) chains: BTreeMap<ChainId, ChainFacts>,
}

impl Facts {
    /// Reads the whole log, in pieces of any size; the first checkpoint is the store's own.
    pub(super) fn read<P: AsRef<[u8]>>(
        checkpoints: Vec<Checkpoint>,
        pieces: impl IntoIterator<Item = P>,
    ) -> (Self, Vec<Problem>) {
        let mut reading = Reading::begin(checkpoints);
        for piece in pieces {
            reading.file.push(piece.as_ref());
            if !reading.take_entries() {
                break;
            }
        }
        reading.end()
    }

    fn absorb(&mut self, entry: LogEntry, faults: &mut Vec<Fault>) {
        let LogEntry { index, time, keys, heads, roots, gaps, conflicts } = entry;
        let said = Said { entry: index, time };
        for key in keys {
            self.announce(key, index, faults);
        }
        for head in heads {
            self.chain(&head.chain).head(&head.chain, head.head, said, faults);
        }
        for root in roots {
            self.chain(&root.chain).root(root, said, faults);
        }
        for gap in gaps {
            self.chain(&gap.chain).gap(gap, said, faults);
        }
        for conflict in conflicts {
            self.chain(&conflict.known.chain).dispute(conflict.said, index);
            faults.push(Fault::Conflict { chain: conflict.known.chain, sequence: conflict.said.sequence });
        }
    }

    fn chain(&mut self, id: &ChainId) -> &mut ChainFacts {
        self.chains.entry(id.clone()).or_default()
    }

    fn announce(&mut self, key: EvidenceKey, entry: u64, faults: &mut Vec<Fault>) {
        let EvidenceKey { node, incarnation, public } = key;
        let announced = Announced { key: VerifyingKey(public), entry };
        let known = self.keys.entry((node.clone(), incarnation)).or_insert(announced);
        if known.key != announced.key {
            faults.push(Fault::KeyReplaced(node));
        }
    }
}

/// A checkpoint, and what became of it.
struct Vouching {
    checkpoint: Checkpoint,
    /// Whether the log had this root when it had as many entries.
    is_right: Option<bool>,
}

/// The log while it is read.
struct Reading {
    file: LogFile,
    tree: Tree,
    vouching: Vec<Vouching>,
    /// The most entries that a checkpoint is right about, and where the entry after them begins.
    sound: (u64, u64),
    /// The time of the last entry that was read.
    time: UnixMillis,
    facts: Facts,
    problems: Vec<Problem>,
}

impl Reading {
    fn begin(checkpoints: Vec<Checkpoint>) -> Self {
        let origin = checkpoints.first().map(|checkpoint| checkpoint.origin.clone()).unwrap_or_default();
        let vouching = checkpoints.into_iter().map(|checkpoint| Vouching { checkpoint, is_right: None });
        let mut reading = Self {
            file: LogFile::default(),
            tree: Tree::empty(),
            vouching: vouching.collect(),
            sound: (0, 0),
            time: UnixMillis(0),
            facts: Facts { origin, ..Facts::default() },
            problems: Vec::new(),
        };
        reading.compare();
        reading
    }

    /// Takes every entry that is whole; returns whether more can be read after them.
    fn take_entries(&mut self) -> bool {
        loop {
            let (entry, offset) = (self.file.index(), self.file.offset());
            let mut faults = Vec::new();
            let taken = match self.file.take() {
                Ok(None) => return true,
                Ok(Some(bytes)) => {
                    self.tree.push(bytes);
                    match decode_log_entry(bytes) {
                        Ok(read) if read.index == entry => {
                            self.time = read.time;
                            self.facts.absorb(read, &mut faults);
                        }
                        Ok(read) => faults.push(Fault::Misnumbered(read.index)),
                        Err(error) => faults.push(Fault::Unreadable(error)),
                    }
                    true
                }
                Err(unframed) => {
                    faults.push(Fault::Unframed(unframed));
                    false
                }
            };
            let place = |fault| Problem { place: Place::Log { entry, offset }, fault };
            self.problems.extend(faults.into_iter().map(place));
            if !taken {
                return false;
            }
            self.compare();
        }
    }

    /// Compares the tree with every checkpoint of its size.
    fn compare(&mut self) {
        let size = self.tree.size();
        let here = |vouching: &&mut Vouching| vouching.checkpoint.size == size;
        for vouching in self.vouching.iter_mut().filter(here) {
            let is_right = vouching.checkpoint.root == self.tree.root();
            vouching.is_right = Some(is_right);
            if is_right {
                self.sound = (size, self.file.offset());
                self.facts.latest = self.time;
            }
        }
    }

    fn end(mut self) -> (Facts, Vec<Problem>) {
        let (entry, offset) = (self.file.index(), self.file.offset());
        let at_end = |fault| Problem { place: Place::Log { entry, offset }, fault };
        let (sound, after_sound) = self.sound;
        for Vouching { checkpoint, is_right } in &self.vouching {
            let size = checkpoint.size;
            let place = Place::Log { entry: sound, offset: after_sound };
            match is_right {
                Some(true) => {}
                Some(false) => self.problems.push(Problem { place, fault: Fault::LogDiffers { size, sound } }),
                None => self.problems.push(at_end(Fault::LogCut(size))),
            }
        }
        let unframed = self.problems.iter().any(|problem| matches!(problem.fault, Fault::Unframed(_)));
        if self.file.is_within_entry() && !unframed {
            self.problems.push(at_end(Fault::EntryCut));
        }
        self.facts.entries = self.tree.size();
        self.facts.anchored = sound;
        self.facts.chains.retain(|_, chain| chain.keep_anchored(sound));
        (self.facts, self.problems)
    }
}
