//! The reading half: the frames of a chain file, one after the other.

use crate::chain::{BEFORE_FIRST, header_hash, sealed_hash};
use crate::codec::{self, FORMAT};
use crate::{Entry, FlawedSeal, Head, Kind, wire};
use hoop_model::{ChainId, ContentHash, Incarnation, ResourceName, SessionId, UnixMillis};
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
    /// How many bytes its frame has.
    pub length: usize,
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

impl Record {
    /// Returns the chain that it says it is of.
    #[must_use]
    pub fn chain(&self) -> ChainId {
        ChainId { node: self.node.clone(), incarnation: self.incarnation, shard: self.shard }
    }

    /// Returns its frame, given the bytes it was read from; nothing of any others.
    #[must_use]
    pub fn frame<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        let end = self.offset.saturating_add(self.length);
        file.get(self.offset..end).unwrap_or_default()
    }
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
    /// What follows the records of a sealed segment is not what must be there.
    #[error("the seal at byte {offset} {what}")]
    Seal {
        /// Where the seal begins, or would begin.
        offset: usize,
        /// What is wrong.
        what: FlawedSeal,
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
    Records { links: links(bytes, 1) }
}

/// Iterates over the records of a chain file; made by [`records`].
#[derive(Debug, Clone)]
pub struct Records<'a> {
    links: Links<'a>,
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let sequence = self.links.sequence;
        let read = self.links.next()?.and_then(|link| {
            let offset = link.offset;
            link.record().map_err(|what| Broken::Record { offset, sequence, what })
        });
        self.links.ended |= read.is_err();
        Some(read)
    }
}

/// One record whose payload is the one that its header names, not decoded yet.
#[derive(Debug, Clone)]
pub(crate) struct Link<'a> {
    pub(crate) offset: usize,
    length: usize,
    pub(crate) head: Head,
    pub(crate) previous: ContentHash,
    pub(crate) chain: ChainId,
    pub(crate) time: UnixMillis,
    pub(crate) session: SessionId,
    pub(crate) kind: Kind,
    payload: &'a [u8],
}

/// Reads frames whose first record should have the number `first`.
pub(crate) const fn links(bytes: &[u8], first: u64) -> Links<'_> {
    Links { rest: bytes, offset: 0, whole: 0, sequence: first, ended: false }
}

/// Iterates over frames up to the first that is not one.
#[derive(Debug, Clone)]
pub(crate) struct Links<'a> {
    rest: &'a [u8],
    pub(crate) offset: usize,
    whole: u64,
    /// The number that the next record should have.
    sequence: u64,
    ended: bool,
}

impl<'a> Iterator for Links<'a> {
    type Item = Result<Link<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended || self.rest.is_empty() {
            return None;
        }
        let read = self.read();
        self.ended = read.is_err();
        Some(read)
    }
}

impl<'a> Links<'a> {
    fn read(&mut self) -> Result<Link<'a>, Broken> {
        let broken = |what| Broken::Record { offset: self.offset, sequence: self.sequence, what };
        let (frame, rest) = match split_frame(self.rest) {
            Ok(Some(split)) => split,
            Ok(None) => return Err(Broken::TruncatedTail { offset: self.offset, whole_records: self.whole }),
            Err(what) => return Err(broken(what)),
        };
        let link = parse(frame, self.offset).map_err(broken)?;
        self.offset = self.offset.saturating_add(self.rest.len().saturating_sub(rest.len()));
        self.rest = rest;
        self.whole = self.whole.saturating_add(1);
        self.sequence = self.sequence.saturating_add(1);
        Ok(link)
    }
}

impl Link<'_> {
    /// Decodes the payload.
    pub(crate) fn record(self) -> Result<Record, What> {
        let Self { offset, length, head, previous, chain, time, session, kind, payload } = self;
        let ChainId { node, incarnation, shard } = chain;
        let entry = codec::decode(kind, payload).map_err(What::Malformed)?;
        Ok(Record { offset, length, head, previous, node, incarnation, shard, time, session, entry })
    }

    /// Checks that it is the record of this chain that comes next.
    pub(crate) fn follows(&self, chain: &ChainId, before: Option<Head>) -> Result<(), What> {
        let ChainId { node, incarnation, shard } = chain;
        if self.chain.node != *node {
            return Err(What::Foreign("node"));
        }
        if self.chain.incarnation != *incarnation {
            return Err(What::Foreign("incarnation"));
        }
        if self.chain.shard != *shard {
            return Err(What::Foreign("shard"));
        }
        if before.map_or(0, |head| head.sequence).checked_add(1) != Some(self.head.sequence) {
            return Err(What::OutOfSequence(self.head.sequence));
        }
        if self.previous == before.map_or(BEFORE_FIRST, |head| head.hash) { Ok(()) } else { Err(What::Unlinked) }
    }
}

/// A frame without its first length, and what follows it.
type Split<'a> = (&'a [u8], &'a [u8]);

/// Splits what follows a frame's first length from the frames after it; `None` if the frame is not whole.
pub(crate) fn split_frame(bytes: &[u8]) -> Result<Option<Split<'_>>, What> {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Ok(None) };
    let claimed = u32::from_le_bytes(*length);
    let total = usize::try_from(claimed).ok().filter(|total| *total <= MAX_FRAME_BYTES);
    Ok(rest.split_at_checked(total.ok_or(What::TooLarge(claimed))?))
}

/// Reads what follows a frame's first length.
fn parse(frame: &[u8], offset: usize) -> Result<Link<'_>, What> {
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
    let node = ResourceName::parse(&header.node).map_err(|_| What::Malformed("node"))?;
    let incarnation = Incarnation::from_slice(&header.incarnation).map_err(|_| What::Malformed("incarnation"))?;
    Ok(Link {
        offset,
        length: size_of::<u32>().saturating_add(frame.len()),
        head: Head { sequence: header.sequence, hash: header_hash(header_bytes) },
        previous: ContentHash::from_slice(&header.previous).map_err(|_| What::Malformed("previous hash"))?,
        chain: ChainId { node, incarnation, shard: header.shard },
        time: UnixMillis(header.time_ms),
        session: SessionId::from_slice(&header.session).map_err(|_| What::Malformed("session"))?,
        kind,
        payload,
    })
}
