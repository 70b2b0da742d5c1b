//! Capture time.

use std::fmt;

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;

/// Nanoseconds since 1970-01-01 00:00 UTC, without leap seconds. Ranges from 1677 to 2262; times
/// beyond saturate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time `nanos` after `seconds`. `nanos` may exceed a second: some writers do.
    pub fn new(seconds: i64, nanos: i64) -> Self {
        Self(seconds.saturating_mul(SECOND).saturating_add(nanos))
    }

    /// Whole seconds, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(SECOND)
    }

    /// Nanoseconds after the whole [`seconds`](Self::seconds): below 10⁹.
    pub fn subsec_nanos(self) -> u32 {
        self.0.rem_euclid(SECOND) as u32
    }

    /// Nanoseconds from `earlier` to this time; negative if it is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time moved by `nanos`.
    pub fn add_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

/// Steps of a trace's times, from packet to packet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Steps {
    first: Option<Timestamp>,
    last: Timestamp,
}

impl Steps {
    /// Time of the first packet.
    pub fn epoch(&self) -> Option<Timestamp> {
        self.first
    }

    /// Nanoseconds since the previous packet; 0 for the first packet. The difference wraps around
    /// at the ends of time, so that a sum of steps never saturates.
    pub fn next(&mut self, time: Timestamp) -> i64 {
        if self.first.is_none() {
            (self.first, self.last) = (Some(time), time);
        }
        let step = time.0.wrapping_sub(self.last.0);
        self.last = time;
        step
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        let second = SECOND.unsigned_abs();
        write!(f, "{sign}{}.{:09}", nanos / second, nanos % second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_display() {
        assert_eq!(Timestamp(1_000_000_001).to_string(), "1.000000001");
        assert_eq!(Timestamp(-500_000_000).to_string(), "-0.500000000");
        assert_eq!(Timestamp(i64::MIN).to_string(), "-9223372036.854775808");
    }

    #[test]
    fn test_parts_of_a_time_before_the_epoch() {
        let time = Timestamp(-1);
        assert_eq!((time.seconds(), time.subsec_nanos()), (-1, 999_999_999));
        assert_eq!(Timestamp::new(-1, 999_999_999), time);
    }

    #[test]
    fn test_saturation() {
        assert_eq!(Timestamp::new(i64::MAX, i64::MAX), Timestamp(i64::MAX));
        assert_eq!(Timestamp(i64::MIN).since(Timestamp(1)), i64::MIN);
        assert_eq!(Timestamp(i64::MAX).add_nanos(1), Timestamp(i64::MAX));
    }
}
