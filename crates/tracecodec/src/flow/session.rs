//! The one rule of what a session is, for the sharder and the metrics alike.
//!
//! A session is a bidirectional five-tuple from its first packet until
//!
//! - more than 60 s pass without a packet of it, or
//! - a packet starts it anew: a SYN without ACK after the connection was reset or closed by the FINs of both sides, or at any
//!   time a SYN without ACK whose sequence number is not the base of its direction.
//!
//! What follows a RST or the second FIN without such a SYN (last acknowledgments, retransmissions) still belongs to the
//! session that they ended.

use hashbrown::HashMap;

use super::clock::Clock;
use super::{FlowKey, Orientation};
use crate::action::Direction;
use crate::pcap::Timestamp;
use crate::tcp::{Connection, flags};
use crate::wire::{Headers, Transport};

/// Silence that ends a session, in nanoseconds.
pub const IDLE: i64 = 60 * 1_000_000_000;

/// A live session.
#[derive(Debug, Clone, Copy)]
struct Session {
    id: u64,
    opener: Orientation,
    last_time: Timestamp,
    /// Clock at the latest packet.
    last_seen: i64,
    connection: Connection,
}

/// What a packet does to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Number of the session, from 0 in order of first packets.
    pub id: u64,
    /// Whether the packet starts it.
    pub starts: bool,
    /// Relative to the session's opener.
    pub dir: Direction,
}

/// Tells each packet's session. Memory grows with the sessions that had a packet in the last six minutes or so.
#[derive(Debug, Default)]
pub struct Sessions {
    live: HashMap<FlowKey, Session>,
    count: u64,
    clock: Clock,
    swept: i64,
}

impl Sessions {
    /// No session yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sessions so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sessions that are remembered.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// The session of a packet.
    pub fn observe(&mut self, headers: &Headers<'_>, time: Timestamp) -> Membership {
        self.sweep(time);
        let (key, from) = FlowKey::of(headers);
        let starts = self
            .live
            .get(&key)
            .is_none_or(|session| session.is_left_by(headers, from, time));
        if starts {
            let session = Session {
                id: self.count,
                opener: from,
                last_time: time,
                last_seen: 0,
                connection: Connection::default(),
            };
            self.live.insert(key, session);
            self.count += 1;
        }
        let session = self
            .live
            .get_mut(&key)
            .expect("inserted above if it was not there");
        let dir = session.dir(from);
        session.last_time = session.last_time.max(time);
        session.last_seen = self.clock.now();
        if let Transport::Tcp(tcp) = headers.transport {
            session
                .connection
                .encode(dir, tcp.flags, headers.payload_len.into(), tcp.numbers);
        }
        Membership {
            id: session.id,
            starts,
            dir,
        }
    }

    /// Forgets, once in [`IDLE`], the sessions that have long ended by silence. Until then a session's own times decide, so that
    /// steps back of a few minutes make no difference to it.
    fn sweep(&mut self, time: Timestamp) {
        let now = self.clock.tick(time);
        if now - self.swept > IDLE {
            self.live
                .retain(|_, session| now - session.last_seen <= 5 * IDLE);
            self.swept = now;
        }
    }
}

impl Session {
    fn dir(&self, from: Orientation) -> Direction {
        if from == self.opener {
            Direction::Orig
        } else {
            Direction::Resp
        }
    }

    /// Whether the packet belongs to a new session instead.
    fn is_left_by(&self, headers: &Headers<'_>, from: Orientation, time: Timestamp) -> bool {
        if time.0.saturating_sub(self.last_time.0) > IDLE {
            return true;
        }
        let Transport::Tcp(tcp) = headers.transport else {
            return false;
        };
        let syn = tcp.flags & (flags::SYN | flags::ACK) == flags::SYN;
        (syn && self.connection.state.is_over())
            || self
                .connection
                .is_reused_by(self.dir(from), tcp.flags, tcp.numbers.seq)
    }
}
