//! Texts in chunks of any size: what may still become a value is held back, everything before it is given out.

use super::bytes::{Hints, Window};
use super::plan::MaskPlan;
use super::{MAX_HELD_BYTES, MaskedCounts, Uninspectable, pem};
use std::sync::Arc;

/// How much is always held back, in bytes, unless a line ends: what comes before an at sign or an operator, or any
/// other thing that does not show yet what it is, is shorter and in one line.
const TAIL_BYTES: usize = 256;
/// How much of what was given out is remembered, in bytes, because detectors look at what comes before a value.
const CONTEXT_BYTES: usize = 256;
/// How much of a chunk is searched at once, in bytes.
const STEP_BYTES: usize = 64 << 10;
/// A window is searched again when it has grown by this part of itself: so each byte is searched a bounded number of
/// times, however small the chunks are.
const GROWTH: usize = 16;

/// The character encoding of a text. ASCII must mean ASCII in it, and nothing else may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8, of which ASCII is a part; anything else in it is an error.
    Utf8,
    /// ISO 8859-1 or Windows-1252: every byte is a character.
    Latin1,
}

/// Masks a text as it streams by, through a sliding window of 64 KiB or [`MAX_HELD_BYTES`] where a value is long.
///
/// A private key is masked from its `BEGIN` to its `END`, or to the end of the body, without being held. Lines are given
/// out as they end. After an error every call returns that error.
#[derive(Debug)]
pub struct TextMasker {
    plan: Arc<MaskPlan>,
    charset: Charset,
    /// What was given out last, and what was not given out yet.
    window: Vec<u8>,
    /// How much of the window was given out.
    context: usize,
    /// How much of it is known to be in the character encoding.
    checked: usize,
    /// How much of it was there when it was searched.
    searched: usize,
    in_key: bool,
    counts: MaskedCounts,
    failed: Option<Uninspectable>,
}

impl TextMasker {
    /// Begins a body.
    #[must_use]
    pub fn new(plan: Arc<MaskPlan>, charset: Charset) -> Self {
        let (window, counts) = (Vec::new(), MaskedCounts::default());
        Self { plan, charset, window, context: 0, checked: 0, searched: 0, in_key: false, counts, failed: None }
    }

    /// Takes the next bytes, and appends to `out` what is inspected.
    ///
    /// # Errors
    /// [`Uninspectable`] where it is not in its encoding, or has a value that is too long; `out` is then as it was.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        self.unless_failed(out, |text, out| {
            chunk.chunks(STEP_BYTES).try_for_each(|step| {
                text.window.extend_from_slice(step);
                text.check(false)?;
                let is_due = (text.window.len() - text.searched) * GROWTH >= text.window.len();
                if is_due || text.is_full() { text.search(false, out) } else { Ok(()) }
            })
        })
    }

    /// Takes the end of the body, and appends the rest to `out`.
    ///
    /// # Errors
    /// As [`TextMasker::feed`], and where the body ends inside a character.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        self.unless_failed(out, |text, out| {
            text.check(true)?;
            text.search(true, out)
        })
    }

    /// Returns what was masked so far.
    #[must_use]
    pub const fn counts(&self) -> &MaskedCounts {
        &self.counts
    }

    fn unless_failed(
        &mut self,
        out: &mut Vec<u8>,
        step: impl FnOnce(&mut Self, &mut Vec<u8>) -> Result<(), Uninspectable>,
    ) -> Result<(), Uninspectable> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let before = out.len();
        step(self, out).inspect_err(|error| {
            out.truncate(before);
            self.failed = Some(*error);
        })
    }

    /// NUL is a character of UTF-8, but a text that has it is most likely UTF-16 or UTF-32, in which ASCII is hidden.
    fn check(&mut self, whole: bool) -> Result<(), Uninspectable> {
        let unchecked = self.window.get(self.checked..).unwrap_or_default();
        if unchecked.contains(&0) {
            return Err(Uninspectable::Encoding);
        }
        let valid = match self.charset {
            Charset::Latin1 => unchecked.len(),
            Charset::Utf8 => match std::str::from_utf8(unchecked) {
                Ok(_) => unchecked.len(),
                Err(cut) if cut.error_len().is_none() && !whole => cut.valid_up_to(),
                Err(_) => return Err(Uninspectable::Encoding),
            },
        };
        self.checked += valid;
        Ok(())
    }

    fn search(&mut self, whole: bool, out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        while !self.step(whole, out) {}
        self.searched = self.window.len();
        if self.is_full() { Err(Uninspectable::TooLong) } else { Ok(()) }
    }

    fn is_full(&self) -> bool {
        self.window.len() - self.context > MAX_HELD_BYTES
    }

    /// Gives out what can be; returns whether the window has to grow before more can be.
    fn step(&mut self, whole: bool, out: &mut Vec<u8>) -> bool {
        if self.in_key {
            return self.skip_key(whole);
        }
        let window = Window { text: &self.window, whole };
        let mut findings = self.plan.scan(window, Hints::ANY);
        let end = if whole { self.window.len() } else { self.tail_start().min(findings.pending.unwrap_or(usize::MAX)) };
        let opens = findings.opens.filter(|opens| findings.pending.is_none_or(|pending| *opens <= pending));
        let mut cut = opens.unwrap_or(end).max(self.context);
        if opens.is_none() && !whole {
            // A value that is here in full but reaches over the cut waits with what comes behind it.
            let crosses = findings.found.iter().find(|found| found.range.start < cut && cut < found.range.end);
            cut = crosses.map_or(cut, |found| found.range.start).max(self.context);
        }
        findings.found.retain(|found| found.range.start < cut && found.range.end > self.context);
        self.plan.write(&self.window, self.context..cut, &findings.found, out, &mut self.counts);
        if opens.is_some() {
            self.plan.put_key(out, &mut self.counts);
            self.in_key = true;
            self.forget(cut, 0);
            return false;
        }
        self.forget(cut, CONTEXT_BYTES);
        true
    }

    /// Drops what belongs to a private key; returns whether its end is not there yet.
    fn skip_key(&mut self, whole: bool) -> bool {
        let end = pem::end(Window { text: &self.window, whole: true }, 0);
        self.in_key = end.is_none();
        let keep_from =
            if whole { self.window.len() } else { (self.window.len() + 1).saturating_sub(pem::MAX_END_BYTES) };
        self.forget(end.unwrap_or(keep_from), 0);
        end.is_none()
    }

    /// Forgets what was given out, but for its last bytes.
    fn forget(&mut self, given_out: usize, context: usize) {
        let gone = given_out.saturating_sub(context);
        self.window.drain(..gone.min(self.window.len()));
        self.context = given_out - gone;
        self.checked = self.checked.saturating_sub(gone);
    }

    /// Where that begins of which it cannot be said yet what it is.
    fn tail_start(&self) -> usize {
        let text = &self.window;
        let line = text.iter().rev().take(TAIL_BYTES).position(|byte| *byte == b'\n');
        let tail = text.len().saturating_sub(line.unwrap_or(TAIL_BYTES));
        self.plan.machine.as_ref().map_or(tail, |machine| machine.unfinished_from(text, self.context).min(tail))
    }
}
