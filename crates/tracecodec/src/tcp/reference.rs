//! Self-synchronising references: sequence and acknowledgment numbers written relative to a
//! connection's state.
//!
//! Lift encodes and compile decodes against the same [`Connection`], each in its own number space.
//! A sequence number is written as its distance from the sender's next expected number (the highest
//! end seen), an acknowledgment number as its distance from the peer's next expected number. Both
//! distances are 0 in the common case and exact for all 32 bits. The state follows the numbers on
//! the wire, so that one wrong value does not shift the packets after it.

use super::{SeqNumber, State, flags};
use crate::action::{AckReference, Action, Direction, SeqReference};

/// Limit of every window (RFC 7323 section 2.3: 2^30). A number farther away belongs to no live
/// stream, so the stream takes it as its new position.
const LARGEST_WINDOW: u32 = 1 << 30;

/// What is known of the position of one direction's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Seen {
    /// Neither a packet nor an acknowledgment of the stream.
    #[default]
    Nothing,
    /// Only acknowledgments of the stream, as in a one-way capture.
    Acknowledged,
    /// Packets of the stream.
    Sent,
}

/// Base of one direction's relative numbers, as analysers take it: the first number if it was a
/// SYN's, otherwise the number before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Base {
    /// Neither a packet nor an acknowledgment of the direction was seen.
    #[default]
    Unset,
    /// The base is this number.
    At(SeqNumber),
    /// The base is the number before 0, set by an acknowledgment of 0. Such an acknowledgment is
    /// written as itself and not as a distance, so no reference reaches this base and no SYN has
    /// it.
    BeforeZero,
}

impl Base {
    fn get_or_insert(&mut self, base: Base) {
        if *self == Base::Unset {
            *self = base;
        }
    }
}

/// One endpoint's half of a connection.
#[derive(Debug, Clone, Copy, Default)]
struct HalfStream {
    /// Next sequence number that this side is expected to send: the highest end seen of its
    /// segments or, while only the peer's acknowledgments were seen, the highest number
    /// acknowledged.
    next: SeqNumber,
    seen: Seen,
    /// The first number seen or acknowledged. In another number space, `isn` is put in its place.
    start: SeqNumber,
    base: Base,
}

impl HalfStream {
    fn take(&mut self, seq: SeqNumber, end: SeqNumber) {
        if self.seen == Seen::Nothing {
            self.start = seq;
        }
        let far = (seq - self.next).unsigned_abs() >= LARGEST_WINDOW;
        if self.seen == Seen::Nothing || far || end.is_after(self.next) {
            self.next = end;
        }
        self.seen = Seen::Sent;
    }

    fn take_ack(&mut self, ack: SeqNumber) {
        match self.seen {
            Seen::Nothing => {
                (self.start, self.next, self.seen) = (ack, ack, Seen::Acknowledged);
            }
            Seen::Acknowledged if ack.is_after(self.next) => self.next = ack,
            _ => {}
        }
    }

    /// Whether the number 0 lies ahead of this stream, or may do so in another number space, where
    /// the stream starts below [`LARGEST_WINDOW`].
    fn may_precede_zero(&self) -> bool {
        let progress = (self.next - self.start) as u32;
        SeqNumber(0).is_after(self.next) || progress >= LARGEST_WINDOW
    }
}

/// A segment's numbers on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentNumbers {
    /// Sequence number.
    pub seq: SeqNumber,
    /// Acknowledgment number field, whether or not the ACK flag is set.
    pub ack: SeqNumber,
}

/// A segment's numbers relative to a connection, named as the fields of the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct References {
    /// `tcp_seq_delta_sign`.
    pub seq_sign: SeqReference,
    /// `tcp_seq_delta`.
    pub seq_delta: u32,
    /// `tcp_ack_unseen`.
    pub ack_unseen: AckReference,
    /// `tcp_ack_adv`.
    pub ack_adv: u32,
}

impl References {
    /// The references of a TCP action.
    pub fn of(action: &Action) -> Self {
        Self {
            seq_sign: action.tcp_seq_delta_sign,
            seq_delta: action.tcp_seq_delta,
            ack_unseen: action.tcp_ack_unseen,
            ack_adv: action.tcp_ack_adv,
        }
    }
}

/// One connection as seen from the tap: both halves' positions and the state of the handshake.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connection {
    halves: [HalfStream; 2],
    /// State of the connection, by the flags.
    pub state: State,
}

impl Connection {
    /// Whether a segment opens another connection under the same five-tuple: a SYN without ACK
    /// whose number is not the base of its direction.
    pub fn is_reused_by(&self, dir: Direction, segment_flags: u16, seq: SeqNumber) -> bool {
        let base = self.halves[dir as usize].base;
        flags::opens(segment_flags) && base != Base::Unset && base != Base::At(seq)
    }

    /// The sequence number that a direction is expected to send next; `None` if none of its packets
    /// was seen.
    pub fn next(&self, dir: Direction) -> Option<SeqNumber> {
        let half = self.halves[dir as usize];
        (half.seen == Seen::Sent).then_some(half.next)
    }

    /// Writes a segment's numbers relative to this connection, then adds the segment to the state.
    pub fn encode(
        &mut self,
        dir: Direction,
        segment_flags: u16,
        len: u32,
        numbers: SegmentNumbers,
    ) -> References {
        let (seq_sign, seq_delta) = self.encode_seq(dir, numbers.seq);
        let (ack_unseen, ack_adv) = self.encode_ack(dir, segment_flags, numbers.ack);
        let references = References {
            seq_sign,
            seq_delta,
            ack_unseen,
            ack_adv,
        };
        self.take(dir, segment_flags, len, numbers, ack_unseen);
        references
    }

    /// The segment's numbers in this connection's own space, which starts where `isn` says; then
    /// adds the segment to the state. Total: references that contradict the state are corrected as
    /// in [`Connection::legal`].
    pub fn decode(
        &mut self,
        dir: Direction,
        segment_flags: u16,
        len: u32,
        references: References,
        isn: impl Fn(Direction) -> SeqNumber,
    ) -> SegmentNumbers {
        let references = self.legal(dir, references);
        let own = self.halves[dir as usize];
        let peer = self.halves[dir.reverse() as usize];
        let seq = match (own.seen, references.seq_sign) {
            (Seen::Nothing, SeqReference::Zero) => SeqNumber(0),
            (Seen::Nothing, _) => isn(dir),
            (_, SeqReference::Backward) => own.next - references.seq_delta,
            _ => own.next + references.seq_delta,
        };
        let ack = match references.ack_unseen {
            AckReference::Zero => SeqNumber(0),
            AckReference::PeerUnseen => isn(dir.reverse()),
            AckReference::PeerNext => peer.next - references.ack_adv,
        };
        let numbers = SegmentNumbers { seq, ack };
        self.take(dir, segment_flags, len, numbers, references.ack_unseen);
        numbers
    }

    /// The references that lift would have written for `references`. If they contradict the state,
    /// these are the nearest ones that do not.
    pub fn legal(&self, dir: Direction, references: References) -> References {
        let mut legal = references;
        match (self.halves[dir as usize].seen, references.seq_sign) {
            (Seen::Nothing, SeqReference::Zero) => legal.seq_delta = 0,
            (Seen::Nothing, _) => (legal.seq_sign, legal.seq_delta) = (SeqReference::Forward, 0),
            (_, SeqReference::Zero) => {
                (legal.seq_sign, legal.seq_delta) = (SeqReference::Forward, 0)
            }
            (_, SeqReference::Forward) => {
                (legal.seq_sign, legal.seq_delta) = signed(references.seq_delta as i32)
            }
            (_, SeqReference::Backward) => {
                (legal.seq_sign, legal.seq_delta) =
                    signed((references.seq_delta as i32).wrapping_neg())
            }
        }
        match (
            self.halves[dir.reverse() as usize].seen,
            references.ack_unseen,
        ) {
            (_, AckReference::Zero) => legal.ack_adv = 0,
            (Seen::Nothing, _) => (legal.ack_unseen, legal.ack_adv) = (AckReference::PeerUnseen, 0),
            (_, _) => legal.ack_unseen = AckReference::PeerNext,
        }
        legal
    }

    /// Legal references whose sequence number is moved to the base of its direction, if it has one:
    /// a SYN that continues the connection must carry them. `None` if no reference reaches the
    /// base.
    pub fn at_base(&self, dir: Direction, references: References) -> Option<References> {
        let own = self.halves[dir as usize];
        match own.base {
            Base::Unset => Some(references),
            Base::BeforeZero => None,
            Base::At(base) => {
                let (seq_sign, seq_delta) = signed(base - own.next);
                Some(References {
                    seq_sign,
                    seq_delta,
                    ..references
                })
            }
        }
    }

    fn encode_seq(&self, dir: Direction, seq: SeqNumber) -> (SeqReference, u32) {
        let own = self.halves[dir as usize];
        match own.seen {
            Seen::Nothing if seq == SeqNumber(0) => (SeqReference::Zero, 0),
            Seen::Nothing => (SeqReference::Forward, 0),
            _ => signed(seq - own.next),
        }
    }

    /// Number 0 is written as itself, since analysers read it as "unset". With the ACK flag, 0 must
    /// keep its place relative to the peer, so it is written as itself only if it lies behind the
    /// peer in every number space.
    fn encode_ack(
        &self,
        dir: Direction,
        segment_flags: u16,
        ack: SeqNumber,
    ) -> (AckReference, u32) {
        let peer = self.halves[dir.reverse() as usize];
        let placed = segment_flags & flags::ACK != 0 && peer.seen != Seen::Nothing;
        match peer.seen {
            _ if ack == SeqNumber(0) && !(placed && peer.may_precede_zero()) => {
                (AckReference::Zero, 0)
            }
            Seen::Nothing => (AckReference::PeerUnseen, 0),
            _ => (AckReference::PeerNext, (peer.next - ack) as u32),
        }
    }

    fn take(
        &mut self,
        dir: Direction,
        segment_flags: u16,
        len: u32,
        numbers: SegmentNumbers,
        ack_unseen: AckReference,
    ) {
        let phantom = flags::sequence_len(segment_flags);
        self.take_bases(dir, segment_flags, numbers, ack_unseen);
        self.halves[dir as usize].take(numbers.seq, numbers.seq + (len + phantom));
        if ack_unseen != AckReference::Zero {
            self.halves[dir.reverse() as usize].take_ack(numbers.ack);
        }
        self.state = self.state.observe(dir, segment_flags);
    }

    /// Bases as Wireshark sets them. In the segment's own direction: the first number if it is a
    /// SYN's, otherwise the number before the first. In the reverse direction: the number before
    /// the first acknowledgment. A SYN+ACK with another base replaces the base of its direction.
    fn take_bases(
        &mut self,
        dir: Direction,
        segment_flags: u16,
        numbers: SegmentNumbers,
        ack_unseen: AckReference,
    ) {
        let syn = segment_flags & flags::SYN != 0;
        let own = &mut self.halves[dir as usize].base;
        if syn && segment_flags & flags::ACK != 0 {
            *own = Base::At(numbers.seq);
        }
        own.get_or_insert(Base::At(if syn { numbers.seq } else { numbers.seq - 1 }));
        if segment_flags & flags::ACK != 0 {
            let peer = &mut self.halves[dir.reverse() as usize].base;
            peer.get_or_insert(match ack_unseen {
                AckReference::Zero => Base::BeforeZero,
                _ => Base::At(numbers.ack - 1),
            });
        }
    }
}

fn signed(distance: i32) -> (SeqReference, u32) {
    match distance {
        0.. => (SeqReference::Forward, distance as u32),
        _ => (SeqReference::Backward, distance.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::flags::{ACK, FIN, SYN};
    use Direction::{Orig, Resp};
    use proptest::prelude::*;

    const IN_ORDER: References = References {
        seq_sign: SeqReference::Forward,
        seq_delta: 0,
        ack_unseen: AckReference::PeerNext,
        ack_adv: 0,
    };

    fn numbers(seq: u32, ack: u32) -> SegmentNumbers {
        SegmentNumbers {
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
        }
    }

    #[test]
    fn test_handshake_and_data_in_order_are_all_zero() {
        let mut c = Connection::default();
        let syn = c.encode(Orig, SYN, 0, numbers(1000, 0));
        assert_eq!(
            syn,
            References {
                ack_unseen: AckReference::Zero,
                ..IN_ORDER
            }
        );
        assert_eq!(c.encode(Resp, SYN | ACK, 0, numbers(9000, 1001)), IN_ORDER);
        assert_eq!(c.encode(Orig, ACK, 0, numbers(1001, 9001)), IN_ORDER);
        assert_eq!(c.encode(Orig, ACK, 100, numbers(1001, 9001)), IN_ORDER);
        assert_eq!(c.encode(Resp, FIN | ACK, 0, numbers(9001, 1101)), IN_ORDER);
        assert_eq!(c.encode(Orig, ACK, 0, numbers(1101, 9002)), IN_ORDER);
    }

    #[test]
    fn test_retransmission_is_backward_and_leaves_the_reference() {
        let mut c = Connection::default();
        c.encode(Orig, ACK, 100, numbers(1000, 1));
        let again = c.encode(Orig, ACK, 100, numbers(1000, 1));
        assert_eq!(
            (again.seq_sign, again.seq_delta),
            (SeqReference::Backward, 100)
        );
        assert_eq!(c.encode(Orig, ACK, 100, numbers(1100, 1)).seq_delta, 0);
    }

    #[test]
    fn test_one_way_acknowledgments_advance_the_reference() {
        let mut c = Connection::default();
        let first = c.encode(Orig, ACK, 0, numbers(1, 5000));
        assert_eq!(first.ack_unseen, AckReference::PeerUnseen);
        assert_eq!(
            c.encode(Orig, ACK, 0, numbers(1, 6000)).ack_adv,
            1000u32.wrapping_neg()
        );
        assert_eq!(c.encode(Orig, ACK, 0, numbers(1, 6000)).ack_adv, 0);
    }

    #[test]
    fn test_wild_number_resynchronises() {
        let mut c = Connection::default();
        c.encode(Orig, ACK, 1, numbers(1000, 1));
        c.encode(Orig, ACK, 1, numbers(0x8000_0000, 1));
        c.encode(Orig, ACK, 1, numbers(1001, 1));
        assert_eq!(c.encode(Orig, ACK, 1, numbers(1002, 1)), IN_ORDER);
    }

    #[test]
    fn test_syn_with_another_number_reuses_the_tuple() {
        let mut c = Connection::default();
        c.encode(Orig, SYN, 0, numbers(1000, 0));
        assert!(!c.is_reused_by(Orig, SYN, SeqNumber(1000)));
        assert!(c.is_reused_by(Orig, SYN, SeqNumber(1001)));
        assert!(!c.is_reused_by(Orig, SYN | ACK, SeqNumber(1001)));
        assert!(!c.is_reused_by(Resp, SYN, SeqNumber(7)));
    }

    #[test]
    fn test_syn_after_an_acknowledgment_of_zero_opens_another_connection() {
        let mut c = Connection::default();
        c.encode(Orig, SYN, 0, numbers(1000, 5));
        c.encode(Orig, SYN | ACK, 0, numbers(1001, 0));
        assert!(c.is_reused_by(Resp, SYN, SeqNumber(u32::MAX)));
    }

    #[test]
    fn test_acknowledgment_of_zero_keeps_its_place() {
        let zero = |peer: u32, len| {
            let mut c = Connection::default();
            c.encode(Orig, ACK, len, numbers(peer, 1));
            c.encode(Resp, ACK, 0, numbers(1, 0)).ack_unseen
        };
        assert_eq!(zero(1000, 10), AckReference::Zero);
        assert_eq!(zero(1 << 31, 10), AckReference::PeerNext);
        assert_eq!(zero(1000, 1 << 30), AckReference::PeerNext);
    }

    fn segments() -> impl Strategy<Value = Vec<(bool, u16, u32, u32, u32)>> {
        let number = prop_oneof![Just(0u32), 0u32..5000, any::<u32>()];
        proptest::collection::vec(
            (
                any::<bool>(),
                0u16..0x1000,
                0u32..3000,
                number.clone(),
                number,
            ),
            1..40,
        )
    }

    proptest! {
        /// All 32 bits survive: numbers encoded in one number space decode to the same distances in
        /// another.
        #[test]
        fn test_decode_follows_encode(segments in segments(), orig in 1u32 << 24..1 << 30, resp in 1u32 << 24..1 << 30) {
            let (mut real, mut synthetic) = (Connection::default(), Connection::default());
            let isn = |dir| SeqNumber(if dir == Orig { orig } else { resp });
            let mut shift: [Option<u32>; 2] = [None, None];
            for (resp, segment_flags, len, seq, ack) in segments {
                let dir = if resp { Resp } else { Orig };
                let references = real.encode(dir, segment_flags, len, numbers(seq, ack));
                prop_assert_eq!(synthetic.legal(dir, references), references);
                let out = synthetic.decode(dir, segment_flags, len, references, isn);
                let own = shift[dir as usize].get_or_insert(out.seq.0.wrapping_sub(seq));
                prop_assert_eq!(out.seq.0.wrapping_sub(seq), *own);
                if references.ack_unseen == AckReference::Zero {
                    prop_assert_eq!((out.ack.0, ack), (0, 0));
                } else {
                    let peer = shift[dir.reverse() as usize].get_or_insert(out.ack.0.wrapping_sub(ack));
                    prop_assert_eq!(out.ack.0.wrapping_sub(ack), *peer);
                }
            }
        }
    }
}
