//! What a node may do for a connection while nobody can tell it of changes.

use super::{InvalidSpec, require};
use crate::span::{parse_span, write_span};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// Longest time after its lease for which a node may serve reads.
pub const LONGEST_STALE: Duration = Duration::from_secs(3600);

/// What a node does for a connection once its lease is over. Written `refuse`, or `serve(10m)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Stale {
    /// Nothing.
    #[default]
    Refuse,
    /// It serves reads for this long after the lease's end, to whom its last snapshot knows.
    Serve(Duration),
}

impl Stale {
    /// Returns for how long after a lease's end reads go on; zero where nothing does.
    #[must_use]
    pub const fn window(self) -> Duration {
        match self {
            Self::Refuse => Duration::ZERO,
            Self::Serve(window) => window,
        }
    }

    pub(super) fn check(self) -> Result<(), InvalidSpec> {
        let fits = match self {
            Self::Refuse => true,
            Self::Serve(window) => (Duration::from_secs(1)..=LONGEST_STALE).contains(&window),
        };
        require(fits, "stale", "must serve for 1s to 1h")
    }
}

impl Serialize for Stale {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Refuse => to.serialize_str("refuse"),
            Self::Serve(window) => to.collect_str(&format_args!("serve({})", write_span(*window))),
        }
    }
}

impl<'de> Deserialize<'de> for Stale {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == "refuse" {
            return Ok(Self::Refuse);
        }
        let window = text.strip_prefix("serve(").and_then(|rest| rest.strip_suffix(')'));
        let window = window.ok_or_else(|| serde::de::Error::custom("must be `refuse`, or for example `serve(10m)`"))?;
        parse_span(window).map(Self::Serve).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Access, Connection};

    fn connection(more: &str) -> Result<Connection, String> {
        let text = format!(r#"{{"protocol": "http", "upstream": "https://a.test"{more}}}"#);
        let connection: Connection = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        connection.check().map(|()| connection).map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_reads_can_be_served_without_a_lease() {
        let of = |more| connection(more).map(|connection| (connection.access, connection.stale));
        let serve = |seconds| Stale::Serve(Duration::from_secs(seconds));
        assert_eq!(of(""), Ok((Access::Any, Stale::Refuse)));
        assert_eq!(of(r#", "access": "read""#), Ok((Access::Read, Stale::Refuse)));
        assert_eq!(of(r#", "access": "read", "stale": "serve(1h)""#), Ok((Access::Read, serve(3_600))));
        let refused = [
            (r#", "stale": "serve(10m)""#, "`serve` needs `access: read`"),
            (r#", "access": "any", "stale": "serve(10m)""#, "`serve` needs `access: read`"),
            (r#", "access": "read", "stale": "serve(61m)""#, "must serve for 1s to 1h"),
            (r#", "access": "read", "stale": "serve(0s)""#, "must serve for 1s to 1h"),
            (r#", "access": "read", "stale": "serve""#, "must be `refuse`"),
            (r#", "access": "read", "stale": "serve(ever)""#, "not a span of time"),
            (r#", "access": "write""#, "unknown variant"),
        ];
        for (more, reason) in refused {
            let error = connection(more).unwrap_err();
            assert!(error.contains(reason), "{more}: {error}");
        }
    }

    #[test]
    fn what_an_administrator_writes_is_read_and_written_alike() {
        for stale in [Stale::Refuse, Stale::Serve(Duration::from_secs(90))] {
            let written = serde_json::to_string(&stale).unwrap();
            assert_eq!(serde_json::from_str::<Stale>(&written).unwrap(), stale, "{written}");
        }
    }
}
