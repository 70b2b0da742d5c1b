//! The segments of one direction that the peer has not acknowledged.

use std::collections::VecDeque;

use crate::tcp::SeqNumber;

/// Segments of a direction that are remembered at most; those beyond it are not looked at closely, see [`Unacked::is_full`].
const MOST: usize = 10_000;

/// Whether `a` comes before `b`, by their signed difference. Of two numbers half the
/// number space apart, each comes before the other.
pub(super) fn is_before(a: SeqNumber, b: SeqNumber) -> bool {
    a - b < 0
}

/// Ends of the segments that the peer has not acknowledged, ascending; a segment that was sent twice is in it twice.
///
/// Only their number matters, but which of them an acknowledgment takes away depends on their ends. They lie within half the number
/// space of each other in any live stream (windows are below 2^30), so that "ascending" means something and an
/// acknowledgment takes them from an end of the queue: a constant time each, however many wait.
#[derive(Debug, Clone, Default)]
pub(super) struct Unacked {
    ends: VecDeque<SeqNumber>,
}

impl Unacked {
    /// Whether no further segment is remembered. Then the SYN or FIN of a further one does not count in its end.
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

    /// Forgets what is acknowledged: every segment that does not end after `ack`.
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
