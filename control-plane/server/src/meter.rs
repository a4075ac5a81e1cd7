//! What this node counts, and the page it is read from. The table of all of it is `deploy/METRICS.md`.
//!
//! Labels are methods of the contract, statuses of gRPC, words of the log, and names of nodes in the state: nothing that a
//! caller could choose.

mod scrape;
mod table;

pub(crate) use scrape::Scrape;

use crate::authorise::METHODS;
use hoop_node::telemetry::metrics::{Counter, Histogram};
use hoop_raft::ProposeError;
use hoop_state::{AppliedObject, Outcome, Reply};
use hoop_wire::v1::ship_response;
use std::array;
use std::time::Duration;
use tonic::Code;

/// gRPC's statuses ("Status codes and their use in gRPC"), by number.
const STATUSES: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];
/// What a method is called that there is not.
const NO_METHOD: &str = "unknown";
const PROPOSALS: [&str; 4] = ["done", "rejected", "not_proposed", "unknown"];
const SEGMENTS: [&str; 4] = ["stored", "refused", "out_of_order", "retry"];
const OBJECTS: [&str; 3] = ["created", "changed", "unchanged"];

/// The cells.
pub(crate) struct Meter {
    /// By the method's place in the table, and one more for what is not in it.
    calls: Vec<[Counter; STATUSES.len()]>,
    proposals: [Counter; PROPOSALS.len()],
    objects: [Counter; OBJECTS.len()],
    segments: [Counter; SEGMENTS.len()],
    segment_bytes: Counter,
    commit: Histogram,
    /// What making entries of the Raft log durable takes.
    pub(crate) flush: Histogram,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            calls: (0..=METHODS.len()).map(|_| array::from_fn(|_| Counter::default())).collect(),
            proposals: Default::default(),
            objects: Default::default(),
            segments: Default::default(),
            segment_bytes: Counter::default(),
            commit: Histogram::default(),
            flush: Histogram::default(),
        }
    }
}

impl Meter {
    /// Notes how a call was answered; of a stream, how it began.
    pub(crate) fn called(&self, path: &str, status: Code) {
        let method = METHODS.iter().position(|(known, _)| *known == path).unwrap_or(METHODS.len());
        let count = self.calls.get(method).and_then(|statuses| statuses.get(status as usize));
        count.into_iter().for_each(Counter::increment);
    }

    /// Notes what came of a proposal, and how long that took.
    pub(crate) fn proposed(&self, outcome: &Result<Reply, ProposeError>, took: Duration) {
        let place = match outcome {
            Ok(Reply::Rejected(_)) => 1,
            Ok(Reply::Done { .. } | Reply::Applied { .. } | Reply::Joined { .. })
            | Ok(Reply::Anchored { .. } | Reply::Approval(_)) => 0,
            Err(ProposeError::NotProposed(_) | ProposeError::Unstorable { .. }) => 2,
            Err(ProposeError::OutcomeUnknown) => 3,
        };
        self.proposals.get(place).into_iter().for_each(Counter::increment);
        if outcome.is_ok() {
            self.commit.observe(took);
        }
    }

    /// Notes what was applied.
    pub(crate) fn applied(&self, objects: &[AppliedObject]) {
        for object in objects {
            let place = match object.outcome {
                Outcome::Created => 0,
                Outcome::Changed => 1,
                Outcome::Unchanged => 2,
            };
            self.objects.get(place).into_iter().for_each(Counter::increment);
        }
    }

    /// Notes what became of a segment of so many bytes.
    pub(crate) fn shipped(&self, outcome: ship_response::Outcome, bytes: usize) {
        let place = match outcome {
            ship_response::Outcome::Stored => 0,
            ship_response::Outcome::Refused => 1,
            ship_response::Outcome::OutOfOrder => 2,
            ship_response::Outcome::Retry | ship_response::Outcome::Unspecified => 3,
        };
        self.segments.get(place).into_iter().for_each(Counter::increment);
        if outcome == ship_response::Outcome::Stored {
            self.segment_bytes.add(bytes as u64);
        }
    }

    /// Returns how often each method was answered with each status, where it was.
    fn calls(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let names = METHODS.iter().map(|(path, _)| path.trim_start_matches('/')).chain([NO_METHOD]);
        names.zip(&self.calls).flat_map(|(method, statuses)| {
            let counts = STATUSES.into_iter().zip(statuses).map(move |(status, count)| (method, status, count.read()));
            counts.filter(|(_, _, count)| *count > 0)
        })
    }
}
