//! TCP events: what an analyser finds remarkable in a segment (retransmissions, lost segments, and
//! the like).
//!
//! The rules are those of `tshark` 4.0 with its default preferences, event by event;
//! `docs/metrics.md` describes how they were compared. Events depend on the past of one
//! [`Conversation`] alone: [`Conversation::analyse`] takes its segments in the order of the
//! capture.

mod conversation;
mod unacked;

pub use conversation::{Conversation, Segment};

/// A TCP event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Sequence numbers sent again.
    Retransmission,
    /// A retransmission soon after at least two duplicate ACKs asked for it.
    FastRetransmission,
    /// A retransmission of data that the peer has acknowledged.
    SpuriousRetransmission,
    /// A segment that starts beyond all data sent before: the capture misses something.
    LostSegment,
    /// An acknowledgment of data that was not seen.
    AckLostSegment,
    /// A repeated acknowledgment, without data or a new window.
    DuplicateAck,
    /// Sequence numbers below the highest, too early for a retransmission.
    OutOfOrder,
    /// A receiver that announces a window of 0.
    ZeroWindow,
}

impl Event {
    /// All events, in the order of reports.
    pub const ALL: [Event; 8] = [
        Event::Retransmission,
        Event::FastRetransmission,
        Event::SpuriousRetransmission,
        Event::LostSegment,
        Event::AckLostSegment,
        Event::DuplicateAck,
        Event::OutOfOrder,
        Event::ZeroWindow,
    ];

    /// Precedence of events: the first one in this list stands for a segment that has several.
    const PRECEDENCE: [Event; 8] = [
        Event::SpuriousRetransmission,
        Event::FastRetransmission,
        Event::OutOfOrder,
        Event::Retransmission,
        Event::LostSegment,
        Event::AckLostSegment,
        Event::DuplicateAck,
        Event::ZeroWindow,
    ];

    /// Name of `tshark`'s field for the event, after `tcp.analysis.`.
    pub fn name(self) -> &'static str {
        match self {
            Event::Retransmission => "retransmission",
            Event::FastRetransmission => "fast_retransmission",
            Event::SpuriousRetransmission => "spurious_retransmission",
            Event::LostSegment => "lost_segment",
            Event::AckLostSegment => "ack_lost_segment",
            Event::DuplicateAck => "duplicate_ack",
            Event::OutOfOrder => "out_of_order",
            Event::ZeroWindow => "zero_window",
        }
    }
}

/// The events of one segment.
///
/// There are two ways to count them, and every report names the one it uses.
///
/// - `fields`: every event of the set, as `tshark`'s filters by field count. A fast or a spurious
///   retransmission also counts as a [`Event::Retransmission`], and a segment may have further
///   events.
/// - `exclusive`: at most one event a segment, the [`EventSet::exclusive`] one. These counts add up
///   to the number of segments that have any event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct EventSet(u8);

impl EventSet {
    /// No event.
    pub const EMPTY: EventSet = EventSet(0);

    /// Adds an event; both special kinds of retransmission also add the plain one.
    pub fn insert(&mut self, event: Event) {
        self.0 |= 1 << event as u8;
        if matches!(
            event,
            Event::FastRetransmission | Event::SpuriousRetransmission
        ) {
            self.insert(Event::Retransmission);
        }
    }

    /// Whether the set has no event.
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// Whether the set has an event.
    pub fn contains(self, event: Event) -> bool {
        self.0 >> event as u8 & 1 == 1
    }

    /// The events of the set, in the order of reports.
    pub fn iter(self) -> impl Iterator<Item = Event> {
        Event::ALL
            .into_iter()
            .filter(move |&event| self.contains(event))
    }

    /// The one event that stands for the segment; `None` if the set is empty.
    pub fn exclusive(self) -> Option<Event> {
        Event::PRECEDENCE
            .into_iter()
            .find(|&event| self.contains(event))
    }
}

impl Extend<Event> for EventSet {
    fn extend<I: IntoIterator<Item = Event>>(&mut self, events: I) {
        events.into_iter().for_each(|event| self.insert(event));
    }
}

impl FromIterator<Event> for EventSet {
    fn from_iter<I: IntoIterator<Item = Event>>(events: I) -> Self {
        let mut set = EventSet::EMPTY;
        set.extend(events);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_events_keep_the_order_of_reports() {
        for (at, event) in Event::ALL.into_iter().enumerate() {
            assert_eq!(event as usize, at);
        }
        let set = EventSet::from_iter([Event::ZeroWindow, Event::LostSegment]);
        assert!(set.iter().eq([Event::LostSegment, Event::ZeroWindow]));
        assert!(EventSet::EMPTY.is_empty() && !set.is_empty());
    }

    #[test]
    fn test_fields_count_a_fast_retransmission_twice() {
        let set = EventSet::from_iter([Event::FastRetransmission]);
        assert!(set.contains(Event::Retransmission) && set.contains(Event::FastRetransmission));
        assert_eq!(set.exclusive(), Some(Event::FastRetransmission));
    }

    #[test]
    fn test_exclusive_takes_the_first_by_precedence() {
        for (at, &event) in Event::PRECEDENCE.iter().enumerate() {
            let set = EventSet::from_iter(Event::PRECEDENCE[at..].iter().copied());
            // Each special kind of retransmission adds the plain one, which comes after both and
            // after out-of-order.
            assert_eq!(set.exclusive(), Some(event));
        }
        assert_eq!(EventSet::EMPTY.exclusive(), None);
    }
}
