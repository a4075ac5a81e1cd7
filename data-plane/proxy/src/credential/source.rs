//! Values that are kept on the node: only where its own configuration lets them be.

use hoop_model::Redacted;
use hoop_model::spec::{InvalidSecretValue, MAX_SECRET_BYTES, SecretSource, SecretValue};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What of a file is read at most, in bytes: the largest value, a line break, and one byte that shows that there is more.
const MOST_BYTES: u64 = MAX_SECRET_BYTES as u64 + 3;

/// Where this node lets secrets be. Nothing is allowed unless it is said.
#[derive(Clone, Default)]
pub struct SecretSources {
    /// Directories beneath which files of secrets may be, absolute.
    pub directories: Vec<PathBuf>,
    /// What the names of variables of secrets begin with.
    pub environment_prefixes: Vec<String>,
    environment: BTreeMap<String, Redacted<Vec<u8>>>,
}

/// Says why a value cannot be had. It never quotes one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CannotRead {
    /// The control plane has no value, or none that opens.
    #[error("it has no value yet")]
    Unset,
    /// The node's configuration does not let secrets be there.
    #[error("this node's configuration does not allow it: `secrets.directories`, `secrets.environment_prefixes`")]
    NotAllowed,
    /// There is no such variable.
    #[error("there is no such variable")]
    NoVariable,
    /// The file cannot be opened, or leads out of its directory.
    #[error("the file cannot be read beneath its directory")]
    Unreadable(#[source] io::Error),
    /// It is not a file.
    #[error("it is not a regular file")]
    NotAFile,
    /// What is there is no value.
    #[error("the value {0}")]
    Invalid(#[from] InvalidSecretValue),
}

impl From<Errno> for CannotRead {
    fn from(error: Errno) -> Self {
        Self::Unreadable(error.into())
    }
}

impl SecretSources {
    /// Allows these directories, and variables with these prefixes.
    #[must_use]
    pub const fn new(directories: Vec<PathBuf>, environment_prefixes: Vec<String>) -> Self {
        Self { directories, environment_prefixes, environment: BTreeMap::new() }
    }

    /// Takes the variables that secrets may be in; the others are left out.
    #[must_use]
    pub fn with_environment(mut self, variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let named = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let allowed = named.filter(|(name, _)| self.allows_variable(name));
        let taken = allowed.map(|(name, value)| (name, Redacted::new(value.into_encoded_bytes())));
        self.environment = taken.collect();
        self
    }

    fn allows_variable(&self, name: &str) -> bool {
        self.environment_prefixes.iter().any(|prefix| !prefix.is_empty() && name.starts_with(prefix.as_str()))
    }

    /// Reads a value that is kept on the node.
    pub(crate) fn read(&self, source: &SecretSource) -> Result<SecretValue, CannotRead> {
        match source {
            SecretSource::Sealed => Err(CannotRead::Unset),
            SecretSource::Env(name) if !self.allows_variable(name) => Err(CannotRead::NotAllowed),
            SecretSource::Env(name) => {
                let value = self.environment.get(name).ok_or(CannotRead::NoVariable)?;
                Ok(SecretValue::parse(value.reveal().clone())?)
            }
            SecretSource::File(path) => {
                let path = Path::new(path);
                let beneath = |directory: &PathBuf| Some((directory.clone(), path.strip_prefix(directory).ok()?));
                let found = self.directories.iter().filter_map(beneath);
                // The directory that says most about where the file must stay.
                let (directory, rest) =
                    found.max_by_key(|(directory, _)| directory.components().count()).ok_or(CannotRead::NotAllowed)?;
                read_beneath(&directory, rest)
            }
        }
    }
}

/// Opens without following anything that leads out of the directory, and without waiting for whoever writes into a pipe.
fn read_beneath(directory: &Path, rest: &Path) -> Result<SecretValue, CannotRead> {
    let directory = open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let stay = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(&directory, rest, flags, Mode::empty(), stay)?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(CannotRead::NotAFile);
    }
    let mut text = Vec::with_capacity(MAX_SECRET_BYTES + 4);
    File::from(file).take(MOST_BYTES).read_to_end(&mut text).map_err(CannotRead::Unreadable)?;
    Ok(SecretValue::of_text(text)?)
}

impl fmt::Debug for SecretSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { directories, environment_prefixes, environment } = self;
        let mut shown = f.debug_struct("SecretSources");
        shown.field("directories", directories).field("environment_prefixes", environment_prefixes);
        shown.field("environment", &environment.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    struct Node {
        root: tempfile::TempDir,
    }

    impl Node {
        /// `allowed/token` and `outside/token`, of which one may be read.
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            for directory in ["allowed/deep", "outside", "allowed-too"] {
                fs::create_dir_all(root.path().join(directory)).unwrap();
                fs::write(root.path().join(directory).join("token"), "CANARY-4711\n").unwrap();
            }
            Self { root }
        }

        fn path(&self, path: &str) -> PathBuf {
            self.root.path().join(path)
        }

        fn read(&self, path: &str) -> Result<SecretValue, CannotRead> {
            let sources = SecretSources { directories: vec![self.path("allowed")], ..SecretSources::default() };
            sources.read(&SecretSource::File(self.path(path).display().to_string()))
        }
    }

    #[test]
    fn a_file_beneath_an_allowed_directory_is_read_without_its_line_break() {
        let node = Node::new();
        symlink("deep/token", node.path("allowed/link")).unwrap();
        symlink("deep", node.path("allowed/..data")).unwrap();
        for path in ["allowed/deep/token", "allowed/link", "allowed/..data/token"] {
            assert_eq!(node.read(path).unwrap().reveal(), b"CANARY-4711", "{path}");
        }
    }

    #[test]
    fn se_10_nothing_leads_out_of_the_directory() {
        let node = Node::new();
        symlink("../outside/token", node.path("allowed/relative")).unwrap();
        symlink(node.path("outside/token"), node.path("allowed/absolute")).unwrap();
        symlink(node.path("outside"), node.path("allowed/directory")).unwrap();
        symlink("/proc/self/root", node.path("allowed/magic")).unwrap();
        for path in [
            "allowed/relative",
            "allowed/absolute",
            "allowed/directory/token",
            "allowed/magic",
            "allowed/../outside/token",
        ] {
            assert!(matches!(node.read(path), Err(CannotRead::Unreadable(_))), "{path}");
        }
        for path in ["outside/token", "allowed-too/token", "/etc/hostname"] {
            assert!(matches!(node.read(path), Err(CannotRead::NotAllowed)), "{path}");
        }
        let nothing = SecretSources::default();
        let file = SecretSource::File(node.path("allowed/deep/token").display().to_string());
        assert!(matches!(nothing.read(&file), Err(CannotRead::NotAllowed)));
    }

    #[test]
    fn what_is_not_a_file_or_not_a_value_is_refused_without_waiting() {
        let node = Node::new();
        let fifo = node.path("allowed/fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert!(matches!(node.read("allowed/fifo"), Err(CannotRead::NotAFile)));
        assert!(matches!(node.read("allowed/deep"), Err(CannotRead::NotAFile)));
        assert!(matches!(node.read("allowed/missing"), Err(CannotRead::Unreadable(_))));
        for (text, why) in [
            ("x".repeat(MAX_SECRET_BYTES + 1), InvalidSecretValue::TooLong),
            ("x".repeat(10 * MAX_SECRET_BYTES), InvalidSecretValue::TooLong),
            ("a\r\nX-Evil: 1".into(), InvalidSecretValue::NotPrintable),
            ("\n".into(), InvalidSecretValue::TooShort),
        ] {
            fs::write(node.path("allowed/bad"), text).unwrap();
            let found = node.read("allowed/bad").unwrap_err();
            assert!(matches!(found, CannotRead::Invalid(found) if found == why), "{found}");
        }
        fs::write(node.path("allowed/largest"), format!("{}\r\n", "x".repeat(MAX_SECRET_BYTES))).unwrap();
        assert!(node.read("allowed/largest").is_ok());
    }

    #[test]
    fn a_variable_is_read_only_if_its_prefix_is_allowed() {
        let variables = [("HOOP_SECRET_A", "CANARY-4711"), ("PATH", "/bin"), ("HOOP_SECRET_B", "a\nb c")];
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let environment_prefixes = vec!["HOOP_SECRET_".to_owned(), String::new()];
        let sources = SecretSources { environment_prefixes, ..SecretSources::default() };
        let sources = sources.with_environment(variables.into_iter());
        let read = |name: &str| sources.read(&SecretSource::Env(name.into()));
        assert_eq!(read("HOOP_SECRET_A").unwrap().reveal(), b"CANARY-4711");
        assert!(matches!(read("HOOP_SECRET_B"), Err(CannotRead::Invalid(InvalidSecretValue::NotPrintable))));
        assert!(matches!(read("HOOP_SECRET_C"), Err(CannotRead::NoVariable)));
        assert!(matches!(read("PATH"), Err(CannotRead::NotAllowed)));
        let shown = format!("{sources:?} {sources:#?}");
        assert!(shown.contains("HOOP_SECRET_A") && !shown.contains("CANARY") && !shown.contains("/bin"), "{shown}");
    }
}
