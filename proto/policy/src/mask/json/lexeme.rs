//! The parts of JSON that are longer than a byte.

use super::Json;
use super::Part;
use super::number::{as_integer, is_number};
use super::string::decode;
use super::structure::{Role, Structure};
use crate::mask::Uninspectable;
use crate::mask::bytes::{HIGH, Hints, STOP, Window, kinds};
use crate::mask::card;
use crate::mask::leaf::Leaf;
use crate::mask::names::{Named, is_secret};
use crate::mask::plan::MaskPlan;

/// What stands before JSON that must not be run as a script; a comma may follow.
const GUARD: &[u8] = b")]}'";
/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Where the reader is between bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lexeme {
    /// Between lexemes.
    Between,
    /// In a string.
    String(Seen),
    /// In a number or a literal.
    Scalar,
    /// In what may stand before the first value: this many of its bytes were there.
    Prefix(&'static [u8], usize),
}

/// What a string has so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    hints: Hints,
    has_escapes: bool,
    /// Whether its last byte begins an escape.
    is_escaping: bool,
}

impl Lexeme {
    /// Reads on, and returns whether a string or scalar ends here; otherwise the chunk is over.
    pub(super) fn read(&mut self, structure: &mut Structure, part: &mut Part<'_>) -> Result<bool, Uninspectable> {
        // Almost every string is in one chunk: its state stays in registers, and is written once.
        let mut lexeme = *self;
        let ends = loop {
            match &mut lexeme {
                Self::Between => match between(structure, part)? {
                    Some(begun) => lexeme = begun,
                    None => break false,
                },
                Self::String(seen) => break seen.read(part)?,
                Self::Scalar => break in_scalar(part),
                Self::Prefix(text, at) if *at == text.len() => {
                    if *text == GUARD {
                        structure.guarded();
                    }
                    lexeme = Self::Between;
                }
                Self::Prefix(text, at) => {
                    let Some(byte) = part.chunk.get(part.at) else {
                        break false;
                    };
                    if text.get(*at) != Some(byte) {
                        return Err(Uninspectable::Malformed);
                    }
                    (*at, part.at) = (*at + 1, part.at + 1);
                }
            }
        };
        *self = lexeme;
        Ok(ends)
    }
}

/// Reads structure until something longer begins.
fn between(structure: &mut Structure, part: &mut Part<'_>) -> Result<Option<Lexeme>, Uninspectable> {
    while let Some(&byte) = part.chunk.get(part.at) {
        part.start = part.at;
        part.at += 1;
        match byte {
            b'"' if structure.takes_string() => return Ok(Some(Lexeme::String(Seen::default()))),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' if structure.takes_value() => return Ok(Some(Lexeme::Scalar)),
            b')' if structure.is_at_start() => return Ok(Some(Lexeme::Prefix(GUARD, 1))),
            0xef if structure.is_at_start() => return Ok(Some(Lexeme::Prefix(BYTE_ORDER_MARK, 1))),
            _ => structure.take(byte)?,
        }
    }
    Ok(None)
}

fn in_scalar(part: &mut Part<'_>) -> bool {
    while let Some(byte) = part.chunk.get(part.at) {
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b']' | b'}' | b':' | b'"' | b'{' | b'[' | 0x1e) {
            return true;
        }
        part.at += 1;
    }
    false
}

impl Seen {
    /// Takes whether there is no anchor in the string as it is written.
    pub(super) const fn has_no_anchor(&mut self, has_none: bool) {
        self.hints.no_anchor = has_none;
    }

    /// Reads to the closing quote.
    fn read(&mut self, part: &mut Part<'_>) -> Result<bool, Uninspectable> {
        loop {
            let rest = part.chunk.get(part.at..).unwrap_or_default();
            if self.is_escaping {
                let Some(escaped) = rest.first() else {
                    return Ok(false);
                };
                if !escaped.is_ascii_graphic() {
                    return Err(Uninspectable::Malformed);
                }
                self.is_escaping = false;
                part.at += 1;
                continue;
            }
            let mut hints = self.hints;
            let plain = rest.iter().position(|byte| {
                let kinds = kinds(*byte);
                if kinds & STOP == 0 {
                    hints.see(kinds);
                }
                kinds & STOP != 0
            });
            self.hints = hints;
            let Some(length) = plain else {
                part.at = part.chunk.len();
                return Ok(false);
            };
            part.at += length + 1;
            match rest.get(length) {
                Some(b'"') => return Ok(true),
                Some(b'\\') => (self.has_escapes, self.is_escaping) = (true, true),
                // RFC 8259 §7: control characters must be escaped.
                _ => return Err(Uninspectable::Malformed),
            }
        }
    }
}

impl Json {
    /// Inspects a string, quotes included; returns the text that stands in place of its own.
    pub(super) fn string(
        &mut self,
        plan: &MaskPlan,
        seen: Seen,
        quoted: &[u8],
    ) -> Result<Option<Vec<u8>>, Uninspectable> {
        let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        if seen.hints.has(HIGH) && std::str::from_utf8(inner).is_err() {
            return Err(Uninspectable::Encoding);
        }
        if seen.has_escapes {
            let text = decode(inner)?;
            let hints = Hints::of(&text);
            self.text(plan, Leaf { text: &text, hints, nesting: self.nesting })
        } else {
            self.text(plan, Leaf { text: inner, hints: seen.hints, nesting: self.nesting })
        }
    }

    fn text(&mut self, plan: &MaskPlan, leaf: Leaf<'_>) -> Result<Option<Vec<u8>>, Uninspectable> {
        let named = match self.structure.take_string() {
            Role::Value(named) => named,
            Role::Key => {
                self.structure.name(plan.names.of(leaf.text));
                None
            }
        };
        plan.mask_under(named, leaf, &mut self.counts)
    }

    /// Inspects a number or a literal; returns the text that stands in its place.
    pub(super) fn scalar(&mut self, plan: &MaskPlan, text: &[u8]) -> Result<Option<Vec<u8>>, Uninspectable> {
        let is_literal = matches!(text, b"true" | b"false" | b"null");
        if !is_literal && !is_number(text) {
            return Err(Uninspectable::Malformed);
        }
        let class = match self.structure.take_value() {
            Some(Named::Field(class)) if text != b"null" => Some(class),
            Some(Named::Secret(class)) if !is_literal && is_secret(text) => Some(class),
            Some(Named::Field(_) | Named::Secret(_)) | None => None,
        };
        if let Some(class) = class {
            return Ok(Some(plan.mask_value(class, text, Hints::of(text), &mut self.counts)));
        }
        if is_literal || !plan.can_be_number(text.len()) {
            return Ok(None);
        }
        let integer = as_integer(text);
        let spellings = [Some(text), integer.as_deref()];
        let class = spellings.into_iter().flatten().find_map(|text| {
            let findings = plan.scan(Window { text, whole: true }, Hints::of(text));
            findings.found.first().map(|found| found.class)
        });
        Ok(class.map(|class| {
            let mut masked = Vec::new();
            plan.put(class, integer.as_deref().unwrap_or(text), &mut masked, &mut self.counts);
            masked
        }))
    }
}

impl MaskPlan {
    /// Returns whether a number of this length can have to be masked for what it is.
    fn can_be_number(&self, bytes: usize) -> bool {
        let credential = self.machine.as_ref().is_some_and(|m| m.has_credentials() && m.can_be_in(bytes));
        credential || (self.card().is_some() && bytes >= *card::DIGITS.start())
    }
}
