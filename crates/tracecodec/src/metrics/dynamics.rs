//! How TCP connections proceed: handshakes, answers, bytes in flight, retransmissions, and how
//! sessions begin and end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Histogram, TimeHistogram};
use crate::action::Direction;
use crate::conn::Exchange;
use crate::pcap::Timestamp;
use crate::tcp::flags::{ACK, SYN, opens, sequence_len};
use crate::tcp::{SegmentNumbers, SeqNumber};
use crate::wire::{Headers, Transport};

/// Letters of a history that count.
const LETTERS: usize = 16;

/// Counts of how sessions proceed, of one capture or of several. The originator is the sender of a
/// session's first packet, unless that is a SYN+ACK, so that ports make no difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dynamics {
    /// Captures that these counts are of: evaluations of older versions have none.
    pub captures: u64,
    /// Times from a connection's last SYN before its first SYN+ACK to that SYN+ACK.
    pub handshakes: TimeHistogram,
    /// Times from a session's first payload to the other side's first payload.
    pub answers: TimeHistogram,
    /// TCP packets with payload, by the bytes of their sender that are not acknowledged, their own
    /// included: bin `k` ends at `2^k` bytes.
    pub in_flight: Histogram,
    /// TCP sessions by their retransmissions: bin 0 has none, bin `k` up to `2^(k-1)`.
    pub retransmissions: Histogram,
    /// Sessions by `conn_state`, as of Zeek.
    pub states: BTreeMap<String, u64>,
    /// Sessions by the first 16 letters of their history, as of Zeek.
    pub histories: BTreeMap<String, u64>,
}

impl Dynamics {
    /// Adds other counts.
    pub(super) fn merge(&mut self, other: &Self) {
        self.captures += other.captures;
        self.handshakes.merge(&other.handshakes);
        self.answers.merge(&other.answers);
        self.in_flight.merge(&other.in_flight);
        self.retransmissions.merge(&other.retransmissions);
        let words = [
            (&mut self.states, &other.states),
            (&mut self.histories, &other.histories),
        ];
        for (own, other) in words {
            for (word, count) in other {
                *own.entry(word.clone()).or_default() += count;
            }
        }
    }
}

/// Total variation of counts of words; `None` if either side is empty.
pub(super) fn words_variation(
    own: &BTreeMap<String, u64>,
    other: &BTreeMap<String, u64>,
) -> Option<f64> {
    let words: BTreeMap<&String, u64> = own.keys().chain(other.keys()).zip(0..).collect();
    let histogram = |counts: &BTreeMap<String, u64>| -> Histogram {
        let bins = counts.iter().map(|(word, count)| (words[word], *count));
        bins.collect()
    };
    histogram(own).total_variation(&histogram(other))
}

/// What a live session did.
#[derive(Debug, Default)]
pub(super) struct Course {
    exchange: Option<Exchange>,
    is_tcp: bool,
    syn: Option<Timestamp>,
    is_answered: bool,
    /// The first payload: its time and its sender.
    asked: Option<(Timestamp, Direction)>,
    streams: [Stream; 2],
    retransmissions: u64,
}

/// What one side of a connection sent.
#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    /// After the highest number that was sent; `None` before the first segment.
    end: Option<SeqNumber>,
    /// After the highest number that was acknowledged, or else the first that was seen.
    acked: SeqNumber,
}

impl Course {
    /// Takes a packet of the session, given its direction from the first packet's sender and
    /// whether it is a retransmission.
    pub(super) fn observe(
        &mut self,
        headers: &Headers<'_>,
        dir: Direction,
        time: Timestamp,
        is_retransmission: bool,
        dynamics: &mut Dynamics,
    ) {
        self.retransmissions += u64::from(is_retransmission);
        let exchange = self.exchange.get_or_insert_with(|| {
            let proto = headers.transport.proto();
            let is_flipped = matches!(headers.transport, Transport::Tcp(tcp)
                if tcp.flags & (SYN | ACK) == SYN | ACK);
            Exchange::new(proto, is_flipped)
        });
        exchange.observe(headers, dir);
        if headers.payload_len > 0 {
            match self.asked {
                None => self.asked = Some((time, dir)),
                Some((asked, asker)) if asker != dir && !self.is_answered => {
                    self.is_answered = true;
                    dynamics.answers.add(time.since(asked));
                }
                Some(_) => {}
            }
        }
        if let Transport::Tcp(tcp) = headers.transport {
            self.is_tcp = true;
            if opens(tcp.flags) {
                self.syn = Some(time);
            } else if tcp.flags & SYN != 0
                && let Some(syn) = self.syn.take()
            {
                dynamics.handshakes.add(time.since(syn));
            }
            let len = headers.payload_len + sequence_len(tcp.flags);
            let in_flight = self.segment(dir, tcp.flags, tcp.numbers, len);
            if headers.payload_len > 0 {
                let bin = in_flight.max(1).next_power_of_two().ilog2();
                dynamics.in_flight.add(bin.into(), 1);
            }
        }
    }

    /// Follows the streams; returns the sender's bytes in flight.
    fn segment(&mut self, dir: Direction, flags: u16, numbers: SegmentNumbers, len: u32) -> u32 {
        let peer = &mut self.streams[dir.reverse() as usize];
        if flags & ACK != 0 && numbers.ack - peer.acked > 0 && peer.end.is_some() {
            peer.acked = numbers.ack;
        }
        let own = &mut self.streams[dir as usize];
        let end = numbers.seq + len;
        match &mut own.end {
            Some(last) if end - *last > 0 => *last = end,
            Some(_) => {}
            None => (own.end, own.acked) = (Some(end), numbers.seq),
        }
        let in_flight = own.end.map_or(0, |end| end - own.acked);
        in_flight.max(0) as u32
    }

    /// Counts the session, which is over.
    pub(super) fn count(&self, dynamics: &mut Dynamics) {
        if self.is_tcp {
            let bin = match self.retransmissions {
                0 => 0,
                count => u64::from(count.next_power_of_two().ilog2()) + 1,
            };
            dynamics.retransmissions.add(bin, 1);
        }
        let Some(exchange) = &self.exchange else {
            return;
        };
        let state = exchange.state().name();
        let history = exchange.history();
        let history = &history[..history.len().min(LETTERS)];
        for (counts, word) in [
            (&mut dynamics.states, state),
            (&mut dynamics.histories, history),
        ] {
            match counts.get_mut(word) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(word.to_string(), 1);
                }
            }
        }
    }
}
