//! Points in time: RFC 3339, shown in UTC; typed also as a span before now.

use hoop_model::{UnixMillis, parse_span};
use std::fmt;
use std::time::Duration;

const DAY_MILLIS: i64 = 86_400_000;

/// A point in time as an administrator types it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// That long before now: `1h`.
    Ago(Duration),
    /// `2026-11-22T14:00:00Z`.
    At(UnixMillis),
}

/// Says that a text is not a point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a point in time: a span before now like `90s`, `15m` or `1h`, or RFC 3339 like `2026-11-22T14:00:00Z`")]
pub(crate) struct InvalidMoment;

impl Moment {
    /// Parses either form; a point before 1970 is none.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidMoment> {
        match parse_span(text) {
            Ok(span) => Ok(Self::Ago(span)),
            Err(_) => rfc3339(text).map(Self::At).ok_or(InvalidMoment),
        }
    }

    /// Returns the point itself, at the earliest 1970.
    pub(crate) fn given(self, now: UnixMillis) -> UnixMillis {
        match self {
            Self::Ago(span) => UnixMillis(now.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))),
            Self::At(point) => point,
        }
    }
}

/// Reads RFC 3339 §5.6 `date-time`. Digits below the millisecond are dropped; a leap second is not a point we can name.
fn rfc3339(text: &str) -> Option<UnixMillis> {
    let (date, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let valid = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (millis, rest) = fraction(rest)?;
    let of_day = ((hour * 60 + minute) * 60 + second) * 1000 + millis;
    let local = days_before(year, month, day) * DAY_MILLIS + of_day;
    u64::try_from(local - offset(rest)?).ok().map(UnixMillis)
}

/// Reads three numbers of exactly these many digits.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut read = [0; 3];
    for (number, digits) in read.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(read)
}

/// Reads `.` and digits, if they are there; returns milliseconds and the rest.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = digits.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
    let millis = digits.bytes().chain(*b"00").take(3).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some((millis, rest))
}

/// Reads `Z` or `±HH:MM`; returns milliseconds east of UTC.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let [hour, minute, _] = numbers(&format!("{rest}:00"), ':', [2, 2, 2])?;
    (hour <= 23 && minute <= 59).then_some(sign * (hour * 60 + minute) * 60_000)
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the days from 1970-01-01 to a day of the proleptic Gregorian calendar. A year begins in March, so that the
/// leap day is its last; an era has 400 years and 146097 days.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Returns year, month and day; undoes [`days_before`].
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * month_from_march + 2) / 5 + 1)
}

/// Shows a point in time as RFC 3339 in UTC with milliseconds. Total: what is beyond the year 9999 has a longer year.
pub(crate) struct Utc(pub(crate) UnixMillis);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0.0).unwrap_or(i64::MAX);
        let (year, month, day) = date_of(millis / DAY_MILLIS);
        let (seconds, millis) = (millis % DAY_MILLIS / 1000, millis % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_in_time_has_the_number_that_date_prints() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-22T14:03:07.123Z", 1_795_356_187_123),
            ("2026-11-22t15:33:07.1239+01:30", 1_795_356_187_123),
            ("2026-11-22 13:03:07.1-01:00", 1_795_356_187_100),
            ("2000-02-29T23:59:59z", 951_868_799_000),
            ("2100-03-01T00:00:00Z", 4_107_542_400_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
        ] {
            assert_eq!(Moment::parse(text), Ok(Moment::At(UnixMillis(millis))), "{text}");
        }
        assert_eq!(Utc(UnixMillis(1_795_356_187_123)).to_string(), "2026-11-22T14:03:07.123Z");
        assert_eq!(Utc(UnixMillis(951_868_799_000)).to_string(), "2000-02-29T23:59:59.000Z");
    }

    #[test]
    fn every_day_reads_back() {
        for day in 0..=3_000_000_i64 / 7 {
            let (year, month, date) = date_of(day * 7);
            assert_eq!(days_before(year, month, date), day * 7);
            assert!((1..=days_in(year, month)).contains(&date));
        }
        let _ = Utc(UnixMillis(u64::MAX)).to_string();
    }

    #[test]
    fn a_span_is_that_long_before_now() {
        let now = UnixMillis(10_000);
        assert_eq!(Moment::parse("3s").unwrap().given(now), UnixMillis(7000));
        assert_eq!(Moment::parse("1h").unwrap().given(now), UnixMillis(0));
        assert_eq!(Moment::parse("1970-01-01T00:00:42Z").unwrap().given(now), UnixMillis(42_000));
    }

    #[test]
    fn nothing_else_is_a_point_in_time() {
        for bad in [
            "",
            "1",
            "yesterday",
            "2026-11-22",
            "2026-11-22T14:00Z",
            "2026-11-22T14:00:00",
            "2026-11-22T24:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-11-22T14:00:60Z",
            "2026-11-22T14:00:00.Z",
            "2026-11-22T14:00:00+1:00",
            "2026-11-22T14:00:00+24:00",
            "2026-11-22T14:00:00Z ",
            "1969-12-31T23:59:59Z",
            "+026-11-22T14:00:00Z",
            "２026-11-22T14:00:00Z",
        ] {
            assert_eq!(Moment::parse(bad), Err(InvalidMoment), "{bad:?}");
        }
    }
}
