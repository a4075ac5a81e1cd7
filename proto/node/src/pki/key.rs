//! A node's private key.

use hoop_model::{Redacted, ResourceName};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::PrivatePkcs8KeyDer;

/// A node's private key: ECDSA on P-256. `Debug` prints `[redacted]`.
#[derive(Debug)]
pub struct NodeKey(Redacted<KeyPair>);

/// Says why there is no key or request.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text or bytes are not a PKCS#8 P-256 private key. The cause is left out: it may quote the key.
    #[error("not a PKCS#8 private key on P-256")]
    Malformed,
    /// The cryptographic library refused.
    #[error("cannot make a key or request")]
    Unavailable(#[source] rcgen::Error),
}

impl NodeKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] if the cryptographic library refuses.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(KeyError::Unavailable)?;
        Ok(Self(Redacted::new(pair)))
    }

    /// Asks for a certificate: a PKCS#10 request (RFC 2986) in DER that proves possession of this key. `node` is for
    /// people who read the request; the CA takes the name from the join token's use, not from here.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] if the cryptographic library refuses.
    pub fn request(&self, node: &ResourceName) -> Result<Vec<u8>, KeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, node.as_str());
        let request = params.serialize_request(self.pair()).map_err(KeyError::Unavailable)?;
        Ok(request.der().to_vec())
    }

    /// Returns the key as PKCS#8 PEM text.
    #[must_use]
    pub fn to_pem(&self) -> Redacted<String> {
        Redacted::new(super::pem(self.pair().serialized_der(), "PRIVATE KEY"))
    }

    /// Reads [`NodeKey::to_pem`]'s text.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for other text or another kind of key.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        KeyPair::from_pkcs8_pem_and_sign_algo(text, &PKCS_ECDSA_P256_SHA256)
            .map(|pair| Self(Redacted::new(pair)))
            .map_err(|_| KeyError::Malformed)
    }

    pub(super) fn from_der(pkcs8: &[u8]) -> Result<Self, KeyError> {
        KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), &PKCS_ECDSA_P256_SHA256)
            .map(|pair| Self(Redacted::new(pair)))
            .map_err(|_| KeyError::Malformed)
    }

    pub(super) fn pair(&self) -> &KeyPair {
        self.0.reveal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_from_its_pem() {
        let key = NodeKey::generate().unwrap();
        let same = NodeKey::from_pem(key.to_pem().reveal()).unwrap();
        assert_eq!(same.pair().serialized_der(), key.pair().serialized_der());
    }

    #[test]
    fn other_text_and_other_kinds_of_key_are_refused() {
        let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
        let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
        for text in ["", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n", &ed25519, &p384] {
            assert!(matches!(NodeKey::from_pem(text), Err(KeyError::Malformed)), "{text}");
        }
    }

    #[test]
    fn debug_of_a_key_says_nothing() {
        let key = NodeKey::generate().unwrap();
        assert_eq!(format!("{key:?} {:?}", key.to_pem()), "NodeKey([redacted]) [redacted]");
    }
}
