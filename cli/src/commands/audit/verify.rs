//! `hoopctl audit verify`: an exported store, with nothing but its files and one key.

use super::found::{Accepted, Finding, Found};
use super::store::{CHECKPOINT, Contents, ENTRIES, SegmentName};
use crate::commands::{LineFormat, Outcome, print_line};
use anyhow::{Context, ensure};
use hoop_audit::{Auditor, Checkpoint, Entry, LogFile, MAX_SEGMENT_BYTES, VerifierKey, decode_log_entry};
use hoop_model::{ResourceName, UnixMillis};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How much of the log is read at once, in bytes.
const PIECE: usize = 64 << 10;
/// Largest checkpoint that is read, in bytes; larger ones are none.
const MAX_CHECKPOINT_BYTES: u64 = 64 << 10;

/// Verifies an exported evidence store, offline: exits with 0 if it is whole, with 1 if anything is wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The directory that `audit export` wrote.
    #[arg(value_parser = directory)]
    directory: PathBuf,
    /// The key that `audit key` printed, or `@FILE` that holds it.
    #[arg(long, value_parser = key)]
    key: VerifierKey,
    /// A checkpoint that was kept elsewhere: the log must hold all it vouches for. May be given several times.
    #[arg(long = "checkpoint", value_name = "FILE", value_parser = kept)]
    checkpoints: Vec<String>,
    /// Do not fail for records that the cluster itself declared lost.
    #[arg(long)]
    accept_gaps: bool,
    /// Do not fail because this node said two different things of one of its records, or announced two keys. They are
    /// printed as accepted; everything else that is wrong still fails. May be given several times.
    #[arg(long, value_name = "NODE", value_parser = ResourceName::parse)]
    accept_conflicts: Vec<ResourceName>,
    /// How to print.
    #[arg(short, long = "output", value_enum, default_value = "text")]
    output: LineFormat,
}

fn directory(text: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(text);
    ensure!(path.is_dir(), "not a directory");
    Ok(path)
}

fn key(text: &str) -> anyhow::Result<VerifierKey> {
    match text.strip_prefix('@') {
        Some(file) => Ok(std::fs::read_to_string(file)?.trim().parse()?),
        None => Ok(text.parse()?),
    }
}

fn kept(file: &str) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(file)?)
}

impl Verify {
    pub(crate) fn run(&self) -> anyhow::Result<Outcome> {
        let (found, accepted) = (self.found()?, self.accepted());
        match self.output {
            LineFormat::Text => print_line(&found.text(&accepted))?,
            LineFormat::Json => print_line(&crate::shown::escape_json(&found.json(&accepted).to_string()))?,
        }
        Ok(found.outcome(&accepted))
    }

    fn accepted(&self) -> Accepted {
        Accepted { gaps: self.accept_gaps, conflicts: self.accept_conflicts.iter().cloned().collect() }
    }

    /// Reads everything, one segment at a time.
    fn found(&self) -> anyhow::Result<Found> {
        let shown = self.directory.display();
        let contents = Contents::of(&self.directory).with_context(|| format!("read `{shown}`"))?;
        let mut findings: Vec<_> = contents.strangers.iter().cloned().map(Finding::Stranger).collect();
        let note = checkpoint(&self.directory, &contents, &mut findings);
        let mut log = Log::open(&self.directory, &contents, &mut findings)?;
        log.watch(self.sizes(&note));
        let kept: Vec<_> = self.checkpoints.iter().map(String::as_str).collect();
        let opened = Auditor::open_against(&self.key, &note, &kept, &mut log);
        log.failed.map_or(Ok(()), Err).with_context(|| format!("read `{ENTRIES}`"))?;
        let mut auditor = match opened {
            Ok(auditor) => auditor,
            Err(failed) => return Ok(Found::without_checkpoint(findings, failed)),
        };
        let mut sessions = BTreeMap::new();
        for segment in contents.segments {
            let path = segment.to_string();
            match read_segment(&self.directory, &segment) {
                Ok(bytes) => {
                    auditor.segment(&path, &bytes);
                    sessions.insert(path, sessions_begun(&bytes));
                }
                Err(error) => findings.push(Finding::Unreadable(path, error)),
            }
        }
        Ok(Found::audited(findings, auditor.finish(), &sessions, &log.times))
    }

    /// Returns how many entries each checkpoint vouches for.
    fn sizes(&self, note: &str) -> Vec<u64> {
        let notes = self.checkpoints.iter().map(String::as_str).chain([note]);
        notes.filter_map(|note| Checkpoint::open(note, &self.key).ok()).map(|checkpoint| checkpoint.size).collect()
    }
}

fn checkpoint(directory: &Path, contents: &Contents, findings: &mut Vec<Finding>) -> String {
    if !contents.checkpoint {
        findings.push(Finding::Missing(CHECKPOINT));
        return String::new();
    }
    match read_up_to(&directory.join(CHECKPOINT), MAX_CHECKPOINT_BYTES) {
        // What is not UTF-8 is no checkpoint; the auditor says so.
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            findings.push(Finding::Unreadable(CHECKPOINT.to_owned(), error));
            String::new()
        }
    }
}

/// Reads a segment; of a file that is larger than any, enough to show that it is.
fn read_segment(directory: &Path, segment: &SegmentName) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(MAX_SEGMENT_BYTES).unwrap_or(u64::MAX);
    read_up_to(&directory.join(segment.to_string()), limit.saturating_add(1))
}

fn read_up_to(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Counts the sessions whose first record is in a segment; what is wrong with it, the auditor says.
fn sessions_begun(bytes: &[u8]) -> u64 {
    let Ok(segment) = hoop_audit::read_segment(bytes) else { return 0 };
    let entries = hoop_audit::records(segment.frames).map_while(Result::ok).map(|record| record.entry);
    let begins = |entry: &Entry| matches!(entry, Entry::Opened(_) | Entry::NotOpened(_));
    entries.filter(begins).fold(0, |count, _| count.saturating_add(1))
}

/// The log's entries, in pieces as the auditor takes them; the times of some are noted as they go by.
struct Log {
    file: Option<File>,
    failed: Option<io::Error>,
    reader: LogFile,
    /// The time of the last of so many entries, for each number that is watched.
    times: BTreeMap<u64, Option<UnixMillis>>,
}

impl Log {
    fn open(directory: &Path, contents: &Contents, findings: &mut Vec<Finding>) -> anyhow::Result<Self> {
        let file = if contents.entries {
            Some(File::open(directory.join(ENTRIES)).with_context(|| format!("read `{ENTRIES}`"))?)
        } else {
            findings.push(Finding::Missing(ENTRIES));
            None
        };
        Ok(Self { file, failed: None, reader: LogFile::default(), times: BTreeMap::new() })
    }

    fn watch(&mut self, sizes: Vec<u64>) {
        self.times = sizes.into_iter().map(|size| (size, None)).collect();
    }

    fn note_times(&mut self, piece: &[u8]) {
        self.reader.push(piece);
        while let Ok(Some(bytes)) = self.reader.take() {
            let time = decode_log_entry(bytes).ok().map(|entry| entry.time);
            if let Some(noted) = self.times.get_mut(&self.reader.index()) {
                *noted = time;
            }
        }
    }
}

impl Iterator for Log {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut piece = vec![0; PIECE];
        match self.file.as_mut()?.read(&mut piece) {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                self.note_times(&piece);
                Some(piece)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Some(Vec::new()),
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
