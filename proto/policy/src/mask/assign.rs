//! Values behind names in running text: `name=value`, `"name": "value"`, `Name: value`.

use super::bytes::{Reading, Window};
use super::names::{Named, Names, is_secret};
use super::plan::ClassId;
use std::ops::Range;

/// Longest name that is read, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// Longest value that is masked, in bytes.
const MAX_VALUE_BYTES: usize = 8 << 10;
/// Most blanks, and most backslashes before a quote.
const MAX_BLANKS: usize = 8;

/// Reads the assignment around a `:` or `=`.
pub(super) fn around(window: Window<'_>, at: usize, names: &Names) -> Option<(ClassId, Reading)> {
    let name = name_before(window, at);
    let named = names.of(window.slice(name.clone()))?;
    let (class, is_field) = match named {
        Named::Field(class) => (class, true),
        Named::Secret(class) => (class, false),
    };
    let operator = window.byte(at);
    let behind = window.run(at + 1, 1, |byte| matches!(byte, b'=' | b'>'));
    let blanks = window.run(behind, MAX_BLANKS, |byte| matches!(byte, b' ' | b'\t'));
    let escapes = window.run(blanks, MAX_BLANKS, |byte| byte == b'\\');
    let reading = match window.byte(escapes) {
        None if !window.whole => Reading::Unfinished(name.start),
        Some(quote @ (b'"' | b'\'' | b'`')) => value(window, name, escapes + 1, quoted(window, escapes + 1, quote)),
        // A field in a line of its own has the rest of the line, or of the list.
        Some(_) if is_field && operator == Some(b':') => {
            value(window, name, blanks, window.run(blanks, MAX_VALUE_BYTES, |byte| !b"\r\n,;}]\"<`".contains(&byte)))
        }
        _ => value(window, name, blanks, window.run(blanks, MAX_VALUE_BYTES, is_bare)),
    };
    match reading {
        Reading::Value(range) if range.is_empty() || (!is_field && !is_secret(window.slice(range.clone()))) => None,
        Reading::Nothing | Reading::Value(_) | Reading::Unfinished(_) => Some((class, reading)),
    }
}

/// Returns where the name before an operator is; between them may be blanks and the quote that closes the name.
fn name_before(window: Window<'_>, at: usize) -> Range<usize> {
    let operator = window.run_back(at, 1, |byte| matches!(byte, b':' | b'='));
    let blanks = window.run_back(operator, MAX_BLANKS, |byte| matches!(byte, b' ' | b'\t'));
    let quote = window.run_back(blanks, 1, |byte| matches!(byte, b'"' | b'\'' | b'`'));
    let end = if quote < blanks { window.run_back(quote, MAX_BLANKS, |byte| byte == b'\\') } else { quote };
    window.run_back(end, MAX_NAME_BYTES, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | 0x80..))
        ..end
}

/// A value is quoted until the same quote; a backslash hides one only where the opening one had none.
fn quoted(window: Window<'_>, from: usize, quote: u8) -> usize {
    let is_escaped = window.before(from - 1) == Some(b'\\');
    let mut hidden = false;
    window.run(from, MAX_VALUE_BYTES, |byte| {
        let ends = (byte == quote && !hidden) || (is_escaped && byte == b'\\') || matches!(byte, b'\r' | b'\n');
        hidden = byte == b'\\' && !hidden;
        !ends
    })
}

const fn is_bare(byte: u8) -> bool {
    !matches!(byte, 0..=b' ' | 0x7f | b',' | b';' | b'&' | b'"' | b'\'' | b'<' | b'>' | b')' | b']' | b'}' | b'\\')
}

fn value(window: Window<'_>, name: Range<usize>, start: usize, end: usize) -> Reading {
    if window.is_cut_at(end) { Reading::Unfinished(name.start) } else { Reading::Value(start..end) }
}
