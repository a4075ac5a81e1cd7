use super::*;
use std::sync::{Arc, Mutex};

/// Text that would forge a second event, colour a terminal, or reverse a line if written as it is.
const HOSTILE: &str =
    "a\r\n2026-01-01T00:00:00Z  INFO hoop: approved verdict=\"allow\" \x1b[31m\u{9b}31m\u{202e}\u{2028}\0\t";

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(format: Format, filter: &str, events: impl FnOnce()) -> String {
    let captured = Captured::default();
    let writer = captured.clone();
    let config = Config { format, filter: filter.to_owned() };
    let subscriber = subscriber(&config, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, events);
    let bytes = captured.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[derive(Debug, thiserror::Error)]
#[error("outer {HOSTILE}")]
struct Failure(#[source] io::Error);

fn hostile_events() {
    let span = tracing::info_span!("request", identity = %HOSTILE, late = tracing::field::Empty);
    span.record("late", HOSTILE);
    let _entered = span.enter();
    let failure = Failure(io::Error::other(HOSTILE));
    let cause: &(dyn std::error::Error + 'static) = &failure;
    tracing::info!(user = HOSTILE, "str");
    tracing::info!(user = %HOSTILE, "display");
    tracing::info!(user = ?HOSTILE, "debug");
    tracing::info!(error = cause, "error");
    tracing::info!("message {HOSTILE}");
}

#[test]
fn a_users_text_forges_no_line_in_text() {
    let text = logged(Format::Text, "info", hostile_events);
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(!text.contains("  INFO hoop: approved\n"));
    let hidden = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{2028}');
    assert_eq!(text.chars().find(|c| hidden(*c)), None, "{text}");
    assert!(text.lines().all(|line| line.contains("request{identity=\"a\\r\\n2026")), "{text}");
}

#[test]
fn a_users_text_forges_no_line_in_json() {
    let text = logged(Format::Json, "info", hostile_events);
    let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 5);
    assert!(events.iter().all(|event| event["level"] == "INFO" && event["span"]["identity"] == HOSTILE));
    assert_eq!(events[0]["fields"]["user"], HOSTILE);
}

#[test]
fn a_value_cannot_pose_as_another_field() {
    let text = logged(Format::Text, "info", || {
        tracing::info!(identity = %"x verdict=allow", verdict = "refused", "closed");
        tracing::info!(identity = %"\"x\" verdict=\"allow\"", verdict = "refused", "closed");
        tracing::info!(identity = "", count = 3, plain = %"https://a.example/b?c", "closed");
    });
    let tails: Vec<_> = text.lines().map(|line| line.split_once("closed ").unwrap().1).collect();
    assert_eq!(
        tails,
        [
            r#"identity="x verdict=allow" verdict=refused"#,
            r#"identity="\"x\" verdict=\"allow\"" verdict=refused"#,
            r#"identity="" count=3 plain=https://a.example/b?c"#,
        ]
    );
}

#[test]
fn an_error_is_written_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot start")]
    struct Start(#[source] io::Error);
    let start = Start(io::Error::other("disk full"));
    let error: &(dyn std::error::Error + 'static) = &start;
    let text = logged(Format::Text, "info", || tracing::error!(error, "stopped"));
    assert!(text.ends_with("stopped error=\"cannot start: disk full\"\n"), "{text}");
}

#[test]
fn the_default_filter_passes_info_but_of_openraft_only_warnings() {
    let filter = Config::default().filter;
    let text = logged(Format::Text, &filter, || {
        tracing::debug!("no-debug");
        tracing::info!("yes-info");
        tracing::info!(target: "openraft::core", "no-vote");
        tracing::warn!(target: "openraft::core", "yes-warn");
    });
    assert_eq!((text.matches("yes-").count(), text.matches("no-").count()), (2, 0), "{text}");
}

#[test]
fn crates_that_see_wire_bytes_stay_at_info_whatever_the_filter_says() {
    let text = logged(Format::Text, "trace,h2::hpack=trace", || {
        tracing::trace!(target: "h2::hpack", authorization = "CANARY", "frame");
        tracing::debug!(target: "hyper", "CANARY");
        tracing::warn!(target: "rustls::conn", "yes-warn");
        tracing::trace!(target: "h2o", "yes-other");
        tracing::trace!("yes-ours");
    });
    assert_eq!((text.matches("CANARY").count(), text.matches("yes-").count()), (0, 3), "{text}");
}

#[test]
fn a_malformed_filter_and_unknown_keys_are_refused() {
    let config = Config { filter: "info,=,x=loud".to_owned(), ..Config::default() };
    assert!(matches!(subscriber(&config, io::sink).map(drop), Err(TelemetryError::Filter { .. })));
    for text in ["format = \"xml\"", "formt = \"json\"", "filter = 3"] {
        assert!(toml::from_str::<Config>(text).is_err(), "{text}");
    }
    assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
    assert_eq!(toml::from_str::<Config>("format = \"json\"").unwrap().format, Format::Json);
}
