//! Recovery: who has a voter's seal key can let themselves in once, when nobody else can let them in.
//!
//! A token is `recover-ID-EXPIRES-MAC`: 16 random bytes, milliseconds since 1970, and HMAC-SHA-256 over both under a key
//! that is derived from the seal key and the cluster's certificate. It is made without the server, and works while it runs.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use hoop_model::{Redacted, UnixMillis};
use hoop_node::seal::SealKey;
use hoop_state::{MAX_RECOVERY, OneTime};

/// Separates this use of the seal key from every other.
const PURPOSE: &str = "hoopgate.recovery.v1";

/// What tokens for recovery of one cluster are made and verified with.
pub(crate) struct RecoveryKey(Key);

/// What a token says, not verified.
pub(crate) struct Said {
    id: [u8; 16],
    expires: UnixMillis,
    mac: Vec<u8>,
}

impl RecoveryKey {
    /// Derives it from the seal key, for the cluster with this CA certificate (PEM).
    pub(crate) fn of(seal_key: &SealKey, ca_pem: &str) -> Self {
        Self(Key::new(HMAC_SHA256, seal_key.derive(PURPOSE, ca_pem.as_bytes()).reveal()))
    }

    /// Makes a token.
    pub(crate) fn mint(&self, now: UnixMillis) -> Redacted<String> {
        let (id, expires) = (hoop_node::random::<16>(), now.after(MAX_RECOVERY));
        Redacted::new(format!("recover-{}-{}-{}", hex::encode(id), expires.0, hex::encode(self.mac(&id, expires))))
    }

    /// Reads a token for recovery; nothing of any other text.
    pub(crate) fn read(text: &str) -> Option<Said> {
        let mut parts = text.strip_prefix("recover-")?.split('-');
        let (id, expires, mac) = (parts.next()?, parts.next()?, parts.next()?);
        let id = hex::decode(id).ok()?.try_into().ok()?;
        let said = Said { id, expires: UnixMillis(expires.parse().ok()?), mac: hex::decode(mac).ok()? };
        parts.next().is_none().then_some(said)
    }

    /// Verifies that a token was made with this key.
    pub(crate) fn verify(&self, said: &Said) -> Option<OneTime> {
        let Said { id, expires, mac } = said;
        verify_slices_are_equal(&self.mac(id, *expires), mac).ok()?;
        Some(OneTime::Recovery { id: *id, expires: *expires })
    }

    fn mac(&self, id: &[u8; 16], expires: UnixMillis) -> Vec<u8> {
        sign(&self.0, &[id.as_slice(), &expires.0.to_be_bytes()].concat()).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_its_key_and_cluster_and_says_what_was_signed() {
        let key = |byte, ca: &str| RecoveryKey::of(&SealKey::from_bytes([byte; 32]), ca);
        let text = key(1, "ca").mint(UnixMillis(5)).reveal().clone();
        let said = |text: &str| RecoveryKey::read(text).unwrap();
        let verified = key(1, "ca").verify(&said(&text)).unwrap();
        let OneTime::Recovery { expires, .. } = verified else { panic!("{verified:?}") };
        assert_eq!(expires, UnixMillis(5 + 600_000));
        assert_eq!(key(2, "ca").verify(&said(&text)), None);
        assert_eq!(key(1, "another").verify(&said(&text)), None);
        let later = text.replace("-600005-", "-600006-");
        assert_eq!(key(1, "ca").verify(&said(&later)), None);
        for none in
            ["", "recover", "recover--5-00", text.trim_start_matches('r'), &format!("{text}-"), &"5a".repeat(32)]
        {
            assert!(RecoveryKey::read(none).is_none(), "{none}");
        }
    }
}
