//! What the index has of one session.

use hoop_audit::{Entry, Opening, Outcome, Record};
use hoop_model::{ChainId, Incarnation, ResourceName};
use hoop_state::EvidenceLog;
use hoop_wire::v1;

/// Why a session ended that was refused.
const REFUSED: &str = "refused";
/// Why a session ended whose chain ended before it.
const UNKNOWN: &str = "unknown";

/// One session: what administrators are shown, and the chain that its newest record is in.
#[derive(Clone, PartialEq, prost::Message)]
pub(in super::super) struct Row {
    #[prost(message, required, tag = "1")]
    pub(in super::super) summary: v1::SessionSummary,
    #[prost(bytes = "vec", tag = "2")]
    incarnation: Vec<u8>,
    #[prost(uint32, tag = "3")]
    shard: u32,
}

impl Row {
    /// Begins the row of a session with one of its records.
    pub(super) fn begin(record: &Record) -> Self {
        let summary = v1::SessionSummary {
            id: record.session.to_bytes().to_vec(),
            node: record.node.to_string(),
            opened_ms: record.time.0,
            ..v1::SessionSummary::default()
        };
        Self { summary, incarnation: Vec::new(), shard: 0 }
    }

    /// Counts one more record.
    pub(super) fn count(&mut self, record: &Record) {
        let summary = &mut self.summary;
        if summary.last_ms <= record.time.0 {
            summary.last_ms = record.time.0;
            self.incarnation = record.incarnation.to_bytes().to_vec();
            self.shard = record.shard;
        }
        match &record.entry {
            Entry::Opened(opening) => {
                self.open(opening, record.time.0);
                self.summary.opened = true;
            }
            Entry::NotOpened(opening) => {
                self.open(opening, record.time.0);
                REFUSED.clone_into(&mut self.summary.ended);
            }
            Entry::Verdict(verdict) => {
                summary.commands = summary.commands.saturating_add(1);
                let counter = match verdict.judged.outcome {
                    Outcome::Allow => &mut summary.allowed,
                    Outcome::Refuse(_) => &mut summary.refused,
                    Outcome::Hold(_) => &mut summary.held,
                };
                *counter = counter.saturating_add(1);
            }
            Entry::Closed(reason) => reason.as_str().clone_into(&mut summary.ended),
            Entry::Forwarded(_) | Entry::Response(_) | Entry::Approval(_) => {}
        }
    }

    fn open(&mut self, opening: &Opening, time_ms: u64) {
        let summary = &mut self.summary;
        summary.identity = opening.identity.name.to_string();
        summary.connection = opening.connection.name.to_string();
        summary.run = opening.run.to_string();
        summary.issuer = opening.issuer.to_string();
        summary.opened_ms = time_ms;
    }

    /// Returns whether anything in the session was refused, or the session itself.
    pub(super) const fn has_refusal(&self) -> bool {
        self.summary.refused > 0 || !self.summary.opened
    }

    /// Says that a session is over of which nobody can say any more how it ended: its chain has ended, and its end is not
    /// in it.
    pub(in super::super) fn settled(mut self, log: &EvidenceLog) -> Self {
        let goes_on = |chain: ChainId| log.chain(&chain).is_some_and(|chain| !chain.ended);
        if self.summary.ended.is_empty() && !self.chain().is_some_and(goes_on) {
            UNKNOWN.clone_into(&mut self.summary.ended);
        }
        self
    }

    fn chain(&self) -> Option<ChainId> {
        let node = ResourceName::parse(&self.summary.node).ok()?;
        Some(ChainId { node, incarnation: Incarnation::from_slice(&self.incarnation).ok()?, shard: self.shard })
    }
}
