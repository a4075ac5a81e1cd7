//! What is recognised by content, and what is not.

use super::{CARD, JWT, class, of_text, only, plan};
use crate::mask::MaskPlan;

/// What is in `«»` must be masked, by one value of the class, and nothing else.
fn finds(plan: &MaskPlan, token: &str, cases: &[&str]) {
    for case in cases {
        let text = case.replace(['«', '»'], "");
        let mut masked = String::new();
        let mut rest = *case;
        while let Some((before, behind)) = rest.split_once('«') {
            let (_, after) = behind.split_once('»').unwrap();
            masked.push_str(before);
            masked.push_str(token);
            rest = after;
        }
        masked.push_str(rest);
        assert_eq!(of_text(plan, &text), masked, "{case}");
    }
}

fn ignores(plan: &MaskPlan, texts: &[&str]) {
    for text in texts {
        assert_eq!(of_text(plan, text), *text);
    }
}

#[test]
fn an_email_address_is_found_however_its_at_sign_is_written() {
    finds(
        &plan(),
        "[masked:pii.email]",
        &[
            "«a@b.co»",
            "mail «Ada.Lovelace+x_1@mail-2.example.co.uk», please",
            "<«ada@example.com»>",
            "«jürgen@exämple.de» und «ada@例え.jp»",
            "mailto:«ada@example.com»?subject=x",
            "https://x.example/?mail=«ada%40example.com»&y=1",
            r#"{\"mail\":\"«ada@example.com»\"}"#,
            r"'«ada\u0040example.com»' «ada\x40example.com»",
            "«ada&#64;example.com» «ada&#x40;example.com» «ada&commat;example.com»",
            "'«ada@example.com»' **«bob@example.com»**",
            "«o'brien@example.com»",
            "«ada@example.com».",
            "«ada@example.com»..",
            "«ada@example.com»,«bob@example.com»;«eve@example.com»",
            "«ada@163.com»",
        ],
    );
}

#[test]
fn what_only_has_an_at_sign_is_no_email_address() {
    ignores(
        &plan(),
        &[
            "@",
            "a@",
            "@b.co",
            "a@b",
            "a @b.co",
            "a@ b.co",
            "a@b.c",
            "@user",
            "react@18.2.0",
            "x@1.0.0-rc1",
            "logo@2x.png",
            "50% @ 3.5",
            "a@.co",
            "a@b..co",
            "a@-b.co",
            "%40",
            "a%40",
            "@@@@",
            "a@b.1c",
        ],
    );
}

#[test]
fn a_card_number_is_found_alone_and_in_groups() {
    let all = only(r#"{"class":"card","recognise":{"builtin":"payment_card"},"transform":"redact"}"#);
    finds(
        &all,
        "[masked:card]",
        &[
            "«4111111111111111»",
            "card:«4111111111111111»,x",
            "x«4111111111111111»y",
            "«4111 1111 1111 1111»",
            "«4111-1111-1111-1111» 12/29",
            "«4111 1111 1111 1111» 12/29",
            "12 «4111 1111 1111 1111»",
            "«4111%201111%201111%201111» «4111+1111+1111+1111»",
            "«4111\u{a0}1111\u{a0}1111\u{a0}1111»",
            "«4111 1111 1111 1111» «5555 5555 5555 4444»",
            "«4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1»",
            "«378282246310005» «3782 822463 10005»",
            "«30569309025904» «3056 930902 5904»",
            "«6011111111111117» «3530111333300000» «2223003122003222» «6200000000000005» «2200000000000004»",
            "«4222222222222»",
            "«4000000000000000006»",
            "amount 4111111111111112 to «4111111111111111».00",
        ],
    );
}

#[test]
fn numbers_that_are_no_cards_stay() {
    let all = only(r#"{"class":"card","recognise":{"builtin":"payment_card"},"transform":"redact"}"#);
    ignores(
        &all,
        &[
            // The check digit is wrong, the issuer is unknown, the length is not the issuer's.
            "4111111111111112",
            "1234567812345670",
            "9999999999999995",
            "411111111111",
            "41111111111111116",
            // More digits than a card has.
            "41111111111111111111",
            "00004111111111111111",
            // Times, versions, identifiers, fractions, addresses.
            "1764007627123 1764007627123456 2026-11-24 18:07:17.123456789",
            "1.22.333.4444.55555.666666 v4.1.1-1111.1111.1111",
            "41111111-1111-1111-1111-111111111111 550e8400-e29b-41d4-a716-446655440000",
            "0.4111111111111111 52.4111111111111111",
            "10.1.2.3:48122 192.168.100.200",
            "+49 151 1234 5678",
            "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25",
        ],
    );
}

#[test]
fn keys_of_known_issuers_are_found() {
    let tail = "0123456789abcdefABCDEF0123456789abcd";
    let cases = [
        "id=«AKIAIOSFODNN7EXAMPLE» x".to_owned(),
        "%22«ASIAIOSFODNN7EXAMPLE»%22".to_owned(),
        format!("«ghp_{tail}» «gho_{tail}» «ghs_{tail}» «ghu_{tail}» «github_pat_11A_{tail}»"),
        "«glpat-0123456789abcdefABCD»".to_owned(),
        "«xoxb-123456789012-abcDEF» «xoxp-1234567890-a»".to_owned(),
        "«sk_live_0123456789abcdef» «rk_live_0123456789abcdef»".to_owned(),
        format!("«AIza{}»", tail.get(..35).unwrap()),
        "«sk-proj-0123456789abcdefABCDEF» «sk-ant-api03-0123456789abcdefABCDEF_-x»".to_owned(),
        "Authorization: Bearer «0123456789abcdef», x".to_owned(),
        "authorization: bearer «mF_9.B5f-4.1JqM»".to_owned(),
        "Bearer%20«0123456789abcdef»".to_owned(),
        "Authorization: Basic «YWRhOmh1bnRlcjI=»".to_owned(),
        r"\n«AKIAIOSFODNN7EXAMPLE»".to_owned(),
    ];
    let cases: Vec<_> = cases.iter().map(String::as_str).collect();
    finds(&plan(), "[masked:secret.api_key]", &cases);
}

#[test]
fn words_that_begin_like_keys_stay() {
    ignores(
        &plan(),
        &[
            "AKIA AKIASHORT xAKIAIOSFODNN7EXAMPLE",
            "ghp_short glpat- xoxb-1",
            "sk-folding-cube-animation-wrapper task-0123456789abcdefABCDEF",
            "the bearer of this letter, bearer bonds; forbearer 0123456789",
            "basic knowledge of Basic English",
            "AIzaTooShort",
        ],
    );
}

#[test]
fn secrets_are_found_by_the_names_they_are_kept_under() {
    finds(
        &plan(),
        "[masked:secret.api_key]",
        &[
            "api_key=«hunter22hunter22»&x=1",
            "API-KEY: «0a1b2c3d4e»",
            r#""apiKey": "«with 1 space»""#.replace(" 1 ", "1").as_str(),
            r#"{\"client_secret\": \"«0a1b2c3d4e»\", \"x\": 1}"#,
            "aws_secret_access_key = «wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY»",
            "X-Api-Key:«0a1b2c3d4e»",
            "access_token=>'«0a1b2c3d4e»'",
            "accessToken := `«0a1b2c3d4e»`",
            "secret=«0a1b2c3d4e»",
        ],
    );
    ignores(
        &plan(),
        &[
            "api_key=",
            "api_key: short1",
            "api_key: see the manual",
            "next_page_token=0a1b2c3d4e",
            "key: 0a1b2c3d4e",
            "primary_key=0a1b2c3d4e",
            "https://api.example.com:8443/x?a=b",
            "==::=:",
            "token_count: 1234567890",
        ],
    );
}

#[test]
fn a_declared_field_is_found_in_text_too() {
    finds(
        &plan(),
        "[masked:pii.ssn]",
        &[
            "ssn=«123-45-0001»&a=b",
            "SSN: «123 45 0001»\nnext",
            r#""tax_id":"«123-45-0001»","#,
            r#"{\"taxId\":\"«123-45-0001»\"}"#,
            "/x?TAX-ID=«1»&y",
        ],
    );
    ignores(&plan(), &["ssn", "ssn=", "ssn: ", "lessn=1", "assn: 123"]);
}

#[test]
fn a_json_web_token_is_found_whatever_surrounds_it() {
    let encrypted = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a_b-c.d.e.f";
    let unsigned = "eyJhbGciOiJub25lIn0.eyJhIjoxfQ.";
    let cases = [
        format!("«{JWT}»"),
        format!("token %20«{JWT}»,"),
        format!("x?t=«{JWT}»&y"),
        format!("«{encrypted}» «{unsigned}»"),
    ];
    let cases: Vec<_> = cases.iter().map(String::as_str).collect();
    finds(&plan(), "[masked:secret.jwt]", &cases);
    // Not an object, no algorithm, too few parts.
    ignores(&plan(), &["eyJ", "eyJhbGciOiJub25lIn0", "eyJhbGciOiJub25lIn0.x", "eyJhIjoxfQ.eyJhIjoxfQ.x", "eyJ.a.b"]);
}

#[test]
fn a_private_key_is_found_with_everything_to_its_end() {
    let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nada@example.com\n";
    let mut cases = Vec::new();
    for label in
        ["PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]
    {
        let key = format!("-----BEGIN {label}-----\n{body}-----END {label}-----");
        cases.push(format!("a «{key}» b"));
        cases.push(format!("a «{}» b", key.replace('\n', "\\n")));
        cases.push(format!("a «-----BEGIN {label}-----\n{body}-----END CERTIFICATE-----»"));
    }
    let cases: Vec<_> = cases.iter().map(String::as_str).collect();
    finds(&plan(), "[masked:secret.private_key]", &cases);
    ignores(
        &plan(),
        &["-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "-----BEGIN ", "-----BEGIN PRIVATE KEY"],
    );
}

#[test]
fn what_overlaps_is_masked_once_by_the_strictest() {
    let jwt_in_bearer = format!("Bearer {JWT} x");
    assert_eq!(of_text(&plan(), &jwt_in_bearer).matches("[masked:").count(), 1);
    let card =
        class(r#"{"class":"card","recognise":{"builtin":"payment_card","fields":["pan"]},"transform":{"keepLast":4}}"#);
    let strict = class(r#"{"class":"strict","recognise":{"fields":["pan"]},"transform":"redact"}"#);
    let plan = MaskPlan::compile(None, [&card, &strict], &[], super::key()).unwrap();
    assert_eq!(of_text(&plan, &format!("pan={CARD} {CARD}")), "pan=[masked:strict] ************1111");
}
