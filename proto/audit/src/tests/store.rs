//! A small evidence store, complete and in order, as a cluster would have written it; always the same bytes.

use super::samples::{name, session};
use crate::*;
use hoop_model::{ChainHead, ChainId, EvidenceKey, Gap, Incarnation, LogEntry, SegmentRoot, SessionId, UnixMillis};
use std::collections::BTreeMap;

pub(super) const ORIGIN: &str = "hoopgate/000000000000000000000000000000c1/evidence";
/// The first node's life that crashed, its next life, and the second node's only life.
pub(super) const CRASHED: Incarnation = Incarnation::mint(7);
pub(super) const NEXT: Incarnation = Incarnation::mint(8);
pub(super) const LOST: Incarnation = Incarnation::mint(9);

pub(super) fn log_key() -> SigningKey {
    SigningKey::from_seed(&[0xc1; 32]).unwrap()
}

pub(super) fn verifier() -> VerifierKey {
    VerifierKey::new(ORIGIN, log_key().verifying_key()).unwrap()
}

/// The key of an incarnation.
pub(super) fn key_of(incarnation: Incarnation) -> SigningKey {
    SigningKey::from_seed(&[incarnation.to_bytes()[15]; 32]).unwrap()
}

pub(super) fn announced(node: &str, incarnation: Incarnation) -> EvidenceKey {
    EvidenceKey { node: name(node), incarnation, public: key_of(incarnation).verifying_key().0 }
}

pub(super) fn chain_id(node: &str, incarnation: Incarnation, shard: u32) -> ChainId {
    ChainId { node: name(node), incarnation, shard }
}

/// One chain while it is written, with the head of every record.
pub(super) struct Writer {
    pub(super) chain: Chain,
    pub(super) frames: Vec<u8>,
    pub(super) before: Option<Head>,
    pub(super) heads: Vec<Head>,
}

impl Writer {
    pub(super) fn open(id: &ChainId) -> Self {
        let chain = Chain::open(&id.node, id.incarnation, id.shard);
        Self { chain, frames: Vec::new(), before: None, heads: Vec::new() }
    }

    pub(super) fn write(&mut self, session: u128, entry: &Entry) -> &mut Self {
        let at = self.heads.len() as u8 + 1;
        let frame = self.chain.append(entry, SessionId::mint(session), UnixMillis(1000 + u64::from(at)), [at; 32]);
        let frame = frame.unwrap();
        self.frames.extend_from_slice(frame.bytes());
        self.heads.push(frame.written().head());
        self
    }

    /// Seals what was written since the last time; returns the whole segment.
    pub(super) fn seal(&mut self, signer: Incarnation, ends_chain: bool) -> (Vec<u8>, SegmentRoot) {
        self.seal_with(&key_of(signer), signer, ends_chain)
    }

    pub(super) fn seal_with(&mut self, key: &SigningKey, signer: Incarnation, ends: bool) -> (Vec<u8>, SegmentRoot) {
        let sealing = Sealing { chain: self.chain.id().clone(), before: self.before, ends_chain: ends, signer };
        let frames = std::mem::take(&mut self.frames);
        let sealed = seal(&frames, &sealing, key).unwrap();
        self.before = self.chain.head();
        ([frames, sealed.footer].concat(), sealed.root)
    }

    pub(super) fn head(&self, sequence: usize) -> ChainHead {
        ChainHead { chain: self.chain.id().clone(), head: self.heads[sequence - 1] }
    }
}

pub(super) fn empty_entry(index: u64) -> LogEntry {
    let time = UnixMillis(1_000_000 + 5000 * index);
    LogEntry { index, time, keys: vec![], heads: vec![], roots: vec![], gaps: vec![], conflicts: vec![] }
}

/// What lies in an evidence store.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) log: Vec<LogEntry>,
    pub(super) note: String,
    pub(super) segments: BTreeMap<String, Vec<u8>>,
}

impl Store {
    pub(super) fn empty() -> Self {
        Self { log: Vec::new(), note: String::new(), segments: BTreeMap::new() }
    }

    pub(super) fn keep(&mut self, (bytes, root): (Vec<u8>, SegmentRoot)) -> SegmentRoot {
        self.segments.insert(segment_path(&root.chain, root.first), bytes);
        root
    }

    /// Appends an entry and signs the log again.
    pub(super) fn anchor(&mut self, what: impl FnOnce(&mut LogEntry)) -> &mut Self {
        let mut entry = empty_entry(self.log.len() as u64);
        what(&mut entry);
        self.log.push(entry);
        self.note = self.checkpoint(self.log.len());
        self
    }

    /// Signs the first `size` entries.
    pub(super) fn checkpoint(&self, size: usize) -> String {
        let mut tree = Tree::empty();
        self.log[..size].iter().for_each(|entry| tree.push(&encode_log_entry(entry)));
        Checkpoint { origin: ORIGIN.into(), size: tree.size(), root: tree.root() }.sign(&log_key())
    }

    /// The bytes of `log/entries`.
    pub(super) fn entries(&self) -> Vec<u8> {
        framed(&self.log.iter().map(encode_log_entry).collect::<Vec<_>>())
    }

    pub(super) fn audit(&self) -> Report {
        self.audit_bytes(&self.entries())
    }

    pub(super) fn audit_bytes(&self, entries: &[u8]) -> Report {
        self.fed(Auditor::open(&verifier(), &self.note, [entries]).unwrap())
    }

    pub(super) fn audit_against(&self, kept: &[&str]) -> Report {
        self.fed(Auditor::open_against(&verifier(), &self.note, kept, [self.entries()]).unwrap())
    }

    fn fed(&self, mut auditor: Auditor) -> Report {
        self.segments.iter().for_each(|(path, bytes)| auditor.segment(path, bytes));
        auditor.finish()
    }
}

pub(super) fn framed(entries: &[Vec<u8>]) -> Vec<u8> {
    let frame = |entry: &Vec<u8>| [&(entry.len() as u32).to_le_bytes(), entry.as_slice()].concat();
    entries.iter().flat_map(frame).collect()
}

/// Every entry that is short, to write chains of.
pub(super) fn forwarded(number: u64) -> Entry {
    Entry::Forwarded(CommandId::from_number(number).unwrap())
}

/// The two chains of the first node's first life: one ends in order, one when the node crashes; and the next life
/// seals what that one left behind. The second node is lost with its last records.
pub(super) fn store() -> Store {
    let mut store = Store::empty();
    let mut whole = Writer::open(&chain_id("edge-1", CRASHED, 0));
    let mut left = Writer::open(&chain_id("edge-1", CRASHED, 1));
    let mut lost = Writer::open(&chain_id("edge-2", LOST, 0));
    store.anchor(|entry| entry.keys = vec![announced("edge-1", CRASHED), announced("edge-2", LOST)]);

    session().iter().for_each(|entry| _ = whole.write(1, entry));
    store.anchor(|entry| entry.heads = vec![whole.head(2)]);
    let root = store.keep(whole.seal(CRASHED, false));
    whole.write(2, &forwarded(1)).write(2, &Entry::Closed(CloseReason::Idle));
    left.write(3, &forwarded(1)).write(3, &forwarded(2)).write(3, &Entry::Closed(CloseReason::Finished));
    lost.write(4, &forwarded(1)).write(4, &forwarded(2));
    store.anchor(|entry| (entry.roots, entry.heads) = (vec![root], vec![whole.head(8), left.head(2), lost.head(1)]));
    let roots = [whole.seal(CRASHED, true), left.seal(CRASHED, false), lost.seal(LOST, false)];
    let roots = roots.map(|segment| store.keep(segment)).to_vec();
    left.write(5, &forwarded(1)).write(6, &forwarded(1));
    lost.write(4, &forwarded(3)).write(4, &forwarded(4));
    store.anchor(|entry| (entry.roots, entry.heads) = (roots, vec![left.head(5), lost.head(4)]));

    store.anchor(|entry| entry.keys = vec![announced("edge-1", NEXT)]);
    left.write(5, &Entry::Closed(CloseReason::Unknown)).write(6, &Entry::Closed(CloseReason::Unknown));
    let root = store.keep(left.seal(NEXT, true));
    store.anchor(|entry| entry.roots = vec![root]);
    let gap = Gap { chain: lost.chain.id().clone(), first: 3, last: lost.heads[3] };
    store.anchor(|entry| entry.gaps = vec![gap]);
    store
}
