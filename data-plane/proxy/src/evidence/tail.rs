//! What is recorded here and not shipped yet, for somebody who looks on.

use super::medium::Directory;
use super::name::{Form, PieceName};
use hoop_audit::{read_segment, records};
use hoop_model::{SessionId, UnixMillis};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};

/// Largest answer, in bytes.
pub(crate) const MAX_TAIL_BYTES: usize = 4 << 20;
/// How many bytes of files are looked through: the newest ones.
const MAX_READ_BYTES: u64 = 64 << 20;
/// How often a listing is repeated because a piece moved on meanwhile.
const MAX_LISTINGS: usize = 3;

/// One record as it lies in its file.
struct Frame {
    /// Not before that of the frame before it in the same chain, whatever the clock did.
    time: UnixMillis,
    bytes: Vec<u8>,
}

/// Returns the frames of the records that are on this disk and not shipped: of one session, or of all. Oldest first, each
/// chain in its order. Of more than 4 MiB the newest are returned.
///
/// # Errors
/// If the disk fails, or the pieces keep moving.
pub(crate) fn tail(directory: &Directory, session: Option<SessionId>) -> io::Result<Vec<u8>> {
    for _ in 0..MAX_LISTINGS {
        match collect(directory, session) {
            // Sealed, or shipped, since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            collected => return collected,
        }
    }
    Err(io::Error::other("the pieces keep moving"))
}

fn collect(directory: &Directory, session: Option<SessionId>) -> io::Result<Vec<u8>> {
    let mut frames = Vec::new();
    let mut chain = None;
    for (name, form) in newest(directory)? {
        if chain.replace((name.incarnation, name.shard)) != Some((name.incarnation, name.shard)) {
            // Times are in order within a chain, so that sorting by them keeps it.
            frames.push(Vec::new());
        }
        let mut bytes = Vec::new();
        File::open(directory.path_of(name, form))?.read_to_end(&mut bytes)?;
        let Some(frames) = frames.last_mut() else { continue };
        select(&bytes, session, frames);
    }
    let mut frames: Vec<_> = frames.into_iter().flatten().collect();
    frames.sort_by_key(|frame| frame.time);
    let mut kept = VecDeque::new();
    let mut size = 0_usize;
    for frame in frames.into_iter().rev() {
        size = size.saturating_add(frame.bytes.len());
        if size > MAX_TAIL_BYTES {
            break;
        }
        kept.push_front(frame.bytes);
    }
    Ok(kept.into_iter().flatten().collect())
}

/// Lists the pieces that were written to last, in the order of their chains.
fn newest(directory: &Directory) -> io::Result<Vec<(PieceName, Form)>> {
    let mut pieces = Vec::new();
    for (name, form) in directory.list()? {
        if form != Form::Part {
            let metadata = directory.path_of(name, form).metadata()?;
            pieces.push((metadata.modified()?, metadata.len(), (name, form)));
        }
    }
    pieces.sort_unstable();
    let mut read = 0_u64;
    let within = |(_, bytes, _): &(_, u64, _)| {
        read = read.saturating_add(*bytes);
        read <= MAX_READ_BYTES
    };
    let mut newest: Vec<_> = pieces.into_iter().rev().take_while(within).map(|(_, _, piece)| piece).collect();
    newest.sort_unstable();
    // A piece that is sealed anew lies there twice for a moment; the sealed one comes first.
    newest.dedup_by_key(|(name, _)| *name);
    Ok(newest)
}

/// Adds the records of one piece that are asked for.
fn select(bytes: &[u8], session: Option<SessionId>, frames: &mut Vec<Frame>) {
    let bytes = read_segment(bytes).map_or(bytes, |segment| segment.frames);
    // A record that is being written right now is not whole yet.
    for record in records(bytes).map_while(Result::ok) {
        if session.is_none_or(|session| session == record.session) {
            let earliest = frames.last().map_or(record.time, |last| last.time);
            frames.push(Frame { time: record.time.max(earliest), bytes: record.frame(bytes).to_vec() });
        }
    }
}

#[cfg(test)]
mod tests;
