//! The values of secrets: sealed before they are proposed, opened only for the nodes that send them.

use hoop_model::spec::SecretValue;
use hoop_model::{ContentHash, Redacted, Uid};
use hoop_node::seal::SealKey;
use hoop_state::{IdempotencyKey, SealedValue};

/// What the sealed bytes are, bound into them.
const SECRET: &str = "Secret";
/// Separates the key of repeats from the key that seals.
const REPEATS: &[u8] = b"hoopgate.secret.repeats.v1";

/// Seals and opens values under the cluster's key for secrets, which is made at its birth.
pub(crate) struct Vault {
    seal: SealKey,
    repeats: aws_lc_rs::hmac::Key,
}

impl Vault {
    /// Takes the key, 32 random bytes.
    pub(crate) fn new(key: &Redacted<[u8; 32]>) -> Self {
        use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
        let derived = sign(&Key::new(HMAC_SHA256, key.reveal()), REPEATS);
        Self { seal: SealKey::from_bytes(*key.reveal()), repeats: Key::new(HMAC_SHA256, derived.as_ref()) }
    }

    /// Seals a value for one generation of its Secret.
    pub(crate) fn seal(&self, secret: Uid, generation: u64, value: &SecretValue) -> Vec<u8> {
        self.seal.seal(SECRET, &secret.to_bytes(), generation, value.reveal())
    }

    /// Opens the value of a Secret; nothing if it was sealed for something else, or is no value.
    pub(crate) fn open(&self, secret: Uid, value: &SealedValue) -> Option<SecretValue> {
        let opened = self.seal.open(SECRET, &secret.to_bytes(), value.generation, &value.sealed).ok()?;
        SecretValue::parse(opened.reveal().clone()).ok()
    }

    /// Returns what a request and its repeat have in common, and nothing else has: two requests with one value differ.
    pub(crate) fn mac(&self, key: Option<IdempotencyKey>, value: &SecretValue) -> ContentHash {
        let mut context = aws_lc_rs::hmac::Context::with_key(&self.repeats);
        let request = key.unwrap_or_else(|| IdempotencyKey(hoop_node::random()));
        context.update(&request.0);
        context.update(value.reveal());
        let mut mac = [0; 32];
        for (byte, signed) in mac.iter_mut().zip(context.sign().as_ref()) {
            *byte = *signed;
        }
        ContentHash(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoop_model::UnixMillis;

    fn value(text: &str) -> SecretValue {
        SecretValue::parse(text.into()).unwrap()
    }

    #[test]
    fn a_value_opens_for_its_secret_and_generation_only() {
        let vault = Vault::new(&Redacted::new([7; 32]));
        let sealed = |generation, sealed: &[u8]| SealedValue { generation, sealed: sealed.into(), at: UnixMillis(0) };
        let (one, other) = (Uid::mint(1), Uid::mint(2));
        let bytes = vault.seal(one, 3, &value("CANARY"));
        assert!(!bytes.windows(6).any(|window| window == b"CANARY"));
        assert_eq!(vault.open(one, &sealed(3, &bytes)), Some(value("CANARY")));
        assert_eq!(vault.open(other, &sealed(3, &bytes)), None);
        assert_eq!(vault.open(one, &sealed(4, &bytes)), None);
        assert_eq!(vault.open(one, &sealed(3, &bytes[1..])), None);
        assert_eq!(Vault::new(&Redacted::new([8; 32])).open(one, &sealed(3, &bytes)), None);
    }

    #[test]
    fn a_repeat_is_known_by_key_and_value_and_equal_values_are_not() {
        let vault = Vault::new(&Redacted::new([7; 32]));
        let key = |byte| Some(IdempotencyKey([byte; 16]));
        assert_eq!(vault.mac(key(1), &value("abcd")), vault.mac(key(1), &value("abcd")));
        assert_ne!(vault.mac(key(1), &value("abcd")), vault.mac(key(1), &value("abce")));
        assert_ne!(vault.mac(key(1), &value("abcd")), vault.mac(key(2), &value("abcd")));
        assert_ne!(vault.mac(None, &value("abcd")), vault.mac(None, &value("abcd")));
        let other = Vault::new(&Redacted::new([8; 32]));
        assert_ne!(vault.mac(key(1), &value("abcd")), other.mac(key(1), &value("abcd")));
    }
}
