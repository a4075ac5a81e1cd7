//! Amounts of bytes and of time, as people read them.

use std::fmt;
use std::time::Duration;

/// Shows a number of bytes: `512 B`, `1.5 KiB`.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match units.into_iter().find(|(_, unit)| self.0 >= *unit) {
            Some((name, unit)) => write!(f, "{}.{} {name}", self.0 / unit, self.0 % unit * 10 / unit),
            None => write!(f, "{} B", self.0),
        }
    }
}

/// Shows a span of time in its two largest units: `38.2 ms`, `1.5 s`, `12m03s`, `3h07m`, `2d04h`.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (micros, seconds) = (self.0.as_micros(), self.0.as_secs());
        match seconds {
            0 => write!(f, "{}.{} ms", micros / 1000, micros % 1000 / 100),
            1..60 => write!(f, "{seconds}.{} s", self.0.subsec_millis() / 100),
            60..3600 => write!(f, "{}m{:02}s", seconds / 60, seconds % 60),
            3600..86_400 => write!(f, "{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
            86_400.. => write!(f, "{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        for (bytes, shown) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (u64::MAX, "17179869183.9 GiB")]
        {
            assert_eq!(Bytes(bytes).to_string(), shown);
        }
        for (micros, shown) in [
            (0, "0.0 ms"),
            (38_250, "38.2 ms"),
            (1_560_000, "1.5 s"),
            (723_000_000, "12m03s"),
            (11_220_000_000, "3h07m"),
            (187_200_000_000, "2d04h"),
        ] {
            assert_eq!(Span(Duration::from_micros(micros)).to_string(), shown);
        }
    }
}
