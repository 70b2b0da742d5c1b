//! Summary of a capture for the metrics: counts and histograms, which merge by addition.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::interleaving::Interleaving;
use super::tcp_event::TcpEvents;
use super::transition::Transitions;
use super::{Burstiness, Dynamics, Histogram, Hosts, JointStructure, TimeHistogram, Timeline};
use crate::action::ProtocolMix;

/// Largest count: more packets or bytes than any capture holds, and small enough that a thousand
/// summaries add up without overflow.
const MOST: u64 = 1 << 53;

/// A summary of one capture or of several. Its size depends on the variety of what it counts, not
/// on the number of packets.
///
/// Summaries form a commutative monoid: [`merge`](Self::merge) adds captures that were summarised
/// separately, in any order and grouping, and the empty summary changes nothing. Within a summary,
/// captures stay separate: no gap, session or run spans two captures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceSummary {
    /// Captures.
    pub captures: u64,
    /// Packets in scope. All fields below but `skipped` are about these.
    pub packets: u64,
    /// Bytes of the IP packets in scope.
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
    /// Sessions by their number of packets.
    pub packets_per_session: Histogram,
    /// Packets by the number of bytes of the IP packet.
    pub packet_sizes: Histogram,
    /// Counts of TCP packets with diagnostic events.
    pub tcp_events: TcpEvents,
    /// TCP packets by coarse label, in the order of [`TcpLabel::ALL`](super::TcpLabel::ALL).
    pub tcp_labels: [u64; 6],
    /// Pairs of coarse labels of consecutive TCP packets of a session.
    pub transitions: Transitions,
    /// Who talks to whom. Evaluations of older versions have none.
    #[serde(default)]
    pub hosts: Hosts,
    /// How sessions proceed. Evaluations of older versions have none of this and of the next two.
    #[serde(default)]
    pub dynamics: Dynamics,
    /// How much the number of packets varies, by scale of time.
    #[serde(default)]
    pub burstiness: Burstiness,
    /// What the quantities of a packet say of each other.
    #[serde(default)]
    pub joint: JointStructure,
    /// How sessions alternate.
    pub interleaving: Interleaving,
    /// Packets, bytes and sessions by time.
    pub timeline: Timeline,
}

impl TraceSummary {
    /// Checks that the counts can be those of captures: that each histogram has the right total.
    ///
    /// # Errors
    /// The count that does not fit.
    pub fn check(&self) -> Result<(), &'static str> {
        let moments = self.timeline.bins().values();
        let (mut packets, mut starts, mut ends) = (0_u64, 0_u64, 0_u64);
        for moment in moments {
            packets = packets.saturating_add(moment.packets);
            starts = starts.saturating_add(moment.starts);
            ends = ends.saturating_add(moment.ends);
        }
        let labels = self
            .tcp_labels
            .iter()
            .fold(0, |sum: u64, count| sum.saturating_add(*count));
        let mix = &self.protocols;
        let protocols = [mix.udp, mix.icmp, mix.other];
        let protocols = protocols
            .iter()
            .fold(mix.tcp, |sum, n| sum.saturating_add(*n));
        let equal = [
            ("protocols", protocols, self.packets),
            ("packet_sizes", self.packet_sizes.total(), self.packets),
            ("timeline's packets", packets, self.packets),
            ("timeline's starts", starts, self.sessions),
            ("timeline's ends", ends, self.sessions),
            (
                "packets_per_session",
                self.packets_per_session.total(),
                self.sessions,
            ),
            (
                "session_durations",
                self.session_durations.ms.total(),
                self.sessions,
            ),
            (
                "session_durations",
                self.session_durations.log.total(),
                self.sessions,
            ),
            ("iat", self.iat.ms.total(), self.iat.log.total()),
            ("iat", self.iat.ms.total(), self.interleaving.adjacent),
            ("tcp_labels", labels, self.protocols.tcp),
        ];
        let hosts = &self.hosts;
        let counted = if hosts.captures == self.captures {
            self.sessions
        } else {
            hosts.services.total()
        };
        let dynamics = &self.dynamics;
        let words = [&dynamics.states, &dynamics.histories].map(|words| {
            words
                .values()
                .fold(0, |sum: u64, count| sum.saturating_add(*count))
        });
        let later = [
            dynamics.captures,
            self.burstiness.captures,
            self.joint.captures,
        ];
        let skipped = self
            .skipped
            .values()
            .fold(0, |sum: u64, count| sum.saturating_add(*count));
        let transitions = self
            .transitions
            .0
            .iter()
            .flatten()
            .fold(0, |sum: u64, count| sum.saturating_add(*count));
        let events = [self.tcp_events.fields, self.tcp_events.exclusive]
            .map(|counts| counts.named().map(|(_, count)| count).max());
        let at_most = [
            ("captures", self.captures, MOST),
            ("iat", self.iat.near(), self.iat.ms.total()),
            (
                "session_durations",
                self.session_durations.near(),
                self.sessions,
            ),
            ("hosts' captures", hosts.captures, self.captures),
            ("hosts", hosts.hosts, 2 * MOST),
            ("hosts' fan_out", hosts.fan_out.total(), hosts.hosts),
            ("hosts' fan_in", hosts.fan_in.total(), hosts.hosts),
            ("hosts' scanners", hosts.scanners, hosts.fan_out.total()),
            ("hosts' services", hosts.services.total(), counted),
            ("hosts' services", counted, self.sessions),
            (
                "hosts' flows_per_pair",
                hosts.flows_per_pair.total(),
                hosts.services.total(),
            ),
            ("dynamics' captures", later[0], self.captures),
            ("burstiness' captures", later[1], self.captures),
            ("joint's captures", later[2], self.captures),
            ("dynamics' states", words[0], self.sessions),
            ("dynamics' histories", words[1], words[0]),
            (
                "dynamics' retransmissions",
                dynamics.retransmissions.total(),
                words[0],
            ),
            (
                "dynamics' handshakes",
                dynamics.handshakes.log.total(),
                words[0],
            ),
            ("dynamics' answers", dynamics.answers.log.total(), words[0]),
            (
                "dynamics' in_flight",
                dynamics.in_flight.total(),
                self.protocols.tcp,
            ),
            (
                "joint's pairs",
                self.joint.pairs.total(),
                JointStructure::PAIRS.saturating_mul(self.packets),
            ),
            ("packets", self.packets, MOST),
            ("bytes", self.bytes, MOST),
            ("skipped", skipped, MOST),
            ("transitions", transitions, self.protocols.tcp),
            ("tcp_events", events[0].unwrap_or(0), self.protocols.tcp),
            ("tcp_events", events[1].unwrap_or(0), self.protocols.tcp),
            (
                "interleaving",
                self.interleaving.switches,
                self.interleaving.adjacent,
            ),
        ];
        let unequal = equal.into_iter().find(|(_, found, needed)| found != needed);
        let beyond = at_most.into_iter().find(|(_, found, most)| found > most);
        match unequal.or(beyond) {
            Some((what, ..)) => Err(what),
            None => Ok(()),
        }
    }

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
        self.hosts.merge(&other.hosts);
        self.dynamics.merge(&other.dynamics);
        self.burstiness.merge(&other.burstiness);
        self.joint.merge(&other.joint);
        self.interleaving.merge(&other.interleaving);
        self.timeline.merge(&other.timeline);
    }
}
