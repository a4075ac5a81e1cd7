//! Key sets (RFC 7517 §5): whose signatures an issuer vouches for, each key bound to its own algorithms.

use crate::algorithm;
use crate::error::TokenError;
use crate::json::{Json, Object, parse_object};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hoop_model::spec::Algorithm;
use jsonwebtoken::DecodingKey;
use std::collections::BTreeSet;
use std::fmt;

/// Largest key set, in bytes.
const MAX_KEY_SET_BYTES: usize = 1 << 20;
/// Most keys in a set.
const MAX_KEYS: usize = 100;
/// Lengths of RSA moduli accepted, in bits: below is breakable, above costs the verifier too much.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Longest RSA exponent, in bytes; everybody uses 65537, and verification time grows with it.
const MAX_RSA_EXPONENT_BYTES: usize = 4;

/// An issuer's keys.
#[derive(Clone)]
pub struct KeySet {
    keys: Vec<Key>,
    dropped: Vec<DroppedKey>,
}

#[derive(Clone)]
pub(crate) struct Key {
    kid: Option<Box<str>>,
    algorithms: Vec<Algorithm>,
    pub(crate) verifying: DecodingKey,
}

/// A key of the set that no token is verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedKey {
    /// The key's id: a text of the issuer's choice.
    pub kid: Option<Box<str>>,
    /// Why it is not used.
    pub reason: &'static str,
}

/// Says why a key set is refused as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is too large.
    #[error("the key set is larger than 1 MiB")]
    TooLarge,
    /// It is not a JSON object with an array of objects `keys`.
    #[error("the key set is not a JSON object with an array `keys` of keys")]
    Malformed,
    /// It has too many keys.
    #[error("the key set has more than 100 keys")]
    TooManyKeys,
    /// Two keys have the same id, so a token does not say which of them it means.
    #[error("two keys of the set have the same `kid`")]
    DuplicateKid,
    /// No key of it can verify a token.
    #[error("no key of the set can be used to verify tokens")]
    NoUsableKey,
}

impl KeySet {
    /// Reads a JWK Set. Keys that cannot or must not verify tokens are dropped, and [`KeySet::dropped`] lists them.
    ///
    /// # Errors
    /// [`KeySetError`] for a set that is too large, malformed, ambiguous, or of no use. Whoever holds an older set of
    /// the issuer keeps it then.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        if json.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let object = parse_object(json).ok_or(KeySetError::Malformed)?;
        let entries = object.get("keys").and_then(Json::as_list).ok_or(KeySetError::Malformed)?;
        if entries.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut set = Self { keys: Vec::new(), dropped: Vec::new() };
        let mut kids = BTreeSet::new();
        for entry in entries {
            let Json::Object(jwk) = entry else { return Err(KeySetError::Malformed) };
            let kid = match jwk.get("kid") {
                None => None,
                Some(kid) => Some(kid.as_text().ok_or(KeySetError::Malformed)?),
            };
            if kid.is_some_and(|kid| !kids.insert(kid)) {
                return Err(KeySetError::DuplicateKid);
            }
            let kid = kid.map(Into::into);
            match read_key(jwk) {
                Ok((algorithms, verifying)) => set.keys.push(Key { kid, algorithms, verifying }),
                Err(reason) => set.dropped.push(DroppedKey { kid, reason }),
            }
        }
        if set.keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(set) }
    }

    /// Returns the keys that are not used, in the order of the set.
    #[must_use]
    pub fn dropped(&self) -> &[DroppedKey] {
        &self.dropped
    }

    /// Returns whether any key can be used with the algorithm.
    #[must_use]
    pub fn supports(&self, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|key| key.algorithms.contains(&algorithm))
    }

    /// Chooses the key for a token: the one with its key id, or without a key id the only one for its algorithm.
    pub(crate) fn choose(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&Key, TokenError> {
        if let Some(kid) = kid {
            let key = self.keys.iter().find(|key| key.kid.as_deref() == Some(kid)).ok_or(TokenError::KeyUnknown)?;
            return if key.algorithms.contains(&algorithm) { Ok(key) } else { Err(TokenError::Algorithm) };
        }
        let mut fitting = self.keys.iter().filter(|key| key.algorithms.contains(&algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(TokenError::KeyUnknown),
            (Some(_), Some(_)) => Err(TokenError::KeyAmbiguous),
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids = self.keys.iter().map(|key| &key.kid);
        f.debug_struct("KeySet").field("keys", &kids.collect::<Vec<_>>()).field("dropped", &self.dropped).finish()
    }
}

type Usable = (Vec<Algorithm>, DecodingKey);

fn read_key(jwk: &Object) -> Result<Usable, &'static str> {
    is_for_verification(jwk)?;
    if jwk.contains_key("d") {
        return Err("it is a private key: everybody who can read the set can sign");
    }
    let (possible, verifying) = match text(jwk, "kty").ok_or("it has no `kty`")? {
        "RSA" => (algorithm::RSA, read_rsa(jwk)?),
        "EC" => match text(jwk, "crv") {
            Some("P-256") => (&[Algorithm::ES256][..], read_ec(jwk, 32, &ECDSA_P256_SHA256_FIXED)?),
            Some("P-384") => (&[Algorithm::ES384][..], read_ec(jwk, 48, &ECDSA_P384_SHA384_FIXED)?),
            _ => return Err("its curve is not P-256 or P-384"),
        },
        "OKP" if text(jwk, "crv") == Some("Ed25519") => (&[Algorithm::EdDSA][..], read_ed25519(jwk)?),
        "OKP" => return Err("its curve is not Ed25519"),
        "oct" => return Err("it is symmetric"),
        _ => return Err("its `kty` is not RSA, EC or OKP"),
    };
    let algorithms = match jwk.get("alg") {
        None => possible.to_vec(),
        Some(alg) => {
            let alg = alg.as_text().and_then(algorithm::named).ok_or("its `alg` is not one for signatures")?;
            vec![alg]
        }
    };
    let fits = algorithms.iter().all(|algorithm| possible.contains(algorithm));
    if fits { Ok((algorithms, verifying)) } else { Err("its `alg` is not one for its `kty` and `crv`") }
}

/// Refuses keys meant for something else (RFC 7517 §4.2, §4.3).
fn is_for_verification(jwk: &Object) -> Result<(), &'static str> {
    if jwk.get("use").is_some_and(|purpose| purpose.as_text() != Some("sig")) {
        return Err("its `use` is not `sig`");
    }
    let verifies = |ops: &Json| ops.as_list().is_some_and(|ops| ops.iter().any(|op| op.as_text() == Some("verify")));
    if jwk.get("key_ops").is_none_or(verifies) { Ok(()) } else { Err("its `key_ops` has no `verify`") }
}

fn read_rsa(jwk: &Object) -> Result<DecodingKey, &'static str> {
    let modulus = bytes(jwk, "n").ok_or("its `n` is not base64url")?;
    let exponent = bytes(jwk, "e").ok_or("its `e` is not base64url")?;
    let (modulus, exponent) = (without_leading_zeros(&modulus), without_leading_zeros(&exponent));
    let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        return Err("its modulus is not 2048 to 8192 bits long");
    }
    let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    if !odd(modulus) {
        return Err("its modulus is even");
    }
    if !odd(exponent) || exponent == [1] || exponent.len() > MAX_RSA_EXPONENT_BYTES {
        return Err("its exponent is not an odd number from 3 to 2^32 - 1");
    }
    Ok(DecodingKey::from_rsa_raw_components(modulus, exponent))
}

fn read_ec(jwk: &Object, size: usize, on: &'static dyn VerificationAlgorithm) -> Result<DecodingKey, &'static str> {
    let coordinate = |name| bytes(jwk, name).filter(|c| c.len() == size);
    let x = coordinate("x").ok_or("its `x` does not have the length of its curve")?;
    let y = coordinate("y").ok_or("its `y` does not have the length of its curve")?;
    // The uncompressed form (SEC 1 §2.3.3).
    let point = [&[4], &x[..], &y[..]].concat();
    ParsedPublicKey::new(on, &point).map_err(|_| "it is not a point on its curve")?;
    Ok(DecodingKey::from_ec_der(&point))
}

fn read_ed25519(jwk: &Object) -> Result<DecodingKey, &'static str> {
    let point = bytes(jwk, "x").ok_or("its `x` is not base64url")?;
    ParsedPublicKey::new(&ED25519, &point).map_err(|_| "it is not an Ed25519 key")?;
    // `from_ed_der` takes the raw 32 bytes, despite its name.
    Ok(DecodingKey::from_ed_der(&point))
}

fn text<'a>(jwk: &'a Object, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Json::as_text)
}

fn bytes(jwk: &Object, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or(&[])
}
