//! The reading half: the frames of a chain file, one after the other.

use crate::chain::{header_hash, sealed_hash};
use crate::codec::{self, FORMAT};
use crate::{Entry, Head, Kind, wire};
use hoop_model::{ContentHash, Incarnation, ResourceName, SessionId, UnixMillis};
use prost::Message;

/// Largest value of a frame's first length, in bytes: what one record may cost a reader. An intent's context is not
/// recorded, so a record is its effects and reasons; one of a hundred effects has about 10 KiB.
pub const MAX_FRAME_BYTES: usize = 1 << 20;

/// Length of the salt before a payload, in bytes.
const SALT_BYTES: usize = 32;

/// One record as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where its frame begins, in bytes from the start of the file.
    pub offset: usize,
    /// The number it claims, and the hash of its header.
    pub head: Head,
    /// The hash that it names as the record before it.
    pub previous: ContentHash,
    /// The node that wrote it.
    pub node: ResourceName,
    /// That node's incarnation.
    pub incarnation: Incarnation,
    /// The writer within it.
    pub shard: u32,
    /// When it was made, by the node's clock.
    pub time: UnixMillis,
    /// The session it belongs to.
    pub session: SessionId,
    /// What it says.
    pub entry: Entry,
}

/// Says where a chain file stops being one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A record is not what must be there.
    #[error("record {sequence} at byte {offset} {what}")]
    Record {
        /// Where its frame begins, or would begin.
        offset: usize,
        /// The number of the record that must be there.
        sequence: u64,
        /// What is wrong.
        what: What,
    },
    /// The file ends inside a frame, as it does when the writer died. What is before it can be verified by itself:
    /// `verify_chain(&bytes[..offset], …)`.
    #[error("cut off at byte {offset}, after {whole_records} whole records")]
    TruncatedTail {
        /// Where the frame begins that is not whole.
        offset: usize,
        /// How many records are before it.
        whole_records: u64,
    },
}

/// Says what is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// There is no record at all.
    #[error("is missing: the file is empty")]
    Empty,
    /// It does not decode.
    #[error("has a malformed {0}")]
    Malformed(&'static str),
    /// Its frame claims more bytes than any record has.
    #[error("claims {0} bytes, more than {MAX_FRAME_BYTES}")]
    TooLarge(u32),
    /// It is of a format that this verifier does not know.
    #[error("has the unknown format {0}")]
    UnknownFormat(u32),
    /// It is of a kind that this verifier does not know.
    #[error("has the unknown kind {0}")]
    UnknownKind(u32),
    /// Its payload is not the one that was hashed.
    #[error("has another payload than its header says")]
    PayloadAltered,
    /// It was written by another node, incarnation or shard.
    #[error("is of another {0}")]
    Foreign(&'static str),
    /// It has another number: records were removed, doubled or moved.
    #[error("has the number {0}")]
    OutOfSequence(u64),
    /// It does not name the hash of the record before it: that one, or this one, was altered.
    #[error("does not follow the record before it")]
    Unlinked,
    /// The file ends before the head that is known.
    #[error("is missing: the file ends before the known head, record {0}")]
    HeadMissing(u64),
    /// It is not the record that the known head vouches for.
    #[error("is not the known head")]
    HeadDiffers,
}

/// Reads the records of a chain file for display, up to the first that cannot be read.
///
/// Each payload is checked against its header; the links between records are not: that is `verify_chain`.
#[must_use]
pub const fn records(bytes: &[u8]) -> Records<'_> {
    Records { rest: bytes, offset: 0, whole: 0, ended: false }
}

/// Iterates over the records of a chain file; made by [`records`].
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    offset: usize,
    whole: u64,
    ended: bool,
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.rest.is_empty() {
            return None;
        }
        let read = self.read();
        self.ended = read.is_err();
        Some(read)
    }
}

impl Records<'_> {
    fn read(&mut self) -> Result<Record, Broken> {
        let cut_off = Broken::TruncatedTail { offset: self.offset, whole_records: self.whole };
        let broken = |what| Broken::Record { offset: self.offset, sequence: self.whole.saturating_add(1), what };
        let (length, rest) = self.rest.split_first_chunk().ok_or(cut_off)?;
        let claimed = u32::from_le_bytes(*length);
        let total = usize::try_from(claimed).ok().filter(|total| *total <= MAX_FRAME_BYTES);
        let total = total.ok_or_else(|| broken(What::TooLarge(claimed)))?;
        let (frame, rest) = rest.split_at_checked(total).ok_or(cut_off)?;
        let record = parse(frame, self.offset).map_err(broken)?;
        self.offset = self.offset.saturating_add(length.len()).saturating_add(total);
        self.rest = rest;
        self.whole = self.whole.saturating_add(1);
        Ok(record)
    }
}

/// Reads what follows a frame's first length.
fn parse(frame: &[u8], offset: usize) -> Result<Record, What> {
    let (header_len, rest) = frame.split_first_chunk().ok_or(What::Malformed("frame"))?;
    let header_len = usize::try_from(u32::from_le_bytes(*header_len)).map_err(|_| What::Malformed("frame"))?;
    let (header_bytes, sealed) = rest.split_at_checked(header_len).ok_or(What::Malformed("frame"))?;
    let header = wire::Header::decode(header_bytes).map_err(|_| What::Malformed("header"))?;
    if header.format != FORMAT {
        return Err(What::UnknownFormat(header.format));
    }
    let kind = Kind::from_number(header.kind).ok_or(What::UnknownKind(header.kind))?;
    let (_salt, payload) = sealed.split_at_checked(SALT_BYTES).ok_or(What::Malformed("salt"))?;
    if ContentHash::from_slice(&header.payload_hash) != Ok(sealed_hash(sealed)) {
        return Err(What::PayloadAltered);
    }
    Ok(Record {
        offset,
        head: Head { sequence: header.sequence, hash: header_hash(header_bytes) },
        previous: ContentHash::from_slice(&header.previous).map_err(|_| What::Malformed("previous hash"))?,
        node: ResourceName::parse(&header.node).map_err(|_| What::Malformed("node"))?,
        incarnation: Incarnation::from_slice(&header.incarnation).map_err(|_| What::Malformed("incarnation"))?,
        shard: header.shard,
        time: UnixMillis(header.time_ms),
        session: SessionId::from_slice(&header.session).map_err(|_| What::Malformed("session"))?,
        entry: codec::decode(kind, payload).map_err(What::Malformed)?,
    })
}
