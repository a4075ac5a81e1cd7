//! The page, written when somebody reads it.

use super::{Meter, OBJECTS, PROPOSALS, SEGMENTS, table};
use crate::cluster::Cluster;
use hoop_model::Revision;
use hoop_node::clock::unix_now;
use hoop_node::telemetry::metrics::{Counter, Exposed, Metric, Page};
use hoop_state::State;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Reads everything that the node knows of itself.
pub(crate) struct Scrape(pub(crate) Arc<Cluster>);

impl Exposed for Scrape {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let (meter, state) = (self.0.meter(), self.0.state());
        page.family(&table::BUILD)?.gauge(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)?;
        self.raft(page, meter)?;
        page.gauge(&table::REVISION_EPOCH, number(state.revision().epoch))?;
        page.gauge(&table::REVISION_INDEX, number(state.revision().index))?;
        approvals(page, &state)?;
        self.fleet(page, &state)?;
        counted(page, &table::SEGMENTS, "outcome", &SEGMENTS, &meter.segments)?;
        page.counter(&table::STORED, meter.segment_bytes.read())?;
        let mut free = page.family(&table::FREE)?;
        if let Some(bytes) = self.0.evidence().free_bytes() {
            free.gauge(&[], number(bytes))?;
        }
        let mut calls = page.family(&table::CALLS)?;
        meter.calls().try_for_each(|(method, code, count)| calls.counter(&[("method", method), ("code", code)], count))
    }
}

impl Scrape {
    fn raft(&self, page: &mut Page<'_>, meter: &Meter) -> fmt::Result {
        let status = self.0.replica().status();
        page.gauge(&table::LEADER, if status.leads { 1.0 } else { 0.0 })?;
        page.gauge(&table::TERM, number(status.term))?;
        page.gauge(&table::LAST_LOG, number(status.last_log_index))?;
        page.gauge(&table::APPLIED, number(status.applied_index))?;
        page.histogram(&table::COMMIT, &meter.commit.read())?;
        page.histogram(&table::FLUSH, &meter.flush.read())?;
        counted(page, &table::PROPOSALS, "outcome", &PROPOSALS, &meter.proposals)?;
        counted(page, &table::OBJECTS, "outcome", &OBJECTS, &meter.objects)
    }

    fn fleet(&self, page: &mut Page<'_>, state: &State) -> fmt::Result {
        let nodes = self.0.fleet().watch();
        let nodes = nodes.borrow();
        page.gauge(&table::NODES, number(nodes.connected().count() as u64))?;
        let mut lag = page.family(&table::LAG)?;
        for node in state.nodes() {
            let applied = nodes.node(&node.name).map_or_else(Revision::default, |tracked| tracked.applied);
            let behind = state.revision().index.saturating_sub(applied.index);
            lag.gauge(&[("node", node.name.as_str())], number(behind))?;
        }
        Ok(())
    }
}

fn approvals(page: &mut Page<'_>, state: &State) -> fmt::Result {
    page.gauge(&table::PENDING, number(state.waiting_approvals().count() as u64))?;
    let oldest = state.waiting_approvals().map(|approval| approval.opened).min();
    let age = oldest.map_or(0, |opened| unix_now().0.saturating_sub(opened.0));
    page.gauge(&table::OLDEST, Duration::from_millis(age).as_secs_f64())
}

fn counted(page: &mut Page<'_>, metric: &Metric, label: &str, words: &[&str], counts: &[Counter]) -> fmt::Result {
    let mut family = page.family(metric)?;
    words.iter().zip(counts).try_for_each(|(word, count)| family.counter(&[(label, word)], count.read()))
}

/// A page's numbers are floating-point: exact below 2^53.
fn number(value: u64) -> f64 {
    value as f64
}
