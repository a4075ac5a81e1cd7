//! The page: OpenMetrics text (specification 1.0.0), as Prometheus scrapes it.

use super::histogram::Distribution;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows; its name ends in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations by how long they are; its name ends in `_seconds`.
    Histogram,
}

/// One family of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name, with its unit: `hoop_request_duration_seconds`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// One sentence, without a full stop.
    pub help: &'static str,
}

impl Metric {
    /// A number that only grows.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, help }
    }

    /// A number that goes up and down.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, help }
    }

    /// Durations.
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Histogram, help }
    }
}

/// What has numbers to show.
pub trait Exposed: Send + Sync + 'static {
    /// Writes all of them, each family once.
    ///
    /// # Errors
    /// Those of the page.
    fn write(&self, page: &mut Page<'_>) -> fmt::Result;
}

/// A page that is being written.
pub struct Page<'a>(DescriptorEncoder<'a>);

/// One family that is being written.
pub struct Family<'a>(MetricEncoder<'a>);

impl Page<'_> {
    /// Begins a family.
    ///
    /// # Errors
    /// Those of the page.
    pub fn family(&mut self, metric: &Metric) -> Result<Family<'_>, fmt::Error> {
        let (kind, name) = match metric.kind {
            // The encoder writes a counter's ending itself.
            Kind::Counter => (MetricType::Counter, metric.name.strip_suffix("_total").unwrap_or(metric.name)),
            Kind::Gauge => (MetricType::Gauge, metric.name),
            Kind::Histogram => (MetricType::Histogram, metric.name),
        };
        self.0.encode_descriptor(name, metric.help, None, kind).map(Family)
    }

    /// Writes a family of one number without labels.
    ///
    /// # Errors
    /// Those of the page.
    pub fn counter(&mut self, metric: &Metric, value: u64) -> fmt::Result {
        self.family(metric)?.counter(&[], value)
    }

    /// Writes a family of one number without labels.
    ///
    /// # Errors
    /// Those of the page.
    pub fn gauge(&mut self, metric: &Metric, value: f64) -> fmt::Result {
        self.family(metric)?.gauge(&[], value)
    }

    /// Writes a family of one histogram without labels.
    ///
    /// # Errors
    /// Those of the page.
    pub fn histogram(&mut self, metric: &Metric, value: &Distribution) -> fmt::Result {
        self.family(metric)?.histogram(&[], value)
    }
}

impl Family<'_> {
    /// Writes a counter with its labels.
    ///
    /// # Errors
    /// Those of the page.
    pub fn counter(&mut self, labels: &[(&str, &str)], value: u64) -> fmt::Result {
        self.labelled(labels, |encoder| encoder.encode_counter::<NoLabelSet, _, u64>(&value, None))
    }

    /// Writes a gauge with its labels.
    ///
    /// # Errors
    /// Those of the page.
    pub fn gauge(&mut self, labels: &[(&str, &str)], value: f64) -> fmt::Result {
        self.labelled(labels, |encoder| encoder.encode_gauge(&value))
    }

    /// Writes a histogram with its labels.
    ///
    /// # Errors
    /// Those of the page.
    pub fn histogram(&mut self, labels: &[(&str, &str)], value: &Distribution) -> fmt::Result {
        let (seconds, count, buckets) = (value.seconds(), value.count(), value.buckets());
        self.labelled(labels, |encoder| encoder.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None))
    }

    fn labelled(
        &mut self,
        labels: &[(&str, &str)],
        write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        if labels.is_empty() { write(&mut self.0) } else { write(&mut self.0.encode_family(&labels)?) }
    }
}

/// Returns the page's text.
///
/// # Errors
/// Those of what is shown.
pub fn text(exposed: &Arc<dyn Exposed>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Collected(Arc::clone(exposed))));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

struct Collected(Arc<dyn Exposed>);

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collected")
    }
}

impl Collector for Collected {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.write(&mut Page(encoder))
    }
}
