//! What nodes say of their chains, gathered until the cluster has agreed on it: keys and roots at once, heads every few
//! seconds. One change at a time; whatever waits meanwhile is in the next.
//!
//! INVARIANT: what was gathered leaves only when the state has it, or has said why it will not (`settle`).

use super::lives::Lives;
use crate::cluster::{CONTROL_PLANE, Cluster};
use hoop_model::{ChainHead, ChainId, EvidenceKey, Head, Incarnation, ResourceName, SegmentRoot};
use hoop_state::{
    AnchorEvidence, Change, Item, MAX_ANCHORED_ITEMS, MAX_CHAINS_PER_NODE, Rejection, Reply, Skip, Skipped,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// How long a head may wait for something else to go with.
const HEADS_WITHIN: Duration = Duration::from_secs(5);
/// How long after a failure the same is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What became of one root.
pub(super) type Anchored = Result<(), Skip>;

/// What waits to be anchored.
pub(crate) struct Anchors {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

struct Waiting {
    /// In the order announced.
    keys: VecDeque<EvidenceKey>,
    /// The newest of each chain.
    heads: BTreeMap<ChainId, Head>,
    /// When the oldest of them must go.
    heads_by: Option<Instant>,
    /// In the order stored.
    roots: VecDeque<Root>,
    /// Chains that count as lost once their processes are surely over.
    lost: BTreeSet<ChainId>,
    broken_off: BTreeSet<ChainId>,
    lives: Lives,
}

/// A stored segment, and who waits to hear that it is anchored.
struct Root {
    root: SegmentRoot,
    /// What its records say of the head that is known, if that is something else.
    contradicts: Option<ChainHead>,
    answer: oneshot::Sender<Anchored>,
}

/// How much of what waits is in one change.
struct Batch {
    keys: usize,
    roots: usize,
    /// Whether heads are left that did not fit.
    is_full: bool,
    anchor: AnchorEvidence,
}

impl Anchors {
    /// Knows nothing yet. A process counts as over so long after its last word.
    pub(super) fn new(lost_after: Duration) -> Self {
        let waiting = Waiting {
            keys: VecDeque::new(),
            heads: BTreeMap::new(),
            heads_by: None,
            roots: VecDeque::new(),
            lost: BTreeSet::new(),
            broken_off: BTreeSet::new(),
            lives: Lives::lasting(lost_after),
        };
        Self { waiting: Mutex::new(waiting), wake: Notify::new() }
    }

    /// Notes a word of a process.
    pub(crate) fn heard(&self, node: &ResourceName, incarnation: Incarnation) {
        self.waiting().lives.heard(node, incarnation);
    }

    /// Takes the key of an incarnation that said Hello, and the chains that its node has lost: the process that wrote them
    /// may still be at work elsewhere, so they count as lost when it has been silent for long.
    pub(crate) fn announce(&self, key: EvidenceKey, lost: Vec<ChainId>) {
        let mut waiting = self.waiting();
        waiting.lives.heard(&key.node, key.incarnation);
        if !waiting.keys.contains(&key) {
            waiting.keys.push_back(key);
        }
        waiting.lost.extend(lost);
        drop(waiting);
        self.wake.notify_one();
    }

    /// Takes the heads of a renewal. They go with whatever goes next, within five seconds.
    pub(crate) fn heads(&self, heads: Vec<ChainHead>) {
        if heads.is_empty() {
            return;
        }
        let mut waiting = self.waiting();
        for ChainHead { chain, head } in heads {
            if !waiting.has_room_for(&chain) {
                tracing::warn!(%chain, "a node speaks of more chains than it may have");
                continue;
            }
            let newest = waiting.heads.entry(chain).or_insert(head);
            if newest.sequence < head.sequence {
                *newest = head;
            }
        }
        waiting.heads_by.get_or_insert_with(|| Instant::now() + HEADS_WITHIN);
        drop(waiting);
        self.wake.notify_one();
    }

    /// Takes the chains that records are missing of, each with the last one that is known.
    pub(crate) fn broken_off(&self, broken_off: Vec<ChainHead>) {
        let mut waiting = self.waiting();
        for ChainHead { chain, head } in broken_off {
            let newest = waiting.heads.entry(chain.clone()).or_insert(head);
            if newest.sequence < head.sequence {
                *newest = head;
            }
            waiting.broken_off.insert(chain);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Takes the root of a segment that the store holds durably. What is received is what became of it; nothing, if that
    /// is not known.
    pub(super) fn root(&self, root: SegmentRoot, contradicts: Option<ChainHead>) -> oneshot::Receiver<Anchored> {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.waiting();
        match waiting.roots.iter_mut().find(|waiting| waiting.root == root) {
            // Who asked before has given up.
            Some(again) => again.answer = answer,
            None => waiting.roots.push_back(Root { root, contradicts, answer }),
        }
        drop(waiting);
        self.wake.notify_one();
        answered
    }

    /// Proposes what waits, until the end of the task.
    pub(super) async fn run(&self, cluster: &Cluster) {
        loop {
            self.due().await;
            if !self.propose(cluster).await {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Proposes what waits now; returns whether there was an answer to it.
    pub(super) async fn propose(&self, cluster: &Cluster) -> bool {
        let batch = self.batch();
        if batch.anchor.items() == 0 {
            return true;
        }
        match cluster.propose(Change::AnchorEvidence(batch.anchor.clone()), None, CONTROL_PLANE).await {
            Ok(Reply::Anchored { skipped, .. }) => {
                self.settle(batch, &skipped);
                true
            }
            Ok(Reply::Rejected(rejection @ Rejection::TooMuchUnstored)) => {
                tracing::error!(%rejection, "evidence cannot be anchored");
                false
            }
            Ok(reply) => {
                tracing::error!(?reply, "evidence cannot be anchored");
                false
            }
            // Whoever proposes says why it failed.
            Err(_) => false,
        }
    }

    /// Waits until something is to be proposed.
    async fn due(&self) {
        loop {
            let woken = self.wake.notified();
            let by = match &*self.waiting() {
                waiting if waiting.is_urgent() => return,
                waiting => waiting.heads_by.into_iter().chain(waiting.next_loss()).min(),
            };
            match by {
                Some(by) => tokio::select! {
                    () = tokio::time::sleep_until(by) => return,
                    () = woken => {}
                },
                None => woken.await,
            }
        }
    }

    fn batch(&self) -> Batch {
        let waiting = self.waiting();
        let keys: Vec<EvidenceKey> = waiting.keys.iter().take(MAX_ANCHORED_ITEMS / 4).cloned().collect();
        // A root may bring a head.
        let roots: Vec<&Root> = waiting.roots.iter().take(MAX_ANCHORED_ITEMS / 8).collect();
        let mut heads: Vec<ChainHead> = roots.iter().filter_map(|root| root.contradicts.clone()).collect();
        let now = Instant::now();
        let lost = waiting.lost.iter().filter(|chain| waiting.over_at(chain) <= now);
        let lost: Vec<ChainId> = lost.take(MAX_ANCHORED_ITEMS / 8).cloned().collect();
        // Those of broken chains first: they must not be ended without them.
        let broken_off: Vec<ChainId> = waiting.broken_off.iter().take(MAX_ANCHORED_ITEMS / 8).cloned().collect();
        let newest = |chain: &ChainId| Some(ChainHead { chain: chain.clone(), head: *waiting.heads.get(chain)? });
        let others = waiting.heads.keys().filter(|chain| !broken_off.contains(chain));
        heads.extend(broken_off.iter().chain(others).filter_map(newest).take(MAX_ANCHORED_ITEMS / 4));
        let is_full = waiting.heads.len() > MAX_ANCHORED_ITEMS / 4;
        let roots: Vec<SegmentRoot> = roots.iter().map(|root| root.root.clone()).collect();
        let anchor = AnchorEvidence { keys, heads, roots, lost, broken_off };
        Batch { keys: anchor.keys.len(), roots: anchor.roots.len(), is_full, anchor }
    }

    /// Lets go of what was proposed, and tells who waits for a root.
    fn settle(&self, batch: Batch, skipped: &[Skipped]) {
        skipped.iter().for_each(report);
        let mut waiting = self.waiting();
        let (keys, roots) = (batch.keys.min(waiting.keys.len()), batch.roots.min(waiting.roots.len()));
        waiting.keys.drain(..keys);
        let roots: Vec<Root> = waiting.roots.drain(..roots).collect();
        waiting.lost.retain(|chain| !batch.anchor.lost.contains(chain));
        waiting.broken_off.retain(|chain| !batch.anchor.broken_off.contains(chain));
        for ChainHead { chain, head } in &batch.anchor.heads {
            if waiting.heads.get(chain) == Some(head) {
                waiting.heads.remove(chain);
            }
        }
        let within = if batch.is_full { Duration::ZERO } else { HEADS_WITHIN };
        waiting.heads_by = if waiting.heads.is_empty() { None } else { Some(Instant::now() + within) };
        drop(waiting);
        for Root { root, answer, .. } in roots {
            // Whoever hung up asks again.
            let _ = answer.send(became_of(&root, skipped));
        }
    }

    /// A panic elsewhere leaves every item whole: each goes in or out at once.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Returns whether a head may wait: of a node, no more chains than it may have.
    fn has_room_for(&self, chain: &ChainId) -> bool {
        let of_node = self.heads.keys().filter(|known| known.node == chain.node);
        self.heads.contains_key(chain) || of_node.count() < MAX_CHAINS_PER_NODE
    }

    fn is_urgent(&self) -> bool {
        let is_due = self.next_loss().is_some_and(|due| due <= Instant::now());
        !(self.keys.is_empty() && self.roots.is_empty() && self.broken_off.is_empty()) || is_due
    }

    /// Returns when the next chain counts as lost.
    fn next_loss(&self) -> Option<Instant> {
        self.lost.iter().map(|chain| self.over_at(chain)).min()
    }

    fn over_at(&self, chain: &ChainId) -> Instant {
        self.lives.over_at(&chain.node, chain.incarnation)
    }
}

/// What became of one root. One that is proposed again after an answer got lost is not the next any more, but anchored.
fn became_of(root: &SegmentRoot, skipped: &[Skipped]) -> Anchored {
    let of = Item::Root { chain: root.chain.clone(), first: root.first };
    match skipped.iter().find(|skipped| skipped.item == of).map(|skipped| skipped.why) {
        Some(Skip::OutOfOrder { expected }) if expected > root.last.sequence => Ok(()),
        Some(why) => Err(why),
        None => Ok(()),
    }
}

/// Says what will not be in the log. A head that comes after its chain's incarnation is over is nothing to worry about.
fn report(skipped: &Skipped) {
    match (&skipped.item, skipped.why) {
        (Item::Head(_), Skip::Unannounced) => tracing::debug!(item = %skipped.item, why = %skipped.why, "not anchored"),
        (Item::Key { .. } | Item::Head(_) | Item::Root { .. } | Item::Lost(_), _) => {
            tracing::warn!(item = %skipped.item, why = %skipped.why, "evidence was not anchored");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_a_process_may_still_ship_is_not_lost_because_another_came() {
        let node = ResourceName::parse("n1").unwrap();
        let (old, new) = (Incarnation::mint(1), Incarnation::mint(2));
        let chain = ChainId { node: node.clone(), incarnation: old, shard: 0 };
        let anchors = Anchors::new(Duration::from_secs(30));
        anchors.announce(EvidenceKey { node: node.clone(), incarnation: old, public: [1; 32] }, vec![]);
        let lost = || anchors.batch().anchor.lost;
        tokio::time::advance(Duration::from_secs(60)).await;
        anchors.heard(&node, old);
        anchors.announce(EvidenceKey { node: node.clone(), incarnation: new, public: [2; 32] }, vec![chain.clone()]);
        for _ in 0..5 {
            tokio::time::advance(Duration::from_secs(29)).await;
            assert_eq!(lost(), [], "its lease may run, and it drains");
            anchors.heard(&node, old);
        }
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(lost(), [chain]);
        assert_eq!(anchors.waiting().next_loss(), Some(Instant::now()));
    }
}
