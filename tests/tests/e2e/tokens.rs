//! Tokens that are not believed: each refused with its own reason, and nothing reaches the backend.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hoop_tests::backend::Backend;
use hoop_tests::issuer::{Issuer, Signing, unix_now};
use hoop_tests::stage::Stage;
use serde_json::{Value, json};

/// A token whose claims were changed after it was signed.
fn tampered(issuer: &Issuer) -> String {
    let token = issuer.sign(Signing::Rs256, &issuer.claims_with("repository_id", json!("666")));
    let parts: Vec<_> = token.split('.').collect();
    let claims = URL_SAFE_NO_PAD.encode(issuer.claims().to_string());
    format!("{}.{claims}.{}", parts[0], parts[2])
}

fn without(mut claims: Value, claim: &str) -> Value {
    claims.as_object_mut().unwrap().remove(claim);
    claims
}

fn hostile_tokens(issuer: &Issuer, elsewhere: &Backend) -> Vec<(&'static str, String, u16, &'static str)> {
    let now = unix_now();
    let with = |claim, value| issuer.sign(Signing::Rs256, &issuer.claims_with(claim, value));
    let expired = json!({"iat": now - 1000, "nbf": now - 1000, "exp": now - 120});
    let expired = expired.as_object().unwrap().iter().fold(issuer.claims(), |mut claims, (name, value)| {
        claims[name] = value.clone();
        claims
    });
    let header = |more: Value| {
        let mut header = json!({"alg": "RS256", "typ": "JWT", "kid": "r1"});
        more.as_object().unwrap().iter().for_each(|(name, value)| header[name] = value.clone());
        issuer.sign_under(&header, Signing::Rs256, &issuer.claims())
    };
    vec![
        ("another repository", with("repository_id", json!("666")), 403, "identity_none"),
        ("another branch", with("ref", json!("refs/heads/x")), 403, "identity_none"),
        ("an integer for a text", with("repository_id", json!(4711)), 403, "identity_none"),
        ("expired", issuer.sign(Signing::Rs256, &expired), 401, "token_expired"),
        ("another audience", with("aud", json!("gw://other")), 401, "token_audience"),
        ("JWT-08 an audience that only begins right", with("aud", json!("gw://prod.evil")), 401, "token_audience"),
        ("another issuer", with("iss", json!("https://other.test")), 401, "token_issuer_unknown"),
        ("JWT-07 an issuer spelled otherwise", with("iss", json!(issuer.url() + "/")), 401, "token_issuer_unknown"),
        ("JWT-01 unsigned", issuer.sign(Signing::Nothing, &issuer.claims()), 401, "token_algorithm"),
        ("JWT-01 unsigned with a signature", header(json!({"alg": "none"})), 401, "token_algorithm"),
        (
            "JWT-02 signed with the public key",
            issuer.sign(Signing::HsWithPublicKey, &issuer.claims()),
            401,
            "token_algorithm",
        ),
        ("signed by a stranger", issuer.sign(Signing::Stranger, &issuer.claims()), 401, "token_signature"),
        ("tampered", tampered(issuer), 401, "token_signature"),
        ("JWT-26 another algorithm than its key's", header(json!({"alg": "PS256"})), 401, "token_algorithm"),
        ("an unknown key", header(json!({"kid": "r2"})), 401, "token_key_unknown"),
        ("JWT-05 a path for a key", header(json!({"kid": "../../dev/null"})), 401, "token_key_unknown"),
        ("JWT-04 its own key's address", header(json!({"jku": elsewhere.origin() + "/k"})), 401, "token_malformed"),
        ("JWT-10 no expiry", issuer.sign(Signing::Rs256, &without(issuer.claims(), "exp")), 401, "token_malformed"),
        ("JWT-10 a text for a time", with("nbf", json!("99999999999")), 401, "token_malformed"),
        ("JWT-11 not yet valid", with("nbf", json!(now + 300)), 401, "token_not_yet_valid"),
        ("JWT-11 too long a life", with("exp", json!(now + 7200)), 401, "token_lifetime"),
        ("JWT-22 another type", header(json!({"typ": "logout+jwt"})), 401, "token_type"),
        ("JWT-25 padded", issuer.token() + "=", 401, "token_malformed"),
        ("JWT-25 in two parts", "a.b".to_owned(), 401, "token_malformed"),
        ("JWT-17 too large", "a".repeat(17 << 10), 401, "token_malformed"),
    ]
}

#[test]
fn a_token_that_is_not_believed_is_refused_for_its_own_reason() {
    let stage = Stage::set();
    let elsewhere = Backend::start();
    // One connection for all: a refusal leaves it in order (I4).
    let mut client = stage.connect();
    for (what, token, status, code) in hostile_tokens(&stage.issuer, &elsewhere) {
        let answer = client.send("GET", "/c/orders/secret", &token).unwrap();
        assert_eq!((answer.status, answer.refusal().as_str()), (status, code), "{what}");
        let challenge = answer.field("www-authenticate");
        assert_eq!(challenge, (status == 401).then_some("Bearer error=\"invalid_token\""), "{what}");
    }
    let answer = client.request("GET", "/c/orders/secret", &[], None).unwrap();
    assert_eq!((answer.status, answer.refusal().as_str()), (401, "token_missing"));
    assert_eq!(answer.field("www-authenticate"), Some("Bearer"));
    stage.nothing_reached_the_backend();
    assert_eq!(elsewhere.connections().len(), 0, "a token made the gateway connect somewhere");
}

#[test]
fn both_algorithms_of_the_issuer_are_believed() {
    let stage = Stage::set();
    for signing in [Signing::Rs256, Signing::Es256] {
        let token = stage.issuer.sign(signing, &stage.issuer.claims());
        assert_eq!(stage.send_as("GET", "/c/orders/1", &token).status, 200, "{signing:?}");
    }
}

#[test]
fn jwt_13_unknown_keys_do_not_make_a_storm_of_fetches() {
    let stage = Stage::set();
    let before = stage.issuer.fetches();
    let mut client = stage.connect();
    for number in 0..300 {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": format!("x{number}")});
        let token = stage.issuer.sign_under(&header, Signing::Rs256, &stage.issuer.claims());
        assert_eq!(client.send("GET", "/c/orders/1", &token).unwrap().refusal(), "token_key_unknown");
    }
    let fetches = stage.issuer.fetches() - before;
    assert!(fetches <= 2, "{fetches} fetches");
    assert_eq!(stage.send("GET", "/c/orders/1").status, 200, "others do not suffer");
}

/// CI platforms mint as many tokens as a job asks for. One connection is one thread of the node, so its limits are that
/// thread's.
#[test]
fn a_job_with_a_new_token_for_every_request_uses_nothing_up() {
    let stage = Stage::set();
    let mut job = stage.connect();
    for number in 0..10_100 {
        let token = stage.issuer.sign(Signing::Es256, &stage.issuer.claims_with("jti", json!(number)));
        let answer = job.send("GET", "/c/orders/1", &token).unwrap();
        assert_eq!(answer.status, 200, "request {number}: {}", answer.json());
    }
}
