//! What an earlier life of this node left on the disk, brought to an end before the node listens.
//!
//! | found | becomes |
//! |---|---|
//! | `.seg` | shipped as it is; one that cannot be read is moved aside |
//! | `.open`, not the last of its chain | its whole records, sealed |
//! | `.open`, the last of its chain | its whole records and a `closed(unknown)` for every session that is open, sealed as the chain's end |
//! | a chain whose last piece is a `.seg` that does not end it | one more segment: a `closed(unknown)` for every session that is open, or one of no session |
//! | `.open` without a whole record | moved aside; removed if it is empty |
//! | `.part` | removed: what it was to be a copy of is still there |
//!
//! A session that was open and has no record in what is found is not known here: its records are all shipped, and the
//! chain's end tells the rest. A chain of which nothing is found is not ended here, because no segment can be made up
//! for it; whoever has its segments knows that it is over, because this incarnation does not name it.
//!
//! What the disk does not take, because it is full, does not keep the node from starting: what is sealed is shipped, which
//! makes room, and the keeper tries again. Until then the node refuses commands.

use super::ledger::Ledger;
use super::medium::list;
use super::name::{Form, PieceName};
use super::seal::{Kept, NotSealed, Sealer, closing};
use super::ship::REFUSED;
use hoop_audit::{CloseReason, Entry, Head, read_segment, records};
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
    /// The last record, as long as the chain has no end.
    unended: Option<Head>,
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
        let mut pieces: VecDeque<Piece> = VecDeque::new();
        let mut sessions = Sessions::default();
        let mut since = SystemTime::now();
        for &(name, form) in found {
            let path = sealer.directory.path_of(name, form);
            since = since.min(path.metadata()?.modified()?);
            let is_copied = pieces.back().is_some_and(|piece| piece.name == name);
            // A piece that the disk cannot read any more is as good as one that makes no sense.
            let bytes = std::fs::read(path).inspect_err(|error| tracing::error!(piece = %name, %error, "cannot read"));
            let bytes = bytes.ok();
            if form == Form::Open && (is_copied || bytes.as_ref().is_some_and(Vec::is_empty)) {
                sealer.remove_open(name)?;
                continue;
            }
            match bytes.as_deref().and_then(|bytes| read(sealer, (name, form), bytes)) {
                Some((piece, frames)) => {
                    sessions.follow(frames);
                    pieces.push_back(piece);
                }
                None => sealer.set_unreadable_aside(name, form)?,
            }
        }
        let unended = pieces.back().filter(|piece| !piece.ends_chain).map(|piece| piece.head);
        Ok(Self { chain, since, pieces, sessions: sessions.open(), unended })
    }

    /// Does what is still to be done, piece by piece, and hands over what is sealed. May be called again after an error.
    ///
    /// # Errors
    /// [`NotSealed::Disk`] if the disk does not take it.
    pub(crate) fn settle(&mut self, sealer: &Sealer, ledger: &Ledger, now: UnixMillis) -> Result<(), NotSealed> {
        while let Some(piece) = self.pieces.front() {
            let is_last = self.pieces.len() == 1;
            let kept = match piece.form {
                Form::Sealed => Ok(piece.kept()),
                Form::Open | Form::Part => seal(sealer, piece, is_last.then_some((&self.sessions, now))),
            };
            match kept {
                Ok(kept) => {
                    hand_over(ledger, kept);
                    self.unended = self.unended.filter(|_| !kept.ends_chain);
                }
                Err(NotSealed::Disk(error)) => return Err(error.into()),
                Err(NotSealed::Broken(_) | NotSealed::Unrecordable(_)) => {
                    sealer.set_unreadable_aside(piece.name, piece.form)?;
                }
            }
            self.pieces.pop_front();
        }
        if let Some(head) = self.unended {
            hand_over(ledger, sealer.end(&self.chain, head, &self.sessions, (&UNKNOWN, now))?);
            self.unended = None;
        }
        tracing::info!(chain = %self.chain, "evidence of an earlier start is ready to be shipped");
        Ok(())
    }

    pub(crate) const fn chain(&self) -> &ChainId {
        &self.chain
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
        return is_named.then_some((Piece { name, form, before, head, bytes: size, ends_chain }, segment.frames));
    }
    let (frames, leftover) = sealer.whole(bytes, name)?;
    if leftover.cut {
        tracing::warn!(piece = %name, from = leftover.whole_bytes, "what follows the last whole record is cut off");
    }
    let (before, head) = (leftover.before, leftover.head);
    Some((Piece { name, form, before, head, bytes: size, ends_chain: false }, frames))
}

/// Seals an open piece: with the records that close its sessions, if it ends its chain.
fn seal(sealer: &Sealer, piece: &Piece, ending: Option<(&Vec<SessionId>, UnixMillis)>) -> Result<Kept, NotSealed> {
    let bytes = std::fs::read(sealer.directory.path_of(piece.name, piece.form))?;
    let mut frames = sealer.whole(&bytes, piece.name).map(|(frames, _)| frames.to_vec()).unwrap_or_default();
    if let Some((sessions, now)) = ending {
        frames.extend(closing(&piece.name.chain(&sealer.node), piece.head, sessions, (&UNKNOWN, now))?);
    }
    sealer.write(piece.name, piece.before, &frames, ending.is_some())
}

impl Piece {
    /// Describes a piece that is sealed already, none of which was counted.
    const fn kept(&self) -> Kept {
        Kept { name: self.name, bytes: self.bytes, footer: 0, ends_chain: self.ends_chain }
    }
}

/// The sessions of a chain that are open, by the number of their first record.
#[derive(Default)]
struct Sessions {
    since: BTreeMap<SessionId, u64>,
}

impl Sessions {
    fn follow(&mut self, frames: &[u8]) {
        for record in records(frames).filter_map(Result::ok) {
            match record.entry {
                Entry::Closed(_) | Entry::NotOpened(_) => drop(self.since.remove(&record.session)),
                Entry::Opened(_)
                | Entry::Verdict(_)
                | Entry::Forwarded(_)
                | Entry::Response(_)
                | Entry::Approval(_) => {
                    self.since.entry(record.session).or_insert(record.head.sequence);
                }
            }
        }
    }

    /// Returns them in the order of their first record.
    fn open(&self) -> Vec<SessionId> {
        let mut open: Vec<_> = self.since.iter().collect();
        open.sort_unstable_by_key(|(_, since)| **since);
        open.into_iter().map(|(session, _)| *session).collect()
    }
}

#[cfg(test)]
mod tests;
