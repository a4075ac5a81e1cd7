//! Configuration files: TOML text to a typed value.

use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Largest configuration file, in bytes: far above any real one, so a wrong path (a log, a device) does not fill memory.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Says why a configuration file was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read, or is not UTF-8.
    #[error("cannot read configuration `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// The file is larger than one MiB.
    #[error("configuration `{}` is larger than {MAX_CONFIG_BYTES} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The text is not TOML, names an unknown key, lacks a key, or has a value of the wrong type.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line of the first fault, from 1.
        line: usize,
        /// The character of the line where the fault begins, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
}

/// Reads a TOML file. `T` derives `Deserialize` with `deny_unknown_fields`, so that a misspelt key is an error.
///
/// # Errors
/// [`ConfigError`], which names the file and, for a fault in its text, line and column.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    let read = file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if read as u64 > MAX_CONFIG_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    toml::from_str(&text).map_err(|error| {
        let (line, column) = position(&text, error.span().map_or(0, |span| span.start));
        ConfigError::Invalid { path: path.to_owned(), line, column, message: error.message().to_owned() }
    })
}

/// Turns a byte offset into line and column, both from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before.chars().count() - before.get(..start).map_or(0, |lines| lines.chars().count()) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        port: u16,
        tls: Tls,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Tls {
        cert: String,
    }

    fn load_text(bytes: &[u8]) -> Result<Sample, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        load(file.path())
    }

    #[test]
    fn a_complete_file_loads() {
        let sample = load_text(b"port = 1\n[tls]\ncert = \"c\"\n").unwrap();
        assert_eq!(sample, Sample { port: 1, tls: Tls { cert: "c".into() } });
    }

    #[test]
    fn every_fault_names_its_line_and_column() {
        let cases: [(&str, usize, usize, &str); 6] = [
            ("port = 1\n[tls]\ncert = \"c\"\n  kee = 2\n", 4, 3, "unknown field `kee`"),
            ("port = 70000\n[tls]\ncert = \"c\"\n", 1, 8, "70000"),
            ("port = 1\n[tls]\ncert = 5\n", 3, 8, "invalid type"),
            ("port = 1\n[tls]\ncert = \"é\" x\n", 3, 12, "expected"),
            ("port = 1\nport = 2\n[tls]\ncert = \"c\"\n", 2, 1, "duplicate key"),
            ("port = 1\n[tls]\n", 2, 1, "missing field `cert`"),
        ];
        for (text, at_line, at_column, says) in cases {
            match load_text(text.as_bytes()) {
                Err(ConfigError::Invalid { line, column, message, .. }) => {
                    assert_eq!((line, column), (at_line, at_column), "{text:?}: {message}");
                    assert!(message.contains(says), "{text:?}: {message}");
                }
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_message_is_one_an_editor_can_jump_to() {
        let error = load_text(b"port = 1\nprot = 2\n").unwrap_err().to_string();
        assert!(error.contains(":2:1: unknown field `prot`"), "{error}");
    }

    #[test]
    fn a_missing_an_oversized_and_a_binary_file_are_refused() {
        assert!(matches!(load::<Sample>(Path::new("/nonexistent/x.toml")), Err(ConfigError::Unreadable { .. })));
        assert!(matches!(load_text(&[b'#'; (1 << 20) + 1]), Err(ConfigError::TooLarge { .. })));
        assert!(matches!(load_text(b"\xff\xfe"), Err(ConfigError::Unreadable { .. })));
    }
}
