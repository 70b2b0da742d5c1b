//! An event of a process as a row of symbols: a packet, and the time since the event before it.
//!
//! The first symbol says whether there is an event at all. The time follows, then the packet in the
//! order of the action schema. Symbols are drawn in this order, each given those before it.

use tracecodec::action::schema::Active;
use tracecodec::action::{AckReference, Action, FlowEvent, PAPER_SCHEMA, Proto, SeqReference};
use tracecodec::tcp::flags;

use super::hosts::{self, LINKS};
use crate::codec::symbols::{Stage, Symbols, proto_of};
use crate::codec::{CodecConfig, ContextSource};

/// Largest number of values of a symbol.
pub(super) const CLASSES: usize = 16;

/// Position of the symbol that is 1 if the sequence has ended.
pub(super) const ENDS: usize = 0;

/// Number of mantissa digits of times.
const TIME_DIGITS: u8 = 3;

/// Number of symbols of a time: sign, two digits of the exponent, mantissa.
pub(super) const TIME: usize = 3 + TIME_DIGITS as usize;

/// The symbols of events.
#[derive(Debug, Clone)]
pub(super) struct Events {
    symbols: Symbols,
    version: u32,
}

impl Events {
    /// Events of actions of this version of the action schema.
    pub(super) fn new(version: u32) -> Self {
        // Slots of flows are given when a flow opens, hosts by links; and a live flow that an ICMP
        // error quotes would be one of another sequence.
        let omit = [
            "flow_token",
            "host_evt",
            "orig_host",
            "resp_host",
            "resp_port",
            "icmp_quote",
            "icmp_quote_token",
            "ctx_gap_b",
            "ctx_pkt_count_b",
            "ctx_last_payload_b",
            "ctx_ack_streak_b",
            "ctx_last_dir",
        ];
        Self {
            symbols: Symbols::new(&CodecConfig {
                time_digits: TIME_DIGITS,
                context: ContextSource::Flow,
                schema_version: version,
                omit: omit.map(str::to_string).to_vec(),
                ..CodecConfig::default()
            }),
            version,
        }
    }

    /// Version of the action schema.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// Number of links that follow the symbols of an opening.
    pub(super) fn links(&self) -> usize {
        if self.version == PAPER_SCHEMA {
            0
        } else {
            LINKS
        }
    }

    /// Number of symbols of an event that any packet has: those of openings alone follow.
    pub(super) fn len_of_packets(&self) -> usize {
        let all = self.symbols.all();
        let openings = all.iter().filter(|symbol| symbol.stage == Stage::Opening);
        self.len() - openings.count()
    }

    /// Number of symbols of an event.
    pub(super) fn len(&self) -> usize {
        1 + self.symbols.len()
    }

    /// Number of values of each symbol.
    pub(super) fn sizes(&self) -> Vec<usize> {
        let sizes: Vec<usize> = self
            .symbols
            .all()
            .iter()
            .map(|symbol| symbol.size)
            .collect();
        let (packet, time) = sizes.split_at(sizes.len() - TIME);
        [&[2], time, packet].concat()
    }

    /// The symbols of an opening's row that the process predicts.
    pub(super) fn of_opening<'a>(&self, row: &'a [u8]) -> &'a [u8] {
        &row[..self.len() + self.links()]
    }

    /// Number of values of each symbol of an opening, its links included.
    pub(super) fn opening_sizes(&self) -> Vec<usize> {
        let links = std::iter::repeat_n(CLASSES, self.links());
        self.sizes().into_iter().chain(links).collect()
    }

    /// Appends the row of an action, whose `delta_t` is the time since the event before. A negative
    /// time becomes 0.
    pub(super) fn encode_into(&self, action: &Action, into: &mut Vec<u8>) {
        let mut row = Vec::with_capacity(self.symbols.len());
        let action = Action {
            delta_t: action.delta_t.max(0),
            ..*action
        };
        self.symbols.encode_into(&action, &mut row);
        let (packet, time) = row.split_at(row.len() - TIME);
        into.push(0);
        into.extend_from_slice(time);
        into.extend_from_slice(packet);
    }

    /// The action of a row, from which symbols of openings may be missing; its `delta_t` is the
    /// time since the event before.
    pub(super) fn action(&self, row: &[u8]) -> Action {
        let (time, packet) = row[1..row.len().min(self.len())].split_at(TIME);
        let mut symbols = packet.to_vec();
        symbols.resize(self.symbols.len() - TIME, 0);
        symbols.extend_from_slice(time);
        self.symbols.action(&symbols)
    }

    /// Number of values of each symbol of a time.
    pub(super) fn time_sizes(&self) -> Vec<usize> {
        self.sizes()[1..=TIME].to_vec()
    }

    /// Appends the symbols of a time, which may be negative.
    pub(super) fn encode_time_into(&self, delta_t: i64, into: &mut Vec<u8>) {
        let mut row = Vec::with_capacity(self.symbols.len());
        let action = Action {
            delta_t,
            ..Action::default()
        };
        self.symbols.encode_into(&action, &mut row);
        into.extend_from_slice(&row[row.len() - TIME..]);
    }

    /// The time that these symbols hold.
    pub(super) fn time(&self, symbols: &[u8]) -> i64 {
        let mut row = vec![0; self.symbols.len() - TIME];
        row.extend_from_slice(&symbols[..TIME]);
        self.symbols.action(&row).delta_t
    }

    /// Position of the first symbol of a quantity of the action schema.
    pub(super) fn position(&self, quantity: &str) -> usize {
        let symbol = self.symbols.of(quantity).next();
        1 + TIME + symbol.expect("an event has the quantity")
    }

    /// Which symbols are active in packets of each protocol; those of openings always are.
    pub(super) fn activity(&self) -> Activity {
        let of = |active: Active| {
            [0, 1, 2, 3].map(|proto| active.covers(proto_of(proto), FlowEvent::Open))
        };
        let packet = self.symbols.len() - TIME;
        let packet = self.symbols.all()[..packet].iter();
        let active = std::iter::repeat_n([true; 4], 1 + TIME);
        Activity {
            active: active
                .chain(packet.map(|symbol| of(symbol.active)))
                .collect(),
            proto: self.position("proto"),
            service: (self.links() > 0).then(|| self.position("resp_service")),
        }
    }
}

/// Which symbols are active in packets of which protocol.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    active: Vec<[bool; 4]>,
    proto: usize,
    /// First digit of the responder's service, if there are links.
    service: Option<usize>,
}

impl Activity {
    /// Whether a symbol is active, given the symbols before it in the row. Symbols before the
    /// protocol always are.
    pub(super) fn covers(&self, row: &[u8], symbol: usize) -> bool {
        let proto = row[self.proto].min(3);
        match symbol.checked_sub(self.active.len()) {
            None => self.active[symbol][usize::from(proto)],
            Some(link) => {
                let service = self.service.map_or(0, |at| row[at] | row[at + 1]);
                let has_free_port = service == 0 && hosts::has_ports(proto_of(proto));
                hosts::is_active(link, &row[self.active.len()..], has_free_port)
            }
        }
    }
}

/// Bytes that each end of a connection has sent and the other has not acknowledged, in the order
/// opener, responder.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unacknowledged([u32; 2]);

impl Unacknowledged {
    /// Number of hexadecimal digits of both numbers.
    pub(super) const DIGITS: usize = 16;

    /// Updates the numbers by a packet of the flow.
    pub(super) fn take(&mut self, action: &Action) {
        if action.flow_evt != FlowEvent::Continue {
            *self = Self::default();
        }
        if action.proto != Proto::Tcp {
            return;
        }
        let sender = action.role() as usize;
        match action.tcp_ack_unseen {
            AckReference::PeerNext => self.0[1 - sender] = action.tcp_ack_adv,
            AckReference::PeerUnseen => self.0[1 - sender] = 0,
            AckReference::Zero => {}
        }
        let phantom = flags::sequence_len(flags::of(action));
        let length = action.l4_payload_len + phantom;
        let advance = match action.tcp_seq_delta_sign {
            SeqReference::Forward => action.tcp_seq_delta.wrapping_add(length),
            SeqReference::Backward => length.saturating_sub(action.tcp_seq_delta),
            SeqReference::Zero => length,
        };
        self.0[sender] = self.0[sender].wrapping_add(advance);
    }

    /// Appends the digits, those of the opener first.
    pub(super) fn encode_into(&self, into: &mut Vec<u8>) {
        for number in self.0 {
            into.extend(
                (0..8)
                    .rev()
                    .map(|digit| (number >> (4 * digit) & 0xf) as u8),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::batch::tests::action;
    use tracecodec::action::context::Context;
    use tracecodec::action::{Control, Quote, SCHEMA_VERSION};

    #[test]
    fn test_actions_survive_rows() {
        let events = Events::new(SCHEMA_VERSION);
        for seed in 0..200 {
            let expected = Action {
                flow_token: 0,
                context: Context::default(),
                delta_t: 12_344,
                host_evt: 0,
                orig_host: 0,
                resp_host: 0,
                resp_port: 0,
                icmp_quote: Quote::default(),
                icmp_quote_token: 0,
                ..action(seed)
            };
            let mut row = Vec::new();
            events.encode_into(&expected, &mut row);
            assert_eq!(row.len(), events.len());
            assert_eq!(events.action(&row), expected);
            for (value, size) in row.iter().zip(events.sizes()) {
                assert!(usize::from(*value) < size && size <= CLASSES);
            }
        }
    }

    #[test]
    fn test_times_survive_symbols() {
        let events = Events::new(SCHEMA_VERSION);
        for time in [0, 1, -1, 4_096, -81_920, 12_344_000] {
            let mut symbols = Vec::new();
            events.encode_time_into(time, &mut symbols);
            let back = events.time(&symbols);
            assert!((back - time).abs() * 4_096 <= time.abs(), "{time} {back}");
        }
    }

    #[test]
    fn test_activity_follows_the_protocol() {
        let (events, activity) = (
            Events::new(SCHEMA_VERSION),
            Events::new(SCHEMA_VERSION).activity(),
        );
        let mut row = Vec::new();
        let udp = Action {
            proto: Proto::Udp,
            ..Action::default()
        };
        events.encode_into(&udp, &mut row);
        let window = events.position("tcp_win");
        assert!(!activity.covers(&row, window) && activity.covers(&row, ENDS));
        row[events.position("proto")] = Proto::Tcp as u8;
        assert!(activity.covers(&row, window));
    }

    #[test]
    fn test_unacknowledged_bytes_of_a_handshake_and_a_segment() {
        let mut bytes = Unacknowledged::default();
        let packet = |dir, tcp_ctrl, tcp_ack_unseen, l4_payload_len, tcp_ack_adv| Action {
            dir,
            tcp_ctrl,
            tcp_ack_unseen,
            l4_payload_len,
            tcp_ack_adv,
            ..Action::default()
        };
        use tracecodec::action::Direction::{Orig, Resp};
        let syn = Action {
            flow_evt: FlowEvent::Open,
            ..packet(Orig, Control::Syn, AckReference::Zero, 0, 0)
        };
        for (action, expected) in [
            (syn, [1, 0]),
            (
                packet(Resp, Control::SynAck, AckReference::PeerNext, 0, 0),
                [0, 1],
            ),
            (
                packet(Orig, Control::Ack, AckReference::PeerNext, 500, 0),
                [500, 0],
            ),
            (
                packet(Resp, Control::Ack, AckReference::PeerNext, 0, 100),
                [100, 0],
            ),
        ] {
            bytes.take(&action);
            assert_eq!(bytes.0, expected);
        }
    }
}
