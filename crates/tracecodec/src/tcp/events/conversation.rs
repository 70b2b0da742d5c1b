//! The analysis of one conversation, segment by segment.

use super::unacked::Unacked;
use super::{Event, EventSet};
use crate::action::Direction;
use crate::tcp::flags::{ACK, FIN, RST, SYN};
use crate::tcp::{SegmentNumbers, SeqNumber};

/// A retransmission this soon after the ACK that asked for it is a fast one: nanoseconds, exclusive.
const FAST: u64 = 20_000_000;

/// A segment this soon after the one that it should have preceded was reordered by the network, where the round-trip time is not
/// known: nanoseconds, exclusive.
const REORDERING: u64 = 3_000_000;

/// Duplicate ACKs after which a retransmission is a fast one.
const FAST_DUPLICATES: i32 = 2;

/// In the place of a count of duplicate ACKs: the peer acknowledged what was not seen.
const ACKED_UNSEEN: i32 = -1;

/// The number that stands for "not known" where a state holds sequence numbers. A stream that reaches it is forgotten for a moment;
/// so says the analyser that sets the rules.
const UNKNOWN: SeqNumber = SeqNumber(0);

/// Whether `a` comes before `b`, by their signed difference. Of two numbers half the number space apart each comes before the other.
pub(super) fn is_before(a: SeqNumber, b: SeqNumber) -> bool {
    a - b < 0
}

/// What the analysis needs to know of a TCP segment.
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

    /// Whether it opens a connection: SYN without ACK.
    fn opens(&self) -> bool {
        self.flags & (SYN | ACK) == SYN
    }

    /// Whether it leaves the connection as it is: none of SYN, FIN, RST.
    fn is_plain(&self) -> bool {
        !self.has(SYN | FIN | RST)
    }

    /// Whether it takes sequence numbers.
    fn takes_numbers(&self) -> bool {
        self.len > 0 || self.has(SYN | FIN)
    }

    /// The sequence number behind it. SYN and FIN together count one.
    fn end(&self) -> SeqNumber {
        self.payload_end() + u32::from(self.has(SYN | FIN))
    }

    fn payload_end(&self) -> SeqNumber {
        self.numbers.seq + self.len
    }

    /// Nanoseconds since `earlier`. A step back in time is a huge number.
    fn since(&self, earlier: i64) -> u64 {
        self.time.wrapping_sub(earlier) as u64
    }
}

/// What a segment was that later ones are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Ordinary,
    /// Asks whether the window is still closed, by the byte behind it.
    ZeroWindowProbe,
    /// Asks whether the peer is still there, by the byte before the next.
    KeepAlive,
}

/// What was seen of one direction.
#[derive(Debug, Clone, Default)]
struct Half {
    /// The number before the first byte, by which a SYN tells whether it opens another connection.
    base: Option<SeqNumber>,
    /// The highest end of a segment; 0 where it is not known, as the analyser that sets the rules has it.
    next: SeqNumber,
    /// When that segment was sent.
    next_time: i64,
    /// The highest number that the peer should acknowledge: where the first gap starts. 0 where it is not known.
    max_to_ack: SeqNumber,
    /// The latest acknowledgment number field, whether or not it was valid.
    last_ack: SeqNumber,
    /// When it was sent.
    last_ack_time: i64,
    /// The latest window.
    window: Option<u16>,
    /// Duplicate ACKs in a row, or [`ACKED_UNSEEN`].
    duplicates: i32,
    /// Kind of the latest segment.
    last: Kind,
    unacked: Unacked,
}

/// One TCP conversation: the packets between two endpoints, connection after connection.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    halves: [Half; 2],
    /// Time of the latest SYN without ACK; 0 before there was one.
    syn_time: i64,
    /// From that SYN to the end of the handshake, in nanoseconds; 0 where it is not known.
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

    /// Finds the segment's connection: a SYN whose number is not the base of its direction opens another one, of which nothing is
    /// known. A SYN that repeats the base stays, and takes its direction back to the first gap.
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

    /// Measures the first round trip: from the latest SYN to the first ACK without SYN. The segment that completes it was still
    /// judged without it.
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
    /// Takes a segment into the state.
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

/// A zero-window probe sends the next byte though the window is closed; a keep-alive sends the byte before, or nothing from
/// there. Neither has to be answered by progress.
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

/// Nothing new in any field; but an answer to a keep-alive is none, and with a closed window it is an answer to a probe.
fn is_duplicate_ack(own: &Half, peer: &Half, segment: &Segment) -> bool {
    let SegmentNumbers { seq, ack } = segment.numbers;
    segment.len == 0
        && segment.is_plain()
        && segment.window != 0
        && own.window == Some(segment.window)
        && (seq, ack) == (own.next, own.last_ack)
        && peer.last != Kind::KeepAlive
}

/// An acknowledgment beyond the peer's first gap tells that the missing segments arrived. Told once: either the gap is taken as
/// filled, or, where nothing was seen behind it, the count of duplicates remembers it.
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

/// Whether a segment sends again what was sent before, and why.
///
/// `reordering` is the time within which a network may bring segments in another order.
fn sent_before(own: &Half, peer: &Half, segment: &Segment, reordering: u64) -> Option<Event> {
    let SegmentNumbers { seq, .. } = segment.numbers;
    if !segment.takes_numbers() {
        return None;
    }
    // Data that starts with a keep-alive's byte, but goes on, is new.
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
