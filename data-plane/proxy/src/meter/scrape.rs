//! The page, written when somebody reads it.

use super::connection::Sum;
use super::shard::{Meter, sums};
use super::table;
use crate::evidence::ledger::Ledger;
use crate::shard;
use crate::world::Shared;
use hoop_model::ResourceName;
use hoop_node::telemetry::metrics::{Counter, Exposed, Gauge, Page};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The only protocol there is.
const PROTOCOL: &str = "http";

/// Reads everything that the node knows of itself.
pub(crate) struct Scrape {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ledger: Arc<Ledger>,
}

type Sums = BTreeMap<Option<ResourceName>, Sum>;

impl Exposed for Scrape {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let shards = self.shared.meters.shards();
        page.family(&table::BUILD)?.gauge(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)?;
        self.commands(page, &self.sums(&shards))?;
        of_shards(page, &shards)?;
        self.authority(page)?;
        self.evidence(page, &shards)
    }
}

impl Scrape {
    /// Sums by connection, of those that the policy has.
    fn sums(&self, shards: &[Arc<Meter>]) -> Sums {
        let mut sums = sums(shards.iter());
        let world = self.shared.world.load();
        let is_there = |name: &ResourceName| world.as_ref().is_some_and(|w| w.policy.backend(name).is_some());
        sums.retain(|name, _| name.as_ref().is_none_or(is_there));
        sums
    }

    fn commands(&self, page: &mut Page<'_>, sums: &Sums) -> fmt::Result {
        let name = |name: &Option<ResourceName>| name.as_ref().map_or_else(String::new, ToString::to_string);
        let named: Vec<(String, &Sum)> = sums.iter().map(|(of, sum)| (name(of), sum)).collect();
        let mut commands = page.family(&table::COMMANDS)?;
        for (connection, sum) in &named {
            for (word, ending, count) in sum.commands() {
                let labels = [
                    ("connection", connection.as_str()),
                    ("protocol", PROTOCOL),
                    ("verdict", word.label()),
                    ("code", ending.label()),
                ];
                commands.counter(&labels, count)?;
            }
        }
        let mut responses = page.family(&table::RESPONSES)?;
        for (connection, sum) in &named {
            for (class, count) in sum.responses() {
                responses.counter(&[("connection", connection), ("class", class)], count)?;
            }
        }
        let mut errors = page.family(&table::UPSTREAM_ERRORS)?;
        for (connection, sum) in &named {
            for (code, count) in sum.upstream_errors() {
                errors.counter(&[("connection", connection), ("code", code)], count)?;
            }
        }
        for (metric, of) in
            [(&table::DURATION, (|sum| &sum.duration) as fn(&Sum) -> &_), (&table::ADDED, |sum| &sum.added)]
        {
            let mut histogram = page.family(metric)?;
            for (connection, sum) in &named {
                histogram.histogram(&[("connection", connection)], of(sum))?;
            }
        }
        Ok(())
    }

    /// What lets the node act.
    fn authority(&self, page: &mut Page<'_>) -> fmt::Result {
        let world = self.shared.world.load();
        let applied = world.as_ref().map(|world| world.policy.revision).unwrap_or_default();
        let left = self.shared.lease.load().deadline().0.saturating_sub(shard::now().boot.0);
        page.gauge(&table::APPLIED_EPOCH, number(applied.epoch))?;
        page.gauge(&table::APPLIED_INDEX, number(applied.index))?;
        page.gauge(&table::LEASE, Duration::from_millis(left).as_secs_f64())?;
        page.gauge(&table::LINK, if self.shared.desk.is_attached() { 1.0 } else { 0.0 })
    }

    fn evidence(&self, page: &mut Page<'_>, shards: &[Arc<Meter>]) -> fmt::Result {
        let (bytes, segments) = self.ledger.unshipped();
        page.gauge(&table::SPOOL_BYTES, number(bytes))?;
        page.gauge(&table::SPOOL_SEGMENTS, number(segments as u64))?;
        page.counter(&table::RECORDS, total(shards, |meter| &meter.records))?;
        page.histogram(&table::SYNCHRONISED, &self.shared.meters.synchronised.read())
    }
}

/// What the shards have at present, and what they remembered.
fn of_shards(page: &mut Page<'_>, shards: &[Arc<Meter>]) -> fmt::Result {
    page.gauge(&table::HELD, present(shards, |meter| &meter.held))?;
    page.gauge(&table::CALLERS, present(shards, |meter| &meter.callers))?;
    page.gauge(&table::SESSIONS, present(shards, |meter| &meter.sessions))?;
    let mut tokens = page.family(&table::TOKENS)?;
    tokens.counter(&[("result", "remembered")], total(shards, |meter| &meter.tokens_remembered))?;
    tokens.counter(&[("result", "good")], total(shards, |meter| &meter.tokens_good))?;
    tokens.counter(&[("result", "bad")], total(shards, |meter| &meter.tokens_bad))?;
    let mut verdicts = page.family(&table::VERDICTS)?;
    verdicts.counter(&[("result", "remembered")], total(shards, |meter| &meter.verdicts_remembered))?;
    verdicts.counter(&[("result", "judged")], total(shards, |meter| &meter.verdicts_judged))
}

fn present(shards: &[Arc<Meter>], of: fn(&Meter) -> &Gauge) -> f64 {
    shards.iter().map(|meter| of(meter).read()).sum::<i64>() as f64
}

fn total(shards: &[Arc<Meter>], of: fn(&Meter) -> &Counter) -> u64 {
    shards.iter().map(|meter| of(meter).read()).sum()
}

/// A page's numbers are floating-point: exact below 2^53.
fn number(value: u64) -> f64 {
    value as f64
}
