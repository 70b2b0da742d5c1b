//! Generation of a trace: openings and flows are drawn by their processes, and emitted at the times
//! that the clock draws.
//!
//! Every flow has its own random stream and is independent of the others. All flows of a window of
//! time are drawn in parallel, while the packets of the window before are emitted, and the trace
//! does not depend on the number of threads.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::panic::resume_unwind;
use std::thread;

use rand_chacha::ChaCha8Rng;
use tracecodec::action::{Action, ActionSchema, FlowEvent};

use super::Autoregressive;
use super::clock::{Kind, Tick};
use super::emission::{Emission, Feedback, OPENINGS_COURSE, Planned};
use super::event_sequences::{opens, start};
use super::events::{ENDS, Events, Unacknowledged};
use super::familiarity::{Familiarity, Likelihood, TELLING as JUDGED};
use super::hosts::{Hosts, LINKS};
use super::legal::Legal;
use super::past::Past;
use super::process::{Memory, Sampler};
use crate::error::Error;
use crate::generator::drawing::Drawing;
use crate::parallel::ordered;
use crate::random::{Purpose, stream};

/// Number of packets that the length of a window aims at.
const BATCH: usize = 4_096;

/// Length of the first window in nanoseconds.
const FIRST_WINDOW: i64 = 10_000_000;

/// Longest window in nanoseconds.
const LONGEST_WINDOW: i64 = 60_000_000_000;

/// Longest time between two events of a sequence, a day, in nanoseconds: an untrained network draws
/// centuries.
const LONGEST_GAP: i64 = 24 * 60 * LONGEST_WINDOW;

/// Largest number of packets of a flow, and of openings, in a window. If hardly any time passes
/// between them, the window ends early.
const MOST_AT_ONCE: usize = 65_536;

/// Flows that a thread draws as one task.
const PIECE: usize = 32;

/// Number of draws of a time that must be later than the time that has passed, before the sequence
/// counts as ended.
const DRAWS: usize = 64;

/// Packets of a followed trace from which on its own rate counts instead of the training traces'
/// rate.
const RATED: u64 = 1_000;

/// Largest number of followed packets that wait for the decision on the label, which is the
/// likeliest of their openings.
const TELLING: usize = 65_536;

/// Number of the clock's random stream. The openings have 0, the flows 1 and up.
const CLOCK_PLACE: u64 = (1 << 56) - 1;

/// Generates a trace without an end. Memory grows with the number of open flows, not with packets.
#[derive(Debug)]
pub struct TraceGenerator<'a> {
    plan: Plan<'a>,
    emission: Emission<'a>,
    /// Followed packets that wait for the decision on the label; None once the label is known.
    waiting_for_label: Option<Vec<Action>>,
    followed_packets: u64,
    /// Negative log-likelihood of the first followed packets that follow another of their flow, and
    /// their number.
    followed_nats: (f64, u64),
    likelihood: Likelihood,
    /// Flows of the followed trace by slot, until generation starts.
    followed: BTreeMap<u32, Flow>,
    is_drawing: bool,
    /// The next window, drawn before the packets of the window before it are emitted.
    ahead: Option<Window>,
    /// Open flows and corrected packets at the end of the latest batch.
    open_flows: usize,
    corrected: u64,
}

/// Draws openings and flows, merged by time: the packets of a trace, and when they are planned.
#[derive(Debug)]
struct Plan<'a> {
    generator: &'a Autoregressive,
    openings: Sampler<'a>,
    packets: Sampler<'a>,
    /// Number of the label; 0 for no label.
    label: u8,
    drawing: Drawing,
    legal: Legal,
    /// Time of the latest followed packet, in nanoseconds from the start.
    followed_until: i64,
    arrivals: Arrivals,
    /// Flows whose next packet is drawn, by the time of that packet and the number of the flow.
    waiting: BTreeMap<(i64, u64), Flow>,
    /// By how much the latest emitted packet of each open flow came later than planned, in
    /// nanoseconds.
    shifts: BTreeMap<u64, i64>,
    /// Flows that are over, of which the emission does not know yet, with the slots that they give
    /// back.
    over: Vec<(u64, Option<u32>)>,
    /// Length of the next window in nanoseconds.
    length: i64,
    flows: u64,
    slots: Slots,
    corrected: u64,
}

/// The packets of a window of time, of which there is at least one.
#[derive(Debug)]
struct Window {
    packets: Vec<Planned>,
    /// Flows of which no other packet will be planned, with the slots that they give back.
    over: Vec<(u64, Option<u32>)>,
    /// Time before which all packets are planned.
    until: i64,
    /// Open flows and corrected packets at the end of the window.
    open_flows: usize,
    corrected: u64,
}

/// State of the process of openings.
#[derive(Debug)]
struct Arrivals {
    memory: Memory,
    past: Past,
    hosts: Hosts,
    rng: ChaCha8Rng,
    /// Time of the latest opening.
    last: i64,
    /// Nanoseconds by which the times were corrected so far.
    shifted: i64,
    /// Time and row of the next opening.
    next: Option<(i64, Vec<u8>)>,
}

/// An open flow and the state of its process.
#[derive(Debug, Clone)]
struct Flow {
    number: u64,
    slot: u32,
    memory: Memory,
    past: Past,
    unacknowledged: Unacknowledged,
    rng: ChaCha8Rng,
    /// Time of the flow's latest packet.
    last: i64,
    /// Nanoseconds by which the times were corrected so far.
    shifted: i64,
    /// Nanoseconds from the opening before it; None once the first packet is planned.
    opening: Option<i64>,
    /// First packet of the flow: all of the flow's packets share some of its values.
    first: Action,
    /// The flow's next packet; its `delta_t` is the time since the flow's packet before.
    next: Action,
}

/// A flow, and what it sends in a window.
struct Course {
    flow: Flow,
    /// Time of the flow's next packet; None if the flow is over.
    time: Option<i64>,
    packets: Vec<Planned>,
    corrected: u64,
}

impl Autoregressive {
    /// A new trace, or, after [`follow`](TraceGenerator::follow), the continuation of the followed
    /// trace.
    ///
    /// # Errors
    /// If the label is not one of the generator's.
    pub fn generate(&self, drawing: &Drawing) -> Result<TraceGenerator<'_>, Error> {
        let label = drawing.known_label(&self.labels)? as u8;
        let is_open = label == 0 && !self.labels.is_empty();
        Ok(TraceGenerator {
            waiting_for_label: is_open.then(Vec::new),
            ..TraceGenerator::new(self, drawing.clone(), label)
        })
    }
}

impl<'a> TraceGenerator<'a> {
    /// A trace of the label of this number, before its first packet.
    fn new(generator: &'a Autoregressive, drawing: Drawing, label: u8) -> Self {
        let events = &generator.events;
        let [openings, packets, clock] = generator.samplers();
        let mut arrivals = Arrivals {
            memory: Memory::default(),
            past: Past::default(),
            hosts: Hosts::default(),
            rng: stream(drawing.seed, Purpose::Trace, 0),
            last: 0,
            shifted: 0,
            next: None,
        };
        let start = start(events, label);
        openings.take(&mut arrivals.memory, &start);
        arrivals.past.take(events.of_opening(&start), events);
        let mean_step = generator
            .rate(generator.label(label))
            .map_or(0.0, |rate| 1e9 / rate);
        let random = [Purpose::Trace, Purpose::Jitter]
            .map(|purpose| stream(drawing.seed, purpose, CLOCK_PLACE));
        let emission = Emission::new(clock, label, mean_step, random);
        let plan = Plan {
            generator,
            openings,
            packets,
            label,
            legal: Legal::new(events, drawing.constrained),
            drawing,
            followed_until: 0,
            arrivals,
            waiting: BTreeMap::new(),
            shifts: BTreeMap::new(),
            over: Vec::new(),
            length: FIRST_WINDOW,
            flows: 0,
            slots: Slots::default(),
            corrected: 0,
        };
        Self {
            plan,
            emission,
            waiting_for_label: None,
            followed_packets: 0,
            followed_nats: (0.0, 0),
            likelihood: Likelihood::new(events),
            followed: BTreeMap::new(),
            is_drawing: false,
            ahead: None,
            open_flows: 0,
            corrected: 0,
        }
    }

    /// Follows the next packet of the trace that is to be continued. After the first batch, nothing
    /// happens.
    pub fn follow(&mut self, action: &Action) {
        if self.is_drawing {
            return;
        }
        match &mut self.waiting_for_label {
            None => self.take(action),
            Some(packets) => {
                packets.push(*action);
                if packets.len() == TELLING {
                    self.decide();
                }
            }
        }
    }

    /// Decides on the label if it is unknown, and follows the packets that have waited for it.
    fn decide(&mut self) {
        if let Some(packets) = self.waiting_for_label.take() {
            let Plan {
                generator, drawing, ..
            } = &self.plan;
            let label = generator.likeliest_label(&packets);
            *self = Self::new(generator, drawing.clone(), label);
            packets.iter().for_each(|action| self.take(action));
        }
    }

    /// Updates the state by the next packet of the followed trace.
    fn take(&mut self, action: &Action) {
        let plan = &mut self.plan;
        let events = &plan.generator.events;
        plan.followed_until = plan.followed_until.saturating_add(action.delta_t.max(0));
        self.followed_packets += 1;
        let clock = plan.followed_until;
        let slot = action.flow_token;
        let is_new = action.flow_evt == FlowEvent::Open || !self.followed.contains_key(&slot);
        if is_new {
            plan.slots.take(slot);
            let flow = plan.flow(slot, action);
            if let Some(over) = self.followed.insert(slot, flow) {
                self.emission.forget(over.number);
            }
        }
        let flow = self.followed.get_mut(&slot).expect("inserted above");
        let within = Action {
            delta_t: clock - flow.last,
            ..*action
        };
        let (nats, judged) = &mut self.followed_nats;
        if !is_new && *judged < JUDGED {
            let row = input(events, &within, &[], Unacknowledged::default(), plan.label);
            let next = &row[..events.len_of_packets()];
            *nats += self
                .likelihood
                .nats(events, &plan.packets, &flow.memory, &flow.past, next);
            *judged += 1;
        }
        flow.take(&within, events, &plan.packets, plan.label);
        flow.last = clock;
        if self.followed_packets >= RATED {
            self.emission
                .set_mean_step(clock as f64 / self.followed_packets as f64);
        }
        let arrivals = &mut plan.arrivals;
        self.emission.follow(Tick {
            time: clock,
            gap: if opens(action) {
                Some(clock - arrivals.last)
            } else {
                (!is_new).then_some(within.delta_t)
            },
            opens: opens(action),
            kind: Kind::new(flow.number, action.role() as u8, action.l4_payload_len),
        });
        if action.flow_evt == FlowEvent::Open && !opens(action) {
            arrivals.hosts.take(action);
        }
        if is_new && opens(action) {
            let opening = Action {
                delta_t: clock - arrivals.last,
                ..*action
            };
            arrivals.take(&opening, events, &plan.openings, plan.label);
            arrivals.last = clock;
        }
    }

    /// The next packets, in order. There is at least one until the time overflows, after 292 years.
    /// A flow's `flow_token` is the lowest slot that was free before the window in which the flow
    /// opened.
    pub fn batch(&mut self) -> Vec<Action> {
        if !self.is_drawing {
            self.decide();
            self.is_drawing = true;
            let over = self.plan.begin(std::mem::take(&mut self.followed));
            over.into_iter().for_each(|flow| self.emission.forget(flow));
            self.emission.begin(&self.plan.generator.events);
            self.ahead = self.plan.window();
        }
        loop {
            let Some(window) = self.ahead.take() else {
                return Vec::new();
            };
            (self.open_flows, self.corrected) = (window.open_flows, window.corrected);
            self.plan.correct(self.emission.feedback());
            let actions = self.emit(window);
            if !actions.is_empty() {
                return actions;
            }
        }
    }

    /// Emits a window, and draws the next one beside it.
    fn emit(&mut self, window: Window) -> Vec<Action> {
        let (emission, plan) = (&mut self.emission, &mut self.plan);
        let events = &plan.generator.events;
        let emit = move || {
            emission.plan(window.packets, window.over);
            emission.emit(events, window.until)
        };
        if plan.drawing.threads <= 1 {
            self.ahead = plan.window();
            return emit();
        }
        thread::scope(|scope| {
            let emitted = scope.spawn(emit);
            self.ahead = plan.window();
            emitted.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// How familiar the followed trace is, by its first packets. `None` if no packet of it follows
    /// another one of its flow, or the generator does not know how likely held-out packets are.
    pub fn familiarity(&self) -> Option<Familiarity> {
        let (nats, judged) = self.followed_nats;
        Some(Familiarity {
            nats: (judged > 0).then(|| nats / judged as f64)?,
            held_out: self.plan.generator.held_out?,
        })
    }

    /// Number of packets so far of which a value contradicted the flow's state and was drawn again.
    pub fn corrected(&self) -> u64 {
        self.corrected
    }

    /// The label of the trace: the one that was asked for or, once the first batch is drawn, the
    /// label under which the openings among the first 65,536 packets of the followed trace are
    /// likeliest. None if no label was asked for and no opening was followed, or if the likeliest
    /// training traces had no label.
    pub fn label(&self) -> Option<&str> {
        self.plan.generator.label(self.plan.label)
    }

    /// Number of open flows, which are those with another packet to come.
    pub fn open_flows(&self) -> usize {
        self.open_flows
    }
}

impl Plan<'_> {
    /// A flow that begins with this action, before the action is added to its state.
    fn flow(&mut self, slot: u32, first: &Action) -> Flow {
        self.flows += 1;
        Flow {
            number: self.flows,
            slot,
            memory: Memory::default(),
            past: Past::default(),
            unacknowledged: Unacknowledged::default(),
            rng: stream(self.drawing.seed, Purpose::Trace, self.flows),
            last: self.followed_until,
            shifted: 0,
            opening: None,
            first: *first,
            next: *first,
        }
    }

    /// Draws the next opening and the next packet of every followed flow, given that they come
    /// after the followed packets. Returns the flows that are over.
    fn begin(&mut self, followed: BTreeMap<u32, Flow>) -> Vec<u64> {
        let now = self.followed_until;
        let mut over = Vec::new();
        self.draw_opening(now);
        for (slot, mut flow) in followed {
            let mut corrected = 0;
            let time = (0..DRAWS).find_map(|_| {
                match flow.draw(
                    &self.generator.events,
                    &self.packets,
                    &self.legal,
                    &mut corrected,
                ) {
                    Some(time) if time <= now => None,
                    drawn => Some(drawn),
                }
            });
            match time.flatten() {
                Some(time) => {
                    self.waiting.insert((time, flow.number), flow);
                }
                None => {
                    self.slots.free(slot);
                    over.push(flow.number);
                }
            }
        }
        over
    }

    /// Corrects the plan by what was emitted.
    fn correct(&mut self, feedback: Feedback) {
        self.shifts.extend(feedback.shifts);
        for (flow, slot) in feedback.over {
            self.shifts.remove(&flow);
            if let Some(slot) = slot {
                self.slots.free(slot);
            }
        }
    }

    /// Draws the next opening, not before this time.
    fn draw_opening(&mut self, after: i64) {
        let arrivals = &mut self.arrivals;
        let legal = &self.legal;
        let last = arrivals.last;
        let mut draw = || {
            let choice =
                |symbol: usize, row: &[u8]| legal.choice(symbol, row, &arrivals.past, None);
            self.openings
                .draw(&arrivals.memory, &mut arrivals.rng, choice)
        };
        let gap = |row: &[u8]| self.generator.events.action(row).delta_t.min(LONGEST_GAP);
        let time = |row: &[u8]| last.saturating_add(gap(row));
        let mut drawn = draw();
        for _ in 0..DRAWS {
            if time(&drawn.row) >= after {
                break;
            }
            drawn = draw();
        }
        let next = (time(&drawn.row).max(after), drawn.row);
        arrivals.next = Some(next);
    }

    /// The next window that has packets; None if the time overflows.
    fn window(&mut self) -> Option<Window> {
        loop {
            let (packets, until) = self.merged()?;
            let (count, most) = (packets.len().max(1) as i64, BATCH as i64);
            let fitting = self.length.saturating_mul(most) / count;
            let around = (self.length / 4).max(1)..=(4 * self.length).min(LONGEST_WINDOW);
            self.length = fitting.clamp(*around.start(), *around.end());
            if !packets.is_empty() {
                return Some(Window {
                    packets,
                    over: std::mem::take(&mut self.over),
                    until,
                    open_flows: self.waiting.len(),
                    corrected: self.corrected,
                });
            }
        }
    }

    /// The packets of the next window by time, and the time before which all are planned; None if
    /// the time overflows.
    fn merged(&mut self) -> Option<(Vec<Planned>, i64)> {
        let first = self.waiting.first_key_value().map(|((time, _), _)| *time);
        let opening = self.arrivals.next.as_ref().map(|(time, _)| *time);
        let from = first
            .into_iter()
            .chain(opening)
            .min()
            .unwrap_or(self.followed_until);
        let until = from.checked_add(self.length)?;
        let until = self.open(until);
        let later = self.waiting.split_off(&(until, 0));
        let due: Vec<((i64, u64), Flow)> = std::mem::replace(&mut self.waiting, later)
            .into_iter()
            .collect();
        let pieces = ordered(
            self.drawing.threads,
            due.len().div_ceil(PIECE),
            || (),
            |(), piece| -> Vec<Course> {
                let flows = &due[piece * PIECE..due.len().min((piece + 1) * PIECE)];
                let flows = flows.iter().cloned();
                let courses = flows.map(|((time, _), flow)| self.course(flow, time));
                self.advance(courses.collect(), until)
            },
        );
        let mut packets = Vec::new();
        for course in pieces.into_iter().flatten() {
            packets.extend(course.packets);
            self.corrected += course.corrected;
            let flow = course.flow;
            match course.time {
                Some(time) => {
                    self.waiting.insert((time, flow.number), flow);
                }
                None => self.over.push((flow.number, Some(flow.slot))),
            }
        }
        // Openings are emitted in the order of their flows' numbers.
        packets.sort_by_key(|packet| packet.flow);
        Some((packets, until))
    }

    /// Opens the flows whose opening is before this time, up to the largest number of a window.
    /// Returns the time before which all flows have opened.
    fn open(&mut self, until: i64) -> i64 {
        let arrivals = &mut self.arrivals;
        let by = self
            .shifts
            .get(&OPENINGS_COURSE)
            .map_or(0, |shift| shift - arrivals.shifted);
        arrivals.shifted += by;
        arrivals.last = arrivals.last.saturating_add(by);
        if let Some((time, _)) = &mut arrivals.next {
            *time = time.saturating_add(by);
        }
        let mut opened = 0;
        while let Some((time, row)) = self.arrivals.next.take_if(|(time, _)| *time < until) {
            opened += 1;
            let opening = self.arrivals.linked(&self.generator.events, &row);
            self.arrivals
                .take(&opening, &self.generator.events, &self.openings, self.label);
            let gap = time - self.arrivals.last;
            self.arrivals.last = time;
            let slot = self.slots.lowest().unwrap_or_else(|| {
                // If all slots are taken, the flow whose next packet is the latest gives up its
                // slot.
                let last = self.waiting.pop_last();
                last.map_or(0, |(_, flow)| {
                    self.over.push((flow.number, None));
                    flow.slot
                })
            });
            let first = Action {
                delta_t: 0,
                ..opening
            };
            let mut flow = self.flow(slot, &first);
            (flow.last, flow.opening) = (time, Some(gap));
            flow.shifted = self.arrivals.shifted;
            self.waiting.insert((time, flow.number), flow);
            // The number of flows that open at one time is limited.
            let full = opened == MOST_AT_ONCE;
            self.draw_opening(time + i64::from(full));
            if full {
                return time + 1;
            }
        }
        until
    }

    /// The course of a flow from its next packet on, which was planned at `time`.
    fn course(&self, mut flow: Flow, time: i64) -> Course {
        let shift = self.shifts.get(&flow.number);
        let by = shift.map_or(0, |shift| shift - flow.shifted);
        flow.shifted += by;
        flow.last = flow.last.saturating_add(by);
        Course {
            flow,
            time: Some(time.saturating_add(by)),
            packets: Vec::new(),
            corrected: 0,
        }
    }

    /// Draws the packets of some flows up to the end of a window, a packet of each at a time.
    fn advance(&self, mut courses: Vec<Course>, until: i64) -> Vec<Course> {
        let events = &self.generator.events;
        loop {
            let courses_left = courses.iter_mut();
            let mut due: Vec<&mut Course> = courses_left
                .filter(|course| course.time.is_some_and(|time| time < until))
                .collect();
            if due.is_empty() {
                return courses;
            }
            let rows = due.iter_mut().map(|course| course.plan(events, self.label));
            let rows: Vec<_> = rows.collect();
            let memories = due.iter_mut().map(|course| &mut course.flow.memory);
            self.packets.take_all(memories, &rows);
            for (course, row) in due.into_iter().zip(&rows) {
                course
                    .flow
                    .past
                    .take(&row[..events.len_of_packets()], events);
                let next =
                    course
                        .flow
                        .draw(events, &self.packets, &self.legal, &mut course.corrected);
                // The number of packets that a flow sends at one time is limited.
                let is_full = course.packets.len() == MOST_AT_ONCE;
                course.time = next.map(|next| if is_full { next.max(until) } else { next });
            }
        }
    }
}

impl Course {
    /// Plans the flow's next packet, and returns its row.
    fn plan(&mut self, events: &Events, label: u8) -> Vec<u8> {
        let flow = &mut self.flow;
        let (action, opening) = (flow.next, flow.opening.take());
        flow.last = self.time.expect("a packet is due");
        self.packets.push(Planned {
            flow: flow.number,
            opens: opening.is_some(),
            gap: opening.unwrap_or(action.delta_t),
            time: flow.last - flow.shifted,
            action: Action {
                flow_token: flow.slot,
                ..action
            },
        });
        flow.row(&action, events, label)
    }
}

impl Arrivals {
    /// Updates the state by an opening, whose `delta_t` is the time since the opening before.
    fn take(&mut self, opening: &Action, events: &Events, openings: &Sampler<'_>, label: u8) {
        let links = self.hosts.links(opening);
        self.hosts.take(opening);
        let links = &links[..events.links()];
        let input = input(events, opening, links, Unacknowledged::default(), label);
        openings.take(&mut self.memory, &input);
        self.past.take(events.of_opening(&input), events);
    }

    /// The opening of a row, with hosts and ports by its links.
    fn linked(&mut self, events: &Events, row: &[u8]) -> Action {
        let opening = events.action(row);
        match <[u8; LINKS]>::try_from(&row[events.len()..]) {
            Ok(links) => self.hosts.linked(&opening, links, &mut self.rng),
            Err(_) => opening,
        }
    }
}

impl Flow {
    /// Updates the state by the flow's next packet, whose `delta_t` is the time since the flow's
    /// packet before.
    fn take(&mut self, action: &Action, events: &Events, packets: &Sampler<'_>, label: u8) {
        let row = self.row(action, events, label);
        packets.take(&mut self.memory, &row);
        self.past.take(&row[..events.len_of_packets()], events);
    }

    /// The row that the process reads of the flow's next packet.
    fn row(&mut self, action: &Action, events: &Events, label: u8) -> Vec<u8> {
        self.unacknowledged.take(action);
        input(events, action, &[], self.unacknowledged, label)
    }

    /// Draws the next packet and returns its time; None if the flow is over.
    fn draw(
        &mut self,
        events: &Events,
        packets: &Sampler<'_>,
        legal: &Legal,
        corrected: &mut u64,
    ) -> Option<i64> {
        let drawn = packets.draw(&self.memory, &mut self.rng, |symbol, row| {
            legal.choice(symbol, row, &self.past, Some(&self.first))
        });
        *corrected += u64::from(drawn.corrected);
        if drawn.row[ENDS] == 1 {
            return None;
        }
        let next = events.action(&drawn.row);
        self.next = Action {
            delta_t: next.delta_t.min(LONGEST_GAP),
            ..next
        };
        Some(self.last.saturating_add(self.next.delta_t))
    }
}

/// The row of an event that a process reads; only openings have links.
pub(super) fn input(
    events: &Events,
    action: &Action,
    links: &[u8],
    unacknowledged: Unacknowledged,
    label: u8,
) -> Vec<u8> {
    let mut row = Vec::with_capacity(events.len() + links.len() + Unacknowledged::DIGITS + 1);
    events.encode_into(action, &mut row);
    row.extend_from_slice(links);
    unacknowledged.encode_into(&mut row);
    row.push(label);
    row
}

/// Number of slots: as many as every version of the action schema numbers.
const SLOTS: usize = ActionSchema::PAPER.max_slots();

/// Allocation of slots: the lowest free slot comes first.
#[derive(Debug, Default)]
struct Slots {
    free: BinaryHeap<Reverse<u32>>,
    /// Number of slots that were ever taken.
    taken: usize,
}

impl Slots {
    fn lowest(&mut self) -> Option<u32> {
        if let Some(Reverse(slot)) = self.free.pop() {
            return Some(slot);
        }
        let slot = (self.taken < SLOTS).then_some(self.taken as u32);
        self.taken += usize::from(slot.is_some());
        slot
    }

    /// Marks the slot of a followed flow as taken. Lower slots count as taken, too: earlier flows
    /// took them.
    fn take(&mut self, slot: u32) {
        self.taken = self.taken.max(slot as usize + 1);
    }

    fn free(&mut self, slot: u32) {
        self.free.push(Reverse(slot));
    }
}
