//! Every detector over one window, and what is written in place of what they find.

use super::bytes::{ASSIGN, AT, Hints, Reading, Window, first_of, is_mark, kinds};
use super::plan::{ClassId, MaskPlan};
use super::{MaskedCounts, assign, card, email};
use std::ops::Range;

/// A value that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    pub(super) class: ClassId,
}

/// What there is in a window.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The values: after [`Findings::settle`] in order, and apart from each other.
    pub(super) found: Vec<Found>,
    /// Where the first value begins that may go on behind the window.
    pub(super) pending: Option<usize>,
    /// Where a private key begins that does not end in the window.
    pub(super) opens: Option<usize>,
}

impl Findings {
    pub(super) fn note(&mut self, class: ClassId, reading: Reading) {
        match reading {
            Reading::Nothing => {}
            Reading::Value(range) if range.is_empty() => {}
            Reading::Value(range) => self.found.push(Found { range, class }),
            Reading::Unfinished(at) => self.pending = Some(self.pending.map_or(at, |first| first.min(at))),
        }
    }

    /// Makes one value of those that overlap: it has the strictest of their classes, and of equally strict ones that of
    /// the longest. Private keys stand apart, because they are also masked where their end is not known yet: what
    /// overlaps one ends where it begins, or begins where it ends.
    fn settle(&mut self, plan: &MaskPlan) {
        if self.found.len() < 2 {
            return;
        }
        self.found.sort_unstable_by_key(|found| (found.range.start, std::cmp::Reverse(found.range.end)));
        let mut apart: Vec<(Found, usize)> = Vec::with_capacity(self.found.len());
        for found in self.found.drain(..) {
            let length = found.range.len();
            let Some((last, longest)) = apart.last_mut().filter(|(last, _)| found.range.start < last.range.end) else {
                apart.push((found, length));
                continue;
            };
            if plan.is_key(last.class) {
                let range = last.range.end..found.range.end;
                if !range.is_empty() {
                    apart.push((Found { range, ..found }, length));
                }
                continue;
            }
            if plan.is_key(found.class) && found.range.start > last.range.start {
                last.range.end = found.range.start;
                apart.push((found, length));
                continue;
            }
            let is_longer = length > *longest && !plan.is_stricter(last.class, found.class);
            if plan.is_stricter(found.class, last.class) || is_longer {
                (last.class, *longest) = (found.class, length);
            }
            last.range.end = last.range.end.max(found.range.end);
        }
        self.found.extend(apart.into_iter().map(|(found, _)| found));
    }
}

impl MaskPlan {
    /// Masks a text that is there as a whole, such as the value of a header field; `None` where it needs no masking.
    ///
    /// The text need not be UTF-8, and what stands in place of values is printable ASCII without quotes.
    #[must_use]
    pub fn mask_text(&self, text: &[u8], counts: &mut MaskedCounts) -> Option<Vec<u8>> {
        self.mask_hinted(text, Hints::of(text), counts)
    }

    /// Masks a whole text of which it is known what it has.
    pub(super) fn mask_hinted(&self, text: &[u8], hints: Hints, counts: &mut MaskedCounts) -> Option<Vec<u8>> {
        if !self.can_be_in(text.len(), hints) {
            return None;
        }
        let findings = self.scan(Window { text, whole: true }, hints);
        if findings.found.is_empty() {
            return None;
        }
        let mut out = Vec::with_capacity(text.len());
        self.write(text, 0..text.len(), &findings.found, &mut out, counts);
        Some(out)
    }

    /// Finds everything in a window.
    pub(super) fn scan(&self, window: Window<'_>, hints: Hints) -> Findings {
        let mut findings = Findings::default();
        if hints.has(AT | ASSIGN) {
            self.find_marks(window, &mut findings);
        }
        if let Some(class) = self.card().filter(|_| hints.digits >= *card::DIGITS.start()) {
            find_cards(window, class, &mut findings);
        }
        if let Some(machine) = self.machine.as_ref().filter(|_| !hints.no_anchor) {
            machine.find(window, &mut findings);
        }
        findings.settle(self);
        findings
    }

    /// Writes `range` of a text with what was found in it masked. What was found must be in order and apart; of a value
    /// that reaches over an end of the range, the part inside is masked.
    pub(super) fn write(
        &self,
        text: &[u8],
        range: Range<usize>,
        found: &[Found],
        out: &mut Vec<u8>,
        counts: &mut MaskedCounts,
    ) {
        let mut written = range.start;
        for Found { range: value, class } in found {
            let (start, end) = (value.start.max(written), value.end.min(range.end));
            if start < end {
                out.extend_from_slice(text.get(written..start).unwrap_or_default());
                self.put(*class, text.get(start..end).unwrap_or_default(), out, counts);
                written = end;
            }
        }
        out.extend_from_slice(text.get(written..range.end).unwrap_or_default());
    }

    /// Stops at every byte that can be part of an address or an assignment.
    fn find_marks(&self, window: Window<'_>, findings: &mut Findings) {
        let wanted = if self.email().is_some() { AT } else { 0 } | if self.names.is_empty() { 0 } else { ASSIGN };
        let mut covered = 0;
        let mut next = 0;
        while let Some(ahead) = window.text.get(next..).and_then(|rest| first_of(rest, is_mark)) {
            let at = next + ahead;
            next = at + 1;
            let kinds = window.byte(at).map_or(0, kinds) & wanted;
            if kinds == 0 {
                continue;
            }
            let read = match self.email().filter(|_| kinds & AT != 0) {
                Some(class) => Some((class, email::around(window, at))),
                None if at >= covered => assign::around(window, at, &self.names),
                None => None,
            };
            let Some((class, reading)) = read else {
                continue;
            };
            let is_unfinished = matches!(reading, Reading::Unfinished(_));
            if let Reading::Value(range) = &reading {
                covered = covered.max(if kinds & ASSIGN != 0 { range.end } else { 0 });
            }
            findings.note(class, reading);
            // What is behind it is searched again with what follows.
            if is_unfinished {
                return;
            }
        }
    }
}

fn find_cards(window: Window<'_>, class: ClassId, findings: &mut Findings) {
    let mut from = 0;
    loop {
        let reading = card::find(window, from);
        let next = match &reading {
            Reading::Value(range) => Some(range.end),
            Reading::Nothing | Reading::Unfinished(_) => None,
        };
        findings.note(class, reading);
        match next {
            Some(next) => from = next,
            None => return,
        }
    }
}
