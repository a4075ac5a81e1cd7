//! E-mail addresses (RFC 5321 §4.1.2, RFC 6531 §3.3), found by their at sign.

use super::bytes::{Reading, Window};

/// Longest local part that is masked, in bytes. RFC 5321 §4.5.3.1.1 allows 64; escapes make it longer.
const MAX_LOCAL_BYTES: usize = 128;
/// Longest domain, in bytes (RFC 5321 §4.5.3.1.2).
const MAX_DOMAIN_BYTES: usize = 255;
/// How an at sign is spelled: plainly, in URLs, in string literals, and in markup.
const AT_SIGNS: [&[u8]; 7] = [b"@", b"%40", b"\\u0040", b"\\x40", b"&#64;", b"&#x40;", b"&commat;"];

/// Reads the address around a byte that may begin an at sign.
pub(super) fn around(window: Window<'_>, at: usize) -> Reading {
    let Some(sign) = AT_SIGNS.iter().find(|sign| window.says(at, sign)) else {
        return Reading::Nothing;
    };
    let start = local_start(window, at);
    let domain = at + sign.len();
    let run = domain_run(window, domain);
    if start == at {
        return Reading::Nothing;
    }
    if window.is_cut_at(run) {
        return Reading::Unfinished(start);
    }
    domain_end(window, domain, run).map_or(Reading::Nothing, |end| Reading::Value(start..end))
}

/// Returns the one spelling of an address: lower case and a plain at sign.
pub(super) fn canonical(value: &[u8]) -> Vec<u8> {
    let window = Window { text: value, whole: true };
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(byte) = window.byte(at) {
        match AT_SIGNS.iter().find(|sign| window.says(at, sign)) {
            Some(sign) => {
                out.push(b'@');
                at += sign.len();
            }
            None => {
                out.push(byte.to_ascii_lowercase());
                at += 1;
            }
        }
    }
    out.trim_ascii().to_vec()
}

/// Of the characters that a local part may have unquoted (`atext`, RFC 5322 §3.2.3), those that delimit values in URLs,
/// markup and configuration files are left out: `?a=x@y.z` has the address `x@y.z`.
fn local_start(window: Window<'_>, at: usize) -> usize {
    let mut start = at;
    while at - start < MAX_LOCAL_BYTES {
        let (is_local, length) = match window.before(start) {
            Some(byte) if byte < 0x80 => (byte.is_ascii_alphanumeric() || b"._%+-'!#$*^~".contains(&byte), 1),
            Some(_) => character_before(window, start),
            None => break,
        };
        if !is_local {
            break;
        }
        start -= length;
    }
    // Quotes and marks of emphasis around an address are not part of it.
    let is_mark = |byte: u8| byte.is_ascii_punctuation() && byte != b'_';
    window.run(start, at - start, is_mark)
}

fn domain_run(window: Window<'_>, from: usize) -> usize {
    let mut end = from;
    while end - from < MAX_DOMAIN_BYTES {
        let (is_domain, length) = match window.byte(end) {
            Some(byte) if byte < 0x80 => (byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.', 1),
            Some(_) => character_after(window, end),
            None => break,
        };
        if !is_domain {
            break;
        }
        end += length;
    }
    end
}

/// Returns where the domain ends: after the last label that can be a top-level one, with another before it.
fn domain_end(window: Window<'_>, from: usize, run: usize) -> Option<usize> {
    let mut end = None;
    let mut at = from;
    let labels = window.slice(from..run);
    for (position, label) in labels.split(|&byte| byte == b'.').enumerate() {
        if label.is_empty() || label.starts_with(b"-") {
            break;
        }
        at += label.len();
        let is_letter = label.first().is_some_and(|first| first.is_ascii_alphabetic() || *first >= 0x80);
        if position > 0 && label.len() >= 2 && is_letter {
            end = Some(at);
        }
        at += 1;
    }
    end.filter(|_| !is_scaled_image(labels))
}

/// `logo@2x.png` names a picture for a screen of twice the density.
fn is_scaled_image(domain: &[u8]) -> bool {
    let mut labels = domain.splitn(2, |&byte| byte == b'.');
    let scale = labels.next().and_then(|label| label.strip_suffix(b"x"));
    let is_scale = scale.is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
    let kinds: [&[u8]; 6] = [b"png", b"jpg", b"jpeg", b"gif", b"webp", b"avif"];
    is_scale && labels.next().is_some_and(|kind| kinds.contains(&kind))
}

/// Whether the character that ends here is a letter or a digit, and its length. A byte that ends no UTF-8 sequence is
/// read as ISO 8859-1.
fn character_before(window: Window<'_>, end: usize) -> (bool, usize) {
    let of_length = |length: usize| character(window.slice(end.checked_sub(length)?..end), length);
    (2..=4).find_map(of_length).unwrap_or((true, 1))
}

fn character_after(window: Window<'_>, start: usize) -> (bool, usize) {
    let of_length = |length: usize| character(window.slice(start..start + length), length);
    (2..=4).find_map(of_length).unwrap_or((true, 1))
}

fn character(bytes: &[u8], length: usize) -> Option<(bool, usize)> {
    let mut characters = std::str::from_utf8(bytes).ok()?.chars();
    let only = characters.next().filter(|only| only.len_utf8() == length && characters.next().is_none())?;
    Some((only.is_alphanumeric(), length))
}
