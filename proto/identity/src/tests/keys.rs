//! Key sets as hostile issuers publish them.

use super::*;
use crate::{DroppedKey, KeySetError, TokenError};

/// Reads a set in which the key in question stands beside one that is fine, and says what becomes of the key.
fn fate(jwk: &str) -> Result<(), &'static str> {
    let fine = idp().ed_jwk(r#","kid":"fine""#);
    let keys = KeySet::parse(set(&[fine, jwk.to_owned()]).as_bytes()).unwrap();
    keys.dropped().first().map_or(Ok(()), |dropped| Err(dropped.reason))
}

fn rsa(n: &[u8], e: &[u8]) -> String {
    format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, b64(n), b64(e))
}

fn modulus(bits: usize) -> Vec<u8> {
    let mut n = vec![0xff; bits.div_ceil(8)];
    n[0] = 0xff >> ((8 - bits % 8) % 8);
    n
}

#[test]
fn jwt_16_an_rsa_key_has_2048_to_8192_bits_and_an_odd_exponent_from_3() {
    const BITS: Result<(), &str> = Err("its modulus is not 2048 to 8192 bits long");
    for (bits, expected) in [(512, BITS), (2047, BITS), (2048, Ok(())), (8192, Ok(())), (8193, BITS), (65536, BITS)] {
        assert_eq!(fate(&rsa(&modulus(bits), &[1, 0, 1])), expected, "{bits}");
    }
    const EXPONENT: Result<(), &str> = Err("its exponent is not an odd number from 3 to 2^32 - 1");
    for (e, expected) in [
        (&[][..], EXPONENT),
        (&[0], EXPONENT),
        (&[1], EXPONENT),
        (&[0, 1], EXPONENT),
        (&[2], EXPONENT),
        (&[1, 0, 0], EXPONENT),
        (&[1, 0, 0, 0, 1], EXPONENT),
        (&[3], Ok(())),
        (&[0, 1, 0, 1], Ok(())),
    ] {
        assert_eq!(fate(&rsa(&modulus(2048), e)), expected, "{e:?}");
    }
    let mut padded = vec![0];
    padded.extend(modulus(2048));
    assert_eq!(fate(&rsa(&padded, &[3])), Ok(()));
    let mut even = modulus(2048);
    *even.last_mut().unwrap() = 0xfe;
    assert_eq!(fate(&rsa(&even, &[3])), Err("its modulus is even"));
    // Leading zeros do not make a short modulus long.
    let mut short = vec![0; 256];
    short.extend(modulus(512));
    assert_eq!(fate(&rsa(&short, &[3])), BITS);
}

#[test]
fn keys_for_something_else_are_dropped() {
    let rsa = |more: &str| fate(&idp().rsa_jwk(more));
    assert_eq!(rsa(r#","use":"sig","key_ops":["sign","verify"],"alg":"PS512""#), Ok(()));
    assert_eq!(rsa(r#","use":"enc""#), Err("its `use` is not `sig`"));
    assert_eq!(rsa(r#","use":7"#), Err("its `use` is not `sig`"));
    for ops in [r#"["encrypt"]"#, "[]", r#""verify""#, "null"] {
        assert_eq!(rsa(&format!(r#","key_ops":{ops}"#)), Err("its `key_ops` has no `verify`"), "{ops}");
    }
    for alg in [r#""RSA-OAEP""#, r#""HS256""#, r#""none""#, "null"] {
        assert_eq!(rsa(&format!(r#","alg":{alg}"#)), Err("its `alg` is not one for signatures"), "{alg}");
    }
    assert_eq!(rsa(r#","alg":"ES256""#), Err("its `alg` is not one for its `kty` and `crv`"));
    assert_eq!(rsa(r#","d":"AQAB""#), Err("it is a private key: everybody who can read the set can sign"));
    assert_eq!(fate(r#"{"kty":"oct","k":"AAAA"}"#), Err("it is symmetric"));
    assert_eq!(fate(r#"{"kty":"rsa"}"#), Err("its `kty` is not RSA, EC or OKP"));
    assert_eq!(fate("{}"), Err("it has no `kty`"));
    assert_eq!(fate(r#"{"kty":"RSA","n":"A=","e":"AQAB"}"#), Err("its `n` is not base64url"));
}

#[test]
fn a_point_is_on_the_curve_its_key_names() {
    let good = Signer::ec_jwk(&idp().p256, "P-256", "");
    assert_eq!(fate(&good), Ok(()));
    let other_curve = good.replace("P-256", "P-384");
    assert_eq!(fate(&other_curve), Err("its `x` does not have the length of its curve"));
    assert_eq!(fate(&good.replace("P-256", "secp256k1")), Err("its curve is not P-256 or P-384"));
    let nowhere = format!(r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#, b64([1; 32]), b64([1; 32]));
    assert_eq!(fate(&nowhere), Err("it is not a point on its curve"));
    assert_eq!(fate(r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#), Err("its curve is not Ed25519"));
    assert_eq!(fate(r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#), Err("it is not an Ed25519 key"));
}

#[test]
fn jwt_16_a_hostile_set_is_refused_whole() {
    let key = |kid: &str| idp().ed_jwk(&format!(r#","kid":{kid}"#));
    let many = |n: usize| set(&(0..n).map(|i| key(&format!("\"{i}\""))).collect::<Vec<_>>());
    let parse = |text: &str| KeySet::parse(text.as_bytes()).err();
    assert_eq!(parse(&many(100)), None);
    assert_eq!(parse(&many(101)), Some(KeySetError::TooManyKeys));
    assert_eq!(parse(&many(3000)), Some(KeySetError::TooManyKeys));
    let large = format!("{}{}", many(1), " ".repeat(1 << 20));
    assert_eq!(parse(&large), Some(KeySetError::TooLarge));
    assert_eq!(parse(&set(&[key("\"a\""), key("\"a\"")])), Some(KeySetError::DuplicateKid));
    let symmetric = r#"{"kty":"oct","k":"AAAA","kid":"a"}"#.to_owned();
    assert_eq!(parse(&set(&[key("\"a\""), symmetric.clone()])), Some(KeySetError::DuplicateKid));
    assert_eq!(parse(&set(&[symmetric])), Some(KeySetError::NoUsableKey));
    assert_eq!(parse(r#"{"keys":[]}"#), Some(KeySetError::NoUsableKey));
    for malformed in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
        assert_eq!(parse(malformed), Some(KeySetError::Malformed), "{malformed}");
    }
    for kid in ["1", "null", "[\"a\"]"] {
        assert_eq!(parse(&set(&[key(kid)])), Some(KeySetError::Malformed), "{kid}");
    }
    let deep = format!(r#"{{"keys":[{}{}]}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(parse(&deep), Some(KeySetError::Malformed));
}

#[test]
fn dropped_keys_are_listed_with_their_reason() {
    let keys = KeySet::parse(set(&[idp().ed_jwk(""), r#"{"kty":"oct","kid":"s"}"#.to_owned()]).as_bytes()).unwrap();
    assert_eq!(keys.dropped(), [DroppedKey { kid: Some("s".into()), reason: "it is symmetric" }]);
    assert!(keys.supports(Algorithm::EdDSA) && !keys.supports(Algorithm::RS256));
}

#[test]
fn a_token_without_kid_needs_exactly_one_fitting_key() {
    let verify = |jwks: String| {
        let keys = Some(Arc::new(KeySet::parse(jwks.as_bytes()).unwrap()));
        let trust = Trust::new([TrustedIssuer { name: name("idp"), spec: issuer(IDP), keys }]);
        judge(&trust, idp().sign("RS256", r#"{"alg":"RS256"}"#, &claims(&[])), NOW)
    };
    assert_eq!(verify(idp().jwks()), Ok(()));
    assert_eq!(verify(set(&[idp().rsa_jwk("")])), Ok(()));
    assert_eq!(verify(set(&[idp().ed_jwk("")])), Err(TokenError::KeyUnknown));
    assert_eq!(verify(set(&[idp().rsa_jwk(""), second().rsa_jwk("")])), Err(TokenError::KeyAmbiguous));
    let other_algorithm = second().rsa_jwk(r#","alg":"PS256""#);
    assert_eq!(verify(set(&[idp().rsa_jwk(""), other_algorithm])), Ok(()));
    let for_encryption = second().rsa_jwk(r#","use":"enc""#);
    assert_eq!(verify(set(&[idp().rsa_jwk(""), for_encryption])), Ok(()));
}

#[test]
fn jwt_26_a_key_verifies_only_what_it_is_for() {
    let verify = |jwk: String, alg: &str| {
        let jwks = set(&[jwk, idp().ed_jwk(r#","kid":"d1""#)]);
        let keys = Some(Arc::new(KeySet::parse(jwks.as_bytes()).unwrap()));
        let trust = Trust::new([TrustedIssuer { name: name("idp"), spec: issuer(IDP), keys }]);
        judge(&trust, idp().sign(alg, &format!(r#"{{"alg":"{alg}","kid":"r1"}}"#), &claims(&[])), NOW)
    };
    let key = |more: &str| idp().rsa_jwk(&format!(r#","kid":"r1"{more}"#));
    assert_eq!(verify(key(""), "RS256"), Ok(()));
    assert_eq!(verify(key(""), "PS256"), Ok(()));
    assert_eq!(verify(key(r#","alg":"RS256""#), "PS256"), Err(TokenError::Algorithm));
    assert_eq!(verify(key(r#","alg":"PS256""#), "RS256"), Err(TokenError::Algorithm));
    assert_eq!(verify(key(r#","use":"enc""#), "RS256"), Err(TokenError::KeyUnknown));
    assert_eq!(verify(key(r#","key_ops":["encrypt"]"#), "RS256"), Err(TokenError::KeyUnknown));
}
