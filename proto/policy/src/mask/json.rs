//! JSON in chunks of any size: strings, keys and numbers are inspected, everything else passes byte for byte.

mod lexeme;
mod number;
mod string;
mod structure;

use super::leaf::MAX_NESTING;
use super::plan::MaskPlan;
use super::{MAX_HELD_BYTES, MaskedCounts, Uninspectable};
use lexeme::Lexeme;
use std::sync::Arc;
use structure::Structure;

/// Longest number, in bytes.
const MAX_SCALAR_BYTES: usize = 1024;
/// Most memory that is kept from one value to the next, in bytes.
const MAX_KEPT_BYTES: usize = 64 << 10;

/// Masks JSON as it streams by: one value, or several one after the other (NDJSON; RFC 7464).
///
/// Strings and keys are decoded, searched, and written again only where something was masked; a named field is masked
/// with everything in it; numbers that are card numbers become strings. Holds at most the value it is in, up to
/// [`MAX_HELD_BYTES`]. After an error every call returns that error.
#[derive(Debug)]
pub struct JsonMasker {
    plan: Arc<MaskPlan>,
    json: Json,
    failed: Option<Uninspectable>,
}

impl JsonMasker {
    /// Begins a body.
    #[must_use]
    pub fn new(plan: Arc<MaskPlan>) -> Self {
        Self { plan, json: Json::nested(MAX_NESTING), failed: None }
    }

    /// Takes the next bytes, and appends to `out` what is inspected.
    ///
    /// # Errors
    /// [`Uninspectable`] where it is not JSON, or exceeds a bound; `out` is then as it was.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        self.unless_failed(out, |plan, json, out| json.feed(plan, chunk, out))
    }

    /// Takes the end of the body, and appends the rest to `out`.
    ///
    /// # Errors
    /// As [`JsonMasker::feed`], and where the body ends inside a value.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        self.unless_failed(out, |plan, json, out| json.finish(plan, out))
    }

    /// Returns what was masked so far.
    #[must_use]
    pub const fn counts(&self) -> &MaskedCounts {
        self.json.counts()
    }

    fn unless_failed(
        &mut self,
        out: &mut Vec<u8>,
        step: impl FnOnce(&MaskPlan, &mut Json, &mut Vec<u8>) -> Result<(), Uninspectable>,
    ) -> Result<(), Uninspectable> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let before = out.len();
        step(&self.plan, &mut self.json, out).inspect_err(|error| {
            out.truncate(before);
            self.failed = Some(*error);
        })
    }
}

/// A chunk that is being read.
#[derive(Debug)]
struct Part<'c> {
    chunk: &'c [u8],
    at: usize,
    /// Where the lexeme begins that is being read; it may have begun earlier.
    start: usize,
    /// How much of it is written or held.
    done: usize,
    /// The first anchor that is not behind the reader; before it, no string has any.
    anchor: usize,
}

impl<'c> Part<'c> {
    const fn new(chunk: &'c [u8]) -> Self {
        Self { chunk, at: 0, start: 0, done: 0, anchor: 0 }
    }

    /// Returns whether the lexeme that ends here has no anchor in it. One pass over the chunk serves all its strings.
    fn has_no_anchor(&mut self, plan: &MaskPlan) -> bool {
        let Some(machine) = &plan.machine else {
            return true;
        };
        if self.anchor < self.start {
            self.anchor = machine.next_anchor(self.chunk, self.start);
        }
        self.anchor >= self.at
    }

    /// Returns what was not written yet, up to `end`.
    fn take_to(&mut self, end: usize) -> &'c [u8] {
        let taken = self.chunk.get(self.done..end).unwrap_or_default();
        self.done = end;
        taken
    }
}

/// The reader. It has no plan of its own, so that JSON in a string is read by the same code.
#[derive(Debug)]
pub(super) struct Json {
    lexeme: Lexeme,
    structure: Structure,
    /// The beginning of the lexeme, where it is in earlier chunks.
    held: Vec<u8>,
    nesting: u8,
    counts: MaskedCounts,
}

impl Json {
    /// Begins a document in which texts may be nested this deep.
    pub(super) fn nested(nesting: u8) -> Self {
        let (lexeme, structure) = (Lexeme::Between, Structure::default());
        Self { lexeme, structure, held: Vec::new(), nesting, counts: MaskedCounts::default() }
    }

    /// Masks a document that is there as a whole.
    pub(super) fn read_whole(&mut self, plan: &MaskPlan, text: &[u8]) -> Result<Vec<u8>, Uninspectable> {
        let mut out = Vec::new();
        self.feed(plan, text, &mut out)?;
        self.finish(plan, &mut out)?;
        Ok(out)
    }

    pub(super) const fn counts(&self) -> &MaskedCounts {
        &self.counts
    }

    fn feed(&mut self, plan: &MaskPlan, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        let mut part = Part::new(chunk);
        while self.lexeme.read(&mut self.structure, &mut part)? {
            self.end_lexeme(plan, &mut part, out)?;
        }
        let bound = match self.lexeme {
            Lexeme::Between | Lexeme::Prefix(..) => {
                out.extend_from_slice(part.take_to(chunk.len()));
                return Ok(());
            }
            Lexeme::String(_) => MAX_HELD_BYTES,
            Lexeme::Scalar => MAX_SCALAR_BYTES,
        };
        if self.held.is_empty() {
            out.extend_from_slice(part.take_to(part.start));
        }
        self.held.extend_from_slice(part.take_to(chunk.len()));
        if self.held.len() > bound { Err(Uninspectable::TooLong) } else { Ok(()) }
    }

    fn finish(&mut self, plan: &MaskPlan, out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        // Only the end of the body tells where a number at the top ends.
        if self.lexeme == Lexeme::Scalar {
            self.end_lexeme(plan, &mut Part::new(&[]), out)?;
        }
        let is_over = self.lexeme == Lexeme::Between && self.structure.is_over();
        if is_over { Ok(()) } else { Err(Uninspectable::Truncated) }
    }

    /// Inspects the lexeme that ends here. It is written together with what surrounds it, or masked.
    fn end_lexeme(&mut self, plan: &MaskPlan, part: &mut Part<'_>, out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        let mut lexeme = std::mem::replace(&mut self.lexeme, Lexeme::Between);
        let mut held = std::mem::take(&mut self.held);
        let is_whole = held.is_empty();
        if let Lexeme::String(seen) = &mut lexeme {
            seen.has_no_anchor(is_whole && part.has_no_anchor(plan));
        }
        if !is_whole {
            held.extend_from_slice(part.take_to(part.at));
        }
        let text = if is_whole { part.chunk.get(part.start..part.at).unwrap_or_default() } else { &held };
        if text.len() > MAX_HELD_BYTES {
            return Err(Uninspectable::TooLong);
        }
        match self.inspect(plan, lexeme, text)? {
            Some(masked) => {
                if is_whole {
                    out.extend_from_slice(part.take_to(part.start));
                    part.done = part.at;
                }
                string::encode(&masked, out);
            }
            None if is_whole => {}
            None => out.extend_from_slice(&held),
        }
        if !is_whole {
            held.clear();
            held.shrink_to(MAX_KEPT_BYTES);
            self.held = held;
        }
        Ok(())
    }

    fn inspect(&mut self, plan: &MaskPlan, lexeme: Lexeme, text: &[u8]) -> Result<Option<Vec<u8>>, Uninspectable> {
        match lexeme {
            Lexeme::String(seen) => self.string(plan, seen, text),
            Lexeme::Scalar => self.scalar(plan, text),
            Lexeme::Between | Lexeme::Prefix(..) => Ok(None),
        }
    }
}
