//! Revisions.

use crate::v1;
use hoop_model::Revision;

impl From<Revision> for v1::Revision {
    fn from(revision: Revision) -> Self {
        Self { epoch: revision.epoch, index: revision.index }
    }
}

impl From<v1::Revision> for Revision {
    fn from(revision: v1::Revision) -> Self {
        Self { epoch: revision.epoch, index: revision.index }
    }
}
