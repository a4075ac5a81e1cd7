//! Payment card numbers (ISO/IEC 7812-1): digits, alone or in groups, with a known issuer and a right check digit.

use super::bytes::{Reading, Window};
use std::ops::{Range, RangeInclusive};

/// Fewest and most digits of a card number.
pub(super) const DIGITS: RangeInclusive<usize> = 13..=19;
/// A card number, with a separator of three bytes between any two digits, fits into two neighbouring blocks.
const BLOCK: usize = 128;
/// Fewest digits of a number that stands alone in groups no card is printed in.
const MIN_ODDLY_GROUPED: usize = 15;

/// Finds the first card number that begins at `from` or later.
///
/// Most text has too few digits in one place, and counting them is cheap; only where there are enough is it read.
pub(super) fn find(window: Window<'_>, from: usize) -> Reading {
    let mut before = 0;
    let mut start = from;
    let mut read_to = from;
    for block in window.text.get(from..).unwrap_or_default().chunks(BLOCK) {
        let digits = block.iter().map(|byte| u8::from(byte.is_ascii_digit())).sum::<u8>();
        let end = start + block.len();
        if usize::from(before) + usize::from(digits) >= *DIGITS.start() {
            let first = start.saturating_sub(BLOCK).max(read_to);
            let (reading, to) = find_in_runs(window, first, end);
            if reading != Reading::Nothing {
                return reading;
            }
            read_to = to;
        }
        (before, start) = (digits, end);
    }
    Reading::Nothing
}

/// Returns the digits alone.
pub(super) fn canonical(value: &[u8]) -> Vec<u8> {
    let window = Window { text: value, whole: true };
    let mut digits = Vec::with_capacity(*DIGITS.end());
    let mut at = 0;
    while let Some(byte) = window.byte(at) {
        if byte.is_ascii_digit() {
            digits.push(byte);
        }
        at += separator(window, at).unwrap_or(1);
    }
    digits
}

/// Reads the runs of digit groups that begin in a range; returns also where the last of them ends.
fn find_in_runs(window: Window<'_>, from: usize, end: usize) -> (Reading, usize) {
    let mut at = from;
    while at < end {
        let skipped = window.run(at, end - at, |byte| !byte.is_ascii_digit());
        let (digits, run_end) = run_of_groups(window, skipped);
        if digits >= *DIGITS.start() {
            let reading = find_in_run(window, skipped..run_end);
            if reading != Reading::Nothing {
                return (reading, run_end);
            }
        }
        at = run_end.max(skipped);
    }
    (Reading::Nothing, at)
}

/// Returns how many digits there are from here on, with single separators between them, and where the last one ends.
fn run_of_groups(window: Window<'_>, from: usize) -> (usize, usize) {
    let (mut digits, mut at) = (0, from);
    loop {
        let group_end = window.run(at, usize::MAX, |byte| byte.is_ascii_digit());
        digits += group_end - at;
        let Some(length) = separator(window, group_end) else {
            return (digits, group_end);
        };
        if !window.byte(group_end + length).is_some_and(|byte| byte.is_ascii_digit()) {
            return (digits, group_end);
        }
        at = group_end + length;
    }
}

/// Reads the card numbers that begin with any group of a run.
fn find_in_run(window: Window<'_>, run: Range<usize>) -> Reading {
    let is_digit = |at: usize| window.byte(at).is_some_and(|byte| byte.is_ascii_digit());
    let mut at = run.start;
    while at < run.end {
        // No issuer has numbers that begin otherwise.
        let may_begin = matches!(window.byte(at), Some(b'2'..=b'6' | b'8'));
        if may_begin && !at.checked_sub(1).is_some_and(is_digit) {
            let reading = beginning_at(window, at);
            if reading != Reading::Nothing {
                return reading;
            }
        }
        at += 1;
    }
    Reading::Nothing
}

/// The digit groups from one place on, as many as a card number can have.
struct Groups {
    digits: [u8; 20],
    count: usize,
    /// Ends of the groups: how many digits there are until there, and where that is.
    ends: [(usize, usize); 20],
    groups: usize,
    /// Whether the window ends before it is known where the last group does.
    cut: bool,
}

fn groups_from(window: Window<'_>, from: usize) -> Groups {
    let mut read = Groups { digits: [0; 20], count: 0, ends: [(0, 0); 20], groups: 0, cut: false };
    let mut at = from;
    loop {
        while let Some(digit) = window.byte(at).filter(u8::is_ascii_digit) {
            let Some(place) = read.digits.get_mut(read.count) else {
                return read;
            };
            (*place, read.count, at) = (digit - b'0', read.count + 1, at + 1);
        }
        if let Some(end) = read.ends.get_mut(read.groups) {
            (*end, read.groups) = ((read.count, at), read.groups + 1);
        }
        let next = at + separator(window, at).unwrap_or(0);
        read.cut = window.is_cut_at(at) || (next > at && window.is_cut_at(next)) || separator_is_cut(window, at);
        let goes_on = next > at && window.byte(next).is_some_and(|byte| byte.is_ascii_digit());
        if read.cut || !goes_on {
            return read;
        }
        at = next;
    }
}

/// Reads the longest card number that begins with the digit group at `from`.
fn beginning_at(window: Window<'_>, from: usize) -> Reading {
    let read = groups_from(window, from);
    if read.cut {
        return Reading::Unfinished(from);
    }
    // Digits behind a decimal point are a fraction.
    let mut before = window.text.get(..from).unwrap_or_default().iter().rev();
    if before.next() == Some(&b'.') && before.next().is_some_and(u8::is_ascii_digit) {
        return Reading::Nothing;
    }
    let ends = read.ends.get(..read.groups).unwrap_or_default();
    let is_alone = read.count < read.digits.len() && !follows_group(window, from);
    let accepted = ends.iter().enumerate().rev().find(|(last, (count, _))| {
        let digits = read.digits.get(..*count).unwrap_or_default();
        let is_whole = is_alone && last + 1 == ends.len() && *count >= MIN_ODDLY_GROUPED;
        let is_plausible = || *last == 0 || is_whole || is_printed(ends.get(..=*last).unwrap_or_default());
        is_card(digits) && is_plausible()
    });
    accepted.map_or(Reading::Nothing, |(_, (_, end))| Reading::Value(from..*end))
}

/// Returns whether the groups are those that cards are printed in: 4-4-4-4 with up to 3 more, 4-6-5 or 4-6-4, 4-3-3-3.
fn is_printed(ends: &[(usize, usize)]) -> bool {
    let counts: Vec<usize> = ends.iter().map(|(count, _)| *count).collect();
    matches!(*counts, [4, 8, 12, 16] | [4, 8, 12, 16, 17..=19] | [4, 10, 14 | 15] | [4, 7, 10, 13] | [6, 13..=19])
}

fn follows_group(window: Window<'_>, at: usize) -> bool {
    let is_digit = |at: Option<usize>| at.and_then(|at| window.byte(at)).is_some_and(|byte| byte.is_ascii_digit());
    (1..=3).any(|length| {
        let start = at.checked_sub(length);
        start.is_some_and(|start| separator(window, start) == Some(length)) && is_digit(at.checked_sub(length + 1))
    })
}

/// Returns the length of the separator at a position: space, no-break space, `-`, and what they are in URLs.
fn separator(window: Window<'_>, at: usize) -> Option<usize> {
    match window.byte(at)? {
        b' ' | b'-' | b'+' => Some(1),
        0xc2 if window.byte(at + 1) == Some(0xa0) => Some(2),
        b'%' if window.says(at, b"%20") || window.says(at, b"%2d") => Some(3),
        _ => None,
    }
}

fn separator_is_cut(window: Window<'_>, at: usize) -> bool {
    let begins = matches!(window.byte(at), Some(b'%' | 0xc2));
    begins && separator(window, at).is_none() && window.is_cut_at(at + 2)
}

/// Returns whether these digits (as numbers) are a card's: the issuer is known, the length is one it uses, and the
/// check digit is right (ISO/IEC 7812-1 annex B).
pub(super) fn is_card(digits: &[u8]) -> bool {
    let prefix = |length: usize| digits.iter().take(length).fold(0, |value, digit| value * 10 + u32::from(*digit));
    DIGITS.contains(&digits.len()) && is_issued(prefix(4), prefix(6), digits.len()) && passes_luhn(digits)
}

/// Issuer identification numbers of the card schemes, as far as they are public.
fn is_issued(four: u32, six: u32, length: usize) -> bool {
    match four {
        // Visa
        4000..=4999 => matches!(length, 13 | 16 | 19),
        // Mastercard
        5100..=5599 | 2221..=2720 => length == 16,
        // American Express
        3400..=3499 | 3700..=3799 => length == 15,
        // Diners Club
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => (14..=19).contains(&length),
        // Discover
        6011 | 6440..=6599 => (16..=19).contains(&length),
        // UnionPay, RuPay, and Discover's 622126 to 622925
        6200..=6299 | 8100..=8199 | 6000..=6010 | 6012..=6099 | 8200..=8299 => (16..=19).contains(&length),
        // JCB
        3528..=3589 => (16..=19).contains(&length),
        // Maestro
        5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 => true,
        // Mir
        2200..=2204 => (16..=19).contains(&length),
        // RuPay and Elo
        5080..=5089 => length == 16,
        _ => matches!(six, 636_297 | 636_368 | 504_175 | 451_416) && length == 16,
    }
}

fn passes_luhn(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().fold(0_u32, |sum, (place, digit)| {
        let digit = u32::from(*digit);
        sum + match (place % 2, digit) {
            (0, _) => digit,
            (_, 5..) => digit * 2 - 9,
            _ => digit * 2,
        }
    });
    sum.is_multiple_of(10)
}
