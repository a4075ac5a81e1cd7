//! Tokens that authenticate their bearer: those with a prefix of their issuer's, and those behind `Bearer` or `Basic`.

use super::bytes::{Reading, Window};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// How much of a run decides whether it is a token, in bytes.
const MAX_JUDGED_BYTES: usize = 256;
/// Longest token that is masked, in bytes; a run goes no further.
const MAX_TOKEN_BYTES: usize = 16 << 10;

/// A token by its prefix.
#[derive(Debug)]
pub(super) struct Prefix {
    /// How it begins.
    pub(super) text: &'static str,
    /// Fewest bytes behind the prefix.
    least: usize,
    /// What it consists of.
    belongs: fn(u8) -> bool,
    /// Whether the prefix alone is an ordinary word: then there must be a digit and a capital letter.
    is_weak: bool,
}

const fn prefix(text: &'static str, least: usize, belongs: fn(u8) -> bool) -> Prefix {
    Prefix { text, least, belongs, is_weak: false }
}

/// The prefixes, as their issuers document them.
pub(super) const PREFIXES: [Prefix; 18] = [
    // AWS access key ids: long-term and temporary.
    prefix("AKIA", 16, is_capital_or_digit),
    prefix("ASIA", 16, is_capital_or_digit),
    // GitHub: personal, OAuth, server-to-server, user-to-server, refresh, fine-grained.
    prefix("ghp_", 20, is_word),
    prefix("gho_", 20, is_word),
    prefix("ghs_", 20, is_word),
    prefix("ghu_", 20, is_word),
    prefix("ghr_", 20, is_word),
    prefix("github_pat_", 20, is_word),
    // GitLab; routable tokens have dots.
    prefix("glpat-", 20, is_word_dash_or_dot),
    // Slack: bot, user, workspace, app, refresh and configuration tokens.
    prefix("xoxb-", 10, is_word_or_dash),
    prefix("xoxp-", 10, is_word_or_dash),
    prefix("xoxa-", 10, is_word_or_dash),
    prefix("xoxr-", 10, is_word_or_dash),
    prefix("xoxe", 10, is_word_dash_or_dot),
    // Stripe: secret and restricted keys.
    prefix("sk_live_", 10, is_word),
    prefix("rk_live_", 10, is_word),
    // Google.
    prefix("AIza", 35, is_word_or_dash),
    // OpenAI, Anthropic and others.
    Prefix { text: "sk-", least: 20, belongs: is_word_or_dash, is_weak: true },
];

/// The schemes of `Authorization` (RFC 9110 §11.6.2) whose credentials are masked, in the cases they are written in.
pub(super) const BEARER: [&str; 3] = ["Bearer", "bearer", "BEARER"];
/// RFC 7617.
pub(super) const BASIC: [&str; 3] = ["Basic", "basic", "BASIC"];

/// Reads the token that begins with a prefix.
pub(super) fn prefixed(window: Window<'_>, at: usize, prefix: &Prefix) -> Reading {
    if !window.is_word_start(at) {
        return Reading::Nothing;
    }
    let from = at + prefix.text.len();
    let judged = window.run(from, MAX_JUDGED_BYTES, prefix.belongs);
    if window.is_cut_at(judged) {
        return Reading::Unfinished(at);
    }
    let tail = window.slice(from..judged);
    let is_mixed = tail.iter().any(u8::is_ascii_digit) && tail.iter().any(u8::is_ascii_uppercase);
    if tail.len() < prefix.least || (prefix.is_weak && !is_mixed) {
        return Reading::Nothing;
    }
    value(window, at, window.run(from, MAX_TOKEN_BYTES, prefix.belongs))
}

/// Reads the credentials behind `Bearer` (RFC 6750 §2.1); the scheme itself stays.
pub(super) fn bearer(window: Window<'_>, at: usize, scheme: &str) -> Reading {
    credentials(window, at, scheme, |token| token.len() >= 20 || token.iter().any(u8::is_ascii_digit))
}

/// Reads the credentials behind `Basic` (RFC 7617 §2): base64 of two texts with a colon between them.
pub(super) fn basic(window: Window<'_>, at: usize, scheme: &str) -> Reading {
    credentials(window, at, scheme, |token| {
        let unpadded: Vec<u8> = token.iter().copied().filter(|byte| *byte != b'=').collect();
        let whole = unpadded.len() - unpadded.len() % 4;
        let judged = unpadded.get(..whole.min(MAX_JUDGED_BYTES)).unwrap_or_default();
        STANDARD_NO_PAD.decode(judged).is_ok_and(|text| text.contains(&b':'))
    })
}

fn credentials(window: Window<'_>, at: usize, scheme: &str, are_some: impl Fn(&[u8]) -> bool) -> Reading {
    const MOST_BLANKS: usize = 8;
    let behind = at + scheme.len();
    if !window.is_word_start(at) {
        return Reading::Nothing;
    }
    let mut from = behind;
    while from - behind < MOST_BLANKS {
        from += match window.byte(from) {
            Some(b' ' | b'\t' | b'+') => 1,
            Some(b'%') if window.says(from, b"%20") => 3,
            _ => break,
        };
    }
    let judged = window.run(from, MAX_JUDGED_BYTES, is_credential);
    if window.is_cut_at(judged) {
        return Reading::Unfinished(at);
    }
    let token = window.slice(from..judged);
    if from == behind || token.len() < 8 || !are_some(token) {
        return Reading::Nothing;
    }
    value(window, from, window.run(from, MAX_TOKEN_BYTES, is_credential))
}

fn value(window: Window<'_>, start: usize, end: usize) -> Reading {
    if window.is_cut_at(end) { Reading::Unfinished(start) } else { Reading::Value(start..end) }
}

const fn is_capital_or_digit(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const fn is_word_or_dash(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

const fn is_word_dash_or_dot(byte: u8) -> bool {
    is_word_or_dash(byte) || byte == b'.'
}

/// `token68` (RFC 9110 §11.2), and `%` for one that is escaped.
const fn is_credential(byte: u8) -> bool {
    is_word_dash_or_dot(byte) || matches!(byte, b'~' | b'+' | b'/' | b'=' | b'%')
}
