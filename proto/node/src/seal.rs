//! Sealing secrets at rest under the cluster's seal key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use hoop_model::Redacted;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Version byte of the sealed form: `1 ‖ nonce (12) ‖ ciphertext ‖ tag (16)`.
const FORM: u8 = 1;

/// Separates these seals from any other use of AES-GCM under the same key.
const DOMAIN: &[u8] = b"hoopgate.seal.v1";

/// Largest key file read, in bytes: 64 digits and room for white space.
const MAX_KEY_FILE_BYTES: u64 = 128;

/// The cluster's seal key: AES-256-GCM, random nonces.
///
/// Random 96-bit nonces bound one key to 2³² seals (NIST SP 800-38D §8.3); administrators' writes stay far below.
#[derive(Debug)]
pub struct SealKey(Redacted<[u8; 32]>);

/// Says why a seal key file was not loaded. Never quotes the file.
#[derive(Debug, thiserror::Error)]
pub enum SealKeyError {
    /// The file cannot be read.
    #[error("cannot read seal key `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// Group or others have some right to the file, or it is not a regular file.
    #[error("seal key `{}` must be a regular file without rights for group or others (mode 0600)", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file does not hold 64 hexadecimal digits.
    #[error("seal key `{}` is not 64 hexadecimal digits", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// Says that bytes are not a seal made by this key for this kind, uid and generation. It does not say which part differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not sealed by this key for this object and generation")]
pub struct NotAuthentic;

impl SealKey {
    /// Takes 32 random bytes as the key.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Redacted::new(bytes))
    }

    /// Reads the key from a file of 64 hexadecimal digits that only its owner may touch.
    ///
    /// # Errors
    /// [`SealKeyError`], which never quotes the file.
    pub fn load(path: &Path) -> Result<Self, SealKeyError> {
        let unreadable = |source| SealKeyError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        // The rights of the open file, not of the path: it cannot be swapped in between.
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() || metadata.permissions().mode() & 0o077 != 0 {
            return Err(SealKeyError::Exposed { path: path.to_owned() });
        }
        let mut text = Vec::with_capacity(128);
        let read = file.take(MAX_KEY_FILE_BYTES).read_to_end(&mut text);
        let text = Redacted::new(text);
        read.map_err(unreadable)?;
        let mut key = [0; 32];
        hex::decode_to_slice(text.reveal().trim_ascii(), &mut key)
            .map_err(|_| SealKeyError::Malformed { path: path.to_owned() })?;
        Ok(Self::from_bytes(key))
    }

    /// Derives a key for one purpose and context: HMAC-SHA-256 over both, under this key.
    #[must_use]
    pub fn derive(&self, purpose: &str, context: &[u8]) -> Redacted<[u8; 32]> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.reveal());
        let signed = hmac::sign(&key, &[purpose.as_bytes(), b"\0", context].concat());
        let mut derived = [0; 32];
        derived.iter_mut().zip(signed.as_ref()).for_each(|(byte, signed)| *byte = *signed);
        Redacted::new(derived)
    }

    /// Seals `plaintext` for one generation of one object.
    #[must_use]
    pub fn seal(&self, kind: &str, uid: &[u8; 16], generation: u64, plaintext: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = crate::random();
        let mut sealed = plaintext.to_vec();
        let bound = Aad::from(binding(kind, uid, generation));
        let tag = self.cipher().and_then(|cipher| {
            cipher.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), bound, &mut sealed)
        });
        let Ok(tag) = tag else {
            // Only a plaintext beyond 64 GiB (NIST SP 800-38D §5.2.1.1) gets here; there is nothing safe to return.
            tracing::error!("AES-256-GCM failed to seal");
            std::process::abort();
        };
        [&[FORM][..], &nonce, &sealed, tag.as_ref()].concat()
    }

    /// Opens what [`SealKey::seal`] made for the same kind, uid and generation.
    ///
    /// # Errors
    /// [`NotAuthentic`] for another key, another binding, another form, or any changed byte.
    pub fn open(
        &self,
        kind: &str,
        uid: &[u8; 16],
        generation: u64,
        sealed: &[u8],
    ) -> Result<Redacted<Vec<u8>>, NotAuthentic> {
        let body = sealed.strip_prefix(&[FORM]).ok_or(NotAuthentic)?;
        let (nonce, ciphertext) = body.split_first_chunk::<NONCE_LEN>().ok_or(NotAuthentic)?;
        // Opened in place in memory that is cleared whether or not the tag holds.
        let mut buffer = ciphertext.to_vec();
        let bound = Aad::from(binding(kind, uid, generation));
        let cipher = self.cipher().map_err(|_| NotAuthentic)?;
        let opened = cipher
            .open_in_place(Nonce::assume_unique_for_key(*nonce), bound, &mut buffer)
            .map(|plaintext| Redacted::new(plaintext.to_vec()));
        drop(Redacted::new(buffer));
        opened.map_err(|_| NotAuthentic)
    }

    fn cipher(&self) -> Result<LessSafeKey, aws_lc_rs::error::Unspecified> {
        UnboundKey::new(&AES_256_GCM, self.0.reveal()).map(LessSafeKey::new)
    }
}

/// What a seal is bound to. The length before `kind` makes the encoding unambiguous.
fn binding(kind: &str, uid: &[u8; 16], generation: u64) -> Vec<u8> {
    let length = (kind.len() as u64).to_be_bytes();
    [DOMAIN, &length, kind.as_bytes(), uid, &generation.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const UID: [u8; 16] = [7; 16];

    fn key() -> SealKey {
        SealKey::from_bytes([42; 32])
    }

    #[test]
    fn what_was_sealed_opens_for_the_same_binding() {
        for plaintext in [&b""[..], b"CANARY", &[0xa5; 70_000]] {
            let sealed = key().seal("Secret", &UID, 3, plaintext);
            assert_eq!(key().open("Secret", &UID, 3, &sealed).unwrap().reveal(), plaintext);
            assert_eq!(sealed.len(), plaintext.len() + 1 + 12 + 16);
        }
    }

    #[test]
    fn a_seal_does_not_open_for_another_kind_uid_generation_or_key() {
        let sealed = key().seal("Secret", &UID, 3, b"CANARY");
        let mut other = UID;
        other[15] ^= 1;
        let attempts = [
            key().open("Connection", &UID, 3, &sealed),
            key().open("Secre", &UID, 3, &sealed),
            key().open("", &UID, 3, &sealed),
            key().open("Secret", &other, 3, &sealed),
            key().open("Secret", &UID, 2, &sealed),
            key().open("Secret", &UID, 4, &sealed),
            SealKey::from_bytes([43; 32]).open("Secret", &UID, 3, &sealed),
        ];
        for attempt in attempts {
            assert_eq!(attempt, Err(NotAuthentic));
        }
    }

    #[test]
    fn kind_and_uid_cannot_trade_bytes() {
        let (mut moved, mut rest) = (UID, [7; 16]);
        moved[0] = b't';
        rest[15] = 0;
        assert_ne!(binding("Secre", &moved, 0), binding("Secret", &rest, 0));
        assert_ne!(binding("Secre", &moved, 0).len(), binding("Secret", &rest, 0).len());
    }

    #[test]
    fn any_changed_or_missing_byte_refuses() {
        let sealed = key().seal("Secret", &UID, 3, b"CANARY");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key().open("Secret", &UID, 3, &changed), Err(NotAuthentic), "byte {at}");
            assert_eq!(key().open("Secret", &UID, 3, &sealed[..at]), Err(NotAuthentic), "first {at} bytes");
        }
    }

    #[test]
    fn two_seals_of_one_secret_differ_and_hide_it() {
        let (first, second) = (key().seal("Secret", &UID, 3, b"CANARY"), key().seal("Secret", &UID, 3, b"CANARY"));
        assert_ne!(first, second);
        assert!(!first.windows(6).any(|window| window == b"CANARY"));
        assert_eq!(format!("{:?}", key()), "SealKey([redacted])");
    }

    fn load_file(text: &str, mode: u32) -> Result<SealKey, SealKeyError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seal.key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        SealKey::load(&path)
    }

    #[test]
    fn a_key_file_is_64_digits_that_only_its_owner_may_touch() {
        let digits = "2a".repeat(32);
        let sealed = key().seal("Secret", &UID, 1, b"x");
        for (text, mode) in [(digits.clone(), 0o600), (format!("{digits}\n"), 0o400), (digits.to_uppercase(), 0o600)] {
            assert!(load_file(&text, mode).unwrap().open("Secret", &UID, 1, &sealed).is_ok());
        }
        for mode in [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644] {
            assert!(matches!(load_file(&digits, mode), Err(SealKeyError::Exposed { .. })), "{mode:o}");
        }
    }

    #[test]
    fn a_malformed_key_file_is_refused_without_quoting_it() {
        for text in ["", "CANARY", &"2a".repeat(31), &"2a".repeat(33), &"zz".repeat(32), &"2a".repeat(200)] {
            let error = load_file(text, 0o600).unwrap_err();
            assert!(matches!(error, SealKeyError::Malformed { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("CANARY"));
        }
        assert!(matches!(SealKey::load(Path::new("/nonexistent/key")), Err(SealKeyError::Unreadable { .. })));
    }

    #[test]
    fn a_directory_is_not_a_key_file() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(SealKey::load(directory.path()), Err(SealKeyError::Exposed { .. })));
    }
}
