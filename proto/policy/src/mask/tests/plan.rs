//! Which classes a plan has, and what it puts in place of values.

use super::{CARD, CREDENTIAL, class, key, name, of_json, of_text, only, with_credential};
use crate::mask::{InvalidPlan, MaskKey, MaskPlan, MaskedCounts};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

const EMAIL: &str = "ada@example.com";

fn classes(selection: Option<&[&str]>, declared: &[&str]) -> Result<Vec<String>, InvalidPlan> {
    let declared: Vec<_> = declared.iter().map(|json| class(json)).collect();
    let selection: Option<Vec<_>> = selection.map(|names| names.iter().map(|text| name(text)).collect());
    let plan = MaskPlan::compile(selection.as_deref(), &declared, &[], key())?;
    Ok(plan.classes().map(ToString::to_string).collect())
}

#[test]
fn a_selection_is_by_prefix_and_defaults_to_everything() {
    let card = r#"{"class":"pii.card","recognise":{"builtin":"payment_card"},"transform":{"keepLast":4}}"#;
    let ssn = r#"{"class":"pii.ssn","recognise":{"fields":["ssn"]},"transform":"redact"}"#;
    let all = ["pii.email", "pii.payment_card", "secret.api_key", "secret.jwt", "secret.private_key"];
    assert_eq!(classes(None, &[]).unwrap(), all);
    assert_eq!(classes(Some(&["pii"]), &[]).unwrap(), ["pii.email", "pii.payment_card"]);
    assert_eq!(
        classes(Some(&["secret.jwt", "secret"]), &[ssn]).unwrap(),
        ["secret.api_key", "secret.jwt", "secret.private_key"]
    );
    // What is declared takes the place of the built-in that recognises the same, where it is selected.
    assert_eq!(classes(Some(&["pii"]), &[card, ssn]).unwrap(), ["pii.card", "pii.ssn", "pii.email"]);
    assert_eq!(classes(Some(&["pii.payment_card"]), &[card]).unwrap(), ["pii.payment_card"]);
    assert_eq!(classes(Some(&[]), &[card]).unwrap(), [""; 0]);
}

#[test]
fn a_declared_class_of_a_built_in_name_takes_its_place() {
    let email = class(r#"{"class":"pii.email","recognise":{"builtin":"email"},"transform":"keyedHash"}"#);
    let plan = MaskPlan::compile(None, [&email], &[], key()).unwrap();
    assert!(of_text(&plan, EMAIL).starts_with("pii.email:"));
    let fields = class(r#"{"class":"pii.email","recognise":{"fields":["mail"]},"transform":"redact"}"#);
    let plan = MaskPlan::compile(None, [&fields], &[], key()).unwrap();
    assert_eq!(of_text(&plan, EMAIL), EMAIL);
}

#[test]
fn a_plan_that_would_mask_less_than_was_asked_is_none() {
    let ssn = r#"{"class":"pii.ssn","recognise":{"fields":["ssn"]},"transform":"redact"}"#;
    assert_eq!(classes(Some(&["pii", "secrets"]), &[]).unwrap_err(), InvalidPlan::SelectsNothing(name("secrets")));
    assert_eq!(classes(Some(&["pii.ssn"]), &[]).unwrap_err(), InvalidPlan::SelectsNothing(name("pii.ssn")));
    assert_eq!(classes(None, &[ssn, ssn]).unwrap_err(), InvalidPlan::DeclaredTwice(name("pii.ssn")));
    let short = MaskPlan::compile(Some(&[]), [], &[b"abc"], key()).unwrap_err();
    assert_eq!(short, InvalidPlan::ShortCredential);
}

#[test]
fn keeping_the_last_never_keeps_more_than_a_quarter() {
    let plan = only(r#"{"class":"c","recognise":{"fields":["f"]},"transform":{"keepLast":4}}"#);
    for (value, masked) in [
        (CARD, "************1111"),
        ("4111-1111-1111-1234", "***************1234"),
        ("12345678", "******78"),
        ("1234", "***4"),
        ("123", "[masked:c]"),
        ("-", "[masked:c]"),
        ("****", "[masked:c]"),
        ("äöüß", "[masked:c]"),
        ("äöüab12", "******2"),
        ("1234567890123456!!", "**************3456"),
        (&"x".repeat(1000), &format!("{}xxxx", "*".repeat(32))),
    ] {
        assert_eq!(of_json(&plan, &format!(r#"{{"f":"{value}"}}"#)), format!(r#"{{"f":"{masked}"}}"#));
    }
}

#[test]
fn a_keyed_hash_is_equal_for_equal_values_of_one_class_and_key_only() {
    let of = |class_name: &str, key: [u8; 32], text: &str| {
        let json = format!(r#"{{"class":"{class_name}","recognise":{{"builtin":"email"}},"transform":"keyedHash"}}"#);
        of_text(&MaskPlan::compile(Some(&[name(class_name)]), [&class(&json)], &[], MaskKey::new(&key)).unwrap(), text)
    };
    let hash = of("pii.email", [7; 32], EMAIL);
    let digits = hash.strip_prefix("pii.email:").unwrap();
    assert!(digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')), "{hash}");
    for same in ["Ada@Example.COM", "ada%40example.com"] {
        assert_eq!(of("pii.email", [7; 32], same), hash);
    }
    assert_ne!(of("pii.email", [7; 32], "bob@example.com"), hash);
    assert_ne!(of("pii.email", [8; 32], EMAIL), hash);
    assert!(!of("b", [7; 32], EMAIL).ends_with(digits));

    let card = only(r#"{"class":"c","recognise":{"builtin":"payment_card","fields":["pan"]},"transform":"keyedHash"}"#);
    let hash = of_text(&card, CARD);
    for same in ["4111 1111 1111 1111", "4111%201111%201111%201111"] {
        assert_eq!(of_text(&card, same), hash);
    }
    let json = of_json(&card, &format!(r#"[{CARD},{{"pan":"4111-1111-1111-1111"}},4.111111111111111e15]"#));
    assert_eq!(json, format!(r#"["{hash}",{{"pan":"{hash}"}},"{hash}"]"#));
}

#[test]
fn se_04_an_injected_credential_is_scrubbed_in_every_spelling() {
    let plan = with_credential();
    let percent = "CANARY-API%2F77aa%3Fx%3D%221%22%26y";
    let hexadecimal: String = CREDENTIAL.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut spellings = vec![
        CREDENTIAL.to_owned(),
        percent.to_owned(),
        percent.replace("%2F", "%2f").replace("%3F", "%3f").replace("%3D", "%3d"),
        hexadecimal.to_uppercase(),
        hexadecimal,
        CREDENTIAL.replace('"', "\\\""),
        CREDENTIAL.replace('"', "\\\"").replace('/', "\\/"),
        CREDENTIAL.replace('&', "&amp;").replace('"', "&quot;"),
    ];
    for before in ["", "u", "us", "user:", "abcd:"] {
        spellings.push(STANDARD.encode(format!("{before}{CREDENTIAL}:z")));
        spellings.push(URL_SAFE_NO_PAD.encode(format!("{before}{CREDENTIAL}")));
    }
    for spelling in spellings {
        let mut counts = MaskedCounts::default();
        let masked = plan.mask_text(format!("x {spelling} y").as_bytes(), &mut counts).expect(&spelling);
        let masked = String::from_utf8(masked).unwrap();
        assert!(masked.contains("[masked:secret.injected]"), "{spelling}: {masked}");
        assert!(masked.starts_with("x ") && masked.ends_with(" y") && masked.len() < 48, "{spelling}: {masked}");
        assert_eq!(counts.of(&name("secret.injected")), 1);
    }
}

#[test]
fn se_04_a_field_that_keeps_its_last_characters_keeps_none_of_a_credential() {
    let field = class(r#"{"class":"c","recognise":{"fields":["f"]},"transform":{"keepLast":4}}"#);
    let plan = std::sync::Arc::new(MaskPlan::compile(None, [&field], &[b"CANARY77"], key()).unwrap());
    let masked = of_json(&plan, r#"{"f":"my CANARY77","g":"0123456789012345","f":"0123456789012345"}"#);
    assert_eq!(masked, r#"{"f":"[masked:secret.injected]","g":"0123456789012345","f":"************2345"}"#);
}

#[test]
fn se_04_credentials_are_scrubbed_even_where_no_class_is_masked() {
    let plan = MaskPlan::compile(Some(&[]), [], &[CREDENTIAL.as_bytes()], key()).unwrap();
    assert!(!plan.is_empty());
    assert_eq!(of_text(&plan, &format!("{CREDENTIAL} {EMAIL}")), format!("[masked:secret.injected] {EMAIL}"));
    assert!(MaskPlan::compile(Some(&[]), [], &[], key()).unwrap().is_empty());
}

#[test]
fn a_plan_says_nothing_of_its_secrets() {
    let said = format!("{:?}", with_credential());
    for secret in ["CANARY", "43414e415259", "Q0FOQVJZ", "7, 7, 7"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn a_value_is_left_clear_only_if_every_class_that_recognises_it_is_revealed() {
    let ssn = class(r#"{"class":"pii.ssn","recognise":{"fields":["ssn"]},"transform":"redact"}"#);
    let tax = class(r#"{"class":"pii.tax","recognise":{"fields":["ssn"]},"transform":{"keepLast":4}}"#);
    let card = class(r#"{"class":"pii.card","recognise":{"builtin":"payment_card"},"transform":{"keepLast":4}}"#);
    let plan = MaskPlan::compile(None, [&ssn, &tax, &card], &[b"s3cr3t-4711"], key()).unwrap();
    let json = r#"{"ssn":"a@b.co"}"#;
    let of = |shown: &[&str], json: &str| {
        let view = plan.revealing(|class| shown.contains(&class.as_str())).unwrap();
        of_json(&std::sync::Arc::new(view), json)
    };
    for (shown, expected) in [
        (&[][..], r#"{"ssn":"[masked:pii.ssn]"}"#),
        (&["pii.email"], r#"{"ssn":"[masked:pii.ssn]"}"#),
        (&["pii.ssn"], r#"{"ssn":"*****o"}"#),
        (&["pii.ssn", "pii.tax"], r#"{"ssn":"[masked:pii.email]"}"#),
        (&["pii.ssn", "pii.tax", "pii.email"], json),
    ] {
        assert_eq!(of(shown, json), expected, "{shown:?}");
    }
    // What a class that is shown took the place of does not come back, and what is in its value is seen.
    assert_eq!(
        of(&["pii.card"], &format!(r#"{{"n":"{CARD}","m":{CARD}}}"#)),
        format!(r#"{{"n":"{CARD}","m":{CARD}}}"#)
    );
    let inside = r#"{"ssn":"see 4111111111111111 and s3cr3t-4711"}"#;
    let expected = r#"{"ssn":"see ************1111 and [masked:secret.injected]"}"#;
    assert_eq!(of(&["pii.ssn", "pii.tax", "pii.email", "secret.injected"], inside), expected);
}
