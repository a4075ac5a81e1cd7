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
pub(super) enum Plain {
    Json(Box<JsonMasker>),
    Text(Box<TextMasker>),
}

impl BodyMasker {
    /// Begins a body.
    pub(super) fn begin(plan: &Arc<MaskPlan>, format: Format, coding: Coding) -> Self {
        let plain = match format {
            Format::Json => Plain::Json(Box::new(JsonMasker::new(Arc::clone(plan)))),
            Format::Text(charset) => Plain::Text(Box::new(TextMasker::new(Arc::clone(plan), charset))),
        };
        let coded = match coding {
            Coding::Identity => Coded::Identity(plain),
            Coding::Gzip => Coded::Gzip(Box::new(Gzip::new(plain))),
        };
        Self { coded, failed: None }
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
            Coded::Gzip(gzip) => gzip.counts(),
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
        let fed = match self {
            Self::Json(json) => json.feed(chunk, out),
            Self::Text(text) => text.feed(chunk, out),
        };
        Ok(fed?)
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Uninspectable> {
        let finished = match self {
            Self::Json(json) => json.finish(out),
            Self::Text(text) => text.finish(out),
        };
        Ok(finished?)
    }

    pub(super) const fn counts(&self) -> &MaskedCounts {
        match self {
            Self::Json(json) => json.counts(),
            Self::Text(text) => text.counts(),
        }
    }
}
