//! Traces: spans of what was done for a request, sent to an OpenTelemetry collector (OTLP over gRPC).
//!
//! A span is made by hand where something happens that somebody who looks for time or blame would ask for, and only for a
//! trace that is sampled: its caller says so, or it begins here and is drawn. Without a collector there is none, and nobody
//! who serves pays for it. What goes out names objects, codes and numbers; never a value that a caller or backend sent.
//!
//! ```text
//!   Origin (traceparent) ──Spans::begin──▶ Span ──drop──▶ a bounded queue ──▶ one task, batches ──▶ collector
//!                                             └ place(): of its parts                full: dropped, and counted
//! ```

use hoop_model::TraceId;
use hoop_model::spec::{Origin, Scheme};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Most spans that wait to be sent.
const QUEUE: usize = 4_096;
/// Most spans of one message.
const BATCH: usize = 512;
/// How long a span waits for others.
const LINGER: Duration = Duration::from_millis(500);
/// How long the collector may take for one message.
const TAKES: Duration = Duration::from_secs(5);

/// What is noted of a span: a name, a code or a number.
pub use opentelemetry::Value as Noted;

/// `[traces]`.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The collector, as `http://HOST:PORT`.
    pub endpoint: String,
    /// Which part of the traces that begin here is sampled, 0 to 1; everything without it. Of a caller's trace its own
    /// word counts.
    #[serde(default = "everything")]
    pub sample: f64,
}

const fn everything() -> f64 {
    1.0
}

impl Config {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// What is wrong, in an administrator's words.
    pub fn check(&self) -> Result<(), &'static str> {
        let origin = Origin::parse(&self.endpoint).map_err(|_| "`endpoint` must be `http://HOST:PORT`")?;
        if origin.scheme != Scheme::Http {
            return Err("`endpoint` must be `http://`: let a collector beside this process speak TLS");
        }
        if (0.0..=1.0).contains(&self.sample) { Ok(()) } else { Err("`sample` must be 0 to 1") }
    }
}

/// Says why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent")]
pub struct CannotTrace(#[from] ExporterBuildError);

/// Where a span belongs: the trace, and the span it is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The trace.
    pub trace: TraceId,
    /// The span in it; zero for none.
    pub span: u64,
}

/// Where finished spans go. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Spans {
    queue: mpsc::Sender<SpanData>,
    dropped: Arc<AtomicU64>,
    /// A trace that begins here is sampled if the lower half of its id is below this.
    below: u64,
    scope: InstrumentationScope,
}

/// Something that takes time. It is over, and sent, when it is dropped.
#[derive(Debug)]
pub struct Span {
    spans: Spans,
    place: Place,
    parent: u64,
    name: &'static str,
    kind: SpanKind,
    began: SystemTime,
    attributes: Vec<KeyValue>,
    is_error: bool,
}

impl Spans {
    /// Starts sending, from a task of the runtime that this is called in.
    ///
    /// # Errors
    /// [`CannotTrace`] for an endpoint that is none. One that cannot be reached is no error: spans are dropped.
    pub fn start(config: &Config, service: &'static str, instance: &str) -> Result<Self, CannotTrace> {
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(&config.endpoint).with_timeout(TAKES);
        let mut exporter = exporter.build()?;
        let instance = KeyValue::new("service.instance.id", instance.to_owned());
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder_empty().with_service_name(service).with_attributes([instance, version]);
        exporter.set_resource(&resource.build());
        let (queue, waiting) = mpsc::channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        tokio::spawn(send(exporter, waiting, Arc::clone(&dropped)));
        Ok(Self {
            queue,
            dropped,
            below: share(config.sample),
            scope: InstrumentationScope::builder("hoopgate").build(),
        })
    }

    /// Returns how many spans were dropped because the collector did not take them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Returns whether a trace that begins here is sampled.
    #[must_use]
    pub fn samples(&self, trace: TraceId) -> bool {
        let id = u128::from_be_bytes(trace.to_bytes());
        // The lower half: of ids that are drawn elsewhere only those bits must be random (W3C Trace Context §5.1).
        (id & u128::from(u64::MAX)) < u128::from(self.below)
    }

    /// Begins a span that serves somebody else's request.
    #[must_use]
    pub fn begin(&self, parent: Place, name: &'static str) -> Span {
        self.span(parent, name, SpanKind::Server)
    }

    /// Begins a part of what is done here.
    #[must_use]
    pub fn part(&self, parent: Place, name: &'static str) -> Span {
        self.span(parent, name, SpanKind::Internal)
    }

    /// Begins a part in which somebody else is waited for.
    #[must_use]
    pub fn call(&self, parent: Place, name: &'static str) -> Span {
        self.span(parent, name, SpanKind::Client)
    }

    fn span(&self, parent: Place, name: &'static str, kind: SpanKind) -> Span {
        let id = u64::from_be_bytes(crate::random_id()).max(1);
        Span {
            spans: self.clone(),
            place: Place { trace: parent.trace, span: id },
            parent: parent.span,
            name,
            kind,
            began: SystemTime::now(),
            attributes: Vec::new(),
            is_error: false,
        }
    }
}

impl Span {
    /// Returns where a part of it belongs.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// Notes something of it: a name of an object, a code, or a number. Never what a caller or backend sent.
    pub fn note(&mut self, key: &'static str, value: impl Into<Noted>) {
        self.attributes.push(KeyValue::new(key, value.into()));
    }

    /// Notes that it did not come to what it was for.
    pub const fn failed(&mut self) {
        self.is_error = true;
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let trace = opentelemetry::TraceId::from_bytes(self.place.trace.to_bytes());
        let id = |id: u64| SpanId::from_bytes(id.to_be_bytes());
        let data = SpanData {
            span_context: SpanContext::new(trace, id(self.place.span), TraceFlags::SAMPLED, false, TraceState::NONE),
            parent_span_id: id(self.parent),
            parent_span_is_remote: self.kind == SpanKind::Server,
            span_kind: self.kind.clone(),
            name: self.name.into(),
            start_time: self.began,
            end_time: SystemTime::now(),
            attributes: std::mem::take(&mut self.attributes),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if self.is_error { Status::error("") } else { Status::Unset },
            instrumentation_scope: self.spans.scope.clone(),
        };
        if self.spans.queue.try_send(data).is_err() {
            self.spans.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Place {
    /// Reads a `traceparent` (W3C Trace Context §3.2) of version 00, and whether its trace is sampled.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<(Self, bool)> {
        let text = std::str::from_utf8(value).ok()?;
        let mut parts = text.split('-');
        let (Some("00"), Some(trace), Some(span), Some(flags), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let is_hex = |text: &str, digits| {
            text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let trace: TraceId = trace.parse().ok().filter(|trace| *trace != TraceId::mint(0))?;
        let (span, flags) = (Some(span).filter(|text| is_hex(text, 16))?, Some(flags).filter(|text| is_hex(text, 2))?);
        let span = u64::from_str_radix(span, 16).ok().filter(|span| *span != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some((Self { trace, span }, flags & 1 == 1))
    }

    /// Writes it as a `traceparent`.
    #[must_use]
    pub fn write(&self, sampled: bool) -> String {
        format!("00-{}-{:016x}-{:02x}", self.trace, self.span, u8::from(sampled))
    }
}

/// Which ids are below a share of all there are.
fn share(part: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of ids need not be exact; the cast saturates"
    )]
    let below = (part.clamp(0.0, 1.0) * u64::MAX as f64) as u64;
    below
}

async fn send(exporter: SpanExporter, mut waiting: mpsc::Receiver<SpanData>, dropped: Arc<AtomicU64>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut is_away = false;
    while let Some(first) = waiting.recv().await {
        batch.push(first);
        // Late or full, what is there goes.
        drop(
            timeout(LINGER, async {
                while batch.len() < BATCH
                    && let Some(span) = waiting.recv().await
                {
                    batch.push(span);
                }
            })
            .await,
        );
        let count = batch.len() as u64;
        let sent = timeout(TAKES, exporter.export(std::mem::take(&mut batch))).await;
        let problem = match sent {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("it did not answer".to_owned()),
        };
        if let Some(error) = &problem {
            dropped.fetch_add(count, Ordering::Relaxed);
            if !is_away {
                tracing::warn!(%error, "the collector of traces does not take them; spans are dropped");
            }
        }
        is_away = problem.is_some();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_reads_back_and_anything_else_is_none() {
        let (place, sampled) = Place::parse(VALID).unwrap();
        assert!(sampled);
        assert_eq!(place.write(sampled).as_bytes(), VALID);
        assert_eq!(Place::parse(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"), Some((place, false)));
        let text = std::str::from_utf8(VALID).unwrap();
        for wrong in [
            String::new(),
            text.replace("00-0a", "01-0a"),
            text.to_uppercase(),
            format!("{text}-x"),
            text.replace("b7ad6b7169203331", "0000000000000000"),
            text.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            text.replace("-01", "-1"),
            text.replace("-01", "-+1"),
        ] {
            assert_eq!(Place::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_collector_is_beside_the_process_and_a_share_is_one() {
        let check = |endpoint: &str, sample| Config { endpoint: endpoint.to_owned(), sample }.check().is_ok();
        assert!(check("http://127.0.0.1:4317", 0.0) && check("http://collector:4317", 1.0));
        for (endpoint, sample) in [("", 1.0), ("127.0.0.1:4317", 1.0), ("https://a:4317", 1.0), ("http://a:1/x", 1.0)] {
            assert!(!check(endpoint, sample), "{endpoint}");
        }
        assert!(!check("http://a:1", 1.1) && !check("http://a:1", f64::NAN));
    }

    #[test]
    fn a_share_of_traces_is_sampled_by_their_ids() {
        assert_eq!((share(0.0), share(1.0), share(-1.0), share(f64::NAN)), (0, u64::MAX, 0, 0));
        let half = share(0.5);
        assert!((u64::MAX / 2 - 1024..=u64::MAX / 2 + 1024).contains(&half), "{half}");
    }
}
