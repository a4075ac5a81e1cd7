//! Durable directories, and durable replacement of small files: a reader, also after a crash, finds the old bytes or the new ones, never a mixture.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Says that a file was not durably replaced: it holds the old bytes or, if only the directory's sync failed, the new ones.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
pub struct WriteError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Replaces a file that only its owner may read (mode 0600): keys, tokens, sealed state.
///
/// # Errors
/// [`WriteError`] if the directory or the disk refuses.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    replace(path, bytes, 0o600).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Replaces a file that anyone may read (mode 0644, less the umask): certificates, published state.
///
/// # Errors
/// [`WriteError`] if the directory or the disk refuses.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    replace(path, bytes, 0o644).map_err(|source| WriteError { path: path.to_owned(), source })
}

/// Makes a directory and those above it, for its owner only (mode 0700), and brings their names to the disk: what is in
/// it is durable only once they are.
///
/// # Errors
/// What the host says.
pub fn make_directory(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    // Of one that is there already, its name too: whoever made it may not have come so far.
    let named = if missing.is_empty() { vec![path] } else { missing };
    named.into_iter().try_for_each(|made| File::open(parent(made))?.sync_all())
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a new file beside `path` with its final mode from the first moment on, then renames it over `path`.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let directory = parent(path);
    let suffix = hex::encode(crate::random::<8>());
    let beside = directory.join(format!(".{}.{suffix}", name.to_string_lossy()));
    let written = write_new(&beside, bytes, mode).and_then(|()| fs::rename(&beside, path));
    if let Err(error) = written {
        // Whether the leftover goes does not change the outcome: it holds nothing under a name anyone reads.
        drop(fs::remove_file(&beside));
        return Err(error);
    }
    // The rename is durable only once the directory is.
    File::open(directory)?.sync_all()
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_private_file_is_the_owners_alone_also_when_it_replaces_a_public_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"new".to_vec(), 0o600));
    }

    #[test]
    fn a_directory_is_its_owners_alone_and_may_be_there_already() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/c");
        for _ in 0..2 {
            make_directory(&path).unwrap();
            assert_eq!([mode(&path), mode(path.parent().unwrap())], [0o700; 2]);
        }
        fs::write(directory.path().join("file"), "").unwrap();
        assert!(make_directory(&directory.path().join("file/d")).is_err());
    }

    #[test]
    fn a_public_file_is_never_writable_by_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        write_atomic(&path, b"ca").unwrap();
        assert_eq!(mode(&path) & 0o022, 0);
        assert_eq!(mode(&path) & 0o600, 0o600);
    }

    #[test]
    fn nothing_is_left_beside_the_file_whether_writing_succeeds_or_fails() {
        let directory = tempfile::tempdir().unwrap();
        write_private(&directory.path().join("key"), b"1").unwrap();
        fs::create_dir(directory.path().join("taken")).unwrap();
        let error = write_private(&directory.path().join("taken"), b"1").unwrap_err();
        assert!(error.to_string().ends_with("/taken`"), "{error}");
        let mut names: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["key", "taken"]);
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("target"), directory.path().join("link"));
        fs::write(&target, "theirs").unwrap();
        symlink(&target, &link).unwrap();
        write_private(&link, b"ours").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        assert_eq!(fs::read_to_string(&link).unwrap(), "ours");
    }
}
