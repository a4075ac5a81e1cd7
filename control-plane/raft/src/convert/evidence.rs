//! Evidence, both ways.

use super::decode::{hash_of, present};
use hoop_model::{ChainHead, ChainId, EvidenceKey, LogEntry, SegmentRoot};
use hoop_state::{AnchorEvidence, Chain, EvidenceContents, EvidenceLog, LogStored};
use hoop_wire::{Malformed, v1};
use std::sync::Arc;

pub(super) fn of_anchor(anchor: &AnchorEvidence) -> v1::proposal::AnchorEvidence {
    let AnchorEvidence { keys, heads, roots, lost, broken_off } = anchor;
    v1::proposal::AnchorEvidence {
        keys: keys.iter().map(Into::into).collect(),
        heads: heads.iter().map(Into::into).collect(),
        roots: roots.iter().map(Into::into).collect(),
        lost: lost.iter().map(Into::into).collect(),
        broken_off: broken_off.iter().map(Into::into).collect(),
    }
}

pub(super) fn anchor_of(anchor: v1::proposal::AnchorEvidence) -> Result<AnchorEvidence, Malformed> {
    let v1::proposal::AnchorEvidence { keys, heads, roots, lost, broken_off } = anchor;
    Ok(AnchorEvidence {
        keys: keys.into_iter().map(EvidenceKey::try_from).collect::<Result<_, _>>()?,
        heads: heads.into_iter().map(ChainHead::try_from).collect::<Result<_, _>>()?,
        roots: roots.into_iter().map(SegmentRoot::try_from).collect::<Result<_, _>>()?,
        lost: lost.into_iter().map(ChainId::try_from).collect::<Result<_, _>>()?,
        broken_off: broken_off.into_iter().map(ChainId::try_from).collect::<Result<_, _>>()?,
    })
}

pub(super) fn of_stored(LogStored { size, root }: LogStored) -> v1::proposal::LogStored {
    v1::proposal::LogStored { size, root: root.0.to_vec() }
}

pub(super) fn stored_of(stored: &v1::proposal::LogStored) -> Result<LogStored, Malformed> {
    Ok(LogStored { size: stored.size, root: hash_of(&stored.root, "root")? })
}

pub(super) fn of_log(log: &EvidenceLog) -> v1::state::EvidenceLog {
    let LogStored { size: stored_size, root } = log.stored();
    v1::state::EvidenceLog {
        size: log.size(),
        stored_size,
        stored_root: root.0.to_vec(),
        unstored: log.unstored_from(0).map(|entry| entry.as_ref().into()).collect(),
        chains: log.chains().map(|(id, chain)| of_chain(id, *chain)).collect(),
        keys: log.keys().map(Into::into).collect(),
    }
}

pub(super) fn log_of(log: v1::state::EvidenceLog) -> Result<EvidenceContents, Malformed> {
    let v1::state::EvidenceLog { size, stored_size, stored_root, unstored, chains, keys } = log;
    Ok(EvidenceContents {
        size,
        stored: LogStored { size: stored_size, root: hash_of(&stored_root, "stored_root")? },
        unstored: unstored.into_iter().map(|e| LogEntry::try_from(e).map(Arc::new)).collect::<Result<_, _>>()?,
        chains: chains.into_iter().map(chain_of).collect::<Result<_, _>>()?,
        keys: keys.into_iter().map(EvidenceKey::try_from).collect::<Result<_, _>>()?,
    })
}

fn of_chain(id: &ChainId, Chain { head, stored, ended }: Chain) -> v1::state::Chain {
    let of_head = |head| v1::ChainHead::from(&ChainHead { chain: id.clone(), head });
    v1::state::Chain { head: Some(of_head(head)), stored: stored.map(of_head), ended }
}

fn chain_of(chain: v1::state::Chain) -> Result<(ChainId, Chain), Malformed> {
    let v1::state::Chain { head, stored, ended } = chain;
    let ChainHead { chain: id, head } = present(head, "head")?.try_into()?;
    let stored = stored.map(ChainHead::try_from).transpose()?;
    let other = stored.as_ref().is_some_and(|stored| stored.chain != id);
    (!other).then_some(()).ok_or(Malformed { field: "stored", problem: "is of another chain" })?;
    Ok((id, Chain { head, stored: stored.map(|stored| stored.head), ended }))
}
