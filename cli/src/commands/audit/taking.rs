//! Parts of files become files of an export: each whole or not at all, and nothing that an earlier export had is lost.

use super::store::{CHECKPOINT, ENTRIES, StoreFile};
use crate::shown::escape;
use anyhow::{Context, bail, ensure};
use hoop_wire::v1;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// Files that are not whole yet. One of these is left where an export was interrupted; the next writes over it.
const PARTIAL_SEGMENT: &str = "partial.segment";
const PARTIAL_ENTRIES: &str = "partial.entries";
const PARTIAL_CHECKPOINT: &str = "partial.checkpoint";

/// Returns whether a file is what an interrupted export leaves.
pub(super) fn is_left_over(path: &Path) -> bool {
    [PARTIAL_SEGMENT, PARTIAL_ENTRIES, PARTIAL_CHECKPOINT].iter().any(|partial| path == Path::new(partial))
}

/// Makes a file anew. Whatever has its name is removed and not written to: it may lead elsewhere.
fn create(path: &Path) -> anyhow::Result<File> {
    remove(path)?;
    File::create_new(path).with_context(|| format!("create `{}`", path.display()))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove `{}`", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Segments.
    pub(super) segments: u64,
    /// Segments that were not there before.
    pub(super) new_segments: u64,
    /// Bytes of all files.
    pub(super) bytes: u64,
}

/// A file in the making.
struct Open {
    name: StoreFile,
    file: File,
}

/// An export in progress. The log is put in its place last, so that it never names a segment that is not there.
pub(super) struct Taking<'a> {
    directory: &'a Path,
    open: Option<Open>,
    entries: bool,
    checkpoint: bool,
    pub(super) taken: Taken,
}

impl<'a> Taking<'a> {
    /// Begins an export into a directory that is made for it.
    pub(super) const fn into(directory: &'a Path) -> Self {
        let taken = Taken { segments: 0, new_segments: 0, bytes: 0 };
        Self { directory, open: None, entries: false, checkpoint: false, taken }
    }

    /// Takes the next part.
    ///
    /// # Errors
    /// A path that is none of an evidence store's, a file that is not what an earlier export has, or no room.
    pub(super) fn take(&mut self, part: &v1::ExportPart) -> anyhow::Result<()> {
        let continues =
            part.path.is_empty() || self.open.as_ref().is_some_and(|open| open.name.to_string() == part.path);
        if !continues {
            self.close()?;
            self.open = Some(self.begin(&part.path)?);
        }
        let open = self.open.as_mut().context("the control plane sent bytes of no file")?;
        open.file.write_all(&part.content).with_context(|| format!("write `{}`", open.name))?;
        self.taken.bytes = self.taken.bytes.saturating_add(u64::try_from(part.content.len())?);
        Ok(())
    }

    /// Puts the log in its place.
    ///
    /// # Errors
    /// A log that does not continue the one that was exported before; that one is kept.
    pub(super) fn finish(mut self) -> anyhow::Result<Taken> {
        self.close()?;
        ensure!(self.checkpoint, "the control plane sent no checkpoint: the export is not complete");
        if !self.entries {
            let empty = self.directory.join(PARTIAL_ENTRIES);
            create(&empty)?;
        }
        let (new, place) = (self.directory.join(PARTIAL_ENTRIES), self.directory.join(ENTRIES));
        if place.exists() && !begins_with(&new, &place)? {
            bail!(
                "the log is not a longer one than was exported before, which is kept beside this `{PARTIAL_ENTRIES}`"
            );
        }
        put(&new, &place)?;
        put(&self.directory.join(PARTIAL_CHECKPOINT), &self.directory.join(CHECKPOINT))?;
        remove(&self.directory.join(PARTIAL_SEGMENT))?;
        Ok(self.taken)
    }

    fn begin(&self, path: &str) -> anyhow::Result<Open> {
        let name = StoreFile::parse(path)
            .with_context(|| format!("the control plane sent `{}`, no file of an evidence store", escape(path)))?;
        let again = match name {
            StoreFile::Entries => self.entries,
            StoreFile::Checkpoint => self.checkpoint,
            StoreFile::Segment(_) => false,
        };
        ensure!(!again, "the control plane sent `{name}` twice");
        let partial = self.partial(&name);
        let file = create(&partial)?;
        Ok(Open { name, file })
    }

    fn partial(&self, name: &StoreFile) -> PathBuf {
        self.directory.join(match name {
            StoreFile::Entries => PARTIAL_ENTRIES,
            StoreFile::Checkpoint => PARTIAL_CHECKPOINT,
            StoreFile::Segment(_) => PARTIAL_SEGMENT,
        })
    }

    /// Ends the file that is in the making.
    fn close(&mut self) -> anyhow::Result<()> {
        let Some(Open { name, file }) = self.open.take() else { return Ok(()) };
        file.sync_all().with_context(|| format!("write `{name}`"))?;
        drop(file);
        match &name {
            StoreFile::Entries => self.entries = true,
            StoreFile::Checkpoint => self.checkpoint = true,
            StoreFile::Segment(_) => self.place(&name)?,
        }
        Ok(())
    }

    /// Puts a whole segment in its place. A segment never changes: where there is one, it must be the same.
    fn place(&mut self, name: &StoreFile) -> anyhow::Result<()> {
        let (new, place) = (self.partial(name), self.directory.join(name.to_string()));
        self.taken.segments += 1;
        if !place.exists() {
            self.taken.new_segments += 1;
            return put(&new, &place);
        }
        let same = begins_with(&new, &place)? && begins_with(&place, &new)?;
        ensure!(
            same,
            "`{name}` is not the one that was exported before, which is kept beside this `{PARTIAL_SEGMENT}`"
        );
        std::fs::remove_file(&new).with_context(|| format!("remove `{}`", new.display()))
    }
}

fn put(new: &Path, place: &Path) -> anyhow::Result<()> {
    if let Some(parent) = place.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("create `{}`", parent.display()))?;
    }
    std::fs::rename(new, place).with_context(|| format!("create `{}`", place.display()))
}

/// Returns whether a file begins with all the bytes of another.
fn begins_with(whole: &Path, beginning: &Path) -> anyhow::Result<bool> {
    let open = |path: &Path| File::open(path).with_context(|| format!("read `{}`", path.display()));
    let (mut whole, mut beginning) = (BufReader::new(open(whole)?), BufReader::new(open(beginning)?));
    let (mut of_whole, mut of_beginning) = ([0; 8192], Vec::new());
    loop {
        of_beginning.clear();
        beginning.by_ref().take(8192).read_to_end(&mut of_beginning)?;
        if of_beginning.is_empty() {
            return Ok(true);
        }
        let Some(compared) = of_whole.get_mut(..of_beginning.len()) else { return Ok(false) };
        match whole.read_exact(compared) {
            Ok(()) if *compared == *of_beginning => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "segments/edge-1/00000000000000000000000000000007-3/00000000000000000001.seg";
    const SECOND: &str = "segments/edge-1/00000000000000000000000000000007-3/00000000000000000042.seg";

    fn export(directory: &Path, parts: &[(&str, &str)]) -> anyhow::Result<Taken> {
        let mut taking = Taking::into(directory);
        for (path, content) in parts {
            taking.take(&v1::ExportPart { path: (*path).into(), content: content.as_bytes().to_vec() })?;
        }
        taking.finish()
    }

    fn read(directory: &Path, path: &str) -> String {
        std::fs::read_to_string(directory.join(path)).unwrap()
    }

    fn files(directory: &Path) -> usize {
        let contents = super::super::store::Contents::of(directory).unwrap();
        assert_eq!(contents.strangers, Vec::<PathBuf>::new());
        contents.segments.len() + usize::from(contents.entries) + usize::from(contents.checkpoint)
    }

    #[test]
    fn parts_become_files_and_an_export_is_brought_up_to_date() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let parts =
            [("log/entries", "12"), ("log/checkpoint", "a"), (FIRST, "se"), ("", "gm"), (FIRST, "ent"), (SECOND, "")];
        assert_eq!(export(root, &parts).unwrap(), Taken { segments: 2, new_segments: 2, bytes: 10 });
        let taken = export(root, &[(FIRST, "segment"), ("log/entries", "123"), ("log/checkpoint", "b")]).unwrap();
        assert_eq!(taken, Taken { segments: 1, new_segments: 0, bytes: 11 });
        assert_eq!((read(root, FIRST), read(root, SECOND)), ("segment".into(), String::new()));
        assert_eq!((read(root, ENTRIES), read(root, CHECKPOINT)), ("123".into(), "b".into()));
        assert_eq!(files(root), 4);
    }

    #[test]
    fn what_an_interrupted_export_left_is_removed_and_never_written_through() {
        let directory = tempfile::tempdir().unwrap();
        let (root, victim) = (directory.path().join("export"), directory.path().join("victim"));
        std::fs::create_dir(&root).unwrap();
        std::fs::write(&victim, "mine").unwrap();
        for partial in [PARTIAL_SEGMENT, PARTIAL_ENTRIES, PARTIAL_CHECKPOINT] {
            std::os::unix::fs::symlink(&victim, root.join(partial)).unwrap();
        }
        let parts = [("log/entries", "1"), ("log/checkpoint", "a"), (FIRST, "segment")];
        let _ = export(&root, &parts).unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
        std::fs::write(root.join(PARTIAL_SEGMENT), "half").unwrap();
        let _ = export(&root, &[("log/entries", "12"), ("log/checkpoint", "b")]).unwrap();
        assert!(!root.join(PARTIAL_SEGMENT).exists());
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused_before_anything_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("export");
        std::fs::create_dir(&root).unwrap();
        for path in ["../escaped", "/tmp/escaped", "segments/../../escaped", "log/../../escaped", "log/Entries", "x"] {
            let refused = export(&root, &[(path, "x")]).unwrap_err().to_string();
            assert_eq!(refused, format!("the control plane sent `{path}`, no file of an evidence store"));
        }
        let refused = export(&root, &[("", "x")]).unwrap_err().to_string();
        assert_eq!(refused, "the control plane sent bytes of no file");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
    }

    #[test]
    fn what_an_earlier_export_has_is_never_replaced_by_something_else() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let log = [("log/entries", "12"), ("log/checkpoint", "a")];
        export(root, &[&log[..], &[(FIRST, "segment")]].concat()).unwrap();
        for other in ["segmenT", "segment2", "segmen", ""] {
            let refused = export(root, &[&log[..], &[(FIRST, other)]].concat()).unwrap_err().to_string();
            assert_eq!(
                refused,
                format!(
                    "`{FIRST}` is not the one that was exported before, which is kept beside this `partial.segment`"
                )
            );
        }
        for rewritten in ["1", "13", "22345"] {
            let refused = export(root, &[("log/entries", rewritten), ("log/checkpoint", "b")]).unwrap_err().to_string();
            let expected =
                "the log is not a longer one than was exported before, which is kept beside this `partial.entries`";
            assert_eq!(refused, expected, "{rewritten}");
        }
        assert!(export(root, &[("log/checkpoint", "b")]).is_err(), "a log that is gone");
        assert!(export(root, &[("log/entries", "12")]).is_err(), "no checkpoint");
        for twice in ["log/entries", "log/checkpoint"] {
            let parts = [(twice, "12"), (SECOND, ""), (twice, "12")];
            assert_eq!(
                export(root, &parts).unwrap_err().to_string(),
                format!("the control plane sent `{twice}` twice")
            );
        }
        assert_eq!((read(root, FIRST), read(root, ENTRIES)), ("segment".into(), "12".into()));
        assert_eq!(read(root, CHECKPOINT), "a");
    }

    #[test]
    fn begins_with_compares_every_byte() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = (directory.path().join("a"), directory.path().join("b"));
        let long = vec![7; 20_000];
        for (whole, beginning, begins) in [
            (&long[..], &long[..], true),
            (&long, &long[..19_999], true),
            (&long[..19_999], &long, false),
            (&long, &[&long[..19_999], &[8]].concat(), false),
            (&[], &[], true),
            (&[], &[7], false),
        ] {
            std::fs::write(&a, whole).unwrap();
            std::fs::write(&b, beginning).unwrap();
            assert_eq!(begins_with(&a, &b).unwrap(), begins, "{} {}", whole.len(), beginning.len());
        }
    }
}
