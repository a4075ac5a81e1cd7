//! The whole evidence against one public key.
//!
//! ```text
//!   notes ─┐
//!          ├─▶ log: tree, keys, heads, roots ─▶ Auditor ◀─ segment, segment, … in any order
//!   entries┘                                       └─finish─▶ Report
//! ```
//!
//! What is kept in memory grows with what the log says (its keys, heads and roots) and with the number of segments,
//! never with the number of records.

mod chain;
mod facts;
mod report;

pub use report::{ChainReport, Fault, Pending, Place, Problem, Report, Unanchored};

use crate::log::{Checkpoint, NotACheckpoint, VerifierKey};
use crate::record::links;
use crate::verify::walk;
use crate::{Broken, Segment, SegmentSummary, What, read_segment, recover, segment_path};
use chain::Found;
use facts::{Announced, Facts};
use hoop_model::Head;
use std::collections::{BTreeMap, BTreeSet};

/// Says why nothing can be audited: without a checkpoint nothing vouches for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuditFailed {
    /// The store's own checkpoint is none.
    #[error("the evidence has no valid checkpoint")]
    Checkpoint(#[source] NotACheckpoint),
    /// A checkpoint that was kept elsewhere is none.
    #[error("the checkpoint to compare with is not valid")]
    Kept(#[source] NotACheckpoint),
}

/// Audits a whole evidence store; hand in its log, then every segment, then ask for the report. It judges only bytes:
/// the caller reads the files, and names each by its path within the store.
#[derive(Debug)]
pub struct Auditor {
    facts: Facts,
    /// The files that are not the segment that belongs there.
    rejected: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Auditor {
    /// Reads the log: `note` is the file `log/checkpoint`, and `entries` the bytes of the file `log/entries`, in order,
    /// in pieces of any size.
    ///
    /// # Errors
    /// [`AuditFailed`] if the note is not a checkpoint signed with the key. Whatever is wrong with the entries becomes
    /// a problem of the report.
    pub fn open<P: AsRef<[u8]>>(
        key: &VerifierKey,
        note: &str,
        entries: impl IntoIterator<Item = P>,
    ) -> Result<Self, AuditFailed> {
        Self::open_against(key, note, &[], entries)
    }

    /// Reads the log as [`Auditor::open`] does, and compares it with checkpoints that were kept elsewhere, older or
    /// newer ones: the log must hold exactly what each vouches for. Only so is it found that somebody took a store back
    /// to an earlier state, checkpoint and all.
    ///
    /// # Errors
    /// [`AuditFailed`] if one of the notes is not a checkpoint signed with the key.
    pub fn open_against<P: AsRef<[u8]>>(
        key: &VerifierKey,
        note: &str,
        kept: &[&str],
        entries: impl IntoIterator<Item = P>,
    ) -> Result<Self, AuditFailed> {
        let mut checkpoints = vec![Checkpoint::open(note, key).map_err(AuditFailed::Checkpoint)?];
        for note in kept {
            checkpoints.push(Checkpoint::open(note, key).map_err(AuditFailed::Kept)?);
        }
        let (facts, problems) = Facts::read(checkpoints, entries);
        Ok(Self { facts, rejected: BTreeSet::new(), problems })
    }

    /// Verifies one segment. `path` is its file within the store, as [`segment_path`] spells it; segments may come in
    /// any order.
    pub fn segment(&mut self, path: &str, bytes: &[u8]) {
        if let Err(problem) = self.judge(path, bytes) {
            self.problems.push(*problem);
            self.rejected.insert(path.into());
        }
    }

    /// Returns what was found, once every segment was handed in: what is missing by now is missing.
    #[must_use]
    pub fn finish(self) -> Report {
        let Self { facts, rejected, problems } = self;
        let mut report = Report {
            origin: facts.origin,
            entries: facts.entries,
            anchored: facts.anchored,
            chains: BTreeMap::new(),
            problems,
            gaps: Vec::new(),
            pending: Vec::new(),
            unanchored: Vec::new(),
        };
        for (id, chain) in facts.chains {
            chain.settle(&id, facts.latest, &rejected, &mut report);
        }
        report
    }

    fn judge(&mut self, path: &str, bytes: &[u8]) -> Result<(), Box<Problem>> {
        let place = Place::Segment { path: path.into(), record: None, offset: None };
        let problem = |fault| Box::new(Problem { place: place.clone(), fault });
        let segment = read_segment(bytes).map_err(|broken| of_broken(path, first_broken(bytes, broken), None))?;
        let belongs = segment_path(&segment.chain, segment.first);
        if belongs != path {
            return Err(problem(Fault::Misplaced(belongs)));
        }
        let signer = self.signer(&segment).map_err(problem)?;
        let summary = self.verify(path, &segment, signer)?;
        let found = Found {
            path: path.into(),
            before: segment.before,
            root: segment.root,
            records: summary.records,
            announced: signer.entry,
        };
        self.facts.chains.entry(segment.chain).or_default().find(found).map_err(problem)
    }

    /// Finds the key that the log announces for the signer; it must have been announced when the segment was anchored,
    /// and not before the chain's own incarnation.
    fn signer(&self, segment: &Segment<'_>) -> Result<Announced, Fault> {
        let key = |incarnation| self.facts.keys.get(&(segment.chain.node.clone(), incarnation)).copied();
        let signer = key(segment.signer).ok_or(Fault::SignerUnknown)?;
        if key(segment.chain.incarnation).is_some_and(|own| signer.entry < own.entry) {
            return Err(Fault::SignerOutOfTurn);
        }
        match self.facts.chains.get(&segment.chain).and_then(|chain| chain.root_entry(segment.first)) {
            Some(root) if root < signer.entry => Err(Fault::SignerTooLate { key: signer.entry, root }),
            Some(_) | None => Ok(signer),
        }
    }

    /// Verifies the segment, and every record that a head in the log vouches for.
    fn verify(&self, path: &str, segment: &Segment<'_>, signer: Announced) -> Result<SegmentSummary, Box<Problem>> {
        let chain = self.facts.chains.get(&segment.chain);
        let mut contradicted = None;
        let see = |head: Head| match chain.and_then(|chain| chain.contradicts(head)) {
            Some(entry) => {
                contradicted = Some(entry);
                Err(What::HeadDiffers)
            }
            None => Ok(()),
        };
        let verified = segment.verify_with(&signer.key, see);
        verified.map_err(|broken| of_broken(path, broken, contradicted))
    }
}

/// Finds the first record that is not in order in bytes that are no segment: what makes a frame too long is noticed only
/// after it.
fn first_broken(bytes: &[u8], broken: Broken) -> Broken {
    let known = offset_of(broken);
    let first = match recover(bytes) {
        Some(leftover) => walk(bytes, &leftover.chain, leftover.before, |_| Ok(())).err(),
        None => links(bytes, 1).find_map(Result::err),
    };
    first.filter(|first| offset_of(*first) < known).unwrap_or(broken)
}

const fn offset_of(broken: Broken) -> usize {
    match broken {
        Broken::Record { offset, .. } | Broken::TruncatedTail { offset, .. } | Broken::Seal { offset, .. } => offset,
    }
}

/// Says where a segment is broken; `contradicted` is the log entry that vouches for another record there.
fn of_broken(path: &str, broken: Broken, contradicted: Option<u64>) -> Box<Problem> {
    let record = match broken {
        Broken::Record { sequence, .. } => Some(sequence),
        Broken::TruncatedTail { .. } | Broken::Seal { .. } => None,
    };
    let offset = Some(offset_of(broken));
    let place = Place::Segment { path: path.into(), record, offset };
    Box::new(Problem { place, fault: contradicted.map_or(Fault::Broken(broken), Fault::HeadContradicted) })
}
