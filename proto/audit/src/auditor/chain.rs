//! What is known of one chain: what the log says of it, and the segments that were found.

use super::report::{ChainReport, Fault, Pending, Place, Problem, Report, Unanchored};
use crate::segment_path;
use hoop_model::{ChainId, ContentHash, Gap, Head, SegmentRoot, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};

/// How long records of a chain that goes on may be vouched for by a head and not be in the store, in milliseconds of log
/// time. It takes seconds, unless the node is down or cannot ship: then it has them, and says what it lost when it comes
/// back. What takes longer than an hour is to be looked at.
const PENDING_MS: u64 = 3_600_000;

/// The log entry that says something, and its time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    pub(super) entry: u64,
    pub(super) time: UnixMillis,
}

#[derive(Debug, Default)]
pub(super) struct ChainFacts {
    heads: BTreeMap<u64, (ContentHash, Said)>,
    roots: BTreeMap<u64, Anchored>,
    gaps: BTreeMap<u64, (Gap, Said)>,
    /// Records of which the log itself says that they contradict what it said before, and the entry that says so.
    disputed: BTreeMap<(u64, ContentHash), u64>,
    /// Segments that no anchored entry names.
    extras: BTreeMap<u64, Found>,
}

/// A segment that the log names, and what was found in its place.
#[derive(Debug)]
struct Anchored {
    root: SegmentRoot,
    said: Said,
    found: Option<Found>,
}

/// A segment that verifies.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: String,
    pub(super) before: Option<Head>,
    pub(super) root: SegmentRoot,
    pub(super) records: u64,
    /// The log entry that announces its key.
    pub(super) announced: u64,
}

impl ChainFacts {
    pub(super) fn head(&mut self, id: &ChainId, head: Head, said: Said, faults: &mut Vec<Fault>) {
        let (known, _) = self.heads.entry(head.sequence).or_insert((head.hash, said));
        if *known != head.hash {
            faults.push(Fault::Conflict { chain: id.clone(), sequence: head.sequence });
        }
    }

    pub(super) fn root(&mut self, root: SegmentRoot, said: Said, faults: &mut Vec<Fault>) {
        self.head(&root.chain, root.last, said, faults);
        let known = self.roots.entry(root.first).or_insert_with(|| Anchored { root: root.clone(), said, found: None });
        if known.root != root {
            faults.push(Fault::Conflict { chain: root.chain, sequence: root.first });
        }
    }

    pub(super) fn gap(&mut self, gap: Gap, said: Said, faults: &mut Vec<Fault>) {
        self.head(&gap.chain, gap.last, said, faults);
        let known = &self.gaps.entry(gap.first).or_insert_with(|| (gap.clone(), said)).0;
        if *known != gap {
            faults.push(Fault::Conflict { chain: gap.chain, sequence: gap.first });
        }
    }

    /// Takes a record that the log has beside another one of the same number: it says so, so whoever has that one is not
    /// contradicted by the log.
    pub(super) fn dispute(&mut self, said: Head, entry: u64) {
        self.disputed.entry((said.sequence, said.hash)).or_insert(entry);
    }

    /// Forgets what no checkpoint vouches for; returns whether anything is left.
    pub(super) fn keep_anchored(&mut self, anchored: u64) -> bool {
        self.heads.retain(|_, (_, said)| said.entry < anchored);
        self.roots.retain(|_, root| root.said.entry < anchored);
        self.gaps.retain(|_, (_, said)| said.entry < anchored);
        self.disputed.retain(|_, entry| *entry < anchored);
        !(self.heads.is_empty() && self.roots.is_empty() && self.gaps.is_empty())
    }

    /// Returns the log entry that names the segment of this first record.
    pub(super) fn root_entry(&self, first: u64) -> Option<u64> {
        self.roots.get(&first).map(|root| root.said.entry)
    }

    /// Returns the log entry that vouches for another record than this.
    pub(super) fn contradicts(&self, head: Head) -> Option<u64> {
        let (hash, said) = self.heads.get(&head.sequence)?;
        let is_disputed = self.disputed.contains_key(&(head.sequence, head.hash));
        (*hash != head.hash && !is_disputed).then_some(said.entry)
    }

    /// Takes a segment that verifies.
    pub(super) fn find(&mut self, found: Found) -> Result<(), Fault> {
        let first = found.root.first;
        let doubled = match self.roots.get_mut(&first) {
            Some(anchored) if anchored.root != found.root => return Err(Fault::Replaced(anchored.said.entry)),
            Some(anchored) if anchored.found.is_none() => {
                anchored.found = Some(found);
                false
            }
            None if !self.extras.contains_key(&first) => {
                self.extras.insert(first, found);
                false
            }
            Some(_) | None => true,
        };
        if doubled { Err(Fault::Doubled) } else { Ok(()) }
    }

    /// Puts everything together, in the order of the chain, and says what is missing.
    pub(super) fn settle(self, id: &ChainId, latest: UnixMillis, rejected: &BTreeSet<String>, report: &mut Report) {
        let mut walk = Walk::new(id, rejected, report);
        let mut gaps = self.gaps.into_values().peekable();
        for anchored in self.roots.into_values() {
            while let Some((gap, said)) = gaps.next_if(|(gap, _)| gap.first < anchored.root.first) {
                walk.gap(gap, said);
            }
            walk.root(anchored);
        }
        gaps.for_each(|(gap, said)| walk.gap(gap, said));
        let (anchored, ended) = (walk.counted, walk.ended);
        self.extras.into_values().for_each(|extra| walk.extra(extra));
        walk.tail(&self.heads, latest);
        report.chains.insert(id.clone(), ChainReport { ended, ..anchored });
    }
}

/// The walk along a chain from its first record on.
struct Walk<'a> {
    id: &'a ChainId,
    rejected: &'a BTreeSet<String>,
    report: &'a mut Report,
    counted: ChainReport,
    /// The number of the record that comes next.
    next: u64,
    /// The record before it, if that is known; a chain's first record has none.
    before: Option<Option<Head>>,
    /// The log entry that announces the key of the segment before.
    signer: u64,
    ended: bool,
}

impl<'a> Walk<'a> {
    const fn new(id: &'a ChainId, rejected: &'a BTreeSet<String>, report: &'a mut Report) -> Self {
        let counted = ChainReport { segments: 0, records: 0, head: None, ended: false };
        Self { id, rejected, report, counted, next: 1, before: Some(None), signer: 0, ended: false }
    }

    fn root(&mut self, Anchored { root, said, found }: Anchored) {
        if self.is_out_of_place(root.first, root.last, said) {
            return;
        }
        match found {
            Some(found) if self.before.is_some_and(|before| before != found.before) => {
                self.in_segment(found.path, Fault::Unlinked);
            }
            Some(found) if found.announced < self.signer => self.in_segment(found.path, Fault::SignerOutOfTurn),
            Some(found) => {
                self.signer = found.announced;
                self.counted.segments = self.counted.segments.saturating_add(1);
                self.counted.records = self.counted.records.saturating_add(found.records);
                self.counted.head = Some(root.last);
            }
            None if self.rejected.contains(&segment_path(self.id, root.first)) => {}
            None => self.in_chain(root.first, root.last.sequence, Fault::SegmentMissing(said.entry)),
        }
        self.go_on(root.last, root.ends_chain);
    }

    /// Takes records that the log says are lost. A chain ends with them, so they may follow its last segment.
    fn gap(&mut self, gap: Gap, said: Said) {
        let ended = std::mem::replace(&mut self.ended, false);
        if self.is_out_of_place(gap.first, gap.last, said) {
            self.ended = ended;
        } else {
            self.go_on(gap.last, true);
        }
        self.report.gaps.push(gap);
    }

    /// Takes a segment that the log does not name: it must continue what the log names, or it has no business here.
    fn extra(&mut self, found: Found) {
        let continues = !self.ended && found.root.first == self.next && self.before == Some(found.before);
        if !continues || found.announced < self.signer {
            return self.in_segment(found.path, Fault::Unexpected);
        }
        self.signer = found.announced;
        self.go_on(found.root.last, found.root.ends_chain);
        self.report.unanchored.push(Unanchored { path: found.path, records: found.records });
    }

    /// Looks for records that heads vouch for beyond all that was found.
    fn tail(&mut self, heads: &BTreeMap<u64, (ContentHash, Said)>, latest: UnixMillis) {
        let mut beyond = heads.range(self.next..);
        let Some((&sequence, &(hash, said))) = beyond.next() else { return };
        let head = |sequence, hash| Head { sequence, hash };
        let last = beyond.next_back().map_or(head(sequence, hash), |(&sequence, &(hash, _))| head(sequence, hash));
        if !self.ended && latest.0.saturating_sub(said.time.0) <= PENDING_MS {
            self.report.pending.push(Pending { chain: self.id.clone(), first: self.next, last });
        } else {
            self.in_chain(self.next, last.sequence, Fault::RecordsMissing(said.entry));
        }
    }

    /// Says so if records are missing before `first`, or if the log said something else of it before.
    fn is_out_of_place(&mut self, first: u64, last: Head, said: Said) -> bool {
        if self.ended || first < self.next {
            self.in_chain(first, last.sequence, Fault::OutOfPlace(said.entry));
            return true;
        }
        if first > self.next {
            self.in_chain(self.next, first.saturating_sub(1), Fault::RecordsMissing(said.entry));
            self.before = None;
        }
        false
    }

    fn go_on(&mut self, last: Head, ended: bool) {
        (self.next, self.before, self.ended) = (last.sequence.saturating_add(1), Some(Some(last)), ended);
    }

    fn in_chain(&mut self, first: u64, last: u64, fault: Fault) {
        self.report.problems.push(Problem { place: Place::Chain { chain: self.id.clone(), first, last }, fault });
    }

    fn in_segment(&mut self, path: String, fault: Fault) {
        self.report.problems.push(Problem { place: Place::Segment { path, record: None, offset: None }, fault });
    }
}
