//! JSON strings (RFC 8259 §7) and the texts they stand for.

use crate::mask::Uninspectable;
use crate::mask::bytes::{Window, first_of};

/// Decodes what is between the quotes of a string that has escapes. Half of a surrogate pair becomes U+FFFD.
pub(super) fn decode(inner: &[u8]) -> Result<Vec<u8>, Uninspectable> {
    let inner = Window { text: inner, whole: true };
    let mut text = Vec::with_capacity(inner.text.len());
    let mut at = 0;
    while let Some(byte) = inner.byte(at) {
        if byte != b'\\' {
            let end = inner.run(at, usize::MAX, |byte| byte != b'\\');
            text.extend_from_slice(inner.slice(at..end));
            at = end;
            continue;
        }
        let plain = match inner.byte(at + 1) {
            Some(same @ (b'"' | b'\\' | b'/')) => same,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let (character, length) = unicode(inner, at)?;
                text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += length;
                continue;
            }
            _ => return Err(Uninspectable::Malformed),
        };
        text.push(plain);
        at += 2;
    }
    Ok(text)
}

/// Reads `\uXXXX`, or two of them that are one character.
fn unicode(inner: Window<'_>, at: usize) -> Result<(char, usize), Uninspectable> {
    let high = unit(inner, at).ok_or(Uninspectable::Malformed)?;
    if let Some(character) = char::from_u32(high) {
        return Ok((character, 6));
    }
    let low = unit(inner, at + 6).filter(|low| (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(low));
    let pair = low.and_then(|low| char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)));
    Ok(pair.map_or((char::REPLACEMENT_CHARACTER, 6), |character| (character, 12)))
}

fn unit(inner: Window<'_>, at: usize) -> Option<u32> {
    let digits = inner.text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

/// Writes a text as a string, quotes included. `<`, `>`, `&` and the separators that are line ends in scripts are
/// escaped: whoever had escaped them had a reason.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text;
    while let Some((plain, special)) = first_of(rest, is_special).and_then(|at| rest.split_at_checked(at)) {
        out.extend_from_slice(plain);
        let Some((byte, behind)) = special.split_first() else { break };
        rest = escape(*byte, behind, out);
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Writes one byte that may need an escape; returns what follows what was written.
fn escape<'t>(byte: u8, behind: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..0x20 | b'<' | b'>' | b'&' | 0x7f => {
            out.extend_from_slice(b"\\u00");
            out.extend([byte >> 4, byte & 15].iter().filter_map(|digit| DIGITS.get(usize::from(*digit))));
        }
        0xe2 if behind.starts_with(&[0x80, 0xa8]) || behind.starts_with(&[0x80, 0xa9]) => {
            out.extend_from_slice(if behind.starts_with(&[0x80, 0xa8]) { b"\\u2028" } else { b"\\u2029" });
            return behind.get(2..).unwrap_or_default();
        }
        _ => out.push(byte),
    }
    behind
}

/// Returns whether a byte may need an escape.
const fn is_special(byte: u8) -> bool {
    (byte < 0x20)
        | (byte == b'"')
        | (byte == b'\\')
        | (byte == b'<')
        | (byte == b'>')
        | (byte == b'&')
        | (byte == 0x7f)
        | (byte == 0xe2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_is_decoded() {
        let table: [(&str, &str); 8] = [
            (r"plain \u00e9", "plain é"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r"\u0031\u00323", "123"),
            (r"\uD83D\uDE00!", "\u{1f600}!"),
            (r"\ud83d", "\u{fffd}"),
            (r"\ud83dx\ude00", "\u{fffd}x\u{fffd}"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            ("é\\u0041", "éA"),
        ];
        for (inner, text) in table {
            assert_eq!(decode(inner.as_bytes()), Ok(text.as_bytes().to_vec()), "{inner}");
        }
        for bad in [r"\", r"\x41", r"\u", r"\u12", r"\u12g4", r"\U0041", r"\u+041", r"\'"] {
            assert_eq!(decode(bad.as_bytes()), Err(Uninspectable::Malformed), "{bad}");
        }
    }

    #[test]
    fn what_is_encoded_is_what_serde_reads() {
        let text = "a\"b\\c/\u{0}\u{1f}\u{7f}\n\r\t<script>&é\u{2028}\u{2029}\u{1f600}";
        let mut out = Vec::new();
        encode(text.as_bytes(), &mut out);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        assert!(out.iter().all(|byte| *byte >= 0x20 && !b"<>&".contains(byte)));
        assert_eq!(decode(&out[1..out.len() - 1]).unwrap(), text.as_bytes());
    }
}
