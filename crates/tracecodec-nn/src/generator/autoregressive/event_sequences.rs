//! Event sequences of traces: one of the trace's openings, one of each flow's packets, and one of
//! the trace's clock.

use std::collections::BTreeMap;
use std::ops::Range;

use tracecodec::action::{Action, Control, FlowEvent, Proto};

use super::PROCESSES;
use super::clock::{self, Kind, PREDICTED, Slack, Tick, Ticks, clock_width};
use super::events::{CLASSES, Events, Unacknowledged};
use super::hosts::{Hosts, LINKS};

/// Events of a span, the piece of a sequence that is trained at once.
pub(super) const SPAN: usize = 256;

/// Silence in nanoseconds at the end of a trace after which a flow counts as ended.
const PATIENCE: i64 = 10_000_000_000;

/// Event sequences of traces, to train on or to validate with.
///
/// If a trace shows a flow from its middle, the flow's sequence starts there, and the flow has no
/// opening.
#[derive(Debug, Clone)]
pub struct EventSequences {
    events: Events,
    /// Names of the labels; label number n is at n - 1, and number 0 is no label.
    labels: Vec<String>,
    openings: ProcessSequences,
    packets: ProcessSequences,
    clock: ProcessSequences,
    trace: Trace,
    traces: u64,
    /// Volume of the traces of each label.
    volumes: BTreeMap<u8, Volume>,
}

/// Number of openings, number of packets, and duration of some traces.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Volume {
    pub(super) openings: u64,
    pub(super) packets: u64,
    pub(super) nanoseconds: i64,
}

/// Whether an event is the last of its sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Another event follows.
    Continues,
    /// The sequence ends with this event.
    Ends,
    /// Right-censored: the trace ended before it was known whether another event follows.
    Censored,
}

/// The event sequences of one process, one after the other.
#[derive(Debug, Clone, Default)]
pub(super) struct ProcessSequences {
    /// Rows that the process reads, one for each event.
    rows: Vec<u8>,
    endings: Vec<Ending>,
    /// For each event, whether it is the first of its sequence.
    starts: Vec<bool>,
    width: usize,
    /// Number of symbols at the start of a row that the process predicts from the rows before.
    told: usize,
}

/// A trace that is being split into event sequences.
#[derive(Debug, Clone, Default)]
struct Trace {
    label: u8,
    clock: i64,
    /// Time of the latest opening, or 0.
    opened: i64,
    /// Number of the flow in each slot.
    slots: BTreeMap<u32, usize>,
    flows: Vec<Flow>,
    hosts: Hosts,
    /// Rows of the packets in order, and the number of each packet's flow.
    rows: Vec<u8>,
    of: Vec<u32>,
    /// Time of each packet, and what else the clock knows of it.
    ticks: Vec<Tick>,
}

#[derive(Debug, Clone, Copy)]
struct Flow {
    packets: u32,
    last_seen: i64,
    unacknowledged: Unacknowledged,
    finished: [bool; 2],
    reset: bool,
}

impl EventSequences {
    /// No sequences yet, of actions of a version of the action schema. Traces may have these
    /// labels, of which at most [`MAX_LABELS`](super::Autoregressive::MAX_LABELS) are
    /// distinguished.
    pub fn new(version: u32, labels: &[String]) -> Self {
        let events = Events::new(version);
        let sequence = |width, told| ProcessSequences {
            width,
            told,
            ..ProcessSequences::default()
        };
        Self {
            labels: labels.to_vec(),
            openings: sequence(opening_width(&events), events.opening_sizes().len()),
            packets: sequence(row_width(&events), events.len_of_packets()),
            clock: sequence(clock_width(&events), PREDICTED),
            trace: Trace::default(),
            traces: 0,
            volumes: BTreeMap::new(),
            events,
        }
    }

    /// Begins a trace. An unknown label counts as no label.
    pub fn begin(&mut self, label: Option<&str>) {
        let known = self
            .labels
            .iter()
            .position(|known| Some(known.as_str()) == label);
        self.trace = Trace {
            label: known.map_or(0, |at| u8::try_from(at + 1).unwrap_or(0)),
            ..Trace::default()
        };
        let start = start(&self.events, self.trace.label);
        self.openings.rows.extend(start);
        self.openings.starts.push(true);
        self.openings.endings.push(Ending::Censored);
    }

    /// Adds the next action of the trace.
    pub fn push(&mut self, action: &Action) {
        let opening = self.trace.take(action, &self.events);
        if let Some((opening, links)) = opening {
            let gap = self.trace.clock - self.trace.opened;
            self.trace.opened = self.trace.clock;
            self.volumes.entry(self.trace.label).or_default().openings += 1;
            if let Some(last) = self.openings.endings.last_mut() {
                *last = Ending::Continues;
            }
            let opening = Action {
                delta_t: gap,
                ..opening
            };
            let rows = &mut self.openings.rows;
            self.events.encode_into(&opening, rows);
            rows.extend_from_slice(&links[..self.events.links()]);
            Unacknowledged::default().encode_into(rows);
            rows.push(self.trace.label);
            self.openings.starts.push(false);
            self.openings.endings.push(Ending::Censored);
        }
    }

    /// Ends the trace and adds its sequences.
    pub fn end(&mut self) {
        let trace = std::mem::take(&mut self.trace);
        let volume = self.volumes.entry(trace.label).or_default();
        volume.packets += trace.of.len() as u64;
        volume.nanoseconds += trace.clock;
        self.add_clock(&trace);
        let mut order: Vec<u32> = (0..trace.of.len() as u32).collect();
        order.sort_by_key(|&packet| trace.of[packet as usize]);
        let width = self.packets.width;
        let mut left: Vec<u32> = trace.flows.iter().map(|flow| flow.packets).collect();
        for packet in order {
            let at = packet as usize;
            let flow = trace.of[at] as usize;
            let is_first = left[flow] == trace.flows[flow].packets;
            left[flow] -= 1;
            let ending = match left[flow] {
                0 if trace.flows[flow].is_over(trace.clock) => Ending::Ends,
                0 => Ending::Censored,
                _ => Ending::Continues,
            };
            let rows = &mut self.packets.rows;
            rows.extend_from_slice(&trace.rows[at * width..(at + 1) * width]);
            self.packets.starts.push(is_first);
            self.packets.endings.push(ending);
        }
    }

    /// Adds the sequence of a trace's clock.
    fn add_clock(&mut self, trace: &Trace) {
        let slack = Slack {
            mean_step: trace.clock as f64 / trace.ticks.len().max(1) as f64,
        };
        let steps = clock::steps(&trace.ticks, slack, self.traces);
        self.traces += 1;
        let mut ticks = Ticks::new(trace.label);
        let clock = &mut self.clock;
        for step in &steps {
            let (quick, slack) = (step.quick.as_ref(), step.slack.as_ref());
            ticks.encode_into(&self.events, quick, slack, &mut clock.rows);
            ticks.take(step.tick.time, step.tick.kind, step.is_quick);
            clock
                .starts
                .push(clock.endings.last() != Some(&Ending::Continues));
            clock.endings.push(Ending::Continues);
        }
        if let Some(last) = clock.endings.last_mut() {
            *last = Ending::Censored;
        }
    }

    /// Number of packets of all traces.
    pub fn packets(&self) -> u64 {
        self.packets.len() as u64
    }

    /// Number of openings of all traces.
    pub fn openings(&self) -> u64 {
        self.volumes.values().map(|volume| volume.openings).sum()
    }

    /// The symbols of events.
    pub(super) fn events(&self) -> &Events {
        &self.events
    }

    /// Names of the labels.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Packets a second of the traces without a label, then of the traces of each label.
    pub(super) fn rates(&self) -> Vec<Option<f64>> {
        let rate = |label: usize| {
            let volume = self.volumes.get(&(label as u8))?;
            let seconds = volume.nanoseconds as f64 / 1e9;
            (seconds > 0.0).then(|| volume.packets as f64 / seconds)
        };
        (0..=self.labels.len()).map(rate).collect()
    }

    /// The sequences of each process: openings, packets of flows, clock.
    pub(super) fn processes(&self) -> [&ProcessSequences; PROCESSES] {
        [&self.openings, &self.packets, &self.clock]
    }

    /// Adds the sequences to a digest.
    pub(super) fn digest(&self, hasher: &mut blake3::Hasher) {
        for sequence in self.processes() {
            hasher.update(&sequence.rows);
            for (ending, start) in sequence.endings.iter().zip(&sequence.starts) {
                hasher.update(&[*ending as u8, u8::from(*start)]);
            }
        }
    }
}

/// Number of symbols of a row: those of the event, the unacknowledged bytes after it, and the
/// trace's label.
pub(super) fn row_width(events: &Events) -> usize {
    events.len() + Unacknowledged::DIGITS + 1
}

/// Number of values of each symbol of a row, whose event has symbols of so many.
pub(super) fn row_sizes(event: Vec<usize>, labels: usize) -> Vec<usize> {
    let mut sizes = event;
    sizes.extend([CLASSES; Unacknowledged::DIGITS]);
    sizes.push(labels + 1);
    sizes
}

/// Number of symbols of a row of an opening, which has its links after the event.
fn opening_width(events: &Events) -> usize {
    row_width(events) + events.links()
}

/// The row before the first opening of a trace, which holds the label alone.
pub(super) fn start(events: &Events, label: u8) -> Vec<u8> {
    let mut row = vec![0; opening_width(events)];
    *row.last_mut().expect("a row has symbols") = label;
    row
}

impl ProcessSequences {
    /// Number of events.
    pub(super) fn len(&self) -> usize {
        self.endings.len()
    }

    /// Number of spans.
    pub(super) fn spans(&self) -> usize {
        self.len().div_ceil(SPAN)
    }

    /// Numbers of the events of a span.
    pub(super) fn span(&self, number: usize) -> Range<usize> {
        number * SPAN..((number + 1) * SPAN).min(self.len())
    }

    /// The row of an event.
    pub(super) fn row(&self, event: usize) -> &[u8] {
        &self.rows[event * self.width..(event + 1) * self.width]
    }

    /// The symbols of an event that the process predicts.
    pub(super) fn told(&self, event: usize) -> &[u8] {
        &self.row(event)[..self.told]
    }

    /// Number of symbols that the process predicts.
    pub(super) fn symbols(&self) -> usize {
        self.told
    }

    /// Whether an event is the last of its sequence.
    pub(super) fn ending(&self, event: usize) -> Ending {
        self.endings[event]
    }

    /// Whether an event is the first of its sequence.
    pub(super) fn starts(&self, event: usize) -> bool {
        self.starts[event]
    }
}

impl Trace {
    /// Adds an action, and returns it if it is an opening, with its links.
    fn take(&mut self, action: &Action, events: &Events) -> Option<(Action, [u8; LINKS])> {
        self.clock = self.clock.saturating_add(action.delta_t.max(0));
        let held = self.slots.get(&action.flow_token).copied();
        let is_new = held.is_none() || action.flow_evt == FlowEvent::Open;
        let number = match held {
            Some(number) if !is_new => number,
            _ => {
                self.flows.push(Flow::new(self.clock));
                self.slots.insert(action.flow_token, self.flows.len() - 1);
                self.flows.len() - 1
            }
        };
        let flow = &mut self.flows[number];
        let gap = self.clock - flow.last_seen;
        flow.take(action, self.clock);
        let within = Action {
            delta_t: gap,
            ..*action
        };
        events.encode_into(&within, &mut self.rows);
        flow.unacknowledged.encode_into(&mut self.rows);
        self.rows.push(self.label);
        self.of.push(number as u32);
        self.ticks.push(Tick {
            time: self.clock,
            gap: match (opens(action), is_new) {
                (true, _) => Some(self.clock - self.opened),
                (false, is_new) => (!is_new).then_some(gap),
            },
            opens: opens(action),
            kind: Kind::new(number as u64, action.role() as u8, action.l4_payload_len),
        });
        if action.flow_evt != FlowEvent::Open {
            return None;
        }
        let links = self.hosts.links(action);
        self.hosts.take(action);
        opens(action).then_some((*action, links))
    }
}

/// Whether a packet is the first of its flow, and not only the first that was captured. The first
/// packet of a TCP flow is a SYN without ACK.
pub(super) fn opens(action: &Action) -> bool {
    action.flow_evt == FlowEvent::Open
        && (action.proto != Proto::Tcp || action.tcp_ctrl == Control::Syn)
}

impl Flow {
    fn new(clock: i64) -> Self {
        Self {
            packets: 0,
            last_seen: clock,
            unacknowledged: Unacknowledged::default(),
            finished: [false; 2],
            reset: false,
        }
    }

    fn take(&mut self, action: &Action, clock: i64) {
        self.packets += 1;
        self.last_seen = clock;
        self.unacknowledged.take(action);
        if action.flow_evt == FlowEvent::Reopen {
            (self.finished, self.reset) = ([false; 2], false);
        }
        match action.tcp_ctrl {
            Control::Fin => self.finished[action.role() as usize] = true,
            Control::Rst => self.reset = true,
            _ => {}
        }
    }

    /// Whether the flow would have had no other packet after the end of the trace.
    fn is_over(&self, end: i64) -> bool {
        self.reset || self.finished == [true; 2] || end - self.last_seen > PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracecodec::action::{Direction, SCHEMA_VERSION};

    fn packet(flow_token: u32, flow_evt: FlowEvent, tcp_ctrl: Control, delta_t: i64) -> Action {
        Action {
            flow_token,
            flow_evt,
            tcp_ctrl,
            delta_t,
            ..Action::default()
        }
    }

    #[test]
    fn test_a_trace_is_taken_apart() {
        use FlowEvent::{Continue, Open};
        let mut sequences = EventSequences::new(SCHEMA_VERSION, &["a".to_string()]);
        sequences.begin(Some("a"));
        let reply = Action {
            dir: Direction::Resp,
            ..packet(0, Continue, Control::Fin, 10)
        };
        for action in [
            packet(0, Open, Control::Syn, 0),
            packet(1, Open, Control::Syn, 5),
            packet(0, Continue, Control::Fin, 10),
            reply,
            // A flow from its middle has no opening.
            packet(2, Open, Control::Ack, 1),
            packet(1, Continue, Control::Ack, 2),
        ] {
            sequences.push(&action);
        }
        sequences.end();
        assert_eq!((sequences.packets(), sequences.openings()), (6, 2));
        let [openings, packets, _] = sequences.processes();
        let events = Events::new(SCHEMA_VERSION);
        let gaps = |sequence: &ProcessSequences| -> Vec<i64> {
            let gap = |event| events.action(&sequence.row(event)[..events.len()]).delta_t;
            (0..sequence.len()).map(gap).collect()
        };
        assert_eq!(gaps(openings), [0, 0, 5]);
        assert_eq!(gaps(packets), [0, 15, 10, 0, 23, 0]);
        use Ending::{Censored, Continues, Ends};
        assert_eq!(
            packets.endings,
            [Continues, Continues, Ends, Continues, Censored, Censored]
        );
        assert_eq!(packets.starts, [true, false, false, true, false, true]);
        assert_eq!(openings.endings, [Continues, Continues, Censored]);
        assert_eq!(openings.starts, [true, false, false]);
        assert_eq!(packets.row(0).last(), Some(&1));
    }

    #[test]
    fn test_traces_do_not_go_on_in_one_another() {
        let mut sequences = EventSequences::new(SCHEMA_VERSION, &[]);
        for _ in 0..2 {
            sequences.begin(None);
            sequences.push(&packet(0, FlowEvent::Open, Control::Syn, 0));
            sequences.push(&packet(0, FlowEvent::Continue, Control::Ack, 7));
            sequences.end();
        }
        let [openings, packets, _] = sequences.processes();
        use Ending::{Censored, Continues};
        assert_eq!(openings.endings, [Continues, Censored, Continues, Censored]);
        assert_eq!(openings.starts, [true, false, true, false]);
        assert_eq!(packets.starts, [true, false, true, false]);
        assert_eq!(sequences.rates(), [Some(4.0 / 14e-9)]);
    }
}
