//! Spans of time as administrators write them.

use std::time::Duration;

/// Says that a text is not a span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a span of time: a whole number and one of `ms`, `s`, `m`, `h`, for example `30s`")]
pub struct InvalidSpan;

/// Parses `500ms`, `30s`, `15m` or `1h`.
///
/// # Errors
/// [`InvalidSpan`] for anything else, a sign, a fraction, or more than 365 days.
pub fn parse_span(text: &str) -> Result<Duration, InvalidSpan> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or(InvalidSpan)?;
    let number: u64 = number.parse().map_err(|_| InvalidSpan)?;
    let unit_millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(InvalidSpan),
    };
    let span = number.checked_mul(unit_millis).map(Duration::from_millis).ok_or(InvalidSpan)?;
    if span <= Duration::from_secs(365 * 24 * 3600) { Ok(span) } else { Err(InvalidSpan) }
}

/// Writes a span as [`parse_span`] reads it; fractions of a millisecond are dropped.
pub(crate) fn write_span(span: Duration) -> String {
    match span.as_millis() {
        0 => "0s".to_owned(),
        m if m % 3_600_000 == 0 => format!("{}h", m / 3_600_000),
        m if m % 60_000 == 0 => format!("{}m", m / 60_000),
        m if m % 1000 == 0 => format!("{}s", m / 1000),
        m => format!("{m}ms"),
    }
}

/// Reads and writes a span in a resource.
pub(crate) mod written {
    use serde::{Deserialize, Deserializer};
    use std::time::Duration;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        super::parse_span(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }

    pub(crate) fn serialize<S: serde::Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&super::write_span(*span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_needs_a_number_and_a_unit() {
        assert_eq!(parse_span("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(parse_span("0s"), Ok(Duration::ZERO));
        for bad in ["", "15", "m", "-1s", "1.5h", "1 h", "99999999999999999999h", "9999h", "1d", "５s"] {
            assert_eq!(parse_span(bad), Err(InvalidSpan), "{bad:?}");
        }
    }
}
