//! What is kept of a body for the record: how it begins, masked, and a keyed hash of all of it.

use hoop_audit::{Content, MAX_KEPT_BYTES};
use hoop_http::mask::{BodyMasker, upload};
use hoop_policy::mask::{BodyHash, MaskPlan};
use http::HeaderMap;
use std::sync::Arc;

/// The hash of a body that goes by; `None` until something of it does.
#[derive(Debug, Default)]
pub(crate) struct Hashing(Option<BodyHash>);

impl Hashing {
    /// Takes the next bytes.
    pub(crate) fn pass(&mut self, plan: &MaskPlan, bytes: &[u8]) {
        self.0.get_or_insert_with(|| plan.hash_of_body()).update(bytes);
    }

    /// Returns what is kept, with how the body begins; `None` if nothing went by.
    pub(crate) fn finish(&mut self, start: &[u8]) -> Option<Content> {
        self.0.take().map(|hash| Content { start: start.into(), hash: hash.finish() })
    }
}

/// What is kept of a caller's body, which goes to the backend as it is.
#[derive(Debug)]
pub(crate) struct Keeping {
    plan: Arc<MaskPlan>,
    /// `None` where the body cannot be inspected, or not from here on.
    masker: Option<BodyMasker>,
    start: Vec<u8>,
    hashing: Hashing,
}

impl Keeping {
    pub(crate) fn begin(plan: Arc<MaskPlan>, headers: &HeaderMap) -> Self {
        let masker = upload(&plan, headers).map(|masker| masker.keeping(MAX_KEPT_BYTES));
        Self { plan, masker, start: Vec::new(), hashing: Hashing::default() }
    }

    /// Takes the next bytes.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        self.hashing.pass(&self.plan, bytes);
        let Some(masker) = &mut self.masker else { return };
        let fed = masker.feed(bytes, &mut Vec::new());
        if fed.is_err() || masker.kept().len() >= MAX_KEPT_BYTES {
            self.stop();
        }
    }

    /// Takes the end, if there was one, and returns what is kept.
    pub(crate) fn finish(mut self, is_whole: bool) -> Option<Content> {
        if let Some(masker) = self.masker.as_mut().filter(|_| is_whole) {
            // What is not well-formed at its end began well: that is kept.
            let _ = masker.finish(&mut Vec::new());
        }
        self.stop();
        self.hashing.finish(&self.start)
    }

    fn stop(&mut self) {
        if let Some(masker) = self.masker.take() {
            self.start.extend_from_slice(masker.kept());
        }
    }
}
