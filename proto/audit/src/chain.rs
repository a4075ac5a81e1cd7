//! The writing half: entries become frames, and a written frame becomes a receipt.

use crate::codec::{self, FORMAT};
use crate::crypto::sha256;
use crate::{CommandId, Entry, MAX_FRAME_BYTES, wire};
use hoop_model::{ChainId, ContentHash, Head, Incarnation, ResourceName, SessionId, UnixMillis};
use prost::Message;

/// Keeps a header's hash apart from any other use of SHA-256.
const CHAIN_DOMAIN: &[u8] = b"hoop-chain-v1";

/// What the first record of a chain names as the hash before it.
pub(crate) const BEFORE_FIRST: ContentHash = ContentHash([0; 32]);

/// Says why an entry cannot become a record; nothing was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrecordable {
    /// The frame would be larger than any reader accepts.
    #[error("the record would have more than {MAX_FRAME_BYTES} bytes")]
    TooLarge,
    /// The chain has used every sequence number.
    #[error("the chain is full")]
    Full,
}

/// One writer's chain of records, in memory only its head and two buffers that every append reuses.
#[derive(Debug)]
pub struct Chain {
    id: ChainId,
    /// The header of the next record; its `previous` is the head's hash.
    next: wire::Header,
    head: Option<Head>,
    sealed: Vec<u8>,
    frame: Vec<u8>,
}

impl Chain {
    /// Opens the chain of one writer. The three names together must never have named another chain.
    #[must_use]
    pub fn open(node: &ResourceName, incarnation: Incarnation, shard: u32) -> Self {
        Self::at(ChainId { node: node.clone(), incarnation, shard }, None)
    }

    /// Goes on with a chain after the last record that it has. Whoever wrote it until then must have stopped for good.
    #[must_use]
    pub fn resume(chain: &ChainId, head: Head) -> Self {
        Self::at(chain.clone(), Some(head))
    }

    fn at(id: ChainId, head: Option<Head>) -> Self {
        let next = wire::Header {
            format: FORMAT,
            node: id.node.as_str().into(),
            incarnation: id.incarnation.to_bytes().to_vec(),
            shard: id.shard,
            previous: head.map_or(BEFORE_FIRST, |head| head.hash).0.to_vec(),
            ..wire::Header::default()
        };
        Self { id, next, head, sealed: Vec::new(), frame: Vec::new() }
    }

    /// Returns the chain's name.
    #[must_use]
    pub const fn id(&self) -> &ChainId {
        &self.id
    }

    /// Returns the last record that was written, or `None` before the first.
    #[must_use]
    pub const fn head(&self) -> Option<Head> {
        self.head
    }

    /// Makes the frame of the next record. `salt` is 32 fresh random bytes, so that a payload that was erased cannot
    /// be guessed from its hash.
    ///
    /// The chain moves on only by [`Frame::written`]. A frame that is dropped was never part of it; the shell must
    /// then cut the file back to where the frame began before it appends again.
    ///
    /// # Errors
    /// [`Unrecordable`]; the command must then be refused.
    pub fn append(
        &mut self,
        entry: &Entry,
        session: SessionId,
        now: UnixMillis,
        salt: [u8; 32],
    ) -> Result<Frame<'_>, Unrecordable> {
        let sequence = self.head.map_or(0, |head| head.sequence).checked_add(1).ok_or(Unrecordable::Full)?;
        refill(&mut self.sealed, &salt);
        codec::encode(entry, &mut self.sealed).map_err(|_| Unrecordable::TooLarge)?;
        let payload_hash = sealed_hash(&self.sealed);
        self.next.sequence = sequence;
        self.next.time_ms = now.0;
        self.next.kind = entry.kind().number();
        refill(&mut self.next.session, &session.to_bytes());
        refill(&mut self.next.payload_hash, &payload_hash.0);
        let head = Head { sequence, hash: self.lay_out()? };
        let receipt = Receipt { head, session, entry: entry.clone(), durability: Durability::Written };
        Ok(Frame { chain: self, receipt })
    }

    /// Fills the frame buffer from the next header and the sealed payload; returns the header's hash.
    fn lay_out(&mut self) -> Result<ContentHash, Unrecordable> {
        let header_bytes = self.next.encoded_len();
        let total = 4 + header_bytes + self.sealed.len();
        if total > MAX_FRAME_BYTES {
            return Err(Unrecordable::TooLarge);
        }
        self.frame.clear();
        for length in [total, header_bytes] {
            let length = u32::try_from(length).map_err(|_| Unrecordable::TooLarge)?;
            self.frame.extend_from_slice(&length.to_le_bytes());
        }
        let header_at = self.frame.len();
        self.next.encode(&mut self.frame).map_err(|_| Unrecordable::TooLarge)?;
        let hash = header_hash(self.frame.get(header_at..).unwrap_or_default());
        self.frame.extend_from_slice(&self.sealed);
        Ok(hash)
    }
}

/// The bytes of one record, not yet part of the chain.
#[derive(Debug)]
#[must_use = "a frame that is not written is not evidence"]
pub struct Frame<'a> {
    chain: &'a mut Chain,
    receipt: Receipt,
}

impl Frame<'_> {
    /// Returns the bytes to append to the chain's file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.chain.frame
    }

    /// Says that the record is evidence. The shell calls it only after `write(2)` has returned for *all* of
    /// [`Frame::bytes`], and never otherwise. Whether it outlives the machine, too, [`Receipt::synchronised`] says.
    pub fn written(self) -> Receipt {
        self.chain.head = Some(self.receipt.head);
        refill(&mut self.chain.next.previous, &self.receipt.head.hash.0);
        self.receipt
    }
}

/// What a record outlives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// The process: the operating system has it.
    Written,
    /// The machine, too: `fdatasync(2)` returned for the file.
    Synchronised,
}

/// Proves that one record was written; made only by [`Frame::written`], used up by what it opens.
#[derive(Debug)]
#[must_use = "a receipt opens what its record covers"]
pub struct Receipt {
    head: Head,
    session: SessionId,
    /// INVARIANT: what [`Chain::append`] put into the frame; nothing else sets it.
    entry: Entry,
    durability: Durability,
}

impl Receipt {
    /// Returns the record's position in its chain, and its hash.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Returns the command that the record covers, if it covers one.
    #[must_use]
    pub const fn command(&self) -> Option<CommandId> {
        self.entry.command()
    }

    /// Says that the record outlives the machine. The shell calls it only after `fdatasync(2)` has returned for the
    /// file that holds the record, called after the record was written.
    pub fn synchronised(mut self) -> Self {
        self.durability = Durability::Synchronised;
        self
    }

    /// Returns what the record outlives.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        self.durability
    }

    /// Returns whether the record says exactly this, of this session. What was recorded is kept and compared as it is:
    /// that shares the lists of reasons, so it costs neither a hash nor, beyond a few short texts, a copy.
    #[must_use]
    pub fn covers(&self, session: SessionId, entry: &Entry) -> bool {
        self.session == session && self.entry == *entry
    }
}

/// Returns the hash of a salt and its payload, as they lie in a frame.
pub(crate) fn sealed_hash(sealed: &[u8]) -> ContentHash {
    sha256(&[sealed])
}

/// Returns the hash that the next record names.
pub(crate) fn header_hash(header: &[u8]) -> ContentHash {
    sha256(&[CHAIN_DOMAIN, header])
}

fn refill(buffer: &mut Vec<u8>, with: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(with);
}
