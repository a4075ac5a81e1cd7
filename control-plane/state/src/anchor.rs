//! Anchoring: what nodes say of their chains becomes at most one entry of the evidence log.
//!
//! What is known already changes nothing, so whatever is not sure to have been anchored may be proposed again. What is
//! wrong in one item costs that item: a proposal carries what many nodes said, and none of them may silence the others.

use crate::apply::Made;
use crate::evidence::{Announced, is_record, parts};
use crate::joining::Joining;
use crate::{AnchorEvidence, Chain, EvidenceLog, LogStored, Notice, Rejection, RemoveNode, Reply, State};
use hoop_model::{
    ChainHead, ChainId, Conflict, EvidenceKey, Gap, Head, Incarnation, LogEntry, ResourceName, SegmentRoot, UnixMillis,
};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// Most items (keys, heads, roots, lost chains) in one change.
pub const MAX_ANCHORED_ITEMS: usize = 4_096;

/// One item of an [`AnchorEvidence`] that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{item}: {why}")]
pub struct Skipped {
    /// The item.
    pub item: Item,
    /// Why.
    pub why: Skip,
}

/// Names one item of an [`AnchorEvidence`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The key of an incarnation.
    Key {
        /// The node.
        node: ResourceName,
        /// The incarnation.
        incarnation: Incarnation,
    },
    /// The head of a chain.
    Head(ChainId),
    /// The root of a segment.
    Root {
        /// The chain.
        chain: ChainId,
        /// The number of the segment's first record.
        first: u64,
    },
    /// A chain that is said to be lost or broken off.
    Lost(ChainId),
}

/// Why an item was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Skip {
    /// No such node has joined.
    #[error("no such node has joined")]
    UnknownNode,
    /// The incarnation announced another key before; that one stays.
    #[error("another key of this incarnation is known")]
    KeyDiffers,
    /// The chain is unknown and its incarnation announced no key that is still known. Perhaps it ended long ago.
    #[error("its incarnation is not announced")]
    Unannounced,
    /// The numbers are those of no record or segment: they count from 1, and a segment ends where it begins or later.
    #[error("there are no such records")]
    NoSuchRecords,
    /// The node has too many chains.
    #[error("its node has too many chains")]
    TooManyChains,
    /// The segment does not begin where the stored part of its chain ends.
    #[error("the next segment begins at {expected}")]
    OutOfOrder {
        /// The number of the record it must begin with.
        expected: u64,
    },
    /// The chain has ended before the segment.
    #[error("the chain has ended")]
    Ended,
    /// The chain is of its node's newest incarnation, which has all of its chains.
    #[error("its incarnation is its node's newest")]
    Alive,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { node, incarnation } => write!(f, "key of {node}/{incarnation}"),
            Self::Head(chain) => write!(f, "head of {chain}"),
            Self::Root { chain, first } => write!(f, "segment {first} of {chain}"),
            Self::Lost(chain) => write!(f, "loss of {chain}"),
        }
    }
}

impl State {
    pub(crate) fn anchor_evidence(&mut self, anchor: AnchorEvidence) -> Made {
        if anchor.items() > MAX_ANCHORED_ITEMS {
            return Err(Rejection::TooMuchEvidence);
        }
        if self.evidence.is_full() {
            return Err(Rejection::TooMuchUnstored);
        }
        let mut anchoring = Anchoring::begin(Arc::make_mut(&mut self.evidence), &self.joining, self.log_time);
        anchoring.take(anchor);
        let Anchoring { log, entry, skipped, .. } = anchoring;
        if parts(&entry) == 0 {
            return Ok((Reply::Anchored { size: log.size(), entry: None, skipped }, Vec::new()));
        }
        let index = entry.index;
        log.append(Arc::new(entry));
        let size = log.size();
        let notice = Notice::EvidenceLogged { size };
        Ok((Reply::Anchored { size, entry: Some(index), skipped }, vec![notice]))
    }

    /// Removes a node. Its chains end with what is stored of them; what is known to be missing becomes an entry of the log.
    pub(crate) fn remove_node(&mut self, remove: &RemoveNode) -> Made {
        self.joining.check_there(&remove.name, remove.uid)?;
        if !remove.gives_up_records {
            self.evidence.check_all_ended(&remove.name)?;
        }
        let mut anchoring = Anchoring::begin(Arc::make_mut(&mut self.evidence), &self.joining, self.log_time);
        let open: Vec<ChainId> = anchoring.log.chains_of(&remove.name).map(|(id, _)| id.clone()).collect();
        open.iter().for_each(|id| anchoring.end_at_stored(id));
        let Anchoring { log, entry, .. } = anchoring;
        log.forget_node(&remove.name);
        let mut notices = vec![Notice::NodeRemoved { node: remove.name.clone(), at: self.log_time }];
        if parts(&entry) > 0 {
            log.append(Arc::new(entry));
            notices.push(Notice::EvidenceLogged { size: log.size() });
        }
        self.joining.remove(remove, self.log_time)?;
        Ok((Reply::Done { revision: self.revision }, notices))
    }

    /// Lets go of what the store holds. A repeat, or what is late, changes nothing.
    pub(crate) fn log_stored(&mut self, stored: LogStored) -> Made {
        let (size, known) = (self.evidence.size(), self.evidence.stored());
        if stored.size > size {
            return Err(Rejection::LogShorter { size });
        }
        if stored.size == known.size && stored.root != known.root {
            return Err(Rejection::LogRootDiffers { size: known.size });
        }
        if stored.size > known.size {
            Arc::make_mut(&mut self.evidence).store(stored);
        }
        Ok((Reply::Done { revision: self.revision }, Vec::new()))
    }
}

/// One change at work.
struct Anchoring<'a> {
    log: &'a mut EvidenceLog,
    nodes: &'a Joining,
    entry: LogEntry,
    skipped: Vec<Skipped>,
}

impl<'a> Anchoring<'a> {
    fn begin(log: &'a mut EvidenceLog, nodes: &'a Joining, time: UnixMillis) -> Self {
        let (keys, heads, roots, gaps, conflicts) = Default::default();
        let entry = LogEntry { index: log.size(), time, keys, heads, roots, gaps, conflicts };
        Self { log, nodes, entry, skipped: Vec::new() }
    }

    /// Takes everything: heads before roots and losses, so that what a chain ended with is measured against the furthest
    /// it is known to have come; and only then forgets what is over.
    fn take(&mut self, anchor: AnchorEvidence) {
        let AnchorEvidence { keys, heads, roots, lost, broken_off } = anchor;
        let mut touched = BTreeSet::new();
        for key in keys {
            touched.insert(key.node.clone());
            let item = Item::Key { node: key.node.clone(), incarnation: key.incarnation };
            let taken = self.key(key);
            self.note(item, taken);
        }
        for head in heads {
            let taken = self.head(&head);
            self.note(Item::Head(head.chain), taken);
        }
        for root in roots {
            touched.insert(root.chain.node.clone());
            let item = Item::Root { chain: root.chain.clone(), first: root.first };
            let taken = self.root(root);
            self.note(item, taken);
        }
        for chain in lost {
            touched.insert(chain.node.clone());
            let taken = self.lost(&chain);
            self.note(Item::Lost(chain), taken);
        }
        for chain in broken_off {
            touched.insert(chain.node.clone());
            let taken = self.check_node(&chain.node).map(|()| self.end_at_stored(&chain));
            self.note(Item::Lost(chain), taken);
        }
        touched.iter().for_each(|node| self.log.forget_ended(node));
    }

    fn note(&mut self, item: Item, taken: Result<(), Skip>) {
        if let Err(why) = taken {
            self.skipped.push(Skipped { item, why });
        }
    }

    fn key(&mut self, key: EvidenceKey) -> Result<(), Skip> {
        self.check_node(&key.node)?;
        match self.log.announce(key.clone()) {
            Announced::New => self.entry.keys.push(key),
            Announced::Known => {}
            Announced::Differs => return Err(Skip::KeyDiffers),
        }
        Ok(())
    }

    /// Takes a head. One beyond the end of its chain is of records that the end lacks.
    fn head(&mut self, said: &ChainHead) -> Result<(), Skip> {
        let ChainHead { chain: id, head } = said;
        self.check_node(&id.node)?;
        is_record(*head).then_some(()).ok_or(Skip::NoSuchRecords)?;
        let Some(mut chain) = self.log.chain(id).copied() else { return self.begin_chain(said) };
        if let Some(known) = chain.contradicts(*head) {
            self.conflict(id, known, *head);
        } else if head.sequence > chain.head.sequence {
            if chain.ended {
                self.gap(id, chain.head, *head);
            } else {
                self.entry.heads.push(said.clone());
            }
            chain.head = *head;
            self.log.chains.insert(id.clone(), chain);
        }
        Ok(())
    }

    /// Begins a chain. Only of an incarnation that is known: what comes late of one that is over begins nothing.
    fn begin_chain(&mut self, said: &ChainHead) -> Result<(), Skip> {
        let ChainHead { chain: id, head } = said;
        self.log.key(&id.node, id.incarnation).ok_or(Skip::Unannounced)?;
        self.check_room(id)?;
        self.log.chains.insert(id.clone(), Chain { head: *head, stored: None, ended: false });
        self.entry.heads.push(said.clone());
        Ok(())
    }

    /// Takes a root: the store holds the segment, so it is anchored also where it contradicts a head, and the entry says
    /// both. It may begin a chain of an incarnation nobody announced: that one ended before it could.
    fn root(&mut self, root: SegmentRoot) -> Result<(), Skip> {
        let (id, last) = (&root.chain, root.last);
        self.check_node(&id.node)?;
        let real = is_record(last) && (1..=last.sequence).contains(&root.first);
        real.then_some(()).ok_or(Skip::NoSuchRecords)?;
        let known = self.log.chain(id).copied();
        let mut chain = known.unwrap_or(Chain { head: last, stored: None, ended: false });
        if chain.stored == Some(last) {
            return Ok(());
        }
        if let Some(known) = chain.contradicts(last) {
            self.conflict(id, known, last);
        }
        if chain.ended {
            return Err(Skip::Ended);
        }
        if root.first != chain.next_stored() {
            return Err(Skip::OutOfOrder { expected: chain.next_stored() });
        }
        if known.is_none() {
            self.check_room(id)?;
        }
        if last.sequence > chain.head.sequence {
            chain.head = last;
        }
        chain.stored = Some(last);
        chain.ended = root.ends_chain;
        if chain.ended && last.sequence < chain.head.sequence {
            self.gap(id, last, chain.head);
        }
        self.log.chains.insert(id.clone(), chain);
        self.entry.roots.push(root);
        Ok(())
    }

    /// Ends a chain of which its node has nothing any more: what was said to exist and is not stored is lost.
    fn lost(&mut self, id: &ChainId) -> Result<(), Skip> {
        self.check_node(&id.node)?;
        let is_open = self.log.chain(id).is_some_and(|chain| !chain.ended);
        if is_open && self.log.newest(&id.node) == Some(id.incarnation) {
            return Err(Skip::Alive);
        }
        self.end_at_stored(id);
        Ok(())
    }

    /// Ends a chain with what is stored of it: all that was said to come after is lost.
    fn end_at_stored(&mut self, id: &ChainId) {
        let Some(mut chain) = self.log.chain(id).copied().filter(|chain| !chain.ended) else { return };
        if chain.next_stored() <= chain.head.sequence {
            self.entry.gaps.push(Gap { chain: id.clone(), first: chain.next_stored(), last: chain.head });
        }
        chain.ended = true;
        self.log.chains.insert(id.clone(), chain);
    }

    fn check_node(&self, node: &ResourceName) -> Result<(), Skip> {
        self.nodes.node(node).map(|_| ()).ok_or(Skip::UnknownNode)
    }

    fn check_room(&self, id: &ChainId) -> Result<(), Skip> {
        self.log.has_room_for_chain_of(&id.node).then_some(()).ok_or(Skip::TooManyChains)
    }

    fn gap(&mut self, chain: &ChainId, after: Head, last: Head) {
        self.entry.gaps.push(Gap { chain: chain.clone(), first: after.sequence.saturating_add(1), last });
    }

    fn conflict(&mut self, chain: &ChainId, known: Head, said: Head) {
        self.entry.conflicts.push(Conflict { known: ChainHead { chain: chain.clone(), head: known }, said });
    }
}
