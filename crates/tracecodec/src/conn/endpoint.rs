//! The two sides of a TCP connection as Zeek follows them: states, bytes by sequence numbers, and
//! what was acknowledged without being captured.

use super::ConnState;
use super::history::{History, Numbered, Scaled};
use crate::action::Direction;
use crate::tcp::SeqNumber;
use crate::tcp::flags::{ACK, FIN, RST, SYN};

/// Distance beyond which a SYN, a RST or an acknowledgment of 0 is not believed.
const FAR: i64 = 1 << 20;

/// Most captured pieces beyond a gap that are remembered; the gap before the first of more is
/// given up.
const MOST_PIECES: usize = 256;

/// State of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// The side has sent nothing.
    #[default]
    Inactive,
    /// The originator sent a SYN.
    SynSent,
    /// The originator sent a SYN+ACK.
    SynAckSent,
    /// The side sent, but no handshake of it was seen.
    Partial,
    /// The handshake was seen.
    Established,
    /// The side sent a FIN.
    Closed,
    /// The side sent a RST.
    Reset,
}

/// A TCP segment as the record needs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) seq: SeqNumber,
    pub(super) ack: SeqNumber,
    pub(super) flags: u16,
    pub(super) window: u16,
    pub(super) len: u32,
}

impl Segment {
    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// Sequence numbers that the segment takes. Data of a RST is no part of the stream.
    fn sequence_len(&self) -> u32 {
        let data = if self.has(RST) { 0 } else { self.len };
        data + u32::from(self.has(SYN)) + u32::from(self.has(FIN))
    }
}

/// One side. Places in the stream are counted from the SYN, which takes place 0; if it was not
/// seen, from the number before the first.
#[derive(Debug, Clone, Default)]
struct Endpoint {
    state: State,
    /// The state before the last change.
    before: State,
    start: SeqNumber,
    /// Place after the last number that the side sent.
    last: u64,
    /// Place after the last number that the peer acknowledged.
    acked: u64,
    /// Whether the side sent a FIN.
    has_fin: bool,
    /// Whether the side has closed its half, by a FIN or a RST.
    has_closed: bool,
    stream: Stream,
    syn: Numbered,
    fin: Numbered,
    rst: Numbered,
    retransmissions: Scaled,
    zero_windows: Scaled,
    gaps: Scaled,
}

/// What was captured of a side's bytes.
#[derive(Debug, Clone, Default)]
struct Stream {
    /// Place up to which bytes were captured or given up.
    next: u64,
    /// Captured pieces beyond, in order and disjoint.
    pieces: Vec<(u64, u64)>,
    /// Bytes that were acknowledged and not captured.
    missed: u64,
}

impl Stream {
    /// Takes captured bytes.
    fn take(&mut self, start: u64, end: u64) {
        if start > self.next {
            let at = self.pieces.partition_point(|piece| piece.0 <= start);
            self.pieces.insert(at, (start, end));
            if self.pieces.len() > MOST_PIECES {
                self.next = self.pieces[0].0;
            }
        } else {
            self.next = self.next.max(end);
        }
        self.join();
    }

    /// Takes an acknowledgment; returns how many bytes of it were not captured.
    fn acknowledge(&mut self, place: u64) -> u64 {
        let mut missed = 0;
        while self.next < place {
            let piece = self
                .pieces
                .first()
                .map_or(place, |piece| piece.0.min(place));
            missed += piece - self.next;
            self.next = piece;
            self.join();
        }
        missed
    }

    /// Joins the pieces that are no longer beyond a gap.
    fn join(&mut self) {
        let joined = self.pieces.partition_point(|piece| piece.0 <= self.next);
        for (_, end) in self.pieces.drain(..joined) {
            self.next = self.next.max(end);
        }
    }
}

impl Endpoint {
    fn set(&mut self, state: State) {
        if state != self.state {
            (self.before, self.state) = (self.state, state);
        }
    }

    /// Starts the stream at a number.
    fn start_at(&mut self, start: SeqNumber, last: u64) {
        (self.start, self.last, self.acked) = (start, last, 0);
        self.stream = Stream {
            next: 1,
            missed: self.stream.missed,
            ..Stream::default()
        };
    }

    /// Place of a number, by its distance from a known place.
    fn place(&self, seq: SeqNumber, known: u64) -> i64 {
        known as i64 + i64::from(seq - (self.start + known as u32))
    }

    /// Starts or corrects the stream where the segment asks for it.
    fn begin(&mut self, segment: &Segment) {
        let has_syn = segment.has(SYN);
        let restarts = match self.state {
            State::Inactive => true,
            State::SynSent | State::SynAckSent => has_syn && segment.seq != self.start,
            State::Partial | State::Established => has_syn,
            State::Reset => has_syn && self.before == State::Inactive,
            State::Closed => false,
        };
        if !restarts {
            return;
        }
        if has_syn {
            self.start_at(segment.seq, segment.sequence_len().into());
        } else {
            self.start_at(segment.seq - 1, 1);
        }
    }

    /// Moves the end of the stream; whether the segment repeats bytes.
    fn advance(&mut self, segment: &Segment) -> bool {
        let end = self.place(segment.seq + segment.sequence_len(), self.last);
        let step = end - self.last as i64;
        if segment.has(SYN | RST) && step.abs() > FAR {
            return false;
        }
        if segment.has(FIN) && self.last == 1 {
            self.last = end.max(0) as u64;
            return false;
        }
        if self.state == State::Reset {
            return false;
        }
        if step > 0 {
            self.last = end as u64;
        }
        step <= 0 && segment.len > 0
    }

    /// Payload bytes by the sequence numbers.
    fn size(&self, peer: &Endpoint) -> u64 {
        let is_half_open = self.before == State::SynSent && self.state == State::Reset;
        if is_half_open && peer.state == State::Inactive && self.acked > 1 {
            return 0;
        }
        let numbers = self.last.max(self.acked);
        numbers.saturating_sub(1 + u64::from(self.has_fin))
    }

    /// Whether the handshake was seen, before a FIN if there was one.
    fn was_established(&self) -> bool {
        self.state == State::Established
            || self.state == State::Closed && self.before == State::Established
    }

    fn is_unestablished(&self) -> bool {
        matches!(self.state, State::Inactive | State::Partial)
    }
}

/// A TCP connection, from its originator's and its responder's segments.
#[derive(Debug, Clone, Default)]
pub(super) struct TcpSides {
    sides: [Endpoint; 2],
}

impl TcpSides {
    /// Takes a segment of a side and writes what it says to the history.
    pub(super) fn observe(&mut self, dir: Direction, segment: &Segment, history: &mut History) {
        let [orig, resp] = &mut self.sides;
        let (own, peer) = match dir {
            Direction::Orig => (orig, resp),
            Direction::Resp => (resp, orig),
        };
        own.begin(segment);
        let place = own.place(segment.seq, own.last);
        record_flags(own, dir, segment, history);
        let is_boring =
            segment.has(RST) || peer.state == State::Closed || own.state == State::Reset;
        if segment.window == 0 && !is_boring && own.zero_windows.is_mark() {
            history.add(dir, 'w');
        }
        own.has_fin |= segment.has(FIN);
        let acknowledged = segment
            .has(ACK)
            .then(|| acknowledge(peer, segment))
            .flatten();
        if own.advance(segment) && own.retransmissions.is_mark() {
            history.add(dir, 't');
        }
        transition(own, peer, dir, segment);
        if let Some(place) = acknowledged {
            record_gap(peer, own, dir.reverse(), place, history);
        }
        if segment.len > 0 && !segment.has(RST) && place >= 0 {
            let start = place as u64 + u64::from(segment.has(SYN));
            own.stream.take(start, start + u64::from(segment.len));
        }
    }

    /// Whether both sides have closed: what follows counts no longer for the duration.
    pub(super) fn are_closed(&self) -> bool {
        self.sides.iter().all(|side| side.has_closed)
    }

    /// Payload bytes of both sides by their sequence numbers.
    pub(super) fn sizes(&self) -> [u64; 2] {
        let [orig, resp] = &self.sides;
        [orig.size(resp), resp.size(orig)]
    }

    /// Bytes that were acknowledged and not captured.
    pub(super) fn missed(&self) -> u64 {
        self.sides.iter().map(|side| side.stream.missed).sum()
    }

    /// The state at the end, given the history.
    pub(super) fn conn_state(&self, history: &History) -> ConnState {
        let [orig, resp] = &self.sides;
        match (orig.state, resp.state) {
            (State::SynSent | State::SynAckSent, State::Reset) => ConnState::Rej,
            (State::Reset, State::Reset) if self.sizes() == [0, 0] => ConnState::Rej,
            (_, State::Reset) if orig.is_unestablished() => ConnState::Rstrh,
            (_, State::Reset) => ConnState::Rstr,
            (State::Reset, _) if !resp.is_unestablished() => ConnState::Rsto,
            (State::Reset, _) if is_half_open(history.letters()) => ConnState::Rstos0,
            (State::Reset, _) => ConnState::Oth,
            (State::Closed, State::Closed) => ConnState::Sf,
            (State::Closed, _) if resp.is_unestablished() => ConnState::Sh,
            (State::Closed, _) => ConnState::S2,
            (_, State::Closed) if orig.is_unestablished() => ConnState::Shr,
            (_, State::Closed) => ConnState::S3,
            (State::SynSent, State::Inactive) => ConnState::S0,
            (State::Established, State::Established) => ConnState::S1,
            _ => ConnState::Oth,
        }
    }
}

/// Whether the originator sent a SYN and then a RST, and nothing else of note between.
fn is_half_open(history: &str) -> bool {
    let letters = history.strip_prefix('^').unwrap_or(history);
    letters.strip_prefix('S').is_some_and(|letters| {
        letters
            .find('R')
            .is_some_and(|at| !letters[..at].contains(['H', 'A', 'F', 'G', 'I', 'Q']))
    })
}

/// Writes the letter of a segment's flags or payload.
fn record_flags(own: &mut Endpoint, dir: Direction, segment: &Segment, history: &mut History) {
    let control = (segment.has(SYN), segment.has(FIN), segment.has(RST));
    let end = segment.seq + segment.len;
    match control {
        (_, true, true) => history.add_once(dir, 'i'),
        (true, true, false) | (true, false, true) => history.add_once(dir, 'q'),
        (true, false, false) if own.syn.is_new(segment.seq) => {
            history.add(dir, if segment.has(ACK) { 'h' } else { 's' });
        }
        (false, true, false) if own.fin.is_new(end) => history.add(dir, 'f'),
        (false, false, true) if own.rst.is_new(segment.seq) => history.add(dir, 'r'),
        (false, false, false) if segment.len > 0 => history.add_once(dir, 'd'),
        (false, false, false) if segment.has(ACK) => history.add_once(dir, 'a'),
        _ => {}
    }
}

/// Takes the acknowledgment of a segment for the stream of its peer; returns its place.
fn acknowledge(peer: &mut Endpoint, segment: &Segment) -> Option<u64> {
    if peer.state == State::Inactive {
        peer.start_at(segment.ack - 1, 0);
        return None;
    }
    let place = peer.place(segment.ack, peer.acked);
    let step = place - peer.acked as i64;
    if segment.has(RST) || step <= 0 || segment.ack == SeqNumber(0) && step > FAR {
        return None;
    }
    peer.acked = place as u64;
    Some(peer.acked)
}

/// Counts what an acknowledgment shows to be missing of a side's stream, if both sides' handshakes
/// were seen.
fn record_gap(
    own: &mut Endpoint,
    peer: &Endpoint,
    dir: Direction,
    place: u64,
    history: &mut History,
) {
    let fin = u64::from(own.has_fin && place == own.last);
    let missed = own.stream.acknowledge(place - fin);
    if missed > 0 && own.was_established() && peer.was_established() {
        own.stream.missed += missed;
        if own.gaps.is_mark() {
            history.add(dir, 'g');
        }
    }
}

/// Moves the states by a segment's flags.
fn transition(own: &mut Endpoint, peer: &mut Endpoint, dir: Direction, segment: &Segment) {
    let (syn, fin, rst) = (segment.has(SYN), segment.has(FIN), segment.has(RST));
    match own.state {
        State::Inactive => {
            leave_inactive(own, peer, dir, segment);
            own.has_closed |= fin || rst;
        }
        State::SynSent | State::SynAckSent => {
            if fin {
                own.set(State::Closed);
            }
            if rst {
                own.set(State::Reset);
            }
            own.has_closed |= fin || rst;
        }
        State::Established | State::Partial => {
            let is_alone = own.state == State::Partial && peer.state == State::Inactive;
            if syn && is_alone && !segment.has(ACK) {
                own.set(State::SynSent);
            }
            if rst {
                own.set(State::Reset);
            } else if fin {
                own.set(State::Closed);
                if peer.state == State::Reset && peer.before == State::Closed {
                    peer.set(State::Closed);
                }
            }
            own.has_closed |= fin || rst;
        }
        State::Closed if rst && peer.state != State::Closed => own.set(State::Reset),
        State::Closed | State::Reset => {}
    }
}

/// The first segment of a side that sent nothing yet.
fn leave_inactive(own: &mut Endpoint, peer: &mut Endpoint, dir: Direction, segment: &Segment) {
    if segment.has(SYN) {
        match dir {
            Direction::Orig if segment.has(ACK) => own.set(State::SynAckSent),
            Direction::Orig => own.set(State::SynSent),
            Direction::Resp => {
                if peer.state == State::SynSent {
                    peer.set(State::Established);
                }
                own.set(State::Established);
            }
        }
    }
    if segment.has(FIN) {
        own.set(State::Closed);
    }
    if segment.has(RST) {
        own.set(State::Reset);
    }
    if own.state != State::Inactive {
        return;
    }
    // Some endpoints acknowledge a SYN before they answer it.
    let is_early = dir == Direction::Resp && segment.len == 0 && peer.state == State::SynSent;
    if segment.has(ACK) && peer.state == State::Established {
        own.set(State::Established);
    } else if !is_early {
        own.set(State::Partial);
    }
}
