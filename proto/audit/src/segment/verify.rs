//! Reading and verifying sealed segments.

use super::{MAX_SEAL_BYTES, MAX_SEGMENT_BYTES, seal};
use crate::codec::FORMAT;
use crate::crypto::{SIGNATURE_BYTES, VerifyingKey};
use crate::record::split_frame;
use crate::verify::walk;
use crate::{Broken, SessionSummary, Tree, What, wire};
use hoop_model::{ChainId, ContentHash, Head, Incarnation, SegmentRoot, SessionId, UnixMillis};
use prost::Message;
use std::collections::BTreeMap;

/// Says what is wrong with a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FlawedSeal {
    /// There is none: the segment was cut, or never sealed.
    #[error("is missing")]
    Missing,
    /// It does not decode.
    #[error("has a malformed {0}")]
    Malformed(&'static str),
    /// It is of a format that this verifier does not know.
    #[error("has the unknown format {0}")]
    UnknownFormat(u32),
    /// Something follows it.
    #[error("is followed by {0} bytes")]
    TrailingBytes(usize),
    /// The segment has more bytes than any.
    #[error("belongs to a segment of more than {MAX_SEGMENT_BYTES} bytes")]
    SegmentTooLarge,
    /// It seals another number of records.
    #[error("is of another number of records")]
    OtherRecords,
    /// Its last head or its Merkle root is not that of the records.
    #[error("is of records with other hashes")]
    RootDiffers,
    /// The key did not sign it.
    #[error("is not signed with the key of its signer")]
    Forged,
}

/// A sealed segment as it claims to be: its structure is in order, nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The chain that it is a piece of.
    pub chain: ChainId,
    /// The number of its first record.
    pub first: u64,
    /// The record before its first; `None` if it begins the chain.
    pub before: Option<Head>,
    /// What it commits to.
    pub root: SegmentRoot,
    /// The incarnation whose key seals it.
    pub signer: Incarnation,
    /// Its records, frame after frame.
    pub frames: &'a [u8],
    signature: [u8; SIGNATURE_BYTES],
}

/// What a verified segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentSummary {
    /// How many records, at least 1.
    pub records: u64,
    /// The time of the first.
    pub first: UnixMillis,
    /// The time of the last.
    pub last: UnixMillis,
    /// Every session that has a record here; what it says of one covers only these records.
    pub sessions: BTreeMap<SessionId, SessionSummary>,
}

/// Takes a sealed segment apart. Total: any bytes yield a segment or a [`Broken`], and nothing is copied but the seal.
///
/// # Errors
/// [`Broken`] unless there are whole frames, as many as the seal says, and the seal, and nothing else.
pub fn read_segment(bytes: &[u8]) -> Result<Segment<'_>, Broken> {
    if bytes.len() > MAX_SEGMENT_BYTES {
        return Err(Broken::Seal { offset: MAX_SEGMENT_BYTES, what: FlawedSeal::SegmentTooLarge });
    }
    let (frames, records, footer) = split_records(bytes)?;
    let flawed = |what| Broken::Seal { offset: frames.len(), what };
    let seal = seal_message(footer).map_err(flawed)?;
    let segment = of_seal(seal, frames).map_err(|field| flawed(FlawedSeal::Malformed(field)))?;
    let claimed = segment.root.last.sequence.saturating_sub(segment.first).checked_add(1);
    if claimed == Some(records) { Ok(segment) } else { Err(flawed(FlawedSeal::OtherRecords)) }
}

impl Segment<'_> {
    /// Verifies every record, every link, the last head, the Merkle root and the signature. That `before` is the
    /// record before it, and that the key is its signer's, only what is known from elsewhere can tell.
    ///
    /// # Errors
    /// [`Broken`] for the first thing that is not what must be there, records first.
    pub fn verify(&self, key: &VerifyingKey) -> Result<SegmentSummary, Broken> {
        self.verify_with(key, |_| Ok(()))
    }

    /// Verifies it as [`Segment::verify`] does; every head goes by `see`.
    pub(crate) fn verify_with(
        &self,
        key: &VerifyingKey,
        mut see: impl FnMut(Head) -> Result<(), What>,
    ) -> Result<SegmentSummary, Broken> {
        let mut tree = Tree::empty();
        let summary = walk(self.frames, &self.chain, self.before, |head| {
            tree.push(&head.hash.0);
            see(head)
        })?;
        let flawed = |what| Err(Broken::Seal { offset: self.frames.len(), what });
        if summary.head != self.root.last || tree.root() != self.root.merkle_root {
            return flawed(FlawedSeal::RootDiffers);
        }
        let unsigned = seal::unsigned(&self.root, self.before, self.signer);
        if !key.signed(&seal::signed_bytes(&unsigned), &self.signature) {
            return flawed(FlawedSeal::Forged);
        }
        let (records, first, last) = (summary.records, summary.first, summary.last);
        Ok(SegmentSummary { records, first, last, sessions: summary.sessions })
    }
}

/// Splits a segment where a frame of no bytes ends its records; returns how many there are.
fn split_records(bytes: &[u8]) -> Result<(&[u8], u64, &[u8]), Broken> {
    let (mut rest, mut records) = (bytes, 0_u64);
    loop {
        let offset = bytes.len().saturating_sub(rest.len());
        match split_frame(rest) {
            Ok(Some(([], footer))) => return Ok((bytes.get(..offset).unwrap_or_default(), records, footer)),
            Ok(Some((_, after))) => {
                rest = after;
                records = records.saturating_add(1);
            }
            Ok(None) => return Err(Broken::Seal { offset, what: FlawedSeal::Missing }),
            Err(what) => return Err(Broken::Record { offset, sequence: records.saturating_add(1), what }),
        }
    }
}

/// Reads the message in what follows the frame of no bytes; it must be in the one form that the writer gives it.
fn seal_message(footer: &[u8]) -> Result<wire::Seal, FlawedSeal> {
    let (length, rest) = footer.split_first_chunk().ok_or(FlawedSeal::Missing)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= MAX_SEAL_BYTES);
    let (message, trailing) =
        rest.split_at_checked(length.ok_or(FlawedSeal::Malformed("length"))?).ok_or(FlawedSeal::Missing)?;
    if !trailing.is_empty() {
        return Err(FlawedSeal::TrailingBytes(trailing.len()));
    }
    let seal = wire::Seal::decode(message).map_err(|_| FlawedSeal::Malformed("message"))?;
    if seal.format != FORMAT {
        return Err(FlawedSeal::UnknownFormat(seal.format));
    }
    if seal.encode_to_vec() == message { Ok(seal) } else { Err(FlawedSeal::Malformed("form")) }
}

fn of_seal(seal: wire::Seal, frames: &[u8]) -> Result<Segment<'_>, &'static str> {
    let hash = |bytes: &[u8]| ContentHash::from_slice(bytes).map_err(|_| "hash");
    let (chain, last) = (ChainId::try_from(seal.chain)?, Head::try_from(seal.last)?);
    let first = crate::log::first(seal.first, last)?;
    Ok(Segment {
        chain: chain.clone(),
        first,
        before: seal::before(first, hash(&seal.before)?).ok_or("hash before its first record")?,
        root: SegmentRoot { chain, first, last, merkle_root: hash(&seal.merkle_root)?, ends_chain: seal.ends_chain },
        signer: Incarnation::from_slice(&seal.signer).map_err(|_| "signer")?,
        frames,
        signature: seal.signature.as_slice().try_into().map_err(|_| "signature")?,
    })
}
