//! Turning records on the disk into sealed segments on the disk.

use super::medium::Directory;
use super::name::{Form, PieceName};
use super::spool::Cut;
use hoop_audit::{
    Broken, Chain, Entry, Head, Leftover, NO_SESSION, Sealed, Sealing, SigningKey, Unrecordable, read_segment,
};
use hoop_model::{ChainId, Incarnation, ResourceName, SessionId, UnixMillis};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

/// Where pieces are kept that hold no whole record, or hold something behind their whole ones that was some.
pub(crate) const UNREADABLE: &str = "unreadable";
/// Where pieces are kept before which records are missing.
pub(crate) const STRANDED: &str = "stranded";

/// Seals on behalf of this incarnation.
pub(crate) struct Sealer {
    pub(crate) directory: Directory,
    pub(crate) node: ResourceName,
    pub(crate) signer: Incarnation,
    pub(crate) key: SigningKey,
}

/// A segment on the disk, name and all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) name: PieceName,
    /// How many bytes the file has.
    pub(crate) bytes: u64,
    /// How many of them are the footer.
    pub(crate) footer: u64,
    pub(crate) ends_chain: bool,
}

/// Says why a piece is not sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSealed {
    /// The disk said no; it may be tried again.
    #[error("the disk failed")]
    Disk(#[from] io::Error),
    /// What was read is not what was written, and will not become it.
    #[error("the records do not hold together")]
    Broken(#[from] Broken),
    /// No record can be added to the chain.
    #[error("the chain cannot go on")]
    Unrecordable(#[from] Unrecordable),
}

impl Sealer {
    /// Seals a piece where it lies: one footer behind its records, and another name.
    ///
    /// Once this has failed for a piece, [`Sealer::seal_copy`] is the way: a failed write-back leaves pages that look
    /// written and are not (fsync(2)), so that the same file synchronised again proves nothing.
    pub(crate) fn seal(&self, cut: &Cut) -> Result<Kept, NotSealed> {
        let file = &cut.file.sealing;
        file.sync_data()?;
        let frames = read(file, cut.length)?;
        let Sealed { footer, .. } = self.sign(cut.name, cut.before, &frames, cut.ends_chain)?;
        file.set_len(cut.length)?;
        file.write_all_at(&footer, cut.length)?;
        file.sync_data()?;
        let path = self.directory.path_of(cut.name, Form::Open);
        std::fs::rename(path, self.directory.path_of(cut.name, Form::Sealed))?;
        self.directory.synchronise()?;
        let footer = footer.len() as u64;
        let bytes = cut.length.saturating_add(footer);
        Ok(Kept { name: cut.name, bytes, footer, ends_chain: cut.ends_chain })
    }

    /// Seals a copy of a piece and removes the original.
    pub(crate) fn seal_copy(&self, cut: &Cut) -> Result<Kept, NotSealed> {
        let frames = read(&cut.file.sealing, cut.length)?;
        let kept = self.write(cut.name, cut.before, &frames, cut.ends_chain)?;
        self.remove_open(cut.name)?;
        Ok(kept)
    }

    /// Seals as many whole records of a broken piece as there are, as the end of its chain, and keeps the original apart.
    /// Returns none if there is none; then only the original is kept.
    ///
    /// No record is added: the numbers after the last whole one may have been given to records already.
    pub(crate) fn seal_rest(&self, cut: &Cut) -> Result<Option<(Kept, Head)>, NotSealed> {
        let bytes = read(&cut.file.sealing, cut.file.sealing.metadata()?.len())?;
        let whole = self.whole(&bytes, cut.name).filter(|(_, leftover)| leftover.before == cut.before);
        let kept = match whole {
            Some((frames, leftover)) => Some((self.write(cut.name, cut.before, frames, true)?, leftover.head)),
            None => None,
        };
        self.set_unreadable_aside(cut.name, Form::Open)?;
        Ok(kept)
    }

    /// Finds what is whole of a piece; `None` if nothing is, or if it is not the piece that its name says.
    pub(crate) fn whole<'a>(&self, bytes: &'a [u8], name: PieceName) -> Option<(&'a [u8], Leftover)> {
        let leftover = hoop_audit::recover(bytes)?;
        let first = leftover.before.map_or(0, |before| before.sequence).checked_add(1)?;
        let is_named = leftover.chain == name.chain(&self.node) && first == name.first;
        is_named.then_some((bytes.get(..leftover.whole_bytes)?, leftover))
    }

    /// Writes a sealed segment beside what it is a copy of. A crash at any point leaves one of the two whole.
    pub(crate) fn write(
        &self,
        name: PieceName,
        before: Option<Head>,
        frames: &[u8],
        ends_chain: bool,
    ) -> Result<Kept, NotSealed> {
        let Sealed { footer, .. } = self.sign(name, before, frames, ends_chain)?;
        let part = self.directory.path_of(name, Form::Part);
        let written = File::options().write(true).create(true).truncate(true).mode(0o600).open(&part);
        let written = written.and_then(|mut file| {
            file.write_all(frames)?;
            file.write_all(&footer)?;
            file.sync_data()?;
            std::fs::rename(&part, self.directory.path_of(name, Form::Sealed))?;
            self.directory.synchronise()
        });
        if let Err(error) = written {
            // On a full disk its space is needed; what it is a copy of is still there.
            drop(std::fs::remove_file(&part));
            return Err(error.into());
        }
        let footer = footer.len() as u64;
        Ok(Kept { name, bytes: footer.saturating_add(frames.len() as u64), footer, ends_chain })
    }

    /// Ends a chain whose records are all sealed: a segment with one record for each session that is open, or one of no
    /// session if none is.
    pub(crate) fn end(
        &self,
        chain: &ChainId,
        head: Head,
        sessions: &[SessionId],
        ending: (&Entry, UnixMillis),
    ) -> Result<Kept, NotSealed> {
        let first = head.sequence.checked_add(1).ok_or(Unrecordable::Full)?;
        let name = PieceName { incarnation: chain.incarnation, shard: chain.shard, first };
        let sessions = if sessions.is_empty() { &[NO_SESSION] } else { sessions };
        let frames = closing(chain, head, sessions, ending)?;
        self.write(name, Some(head), &frames, true)
    }

    /// Removes an open piece of which nothing is missed.
    pub(crate) fn remove_open(&self, name: PieceName) -> io::Result<()> {
        match std::fs::remove_file(self.directory.path_of(name, Form::Open)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Keeps a piece that holds no whole record, or is not what its name says, where nothing touches it again.
    pub(crate) fn set_unreadable_aside(&self, name: PieceName, form: Form) -> io::Result<()> {
        let file = name.file(form);
        self.directory.set_aside(&file, UNREADABLE)?;
        tracing::warn!(%file, directory = UNREADABLE, "evidence that cannot be read was moved aside");
        Ok(())
    }

    /// Keeps a piece before which records are missing where nothing touches it again. Returns its last whole record.
    pub(crate) fn strand(&self, name: PieceName, form: Form) -> io::Result<Option<Head>> {
        strand(&self.directory, &self.node, name, form)
    }

    fn sign(&self, name: PieceName, before: Option<Head>, frames: &[u8], ends_chain: bool) -> Result<Sealed, Broken> {
        let sealing = Sealing { chain: name.chain(&self.node), before, ends_chain, signer: self.signer };
        hoop_audit::seal(frames, &sealing, &self.key)
    }
}

/// Does what [`Sealer::strand`] says.
pub(crate) fn strand(
    directory: &Directory,
    node: &ResourceName,
    name: PieceName,
    form: Form,
) -> io::Result<Option<Head>> {
    let bytes = std::fs::read(directory.path_of(name, form)).unwrap_or_default();
    let frames = read_segment(&bytes).map_or(bytes.as_slice(), |segment| segment.frames);
    let own = |leftover: &Leftover| leftover.chain == name.chain(node);
    let last = hoop_audit::recover(frames).filter(own).map(|leftover| leftover.head);
    let file = name.file(form);
    directory.set_aside(&file, STRANDED)?;
    tracing::warn!(%file, directory = STRANDED, "evidence was moved aside because records before it are missing");
    Ok(last)
}

/// Makes the records that follow a head and say how sessions ended.
pub(crate) fn closing(
    chain: &ChainId,
    head: Head,
    sessions: &[SessionId],
    (entry, now): (&Entry, UnixMillis),
) -> Result<Vec<u8>, Unrecordable> {
    let mut chain = Chain::resume(chain, head);
    let mut frames = Vec::new();
    for session in sessions {
        let frame = chain.append(entry, *session, now, hoop_node::random())?;
        frames.extend_from_slice(frame.bytes());
        // Nothing is forwarded on the strength of it: whether it reaches the disk is the segment's matter.
        drop(frame.written());
    }
    Ok(frames)
}

fn read(file: &File, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
