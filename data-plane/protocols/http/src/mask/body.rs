//! A body as it streams by.

use super::Uninspectable;
use super::content::{Coding, Format};
use super::gzip::Gzip;
use hoop_policy::mask::{JsonMasker, MaskPlan, MaskedCounts, TextMasker};
use std::sync::Arc;

/// Masks one body. After an error the response must end with an error: what was given out before is inspected, the rest
/// is not.
///
/// Holds what [`JsonMasker`] and [`TextMasker`] hold, and about 200 KiB more for a body in gzip.
#[derive(Debug)]
pub struct BodyMasker {
    coded: Coded,
    failed: Option<Uninspectable>,
}

#[derive(Debug)]
enum Coded {
    Identity(Plain),
    Gzip(Box<Gzip>),
}

/// A body without its content coding.
#[derive(Debug)]
pub(super) struct Plain {
    masker: Masker,
    /// How it begins, masked.
    kept: Vec<u8>,
    /// Most bytes that are kept.
    most: usize,
}

#[derive(Debug)]
enum Masker {
    Json(Box<JsonMasker>),
    Text(Box<TextMasker>),
}

impl BodyMasker {
    /// Begins a body.
    pub(super) fn begin(plan: &Arc<MaskPlan>, format: Format, coding: Coding) -> Self {
        let masker = match format {
            Format::Json => Masker::Json(Box::new(JsonMasker::new(Arc::clone(plan)))),
            Format::Text(charset) => Masker::Text(Box::new(TextMasker::new(Arc::clone(plan), charset))),
        };
        let plain = Plain { masker, kept: Vec::new(), most: 0 };
        let coded = match coding {
            Coding::Identity => Coded::Identity(plain),
            Coding::Gzip => Coded::Gzip(Box::new(Gzip::new(plain))),
        };
        Self { coded, failed: None }
    }

    /// Keeps how the body begins, masked and without its content coding: `most` bytes of it.
    #[must_use]
    pub fn keeping(mut self, most: usize) -> Self {
        match &mut self.coded {
            Coded::Identity(plain) => plain.most = most,
            Coded::Gzip(gzip) => gzip.plain_mut().most = most,
        }
        self
    }

    /// Returns what is kept so far.
    #[must_use]
    pub fn kept(&self) -> &[u8] {
        match &self.coded {
            Coded::Identity(plain) => &plain.kept,
            Coded::Gzip(gzip) => &gzip.plain().kept,
        }
    }

    /// Takes the next bytes, and appends to `out` what may go to the caller.
    ///
    /// # Errors
    /// [`Uninspectable`], from then on always.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        self.unless_failed(|coded| match coded {
            Coded::Identity(plain) => plain.feed(chunk, out),
            Coded::Gzip(gzip) => gzip.feed(chunk, out),
        })
    }

    /// Takes the end of the body, and appends the rest to `out`.
    ///
    /// # Errors
    /// As [`BodyMasker::feed`], and where the body is not over.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        self.unless_failed(|coded| match coded {
            Coded::Identity(plain) => plain.finish(out),
            Coded::Gzip(gzip) => gzip.finish(out),
        })
    }

    /// Returns what was masked so far.
    #[must_use]
    pub fn counts(&self) -> &MaskedCounts {
        match &self.coded {
            Coded::Identity(plain) => plain.counts(),
            Coded::Gzip(gzip) => gzip.plain().counts(),
        }
    }

    fn unless_failed(
        &mut self,
        step: impl FnOnce(&mut Coded) -> Result<(), Uninspectable>,
    ) -> Result<(), Uninspectable> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        step(&mut self.coded).inspect_err(|error| self.failed = Some(*error))
    }
}

impl Plain {
    pub(super) fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        let before = out.len();
        let fed = match &mut self.masker {
            Masker::Json(json) => json.feed(chunk, out),
            Masker::Text(text) => text.feed(chunk, out),
        };
        self.keep(out, before);
        Ok(fed?)
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        let before = out.len();
        let finished = match &mut self.masker {
            Masker::Json(json) => json.finish(out),
            Masker::Text(text) => text.finish(out),
        };
        self.keep(out, before);
        Ok(finished?)
    }

    fn keep(&mut self, out: &[u8], before: usize) {
        let room = self.most.saturating_sub(self.kept.len());
        if room > 0 {
            self.kept.extend(out.iter().skip(before).take(room));
        }
    }

    pub(super) const fn counts(&self) -> &MaskedCounts {
        match &self.masker {
            Masker::Json(json) => json.counts(),
            Masker::Text(text) => text.counts(),
        }
    }
}
