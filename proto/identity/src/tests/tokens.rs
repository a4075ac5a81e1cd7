//! Tokens as bytes: what is refused before any key is looked at.

use super::*;
use crate::{MAX_TOKEN_BYTES, Part, TokenError, token_hash};
use hoop_model::{Code, Fault};

fn refusal_of_header(header: &str) -> Option<TokenError> {
    judge(&trust(), idp().sign("RS256", header, &claims(&[])), NOW).err()
}

fn refusal_of_claims(changes: &[(&str, &str)]) -> Option<TokenError> {
    judge(&trust(), idp().token(&claims(changes)), NOW).err()
}

#[test]
fn a_token_as_the_issuer_makes_it_is_accepted() {
    for (alg, kid) in [("RS256", "r1"), ("ES256", "e1"), ("ES384", "e2"), ("EdDSA", "d1")] {
        let token = idp().sign(alg, &format!(r#"{{"alg":"{alg}","kid":"{kid}","x5t":"abc"}}"#), &claims(&[]));
        assert_eq!(judge(&trust(), token, NOW), Ok(()), "{alg}");
    }
}

#[test]
fn jwt_01_none_is_not_an_algorithm() {
    for alg in ["none", "None", "nOnE", "NONE", "", "rs256", " RS256"] {
        let header = format!(r#"{{"alg":"{alg}","kid":"r1"}}"#);
        assert_eq!(refusal_of_header(&header), Some(TokenError::Algorithm), "{alg:?}");
        let unsigned = format!("{}.{}.", b64(&header), b64(claims(&[])));
        assert_eq!(judge(&trust(), unsigned, NOW), Err(TokenError::Algorithm), "{alg:?} without signature");
    }
    for header in [r#"{"kid":"r1"}"#, r#"{"alg":null}"#, r#"{"alg":["RS256"]}"#, r#"{"alg":256}"#] {
        assert_eq!(refusal_of_header(header), Some(TokenError::HeaderInvalid("alg")), "{header}");
    }
    let token = idp().token(&claims(&[]));
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(judge(&trust(), format!("{signed}."), NOW), Err(TokenError::NotBase64Url(Part::Signature)));
}

#[test]
fn jwt_04_a_token_does_not_bring_its_own_key() {
    for (member, value) in [
        ("jku", r#""http://127.0.0.1:9/k""#),
        ("x5u", r#""https://idp.test.evil/""#),
        ("x5c", r#"["MIIB"]"#),
        ("jwk", r#"{"kty":"RSA"}"#),
        ("jku", "null"),
    ] {
        let header = format!(r#"{{"alg":"RS256","kid":"r1","{member}":{value}}}"#);
        assert_eq!(refusal_of_header(&header), Some(TokenError::HeaderRefused(member)), "{header}");
    }
}

#[test]
fn jwt_05_a_kid_is_only_ever_compared() {
    let long = "k".repeat(1025);
    let longest = "k".repeat(1024);
    for (kid, refusal) in [
        (r#""../../dev/null""#.to_owned(), TokenError::KeyUnknown),
        (r#""' OR 1=1--""#.to_owned(), TokenError::KeyUnknown),
        (r#""""#.to_owned(), TokenError::KeyUnknown),
        (r#""R1""#.to_owned(), TokenError::KeyUnknown),
        (r#""r1 ""#.to_owned(), TokenError::KeyUnknown),
        (format!("\"{longest}\""), TokenError::KeyUnknown),
        (format!("\"{long}\""), TokenError::HeaderInvalid("kid")),
        (format!("\"{}\"", "k".repeat(64 << 10)), TokenError::TooLarge),
        ("1".to_owned(), TokenError::HeaderInvalid("kid")),
        (r#"["r1"]"#.to_owned(), TokenError::HeaderInvalid("kid")),
        ("null".to_owned(), TokenError::HeaderInvalid("kid")),
        (r#""r1\u0000""#.to_owned(), TokenError::ControlCharacter(Part::Header)),
        (r#""r1\nlevel=INFO""#.to_owned(), TokenError::ControlCharacter(Part::Header)),
    ] {
        let header = format!(r#"{{"alg":"RS256","kid":{kid}}}"#);
        assert_eq!(refusal_of_header(&header), Some(refusal), "{kid:.60}");
        assert_eq!(refusal.code().fault(), Fault::Unauthenticated);
    }
}

#[test]
fn jwt_10_times_are_whole_numbers_and_present() {
    for (claim, value) in [
        ("nbf", r#""99999999999""#),
        ("nbf", "null"),
        ("nbf", "1.5"),
        ("iat", r#""0""#),
        ("iat", "true"),
        ("exp", r#""never""#),
        ("exp", ""),
        ("exp", "-1"),
        ("exp", "4102444800.5"),
        ("exp", "4102444800.0"),
        ("exp", "4102444800e0"),
        ("exp", "18446744073709551616"),
        ("exp", "null"),
        ("exp", "[4102444800]"),
        ("exp", "-0"),
        ("iss", ""),
        ("iss", "null"),
        ("iss", r#""""#),
        ("aud", ""),
        ("sub", "7"),
    ] {
        assert_eq!(refusal_of_claims(&[(claim, value)]), Some(TokenError::ClaimInvalid(claim)), "{claim}: {value}");
    }
    assert_eq!(refusal_of_claims(&[("exp", "1e400")]), Some(TokenError::NotJson(Part::Claims)));
    let after_exp = (NOW.0 + 301).to_string();
    assert_eq!(refusal_of_claims(&[("iat", &after_exp)]), Some(TokenError::ClaimInvalid("iat")));
    assert_eq!(refusal_of_claims(&[("exp", "18446744073709551615")]), Some(TokenError::Lifetime));
}

#[test]
fn jwt_17_size_and_depth_are_bounded_before_decoding() {
    assert_eq!(UnverifiedToken::parse(&vec![b'a'; 8 << 20]).err(), Some(TokenError::TooLarge));
    assert_eq!(UnverifiedToken::parse(&[b'a'; MAX_TOKEN_BYTES + 1]).err(), Some(TokenError::TooLarge));
    assert_eq!(UnverifiedToken::parse(&[b'a'; MAX_TOKEN_BYTES]).err(), Some(TokenError::NotThreeParts));
    for depth in [31, 32, 3000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let refusal = (depth > 31).then_some(TokenError::NotJson(Part::Claims));
        assert_eq!(refusal_of_claims(&[("deep", &nested)]), refusal, "{depth}");
    }
    let unclosed = format!("{}.{}.AA", b64(r#"{"alg":"RS256"}"#), b64("[".repeat(10_000)));
    assert_eq!(UnverifiedToken::parse(unclosed.as_bytes()).err(), Some(TokenError::NotJson(Part::Claims)));
    let many: Vec<String> = (0..20_000).map(|i| format!("\"c{i}\":1")).collect();
    let many = idp().token(&format!("{{{}}}", many.join(",")));
    assert_eq!(UnverifiedToken::parse(many.as_bytes()).err(), Some(TokenError::TooLarge));
}

#[test]
fn jwt_19_texts_with_control_characters_are_refused() {
    for value in [r#""admin\u0000x""#, r#""a\nb""#, r#""\u007f""#, r#""\u0085""#, r#"["ok","a\u0000"]"#] {
        let refusal = Some(TokenError::ControlCharacter(Part::Claims));
        assert_eq!(refusal_of_claims(&[("sub2", value)]), refusal, "{value}");
    }
    let refusal = Some(TokenError::ControlCharacter(Part::Claims));
    assert_eq!(refusal_of_claims(&[("su\\u0000b", "1")]), refusal);
    assert_eq!(refusal_of_claims(&[("sub", r#""a\u0000""#)]), refusal);
    // What no condition can be about may say what it likes.
    assert_eq!(refusal_of_claims(&[("address", r#"{"formatted":"a\nb"}"#)]), None);
}

#[test]
fn jwt_25_a_token_has_one_spelling() {
    let token = idp().token(&claims(&[]));
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("not three parts") };
    let json = format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#);
    for other in [
        format!("{header}.{payload}"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{token}.{signature}.{signature}"),
        json,
        String::new(),
        "..".repeat(2),
    ] {
        assert_eq!(judge(&trust(), &other, NOW), Err(TokenError::NotThreeParts), "{other:.40}");
    }
    let inside = payload.replacen("eyJ", "eyJ\n", 1);
    for (other, part) in [
        (format!("{header}=.{payload}.{signature}"), Part::Header),
        (format!("{header}.{payload}==.{signature}"), Part::Claims),
        (format!("{header}.{payload}.{signature}=="), Part::Signature),
        (format!("{token}\n"), Part::Signature),
        (format!(" {token}"), Part::Header),
        (format!("{header}.{inside}.{signature}"), Part::Claims),
        (format!("{header}.{payload}.+/{}", signature.split_at(2).1), Part::Signature),
        (format!("{header}..{signature}"), Part::Claims),
        (format!(".{payload}.{signature}"), Part::Header),
    ] {
        assert_eq!(judge(&trust(), &other, NOW), Err(TokenError::NotBase64Url(part)), "{other:.40}");
    }
    assert_eq!(judge(&trust(), b"\xff.\xff.\xff", NOW), Err(TokenError::NotThreeParts));
    // 256 bytes leave four unused bits in the last character: its neighbours decode to the same bytes elsewhere.
    let last = signature.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let neighbour = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    let other = format!("{}{neighbour}", token.split_at(token.len() - 1).0);
    assert_eq!(judge(&trust(), other, NOW), Err(TokenError::NotBase64Url(Part::Signature)));
    assert_eq!(judge(&trust(), token, NOW), Ok(()));
}

#[test]
fn a_repeated_key_is_refused_wherever_it_stands() {
    assert_eq!(
        refusal_of_header(r#"{"alg":"RS256","alg":"RS256","kid":"r1"}"#),
        Some(TokenError::NotJson(Part::Header))
    );
    let twice = claims(&[]).replacen('{', r#"{"sub":"admin","#, 1);
    assert_eq!(judge(&trust(), idp().token(&twice), NOW), Err(TokenError::NotJson(Part::Claims)));
    assert_eq!(refusal_of_claims(&[("o", r#"{"a":1,"a":2}"#)]), Some(TokenError::NotJson(Part::Claims)));
}

#[test]
fn jwt_26_extensions_that_must_be_understood_are_refused() {
    for (header, member) in [
        (r#"{"alg":"RS256","kid":"r1","crit":["b64"],"b64":false}"#, "crit"),
        (r#"{"alg":"RS256","kid":"r1","crit":["x"],"x":1}"#, "crit"),
        (r#"{"alg":"RS256","kid":"r1","crit":[]}"#, "crit"),
        (r#"{"alg":"RS256","kid":"r1","b64":false}"#, "b64"),
    ] {
        assert_eq!(refusal_of_header(header), Some(TokenError::HeaderRefused(member)), "{header}");
    }
}

#[test]
fn debug_of_a_token_does_not_show_it() {
    let text = idp().token(&claims(&[]));
    let token = UnverifiedToken::parse(text.as_bytes()).unwrap();
    let shown = format!("{token:?}");
    assert!(text.split('.').all(|part| !shown.contains(part)), "{shown}");
    assert_eq!((token.iss(), token.kid()), (IDP, Some("r1")));
}

#[test]
fn the_hash_of_a_token_is_sha_256() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(token_hash(b"").to_string(), empty);
}

#[test]
fn every_refusal_of_a_token_is_the_bearers_fault_but_missing_keys() {
    let all = [
        (TokenError::TooLarge, Code::TokenMalformed),
        (TokenError::IssuerUnknown, Code::TokenIssuerUnknown),
        (TokenError::Audience, Code::TokenAudience),
        (TokenError::AudienceAmbiguous, Code::TokenAudience),
        (TokenError::KeyUnknown, Code::TokenKeyUnknown),
        (TokenError::KeyAmbiguous, Code::TokenKeyUnknown),
        (TokenError::Algorithm, Code::TokenAlgorithm),
        (TokenError::Signature, Code::TokenSignature),
        (TokenError::Expired, Code::TokenExpired),
        (TokenError::NotYetValid, Code::TokenNotYetValid),
        (TokenError::Lifetime, Code::TokenLifetime),
        (TokenError::Type, Code::TokenType),
    ];
    for (error, code) in all {
        assert_eq!((error.code(), error.code().fault()), (code, Fault::Unauthenticated));
    }
    assert_eq!(TokenError::KeysUnavailable.code().fault(), Fault::Unavailable);
}
