//! An answer to a caller that policy shows classified values to. The record of it has them masked all the same, so such a
//! body goes through two maskers: that of the caller's plan, and that of the connection's.

use hoop_audit::MAX_KEPT_BYTES;
use hoop_http::mask::{BodyMasker, Masked, Uninspectable, response};
use hoop_policy::mask::{MaskPlan, MaskedCounts};
use http::{HeaderMap, Method, StatusCode};
use std::sync::Arc;

/// The answer as the record has it.
pub(crate) struct Showing {
    /// What the caller is answered by: its revealed classes are those that are shown.
    view: Arc<MaskPlan>,
    /// What the connection's whole plan finds.
    found: MaskedCounts,
    /// `None` where there is no body.
    masker: Option<BodyMasker>,
}

impl Showing {
    /// Begins with the head, which is left as it is.
    ///
    /// # Errors
    /// [`Uninspectable`], as for a caller that is shown nothing.
    pub(crate) fn begin(
        view: Arc<MaskPlan>,
        plan: &Arc<MaskPlan>,
        method: &Method,
        (status, headers): (StatusCode, &HeaderMap),
    ) -> Result<Self, Uninspectable> {
        let Masked { body, counts } = response(plan, method, status, &mut headers.clone())?;
        Ok(Self { view, found: counts, masker: body.map(|masker| masker.keeping(MAX_KEPT_BYTES)) })
    }

    /// Returns what the caller is answered by.
    pub(crate) const fn view(&self) -> &Arc<MaskPlan> {
        &self.view
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Uninspectable`]: the caller may not have them either.
    pub(crate) fn feed(&mut self, data: &[u8]) -> Result<(), Uninspectable> {
        self.masker.as_mut().map_or(Ok(()), |masker| masker.feed(data, &mut Vec::new()))
    }

    /// Takes the end.
    ///
    /// # Errors
    /// As [`Showing::feed`].
    pub(crate) fn finish(&mut self) -> Result<(), Uninspectable> {
        self.masker.as_mut().map_or(Ok(()), |masker| masker.finish(&mut Vec::new()))
    }

    /// Returns how many values the caller was shown.
    pub(crate) fn shown(&self) -> MaskedCounts {
        let mut found = self.found.clone();
        if let Some(masker) = &self.masker {
            found.add(masker.counts());
        }
        found.only(self.view.revealed())
    }

    /// Returns how the body begins, masked by the whole plan.
    pub(crate) fn kept(&self) -> &[u8] {
        self.masker.as_ref().map_or(&[], BodyMasker::kept)
    }
}
