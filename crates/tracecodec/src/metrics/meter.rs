//! The meter: summarises packets.

use super::TraceSummary;
use super::burstiness::Counter;
use super::dynamics::Course;
use super::host::HostGraph;
use super::interleaving::Run;
use super::joint::Cells;
use super::timeline::TimelineBin;
use super::transition::TcpLabel;
use crate::flow::session::Sessions;
use crate::pcap::{Packet, Timestamp};
use crate::tcp::events::{Event, EventSet};
use crate::wire::{self, Headers, Transport};

/// Summarises a capture packet by packet. Memory grows with the live sessions and with the pairs of
/// hosts that talk.
///
/// `judge` returns the TCP events of a packet in scope, given the packet's number in the capture
/// (from 1), its headers and its time.
pub struct Meter<J> {
    judge: J,
    summary: TraceSummary,
    sessions: Sessions<Record>,
    hosts: HostGraph,
    counter: Counter,
    cells: Cells,
    /// Number of the latest packet; packets out of scope count.
    number: u64,
    last_time: Option<Timestamp>,
    run: Run,
}

/// Record of a live session.
#[derive(Debug, Default)]
struct Record {
    /// Times of the first and the latest packet.
    span: Option<(Timestamp, Timestamp)>,
    packets: u64,
    /// Label of the latest TCP packet.
    label: Option<TcpLabel>,
    course: Course,
}

impl<J: FnMut(u64, &Headers<'_>, Timestamp) -> EventSet> Meter<J> {
    /// A meter that has seen no packet.
    pub fn new(judge: J) -> Self {
        Self {
            judge,
            summary: TraceSummary {
                captures: 1,
                ..TraceSummary::default()
            },
            sessions: Sessions::new(),
            hosts: HostGraph::default(),
            counter: Counter::default(),
            cells: Cells::default(),
            number: 0,
            last_time: None,
            run: Run::default(),
        }
    }

    /// Adds the next packet.
    pub fn observe(&mut self, packet: &Packet<'_>) {
        self.number += 1;
        match wire::parse(packet) {
            Ok(headers) => self.count(&headers, packet.time),
            Err(reason) => {
                let name = reason.name().to_string();
                *self.summary.skipped.entry(name).or_default() += 1;
            }
        }
    }

    fn count(&mut self, headers: &Headers<'_>, time: Timestamp) {
        let summary = &mut self.summary;
        summary.packets += 1;
        summary.bytes += u64::from(headers.ip_len);
        summary.packet_sizes.add(headers.ip_len.into(), 1);
        summary.protocols.add(headers.transport.proto());
        if let Some(last) = self.last_time.replace(time) {
            summary.iat.add(time.since(last));
        }
        self.counter.add(time, &mut summary.burstiness);
        let (session, record) = self
            .sessions
            .observe_with(headers, time, |ended| ended.count(summary));
        self.run.step(session.id, &mut summary.interleaving);
        if session.starts {
            self.hosts.open(headers);
        }
        let gap = record.span.map(|(_, last)| time.since(last));
        record.take(time);
        self.cells.add(headers, session.dir, record.packets, gap);
        let mut is_retransmission = false;
        if let Transport::Tcp(tcp) = headers.transport {
            let label = TcpLabel::of(tcp.flags, headers.payload_len);
            summary.tcp_labels[label as usize] += 1;
            if let Some(last) = record.label.replace(label) {
                summary.transitions.add(last, label);
            }
            let events = (self.judge)(self.number, headers, time);
            summary.tcp_events.add(events);
            is_retransmission = events.contains(Event::Retransmission);
        }
        let dynamics = &mut summary.dynamics;
        record
            .course
            .observe(headers, session.dir, time, is_retransmission, dynamics);
        let moment = TimelineBin {
            packets: 1,
            bytes: headers.ip_len.into(),
            starts: session.starts.into(),
            ends: 0,
        };
        summary.timeline.add(time, &moment);
    }

    /// The summary. Sessions that are still live end here.
    pub fn finish(mut self) -> TraceSummary {
        let summary = &mut self.summary;
        self.run.end(&mut summary.interleaving);
        summary.sessions = self.sessions.count();
        summary.hosts = self.hosts.finish();
        summary.joint = self.cells.finish();
        summary.dynamics.captures = 1;
        summary.burstiness.captures = 1;
        // The sessions come in no particular order, which makes no difference to sums.
        self.sessions.end(|ended| ended.count(summary));
        self.summary
    }
}

impl Record {
    fn take(&mut self, time: Timestamp) {
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first, last.max(time)));
        self.packets += 1;
    }

    fn count(&self, summary: &mut TraceSummary) {
        let Some((first, last)) = self.span else {
            return;
        };
        summary.session_durations.add(last.since(first));
        summary.packets_per_session.add(self.packets, 1);
        self.course.count(&mut summary.dynamics);
        let end = TimelineBin {
            ends: 1,
            ..TimelineBin::default()
        };
        summary.timeline.add(last, &end);
    }
}
