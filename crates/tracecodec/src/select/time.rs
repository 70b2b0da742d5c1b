//! Points in time that a selection starts or ends at.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::pcap::Timestamp;

/// A point in time, absolute or as a distance from the first packet of the capture.
///
/// Read from RFC 3339 (`2026-01-02T03:04:05.5+01:00`), from seconds since the epoch
/// (`1767323045.5`), and from seconds since the first packet (`+60`). Digits beyond nanoseconds are
/// cut off, times beyond those of [`Timestamp`] saturate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub enum TimeBound {
    /// This time.
    At(Timestamp),
    /// So many nanoseconds after the first packet of the capture, whether that is selected or not.
    AfterStart(i64),
}

impl TimeBound {
    /// The time that is meant in a capture whose first packet is of the time `start`.
    pub fn of_capture(self, start: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::AfterStart(nanos) => start.add_nanos(nanos),
        }
    }
}

/// The date and time of a timestamp in UTC, to the second below: `2026-01-02T03:04:05Z` (RFC 3339).
pub fn date_and_time(time: Timestamp) -> String {
    let (day, second) = (
        time.seconds().div_euclid(86_400),
        time.seconds().rem_euclid(86_400),
    );
    let [year, month, day] = date(day);
    let [hour, minute, second] = [second / 3600, second / 60 % 60, second % 60];
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

impl FromStr for TimeBound {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bound = if let Some(seconds) = text.strip_prefix('+') {
            decimal(seconds).map(|time| Self::AfterStart(time.0))
        } else if let Some(seconds) = text.strip_prefix('-') {
            decimal(seconds).map(|time| Self::At(Timestamp(-time.0)))
        } else {
            decimal(text).or_else(|| rfc3339(text)).map(Self::At)
        };
        bound.ok_or_else(|| Error::Time(text.chars().filter(|c| !c.is_control()).collect()))
    }
}

impl fmt::Display for TimeBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(time) => write!(f, "{time}"),
            Self::AfterStart(nanos) => write!(f, "+{}", Timestamp(*nanos)),
        }
    }
}

/// How settings may write a time: as a text, or as seconds since the epoch.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Seconds(i64),
    Fraction(f64),
}

impl TryFrom<Written> for TimeBound {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Seconds(seconds) => Ok(Self::At(Timestamp::new(seconds, 0))),
            Written::Fraction(seconds) => seconds.to_string().parse(),
        }
    }
}

impl From<TimeBound> for String {
    fn from(bound: TimeBound) -> Self {
        bound.to_string()
    }
}

/// Seconds with or without a fraction, and nothing else.
fn decimal(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    Some(Timestamp::new(digits(whole)?, nanos(fraction)?))
}

/// A number of digits alone, saturating.
fn digits(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(i64::MAX))
}

/// Nanoseconds of the digits behind a decimal point.
fn nanos(fraction: &str) -> Option<i64> {
    digits(fraction)?;
    digits(&format!("{fraction:0<9}")[..9])
}

/// A date and time of RFC 3339 §5.6, whose `T` may be a space. A leap second is the one after it.
fn rfc3339(text: &str) -> Option<Timestamp> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    if !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
        return None;
    }
    let at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, offset) = rest.split_at(at);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = fields(time, ':', [2, 2, 2])?;
    let is_valid = (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    let seconds = (days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second;
    is_valid.then_some(Timestamp::new(
        seconds - offset_of(offset)?,
        nanos(fraction)?,
    ))
}

/// The seconds by which a local time is ahead of UTC: `Z`, `+01:00`.
fn offset_of(text: &str) -> Option<i64> {
    let sign = match text.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return (text.len() == 1).then_some(0),
    };
    let [hours, minutes] = fields(&text[1..], ':', [2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Numbers between separators, each of so many digits.
fn fields<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        *number = digits(parts.next().filter(|part| part.len() == width)?)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days of a month in the Gregorian calendar.
fn days_of(year: i64, month: i64) -> i64 {
    let (next_year, next) = if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    };
    days(next_year, next, 1) - days(year, month, 1)
}

/// Days from 1970-01-01 to a date in the Gregorian calendar (Howard Hinnant, `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    // The year starts in March, so that the leap day is its last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day that is so many days after 1970-01-01 (Howard Hinnant,
/// `civil_from_days`).
fn date(days: i64) -> [i64; 3] {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Counted from March.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era + month / 10;
    [year, (month + 2) % 12 + 1, day]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Option<i64> {
        match text.parse().ok()? {
            TimeBound::At(time) => Some(time.0),
            TimeBound::AfterStart(_) => None,
        }
    }

    /// Expected seconds are those of `date -u -d TEXT +%s`.
    #[test]
    fn test_dates() {
        let second = |n: i64| Some(n * 1_000_000_000);
        assert_eq!(at("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(at("2026-01-02T03:04:05Z"), second(1_767_323_045));
        assert_eq!(at("2026-01-02 03:04:05z"), second(1_767_323_045));
        assert_eq!(at("2026-01-02T03:04:05+01:30"), second(1_767_317_645));
        assert_eq!(at("2024-02-29T23:59:60-00:30"), second(1_709_253_000));
        assert_eq!(at("1960-12-31T00:00:00Z"), second(-284_083_200));
        assert_eq!(at("2000-02-29T12:00:00Z"), second(951_825_600));
        let nanos = Some(1_767_323_045_123_456_789);
        assert_eq!(at("2026-01-02T03:04:05.123456789Z"), nanos);
        assert_eq!(at("0001-01-01T00:00:00Z"), Some(i64::MIN));
        assert_eq!(at("9999-12-31T23:59:59Z"), Some(i64::MAX));
    }

    #[test]
    fn test_dates_are_those_that_are_read() {
        let days = (-106_000..106_000).map(|day| Timestamp::new(day * 86_400 + 3_723, 0));
        for time in days {
            assert_eq!(at(&date_and_time(time)), Some(time.0));
        }
        let last = date_and_time(Timestamp(i64::MAX));
        assert_eq!(last, "2262-04-11T23:47:16Z");
    }

    #[test]
    fn test_seconds() {
        assert_eq!(at("1.5"), Some(1_500_000_000));
        assert_eq!(at("-1.5"), Some(-1_500_000_000));
        assert_eq!(at("0.12345678999"), Some(123_456_789));
        assert_eq!(at("99999999999999999999"), Some(i64::MAX));
        assert_eq!(
            "+0.5".parse().ok(),
            Some(TimeBound::AfterStart(500_000_000))
        );
    }

    #[test]
    fn test_what_is_no_time() {
        for text in [
            "",
            "+",
            "-",
            ".5",
            "1.",
            "1e9",
            "+-1",
            "now",
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-02T24:00:00Z",
            "2026-01-02T03:04Z",
            "2026-01-02T03:04:05Zulu",
            "2026-01-02T03:04:05+0100",
            "2026-01-02T03:04:05.Z",
            "2026-1-2T03:04:05Z",
            "2026-01-0é03:04:05Z",
            "２026-01-02T03:04:05Z",
        ] {
            let error = text.parse::<TimeBound>().unwrap_err();
            assert_eq!(error.to_string(), format!("not a time: `{text}`"));
        }
    }

    #[test]
    fn test_display_is_read_again() {
        for text in ["1.500000000", "-0.000000001", "+60.000000000"] {
            let bound: TimeBound = text.parse().unwrap();
            assert_eq!(bound.to_string(), text);
        }
    }
}
