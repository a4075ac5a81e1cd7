//! Tests named after the adversarial cases they replay, with tokens signed as an issuer would sign them.

mod identities;
mod keys;
mod laws;
mod lints;
mod people;
mod tokens;
mod verification;

use crate::{KeySet, Trust, TrustedIssuer, UnverifiedToken};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hoop_model::spec::{Algorithm, Audience, Issuer, KeySource};
use hoop_model::{ResourceName, UnixSeconds};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const IDP: &str = "https://idp.test";
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

/// An issuer's private keys.
struct Signer {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

impl Signer {
    fn generate() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            p384: EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    fn signature(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        match alg {
            "RS256" => self.rsa_signature(&RSA_PKCS1_SHA256, message),
            "PS256" => self.rsa_signature(&RSA_PSS_SHA256, message),
            "ES256" => self.ec_signature(&self.p256, message),
            "ES384" => self.ec_signature(&self.p384, message),
            "EdDSA" => self.ed.sign(message).as_ref().to_vec(),
            other => panic!("no key for {other}"),
        }
    }

    #[expect(clippy::disallowed_types, reason = "the tested code draws no randomness; padding of a test token does")]
    fn rsa_signature(&self, padding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(padding, &aws_lc_rs::rand::SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    #[expect(clippy::disallowed_types, reason = "the tested code draws no randomness; the nonce of a test token does")]
    fn ec_signature(&self, key: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
        key.sign(&aws_lc_rs::rand::SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// Signs a token with exactly these bytes as header and claims.
    fn sign(&self, alg: &str, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", b64(header), b64(claims));
        let signature = self.signature(alg, signed.as_bytes());
        format!("{signed}.{}", b64(signature))
    }

    /// Signs claims as the issuer usually does.
    fn token(&self, claims: &str) -> String {
        self.sign("RS256", r#"{"alg":"RS256","kid":"r1","typ":"JWT"}"#, claims)
    }

    fn modulus(&self) -> Vec<u8> {
        self.rsa.public_key().modulus().big_endian_without_leading_zero().to_vec()
    }

    fn rsa_jwk(&self, more: &str) -> String {
        format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"{more}}}"#, b64(self.modulus()))
    }

    fn ec_jwk(key: &EcdsaKeyPair, crv: &str, more: &str) -> String {
        let point = key.public_key().as_ref();
        let (x, y) = point[1..].split_at((point.len() - 1) / 2);
        format!(r#"{{"kty":"EC","crv":"{crv}","x":"{}","y":"{}"{more}}}"#, b64(x), b64(y))
    }

    fn ed_jwk(&self, more: &str) -> String {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"{more}}}"#, b64(self.ed.public_key().as_ref()))
    }

    /// The published keys: RS256 as r1, ES256 as e1, ES384 as e2, EdDSA as d1.
    fn jwks(&self) -> String {
        set(&[
            self.rsa_jwk(r#","kid":"r1","alg":"RS256","use":"sig""#),
            Self::ec_jwk(&self.p256, "P-256", r#","kid":"e1""#),
            Self::ec_jwk(&self.p384, "P-384", r#","kid":"e2","key_ops":["verify"]"#),
            self.ed_jwk(r#","kid":"d1","alg":"EdDSA""#),
        ])
    }
}

fn set(keys: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The keys of `https://idp.test`.
fn idp() -> &'static Signer {
    static IDP: OnceLock<Signer> = OnceLock::new();
    IDP.get_or_init(Signer::generate)
}

/// The keys of `https://b.test`, which also calls its RSA key r1.
fn second() -> &'static Signer {
    static SECOND: OnceLock<Signer> = OnceLock::new();
    SECOND.get_or_init(Signer::generate)
}

fn name(text: &str) -> ResourceName {
    ResourceName::parse(text).unwrap()
}

fn issuer(url: &str) -> Issuer {
    use Algorithm::{ES256, ES384, EdDSA, PS256, RS256};
    Issuer {
        audience: Audience::Identities,
        url: url.into(),
        audiences: vec!["gw://prod".into()],
        algorithms: vec![RS256, PS256, ES256, ES384, EdDSA],
        max_token_lifetime: Duration::from_secs(24 * 3600),
        token_type: None,
        jwks: KeySource::Discover {},
        ca: None,
    }
}

fn trusted(label: &str, spec: Issuer, keys: &Signer) -> TrustedIssuer {
    let keys = KeySet::parse(keys.jwks().as_bytes()).unwrap();
    TrustedIssuer { name: name(label), spec, keys: Some(Arc::new(keys)) }
}

fn trust() -> Trust {
    Trust::new([trusted("idp", issuer(IDP), idp()), trusted("b", issuer("https://b.test"), second())])
}

/// Claims that are accepted at [`NOW`], with these members besides or instead.
fn claims(changes: &[(&str, &str)]) -> String {
    let exp = (NOW.0 + 300).to_string();
    let iat = NOW.0.to_string();
    let mut members = vec![
        ("iss", r#""https://idp.test""#),
        ("aud", r#""gw://prod""#),
        ("exp", &exp),
        ("iat", &iat),
        ("sub", r#""job""#),
    ];
    for &(key, value) in changes {
        members.retain(|(k, _)| *k != key);
        members.push((key, value));
    }
    // A change to nothing takes the claim away.
    let members: Vec<_> = members.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| format!("\"{k}\":{v}")).collect();
    format!("{{{}}}", members.join(","))
}

/// What becomes of a token: nothing, or why it is refused.
fn judge(trust: &Trust, token: impl AsRef<[u8]>, now: UnixSeconds) -> Result<(), crate::TokenError> {
    let token = UnverifiedToken::parse(token.as_ref())?;
    trust.verify(&token, now).map(drop)
}
