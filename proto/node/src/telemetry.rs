//! What a process tells of itself: its log here, what it counts in [`metrics`], what it did for whom in [`spans`].
//!
//! The log has one event per line, on standard error.
//!
//! Field values come from callers. Whatever they hold, an event stays one line and its values stay values: text output
//! quotes and escapes them, JSON output encodes them.

pub mod metrics;
pub mod spans;
mod text;

use std::io;
use text::QuotedFields;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterFn, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// Crates that see bytes on the wire, and may print headers and frames below INFO whatever the filter says.
const WIRE_CRATES: [&str; 7] = ["h2", "hyper", "hyper_util", "rustls", "tokio_rustls", "tonic", "tower"];

/// How the process logs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How an event is written.
    pub format: Format,
    /// Which events are written: `tracing-subscriber`'s directives, such as `info,openraft=warn`.
    pub filter: String,
}

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object per line, for collectors.
    Json,
    /// One line of text, for people.
    Text,
}

/// Says why the log was not set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be parsed.
    #[error("log filter `{filter}` cannot be parsed")]
    Filter {
        /// The filter as written.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// The process has a log already.
    #[error("the log is set up already")]
    AlreadyRunning,
}

impl Default for Config {
    fn default() -> Self {
        Self { format: Format::Text, filter: "info,openraft=warn".to_owned() }
    }
}

/// Sets up the process's log on standard error, also for libraries that use the `log` crate. Call it once, in `main`.
///
/// # Errors
/// [`TelemetryError`] for a malformed filter or a second call.
pub fn init(config: &Config) -> Result<(), TelemetryError> {
    subscriber(config, io::stderr)?.try_init().map_err(|_| TelemetryError::AlreadyRunning)
}

fn subscriber<W>(config: &Config, writer: W) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&config.filter)
        .map_err(|source| TelemetryError::Filter { filter: config.filter.clone(), source })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        Format::Json => lines.json().boxed(),
        Format::Text => lines.fmt_fields(QuotedFields).boxed(),
    };
    Ok(Box::new(Registry::default().with(lines).with(filter).with(without_wire_bytes())))
}

/// Keeps wire crates at INFO and above: their lower levels could put credentials into the log.
fn without_wire_bytes() -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    filter_fn(|event| {
        let source = event.target().split("::").next().unwrap_or_default();
        *event.level() <= Level::INFO || !WIRE_CRATES.contains(&source)
    })
}

#[cfg(test)]
mod tests;
