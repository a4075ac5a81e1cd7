//! Verified tokens: issuer, audience, key, signature, type and times.

use super::*;
use crate::{TokenError, verify_signature};
use aws_lc_rs::hmac;

fn outcome(changes: &[(&str, &str)]) -> Result<(), TokenError> {
    judge(&trust(), idp().token(&claims(changes)), NOW)
}

#[test]
fn jwt_02_a_public_key_is_not_a_shared_secret() {
    let der = idp().rsa.public_key().as_ref().to_vec();
    let base64 = base64::engine::general_purpose::STANDARD.encode(&der);
    let pem = format!("-----BEGIN RSA PUBLIC KEY-----\n{base64}\n-----END RSA PUBLIC KEY-----\n").into_bytes();
    let ec = idp().p256.public_key().as_ref().to_vec();
    let jwk_n = b64(idp().modulus()).into_bytes();
    for (what, secret) in [("DER", der), ("PEM", pem), ("n", idp().modulus()), ("n as text", jwk_n), ("EC", ec)] {
        for kid in ["r1", "e1"] {
            let signed = format!("{}.{}", b64(format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#)), b64(claims(&[])));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
            let token = format!("{signed}.{}", b64(tag));
            assert_eq!(judge(&trust(), token, NOW), Err(TokenError::Algorithm), "{what} as {kid}");
        }
    }
}

#[test]
fn the_header_does_not_choose_the_verifier() {
    for (alg, kid) in [("ES256", "r1"), ("RS256", "e1"), ("EdDSA", "e1"), ("ES384", "e1"), ("PS256", "r1")] {
        let token = idp().sign(alg, &format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#), &claims(&[]));
        assert_eq!(judge(&trust(), token, NOW), Err(TokenError::Algorithm), "{alg} with {kid}");
    }
    let mut only_es = issuer(IDP);
    only_es.algorithms = vec![Algorithm::ES256];
    let trust = Trust::new([trusted("idp", only_es, idp())]);
    assert_eq!(judge(&trust, idp().token(&claims(&[])), NOW), Err(TokenError::Algorithm));
}

#[test]
fn a_signature_is_of_this_key_over_these_bytes() {
    let token = idp().token(&claims(&[]));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let other = format!("{header}.{}.{signature}", b64(claims(&[("sub", r#""admin""#)])));
    assert_eq!(judge(&trust(), other, NOW), Err(TokenError::Signature));
    for (alg, kid, size) in [("RS256", "r1", 256), ("ES256", "e1", 64), ("ES384", "e2", 96), ("EdDSA", "d1", 64)] {
        let header = b64(format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#));
        for forged in [vec![0; size], vec![0; size - 1], vec![0; 1], vec![0xff; size], vec![0; size + 1]] {
            let token = format!("{header}.{}.{}", b64(claims(&[])), b64(&forged));
            assert_eq!(judge(&trust(), token, NOW), Err(TokenError::Signature), "{alg}, {} bytes", forged.len());
        }
    }
}

#[test]
fn jwt_07_an_issuer_has_one_spelling() {
    for iss in
        ["https://idp.test/", "HTTPS://IDP.TEST", "https://idp.test%2f", "https://idp.test:443", " https://idp.test"]
    {
        assert_eq!(outcome(&[("iss", &format!("\"{iss}\""))]), Err(TokenError::IssuerUnknown), "{iss}");
    }
    assert_eq!(outcome(&[("iss", r#"["https://idp.test"]"#)]), Err(TokenError::ClaimInvalid("iss")));
    // The other issuer has a key of the same id; it is not the one that signed.
    assert_eq!(outcome(&[("iss", r#""https://b.test""#)]), Err(TokenError::Signature));
    assert_eq!(judge(&trust(), second().token(&claims(&[])), NOW), Err(TokenError::Signature));
    let own = second().token(&claims(&[("iss", r#""https://b.test""#)]));
    assert_eq!(judge(&trust(), own, NOW), Ok(()));
    assert_eq!(judge(&Trust::default(), idp().token(&claims(&[])), NOW), Err(TokenError::IssuerUnknown));
}

#[test]
fn jwt_08_the_audience_is_ours_byte_for_byte() {
    for (aud, refusal) in [
        ("", TokenError::ClaimInvalid("aud")),
        ("null", TokenError::ClaimInvalid("aud")),
        ("7", TokenError::ClaimInvalid("aud")),
        (r#"{"gw://prod":1}"#, TokenError::ClaimInvalid("aud")),
        (r#"["gw://prod",7]"#, TokenError::ClaimInvalid("aud")),
        (r#"[["gw://prod"]]"#, TokenError::ClaimInvalid("aud")),
        ("[]", TokenError::Audience),
        (r#""""#, TokenError::Audience),
        (r#""gw://prod.evil""#, TokenError::Audience),
        (r#""gw://prod/""#, TokenError::Audience),
        (r#""GW://PROD""#, TokenError::Audience),
        (r#""gw://pro""#, TokenError::Audience),
        (r#"["gw://dev","other"]"#, TokenError::Audience),
    ] {
        assert_eq!(outcome(&[("aud", aud)]), Err(refusal), "{aud}");
        let fallback = [("aud", aud), ("azp", r#""gw://prod""#), ("client_id", r#""gw://prod""#)];
        assert_eq!(outcome(&fallback), Err(refusal), "{aud} with azp");
    }
    assert_eq!(outcome(&[("aud", r#"["other","gw://prod"]"#)]), Ok(()));
}

#[test]
fn issuers_of_one_url_are_told_apart_by_audience() {
    let with = |label: &str, aud: &str| {
        let mut spec = issuer(IDP);
        spec.audiences = vec![aud.into()];
        trusted(label, spec, idp())
    };
    let trust = Trust::new([with("one", "gw://one"), with("two", "gw://two")]);
    for (aud, expected) in [
        (r#""gw://one""#, Ok("one")),
        (r#"["gw://two"]"#, Ok("two")),
        (r#"["gw://one","gw://two"]"#, Err(TokenError::AudienceAmbiguous)),
        (r#""gw://three""#, Err(TokenError::Audience)),
    ] {
        let token = UnverifiedToken::parse(idp().token(&claims(&[("aud", aud)])).as_bytes()).unwrap();
        let found = trust.verify(&token, NOW);
        assert_eq!(found.as_ref().map(|v| v.issuer.as_str()).map_err(|e| *e), expected, "{aud}");
    }
}

#[test]
fn jwt_11_boundaries_are_exact() {
    const DAY: i64 = 24 * 3600;
    // exp, nbf and iat relative to now.
    let table: [(i64, Option<i64>, Option<i64>, _); _] = [
        (1, None, None, Ok(())),
        (0, None, None, Ok(())),
        (-30, None, None, Ok(())),
        (-31, None, None, Err(TokenError::Expired)),
        (-30, None, Some(-300), Ok(())),
        (-31, None, Some(-300), Err(TokenError::Expired)),
        (300, Some(0), Some(0), Ok(())),
        (300, Some(30), Some(0), Ok(())),
        (300, Some(31), Some(0), Err(TokenError::NotYetValid)),
        (300, None, Some(30), Ok(())),
        (300, None, Some(31), Err(TokenError::NotYetValid)),
        (DAY, None, Some(0), Ok(())),
        (DAY + 1, None, Some(0), Err(TokenError::Lifetime)),
        (DAY + 30, None, Some(30), Ok(())),
        (0, None, Some(-DAY), Ok(())),
        (1, None, Some(-DAY), Err(TokenError::Lifetime)),
        (DAY, None, None, Ok(())),
        (DAY + 1, None, None, Err(TokenError::Lifetime)),
        (-30, Some(30), Some(-60), Ok(())),
    ];
    for (exp, nbf, iat, expected) in table {
        let at = |offset: i64| NOW.0.checked_add_signed(offset).unwrap().to_string();
        let absent_or = |offset: Option<i64>| offset.map(at).unwrap_or_default();
        let (exp_at, nbf_at, iat_at) = (at(exp), absent_or(nbf), absent_or(iat));
        let changes = [("exp", &*exp_at), ("nbf", &*nbf_at), ("iat", &*iat_at)];
        assert_eq!(outcome(&changes), expected, "exp {exp}, nbf {nbf:?}, iat {iat:?}");
    }
}

#[test]
fn times_at_the_ends_of_the_world_do_not_wrap() {
    let token = idp().token(&claims(&[("exp", "18446744073709551615"), ("iat", "18446744073709551615")]));
    assert_eq!(judge(&trust(), &token, NOW), Err(TokenError::NotYetValid));
    assert_eq!(judge(&trust(), &token, UnixSeconds(u64::MAX)), Ok(()));
    let first = idp().token(&claims(&[("exp", "0"), ("iat", "0")]));
    assert_eq!(judge(&trust(), &first, UnixSeconds(0)), Ok(()));
    assert_eq!(judge(&trust(), &first, UnixSeconds(u64::MAX)), Err(TokenError::Expired));
}

#[test]
fn jwt_22_a_signed_jwt_is_not_yet_a_credential() {
    let with_type = |typ: Option<&str>, required: Option<&str>| {
        let mut spec = issuer(IDP);
        spec.token_type = required.map(Into::into);
        let typ = typ.map(|typ| format!(r#","typ":{typ}"#)).unwrap_or_default();
        let token = idp().sign("RS256", &format!(r#"{{"alg":"RS256","kid":"r1"{typ}}}"#), &claims(&[]));
        judge(&Trust::new([trusted("idp", spec, idp())]), token, NOW)
    };
    let refused = Err(TokenError::Type);
    for (typ, required, expected) in [
        (None, None, Ok(())),
        (Some(r#""JWT""#), None, Ok(())),
        (Some(r#""jwt""#), None, refused),
        (Some(r#""logout+jwt""#), None, refused),
        (Some(r#""at+jwt""#), None, refused),
        (Some(r#""""#), None, refused),
        (Some("null"), None, Err(TokenError::HeaderInvalid("typ"))),
        (Some(r#""at+jwt""#), Some("at+jwt"), Ok(())),
        (Some(r#""JWT""#), Some("at+jwt"), refused),
        (Some(r#""AT+JWT""#), Some("at+jwt"), refused),
        (None, Some("at+jwt"), refused),
    ] {
        assert_eq!(with_type(typ, required), expected, "{typ:?} where {required:?} is required");
    }
    let id_token = [("aud", r#""some-client""#), ("nonce", r#""n""#), ("at_hash", r#""h""#)];
    assert_eq!(outcome(&id_token), Err(TokenError::Audience));
    assert_eq!(outcome(&[("nonce", r#""n""#)]), refused);
    assert_eq!(outcome(&[("nonce", "null")]), refused);
    assert_eq!(outcome(&[("typ", r#""Refresh""#)]), refused);
    assert_eq!(outcome(&[("typ", r#""Bearer""#)]), Ok(()));
    let logout = r#"{"http://schemas.openid.net/event/backchannel-logout":{}}"#;
    assert_eq!(outcome(&[("events", logout)]), refused);
}

#[test]
fn a_person_signs_in_with_a_nonce() {
    let mut spec = issuer(IDP);
    spec.audience = Audience::People;
    let trust = Trust::new([trusted("people", spec, idp())]);
    let token = UnverifiedToken::parse(idp().token(&claims(&[("nonce", r#""n""#)])).as_bytes()).unwrap();
    let verified = trust.verify(&token, NOW).unwrap();
    assert_eq!((verified.audience, verified.claims.sub()), (Audience::People, Some("job")));
}

#[test]
fn a_cached_signature_is_checked_against_the_present_issuer_and_time() {
    let token = UnverifiedToken::parse(idp().token(&claims(&[])).as_bytes()).unwrap();
    let keys = KeySet::parse(idp().jwks().as_bytes()).unwrap();
    let verified = verify_signature(&token, &keys, &issuer(IDP)).unwrap();
    assert_eq!(verified.check(&issuer(IDP), NOW), Ok(()));
    assert_eq!(verified.check(&issuer(IDP), UnixSeconds(NOW.0 + 331)), Err(TokenError::Expired));
    assert_eq!(verified.check(&issuer("https://b.test"), NOW), Err(TokenError::IssuerUnknown));
    let changed = |change: fn(&mut Issuer)| {
        let mut spec = issuer(IDP);
        change(&mut spec);
        verified.check(&spec, NOW)
    };
    assert_eq!(changed(|i| i.audiences = vec!["gw://other".into()]), Err(TokenError::Audience));
    assert_eq!(changed(|i| i.algorithms = vec![Algorithm::ES256]), Err(TokenError::Algorithm));
    assert_eq!(changed(|i| i.token_type = Some("at+jwt".into())), Err(TokenError::Type));
    assert_eq!(changed(|i| i.max_token_lifetime = Duration::from_secs(299)), Err(TokenError::Lifetime));
    assert_eq!(changed(|i| i.max_token_lifetime = Duration::from_secs(300)), Ok(()));
}

#[test]
fn an_issuer_without_keys_is_unavailable_and_not_unknown() {
    let trust = Trust::new([TrustedIssuer { name: name("idp"), spec: issuer(IDP), keys: None }]);
    assert_eq!(judge(&trust, idp().token(&claims(&[])), NOW), Err(TokenError::KeysUnavailable));
}
