//! What both sides of a session did: its state and its history.

use super::ConnState;
use super::endpoint::{Segment, TcpSides};
use super::history::History;
use crate::action::{Direction, Proto};
use crate::wire::{Headers, Transport};

/// What both sides of a session did so far.
#[derive(Debug)]
pub(crate) struct Exchange {
    proto: Proto,
    /// Whether the responder sent the first packet.
    is_flipped: bool,
    packets: [u64; 2],
    tcp: TcpSides,
    history: History,
}

impl Exchange {
    /// A session before its first packet, which is of the responder if the session is flipped.
    pub(crate) fn new(proto: Proto, is_flipped: bool) -> Self {
        let mut history = History::default();
        if is_flipped {
            history.flip();
        }
        Self {
            proto,
            is_flipped,
            packets: [0; 2],
            tcp: TcpSides::default(),
            history,
        }
    }

    /// Takes a packet, given its direction from the first packet's sender. Returns its direction
    /// from the originator.
    pub(crate) fn observe(&mut self, headers: &Headers<'_>, from: Direction) -> Direction {
        let dir = if self.is_flipped {
            from.reverse()
        } else {
            from
        };
        self.packets[dir as usize] += 1;
        match headers.transport {
            Transport::Tcp(tcp) => {
                let segment = Segment {
                    seq: tcp.numbers.seq,
                    ack: tcp.numbers.ack,
                    flags: tcp.flags,
                    window: tcp.window,
                    len: headers.payload_len,
                };
                self.tcp.observe(dir, &segment, &mut self.history);
            }
            Transport::Udp { .. } => self.history.add_once(dir, 'd'),
            Transport::Icmp(_) | Transport::Other(_) => {}
        }
        dir
    }

    /// Packets of the originator and of the responder.
    pub(super) fn packets(&self) -> [u64; 2] {
        self.packets
    }

    /// The sides of a TCP connection.
    pub(super) fn tcp(&self) -> &TcpSides {
        &self.tcp
    }

    /// The state at the end.
    pub(crate) fn state(&self) -> ConnState {
        match self.proto {
            Proto::Tcp => self.tcp.conn_state(&self.history),
            Proto::Udp => match self.packets {
                [0, _] => ConnState::Shr,
                [_, 0] => ConnState::S0,
                _ => ConnState::Sf,
            },
            Proto::Icmp | Proto::Other => ConnState::Oth,
        }
    }

    /// What happened, a letter each.
    pub(crate) fn history(&self) -> &str {
        self.history.letters()
    }
}
