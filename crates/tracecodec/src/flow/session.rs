//! Sessions, by one rule for the sharder and the metrics.
//!
//! A session is a bidirectional five-tuple from its first packet until
//!
//! - more than 60 s pass without a packet of it, or
//! - a packet starts it anew: a SYN without ACK after the connection was reset or closed by the
//!   FINs of both sides, or at any time a SYN without ACK whose sequence number is not the base of
//!   its direction.
//!
//! Packets after a RST or the second FIN that are not such a SYN (last acknowledgments,
//! retransmissions) still belong to the session that the RST or FIN ended.

use hashbrown::HashMap;

use super::clock::Clock;
use super::{FlowKey, IDLE, Orientation};
use crate::action::Direction;
use crate::pcap::Timestamp;
use crate::tcp::{Connection, flags};
use crate::wire::{Headers, Transport};

/// A live session.
#[derive(Debug, Clone)]
struct Session<T> {
    id: u64,
    opener: Orientation,
    last_time: Timestamp,
    /// Time of the clock at the latest packet.
    last_seen: i64,
    connection: Connection,
    record: T,
}

/// A packet's place in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Number of the session, from 0 in order of first packets.
    pub id: u64,
    /// Whether the packet starts the session.
    pub starts: bool,
    /// Direction of the packet, relative to the session's opener.
    pub dir: Direction,
}

/// Finds each packet's session, and keeps a record `T` of the caller for each session. Memory grows
/// with the sessions that had a packet in about the last six minutes.
#[derive(Debug)]
pub struct Sessions<T = ()> {
    live: HashMap<FlowKey, Session<T>>,
    count: u64,
    clock: Clock,
    swept: i64,
}

impl<T> Default for Sessions<T> {
    fn default() -> Self {
        Self {
            live: HashMap::new(),
            count: 0,
            clock: Clock::default(),
            swept: 0,
        }
    }
}

impl<T: Default> Sessions<T> {
    /// Sessions of a capture, before its first packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sessions so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Number of sessions that are remembered.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// The session of a packet.
    pub fn observe(&mut self, headers: &Headers<'_>, time: Timestamp) -> Membership {
        self.observe_with(headers, time, |_| {}).0
    }

    /// The session of a packet, and the session's record. Records of sessions that have ended are
    /// passed to `ended`, in no particular order.
    pub fn observe_with(
        &mut self,
        headers: &Headers<'_>,
        time: Timestamp,
        mut ended: impl FnMut(T),
    ) -> (Membership, &mut T) {
        self.sweep(time, &mut ended);
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
                record: T::default(),
            };
            if let Some(left) = self.live.insert(key, session) {
                ended(left.record);
            }
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
                .encode(dir, tcp.flags, headers.payload_len, tcp.numbers);
        }
        let membership = Membership {
            id: session.id,
            starts,
            dir,
        };
        (membership, &mut session.record)
    }

    /// Ends all sessions, and passes their records to `ended` in no particular order.
    pub fn end(self, ended: impl FnMut(T)) {
        let records = self.live.into_values().map(|session| session.record);
        records.for_each(ended);
    }

    /// Removes, once in [`IDLE`], the sessions that ended by silence long ago. Until then a
    /// session's own times decide, so that steps back of a few minutes make no difference to it.
    fn sweep(&mut self, time: Timestamp, ended: &mut impl FnMut(T)) {
        let now = self.clock.tick(time);
        if now - self.swept > IDLE {
            let over = self
                .live
                .extract_if(|_, session| now - session.last_seen > 5 * IDLE);
            over.for_each(|(_, session)| ended(session.record));
            self.swept = now;
        }
    }
}

impl<T> Session<T> {
    fn dir(&self, from: Orientation) -> Direction {
        if from == self.opener {
            Direction::Orig
        } else {
            Direction::Resp
        }
    }

    /// Whether the packet does not belong to this session but starts a new one.
    fn is_left_by(&self, headers: &Headers<'_>, from: Orientation, time: Timestamp) -> bool {
        if time.0.saturating_sub(self.last_time.0) > IDLE {
            return true;
        }
        let Transport::Tcp(tcp) = headers.transport else {
            return false;
        };
        (flags::opens(tcp.flags) && self.connection.state.is_over())
            || self
                .connection
                .is_reused_by(self.dir(from), tcp.flags, tcp.numbers.seq)
    }
}
