use super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::Cell;

fn refused(raw: &str) -> MalformedTarget {
    Target::canonical(raw).expect_err(raw)
}

#[test]
fn a_target_has_one_spelling_that_is_judged_and_forwarded() {
    for (raw, forwarded, path) in [
        ("/", "/", "/"),
        ("/orders/7", "/orders/7", "/orders/7"),
        ("/orders/", "/orders/", "/orders/"),
        ("/%6frders/%7E", "/orders/~", "/orders/~"),
        ("/a%c3%a9", "/a%C3%A9", "/aé"),
        ("/a%2cb,c", "/a%2Cb,c", "/a,b,c"),
        ("/a{b}|c", "/a%7Bb%7D%7Cc", "/a{b}|c"),
        ("/a+b%20c", "/a+b%20c", "/a+b c"),
        ("/...", "/...", "/..."),
        ("/a:b@c=d", "/a:b@c=d", "/a:b@c=d"),
        ("/a%3fb%23c", "/a%3Fb%23c", "/a?b#c"),
    ] {
        let target = Target::canonical(raw).expect(raw);
        assert_eq!((target.as_str(), target.path()), (forwarded, path), "{raw}");
    }
}

#[test]
fn a_query_is_canonical_pair_by_pair_and_keeps_its_order() {
    let target = Target::canonical("/s?b=2&%61=1+1&b=%2b&f&v=a=b%3D/?%2e%3B%26&m[]=x&n=%0A").unwrap();
    assert_eq!(target.as_str(), "/s?b=2&a=1%201&b=%2B&f&v=a=b%3D/?.%3B%26&m%5B%5D=x&n=%0A");
    let pairs: Vec<_> = target.query().collect();
    assert_eq!(pairs, [("b", "2"), ("a", "1 1"), ("b", "+"), ("f", ""), ("v", "a=b=/?.;&"), ("m[]", "x"), ("n", "\n")]);
    assert_eq!(target.segments().collect::<Vec<_>>(), ["s"]);
    assert_eq!(target.canonical_path(), "/s");
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    use MalformedTarget as M;
    for (raw, why) in [
        ("", M::NotAPath),
        ("*", M::NotAPath),
        ("a/b", M::NotAPath),
        ("?a=1", M::NotAPath),
        ("http://a/b", M::NotAPath),
        ("//", M::EmptySegment),
        ("//a", M::EmptySegment),
        ("/a//b", M::EmptySegment),
        ("/a//", M::EmptySegment),
        ("/.", M::DotSegment),
        ("/a/../b", M::DotSegment),
        ("/a/./b", M::DotSegment),
        ("/a/..", M::DotSegment),
        ("/a/../", M::DotSegment),
        ("/a/%2e%2e/b", M::EscapedDelimiter),
        ("/a/.%2E/b", M::EscapedDelimiter),
        ("/a%2fb", M::EscapedDelimiter),
        ("/a%5Cb", M::EscapedDelimiter),
        ("/a%252fb", M::EscapedDelimiter),
        ("/a%3bb", M::EscapedDelimiter),
        ("/a;v=1", M::RawCharacter),
        ("/a/..;/b", M::RawCharacter),
        ("/a\\b", M::RawCharacter),
        ("/a b", M::RawCharacter),
        ("/a#b", M::RawCharacter),
        ("/a?b#c", M::RawCharacter),
        ("/é", M::RawCharacter),
        ("/a\u{7f}", M::RawCharacter),
        ("/a\r\nHost: b", M::RawCharacter),
        ("/a%", M::InvalidEscape),
        ("/a%4", M::InvalidEscape),
        ("/a%zz", M::InvalidEscape),
        ("/a%+1", M::InvalidEscape),
        ("/a%u0041", M::InvalidEscape),
        ("/a%00", M::Control),
        ("/a%0d%0a", M::Control),
        ("/a%7f", M::Control),
        ("/a%C2%80", M::Control),
        ("/a%ff", M::NotUtf8),
        ("/%c0%af", M::NotUtf8),
        ("/%ed%a0%80", M::NotUtf8),
        ("/a?", M::AmbiguousQuery),
        ("/a?b&", M::AmbiguousQuery),
        ("/a?&b", M::AmbiguousQuery),
        ("/a?b&&c", M::AmbiguousQuery),
        ("/a?=b", M::AmbiguousQuery),
        ("/a?b%3Dc=d", M::AmbiguousQuery),
        ("/a?b=1;c=2", M::RawCharacter),
        ("/a?b=\\", M::RawCharacter),
        ("/a?b=%0", M::InvalidEscape),
        ("/a?b=%ff", M::NotUtf8),
        ("/a?b=%00", M::Control),
        ("/a?b%0a=1", M::Control),
    ] {
        assert_eq!(refused(raw), why, "{raw:?}");
    }
}

#[test]
fn ht_19_a_method_override_in_the_query_is_refused_in_every_spelling() {
    for raw in [
        "/a?_method=DELETE",
        "/a?b=1&%5Fmethod=PUT",
        "/a?_METHOD",
        "/a?.method=DELETE",
        "/a?_method%5B%5D=DELETE",
        "/a?%20_method=DELETE",
        "/a?_HttpMethod=DELETE",
        "/a?x-http-method-override=DELETE",
    ] {
        assert_eq!(refused(raw), MalformedTarget::MethodOverride, "{raw}");
    }
}

#[test]
fn ht_20_every_value_of_a_repeated_key_is_judged() {
    let target = Target::canonical("/a?id=1&i%64=2").unwrap();
    assert_eq!(target.query().collect::<Vec<_>>(), [("id", "1"), ("id", "2")]);
}

#[test]
fn a_target_is_bounded_before_and_after_it_is_canonical() {
    let longest = format!("/{}", "a".repeat(MAX_TARGET_BYTES - 1));
    assert_eq!(Target::canonical(&longest).unwrap().as_str(), longest);
    assert_eq!(refused(&format!("{longest}a")), MalformedTarget::TooLong);
    assert_eq!(refused(&format!("/{}", "{".repeat(MAX_TARGET_BYTES / 2))), MalformedTarget::TooLong);
}

const PIECES: &[&str] = &[
    "/", "/", "/", "a", "b", "Z", "~", ".", "..", "?", "&", "=", "+", ";", "\\", "#", " ", "%", "{", "[", "\"", "%2e",
    "%2F", "%41", "%c3%a9", "%C3%A9", "%ff", "%00", "%0a", "%20", "%2b", "%25", "%3B", "%3d", "%26", "%5f", "é", ":",
    "@", ",", "%2c",
];
const HARMLESS: &[&str] = &["/", "a", "b", "%41", "%c3%a9", "%2b", "%2c", "~", "%7e", ",", "{"];

/// Whole targets of which a good part is acceptable: any pieces, harmless pieces, or a path and pairs.
fn targets() -> impl Strategy<Value = String> {
    let pieces = |from: &'static [&'static str], most| {
        prop::collection::vec(prop::sample::select(from), 0..most).prop_map(|p| format!("/{}", p.concat()))
    };
    let query =
        prop::collection::vec(prop::sample::select(&["a", "%61", "+", "%20", "%3D", "%0A", "[", "=", "?"][..]), 1..5)
            .prop_map(|value| format!("/x/%79?k={}&k", value.concat()));
    prop_oneof![pieces(PIECES, 8), pieces(HARMLESS, 6), query]
}

fn run<S: Strategy>(strategy: &S, law: impl Fn(S::Value) -> Result<bool, TestCaseError>) {
    let (held, refused) = (Cell::new(0), Cell::new(0));
    let config = Config { cases: 4000, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
        .run(strategy, |input| {
            let count = if law(input)? { &held } else { &refused };
            count.set(count.get() + 1);
            Ok(())
        })
        .unwrap();
    assert!(held.get() > 1000 && refused.get() > 500, "{} held, {} refused", held.get(), refused.get());
}

/// The slow, obvious reading of a canonical component.
fn decode(component: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = component.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            octets.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            octets.push(first);
            rest = tail;
        }
    }
    String::from_utf8(octets).unwrap()
}

#[test]
fn what_is_canonical_stays_as_it_is_and_is_judged_the_same() {
    run(&targets(), |raw| {
        let Ok(target) = Target::canonical(&raw) else { return Ok(false) };
        // Whole values are equal: two inputs of one canonical form cannot be judged differently.
        prop_assert_eq!(Target::canonical(target.as_str()), Ok(target));
        Ok(true)
    });
}

#[test]
fn what_is_forwarded_decodes_to_what_is_judged() {
    run(&targets(), |raw| {
        let Ok(target) = Target::canonical(&raw) else { return Ok(false) };
        let mut octets = target.as_str().bytes();
        let is_uri = octets.all(|b| b.is_ascii_graphic() && !b"\\;#\"<>^`{|}[]".contains(&b));
        prop_assert!(is_uri, "{}", target.as_str());
        let (path, query) = target.as_str().split_once('?').unwrap_or((target.as_str(), ""));
        prop_assert_eq!(decode(path), target.path());
        let pairs = query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")));
        let pairs: Vec<_> = pairs.map(|(k, v)| (decode(k), decode(v))).collect();
        prop_assert_eq!(pairs, target.query().map(|(k, v)| (k.to_owned(), v.to_owned())).collect::<Vec<_>>());
        for segment in target.segments() {
            prop_assert!(!segment.is_empty() && segment != "." && segment != "..");
            prop_assert!(!segment.contains(|c: char| matches!(c, '/' | '\\' | ';' | '%') || c.is_control()));
        }
        Ok(true)
    });
}

#[test]
fn another_spelling_of_a_target_is_the_same_target() {
    let respelled = (targets(), prop::collection::vec(any::<bool>(), 16));
    run(&respelled, |(raw, choices)| {
        let Ok(target) = Target::canonical(&raw) else { return Ok(false) };
        let mut choices = choices.into_iter().cycle();
        let mut spelling = String::new();
        let mut in_escape = 0;
        for c in target.as_str().chars() {
            let change = choices.next().unwrap();
            match c {
                '%' => in_escape = 3,
                'A'..='Z' | 'a'..='z' | '~' | '-' | '_' if in_escape == 0 && change => {
                    spelling.push_str(&format!("%{:02x}", c as u32));
                    continue;
                }
                _ => {}
            }
            spelling.push(if in_escape > 0 && change { c.to_ascii_lowercase() } else { c });
            in_escape = if in_escape > 0 { in_escape - 1 } else { 0 };
        }
        prop_assert_eq!(Target::canonical(&spelling), Ok(target), "{}", spelling);
        Ok(true)
    });
}
