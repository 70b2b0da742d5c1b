//! Traces taken apart: the course of a trace's openings, the course of each flow's packets, and the course of its clock.

use std::collections::BTreeMap;
use std::ops::Range;

use tracecodec::action::{Action, Control, FlowEvent, Proto};

use super::PROCESSES;
use super::clock::{Ticks, clock_width, jittered};
use super::events::{CLASSES, Events, TIME, Unacknowledged};

/// Events of a span, the piece of a course that is trained at once.
pub(super) const SPAN: usize = 256;

/// Silence before the end of a trace, in nanoseconds, that tells that a flow was over.
const PATIENCE: i64 = 10_000_000_000;

/// Courses of packets, laid end to end, to train on or to validate with.
///
/// Flows and openings are those of the traces; where a trace shows a flow from its middle, its course starts there and has no opening.
#[derive(Debug, Clone)]
pub struct Courses {
    events: Events,
    /// Names of the labels, by their number less one; 0 is none.
    labels: Vec<String>,
    openings: Course,
    packets: Course,
    clock: Course,
    trace: Trace,
    traces: u64,
    /// What each label's traces hold.
    volumes: BTreeMap<u8, Volume>,
}

/// Openings, packets and time of some traces.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Volume {
    pub(super) openings: u64,
    pub(super) packets: u64,
    pub(super) nanoseconds: i64,
}

/// What follows an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The next one.
    Next,
    /// Nothing: the course is over.
    End,
    /// It is not known: the trace ended.
    Unknown,
}

/// Courses of one process, laid end to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    /// Rows of the events as the process reads them.
    rows: Vec<u8>,
    fates: Vec<Fate>,
    /// Whether each event is the first of its course.
    starts: Vec<bool>,
    width: usize,
    /// Symbols at the start of a row that are told after the row before.
    told: usize,
}

/// A trace that is being taken apart.
#[derive(Debug, Clone, Default)]
struct Trace {
    label: u8,
    clock: i64,
    /// Clock at the latest opening, or at the start.
    opened: i64,
    /// The flow in each slot.
    slots: BTreeMap<u16, usize>,
    flows: Vec<Flow>,
    /// Rows of the packets in order, and of which flow each is.
    rows: Vec<u8>,
    of: Vec<u32>,
    /// Time and payload of each.
    ticks: Vec<(i64, u16)>,
}

#[derive(Debug, Clone, Copy)]
struct Flow {
    packets: u32,
    last_seen: i64,
    unacknowledged: Unacknowledged,
    finished: [bool; 2],
    reset: bool,
}

impl Courses {
    /// None yet, of traces that may have these labels; at most [`MAX_LABELS`](super::Autoregressive::MAX_LABELS) of them are told apart.
    pub fn new(labels: &[String]) -> Self {
        let events = Events::default();
        let course = |width, told| Course {
            width,
            told,
            ..Course::default()
        };
        Self {
            labels: labels.to_vec(),
            openings: course(row_width(&events), events.len()),
            packets: course(row_width(&events), events.len()),
            clock: course(clock_width(), TIME),
            trace: Trace::default(),
            traces: 0,
            volumes: BTreeMap::new(),
            events,
        }
    }

    /// Begins a trace. A label that is not among the known ones is none.
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
        self.openings.fates.push(Fate::Unknown);
    }

    /// Takes the trace's next action.
    pub fn push(&mut self, action: &Action) {
        let opening = self.trace.take(action, &self.events);
        if let Some(opening) = opening {
            let gap = self.trace.clock - self.trace.opened;
            self.trace.opened = self.trace.clock;
            self.volumes.entry(self.trace.label).or_default().openings += 1;
            if let Some(last) = self.openings.fates.last_mut() {
                *last = Fate::Next;
            }
            let opening = Action {
                delta_t: gap,
                ..opening
            };
            let rows = &mut self.openings.rows;
            self.events.read(&opening, rows);
            Unacknowledged::default().read(rows);
            rows.push(self.trace.label);
            self.openings.starts.push(false);
            self.openings.fates.push(Fate::Unknown);
        }
    }

    /// Ends the trace.
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
            let fate = match left[flow] {
                0 if trace.flows[flow].is_over(trace.clock) => Fate::End,
                0 => Fate::Unknown,
                _ => Fate::Next,
            };
            let rows = &mut self.packets.rows;
            rows.extend_from_slice(&trace.rows[at * width..(at + 1) * width]);
            self.packets.starts.push(is_first);
            self.packets.fates.push(fate);
        }
    }

    /// Adds the course of a trace's clock.
    fn add_clock(&mut self, trace: &Trace) {
        let plan = jittered(&trace.ticks, &trace.of, self.traces);
        self.traces += 1;
        let mut ticks = Ticks::new(trace.label);
        let clock = &mut self.clock;
        for (planned, (time, _)) in plan.iter().zip(&trace.ticks) {
            ticks.read(&self.events, planned, &mut clock.rows);
            ticks.take(*time);
            clock.starts.push(clock.fates.last() != Some(&Fate::Next));
            clock.fates.push(Fate::Next);
        }
        if let Some(last) = clock.fates.last_mut() {
            *last = Fate::Unknown;
        }
    }

    /// Packets.
    pub fn packets(&self) -> u64 {
        self.packets.len() as u64
    }

    /// Openings.
    pub fn openings(&self) -> u64 {
        self.volumes.values().map(|volume| volume.openings).sum()
    }

    /// Names of the labels.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Packets a second of the traces of each label; first of those without one.
    pub(super) fn rates(&self) -> Vec<Option<f64>> {
        let rate = |label: usize| {
            let volume = self.volumes.get(&(label as u8))?;
            let seconds = volume.nanoseconds as f64 / 1e9;
            (seconds > 0.0).then(|| volume.packets as f64 / seconds)
        };
        (0..=self.labels.len()).map(rate).collect()
    }

    /// The courses of each process: of the openings, of the flows, of the clock.
    pub(super) fn processes(&self) -> [&Course; PROCESSES] {
        [&self.openings, &self.packets, &self.clock]
    }

    /// Digests what they hold.
    pub(super) fn digest(&self, hasher: &mut blake3::Hasher) {
        for course in self.processes() {
            hasher.update(&course.rows);
            for (fate, start) in course.fates.iter().zip(&course.starts) {
                hasher.update(&[*fate as u8, u8::from(*start)]);
            }
        }
    }
}

/// Symbols that a process reads of an event: its own, the unacknowledged bytes after it, and the trace's label.
pub(super) fn row_width(events: &Events) -> usize {
    events.len() + Unacknowledged::DIGITS + 1
}

/// Their sizes.
pub(super) fn row_sizes(events: &Events, labels: usize) -> Vec<usize> {
    let mut sizes = events.sizes();
    sizes.extend([CLASSES; Unacknowledged::DIGITS]);
    sizes.push(labels + 1);
    sizes
}

/// The row before the first opening of a trace, which tells nothing but the label.
pub(super) fn start(events: &Events, label: u8) -> Vec<u8> {
    let mut row = vec![0; row_width(events)];
    *row.last_mut().expect("a row has symbols") = label;
    row
}

impl Course {
    /// Events.
    pub(super) fn len(&self) -> usize {
        self.fates.len()
    }

    /// Spans.
    pub(super) fn spans(&self) -> usize {
        self.len().div_ceil(SPAN)
    }

    /// Numbers of the events of a span.
    pub(super) fn span(&self, number: usize) -> Range<usize> {
        number * SPAN..((number + 1) * SPAN).min(self.len())
    }

    /// An event as the process reads it.
    pub(super) fn row(&self, event: usize) -> &[u8] {
        &self.rows[event * self.width..(event + 1) * self.width]
    }

    /// What an event that follows another tells.
    pub(super) fn told(&self, event: usize) -> &[u8] {
        &self.row(event)[..self.told]
    }

    /// Symbols that are told of an event.
    pub(super) fn symbols(&self) -> usize {
        self.told
    }

    /// What follows an event.
    pub(super) fn fate(&self, event: usize) -> Fate {
        self.fates[event]
    }

    /// Whether an event is the first of its course.
    pub(super) fn starts(&self, event: usize) -> bool {
        self.starts[event]
    }
}

impl Trace {
    /// Takes an action; gives back the opening that it is, if it is one.
    fn take(&mut self, action: &Action, events: &Events) -> Option<Action> {
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
        events.read(&within, &mut self.rows);
        flow.unacknowledged.read(&mut self.rows);
        self.rows.push(self.label);
        self.of.push(number as u32);
        self.ticks.push((self.clock, action.l4_payload_len));
        (is_new && opens(action)).then_some(*action)
    }
}

/// Whether a packet is the first of its flow, and not only the first that was captured: of TCP it is a SYN without ACK.
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

    /// Whether nothing of it would have followed, had the trace gone on.
    fn is_over(&self, end: i64) -> bool {
        self.reset || self.finished == [true; 2] || end - self.last_seen > PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracecodec::action::Direction;

    fn packet(flow_token: u16, flow_evt: FlowEvent, tcp_ctrl: Control, delta_t: i64) -> Action {
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
        let mut courses = Courses::new(&["a".to_string()]);
        courses.begin(Some("a"));
        let reply = Action {
            dir: Direction::Resp,
            ..packet(0, Continue, Control::Fin, 10)
        };
        for action in [
            packet(0, Open, Control::Syn, 0),
            packet(1, Open, Control::Syn, 5),
            packet(0, Continue, Control::Fin, 10),
            reply,
            // From its middle: no opening.
            packet(2, Open, Control::Ack, 1),
            packet(1, Continue, Control::Ack, 2),
        ] {
            courses.push(&action);
        }
        courses.end();
        assert_eq!((courses.packets(), courses.openings()), (6, 2));
        let [openings, packets, _] = courses.processes();
        let events = Events::default();
        let gaps = |course: &Course| -> Vec<i64> {
            let gap = |event| events.action(&course.row(event)[..events.len()]).delta_t;
            (0..course.len()).map(gap).collect()
        };
        assert_eq!(gaps(openings), [0, 0, 5]);
        assert_eq!(gaps(packets), [0, 15, 10, 0, 23, 0]);
        use Fate::{End, Next, Unknown};
        assert_eq!(packets.fates, [Next, Next, End, Next, Unknown, Unknown]);
        assert_eq!(packets.starts, [true, false, false, true, false, true]);
        assert_eq!(openings.fates, [Next, Next, Unknown]);
        assert_eq!(openings.starts, [true, false, false]);
        assert_eq!(packets.row(0).last(), Some(&1));
    }

    #[test]
    fn test_traces_do_not_go_on_in_one_another() {
        let mut courses = Courses::new(&[]);
        for _ in 0..2 {
            courses.begin(None);
            courses.push(&packet(0, FlowEvent::Open, Control::Syn, 0));
            courses.push(&packet(0, FlowEvent::Continue, Control::Ack, 7));
            courses.end();
        }
        let [openings, packets, _] = courses.processes();
        use Fate::{Next, Unknown};
        assert_eq!(openings.fates, [Next, Unknown, Next, Unknown]);
        assert_eq!(openings.starts, [true, false, true, false]);
        assert_eq!(packets.starts, [true, false, true, false]);
        assert_eq!(courses.rates(), [Some(4.0 / 14e-9)]);
    }
}
