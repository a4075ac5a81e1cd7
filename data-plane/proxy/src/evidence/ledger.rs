//! What the shards, the keeper and the control thread know in common about this node's evidence.

use super::name::{Form, PieceName};
use hoop_model::{ChainHead, ChainId, EvidenceKey, Head, Incarnation, ResourceName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// One per node. Shards touch it once a second, and when they cut a piece; per record they read three atomics.
pub(crate) struct Ledger {
    pub(crate) key: EvidenceKey,
    max_bytes: u64,
    /// How many pieces could not be sealed although somebody tried, or were given up and not tried yet.
    ailing: AtomicU32,
    /// Whether the node keeps as much as it may.
    full: AtomicBool,
    /// How often a chain was broken off.
    breaks: AtomicU64,
    book: Mutex<Book>,
    /// Wakes whoever ships.
    sealed: Notify,
    /// How often in a row the control plane could not be reached to ship.
    unreached: AtomicU32,
}

/// INVARIANT: locked for a moment only, and never across anything that waits.
struct Book {
    /// How far the chains of this incarnation have come.
    heads: BTreeMap<ChainId, ChainHead>,
    /// What is to be shipped, each chain's oldest first.
    segments: BTreeMap<ChainId, VecDeque<Segment>>,
    /// Numbers segments in the order they were sealed.
    sealed: u64,
    /// How many bytes wait to be shipped.
    bytes: u64,
    /// Chains of earlier incarnations of which something is here that the control plane would not have.
    refused: BTreeSet<ChainId>,
    /// Chains of earlier incarnations that the disk does not let us end yet.
    unsettled: BTreeSet<ChainId>,
    /// Chains that records are missing of: nothing more of them is shipped. Each with the last record that is known.
    broken_off: BTreeMap<ChainId, Option<Head>>,
}

/// A sealed segment that is to be shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) name: PieceName,
    pub(crate) bytes: u64,
    pub(crate) ends_chain: bool,
    /// Its place in the order in which this process came to know of segments.
    pub(crate) number: u64,
}

impl Segment {
    /// Returns its file's name.
    pub(crate) fn file(&self) -> String {
        self.name.file(Form::Sealed)
    }
}

impl Ledger {
    pub(crate) fn new(key: EvidenceKey, max_bytes: u64) -> Self {
        let book = Book {
            heads: BTreeMap::new(),
            segments: BTreeMap::new(),
            sealed: 0,
            bytes: 0,
            refused: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            broken_off: BTreeMap::new(),
        };
        Self {
            key,
            max_bytes,
            ailing: AtomicU32::new(0),
            full: AtomicBool::new(false),
            breaks: AtomicU64::new(0),
            book: Mutex::new(book),
            sealed: Notify::new(),
            unreached: AtomicU32::new(0),
        }
    }

    pub(crate) fn node(&self) -> &ResourceName {
        &self.key.node
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.key.incarnation
    }

    /// Returns whether what is kept is kept well, and there is room for more.
    pub(crate) fn is_well(&self) -> bool {
        self.ailing.load(Ordering::Relaxed) == 0 && !self.full.load(Ordering::Relaxed)
    }

    /// Notes that a piece is in danger. [`Ledger::recovered`] takes back as many as were noted.
    pub(crate) fn ails(&self) {
        self.ailing.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn recovered(&self) {
        self.ailing.fetch_sub(1, Ordering::Relaxed);
    }

    /// Notes how far a chain of this incarnation has come, and how many bytes were recorded on the way.
    pub(crate) fn advanced(&self, head: Option<ChainHead>, bytes: u64) {
        let mut book = self.book();
        book.bytes = book.bytes.saturating_add(bytes);
        if let Some(head) = head {
            match book.broken_off.get_mut(&head.chain) {
                Some(last) => *last = furthest(*last, Some(head.head)),
                None => drop(book.heads.insert(head.chain.clone(), head)),
            }
        }
        self.measure(book);
    }

    /// Lets go of bytes that were recorded and will not be shipped.
    pub(crate) fn lost(&self, bytes: u64) {
        let mut book = self.book();
        book.bytes = book.bytes.saturating_sub(bytes);
        self.measure(book);
    }

    /// Notes that records of a chain are missing, and the last one that is known. What is sealed of it already precedes
    /// them, and is shipped. May be said again of the same chain.
    pub(crate) fn break_off(&self, chain: &ChainId, last: Option<Head>) {
        let mut book = self.book();
        let said = book.heads.remove(chain).map(|said| said.head);
        let known = book.broken_off.entry(chain.clone()).or_default();
        *known = furthest(furthest(*known, said), last);
        drop(book);
        self.breaks.fetch_add(1, Ordering::Release);
    }

    /// Returns how often a chain was broken off.
    pub(crate) fn breaks(&self) -> u64 {
        self.breaks.load(Ordering::Acquire)
    }

    /// Returns whether records of a chain are missing.
    pub(crate) fn is_broken_off(&self, chain: &ChainId) -> bool {
        self.book().broken_off.contains_key(chain)
    }

    /// Returns the chains that records are missing of and of which nothing more will be shipped, each with the last record
    /// that is known.
    pub(crate) fn broken_off(&self) -> Vec<ChainHead> {
        let book = self.book();
        let is_over = |chain: &ChainId| !book.segments.contains_key(chain) && !book.unsettled.contains(chain);
        let over = book.broken_off.iter().filter(|(chain, _)| is_over(chain));
        over.filter_map(|(chain, last)| Some(ChainHead { chain: chain.clone(), head: (*last)? })).collect()
    }

    /// Returns the next segment of a chain.
    pub(crate) fn next_of(&self, chain: &ChainId) -> Option<Segment> {
        self.book().segments.get(chain)?.front().cloned()
    }

    /// Notes that a segment is not there any more, or is where it is not shipped from.
    pub(crate) fn stranded(&self, segment: &Segment) {
        self.take(segment);
    }

    /// Returns how far the chains of this incarnation have come that are not known to have ended.
    pub(crate) fn heads(&self) -> Vec<ChainHead> {
        self.book().heads.values().cloned().collect()
    }

    /// Notes a segment that is to be shipped; `more` of its bytes were not counted yet.
    pub(crate) fn sealed(&self, name: PieceName, bytes: u64, more: u64, ends_chain: bool) {
        let mut book = self.book();
        book.bytes = book.bytes.saturating_add(more);
        let number = book.sealed;
        book.sealed = number.saturating_add(1);
        let segment = Segment { name, bytes, ends_chain, number };
        book.segments.entry(name.chain(self.node())).or_default().push_back(segment);
        self.measure(book);
        self.sealed.notify_one();
    }

    /// Returns the next segment of each chain, oldest first.
    pub(crate) fn next(&self) -> Vec<Segment> {
        let book = self.book();
        let mut next: Vec<_> = book.segments.values().filter_map(|segments| segments.front().cloned()).collect();
        next.sort_unstable_by_key(|segment| segment.number);
        next
    }

    /// Waits until a segment is there that was not when this was last called.
    pub(crate) async fn more(&self) {
        self.sealed.notified().await;
    }

    /// Notes that a segment is stored, and gone from here.
    pub(crate) fn stored(&self, segment: &Segment) {
        self.take(segment);
        if segment.ends_chain {
            // Whoever stored its end knows its head.
            self.book().heads.remove(&segment.name.chain(self.node()));
        }
    }

    /// Notes that a segment was refused, and is kept where it is not shipped again.
    pub(crate) fn refused(&self, segment: &Segment) {
        self.take(segment);
        self.keeps_refused(&segment.name.chain(self.node()));
    }

    /// Returns whether nothing waits to be shipped.
    pub(crate) fn is_shipped(&self) -> bool {
        self.book().segments.is_empty()
    }

    /// Notes that something of a chain is kept that was refused.
    pub(crate) fn keeps_refused(&self, chain: &ChainId) {
        if chain.incarnation != self.key.incarnation {
            self.book().refused.insert(chain.clone());
        }
    }

    /// Notes that a chain of an earlier incarnation cannot be ended yet, and makes the node refuse until it is.
    pub(crate) fn unsettled(&self, chain: &ChainId) {
        self.ails();
        self.book().unsettled.insert(chain.clone());
    }

    pub(crate) fn settled(&self, chain: &ChainId) {
        self.book().unsettled.remove(chain);
        self.recovered();
    }

    /// Notes whether the control plane answered whoever ships.
    pub(crate) fn reached(&self, reached: bool) {
        let unreached = if reached { 0 } else { self.unreached().saturating_add(1) };
        self.unreached.store(unreached, Ordering::Relaxed);
    }

    /// Returns how often in a row it did not.
    pub(crate) fn unreached(&self) -> u32 {
        self.unreached.load(Ordering::Relaxed)
    }

    fn take(&self, segment: &Segment) {
        let chain = segment.name.chain(self.node());
        let mut book = self.book();
        let Some(segments) = book.segments.get_mut(&chain) else { return };
        segments.retain(|known| known.name != segment.name);
        if segments.is_empty() {
            book.segments.remove(&chain);
        }
        book.bytes = book.bytes.saturating_sub(segment.bytes);
        self.measure(book);
    }

    /// Returns the chains of earlier incarnations of which something is still here.
    pub(crate) fn leftovers(&self) -> Vec<ChainId> {
        let book = self.book();
        let waiting = book.segments.keys().filter(|chain| chain.incarnation != self.key.incarnation);
        let leftovers: BTreeSet<_> = waiting.chain(&book.refused).chain(&book.unsettled).cloned().collect();
        leftovers.into_iter().collect()
    }

    /// Compares what waits with what may, as the last thing that is done with the book.
    fn measure(&self, book: MutexGuard<'_, Book>) {
        let bytes = book.bytes;
        let full = bytes > self.max_bytes;
        let was_full = self.full.swap(full, Ordering::Relaxed);
        drop(book);
        match (was_full, full) {
            (false, true) => {
                tracing::error!(bytes, "as much evidence waits to be shipped as may; commands are refused");
            }
            (true, false) => tracing::info!(bytes, "there is room for evidence again"),
            (false, false) | (true, true) => {}
        }
    }

    /// Returns how many bytes wait to be shipped, and how many segments of them are sealed.
    pub(crate) fn unshipped(&self) -> (u64, usize) {
        let book = self.book();
        (book.bytes, book.segments.values().map(VecDeque::len).sum())
    }

    /// Returns how many bytes wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> u64 {
        self.unshipped().0
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn furthest(one: Option<Head>, other: Option<Head>) -> Option<Head> {
    one.into_iter().chain(other).max_by_key(|head| head.sequence)
}
