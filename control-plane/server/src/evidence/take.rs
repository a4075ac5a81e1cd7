//! Taking one segment: it is what it claims, it is its node's, it follows what is stored, it is durable, it is anchored –
//! in this order, and only then does its node hear that it is stored.

use super::allowance::Allowance;
use super::error::EvidenceError;
use super::index::Index;
use super::store::Store;
use crate::cluster::Cluster;
use hoop_audit::{Segment, VerifyingKey, read_segment, records};
use hoop_model::{ChainHead, EvidenceKey, Head, Incarnation, ResourceName, SegmentRoot};
use hoop_state::{Chain, EvidenceLog, Skip, State};
use hoop_wire::v1::{self, ship_response};
use std::sync::Arc;
use std::time::Duration;

/// How long a stored segment may wait to be anchored before its node is told to come again.
const ANCHORED_WITHIN: Duration = Duration::from_secs(10);

/// Why a segment is not stored.
#[derive(Debug)]
enum Turned {
    /// It is not what it should be.
    Refused(String),
    /// Records before it are missing: the next one that can be taken has this number.
    OutOfOrder(u64),
    /// Nothing is wrong with it.
    Later(String),
}

/// A segment that is durable in the store, and not anchored.
struct Durable {
    root: SegmentRoot,
    /// What it says of the head that is known of its chain, if that is something else.
    contradicts: Option<ChainHead>,
}

/// Where a segment belongs.
enum Place {
    /// Right after what is stored.
    Next,
    /// Within what is stored.
    Again,
}

/// What a segment is held against.
struct Against {
    node: ResourceName,
    /// The process that ships; none for what the store holds already.
    shipper: Option<Incarnation>,
    state: Arc<State>,
    store: Arc<Store>,
    index: Arc<Index>,
    allowance: Arc<Allowance>,
}

/// Takes one segment from a node: from its process `shipper` or, where there is none, from the store itself.
pub(super) async fn take(
    cluster: &Cluster,
    node: &ResourceName,
    shipper: Option<Incarnation>,
    bytes: Vec<u8>,
) -> v1::ShipResponse {
    let named = read_segment(&bytes).ok().map(|segment| (segment.chain, segment.first));
    if let Some((chain, _)) = &named
        && chain.node == *node
    {
        cluster.evidence().anchors.heard(node, chain.incarnation);
    }
    let size = bytes.len();
    let outcome = match stored(cluster, node, shipper, bytes).await {
        Ok(None) => Ok(()),
        Ok(Some(Durable { root, contradicts })) => anchored(cluster, root, contradicts).await,
        Err(turned) => Err(turned),
    };
    let (outcome, reason) = match outcome {
        Ok(()) => (ship_response::Outcome::Stored, String::new()),
        Err(Turned::Refused(reason)) => (ship_response::Outcome::Refused, reason),
        Err(Turned::OutOfOrder(next)) => {
            (ship_response::Outcome::OutOfOrder, format!("the records from {next} on are missing before it"))
        }
        Err(Turned::Later(reason)) => (ship_response::Outcome::Retry, reason),
    };
    cluster.meter().shipped(outcome, size);
    let (chain, first) = named.unzip();
    if outcome == ship_response::Outcome::Refused {
        let chain = chain.as_ref().map(ToString::to_string);
        tracing::warn!(%node, chain, first, reason, "a segment was refused");
    }
    v1::ShipResponse {
        chain: chain.as_ref().map(Into::into),
        first_sequence: first.unwrap_or_default(),
        outcome: outcome.into(),
        reason,
    }
}

/// Checks a segment and stores it; none if it is stored and anchored already. All of it costs CPU or waits for the disk.
async fn stored(
    cluster: &Cluster,
    node: &ResourceName,
    shipper: Option<Incarnation>,
    bytes: Vec<u8>,
) -> Result<Option<Durable>, Turned> {
    let evidence = cluster.evidence();
    let state = cluster.fresh().await.map_err(|_| later("the control plane cannot reach a quorum"))?;
    let (store, index) = (Arc::clone(&evidence.store), Arc::clone(&evidence.index));
    let allowance = Arc::clone(&evidence.allowance);
    let against = Against { node: node.clone(), shipper, state, store, index, allowance };
    let taking = tokio::task::spawn_blocking(move || against.take(&bytes));
    taking.await.unwrap_or_else(|_| Err(later("the evidence store failed")))
}

/// Waits until a stored segment is in the log.
async fn anchored(cluster: &Cluster, root: SegmentRoot, contradicts: Option<ChainHead>) -> Result<(), Turned> {
    let anchoring = cluster.evidence().anchors.root(root, contradicts);
    match tokio::time::timeout(ANCHORED_WITHIN, anchoring).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(why @ (Skip::Ended | Skip::UnknownNode | Skip::NoSuchRecords)))) => {
            Err(Turned::Refused(why.to_string()))
        }
        Ok(Ok(Err(why))) => Err(Turned::Later(why.to_string())),
        Ok(Err(_)) | Err(_) => Err(later("it is stored, but not anchored yet")),
    }
}

impl Against {
    fn take(&self, bytes: &[u8]) -> Result<Option<Durable>, Turned> {
        let segment = read_segment(bytes).map_err(|broken| Turned::Refused(broken.to_string()))?;
        if segment.chain.node != self.node {
            return Err(refused("it is another node's"));
        }
        let held = self.store.read(&segment.chain, segment.first).map_err(|error| unavailable(&error))?;
        match self.place(&segment)? {
            Place::Again if held.as_deref() == Some(bytes) => return Ok(None),
            Place::Again => return Err(refused("other records are stored in its place")),
            Place::Next => {}
        }
        let key = self.key(&segment)?;
        segment.verify(&key).map_err(|broken| Turned::Refused(broken.to_string()))?;
        match held {
            Some(held) if held != bytes => return Err(refused("another segment is stored in its place")),
            // Stored again although it is there: only then is it known to be durable.
            Some(_) => self.put(&segment, bytes)?,
            None => {
                self.spend(bytes)?;
                self.put(&segment, bytes)?;
            }
        }
        let known = self.log().chain(&segment.chain);
        let contradicts = known.and_then(|known| contradiction(&segment, known));
        Ok(Some(Durable { root: segment.root, contradicts }))
    }

    fn put(&self, segment: &Segment<'_>, bytes: &[u8]) -> Result<(), Turned> {
        self.store.put(&segment.chain, segment.first, bytes).map_err(|error| unavailable(&error))
    }

    /// Asks whether there is room for one more segment of this node.
    fn spend(&self, bytes: &[u8]) -> Result<(), Turned> {
        let asked = self.allowance.spend(&self.node, bytes.len() as u64, self.store.directory());
        let spent = asked.map_err(|error| unavailable(&EvidenceError::io(self.store.directory())(error)))?;
        spent.map_err(|exceeded| Turned::Later(exceeded.to_string()))
    }

    fn log(&self) -> &EvidenceLog {
        self.state.evidence()
    }

    fn place(&self, segment: &Segment<'_>) -> Result<Place, Turned> {
        let Some(known) = self.log().chain(&segment.chain) else { return self.place_in_unknown(segment) };
        let next = known.next_stored();
        match segment.first {
            first if first < next => Ok(Place::Again),
            _ if known.ended => Err(refused("its chain has ended")),
            first if first > next => Err(Turned::OutOfOrder(next)),
            _ if segment.before != known.stored => Err(refused("it does not follow the record before it")),
            _ => Ok(Place::Next),
        }
    }

    /// A chain that the state does not know begins, or was over long ago; the index remembers that.
    fn place_in_unknown(&self, segment: &Segment<'_>) -> Result<Place, Turned> {
        if *self.index.position().borrow() < self.log().stored().size {
            return Err(later("the session index is not up to date"));
        }
        let last = self.index.last_of(&segment.chain).map_err(|error| unavailable(&error))?;
        match segment.first {
            first if first <= last => Ok(Place::Again),
            _ if last > 0 => Err(refused("its chain has ended")),
            1 => Ok(Place::Next),
            _ => Err(Turned::OutOfOrder(1)),
        }
    }

    /// Returns the key that must have sealed a segment: that of its chain's own incarnation or, where that is no more, of
    /// one that came after it and found what it left. Nobody seals for a process that came later.
    fn key(&self, segment: &Segment<'_>) -> Result<VerifyingKey, Turned> {
        let (node, signer, own) = (&segment.chain.node, segment.signer, segment.chain.incarnation);
        let announced: Vec<&EvidenceKey> = self.log().keys().filter(|key| key.node == *node).collect();
        let place_of = |incarnation| announced.iter().position(|key| key.incarnation == incarnation);
        let place = place_of(signer).ok_or_else(|| self.unknown(signer))?;
        if place_of(own).is_some_and(|own| place < own) {
            return Err(refused("it is sealed by an incarnation that was over by then"));
        }
        let key = announced.get(place).ok_or_else(|| self.unknown(signer))?;
        Ok(VerifyingKey(key.public))
    }

    /// A process announces its own key, and nobody announces that of one that is gone.
    fn unknown(&self, signer: Incarnation) -> Turned {
        match self.shipper {
            Some(shipper) if shipper != signer => refused("nobody knows the key of its signer"),
            Some(_) | None => later("the key of its signer is not anchored yet"),
        }
    }
}

/// Returns what a segment says of the head that is known of its chain, if that is something else. At the segment's end the
/// state sees that by itself.
fn contradiction(segment: &Segment<'_>, known: &Chain) -> Option<ChainHead> {
    let head = known.head;
    let within = (segment.first..segment.root.last.sequence).contains(&head.sequence);
    let at = usize::try_from(head.sequence.checked_sub(segment.first)?).ok().filter(|_| within)?;
    let said: Head = records(segment.frames).nth(at)?.ok()?.head;
    (said != head).then(|| ChainHead { chain: segment.chain.clone(), head: said })
}

fn refused(reason: &str) -> Turned {
    Turned::Refused(reason.to_owned())
}

fn later(reason: &str) -> Turned {
    Turned::Later(reason.to_owned())
}

fn unavailable(error: &EvidenceError) -> Turned {
    tracing::error!(error = error as &dyn std::error::Error, "a segment cannot be stored");
    later("the evidence store cannot be read or written")
}
