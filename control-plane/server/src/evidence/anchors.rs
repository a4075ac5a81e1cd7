//! What nodes say of their chains, gathered until the cluster has agreed on it: keys and roots at once, heads every few
//! seconds. One change at a time; whatever waits meanwhile is in the next.
//!
//! INVARIANT: what was gathered leaves only when the state has it, or has said why it will not (`settle`).

use crate::cluster::{CONTROL_PLANE, Cluster};
use hoop_model::{ChainHead, ChainId, EvidenceKey, Head, SegmentRoot};
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
#[derive(Default)]
pub(crate) struct Anchors {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Default)]
struct Waiting {
    /// In the order announced.
    keys: VecDeque<EvidenceKey>,
    /// The newest of each chain.
    heads: BTreeMap<ChainId, Head>,
    /// When the oldest of them must go.
    heads_by: Option<Instant>,
    /// In the order stored.
    roots: VecDeque<Root>,
    lost: BTreeSet<ChainId>,
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
    /// Takes the key of an incarnation that said Hello, and the chains that its node has lost.
    pub(crate) fn announce(&self, key: EvidenceKey, lost: Vec<ChainId>) {
        let mut waiting = self.waiting();
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
                waiting => waiting.heads_by,
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
        let lost: Vec<ChainId> = waiting.lost.iter().take(MAX_ANCHORED_ITEMS / 4).cloned().collect();
        let newest = waiting.heads.iter().map(|(chain, head)| ChainHead { chain: chain.clone(), head: *head });
        heads.extend(newest.take(MAX_ANCHORED_ITEMS / 4));
        let is_full = waiting.heads.len() > MAX_ANCHORED_ITEMS / 4;
        let roots: Vec<SegmentRoot> = roots.iter().map(|root| root.root.clone()).collect();
        Batch { keys: keys.len(), roots: roots.len(), is_full, anchor: AnchorEvidence { keys, heads, roots, lost } }
    }

    /// Lets go of what was proposed, and tells who waits for a root.
    fn settle(&self, batch: Batch, skipped: &[Skipped]) {
        skipped.iter().for_each(report);
        let mut waiting = self.waiting();
        let (keys, roots) = (batch.keys.min(waiting.keys.len()), batch.roots.min(waiting.roots.len()));
        waiting.keys.drain(..keys);
        let roots: Vec<Root> = waiting.roots.drain(..roots).collect();
        waiting.lost.retain(|chain| !batch.anchor.lost.contains(chain));
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
        !(self.keys.is_empty() && self.roots.is_empty() && self.lost.is_empty())
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
