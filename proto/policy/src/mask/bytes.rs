//! Bytes by what they can begin, and texts by which of them they have.

use std::ops::Range;

/// Begins a spelling of the at sign.
pub(super) const AT: u8 = 1;
/// Stands between a name and a value.
pub(super) const ASSIGN: u8 = 2;
/// Ends a run of plain bytes in a JSON string (RFC 8259 §7).
pub(super) const STOP: u8 = 4;
/// Is not ASCII.
pub(super) const HIGH: u8 = 8;
/// Is a digit.
pub(super) const DIGIT: u8 = 16;
/// Is neither of a base64 alphabet (RFC 4648 §4, §5) nor a line break.
pub(super) const NOT_BASE64: u8 = 32;

const KINDS: [u8; 256] = kinds_of_all();

#[expect(clippy::indexing_slicing, reason = "the index stays below 256")]
const fn kinds_of_all() -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        kinds[byte] = match byte {
            0x0a | 0x0d => STOP,
            0..0x20 | 0x22 => STOP | NOT_BASE64,
            0x5c => STOP | AT | NOT_BASE64,
            0x25 | 0x26 | 0x40 => AT | NOT_BASE64,
            0x30..=0x39 => DIGIT,
            0x3a => ASSIGN | NOT_BASE64,
            0x3d => ASSIGN,
            0x41..=0x5a | 0x61..=0x7a | 0x2b | 0x2d | 0x2f | 0x5f => 0,
            0x80.. => HIGH | NOT_BASE64,
            _ => NOT_BASE64,
        };
        byte += 1;
    }
    kinds
}

/// Returns what a byte can be.
#[inline]
#[expect(clippy::indexing_slicing, reason = "a byte is an index of a table of 256")]
pub(super) const fn kinds(byte: u8) -> u8 {
    KINDS[byte as usize]
}

/// Returns whether a byte is [`AT`] or [`ASSIGN`].
#[inline]
pub(super) const fn is_mark(byte: u8) -> bool {
    (byte == b'%') | (byte == b'&') | (byte == b'@') | (byte == b'\\') | (byte == b':') | (byte == b'=')
}

/// Returns where the first byte is that `is_one` accepts. Cheap where there is none for long: whole pieces are looked at
/// in a loop without a way out, of which the compiler makes vector instructions if `is_one` has no branches either.
#[inline]
pub(super) fn first_of(text: &[u8], is_one: impl Fn(u8) -> bool) -> Option<usize> {
    const PIECE: usize = 16;
    let has_none = |piece: &&[u8]| !piece.iter().fold(false, |any, byte| any | is_one(*byte));
    let skipped = PIECE * text.chunks_exact(PIECE).take_while(has_none).count();
    let found = text.get(skipped..)?.iter().position(|byte| is_one(*byte))?;
    Some(skipped + found)
}

/// What a text has, cheaply known: enough to tell which detectors cannot find anything in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Hints {
    /// The kinds of its bytes.
    pub(super) kinds: u8,
    /// How many digits it has.
    pub(super) digits: usize,
    /// Whether it is known to have nothing of what tokens, keys and credentials begin with.
    pub(super) no_anchor: bool,
}

impl Hints {
    /// Of a text that nobody looked at.
    pub(super) const ANY: Self = Self { kinds: u8::MAX, digits: usize::MAX, no_anchor: false };

    /// Reads a whole text.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut hints = Self::default();
        for &byte in text {
            hints.see(kinds(byte));
        }
        hints
    }

    /// Adds a byte of these kinds.
    #[inline]
    pub(super) const fn see(&mut self, kinds: u8) {
        self.kinds |= kinds;
        self.digits += ((kinds & DIGIT) / DIGIT) as usize;
    }

    /// Returns whether a byte of any of these kinds was seen.
    pub(super) const fn has(self, kinds: u8) -> bool {
        self.kinds & kinds != 0
    }
}

/// A text that is searched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'t> {
    /// The text.
    pub(super) text: &'t [u8],
    /// Whether nothing follows it.
    pub(super) whole: bool,
}

/// What a detector makes of a place in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing of its kind.
    Nothing,
    /// A value, here.
    Value(Range<usize>),
    /// What begins here is not over where the window ends.
    Unfinished(usize),
}

impl<'t> Window<'t> {
    /// Returns the byte at a position.
    #[inline]
    pub(super) fn byte(self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    /// Returns the byte before a position.
    #[inline]
    pub(super) fn before(self, at: usize) -> Option<u8> {
        self.byte(at.checked_sub(1)?)
    }

    /// Returns what is in a range; nothing where the range is not of this text.
    pub(super) fn slice(self, range: Range<usize>) -> &'t [u8] {
        self.text.get(range).unwrap_or_default()
    }

    /// Returns whether the text goes on with `literal`, in any ASCII case.
    pub(super) fn says(self, at: usize, literal: &[u8]) -> bool {
        self.text.get(at..at + literal.len()).is_some_and(|here| here.eq_ignore_ascii_case(literal))
    }

    /// Returns where the run of bytes that `belongs` accepts ends; it begins at `from` and is cut after `most`.
    pub(super) fn run(self, from: usize, most: usize, mut belongs: impl FnMut(u8) -> bool) -> usize {
        let rest = self.text.get(from..).unwrap_or_default();
        from + rest.iter().take(most).take_while(|&&byte| belongs(byte)).count()
    }

    /// Returns where the run of bytes that `belongs` accepts begins; it ends before `to` and is cut after `most`.
    pub(super) fn run_back(self, to: usize, most: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let before = self.text.get(..to).unwrap_or_default();
        to - before.iter().rev().take(most).take_while(|&&byte| belongs(byte)).count()
    }

    /// Returns whether the text could go on at this position with what is not here yet.
    pub(super) const fn is_cut_at(self, at: usize) -> bool {
        !self.whole && at >= self.text.len()
    }

    /// Returns whether a word may begin here: no letter or digit comes before, or it is the end of an escape (`%20`,
    /// `\n`) and so belongs to nothing.
    pub(super) fn is_word_start(self, at: usize) -> bool {
        let Some(before) = self.before(at).filter(u8::is_ascii_alphanumeric) else {
            return true;
        };
        let far = |back: usize| at.checked_sub(back).and_then(|i| self.byte(i));
        let ends_percent = far(3) == Some(b'%') && before.is_ascii_hexdigit();
        let ends_escape = far(2) == Some(b'\\') || (far(6) == Some(b'\\') && far(5) == Some(b'u'));
        ends_percent || ends_escape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_the_bytes_of_those_kinds() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_mark(byte), kinds(byte) & (AT | ASSIGN) != 0, "{byte:#x}");
        }
    }

    #[test]
    fn the_first_one_is_found_wherever_it_is() {
        for length in 0..50 {
            let mut text = vec![b'x'; length];
            assert_eq!(first_of(&text, is_mark), None);
            for at in (0..length).rev() {
                text[at] = b'@';
                assert_eq!(first_of(&text, is_mark), Some(at), "{length}");
            }
        }
    }
}
