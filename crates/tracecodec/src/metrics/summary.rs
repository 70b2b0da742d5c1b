//! What the metrics need to know of a capture: counts and histograms, which merge by addition.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::interleaving::Interleaving;
use super::tcp_event::TcpEvents;
use super::transition::Transitions;
use super::{Histogram, TimeHistogram, Timeline};
use crate::artifact::manifest::ProtocolMix;

/// A summary of one capture or of several. Its size follows the variety of what it counts, not the number of packets.
///
/// Summaries are a commutative monoid: [`merge`](Self::merge) adds up captures that were summarised apart, in any order and
/// grouping, and the empty one changes nothing. Captures never meet within a summary: no gap, session or run reaches from one to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Captures.
    pub captures: u64,
    /// Packets in scope: all that follows is about these.
    pub packets: u64,
    /// Bytes of their IP packets.
    pub bytes: u64,
    /// Packets out of scope, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Packets by protocol.
    pub protocols: ProtocolMix,
    /// Times from one packet to the next.
    pub iat: TimeHistogram,
    /// Sessions.
    pub sessions: u64,
    /// Times from a session's first packet to its last.
    pub session_durations: TimeHistogram,
    /// Sessions by their packets.
    pub packets_per_session: Histogram,
    /// Packets by the bytes of the IP packet.
    pub packet_sizes: Histogram,
    /// TCP packets with diagnostic events.
    pub tcp_events: TcpEvents,
    /// TCP packets by coarse label, in the order of [`TcpLabel::ALL`](super::TcpLabel::ALL).
    pub tcp_labels: [u64; 6],
    /// Coarse labels of consecutive TCP packets of a session.
    pub transitions: Transitions,
    /// How sessions alternate.
    pub interleaving: Interleaving,
    /// Packets, bytes and sessions by time.
    pub timeline: Timeline,
}

impl Summary {
    /// Adds another summary.
    pub fn merge(&mut self, other: &Self) {
        self.captures += other.captures;
        self.packets += other.packets;
        self.bytes += other.bytes;
        for (reason, count) in &other.skipped {
            *self.skipped.entry(reason.clone()).or_default() += count;
        }
        self.protocols.merge(&other.protocols);
        self.iat.merge(&other.iat);
        self.sessions += other.sessions;
        self.session_durations.merge(&other.session_durations);
        self.packets_per_session.merge(&other.packets_per_session);
        self.packet_sizes.merge(&other.packet_sizes);
        self.tcp_events.merge(&other.tcp_events);
        for (count, more) in self.tcp_labels.iter_mut().zip(other.tcp_labels) {
            *count += more;
        }
        self.transitions.merge(&other.transitions);
        self.interleaving.merge(&other.interleaving);
        self.timeline.merge(&other.timeline);
    }
}
