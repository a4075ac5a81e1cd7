//! What an approver reads: sealed before it is proposed, opened for somebody who may vote.

use hoop_model::{Approval, ApprovalId};
use hoop_node::seal::SealKey;
use hoop_wire::v1;
use prost::Message;
use tonic::Status;

/// What the sealed bytes are, bound into them.
const REVIEW: &str = "approval-review";
/// Their generation: a review is written once.
const GENERATION: u64 = 1;
/// Most bytes that an approver is asked to read.
const MAX_REVIEW_BYTES: usize = 64 << 10;

/// Seals and opens reviews.
pub(crate) struct Reviews {
    seal_key: SealKey,
}

impl Reviews {
    /// Takes the cluster's seal key.
    pub(crate) const fn new(seal_key: SealKey) -> Self {
        Self { seal_key }
    }

    /// Seals a review for one approval; nothing if it is more than a person could review.
    pub(super) fn seal(&self, id: ApprovalId, review: &v1::Review) -> Option<Vec<u8>> {
        let fits = review.encoded_len() <= MAX_REVIEW_BYTES;
        fits.then(|| self.seal_key.seal(REVIEW, &id.to_bytes(), GENERATION, &review.encode_to_vec()))
    }

    /// Opens the review of an approval.
    pub(super) fn open(&self, approval: &Approval) -> Result<v1::Review, Status> {
        let cannot = || {
            tracing::error!(approval = %approval.id, "the review cannot be opened");
            Status::internal("the command cannot be shown; the control plane's log says more")
        };
        let opened = self.seal_key.open(REVIEW, &approval.id.to_bytes(), GENERATION, &approval.review_sealed);
        let opened = opened.map_err(|_| cannot())?;
        v1::Review::decode(opened.reveal().as_slice()).map_err(|_| cannot())
    }
}
