//! A shard's chain: every record is one write to the operating system before anything is forwarded.

use super::medium::{Medium, PieceFile, Shelf};
use super::name::PieceName;
use hoop_audit::{Chain, Entry, Head, NO_SESSION, Receipt};
use hoop_model::{ChainHead, ChainId, Incarnation, ResourceName, SessionId, UnixMillis};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A piece with so many bytes is cut before the next record.
pub(crate) const PIECE_BYTES: u64 = 4 << 20;
/// A piece whose first record is so old is cut: what bounds how long a record waits to be sealed and shipped.
pub(crate) const PIECE_AGE: Duration = Duration::from_secs(5);
/// How many salts are drawn at a time: a draw costs about as much for one as for many.
const SALTS: usize = 32;

/// The names of a writer's chains.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) node: ResourceName,
    pub(crate) incarnation: Incarnation,
    /// The shard. A chain that had to be given up is followed by one numbered `stride` higher, so that no two chains of
    /// one incarnation ever have the same name.
    pub(crate) shard: u32,
    /// How many shards there are.
    pub(crate) stride: u32,
}

/// Says that a record could not be written, so what it covers must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the evidence could not be written")]
pub(crate) struct RecorderUnavailable;

/// A piece that no record will be added to, on its way to be sealed.
#[derive(Debug)]
pub(crate) struct Cut {
    pub(crate) name: PieceName,
    /// The record before its first.
    pub(crate) before: Option<Head>,
    /// How many bytes of whole frames it holds. What is behind them is not evidence. With 0 of them the chain still has
    /// to be ended, if it has any record at all.
    pub(crate) length: u64,
    pub(crate) file: Arc<PieceFile>,
    pub(crate) ends_chain: bool,
    /// It was given up: nothing more is forwarded on this node until it is sealed all the same.
    pub(crate) given_up: bool,
}

/// What has become of a chain since this was last asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) head: Option<ChainHead>,
    /// How many bytes were recorded.
    pub(crate) bytes: u64,
}

/// A shard's recorder. After a failure every further record tries again, so it recovers by itself (DP-04).
pub(crate) struct Spool<S: Shelf> {
    shelf: S,
    writer: Writer,
    open: Option<Open<S::Medium>>,
    /// Pieces that are to be sealed, oldest first; taken by [`Spool::take_cuts`].
    cuts: Vec<Cut>,
    salts: [[u8; 32]; SALTS],
    salts_left: usize,
    bytes: u64,
    failing: bool,
}

struct Open<M> {
    chain: Chain,
    piece: Option<Piece<M>>,
}

struct Piece<M> {
    name: PieceName,
    before: Option<Head>,
    medium: M,
    /// INVARIANT: how many bytes of whole frames the medium holds; only [`Spool::record`] changes it.
    length: u64,
    /// When the first record was written.
    began: Option<Instant>,
    dirty: bool,
}

impl<S: Shelf> Spool<S> {
    pub(crate) fn new(shelf: S, writer: Writer) -> Self {
        let salts = [[0; 32]; SALTS];
        Self { shelf, writer, open: None, cuts: Vec::new(), salts, salts_left: 0, bytes: 0, failing: false }
    }

    /// Appends one record and returns the proof that it was written.
    ///
    /// # Errors
    /// [`RecorderUnavailable`] when not every byte was taken. What was taken is cut off again; if that fails too, the
    /// chain ends with the record before, and the next record begins another.
    pub(crate) fn record(
        &mut self,
        entry: &Entry,
        session: SessionId,
        now: UnixMillis,
    ) -> Result<Receipt, RecorderUnavailable> {
        let written = self.try_record(entry, session, now);
        match (&written, self.failing) {
            (Err(error), false) => tracing::error!(%error, "evidence cannot be written; commands are refused"),
            (Ok(_), true) => tracing::info!("evidence is written again"),
            (Ok(_), false) | (Err(_), true) => {}
        }
        self.failing = written.is_err();
        written.map_err(|_| RecorderUnavailable)
    }

    fn try_record(&mut self, entry: &Entry, session: SessionId, now: UnixMillis) -> io::Result<Receipt> {
        let salt = self.salt();
        if self.piece().is_some_and(|piece| piece.length >= PIECE_BYTES) {
            self.cut();
        }
        let Open { mut chain, piece } = match self.open.take() {
            Some(open) => open,
            None => Open { chain: self.begin()?, piece: None },
        };
        let mut piece = match piece.map_or_else(|| Piece::create(&mut self.shelf, &chain), Ok) {
            Ok(piece) => piece,
            Err(error) => {
                self.open = Some(Open { chain, piece: None });
                return Err(error);
            }
        };
        let frame = match chain.append(entry, session, now, salt) {
            Ok(frame) => frame,
            Err(error) => {
                self.open = Some(Open { chain, piece: Some(piece) });
                return Err(io::Error::other(error));
            }
        };
        let bytes = frame.bytes();
        match append_once(&mut piece.medium, bytes) {
            Ok(taken) if taken == bytes.len() => {
                let taken = taken as u64;
                self.bytes = self.bytes.saturating_add(taken);
                let receipt = frame.written();
                piece.wrote(taken);
                self.open = Some(Open { chain, piece: Some(piece) });
                Ok(receipt)
            }
            partial => {
                drop(frame);
                let cut_back = piece.medium.cut(piece.length);
                self.open = Some(Open { chain, piece: Some(piece) });
                if cut_back.is_err() {
                    self.end_chain(true);
                }
                Err(partial.err().unwrap_or_else(|| io::ErrorKind::StorageFull.into()))
            }
        }
    }

    /// Begins a chain that never existed before; its number is spent.
    fn begin(&mut self) -> io::Result<Chain> {
        let number = self.writer.shard;
        self.writer.shard = number.checked_add(self.writer.stride).ok_or(io::ErrorKind::QuotaExceeded)?;
        Ok(Chain::open(&self.writer.node, self.writer.incarnation, number))
    }

    fn salt(&mut self) -> [u8; 32] {
        if self.salts_left == 0 {
            let drawn: [u8; 32 * SALTS] = hoop_node::random();
            for (salt, bytes) in self.salts.iter_mut().zip(drawn.chunks_exact(32)) {
                salt.copy_from_slice(bytes);
            }
            self.salts_left = SALTS;
        }
        self.salts_left = self.salts_left.saturating_sub(1);
        // Each is taken once, and nothing is left of it here.
        self.salts.get_mut(self.salts_left).map(std::mem::take).unwrap_or_else(hoop_node::random)
    }

    /// Cuts the piece if its first record is old enough.
    pub(crate) fn cut_if_old(&mut self) {
        let began = self.piece().and_then(|piece| piece.began);
        if began.is_some_and(|began| began.elapsed() >= PIECE_AGE) {
            self.cut();
        }
    }

    /// Cuts the piece, if there is one.
    pub(crate) fn cut(&mut self) {
        let piece = self.open.as_mut().and_then(|open| open.piece.take());
        self.cuts.extend(piece.map(|piece| piece.cut(false, false)));
    }

    /// Writes a record of no session if the chain could not be ended without one: only what has records can be sealed, and
    /// its last ones may all be cut.
    pub(crate) fn prepare_end(&mut self, closing: &Entry, now: UnixMillis) {
        let Some(open) = &self.open else { return };
        let is_cut = open.piece.as_ref().is_none_or(|piece| piece.length == 0);
        if is_cut && open.chain.head().is_some() && self.record(closing, NO_SESSION, now).is_err() {
            tracing::warn!("a chain is left without its end");
        }
    }

    /// Ends the chain for good.
    pub(crate) fn end(&mut self) {
        self.end_chain(false);
    }

    /// Returns the chain that the next record goes on with, if one is begun.
    pub(crate) fn chain(&self) -> Option<&ChainId> {
        self.open.as_ref().map(|open| open.chain.id())
    }

    fn end_chain(&mut self, given_up: bool) {
        let piece = self.open.take().and_then(|open| open.piece);
        self.cuts.extend(piece.map(|piece| piece.cut(true, given_up)));
    }

    /// Returns whether a piece is to be sealed that was not taken yet.
    pub(crate) fn has_cuts(&self) -> bool {
        !self.cuts.is_empty()
    }

    /// Returns the pieces that are to be sealed since this was last called, oldest first.
    pub(crate) fn take_cuts(&mut self) -> Vec<Cut> {
        std::mem::take(&mut self.cuts)
    }

    /// Returns the open piece's file, if there is one.
    pub(crate) fn file(&self) -> Option<&Arc<PieceFile>> {
        self.piece().map(|piece| piece.medium.file())
    }

    /// Returns the open piece's file if anything was written since this was last called: whoever calls synchronises it.
    pub(crate) fn take_unsynchronised(&mut self) -> Option<Arc<PieceFile>> {
        let piece = self.open.as_mut()?.piece.as_mut()?;
        std::mem::take(&mut piece.dirty).then(|| Arc::clone(piece.medium.file()))
    }

    /// Gives a chain up whose file could not be synchronised: what the disk holds of it is not known, so the next record
    /// begins another chain.
    pub(crate) fn give_up(&mut self, file: &Arc<PieceFile>) {
        if self.file().is_some_and(|open| Arc::ptr_eq(open, file)) {
            self.end_chain(true);
        }
    }

    /// Returns how far the chain has come, and counts on from here.
    pub(crate) fn progress(&mut self) -> Progress {
        let head = self.open.as_ref().and_then(|open| {
            let head = open.chain.head()?;
            Some(ChainHead { chain: open.chain.id().clone(), head })
        });
        Progress { head, bytes: std::mem::take(&mut self.bytes) }
    }

    fn piece(&self) -> Option<&Piece<S::Medium>> {
        self.open.as_ref()?.piece.as_ref()
    }
}

impl<M: Medium> Piece<M> {
    /// Makes the piece that takes the chain's next record.
    fn create(shelf: &mut impl Shelf<Medium = M>, chain: &Chain) -> io::Result<Self> {
        let before = chain.head();
        let first = before.map_or(0, |head| head.sequence).saturating_add(1);
        let name = PieceName { incarnation: chain.id().incarnation, shard: chain.id().shard, first };
        Ok(Self { name, before, medium: shelf.create(name)?, length: 0, began: None, dirty: false })
    }

    fn wrote(&mut self, bytes: u64) {
        self.length = self.length.saturating_add(bytes);
        self.dirty = true;
        if self.began.is_none() {
            self.began = Some(Instant::now());
        }
    }

    fn cut(self, ends_chain: bool, given_up: bool) -> Cut {
        let Self { name, before, medium, length, .. } = self;
        Cut { name, before, length, file: Arc::clone(medium.file()), ends_chain, given_up }
    }
}

fn append_once(medium: &mut impl Medium, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match medium.append(bytes) {
            // Nothing was taken: the write was interrupted before it began (write(2)).
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            taken => return taken,
        }
    }
}

#[cfg(test)]
mod tests;
