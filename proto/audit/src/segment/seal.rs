//! Sealing: what is written behind a segment's records.

use super::{FlawedSeal, MAX_SEAL_BYTES, MAX_SEGMENT_BYTES};
use crate::chain::BEFORE_FIRST;
use crate::codec::FORMAT;
use crate::crypto::SigningKey;
use crate::record::links;
use crate::verify::number_after;
use crate::{Broken, Tree, What, wire};
use hoop_model::{ChainId, ContentHash, Head, Incarnation, SegmentRoot};
use prost::Message;

/// Keeps a seal apart from anything else that is signed with the same key.
const SEAL_DOMAIN: &[u8] = b"hoop-segment-v1";

/// What the sealer knows of a segment beside its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealing {
    /// The chain that it is a piece of.
    pub chain: ChainId,
    /// The record before its first; `None` if it begins the chain.
    pub before: Option<Head>,
    /// Whether no record will follow.
    pub ends_chain: bool,
    /// The incarnation whose key seals it: the chain's own, or a later one of the same node that found it.
    pub signer: Incarnation,
}

/// A seal, to be written behind the records it seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The bytes to append, all of them.
    pub footer: Vec<u8>,
    /// What the seal commits to.
    pub root: SegmentRoot,
}

/// Seals the frames of one segment. Every payload hash and every link is checked first, which reads all bytes twice:
/// call it where a few milliseconds are not missed.
///
/// # Errors
/// [`Broken`] if the frames are not whole records of the chain, in order, after `before`; if there is none; or if they
/// are too many for one segment. A key must vouch for nothing that nobody can verify.
pub fn seal(frames: &[u8], sealing: &Sealing, key: &SigningKey) -> Result<Sealed, Broken> {
    if frames.len() > MAX_SEGMENT_BYTES.saturating_sub(8).saturating_sub(MAX_SEAL_BYTES) {
        return Err(Broken::Seal { offset: frames.len(), what: FlawedSeal::SegmentTooLarge });
    }
    let (mut known, mut tree) = (sealing.before, Tree::empty());
    for link in links(frames, number_after(known)) {
        let link = link?;
        let broken = |what| Broken::Record { offset: link.offset, sequence: number_after(known), what };
        link.follows(&sealing.chain, known).map_err(broken)?;
        tree.push(&link.head.hash.0);
        known = Some(link.head);
    }
    let first = number_after(sealing.before);
    let last = known.filter(|_| tree.size() > 0);
    let last = last.ok_or(Broken::Record { offset: 0, sequence: first, what: What::Empty })?;
    let Sealing { chain, ends_chain, .. } = sealing.clone();
    let root = SegmentRoot { chain, first, last, merkle_root: tree.root(), ends_chain };
    let mut seal = unsigned(&root, sealing.before, sealing.signer);
    seal.signature = key.sign(&signed_bytes(&seal));
    let encoded = seal.encode_to_vec();
    let length = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
    Ok(Sealed { footer: [&[0; 4], length.to_le_bytes().as_slice(), &encoded].concat(), root })
}

/// Returns a seal's message without its signature.
pub(super) fn unsigned(root: &SegmentRoot, before: Option<Head>, signer: Incarnation) -> wire::Seal {
    wire::Seal {
        format: FORMAT,
        chain: (&root.chain).into(),
        first: root.first,
        before: before.map_or(BEFORE_FIRST, |head| head.hash).0.to_vec(),
        last: root.last.into(),
        merkle_root: root.merkle_root.0.to_vec(),
        ends_chain: root.ends_chain,
        signer: signer.to_bytes().to_vec(),
        signature: Vec::new(),
    }
}

/// Returns what a seal's signature is over, given the message without it.
pub(super) fn signed_bytes(unsigned: &wire::Seal) -> Vec<u8> {
    [SEAL_DOMAIN, &unsigned.encode_to_vec()].concat()
}

/// Reads the hash before the first record; a chain's first record, and no other, has none.
pub(super) fn before(first: u64, hash: ContentHash) -> Option<Option<Head>> {
    match (first.checked_sub(1)?, hash == BEFORE_FIRST) {
        (0, true) => Some(None),
        (0, false) | (_, true) => None,
        (sequence, false) => Some(Some(Head { sequence, hash })),
    }
}
