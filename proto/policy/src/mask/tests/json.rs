//! JSON as it streams by.

use super::{CARD, CREDENTIAL, JWT, json_in, name, of_json, plan, with_credential};
use crate::mask::{JsonMasker, MAX_HELD_BYTES, Uninspectable};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

const MAIL: &str = "[masked:pii.email]";
const SSN: &str = "[masked:pii.ssn]";
const PAN: &str = "[masked:pii.payment_card]";

#[test]
fn what_needs_no_masking_passes_byte_for_byte() {
    for json in [
        "",
        " \t\r\n",
        "{}",
        "[]",
        r#" { "a" : [ 1 , -2.50e+1 , true , false , null , "\u00e9\/\ud83d" ] } "#,
        r#"{"a":{"b":{"c":[[],{}]}},"a":1}"#,
        "1",
        "\"x\"",
        "{\"a\":1}\n{\"a\":2}\n",
        "{}{}[]1 2\"x\"\"y\"null true",
        "\u{feff}{\"a\":1}",
        ")]}',\n{\"a\":1}",
        ")]}'\n[1]",
        "\u{1e}{\"a\":1}\n\u{1e}{\"a\":2}\n",
        r#"{"ssn":null,"ssn":"","ssn":[],"ssn":{}}"#,
        r#"["[not json", "{nor this}", "\"nor\" this", "aGVsbG8gd29ybGQh", "delivered"]"#,
    ] {
        assert_eq!(of_json(&plan(), json), json);
    }
}

#[test]
fn hm_01_a_value_split_at_every_byte_is_masked() {
    let json = format!(
        r#" {{"mail":"\u0061da@example.com","n":{CARD},"s\u0073n":{{"x":[123450001,true,null,"é"]}},"t":"{JWT}","p":"{{\"ssn\":\"123\"}}"}} "#
    );
    let expected = format!(
        r#" {{"mail":"{MAIL}","n":"{PAN}","s\u0073n":{{"x":["{SSN}","{SSN}",null,"{SSN}"]}},"t":"[masked:secret.jwt]","p":"{{\"ssn\":\"{SSN}\"}}"}} "#
    );
    let bytes = json.as_bytes();
    let whole = json_in(&plan(), [bytes]).unwrap();
    assert_eq!(String::from_utf8(whole.0.clone()).unwrap(), expected);
    for at in 0..=bytes.len() {
        let (first, second) = bytes.split_at(at);
        assert_eq!(json_in(&plan(), [first, second]).unwrap(), whole, "split at {at}");
    }
    assert_eq!(json_in(&plan(), bytes.chunks(1)).unwrap(), whole);
    assert_eq!(json_in(&plan(), bytes.chunks(3)).unwrap(), whole);
    let counted: Vec<_> = whole.1.iter().map(|(class, count)| (class.as_str().to_owned(), count)).collect();
    let expected = [("pii.email", 1), ("pii.payment_card", 1), ("pii.ssn", 4), ("secret.jwt", 1)];
    assert_eq!(counted, expected.map(|(class, count)| (class.to_owned(), count)));
}

#[test]
fn hm_01_nothing_of_a_value_is_given_out_before_its_end() {
    let mut masker = JsonMasker::new(plan());
    let mut out = Vec::new();
    for part in [r#"{"a":1,"b":"ada@exam"#, "ple.co", "m\"", "}"] {
        masker.feed(part.as_bytes(), &mut out).unwrap();
        assert!(!out.windows(3).any(|here| here == b"ada"));
    }
    masker.finish(&mut out).unwrap();
    assert_eq!(out, format!(r#"{{"a":1,"b":"{MAIL}"}}"#).as_bytes());
}

#[test]
fn hm_04_values_and_names_are_read_decoded() {
    for (json, masked) in [
        (r#"{"ssn":"\u0031\u00323-45-0001"}"#.to_owned(), format!(r#"{{"ssn":"{SSN}"}}"#)),
        (r#"{"s\u0073n":"123-45-0001"}"#.to_owned(), format!(r#"{{"s\u0073n":"{SSN}"}}"#)),
        (r#"["\u0061\u0064\u0061\u0040example\u002ecom"]"#.to_owned(), format!(r#"["{MAIL}"]"#)),
        (
            r#"{"ssn":"1","SSN":"2","Tax_Id":"3","taxId":"4"}"#.to_owned(),
            format!(r#"{{"ssn":"{SSN}","SSN":"{SSN}","Tax_Id":"{SSN}","taxId":"{SSN}"}}"#),
        ),
        (r#"{"ada@example.com":1}"#.to_owned(), format!(r#"{{"{MAIL}":1}}"#)),
        (
            r#"{"ssn":[{"a":"x","ssn":1},["y",2.5,false]],"b":"z"}"#.to_owned(),
            format!(r#"{{"ssn":[{{"a":"{SSN}","ssn":"{SSN}"}},["{SSN}","{SSN}","{SSN}"]],"b":"z"}}"#),
        ),
        (
            format!(r#"[{CARD},-{CARD},{CARD}.0,4.111111111111111e15,{CARD}0]"#),
            format!(r#"["{PAN}","{PAN}","{PAN}","{PAN}",{CARD}0]"#),
        ),
        (
            r#"["<b>ada@example.com</b> & \"x\""]"#.to_owned(),
            format!(r#"["\u003cb\u003e{MAIL}\u003c/b\u003e \u0026 \"x\""]"#),
        ),
        (
            r#"{"apiKey":"0a1b2c3d4e","nextPageToken":"0a1b2c3d4e","accessToken":"words only","authKey":12345678,"authToken":1234567,"api_key":true}"#.to_owned(),
            r#"{"apiKey":"[masked:secret.api_key]","nextPageToken":"0a1b2c3d4e","accessToken":"words only","authKey":"[masked:secret.api_key]","authToken":1234567,"api_key":true}"#.to_owned(),
        ),
    ] {
        assert_eq!(of_json(&plan(), &json), masked);
    }
}

#[test]
fn hm_04_json_in_strings_is_read_to_depth_3() {
    let wrap = |json: &str| format!(r#"{{"p":{}}}"#, serde_json::to_string(json).unwrap());
    let mut json = r#"{"s\u0073n":"123-45-0001","n":1}"#.to_owned();
    let mut masked = format!(r#"{{"s\u0073n":"{SSN}","n":1}}"#);
    for depth in 0..=3 {
        assert_eq!(of_json(&plan(), &json), masked, "depth {depth}");
        (json, masked) = (wrap(&json), wrap(&masked));
    }
    assert_eq!(json_in(&plan(), [json.as_bytes()]), Err(Uninspectable::TooDeep));
}

#[test]
fn hm_04_base64_in_strings_is_read() {
    let json = |text: &str| format!(r#"{{"d":"{text}"}}"#);
    for (text, masked) in [
        ("write to ada@example.com!".to_owned(), format!("write to {MAIL}!")),
        (r#"{"ssn":"123-45-0001"}"#.to_owned(), format!(r#"{{"ssn":"{SSN}"}}"#)),
        (format!("é {}", STANDARD.encode("ada@example.com")), format!("é {}", STANDARD.encode("ada@example.com"))),
        (STANDARD.encode("ada@example.com"), STANDARD.encode(MAIL)),
    ] {
        assert_eq!(of_json(&plan(), &json(&STANDARD.encode(&text))), json(&STANDARD.encode(&masked)), "{text}");
        let bare = of_json(&plan(), &json(&URL_SAFE_NO_PAD.encode(&text))).replace('=', "");
        assert_eq!(bare, json(&URL_SAFE_NO_PAD.encode(&masked)), "{text}");
    }
    let broken = STANDARD.encode("a long text in lines of sixty characters, and ada@example.com in it");
    let (first, second) = broken.split_at(60);
    let masked = STANDARD.encode(format!("a long text in lines of sixty characters, and {MAIL} in it"));
    assert_eq!(of_json(&plan(), &format!(r#"["{first}\n{second}\n"]"#)), format!(r#"["{masked}"]"#));
}

#[test]
fn hm_05_json_in_every_wrapping_is_masked() {
    let spaces = " ".repeat(1 << 20);
    for (before, after) in [
        ("", ""),
        ("\u{feff}", "\n"),
        (")]}',\n", ""),
        (")]}'", " "),
        ("\u{1e}", "\n"),
        (&spaces, ""),
        ("{}\n", "\n{}"),
    ] {
        let json = format!("{before}{{\"ssn\":1}}\n[\"ada@example.com\"]{after}");
        let masked = format!("{before}{{\"ssn\":\"{SSN}\"}}\n[\"{MAIL}\"]{after}");
        assert_eq!(of_json(&plan(), &json), masked);
        let (out, _) = json_in(&plan(), json.as_bytes().chunks(7)).unwrap();
        assert_eq!(out, masked.as_bytes());
    }
}

#[test]
fn hm_05_what_is_not_json_is_never_given_out() {
    for (bad, error) in [
        ("{\"a\":1}garbage ada@example.com", Uninspectable::Malformed),
        ("ada@example.com", Uninspectable::Malformed),
        ("<html>", Uninspectable::Malformed),
        ("{\"a\":1}}", Uninspectable::Malformed),
        ("{\"a\" \"b\"}", Uninspectable::Malformed),
        ("{\"a\":}", Uninspectable::Malformed),
        ("{a:1}", Uninspectable::Malformed),
        ("{'a':1}", Uninspectable::Malformed),
        ("{\"a\":1,}", Uninspectable::Malformed),
        ("[1,]", Uninspectable::Malformed),
        ("[1 2]", Uninspectable::Malformed),
        ("[,1]", Uninspectable::Malformed),
        ("[1}", Uninspectable::Malformed),
        ("{]", Uninspectable::Malformed),
        ("{1:2}", Uninspectable::Malformed),
        ("1,2", Uninspectable::Malformed),
        ("01", Uninspectable::Malformed),
        ("truefalse", Uninspectable::Malformed),
        ("NaN", Uninspectable::Malformed),
        ("[1]/*x*/", Uninspectable::Malformed),
        (")]}x", Uninspectable::Malformed),
        ("1)]}'", Uninspectable::Malformed),
        ("\"\\x\"", Uninspectable::Malformed),
        ("\"a\nb\"", Uninspectable::Malformed),
        ("{\u{1e}}", Uninspectable::Malformed),
        ("{\"a\":1", Uninspectable::Truncated),
        ("[", Uninspectable::Truncated),
        ("\"abc", Uninspectable::Truncated),
        ("\"abc\\\"", Uninspectable::Truncated),
        (")]}", Uninspectable::Truncated),
        ("{\"a\"", Uninspectable::Truncated),
    ] {
        for size in [1, 2, bad.len()] {
            let mut masker = JsonMasker::new(plan());
            let mut out = Vec::new();
            let fed = bad.as_bytes().chunks(size).try_for_each(|chunk| masker.feed(chunk, &mut out));
            assert_eq!(fed.and_then(|()| masker.finish(&mut out)), Err(error), "{bad}");
            assert!(bad.as_bytes().starts_with(&out) && !out.contains(&b'@'), "{bad}");
            let given_out = out.len();
            assert_eq!(masker.feed(b"{}", &mut out), Err(error), "an error is final");
            assert_eq!(masker.finish(&mut out), Err(error));
            assert_eq!(out.len(), given_out);
        }
    }
    for bytes in [&b"\"\xff\""[..], b"[\"\xc3\x28\"]", b"\"\xed\xa0\x80\"", b"{\"\xe9\":1}"] {
        assert_eq!(json_in(&plan(), [bytes]), Err(Uninspectable::Encoding));
    }
    // UTF-16 and UTF-32 have NUL bytes where JSON has none.
    for bytes in [&b"{\0\"\0"[..], b"\0{\0\"", b"\xff\xfe{\0", b"\xfe\xff\0{"] {
        assert_eq!(json_in(&plan(), [bytes]), Err(Uninspectable::Malformed));
    }
}

#[test]
fn bounds_are_kept() {
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(of_json(&plan(), &nested(128)), nested(128));
    assert_eq!(json_in(&plan(), [nested(129).as_bytes()]), Err(Uninspectable::TooDeep));
    let string = |length: usize| format!("\"{}\"", "x".repeat(length));
    let fits = string(MAX_HELD_BYTES - 2);
    assert_eq!(json_in(&plan(), fits.as_bytes().chunks(1000)).unwrap().0, fits.as_bytes());
    let long = string(MAX_HELD_BYTES);
    assert_eq!(json_in(&plan(), [long.as_bytes()]), Err(Uninspectable::TooLong));
    assert_eq!(json_in(&plan(), long.as_bytes().chunks(1000)), Err(Uninspectable::TooLong));
    let number = "1".repeat(1500);
    assert_eq!(json_in(&plan(), number.as_bytes().chunks(100)), Err(Uninspectable::TooLong));
}

#[test]
fn se_04_a_credential_is_scrubbed_from_json_in_every_spelling() {
    let echoed = serde_json::json!({"headers": {"X-Key": CREDENTIAL, "b": STANDARD.encode(format!("u:{CREDENTIAL}"))}});
    let escaped: String = CREDENTIAL.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    for json in [echoed.to_string(), format!("[\"{escaped}\"]"), format!("{{\"{escaped}\":1}}")] {
        let (out, counts) = json_in(&with_credential(), json.as_bytes().chunks(5)).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(!out.contains("CANARY") && out.contains("secret.injected"), "{out}");
        assert!(counts.of(&name("secret.injected")) > 0);
    }
}
