//! The evidence log, as far as the cluster must agree on it: how long it is, what the store does not have yet, and how
//! far every chain has come. Its entries lie in the evidence store; here are only those that are not there yet.

use crate::joining::Joining;
use crate::{Inconsistent, LogStored, Rejection};
use hoop_model::{ChainId, ContentHash, EvidenceKey, Head, Incarnation, LogEntry, ResourceName};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Most parts (keys, heads, roots, gaps, conflicts) of entries that the store lacks. At this many nothing more is
/// anchored: a store that fails costs a bounded state, some 40 MB. One change may go beyond by what it brings.
pub const MAX_UNSTORED_PARTS: usize = 200_000;
/// Most chains of one node in the state, ended ones that are still known among them.
pub const MAX_CHAINS_PER_NODE: usize = 1_024;
/// How many of a node's incarnations, the newest first, are known with the chains they ended: what comes late, or again,
/// of such a chain is neither a chain of its own nor lost.
const KNOWN_INCARNATIONS: usize = 2;

/// The tree hash of a log without entries: SHA-256 of nothing (RFC 6962 §2.1).
pub const EMPTY_TREE: ContentHash = ContentHash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// How far a chain has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// The last record that anybody spoke of. Never before `stored`.
    pub head: Head,
    /// The last record that the evidence store holds, if it holds any.
    pub stored: Option<Head>,
    /// Whether no record comes any more.
    pub ended: bool,
}

/// The evidence log and the chains it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceLog {
    stored: LogStored,
    /// INVARIANT: numbered from `stored.size` on without a hole; only `append`, `store` and `restore` change them.
    unstored: VecDeque<Arc<LogEntry>>,
    unstored_parts: usize,
    pub(crate) chains: BTreeMap<ChainId, Chain>,
    /// In the order announced, so that the last one of a node is of its newest incarnation.
    keys: BTreeMap<ResourceName, Vec<EvidenceKey>>,
}

/// Everything an evidence log holds, as a snapshot does.
#[derive(Debug, Clone)]
pub struct EvidenceContents {
    /// See [`EvidenceLog::size`].
    pub size: u64,
    /// See [`EvidenceLog::stored`].
    pub stored: LogStored,
    /// See [`EvidenceLog::unstored_from`].
    pub unstored: Vec<Arc<LogEntry>>,
    /// See [`EvidenceLog::chains`].
    pub chains: Vec<(ChainId, Chain)>,
    /// See [`EvidenceLog::keys`].
    pub keys: Vec<EvidenceKey>,
}

/// What became of a key that was announced.
pub(crate) enum Announced {
    New,
    Known,
    Differs,
}

impl Default for EvidenceLog {
    fn default() -> Self {
        Self {
            stored: LogStored { size: 0, root: EMPTY_TREE },
            unstored: VecDeque::new(),
            unstored_parts: 0,
            chains: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }
}

impl EvidenceLog {
    /// Returns how many entries the log has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.stored.size.saturating_add(self.unstored.len() as u64)
    }

    /// Returns how many of them the evidence store is known to hold, and their tree hash.
    #[must_use]
    pub const fn stored(&self) -> LogStored {
        self.stored
    }

    /// Returns the entries that the evidence store is not known to hold, from this index on, in order. What is before
    /// [`EvidenceLog::stored`] is in the store and no longer here.
    pub fn unstored_from(&self, index: u64) -> impl Iterator<Item = &Arc<LogEntry>> {
        let before = index.saturating_sub(self.stored.size);
        self.unstored.iter().skip(usize::try_from(before).unwrap_or(usize::MAX))
    }

    /// Returns how far a chain has come; none if it is unknown, or ended in an incarnation before its node's two newest.
    #[must_use]
    pub fn chain(&self, id: &ChainId) -> Option<&Chain> {
        self.chains.get(id)
    }

    /// Returns every chain that is known, by id.
    pub fn chains(&self) -> impl Iterator<Item = (&ChainId, &Chain)> {
        self.chains.iter()
    }

    /// Returns the chains of a node that have not ended, by id.
    pub fn chains_of(&self, node: &ResourceName) -> impl Iterator<Item = (&ChainId, &Chain)> {
        self.known_of(node).filter(|(_, chain)| !chain.ended)
    }

    /// Returns the keys that are known, by node and in the order announced: those of each node's two newest incarnations,
    /// and of those with a chain that has not ended.
    pub fn keys(&self) -> impl Iterator<Item = &EvidenceKey> {
        self.keys.values().flatten()
    }

    /// Returns the public key of an incarnation, if it is one of [`EvidenceLog::keys`].
    #[must_use]
    pub fn key(&self, node: &ResourceName, incarnation: Incarnation) -> Option<&[u8; 32]> {
        self.keys_of(node).iter().find(|key| key.incarnation == incarnation).map(|key| &key.public)
    }

    /// Returns the incarnation of a node whose key was announced last.
    #[must_use]
    pub fn newest(&self, node: &ResourceName) -> Option<Incarnation> {
        self.keys_of(node).last().map(|key| key.incarnation)
    }

    /// Puts a log together.
    pub(crate) fn restore(contents: EvidenceContents, nodes: &Joining) -> Result<Self, Inconsistent> {
        let EvidenceContents { size, stored, unstored, chains, keys } = contents;
        let mut log = Self { stored, ..Self::default() };
        if stored.size == 0 && stored.root != EMPTY_TREE {
            return Err(Inconsistent::EvidenceLog);
        }
        for entry in unstored {
            (entry.index == log.size() && parts(&entry) > 0).then_some(()).ok_or(Inconsistent::EvidenceLog)?;
            log.append(entry);
        }
        (log.size() == size).then_some(()).ok_or(Inconsistent::EvidenceLog)?;
        for (id, chain) in chains {
            let owned = nodes.node(&id.node).is_some();
            (owned && chain.is_whole()).then_some(()).ok_or_else(|| Inconsistent::Chain(id.clone()))?;
            let Entry::Vacant(place) = log.chains.entry(id.clone()) else { return Err(Inconsistent::Chain(id)) };
            place.insert(chain);
        }
        for key in keys {
            let (node, incarnation) = (key.node.clone(), key.incarnation);
            let new = nodes.node(&node).is_some() && matches!(log.announce(key), Announced::New);
            new.then_some(()).ok_or(Inconsistent::EvidenceKey { node, incarnation })?;
        }
        Ok(log)
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.unstored_parts >= MAX_UNSTORED_PARTS
    }

    pub(crate) fn has_room_for_chain_of(&self, node: &ResourceName) -> bool {
        self.known_of(node).count() < MAX_CHAINS_PER_NODE
    }

    /// Takes a key, unless another one of its incarnation is known.
    pub(crate) fn announce(&mut self, key: EvidenceKey) -> Announced {
        match self.key(&key.node, key.incarnation) {
            Some(known) if *known == key.public => Announced::Known,
            Some(_) => Announced::Differs,
            None => {
                self.keys.entry(key.node.clone()).or_default().push(key);
                Announced::New
            }
        }
    }

    /// Takes an entry, which bears the number [`EvidenceLog::size`].
    pub(crate) fn append(&mut self, entry: Arc<LogEntry>) {
        self.unstored_parts = self.unstored_parts.saturating_add(parts(&entry));
        self.unstored.push_back(entry);
    }

    /// Lets go of what is stored.
    pub(crate) fn store(&mut self, stored: LogStored) {
        while self.stored.size < stored.size
            && let Some(entry) = self.unstored.pop_front()
        {
            self.stored.size = self.stored.size.saturating_add(1);
            self.unstored_parts = self.unstored_parts.saturating_sub(parts(&entry));
        }
        self.stored.root = stored.root;
    }

    /// Forgets the incarnations of a node that are over: two newer ones are announced, and every chain has ended.
    pub(crate) fn forget_ended(&mut self, node: &ResourceName) {
        let newest = self.keys_of(node).iter().rev().take(KNOWN_INCARNATIONS).map(|key| key.incarnation);
        let open = self.chains_of(node).map(|(id, _)| id.incarnation);
        let known: BTreeSet<Incarnation> = newest.chain(open).collect();
        let over = self.known_of(node).filter(|(id, _)| !known.contains(&id.incarnation));
        let over: Vec<ChainId> = over.map(|(id, _)| id.clone()).collect();
        for id in over {
            self.chains.remove(&id);
        }
        if let Some(keys) = self.keys.get_mut(node) {
            keys.retain(|key| known.contains(&key.incarnation));
        }
    }

    /// Refuses while a chain of a node has not ended.
    pub(crate) fn check_all_ended(&self, node: &ResourceName) -> Result<(), Rejection> {
        let (mut chains, mut records) = (0_u64, 0_u64);
        for (_, chain) in self.chains_of(node) {
            chains = chains.saturating_add(1);
            let missing = chain.head.sequence.saturating_add(1).saturating_sub(chain.next_stored());
            records = records.saturating_add(missing);
        }
        if chains == 0 { Ok(()) } else { Err(Rejection::NodeHasRecords { node: node.clone(), chains, records }) }
    }

    /// Forgets the chains and the keys of a node.
    pub(crate) fn forget_node(&mut self, node: &ResourceName) {
        let chains: Vec<ChainId> = self.known_of(node).map(|(id, _)| id.clone()).collect();
        for id in chains {
            self.chains.remove(&id);
        }
        self.keys.remove(node);
    }

    fn known_of(&self, node: &ResourceName) -> impl Iterator<Item = (&ChainId, &Chain)> {
        let first = ChainId { node: node.clone(), incarnation: Incarnation::mint(0), shard: 0 };
        self.chains.range(first..).take_while(move |(id, _)| id.node == *node)
    }

    fn keys_of(&self, node: &ResourceName) -> &[EvidenceKey] {
        self.keys.get(node).map_or(&[], Vec::as_slice)
    }
}

impl Chain {
    /// Returns the number of the record that the next segment in the store begins with.
    #[must_use]
    pub fn next_stored(&self) -> u64 {
        self.stored.map_or(1, |stored| stored.sequence.saturating_add(1))
    }

    /// Returns what is known of the record of that number, if it is something else and that is all that is known of it.
    pub(crate) fn contradicts(&self, said: Head) -> Option<Head> {
        let mut known = [Some(self.head), self.stored].into_iter().flatten().filter(|at| at.sequence == said.sequence);
        let first = known.next()?;
        (first != said && known.all(|other| other != said)).then_some(first)
    }

    fn is_whole(&self) -> bool {
        let stored = self.stored.is_none_or(|stored| is_record(stored) && stored.sequence <= self.head.sequence);
        stored && is_record(self.head)
    }
}

/// Returns whether a head can be that of a record: they count from 1, and the last number there is stays unused.
pub(crate) const fn is_record(head: Head) -> bool {
    0 < head.sequence && head.sequence < u64::MAX
}

/// Returns how many things an entry says.
pub(crate) fn parts(entry: &LogEntry) -> usize {
    let LogEntry { index: _, time: _, keys, heads, roots, gaps, conflicts } = entry;
    let marks = keys.len().saturating_add(heads.len()).saturating_add(roots.len());
    marks.saturating_add(gaps.len()).saturating_add(conflicts.len())
}
