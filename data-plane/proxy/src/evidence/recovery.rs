//! What an earlier life of this node left on the disk, brought to an end before the node listens.
//!
//! | found | becomes |
//! |---|---|
//! | `.seg` | shipped as it is; one that cannot be read is moved aside |
//! | `.open`, not the last of its chain | its whole records, sealed |
//! | `.open`, the last of its chain | its whole records and a `closed(unknown)` for every session that is open, sealed as the chain's end |
//! | a chain whose last piece is a `.seg` that does not end it | one more segment: a `closed(unknown)` for every session that is open, or one of no session |
//! | `.open` without a whole record | moved aside; removed if it is empty |
//! | a piece that does not follow the one before it, and all after it | moved aside: records are missing before it |
//! | `.part` | removed: what it was to be a copy of is still there |
//!
//! A session that was open and has no record in what is found is not known here: its records are all shipped, and the
//! chain's end tells the rest. A chain of which nothing is found is not ended here, because no segment can be made up
//! for it; whoever has its segments knows that it is over, because this incarnation does not name it.
//!
//! Where records are missing, and not merely the tail that a writer never finished, the chain is broken off after those
//! that precede them, and nothing is added: the numbers that follow were given to others, which the control plane may know.
//!
//! What the disk does not take, because it is full, does not keep the node from starting: what is sealed is shipped, which
//! makes room, and the keeper tries again. Until then the node refuses commands.

use super::ledger::Ledger;
use super::medium::list;
use super::name::{Form, PieceName};
use super::seal::{Kept, NotSealed, Sealer, closing};
use super::ship::REFUSED;
use hoop_audit::{CloseReason, Entry, Head, OpenSessions, Rest, read_segment, records};
use hoop_model::{ChainId, SessionId, UnixMillis};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::SystemTime;

/// How every session ends that its writer did not end.
const UNKNOWN: Entry = Entry::Closed(CloseReason::Unknown);

/// A chain of an earlier incarnation that is to be ended, and what is still to be done for it.
pub(crate) struct Leftover {
    chain: ChainId,
    /// When it was written to first, as far as can be told.
    since: SystemTime,
    /// What was not handed over yet, in order. Empty only if the chain has no record here.
    pieces: VecDeque<Piece>,
    /// The sessions that are open, in the order of their first record here.
    sessions: Vec<SessionId>,
    end: End,
}

/// How a chain ends.
#[derive(Clone, Copy)]
enum End {
    /// Its last piece says so, or it has none.
    Said,
    /// With what is still to be added after this record.
    After(Head),
    /// With records missing; the last one that is known, if any is.
    BrokenOff(Option<Head>),
}

/// A piece that holds records.
struct Piece {
    name: PieceName,
    form: Form,
    /// The record before its first.
    before: Option<Head>,
    /// Its last record.
    head: Head,
    /// How many bytes its file has.
    bytes: u64,
    ends_chain: bool,
    /// Whether there is something behind its whole records that was one.
    is_damaged: bool,
}

/// Ends every chain that is found and hands its segments to the ledger, those of the chain that was begun first in front.
/// Returns those that the disk did not take yet.
///
/// # Errors
/// If the directory cannot be read, or what cannot be read cannot be moved aside.
pub(crate) fn recover(sealer: &Sealer, ledger: &Ledger, now: UnixMillis) -> Result<Vec<Leftover>, NotSealed> {
    let mut chains: BTreeMap<ChainId, Vec<(PieceName, Form)>> = BTreeMap::new();
    for (name, form) in sealer.directory.list()? {
        match form {
            Form::Part => std::fs::remove_file(sealer.directory.path_of(name, form))?,
            Form::Sealed | Form::Open => chains.entry(name.chain(&sealer.node)).or_default().push((name, form)),
        }
    }
    let found = chains.into_iter().map(|(chain, pieces)| Leftover::find(sealer, chain, &pieces));
    let mut found = found.collect::<Result<Vec<_>, _>>()?;
    found.sort_by_key(|leftover| leftover.since);
    for (name, _) in list(&sealer.directory.path.join(REFUSED)).or_else(none_if_missing)? {
        ledger.keeps_refused(&name.chain(&sealer.node));
    }
    found.retain_mut(|leftover| {
        let settled = leftover.settle(sealer, ledger, now);
        if let Err(error) = &settled {
            let error = crate::control::chain(error);
            tracing::error!(chain = %leftover.chain, %error, "evidence of an earlier start cannot be sealed yet");
            ledger.unsettled(&leftover.chain);
        }
        settled.is_err()
    });
    Ok(found)
}

fn none_if_missing<T>(error: io::Error) -> io::Result<Vec<T>> {
    if error.kind() == io::ErrorKind::NotFound { Ok(Vec::new()) } else { Err(error) }
}

impl Leftover {
    /// Looks at the pieces of a chain; they come in order, a sealed one before an open one of the same name.
    fn find(sealer: &Sealer, chain: ChainId, found: &[(PieceName, Form)]) -> Result<Self, NotSealed> {
        let mut finding = Finding::default();
        let mut since = SystemTime::now();
        for &(name, form) in found {
            let path = sealer.directory.path_of(name, form);
            since = since.min(path.metadata()?.modified()?);
            // A piece that the disk cannot read any more is as good as one that makes no sense.
            let bytes = std::fs::read(path).inspect_err(|error| tracing::error!(piece = %name, %error, "cannot read"));
            finding.take(sealer, (name, form), bytes.ok())?;
        }
        let Finding { pieces, sessions, .. } = &finding;
        let end = match pieces.back() {
            _ if finding.is_broken => End::BrokenOff(finding.last),
            Some(piece) if !piece.ends_chain => End::After(piece.head),
            Some(_) | None => End::Said,
        };
        Ok(Self { chain, since, sessions: sessions.in_order(), end, pieces: finding.pieces })
    }

    /// Does what is still to be done, piece by piece, and hands over what is sealed. May be called again after an error.
    ///
    /// # Errors
    /// [`NotSealed::Disk`] if the disk does not take it.
    pub(crate) fn settle(&mut self, sealer: &Sealer, ledger: &Ledger, now: UnixMillis) -> Result<(), NotSealed> {
        while let Some(piece) = self.pieces.front() {
            match self.kept(sealer, piece, now) {
                Ok(kept) => {
                    hand_over(ledger, kept);
                    if kept.ends_chain && matches!(self.end, End::After(_)) {
                        self.end = End::Said;
                    }
                }
                Err(NotSealed::Disk(error)) => return Err(error.into()),
                // It could be read when it was found.
                Err(NotSealed::Broken(_) | NotSealed::Unrecordable(_)) => {
                    sealer.set_unreadable_aside(piece.name, piece.form)?;
                    self.pieces.pop_front();
                    self.break_off(sealer)?;
                    break;
                }
            }
            self.pieces.pop_front();
        }
        match self.end {
            End::Said => {}
            End::After(head) => {
                hand_over(ledger, sealer.end(&self.chain, head, &self.sessions, (&UNKNOWN, now))?);
                self.end = End::Said;
            }
            End::BrokenOff(last) => ledger.break_off(&self.chain, last),
        }
        tracing::info!(chain = %self.chain, "evidence of an earlier start is ready to be shipped");
        Ok(())
    }

    /// Seals the first piece, unless it is sealed.
    fn kept(&self, sealer: &Sealer, piece: &Piece, now: UnixMillis) -> Result<Kept, NotSealed> {
        let is_last = self.pieces.len() == 1;
        let ending = match (piece.form, self.end) {
            (Form::Sealed, _) => return Ok(piece.kept()),
            (Form::Open | Form::Part, End::After(_)) if is_last => Ending::With(&self.sessions, now),
            (Form::Open | Form::Part, End::BrokenOff(_)) if is_last => Ending::Bare,
            (Form::Open | Form::Part, End::Said | End::After(_) | End::BrokenOff(_)) => Ending::None,
        };
        seal(sealer, piece, ending)
    }

    /// Sets aside what was not handed over: records before it are missing.
    fn break_off(&mut self, sealer: &Sealer) -> Result<(), NotSealed> {
        let known = match self.end {
            End::BrokenOff(last) => last,
            End::Said | End::After(_) => None,
        };
        self.end = End::BrokenOff(self.pieces.back().map(|piece| piece.head).or(known));
        while let Some(piece) = self.pieces.front() {
            sealer.strand(piece.name, piece.form)?;
            self.pieces.pop_front();
        }
        Ok(())
    }

    pub(crate) const fn chain(&self) -> &ChainId {
        &self.chain
    }
}

/// A chain while its pieces are looked at.
#[derive(Default)]
struct Finding {
    pieces: VecDeque<Piece>,
    sessions: OpenSessions,
    /// Whether a piece was moved aside without a whole record.
    lacks_piece: bool,
    /// Whether records are missing after the pieces.
    is_broken: bool,
    /// The last record that is known.
    last: Option<Head>,
}

impl Finding {
    fn take(
        &mut self,
        sealer: &Sealer,
        (name, form): (PieceName, Form),
        bytes: Option<Vec<u8>>,
    ) -> Result<(), NotSealed> {
        let is_copied = self.pieces.back().is_some_and(|piece| piece.name == name);
        if form == Form::Open && (is_copied || bytes.as_ref().is_some_and(Vec::is_empty)) {
            sealer.remove_open(name)?;
            return Ok(());
        }
        match bytes.as_deref().and_then(|bytes| read(sealer, (name, form), bytes)) {
            Some((piece, frames)) if self.is_next(&piece) => {
                for record in records(frames).map_while(Result::ok) {
                    self.sessions.follow(record.session, record.entry.kind(), record.head.sequence);
                }
                self.is_broken = piece.is_damaged;
                self.last = Some(piece.head);
                self.pieces.push_back(piece);
            }
            Some((piece, _)) => {
                let last = sealer.strand(name, form)?;
                // One that should follow what was found and does not was altered, so its hash is nobody's.
                let number = piece.before.map_or(0, |before| before.sequence);
                let is_altered = self.pieces.back().is_some_and(|back| back.head.sequence == number);
                self.last = last.filter(|_| !is_altered).or(self.last);
                self.is_broken = true;
            }
            None => {
                // What was never finished is missed by nobody, unless something follows it.
                let is_torn = form == Form::Open && bytes.is_some_and(|bytes| Rest::of(&bytes) == Rest::Torn);
                sealer.set_unreadable_aside(name, form)?;
                self.lacks_piece = true;
                self.is_broken |= !is_torn;
            }
        }
        Ok(())
    }

    /// Returns whether a piece follows what was found before; of the first it cannot be told.
    fn is_next(&self, piece: &Piece) -> bool {
        match self.pieces.back() {
            Some(back) => !back.ends_chain && piece.before == Some(back.head),
            None => !self.lacks_piece && !self.is_broken,
        }
    }
}

fn hand_over(ledger: &Ledger, Kept { name, bytes, ends_chain, .. }: Kept) {
    // None of it was counted yet.
    ledger.sealed(name, bytes, bytes, ends_chain);
}

/// Reads a piece; `None` if it holds no record that is whole, or is not what its name says.
fn read<'a>(sealer: &Sealer, (name, form): (PieceName, Form), bytes: &'a [u8]) -> Option<(Piece, &'a [u8])> {
    let size = bytes.len() as u64;
    if form == Form::Sealed {
        let segment = read_segment(bytes).ok()?;
        let is_named = segment.chain == name.chain(&sealer.node) && segment.first == name.first;
        let (before, head, ends_chain) = (segment.before, segment.root.last, segment.root.ends_chain);
        let piece = Piece { name, form, before, head, bytes: size, ends_chain, is_damaged: false };
        return is_named.then_some((piece, segment.frames));
    }
    let (frames, leftover) = sealer.whole(bytes, name)?;
    let is_damaged = leftover.rest == Rest::Damaged;
    if leftover.rest != Rest::Nothing {
        let from = leftover.whole_bytes;
        tracing::warn!(piece = %name, from, is_damaged, "what follows the last whole record is cut off");
    }
    let (before, head) = (leftover.before, leftover.head);
    Some((Piece { name, form, before, head, bytes: size, ends_chain: false, is_damaged }, frames))
}

/// Whether a piece ends its chain.
enum Ending<'a> {
    None,
    /// Without a record more.
    Bare,
    /// With records that close these sessions.
    With(&'a [SessionId], UnixMillis),
}

/// Seals an open piece.
fn seal(sealer: &Sealer, piece: &Piece, ending: Ending<'_>) -> Result<Kept, NotSealed> {
    let bytes = std::fs::read(sealer.directory.path_of(piece.name, piece.form))?;
    let mut frames = sealer.whole(&bytes, piece.name).map(|(frames, _)| frames.to_vec()).unwrap_or_default();
    let ends_chain = match ending {
        Ending::None => false,
        Ending::Bare => true,
        Ending::With(sessions, now) => {
            frames.extend(closing(&piece.name.chain(&sealer.node), piece.head, sessions, (&UNKNOWN, now))?);
            true
        }
    };
    let kept = sealer.write(piece.name, piece.before, &frames, ends_chain)?;
    if piece.is_damaged {
        sealer.set_unreadable_aside(piece.name, Form::Open)?;
    } else {
        sealer.remove_open(piece.name)?;
    }
    Ok(kept)
}

impl Piece {
    /// Describes a piece that is sealed already, none of which was counted.
    const fn kept(&self) -> Kept {
        Kept { name: self.name, bytes: self.bytes, footer: 0, ends_chain: self.ends_chain }
    }
}

#[cfg(test)]
mod tests;
