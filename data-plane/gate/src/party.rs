//! Who asks what of whom: what every refusal must name.

use hoop_audit::Named;
use hoop_model::{Code, Refusal, TraceId};
use std::sync::Arc;

/// The two ends of a session.
#[derive(Debug)]
pub(crate) struct Party {
    pub(crate) identity: Named,
    pub(crate) connection: Named,
}

/// One request of a session. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    pub(crate) party: Arc<Party>,
    pub(crate) trace: Option<TraceId>,
}

impl Asker {
    /// Refuses for a reason of the gate's own.
    pub(crate) fn refuse(&self, code: Code, message: &str) -> Box<Refusal> {
        self.address(Box::new(Refusal::because(code, message)))
    }

    /// Refuses because there is no record: without evidence nothing happens, and no verdict is told.
    pub(crate) fn unrecorded(&self) -> Box<Refusal> {
        self.refuse(Code::RecorderUnavailable, "the evidence could not be written")
    }

    /// Writes on a refusal whom it concerns.
    pub(crate) fn address(&self, mut refusal: Box<Refusal>) -> Box<Refusal> {
        refusal.identity = Some(self.party.identity.name.clone());
        refusal.connection = Some(self.party.connection.name.clone());
        refusal.trace_id = self.trace;
        refusal
    }
}
