//! The control plane's part of a held command's trace: spans beneath the one in which a node waits.

use hoop_model::ApprovalId;
use hoop_node::telemetry::spans::{Place, Span, Spans};
use std::collections::VecDeque;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Most approvals whose trace is remembered; an older one's later spans are left out.
const MOST: usize = 10_000;

/// Which approval belongs to which trace. Nothing rests on it, so it is not replicated.
#[derive(Default)]
pub(crate) struct Traced {
    /// Empty where no collector is configured.
    spans: OnceLock<Spans>,
    known: Mutex<VecDeque<(ApprovalId, Place)>>,
}

impl Traced {
    /// Has spans sent.
    pub(crate) fn send_to(&self, spans: Spans) {
        drop(self.spans.set(spans));
    }

    /// Begins the span of a call by a node that says where in a trace it is.
    pub(crate) fn called(&self, traceparent: &str, name: &'static str) -> Option<Span> {
        let spans = self.spans.get()?;
        let (place, _) = Place::parse(traceparent.as_bytes()).filter(|(_, sampled)| *sampled)?;
        Some(spans.begin(place, name))
    }

    /// Remembers where an approval belongs.
    pub(crate) fn remember(&self, approval: ApprovalId, traceparent: &str) {
        let place = Place::parse(traceparent.as_bytes()).filter(|(_, sampled)| *sampled && self.spans.get().is_some());
        let Some((place, _)) = place else { return };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.pop_front();
        }
        known.push_back((approval, place));
    }

    /// Begins a span about an approval whose trace is known.
    pub(crate) fn about(&self, approval: ApprovalId, name: &'static str) -> Option<Span> {
        let spans = self.spans.get()?;
        let place = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.iter().rev().find(|(id, _)| *id == approval).map(|(_, place)| *place)?
        };
        let mut span = spans.begin(place, name);
        span.note("hoop.approval", approval.to_string());
        Some(span)
    }
}
