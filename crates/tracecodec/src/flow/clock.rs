//! The clock by which flows and sessions expire.

use super::IDLE;
use crate::pcap::Timestamp;

/// A clock that advances by the time from packet to packet, but by at most [`IDLE`] at once and
/// never backwards: a hole in the capture, or a step back, says nothing of what the flows did
/// meanwhile.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: i64,
    last_time: Option<Timestamp>,
}

impl Clock {
    /// Advances to a packet's time; returns the clock's time, in nanoseconds from the first packet.
    pub(super) fn tick(&mut self, time: Timestamp) -> i64 {
        let step = self
            .last_time
            .map_or(0, |last| time.0.saturating_sub(last.0));
        self.now += step.clamp(0, IDLE);
        self.last_time = Some(time);
        self.now
    }

    /// The clock's time at the latest packet.
    pub(super) fn now(&self) -> i64 {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_holes_and_steps_back_are_short() {
        let mut clock = Clock::default();
        assert_eq!(clock.tick(Timestamp(5)), 0);
        assert_eq!(clock.tick(Timestamp(8)), 3);
        assert_eq!(clock.tick(Timestamp(2)), 3);
        assert_eq!(clock.tick(Timestamp(i64::MAX)), 3 + IDLE);
    }
}
