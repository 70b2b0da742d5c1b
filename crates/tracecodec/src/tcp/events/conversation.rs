//! The analysis of one conversation, segment by segment.

use super::unacked::{Unacked, is_before};
use super::{Event, EventSet};
use crate::action::Direction;
use crate::tcp::flags::{self, ACK, FIN, RST, SYN};
use crate::tcp::{SegmentNumbers, SeqNumber};

/// Nanoseconds, exclusive, after the ACK that asked for it within which a retransmission is a fast
/// one.
const FAST: u64 = 20_000_000;

/// Nanoseconds, exclusive, after a segment within which the one that should have preceded it counts
/// as reordered by the network, if the round-trip time is not known.
const REORDERING: u64 = 3_000_000;

/// Duplicate ACKs after which a retransmission is a fast one.
const FAST_DUPLICATES: i32 = 2;

/// Stands in place of a count of duplicate ACKs: the peer acknowledged data that was not seen.
const ACKED_UNSEEN: i32 = -1;

/// Stands for "not known" where a state holds sequence numbers. A stream that reaches number 0 is
/// forgotten for a moment, as in the analyser that sets the rules.
const UNKNOWN: SeqNumber = SeqNumber(0);

/// A TCP segment as the analysis needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Segment {
    /// Capture time in nanoseconds.
    pub time: i64,
    /// Sequence number and acknowledgment number field.
    pub numbers: SegmentNumbers,
    /// Payload bytes by the IP length.
    pub len: u32,
    /// Flags.
    pub flags: u16,
    /// Window, unscaled.
    pub window: u16,
}

impl Segment {
    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Whether the segment opens a connection: SYN without ACK.
    fn opens(&self) -> bool {
        flags::opens(self.flags)
    }

    /// Whether the segment leaves the connection as it is: none of SYN, FIN, RST.
    fn is_plain(&self) -> bool {
        !self.has(SYN | FIN | RST)
    }

    /// Whether the segment takes sequence numbers.
    fn takes_numbers(&self) -> bool {
        self.len > 0 || flags::sequence_len(self.flags) > 0
    }

    /// The sequence number after the segment.
    fn end(&self) -> SeqNumber {
        self.payload_end() + flags::sequence_len(self.flags)
    }

    fn payload_end(&self) -> SeqNumber {
        self.numbers.seq + self.len
    }

    /// Nanoseconds since `earlier`. A step back in time gives a huge number.
    fn since(&self, earlier: i64) -> u64 {
        self.time.wrapping_sub(earlier) as u64
    }
}

/// Kind of a segment, by which later segments are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Ordinary,
    /// A probe of a closed window, which sends the byte beyond it.
    ZeroWindowProbe,
    /// A probe of a silent peer, which sends the byte before the next.
    KeepAlive,
}

/// What was seen of one direction.
#[derive(Debug, Clone, Default)]
struct Half {
    /// The number before the first byte. A SYN with another number opens another connection.
    base: Option<SeqNumber>,
    /// The highest end of a segment; 0 if it is not known, as in the analyser that sets the rules.
    next: SeqNumber,
    /// When the segment with the highest end was sent.
    next_time: i64,
    /// The highest number that the peer should acknowledge, where the first gap starts; 0 if
    /// unknown.
    max_to_ack: SeqNumber,
    /// The latest acknowledgment number field, whether or not it was valid.
    last_ack: SeqNumber,
    /// When the latest acknowledgment number was sent.
    last_ack_time: i64,
    /// The latest window.
    window: Option<u16>,
    /// Duplicate ACKs in a row, or [`ACKED_UNSEEN`].
    duplicates: i32,
    /// Kind of the latest segment.
    last: Kind,
    unacked: Unacked,
}

/// One TCP conversation: the packets between two endpoints, over all their connections.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    halves: [Half; 2],
    /// Time of the latest SYN without ACK; 0 before the first.
    syn_time: i64,
    /// Nanoseconds from that SYN to the end of the handshake; 0 if they are not known.
    first_rtt: u64,
}

impl Conversation {
    /// The events of the next segment, which the endpoint `dir` sent.
    pub fn analyse(&mut self, dir: Direction, segment: &Segment) -> EventSet {
        self.join(dir, segment);
        let [orig, resp] = &mut self.halves;
        let (own, peer) = match dir {
            Direction::Orig => (orig, resp),
            Direction::Resp => (resp, orig),
        };
        let mut events = EventSet::EMPTY;
        let kind = kind_of(own, peer, segment);
        if kind != Kind::ZeroWindowProbe {
            if announces_zero_window(segment) {
                events.insert(Event::ZeroWindow);
            }
            if leaves_a_gap(own, segment) {
                events.insert(Event::LostSegment);
            }
            if is_duplicate_ack(own, peer, segment) {
                events.insert(Event::DuplicateAck);
                own.duplicates = own.duplicates.max(0) + 1;
            }
        }
        if segment.numbers.ack != own.last_ack {
            own.duplicates = 0;
        }
        if acknowledges_unseen(peer, segment) {
            events.insert(Event::AckLostSegment);
        }
        if kind != Kind::KeepAlive {
            let reordering = match self.first_rtt {
                0 => REORDERING,
                rtt => rtt,
            };
            events.extend(sent_before(own, peer, segment, reordering));
        }
        own.take(segment, kind);
        peer.unacked.acknowledge(segment.numbers.ack);
        self.time_handshake(segment);
        events
    }

    /// Finds the segment's connection. A SYN whose number is not the base of its direction opens
    /// another one, of which nothing is known. A SYN that repeats the base stays, and takes its
    /// direction back to the first gap.
    fn join(&mut self, dir: Direction, segment: &Segment) {
        let SegmentNumbers { seq, ack } = segment.numbers;
        let own = &mut self.halves[dir as usize];
        if segment.opens() {
            if own.base.is_some_and(|base| base != seq) {
                *self = Self::default();
            } else {
                own.next = own.max_to_ack;
            }
        }
        let own = &mut self.halves[dir as usize];
        if segment.has(SYN) {
            own.base = Some(seq);
        }
        own.base.get_or_insert(seq - 1u32);
        if segment.has(ACK) {
            self.halves[dir.reverse() as usize]
                .base
                .get_or_insert(ack - 1u32);
        }
    }

    /// Measures the first round trip: from the latest SYN to the first ACK without SYN. The segment
    /// that completes the handshake is still judged without it.
    fn time_handshake(&mut self, segment: &Segment) {
        if segment.opens() {
            self.syn_time = segment.time;
        }
        let answers = segment.flags & (SYN | ACK) == ACK;
        if answers && self.syn_time != 0 && self.first_rtt == 0 {
            self.first_rtt = segment.since(self.syn_time);
        }
    }
}

impl Half {
    /// Adds a segment to the state.
    fn take(&mut self, segment: &Segment, kind: Kind) {
        let SegmentNumbers { seq, ack } = segment.numbers;
        let end = if self.unacked.is_full() {
            segment.payload_end()
        } else {
            segment.end()
        };
        if segment.takes_numbers() {
            self.unacked.send(end);
        }
        if kind != Kind::ZeroWindowProbe {
            if is_before(self.next, end) || self.next == UNKNOWN {
                (self.next, self.next_time) = (end, segment.time);
            }
            if seq == self.max_to_ack || self.max_to_ack == UNKNOWN {
                self.max_to_ack = self.next;
            }
        }
        (self.last_ack, self.last_ack_time) = (ack, segment.time);
        self.window = Some(segment.window);
        self.last = kind;
    }
}

/// A zero-window probe sends the next byte though the window is closed; a keep-alive sends the byte
/// before the next, or nothing from that number. Neither needs an answer that acknowledges more.
fn kind_of(own: &Half, peer: &Half, segment: &Segment) -> Kind {
    let SegmentNumbers { seq, .. } = segment.numbers;
    if segment.len == 1 && seq == own.next && peer.window == Some(0) {
        Kind::ZeroWindowProbe
    } else if segment.len <= 1 && seq == own.next - 1u32 && segment.is_plain() {
        Kind::KeepAlive
    } else {
        Kind::Ordinary
    }
}

fn announces_zero_window(segment: &Segment) -> bool {
    segment.window == 0 && segment.is_plain()
}

fn leaves_a_gap(own: &Half, segment: &Segment) -> bool {
    own.next != UNKNOWN && is_before(own.next, segment.numbers.seq) && !segment.has(RST)
}

/// A duplicate ACK has nothing new in any field. An answer to a keep-alive is not one, nor is a
/// segment with a closed window, which answers a probe.
fn is_duplicate_ack(own: &Half, peer: &Half, segment: &Segment) -> bool {
    let SegmentNumbers { seq, ack } = segment.numbers;
    segment.len == 0
        && segment.is_plain()
        && segment.window != 0
        && own.window == Some(segment.window)
        && (seq, ack) == (own.next, own.last_ack)
        && peer.last != Kind::KeepAlive
}

/// An acknowledgment beyond the peer's first gap shows that the missing segments arrived. It is
/// reported once: then the gap counts as filled or, if nothing was seen behind it, `duplicates`
/// becomes [`ACKED_UNSEEN`].
fn acknowledges_unseen(peer: &mut Half, segment: &Segment) -> bool {
    let unseen = peer.max_to_ack != UNKNOWN
        && segment.has(ACK)
        && is_before(peer.max_to_ack, segment.numbers.ack);
    if !unseen {
        return false;
    }
    if is_before(peer.max_to_ack, peer.next) {
        peer.max_to_ack = peer.next;
        return true;
    }
    let first = peer.duplicates == 0;
    peer.duplicates = ACKED_UNSEEN;
    first
}

/// The event of a segment whose sequence numbers were sent before, if it is one.
///
/// `reordering` is the time in nanoseconds within which a network may reorder segments.
fn sent_before(own: &Half, peer: &Half, segment: &Segment, reordering: u64) -> Option<Event> {
    let SegmentNumbers { seq, .. } = segment.numbers;
    if !segment.takes_numbers() {
        return None;
    }
    // Data that starts with a keep-alive's byte and continues after it is new.
    let longer_keep_alive = segment.len > 1 && seq == own.next - 1u32;
    let old = own.next != UNKNOWN && is_before(seq, own.next) && !longer_keep_alive;

    let acknowledged = peer.last_ack != UNKNOWN && segment.payload_end() - peer.last_ack <= 0;
    if segment.len > 0 && acknowledged {
        return Some(Event::SpuriousRetransmission);
    }
    if !old {
        return None;
    }
    let asked_for = peer.duplicates >= FAST_DUPLICATES || peer.duplicates == ACKED_UNSEEN;
    if asked_for && peer.last_ack == seq && segment.since(peer.last_ack_time) < FAST {
        return Some(Event::FastRetransmission);
    }
    if segment.since(own.next_time) < reordering && own.next != segment.end() {
        return Some(Event::OutOfOrder);
    }
    Some(Event::Retransmission)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Orig, Resp};

    const MS: i64 = 1_000_000;

    /// A pure acknowledgment of the opener after the handshake.
    const FROM_ORIG: Segment = Segment {
        time: 1_000 * MS,
        numbers: numbers(1_001, 5_001),
        len: 0,
        flags: ACK,
        window: 1_000,
    };

    /// A pure acknowledgment of the responder after the handshake.
    const FROM_RESP: Segment = Segment {
        numbers: numbers(5_001, 1_001),
        ..FROM_ORIG
    };

    /// A hundred bytes of the opener, a second after the handshake.
    const DATA: Segment = Segment {
        len: 100,
        ..FROM_ORIG
    };

    /// A handshake whose first round trip takes 20 ms.
    const HANDSHAKE: [(Direction, Segment); 3] = [
        (
            Orig,
            Segment {
                time: MS,
                numbers: numbers(1_000, 0),
                flags: SYN,
                ..FROM_ORIG
            },
        ),
        (
            Resp,
            Segment {
                time: 11 * MS,
                numbers: numbers(5_000, 1_001),
                flags: SYN | ACK,
                ..FROM_ORIG
            },
        ),
        (
            Orig,
            Segment {
                time: 21 * MS,
                ..FROM_ORIG
            },
        ),
    ];

    const fn numbers(seq: u32, ack: u32) -> SegmentNumbers {
        SegmentNumbers {
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
        }
    }

    fn analyse(conversation: &mut Conversation, script: &[(Direction, Segment)]) -> Vec<EventSet> {
        script
            .iter()
            .map(|(dir, segment)| conversation.analyse(*dir, segment))
            .collect()
    }

    /// The events of the last segment of a script that follows a handshake.
    fn last(script: &[(Direction, Segment)]) -> Vec<Event> {
        let mut conversation = Conversation::default();
        let handshake = analyse(&mut conversation, &HANDSHAKE);
        assert!(handshake.iter().all(|events| events.is_empty()));
        let events = analyse(&mut conversation, script);
        events[script.len() - 1].iter().collect()
    }

    #[test]
    fn test_new_data_has_no_event() {
        let more = Segment {
            numbers: numbers(1_101, 5_001),
            ..DATA
        };
        assert_eq!(last(&[(Orig, DATA), (Orig, more)]), []);
    }

    #[test]
    fn test_zero_window() {
        let full = Segment {
            window: 0,
            ..FROM_RESP
        };
        assert_eq!(last(&[(Resp, full)]), [Event::ZeroWindow]);
        for flags in [FIN | ACK, RST] {
            assert_eq!(last(&[(Resp, Segment { flags, ..full })]), []);
        }
    }

    #[test]
    fn test_zero_window_probe_leaves_no_trace_but_its_acknowledgment() {
        let full = Segment {
            window: 0,
            ..FROM_RESP
        };
        let probe = Segment {
            len: 1,
            ..FROM_ORIG
        };
        let taken = Segment {
            numbers: numbers(5_001, 1_002),
            ..FROM_RESP
        };
        assert_eq!(last(&[(Resp, full), (Orig, probe)]), []);
        assert_eq!(last(&[(Resp, full), (Orig, probe), (Orig, probe)]), []);
        // The answer has nothing new, but a duplicate ACK has an open window.
        assert_eq!(
            last(&[(Resp, full), (Orig, probe), (Resp, full)]),
            [Event::ZeroWindow]
        );
        assert_eq!(
            last(&[(Resp, full), (Orig, probe), (Resp, taken)]),
            [Event::AckLostSegment]
        );
    }

    #[test]
    fn test_lost_segment() {
        let late = Segment {
            numbers: numbers(1_002, 5_001),
            ..DATA
        };
        assert_eq!(last(&[(Orig, late)]), [Event::LostSegment]);
        let reset = Segment {
            flags: RST,
            len: 0,
            ..late
        };
        assert_eq!(last(&[(Orig, reset)]), []);
    }

    #[test]
    fn test_nothing_is_lost_before_the_first_segment() {
        let mut conversation = Conversation::default();
        assert!(conversation.analyse(Orig, &DATA).is_empty());
        assert!(conversation.analyse(Resp, &FROM_RESP).is_empty());
    }

    #[test]
    fn test_keep_alive_and_its_answer() {
        for len in [0, 1] {
            let keep_alive = Segment {
                numbers: numbers(1_000, 5_001),
                len,
                ..FROM_ORIG
            };
            assert_eq!(last(&[(Resp, FROM_RESP), (Orig, keep_alive)]), []);
            // Without the keep-alive the answer is a duplicate ACK.
            assert_eq!(
                last(&[(Resp, FROM_RESP), (Orig, keep_alive), (Resp, FROM_RESP)]),
                []
            );
            assert_eq!(
                last(&[(Resp, FROM_RESP), (Resp, FROM_RESP)]),
                [Event::DuplicateAck]
            );
        }
    }

    #[test]
    fn test_keep_alive_that_goes_on_is_new_data() {
        let longer = Segment {
            numbers: numbers(1_000, 5_001),
            len: 2,
            ..FROM_ORIG
        };
        assert_eq!(last(&[(Orig, longer)]), []);
    }

    #[test]
    fn test_duplicate_ack_repeats_every_field() {
        let others = [
            Segment {
                numbers: numbers(5_001, 1_101),
                ..FROM_RESP
            },
            Segment {
                window: 999,
                ..FROM_RESP
            },
            Segment {
                len: 1,
                ..FROM_RESP
            },
            Segment {
                flags: FIN | ACK,
                ..FROM_RESP
            },
        ];
        for other in others {
            assert_eq!(last(&[(Orig, DATA), (Resp, FROM_RESP), (Resp, other)]), []);
        }
    }

    /// A lone second of two segments, and two ACKs that ask for the first: duplicates of the
    /// handshake's.
    const TWO_DUPLICATES: [(Direction, Segment); 3] = [
        (
            Orig,
            Segment {
                numbers: numbers(1_101, 5_001),
                ..DATA
            },
        ),
        (
            Resp,
            Segment {
                time: 1_020 * MS,
                ..FROM_RESP
            },
        ),
        (
            Resp,
            Segment {
                time: 1_030 * MS,
                ..FROM_RESP
            },
        ),
    ];

    #[test]
    fn test_fast_retransmission_until_20_ms_after_the_second_duplicate() {
        let at = |time, duplicates: usize| {
            let again = Segment { time, ..DATA };
            last(&[&TWO_DUPLICATES[..1 + duplicates], &[(Orig, again)]].concat())
        };
        let fast = [Event::Retransmission, Event::FastRetransmission];
        assert_eq!(at(1_050 * MS - 1, 2), fast);
        assert_eq!(at(1_050 * MS, 2), [Event::Retransmission]);
        assert_eq!(at(1_035 * MS, 1), [Event::Retransmission]);
    }

    #[test]
    fn test_fast_retransmission_starts_where_the_duplicates_ask() {
        let elsewhere = Segment {
            time: 1_035 * MS,
            numbers: numbers(1_002, 5_001),
            len: 50,
            ..DATA
        };
        assert_eq!(
            last(&[&TWO_DUPLICATES[..], &[(Orig, elsewhere)]].concat()),
            [Event::Retransmission]
        );
    }

    #[test]
    fn test_new_acknowledgment_ends_the_duplicates() {
        let news = Segment {
            time: 1_031 * MS,
            numbers: numbers(5_001, 1_051),
            ..FROM_RESP
        };
        let rest = Segment {
            time: 1_035 * MS,
            numbers: numbers(1_051, 5_001),
            len: 50,
            ..DATA
        };
        assert_eq!(
            last(&[&TWO_DUPLICATES[..], &[(Resp, news), (Orig, rest)]].concat()),
            [Event::Retransmission]
        );
    }

    #[test]
    fn test_acknowledged_lost_segment_is_told_once() {
        let beyond = |ack| Segment {
            numbers: numbers(5_001, ack),
            ..FROM_RESP
        };
        assert_eq!(last(&[(Resp, beyond(1_201))]), [Event::AckLostSegment]);
        assert_eq!(last(&[(Resp, beyond(1_201)), (Resp, beyond(1_301))]), []);
        let no_ack = Segment {
            flags: 0,
            ..beyond(1_201)
        };
        assert_eq!(last(&[(Resp, no_ack)]), []);
    }

    #[test]
    fn test_acknowledgment_of_a_gap_fills_it() {
        let behind_the_gap = Segment {
            numbers: numbers(1_101, 5_001),
            ..DATA
        };
        let all = Segment {
            numbers: numbers(5_001, 1_201),
            ..FROM_RESP
        };
        let script = [(Orig, behind_the_gap), (Resp, all), (Resp, all)];
        assert_eq!(last(&script[..2]), [Event::AckLostSegment]);
        assert_eq!(last(&script), [Event::DuplicateAck]);
    }

    #[test]
    fn test_acknowledging_the_unseen_makes_the_next_retransmission_fast() {
        let data = Segment {
            len: 100,
            ..FROM_RESP
        };
        let asks = Segment {
            time: 1_010 * MS,
            ..FROM_ORIG
        };
        let unseen = Segment {
            time: 1_012 * MS,
            numbers: numbers(5_101, 1_201),
            ..FROM_RESP
        };
        let again = Segment {
            time: 1_025 * MS,
            ..data
        };
        // Without the acknowledgment of unseen data, one duplicate asked.
        assert_eq!(
            last(&[(Resp, data), (Orig, asks), (Resp, again)]),
            [Event::Retransmission]
        );
        assert_eq!(
            last(&[(Resp, data), (Orig, asks), (Resp, unseen), (Resp, again)]),
            [Event::Retransmission, Event::FastRetransmission]
        );
    }

    #[test]
    fn test_spurious_retransmission() {
        let acknowledged = Segment {
            numbers: numbers(5_001, 1_101),
            ..FROM_RESP
        };
        let script = [(Orig, DATA), (Resp, acknowledged), (Orig, DATA)];
        assert_eq!(
            last(&script),
            [Event::Retransmission, Event::SpuriousRetransmission]
        );
        let one_more = Segment {
            time: 2_000 * MS,
            len: 101,
            ..DATA
        };
        assert_eq!(
            last(&[&script[..2], &[(Orig, one_more)]].concat()),
            [Event::Retransmission]
        );
    }

    #[test]
    fn test_out_of_order_within_the_first_round_trip() {
        let second = Segment {
            numbers: numbers(1_101, 5_001),
            ..DATA
        };
        let at = |time| last(&[(Orig, second), (Orig, Segment { time, ..DATA })]);
        assert_eq!(at(1_020 * MS - 1), [Event::OutOfOrder]);
        assert_eq!(at(1_020 * MS), [Event::Retransmission]);
        // A step back in time counts as a long time.
        assert_eq!(at(1_000 * MS - 1), [Event::Retransmission]);
    }

    #[test]
    fn test_out_of_order_within_3_ms_where_no_handshake_was_seen() {
        let at = |time| {
            let mut conversation = Conversation::default();
            let second = Segment {
                numbers: numbers(1_101, 5_001),
                ..DATA
            };
            conversation.analyse(Orig, &second);
            let events = conversation.analyse(Orig, &Segment { time, ..DATA });
            events.exclusive()
        };
        assert_eq!(at(1_003 * MS - 1), Some(Event::OutOfOrder));
        assert_eq!(at(1_003 * MS), Some(Event::Retransmission));
    }

    #[test]
    fn test_what_ends_where_the_latest_ended_is_not_out_of_order() {
        let again = Segment {
            time: 1_001 * MS,
            ..DATA
        };
        assert_eq!(
            last(&[(Orig, DATA), (Orig, again)]),
            [Event::Retransmission]
        );
    }

    #[test]
    fn test_retransmitted_syn_keeps_the_conversation() {
        let (_, syn) = HANDSHAKE[0];
        let again = Segment {
            time: 2_000 * MS,
            ..syn
        };
        assert_eq!(
            last(&[(Orig, DATA), (Orig, again)]),
            [Event::Retransmission]
        );
    }

    #[test]
    fn test_syn_at_the_base_goes_back_to_the_first_gap() {
        let (_, syn) = HANDSHAKE[0];
        let behind_the_gap = Segment {
            numbers: numbers(1_101, 5_001),
            ..DATA
        };
        let script = [(Orig, behind_the_gap), (Orig, syn), (Orig, behind_the_gap)];
        assert_eq!(last(&script), [Event::LostSegment]);
    }

    #[test]
    fn test_syn_with_another_number_starts_anew() {
        let (_, syn) = HANDSHAKE[0];
        let reuse = Segment {
            numbers: numbers(9_000, 0),
            ..syn
        };
        let low = Segment {
            numbers: numbers(5_001, 1_001),
            ..FROM_RESP
        };
        assert_eq!(last(&[(Orig, DATA), (Orig, reuse)]), []);
        assert_eq!(last(&[(Resp, low), (Orig, reuse), (Resp, low)]), []);
    }

    #[test]
    fn test_fin_counts_one_while_few_segments_are_unacknowledged() {
        let gap_after_fin = |segments: u32| {
            let mut script: Vec<_> = (0..segments)
                .map(|n| {
                    let numbers = numbers(1_001 + 100 * n, 5_001);
                    (Orig, Segment { numbers, ..DATA })
                })
                .collect();
            let end = 1_001 + 100 * segments;
            let fin = Segment {
                numbers: numbers(end, 5_001),
                flags: FIN | ACK,
                ..FROM_ORIG
            };
            let after = Segment {
                numbers: numbers(end + 1, 5_001),
                ..DATA
            };
            script.extend([(Orig, fin), (Orig, after)]);
            last(&script)
        };
        assert_eq!(gap_after_fin(9_999), []);
        assert_eq!(gap_after_fin(10_000), [Event::LostSegment]);
    }

    #[test]
    fn test_number_0_is_unknown() {
        let mut conversation = Conversation::default();
        let before_zero = Segment {
            numbers: numbers(0_u32.wrapping_sub(100), 5_001),
            ..DATA
        };
        let far = Segment {
            numbers: numbers(50, 5_001),
            ..DATA
        };
        let script = [(Orig, before_zero), (Orig, far)];
        assert!(analyse(&mut conversation, &script)[1].is_empty());
    }

    #[test]
    fn test_half_the_number_space_is_before_and_after() {
        let half = Segment {
            numbers: numbers(1_001 + (1 << 31), 5_001),
            len: 10,
            ..FROM_ORIG
        };
        assert_eq!(
            last(&[(Orig, half)]),
            [
                Event::Retransmission,
                Event::SpuriousRetransmission,
                Event::LostSegment
            ]
        );
    }
}
