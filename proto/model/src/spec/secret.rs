//! Secret: a backend's credential, where it is kept, and where it may be sent.

use super::{InvalidSpec, Origin, require};
use crate::Redacted;

/// Largest value of a secret, in bytes.
pub const MAX_SECRET_BYTES: usize = 16 << 10;
/// Shortest value of a secret, in bytes: one that is shorter cannot be kept out of responses.
pub const MIN_SECRET_BYTES: usize = 4;
/// Most origins a secret may be sent to.
const MAX_ORIGINS: usize = 64;
/// Longest path, in bytes (`PATH_MAX` of Linux, with its NUL).
const MAX_PATH_BYTES: usize = 4095;
/// Longest name of an environment variable, in bytes.
const MAX_ENV_BYTES: usize = 255;

/// Where a secret's value is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file on the data-plane node, beneath a directory that the node's own configuration allows.
    File(String),
    /// In an environment variable of the data-plane node, whose name has a prefix that its configuration allows.
    Env(String),
    /// In the replicated state, sealed. The value is set by itself and is in no document.
    Sealed,
}

/// A backend's credential: never its value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Secret {
    /// Where the value is kept.
    pub source: SecretSource,
    /// The only upstreams that it may be sent to.
    pub sent_to: Vec<Origin>,
}

/// A secret's spec as an administrator writes it.
#[derive(serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    env: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sealed: bool,
    r#for: Vec<Origin>,
}

/// Says that a spec names no place for the value, or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have exactly one of `file`, `env` and `sealed: true`")]
struct NotOneSource;

impl TryFrom<Written> for Secret {
    type Error = NotOneSource;
    fn try_from(written: Written) -> Result<Self, NotOneSource> {
        let source = match written {
            Written { file: Some(path), env: None, sealed: false, .. } => SecretSource::File(path),
            Written { file: None, env: Some(name), sealed: false, .. } => SecretSource::Env(name),
            Written { file: None, env: None, sealed: true, .. } => SecretSource::Sealed,
            Written { .. } => return Err(NotOneSource),
        };
        Ok(Self { source, sent_to: written.r#for })
    }
}

impl From<Secret> for Written {
    fn from(Secret { source, sent_to }: Secret) -> Self {
        let written = Self { file: None, env: None, sealed: false, r#for: sent_to };
        match source {
            SecretSource::File(path) => Self { file: Some(path), ..written },
            SecretSource::Env(name) => Self { env: Some(name), ..written },
            SecretSource::Sealed => Self { sealed: true, ..written },
        }
    }
}

impl Secret {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// [`InvalidSpec`] for the first field that is wrong.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        match &self.source {
            SecretSource::File(path) => {
                require(is_plain_path(path), "file", "must be an absolute path without `.`, `..` and empty parts")?;
            }
            SecretSource::Env(name) => {
                let is_name = (1..=MAX_ENV_BYTES).contains(&name.len())
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                require(is_name, "env", "must be 1 to 255 letters, digits and `_`")?;
            }
            SecretSource::Sealed => {}
        }
        require((1..=MAX_ORIGINS).contains(&self.sent_to.len()), "for", "must name 1 to 64 origins")
    }

    /// Returns whether the value may be sent to this upstream.
    #[must_use]
    pub fn may_be_sent_to(&self, upstream: &Origin) -> bool {
        self.sent_to.contains(upstream)
    }
}

fn is_plain_path(path: &str) -> bool {
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.chars().any(char::is_control);
    path.len() <= MAX_PATH_BYTES && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_part))
}

/// The value of a secret: printable ASCII of 4 bytes to 16 KiB that neither begins nor ends with a space, so that it fits
/// into a header field and can be found wherever a backend repeats it. Cleared from memory when dropped, never printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretValue(Redacted<Vec<u8>>);

/// Says why some bytes are not a secret's value. It never quotes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecretValue {
    /// It is too short to be kept out of responses.
    #[error("is shorter than {MIN_SECRET_BYTES} bytes")]
    TooShort,
    /// It is too long.
    #[error("is longer than 16 KiB")]
    TooLong,
    /// It has bytes that a header field cannot carry to every backend (RFC 9110 §5.5).
    #[error("is not printable ASCII without a space at its ends")]
    NotPrintable,
}

impl SecretValue {
    /// Takes a value into custody.
    ///
    /// # Errors
    /// [`InvalidSecretValue`]; the bytes are cleared.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, InvalidSecretValue> {
        let value = Redacted::new(bytes);
        let bytes = value.reveal().as_slice();
        if bytes.len() < MIN_SECRET_BYTES {
            return Err(InvalidSecretValue::TooShort);
        }
        if bytes.len() > MAX_SECRET_BYTES {
            return Err(InvalidSecretValue::TooLong);
        }
        let is_printable = bytes.iter().all(|b| matches!(b, b' '..=b'~'));
        if !is_printable || bytes.first() == Some(&b' ') || bytes.last() == Some(&b' ') {
            return Err(InvalidSecretValue::NotPrintable);
        }
        Ok(Self(value))
    }

    /// Takes the content of a file or of standard input, less one line break at its end.
    ///
    /// # Errors
    /// As [`SecretValue::parse`].
    pub fn of_text(mut bytes: Vec<u8>) -> Result<Self, InvalidSecretValue> {
        if bytes.ends_with(b"\n") {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        }
        Self::parse(bytes)
    }

    /// Hands the value out at the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        self.0.reveal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Secret, String> {
        let secret: Secret = serde_json::from_str(json).map_err(|e| e.to_string())?;
        secret.check().map_err(|e| e.to_string())?;
        Ok(secret)
    }

    #[test]
    fn what_an_administrator_writes_is_read_and_written_alike() {
        for (json, source) in [
            (r#"{"file":"/run/secrets/a","for":["https://a.test"]}"#, SecretSource::File("/run/secrets/a".into())),
            (r#"{"env":"HOOP_SECRET_A","for":["https://a.test"]}"#, SecretSource::Env("HOOP_SECRET_A".into())),
            (r#"{"sealed":true,"for":["https://a.test"]}"#, SecretSource::Sealed),
        ] {
            let secret = read(json).unwrap();
            assert_eq!(secret.source, source);
            assert_eq!(serde_json::to_string(&secret).unwrap(), json);
        }
    }

    #[test]
    fn a_secret_has_one_source_and_at_least_one_destination() {
        let long = format!(r#"{{"file":"/{}","for":["https://a.test"]}}"#, "x".repeat(MAX_PATH_BYTES));
        for (json, says) in [
            (r#"{"for":["https://a.test"]}"#, "exactly one of"),
            (r#"{"sealed":false,"for":["https://a.test"]}"#, "exactly one of"),
            (r#"{"sealed":true,"env":"A","for":["https://a.test"]}"#, "exactly one of"),
            (r#"{"file":"/a","env":"A","for":["https://a.test"]}"#, "exactly one of"),
            (r#"{"sealed":true}"#, "missing field `for`"),
            (r#"{"sealed":true,"for":[]}"#, "1 to 64 origins"),
            (r#"{"sealed":true,"for":["https://a.test/x"]}"#, "not an origin"),
            (r#"{"sealed":true,"for":["*"]}"#, "not an origin"),
            (r#"{"sealed":true,"value":"CANARY","for":["https://a.test"]}"#, "unknown field"),
            (r#"{"file":"a","for":["https://a.test"]}"#, "absolute path"),
            (r#"{"file":"/","for":["https://a.test"]}"#, "absolute path"),
            (r#"{"file":"/a/../b","for":["https://a.test"]}"#, "absolute path"),
            (r#"{"file":"/a/./b","for":["https://a.test"]}"#, "absolute path"),
            (r#"{"file":"/a//b","for":["https://a.test"]}"#, "absolute path"),
            (r#"{"file":"/a\u0000b","for":["https://a.test"]}"#, "absolute path"),
            (&long, "absolute path"),
            (r#"{"env":"","for":["https://a.test"]}"#, "letters, digits"),
            (r#"{"env":"A=B","for":["https://a.test"]}"#, "letters, digits"),
        ] {
            let problem = read(json).unwrap_err();
            assert!(problem.contains(says), "{json}: {problem}");
        }
    }

    #[test]
    fn a_secret_goes_to_exactly_the_origins_it_names() {
        let secret = read(r#"{"sealed":true,"for":["https://a.test","http://b.test:8080"]}"#).unwrap();
        for (origin, may) in [
            ("https://a.test", true),
            ("https://a.test:443", true),
            ("http://b.test:8080", true),
            ("http://a.test", false),
            ("https://a.test:8443", false),
            ("https://b.test:8080", false),
            ("https://x.a.test", false),
        ] {
            assert_eq!(secret.may_be_sent_to(&Origin::parse(origin).unwrap()), may, "{origin}");
        }
    }

    #[test]
    fn a_value_is_what_a_header_field_can_carry() {
        use InvalidSecretValue::{NotPrintable, TooLong, TooShort};
        let longest = "x".repeat(MAX_SECRET_BYTES);
        for good in ["abcd", "a b:c~!", &longest] {
            assert_eq!(SecretValue::parse(good.into()).unwrap().reveal(), good.as_bytes());
        }
        let longer = format!("{longest}x");
        for (bad, why) in [
            ("", TooShort),
            ("abc", TooShort),
            (longer.as_str(), TooLong),
            ("abc\n", NotPrintable),
            ("ab\r\ncd: e", NotPrintable),
            ("ab\0cd", NotPrintable),
            ("ab\tcd", NotPrintable),
            ("ab\x7fcd", NotPrintable),
            (" abcd", NotPrintable),
            ("abcd ", NotPrintable),
            ("pässwort", NotPrintable),
        ] {
            assert_eq!(SecretValue::parse(bad.into()), Err(why), "{bad:?}");
        }
        assert_eq!(SecretValue::parse(vec![b'a', b'b', 0xff, b'c']), Err(NotPrintable));
    }

    #[test]
    fn one_line_break_at_the_end_of_a_file_is_not_part_of_the_value() {
        for text in ["abcd", "abcd\n", "abcd\r\n"] {
            assert_eq!(SecretValue::of_text(text.into()).unwrap().reveal(), b"abcd");
        }
        for text in ["abcd\n\n", "\nabcd", "abcd\r"] {
            assert_eq!(SecretValue::of_text(text.into()), Err(InvalidSecretValue::NotPrintable), "{text:?}");
        }
    }

    #[test]
    fn debug_of_a_value_says_nothing() {
        let value = SecretValue::parse(b"CANARY".to_vec()).unwrap();
        assert_eq!(format!("{value:?}"), "SecretValue([redacted])");
    }
}
