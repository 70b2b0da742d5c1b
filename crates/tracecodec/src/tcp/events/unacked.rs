//! The segments of one direction that the peer has not acknowledged.

use std::collections::VecDeque;

use crate::tcp::SeqNumber;

/// Largest number of a direction's segments that are remembered; see [`Unacked::is_full`] for those
/// beyond.
const MOST: usize = 10_000;

/// Whether `a` comes before `b`, by their signed difference. Of two numbers half the
/// number space apart, each comes before the other.
pub(super) fn is_before(a: SeqNumber, b: SeqNumber) -> bool {
    a - b < 0
}

/// Ends of the segments that the peer has not acknowledged, ascending. A segment that was sent
/// twice is in the queue twice.
///
/// Only the number of segments matters, but their ends decide which of them an acknowledgment
/// removes. In a live stream all ends lie within half the number space of each other (windows are
/// below 2^30), so "ascending" has a meaning, and an acknowledgment removes ends at one end of the
/// queue: in constant time each, however many wait.
#[derive(Debug, Clone, Default)]
pub(super) struct Unacked {
    ends: VecDeque<SeqNumber>,
}

impl Unacked {
    /// Whether no further segment is remembered. The SYN or FIN of a further one then does not
    /// count in its end.
    pub(super) fn is_full(&self) -> bool {
        self.ends.len() >= MOST
    }

    /// Remembers a segment, unless there are too many.
    pub(super) fn send(&mut self, end: SeqNumber) {
        if self.is_full() {
            return;
        }
        let at = self.ends.partition_point(|sent| !is_before(end, *sent));
        self.ends.insert(at, end);
    }

    /// Removes what is acknowledged: every segment that does not end after `ack`.
    pub(super) fn acknowledge(&mut self, ack: SeqNumber) {
        while self
            .ends
            .pop_front_if(|end| !is_before(ack, *end))
            .is_some()
        {}
        while self.ends.pop_back_if(|end| !is_before(ack, *end)).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unacked(ends: &[u32]) -> Unacked {
        let mut unacked = Unacked::default();
        ends.iter().for_each(|&end| unacked.send(SeqNumber(end)));
        unacked
    }

    #[test]
    fn test_acknowledgment_takes_what_ends_at_it_or_before() {
        let mut queue = unacked(&[30, 10, 20, 20]);
        queue.acknowledge(SeqNumber(9));
        assert_eq!(queue.ends.len(), 4);
        queue.acknowledge(SeqNumber(20));
        assert_eq!(queue.ends, [SeqNumber(30)]);
    }

    #[test]
    fn test_acknowledgment_from_far_ahead_takes_from_the_back() {
        // 100 + 2^31 - 1 is before 100 + 2^31, but 99 is more than half the number space behind it.
        let mut queue = unacked(&[99, 200]);
        queue.acknowledge(SeqNumber(99 + (1 << 31) + 1));
        assert_eq!(queue.ends, [SeqNumber(99)]);
    }

    #[test]
    fn test_ten_thousand_at_most() {
        let mut queue = unacked(&(0..9_999).collect::<Vec<_>>());
        assert!(!queue.is_full());
        queue.send(SeqNumber(9_999));
        queue.send(SeqNumber(10_000));
        assert!(queue.is_full());
        queue.acknowledge(SeqNumber(0));
        assert_eq!(queue.ends.len(), 9_999);
    }
}
