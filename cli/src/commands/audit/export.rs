//! `hoopctl audit export`: the evidence store, to a directory.

use super::store::{Contents, MARKER};
use super::taking::Taking;
use crate::client::{self, said};
use crate::commands::{Outcome, print_line};
use crate::shown::{Bytes, Moment, escape};
use anyhow::{Context, ensure};
use hoop_wire::v1;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Copies the evidence store to a directory that `audit verify` can read.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// A directory: one that does not exist yet, an empty one, or an earlier export of the same cluster, which is
    /// brought up to date and loses nothing.
    directory: PathBuf,
    /// Only segments stored then or later, to bring an earlier export up to date; the log is always whole.
    #[arg(long, value_parser = Moment::parse)]
    since: Option<Moment>,
}

impl Export {
    pub(crate) async fn run(&self, mut audit: client::Audit) -> anyhow::Result<Outcome> {
        let origin = super::checkpoint(&mut audit).await?.origin;
        prepare(&self.directory, &origin)?;
        let since_ms = self.since.map_or(0, |moment| moment.given(hoop_node::clock::unix_now()).0);
        let mut parts = audit.export(v1::ExportRequest { since_ms }).await.map_err(said)?.into_inner();
        let mut taking = Taking::into(&self.directory);
        let mut progress = Progress::begin();
        while let Some(part) = parts.message().await.map_err(said)? {
            taking.take(&part)?;
            progress.tell(&taking);
        }
        progress.end();
        let taken = taking.finish()?;
        print_line(&format!(
            "exported to `{}`: segments {}, new {}; {} with the log",
            self.directory.display(),
            taken.segments,
            taken.new_segments,
            Bytes(taken.bytes)
        ))?;
        Ok(Outcome::Done)
    }
}

/// Makes sure that nothing but an earlier export of the same log can be written over.
fn prepare(directory: &Path, origin: &str) -> anyhow::Result<()> {
    let shown = directory.display();
    std::fs::create_dir_all(directory).with_context(|| format!("create `{shown}`"))?;
    let contents = Contents::of(directory).with_context(|| format!("read `{shown}`"))?;
    let marker = directory.join(MARKER);
    if contents == Contents::default() {
        return std::fs::write(&marker, format!("{origin}\n")).with_context(|| format!("write `{}`", marker.display()));
    }
    ensure!(contents.marker, "`{shown}` is not empty and not an earlier export: nothing was written");
    if let Some(stranger) = contents.strangers.iter().find(|stranger| !super::taking::is_left_over(stranger)) {
        let stranger = escape(&stranger.to_string_lossy());
        anyhow::bail!("`{shown}` has `{stranger}`, which no export has: nothing was written");
    }
    let exported = std::fs::read_to_string(&marker).with_context(|| format!("read `{}`", marker.display()))?;
    let exported = exported.trim_end();
    ensure!(exported == origin, "`{shown}` is an export of `{}`, not of `{origin}`", escape(exported));
    Ok(())
}

/// Tells how far the export is: on a terminal in one line, elsewhere seldom.
struct Progress {
    terminal: bool,
    told: Instant,
}

impl Progress {
    fn begin() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), told: Instant::now() }
    }

    fn tell(&mut self, taking: &Taking<'_>) {
        let pause = Duration::from_millis(if self.terminal { 200 } else { 10_000 });
        if self.told.elapsed() < pause {
            return;
        }
        self.told = Instant::now();
        let line = format!("exporting: segments {}, {}", taking.taken.segments, Bytes(taking.taken.bytes));
        // Whoever does not read it loses nothing.
        let _ = if self.terminal {
            write!(std::io::stderr(), "\r\x1b[K{line}")
        } else {
            writeln!(std::io::stderr(), "{line}")
        };
    }

    fn end(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "hoopgate/00000000000000000000000000000001/evidence";

    #[test]
    fn only_an_empty_directory_or_an_earlier_export_is_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("a/b");
        prepare(&root, ORIGIN).unwrap();
        assert_eq!(std::fs::read_to_string(root.join("EXPORT")).unwrap(), format!("{ORIGIN}\n"));
        prepare(&root, ORIGIN).unwrap();

        let shown = root.display();
        let other = prepare(&root, "hoopgate/02/evidence").unwrap_err().to_string();
        assert_eq!(other, format!("`{shown}` is an export of `{ORIGIN}`, not of `hoopgate/02/evidence`"));

        std::fs::write(root.join("notes\u{1b}"), "").unwrap();
        let stranger = prepare(&root, ORIGIN).unwrap_err().to_string();
        assert_eq!(stranger, format!(r"`{shown}` has `notes\u{{1b}}`, which no export has: nothing was written"));
        std::fs::remove_file(root.join("notes\u{1b}")).unwrap();

        std::fs::remove_file(root.join("EXPORT")).unwrap();
        for foreign in ["homework.txt", "log/entries", "log/checkpoint"] {
            std::fs::create_dir_all(root.join("log")).unwrap();
            std::fs::write(root.join(foreign), "").unwrap();
            let refused = prepare(&root, ORIGIN).unwrap_err().to_string();
            assert_eq!(refused, format!("`{shown}` is not empty and not an earlier export: nothing was written"));
            std::fs::remove_file(root.join(foreign)).unwrap();
        }
    }
}
