//! What a node says of its own evidence: its key, what it still has, how far its chains have come. Everything is checked
//! against the certificate's node and the incarnation that said Hello: nobody speaks of another's chains (CP-14).

use hoop_model::{ChainHead, ChainId, EvidenceKey, Incarnation, ResourceName};
use hoop_state::EvidenceLog;
use hoop_wire::{Malformed, v1};
use std::collections::BTreeSet;
use tonic::Status;

/// Most chains that one message of a node may name; the state keeps fewer of a node.
const MAX_CHAINS: usize = 4_096;

/// What a node's Hello says of its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Testimony {
    /// The key of this incarnation.
    pub(super) key: EvidenceKey,
    /// Chains of earlier incarnations that have not ended, of which the node has nothing any more.
    pub(super) lost: Vec<ChainId>,
}

/// Reads what a Hello says, against a fresh state.
pub(super) fn of_hello(
    node: &ResourceName,
    incarnation: Incarnation,
    hello: v1::Hello,
    log: &EvidenceLog,
) -> Result<Testimony, Status> {
    let public = hello.evidence_key.as_slice().try_into();
    let public = public.map_err(|_| Status::invalid_argument("`evidence_key` must be 32 bytes"))?;
    let known = log.key(node, incarnation);
    if known.is_some_and(|known| *known != public) {
        tracing::warn!(%node, %incarnation, "an incarnation announced another evidence key than before");
        return Err(Status::permission_denied("`evidence_key` is not the one this incarnation announced before"));
    }
    let leftovers = chains(node, hello.leftovers)?;
    // A process that came before the newest one cannot know what that one has.
    let is_newest = known.is_none() || log.newest(node) == Some(incarnation);
    let earlier = log.chains_of(node).map(|(chain, _)| chain).filter(|chain| chain.incarnation != incarnation);
    let lost = earlier.filter(|chain| is_newest && !leftovers.contains(chain)).cloned().collect();
    Ok(Testimony { key: EvidenceKey { node: node.clone(), incarnation, public }, lost })
}

/// Reads the heads of a renewal, leaving out those that are anchored already.
pub(super) fn heads(
    node: &ResourceName,
    incarnation: Incarnation,
    heads: Vec<v1::ChainHead>,
    log: &EvidenceLog,
) -> Result<Vec<ChainHead>, Status> {
    bounded(heads.len())?;
    let heads: Vec<ChainHead> =
        heads.into_iter().map(TryInto::try_into).collect::<Result<_, _>>().map_err(malformed)?;
    for ChainHead { chain, .. } in &heads {
        check_owner(node, chain)?;
        if chain.incarnation != incarnation {
            return Err(Status::invalid_argument("`heads` has a chain of another incarnation"));
        }
    }
    let is_new = |said: &ChainHead| log.chain(&said.chain).is_none_or(|known| known.head != said.head);
    Ok(heads.into_iter().filter(is_new).collect())
}

/// Reads the chains that a renewal says are broken off, leaving out what is anchored already. Of another incarnation only
/// the node's newest process may say so.
pub(super) fn broken_off(
    node: &ResourceName,
    incarnation: Incarnation,
    broken_off: Vec<v1::ChainHead>,
    log: &EvidenceLog,
) -> Result<Vec<ChainHead>, Status> {
    bounded(broken_off.len())?;
    let said: Vec<ChainHead> =
        broken_off.into_iter().map(TryInto::try_into).collect::<Result<_, _>>().map_err(malformed)?;
    said.iter().try_for_each(|said| check_owner(node, &said.chain))?;
    let may_say = |chain: &ChainId| chain.incarnation == incarnation || log.newest(node) == Some(incarnation);
    let is_new = |said: &ChainHead| match log.chain(&said.chain) {
        Some(known) => !known.ended || known.head.sequence < said.head.sequence,
        // One that began and ended unheard of, or that ended long ago.
        None => log.key(node, said.chain.incarnation).is_some(),
    };
    Ok(said.into_iter().filter(|said| may_say(&said.chain) && is_new(said)).collect())
}

fn chains(node: &ResourceName, chains: Vec<v1::ChainId>) -> Result<BTreeSet<ChainId>, Status> {
    bounded(chains.len())?;
    let chains: BTreeSet<ChainId> =
        chains.into_iter().map(TryInto::try_into).collect::<Result<_, _>>().map_err(malformed)?;
    chains.iter().try_for_each(|chain| check_owner(node, chain))?;
    Ok(chains)
}

fn bounded(count: usize) -> Result<(), Status> {
    if count <= MAX_CHAINS {
        return Ok(());
    }
    Err(Status::invalid_argument(format!("a message may name at most {MAX_CHAINS} chains")))
}

fn check_owner(node: &ResourceName, chain: &ChainId) -> Result<(), Status> {
    if chain.node == *node {
        return Ok(());
    }
    tracing::warn!(%node, %chain, "a node spoke of another node's evidence");
    Err(Status::permission_denied("a node speaks of its own chains only"))
}

fn malformed(malformed: Malformed) -> Status {
    Status::invalid_argument(malformed.to_string())
}
