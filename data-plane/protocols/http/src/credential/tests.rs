//! Where a credential goes, and what is not there beside it.

use super::*;
use crate::LoopToken;
use hoop_model::spec::Origin;
use http::{Method, Version};
use proptest::prelude::*;

const HOST: (&str, &str) = ("host", "gw.example");

fn value(text: &str) -> SecretValue {
    SecretValue::parse(text.into()).unwrap()
}

/// Sends a request as the shell does: read, cleared, forwarded, injected.
fn sent(form: &CredentialForm, secret: &str, target: &str, fields: &[(&str, &str)]) -> Result<Parts, Code> {
    let mut headers = HeaderMap::new();
    for (name, value) in [&[HOST], fields].concat() {
        headers.append(HeaderName::try_from(name).unwrap(), value.try_into().unwrap());
    }
    let uri = format!("/c/react{target}").parse().unwrap();
    let head = RequestHead::read(&Method::GET, &uri, Version::HTTP_11, &headers).unwrap();
    let place = Place::of(form).unwrap();
    place.clear(&head, &mut headers).map_err(|refusal| refusal.code)?;
    let content = head.forwarded(headers.clone()).content(b"");
    let shown = crate::readable(&content);
    let (origin, token) = (Origin::parse("http://a.test").unwrap(), LoopToken::parse("hoop-12345678").unwrap());
    let mut parts = head.to_upstream(headers, &origin, &token).unwrap();
    assert!(!format!("{parts:?}").contains(secret) && !String::from_utf8_lossy(&shown).contains(secret));
    let credential = place.fill(&value(secret)).unwrap();
    credential.inject(&mut parts).map_err(|refusal| refusal.code)?;
    assert!(credential.written().any(|text| text == secret.as_bytes()));
    assert!(!format!("{credential:?} {place:?} {:?}", parts.headers).contains(secret));
    Ok(parts)
}

fn fields<'a>(parts: &'a Parts, name: &str) -> Vec<&'a [u8]> {
    parts.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
}

#[test]
fn bearer_and_basic_are_the_only_authorization() {
    let theirs = [("authorization", "Bearer theirs")];
    let parts = sent(&CredentialForm::Bearer, "s3cr3t-4711", "/a", &theirs).unwrap();
    assert_eq!(fields(&parts, "authorization"), [b"Bearer s3cr3t-4711"]);
    // RFC 7617 §2: the example of the user `Aladdin`.
    let parts = sent(&CredentialForm::Basic("Aladdin".into()), "open sesame", "/a", &theirs).unwrap();
    assert_eq!(fields(&parts, "authorization"), [b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]);
    assert!(parts.headers.get("authorization").unwrap().is_sensitive());
}

#[test]
fn what_becomes_of_a_value_is_known_for_the_search_in_responses() {
    let filled = |form: &CredentialForm| {
        let credential = Place::of(form).unwrap().fill(&value("open sesame")).unwrap();
        credential.written().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(filled(&CredentialForm::Basic("Aladdin".into())), ["open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]);
    for form in [CredentialForm::Bearer, CredentialForm::Header("X-Key".into()), CredentialForm::Query("key".into())] {
        assert_eq!(filled(&form), ["open sesame"]);
    }
}

#[test]
fn a_callers_own_field_is_dropped_in_every_spelling() {
    let form = CredentialForm::Header("X-Api-Key".into());
    let theirs = [
        ("x-api-key", "theirs"),
        ("x-api-key", "theirs too"),
        ("x_api_key", "theirs"),
        ("x.api_key", "theirs"),
        ("x-api-keys", "kept"),
        ("api-key", "kept"),
    ];
    let parts = sent(&form, "s3cr3t-4711", "/a", &theirs).unwrap();
    let mut named: Vec<_> = parts.headers.keys().map(HeaderName::as_str).filter(|name| name.contains("key")).collect();
    named.sort_unstable();
    assert_eq!(named, ["api-key", "x-api-key", "x-api-keys"]);
    assert_eq!(fields(&parts, "x-api-key"), [b"s3cr3t-4711"]);
    assert!(parts.headers.get("x-api-key").unwrap().is_sensitive());
    let authorization = CredentialForm::Header("Authorization".into());
    let parts = sent(&authorization, "Token s3cr3t-4711", "/a", &[("authorization", "Bearer theirs")]).unwrap();
    assert_eq!(fields(&parts, "authorization"), [b"Token s3cr3t-4711"]);
}

#[test]
fn a_query_parameter_is_appended_to_the_canonical_target() {
    let form = CredentialForm::Query("api_key".into());
    for (target, expected) in [
        ("/", "/?api_key=s3cr3t%2F%2B%26%3D%20%25"),
        ("/a?b=c", "/a?b=c&api_key=s3cr3t%2F%2B%26%3D%20%25"),
        ("/%61/?b", "/a/?b&api_key=s3cr3t%2F%2B%26%3D%20%25"),
        ("/a?api_keys=1&xapi_key=2", "/a?api_keys=1&xapi_key=2&api_key=s3cr3t%2F%2B%26%3D%20%25"),
    ] {
        assert_eq!(sent(&form, "s3cr3t/+&= %", target, &[]).unwrap().uri.to_string(), expected, "{target}");
    }
}

#[test]
fn a_query_that_has_the_key_already_is_refused_in_every_spelling() {
    let form = CredentialForm::Query("api_key".into());
    for query in [
        "api_key=theirs",
        "api_key",
        "a=b&api_key=",
        "%61pi_key=theirs",
        "api%5fkey=theirs",
        "API_KEY=theirs",
        "api.key=theirs",
        "api+key=theirs",
        "api%20key=theirs",
        "+api_key=theirs",
        "api_key[]=theirs",
        "api_key%5B0%5D=theirs",
        "api-key=theirs",
    ] {
        let refused = sent(&form, "s3cr3t-4711", &format!("/a?{query}"), &[]).unwrap_err();
        assert_eq!(refused, Code::MalformedTarget, "{query}");
    }
}

#[test]
fn a_target_that_becomes_too_long_is_refused() {
    let secret = "%".repeat(hoop_model::spec::MAX_SECRET_BYTES);
    let form = CredentialForm::Query("k".into());
    assert!(sent(&form, &secret, "/a", &[]).is_ok());
    let long = format!("/{}?{}=1", "a".repeat(4000), "b".repeat(4000));
    assert!(sent(&form, &secret, &long, &[]).is_ok(), "48 KiB and the longest target fit");
}

proptest! {
    #[test]
    fn a_backend_that_decodes_gets_exactly_the_value(
        secret in "[!-~][ -~]{2,60}[!-~]", user in "[a-z]{1,8}", which in 0..4_usize,
    ) {
        let forms = [
            CredentialForm::Bearer,
            CredentialForm::Basic(user.clone()),
            CredentialForm::Header("X-Api-Key".into()),
            CredentialForm::Query("api_key".into()),
        ];
        let credential = Place::of(&forms[which]).unwrap().fill(&value(&secret)).unwrap();
        let (mut parts, ()) = http::Request::new(()).into_parts();
        credential.inject(&mut parts).unwrap();
        let authorization = parts.headers.get("authorization").map(|value| value.to_str().unwrap());
        let got = match &forms[which] {
            CredentialForm::Bearer => authorization.unwrap().strip_prefix("Bearer ").unwrap().to_owned(),
            CredentialForm::Basic(_) => {
                let pair = STANDARD.decode(authorization.unwrap().strip_prefix("Basic ").unwrap()).unwrap();
                String::from_utf8(pair).unwrap().strip_prefix(&format!("{user}:")).unwrap().to_owned()
            }
            CredentialForm::Header(_) => parts.headers["x-api-key"].to_str().unwrap().to_owned(),
            CredentialForm::Query(_) => {
                let target = crate::Target::canonical(parts.uri.path_and_query().unwrap().as_str()).unwrap();
                prop_assert_eq!(target.as_str(), parts.uri.path_and_query().unwrap().as_str());
                target.query().find(|(key, _)| *key == "api_key").unwrap().1.to_owned()
            }
        };
        prop_assert_eq!(got, secret);
    }
}
