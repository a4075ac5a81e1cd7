//! Fields of an event or span as text that no value can break out of.

use std::error::Error;
use std::fmt;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Writes `message key=value key="quoted value"`, with everything that is not plain text escaped.
pub(super) struct QuotedFields;

impl<'writer> FormatFields<'writer> for QuotedFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line { writer, empty: true, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'writer> {
    writer: Writer<'writer>,
    empty: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn put(&mut self, field: &Field, value: &str) {
        if self.result.is_ok() {
            self.result = self.write(field.name(), value);
        }
    }

    fn write(&mut self, name: &str, value: &str) -> fmt::Result {
        // The `log` crate's own metadata, which the line's head shows already.
        if name.starts_with("log.") {
            return Ok(());
        }
        if !std::mem::replace(&mut self.empty, false) {
            self.writer.write_char(' ')?;
        }
        if name == "message" {
            return value.chars().try_for_each(|character| match character {
                '"' | '\'' => self.writer.write_char(character),
                _ => write!(self.writer, "{}", character.escape_debug()),
            });
        }
        write!(self.writer, "{}=", name.trim_start_matches("r#"))?;
        if is_bare(value) { self.writer.write_str(value) } else { write!(self.writer, "{value:?}") }
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.put(field, &text);
    }
}

/// Whether a value can stand without quotes and not be taken for anything else.
fn is_bare(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\' | b'=' | b'{' | b'}' | b'`');
    !value.is_empty() && value.bytes().all(plain)
}
