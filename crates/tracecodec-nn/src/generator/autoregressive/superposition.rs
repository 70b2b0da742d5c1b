//! Drawing a trace: openings and flows, each by its own process, merged by time, and set by the clock.
//!
//! Every flow has a stream of random numbers of its own, and none waits for another: in a window of time all of them are drawn side by side
//! on several threads, and the trace does not depend on how many there are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use rand_chacha::ChaCha8Rng;
use tracecodec::action::{Action, FlowEvent};

use super::Autoregressive;
use super::clock::{Jitter, Planned, Ticks, leash};
use super::courses::{opens, start};
use super::events::{CLASSES, ENDS, Events, Unacknowledged};
use super::legal::{ANY, FORWARD, Legal};
use super::past::Past;
use super::process::{Choice, Drawn, Memory, Sampler};
use crate::error::Error;
use crate::generator::drawing::Drawing;
use crate::parallel::ordered;
use crate::random::{Purpose, stream};

/// Packets that a window is to hold.
const BATCH: usize = 4_096;

/// The first window, in nanoseconds.
const FIRST_WINDOW: i64 = 10_000_000;

/// Longest window.
const LONGEST_WINDOW: i64 = 60_000_000_000;

/// Longest time between two events of a course, a day, in nanoseconds: a network that learned nothing draws centuries.
const LONGEST_GAP: i64 = 24 * 60 * LONGEST_WINDOW;

/// Packets of a flow, and openings, that a window holds at most: where hardly any time passes between them, the window ends early.
const MOST_AT_ONCE: usize = 65_536;

/// Flows that a thread draws at a time.
const PIECE: usize = 16;

/// How often a time is drawn that must be later than one that has passed, before the course is taken for over.
const DRAWS: usize = 64;

/// Packets of a trace that is followed from which on its own rate counts, not that of the training traces.
const RATED: u64 = 1_000;

/// Packets of a followed trace that wait until it is known which label it has: the label is the likeliest of their openings.
const TELLING: usize = 65_536;

/// Where the clock's random numbers are; those of the openings are at 0, those of the flows from 1 on.
const CLOCK_PLACE: u64 = (1 << 56) - 1;

/// A trace in the making, which goes on for as long as it is asked. Memory grows with the flows that are open, not with packets.
#[derive(Debug)]
pub struct TraceGenerator<'a> {
    generator: &'a Autoregressive,
    openings: Sampler<'a>,
    packets: Sampler<'a>,
    /// Number of the label; 0 for none.
    label: u8,
    /// Followed packets that wait for the label; none once it is decided.
    waiting_for_label: Option<Vec<Action>>,
    drawing: Drawing,
    legal: Legal,
    /// Time of the latest packet that was followed, in nanoseconds from the start.
    followed_until: i64,
    followed_packets: u64,
    arrivals: Arrivals,
    clock: Clock<'a>,
    /// Flows of which the next packet is drawn, by its time and by their number.
    waiting: BTreeMap<(i64, u64), Flow>,
    /// The flows of a trace that is continued, by slot.
    followed: BTreeMap<u16, Flow>,
    is_drawing: bool,
    window: i64,
    flows: u64,
    slots: Slots,
    settled: u64,
}

/// When packets really come.
#[derive(Debug)]
struct Clock<'a> {
    sampler: Sampler<'a>,
    memory: Memory,
    rng: ChaCha8Rng,
    ticks: Ticks,
    /// Plans for packets that are followed.
    jitter: Jitter,
    /// Nanoseconds from packet to packet, by which it is told how far it may be off the plan.
    mean_step: f64,
}

/// The openings of a trace.
#[derive(Debug)]
struct Arrivals {
    memory: Memory,
    past: Past,
    rng: ChaCha8Rng,
    /// Time of the latest.
    last: i64,
    /// Time and row of the next.
    next: Option<(i64, Vec<u8>)>,
}

/// A flow.
#[derive(Debug, Clone)]
struct Flow {
    number: u64,
    slot: u16,
    memory: Memory,
    past: Past,
    unacknowledged: Unacknowledged,
    rng: ChaCha8Rng,
    /// Time of its latest packet.
    last: i64,
    /// What all of its packets have in common.
    first: Action,
    /// Row of its next packet.
    next: Vec<u8>,
}

/// A packet of a window.
struct Packet {
    time: i64,
    flow: u64,
    action: Action,
}

/// What a window makes of a flow.
struct Advanced {
    packets: Vec<Packet>,
    settled: u64,
    /// The flow, and when it goes on; none if it is over.
    flow: Option<(i64, Flow)>,
    slot: u16,
}

impl Autoregressive {
    /// A trace from nothing, or, once it has [followed](TraceGenerator::follow) one, its continuation.
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
    /// A trace of the label of this number that has not begun.
    fn new(generator: &'a Autoregressive, drawing: Drawing, label: u8) -> Self {
        let events = &generator.events;
        let [openings, packets, clock] = generator.samplers();
        let mut arrivals = Arrivals {
            memory: Memory::default(),
            past: Past::default(),
            rng: stream(drawing.seed, Purpose::Trace, 0),
            last: 0,
            next: None,
        };
        let start = start(events, label);
        openings.take(&mut arrivals.memory, &start);
        arrivals.past.take(&start[..events.len()], events);
        let clock = Clock {
            sampler: clock,
            memory: Memory::default(),
            rng: stream(drawing.seed, Purpose::Trace, CLOCK_PLACE),
            ticks: Ticks::new(label),
            jitter: Jitter::new(stream(drawing.seed, Purpose::Jitter, 0)),
            mean_step: generator
                .rate(generator.label(label))
                .map_or(0.0, |rate| 1e9 / rate),
        };
        Self {
            generator,
            openings,
            packets,
            label,
            waiting_for_label: None,
            legal: Legal::new(events, drawing.constrained),
            drawing,
            followed_until: 0,
            followed_packets: 0,
            arrivals,
            clock,
            waiting: BTreeMap::new(),
            followed: BTreeMap::new(),
            is_drawing: false,
            window: FIRST_WINDOW,
            flows: 0,
            slots: Slots::default(),
            settled: 0,
        }
    }

    /// Takes the next packet of the trace that is to be continued. After the first batch it is too late for that, and nothing happens.
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

    /// Decides on the label, if it is not yet, and takes the packets that have waited for it.
    fn decide(&mut self) {
        if let Some(packets) = self.waiting_for_label.take() {
            let label = self.generator.likeliest_label(&packets);
            *self = Self::new(self.generator, self.drawing.clone(), label);
            packets.iter().for_each(|action| self.take(action));
        }
    }

    /// Takes the next packet of the followed trace.
    fn take(&mut self, action: &Action) {
        self.followed_until = self.followed_until.saturating_add(action.delta_t.max(0));
        self.followed_packets += 1;
        let clock = self.followed_until;
        let slot = action.flow_token;
        let is_new = action.flow_evt == FlowEvent::Open || !self.followed.contains_key(&slot);
        if is_new {
            self.slots.take(slot);
            let flow = self.flow(slot, action);
            if let Some(over) = self.followed.insert(slot, flow) {
                self.clock.jitter.forget(over.number);
            }
        }
        let flow = self.followed.get_mut(&slot).expect("inserted above");
        let within = Action {
            delta_t: clock - flow.last,
            ..*action
        };
        flow.take(&within, &self.generator.events, &self.packets, self.label);
        flow.last = clock;
        let planned = Planned {
            time: clock,
            flow: flow.number,
            payload: action.l4_payload_len,
        };
        if self.followed_packets >= RATED {
            self.clock.mean_step = clock as f64 / self.followed_packets as f64;
        }
        self.clock.follow(&self.generator.events, &planned);
        if is_new && opens(action) {
            let opening = Action {
                delta_t: clock - self.arrivals.last,
                ..*action
            };
            self.arrivals
                .take(&opening, &self.generator.events, &self.openings, self.label);
            self.arrivals.last = clock;
        }
    }

    /// The next packets, in order, at least one until time itself ends, after 292 years. Each one's `flow_token` is the lowest slot that was
    /// free before the window of time in which its flow opened.
    pub fn batch(&mut self) -> Vec<Action> {
        if !self.is_drawing {
            self.begin();
        }
        loop {
            let Some(packets) = self.window() else {
                return Vec::new();
            };
            let (count, most) = (packets.len().max(1) as i64, BATCH as i64);
            let fitting = self.window.saturating_mul(most) / count;
            let around = (self.window / 4).max(1)..=(4 * self.window).min(LONGEST_WINDOW);
            self.window = fitting.clamp(*around.start(), *around.end());
            if !packets.is_empty() {
                return self.actions(packets);
            }
        }
    }

    /// Packets so far of which a value contradicted the flow's state, and was drawn again.
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// The label that the trace is of: the one that was told or, once the first batch is drawn, the one under which the openings among the first
    /// 65,536 packets of the followed trace are likeliest. None for a trace that follows no opening and was told none, and where the generator
    /// learned traces without a label, of which the followed one seems to be.
    pub fn label(&self) -> Option<&str> {
        self.generator.label(self.label)
    }

    /// Flows that are open: those that have another packet coming.
    pub fn open_flows(&self) -> usize {
        self.waiting.len()
    }

    /// A flow that begins with this action, which it has not yet taken.
    fn flow(&mut self, slot: u16, first: &Action) -> Flow {
        self.flows += 1;
        Flow {
            number: self.flows,
            slot,
            memory: Memory::default(),
            past: Past::default(),
            unacknowledged: Unacknowledged::default(),
            rng: stream(self.drawing.seed, Purpose::Trace, self.flows),
            last: self.followed_until,
            first: *first,
            next: Vec::new(),
        }
    }

    /// Draws how the openings and the followed flows go on, given that they have not yet.
    fn begin(&mut self) {
        self.decide();
        self.is_drawing = true;
        let now = self.followed_until;
        self.draw_opening(now);
        for (slot, mut flow) in std::mem::take(&mut self.followed) {
            let mut settled = 0;
            let time = (0..DRAWS).find_map(|_| {
                match flow.draw(
                    &self.generator.events,
                    &self.packets,
                    &self.legal,
                    &mut settled,
                ) {
                    Some(time) if time <= now => None,
                    drawn => Some(drawn),
                }
            });
            match time.flatten() {
                Some(time) => {
                    self.waiting.insert((time, flow.number), flow);
                }
                None => self.slots.free(slot),
            }
        }
    }

    /// Draws the next opening, which is later than this time.
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
        let time = |row: &[u8]| later(last, self.generator.events.action(row).delta_t);
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

    /// The packets of the next window, by time; none where time ends.
    fn window(&mut self) -> Option<Vec<Packet>> {
        let first = self.waiting.first_key_value().map(|((time, _), _)| *time);
        let opening = self.arrivals.next.as_ref().map(|(time, _)| *time);
        let from = first
            .into_iter()
            .chain(opening)
            .min()
            .unwrap_or(self.followed_until);
        let until = from.checked_add(self.window)?;
        let until = self.open(until);
        let later = self.waiting.split_off(&(until, 0));
        let due: Vec<((i64, u64), Flow)> = std::mem::replace(&mut self.waiting, later)
            .into_iter()
            .collect();
        let pieces = ordered(
            self.drawing.threads,
            due.len().div_ceil(PIECE),
            || (),
            |(), piece| -> Vec<Advanced> {
                let flows = &due[piece * PIECE..due.len().min((piece + 1) * PIECE)];
                let flows = flows.iter().cloned();
                flows
                    .map(|((time, _), flow)| self.advance(flow, time, until))
                    .collect()
            },
        );
        let mut packets = Vec::new();
        for advanced in pieces.into_iter().flatten() {
            packets.extend(advanced.packets);
            self.settled += advanced.settled;
            match advanced.flow {
                Some((time, flow)) => {
                    self.waiting.insert((time, flow.number), flow);
                }
                None => self.slots.free(advanced.slot),
            }
        }
        // Packets of a flow stand in order: a stable sort leaves those of one time so.
        packets.sort_by_key(|packet| (packet.time, packet.flow));
        Some(packets)
    }

    /// Opens the flows that open before this time, or the first of them; gives back the time before which all have opened.
    fn open(&mut self, until: i64) -> i64 {
        let mut opened = 0;
        while let Some((time, row)) = self.arrivals.next.take_if(|(time, _)| *time < until) {
            opened += 1;
            let opening = self.generator.events.action(&row);
            self.arrivals
                .take(&opening, &self.generator.events, &self.openings, self.label);
            self.arrivals.last = time;
            let slot = self.slots.lowest().unwrap_or_else(|| {
                // All slots are taken: the flow that would be silent longest makes room.
                let last = self.waiting.pop_last();
                last.map_or(0, |(_, flow)| flow.slot)
            });
            let first = Action {
                delta_t: 0,
                ..opening
            };
            let mut flow = self.flow(slot, &first);
            flow.last = time;
            self.generator.events.read(&first, &mut flow.next);
            self.waiting.insert((time, flow.number), flow);
            // An endless number of flows cannot open at one time.
            let full = opened == MOST_AT_ONCE;
            self.draw_opening(time + i64::from(full));
            if full {
                return time + 1;
            }
        }
        until
    }

    /// Takes a flow, of which the next packet comes at `time`, through a window.
    fn advance(&self, mut flow: Flow, mut time: i64, until: i64) -> Advanced {
        let mut advanced = Advanced {
            packets: Vec::new(),
            settled: 0,
            flow: None,
            slot: flow.slot,
        };
        while time < until {
            let action = self.generator.events.action(&flow.next);
            flow.take(&action, &self.generator.events, &self.packets, self.label);
            flow.last = time;
            advanced.packets.push(Packet {
                time,
                flow: flow.number,
                action: Action {
                    flow_token: flow.slot,
                    ..action
                },
            });
            let settled = &mut advanced.settled;
            match flow.draw(&self.generator.events, &self.packets, &self.legal, settled) {
                // Nor can a flow send an endless number of packets at one time.
                Some(next) if advanced.packets.len() == MOST_AT_ONCE => time = next.max(until),
                Some(next) => time = next,
                None => return advanced,
            }
        }
        advanced.flow = Some((time, flow));
        advanced
    }

    /// The packets' actions, with the times between them by the clock.
    fn actions(&mut self, packets: Vec<Packet>) -> Vec<Action> {
        let action = |packet: Packet| {
            let planned = Planned {
                time: packet.time,
                flow: packet.flow,
                payload: packet.action.l4_payload_len,
            };
            Action {
                delta_t: self.clock.step(&self.generator.events, &planned),
                ..packet.action
            }
        };
        packets.into_iter().map(action).collect()
    }
}

impl Clock<'_> {
    /// Takes a packet that came then. Its plan is one that it could have had: one that it kept to would tell more than plans do.
    fn follow(&mut self, events: &Events, packet: &Planned) {
        let planned = Planned {
            time: self.jitter.plan(packet.time, packet.flow, self.mean_step),
            ..*packet
        };
        self.read(events, &planned);
        self.ticks.take(packet.time);
    }

    /// Draws the time until the next packet.
    fn step(&mut self, events: &Events, planned: &Planned) -> i64 {
        self.read(events, planned);
        let any = |symbol: usize, _: &[u8]| {
            Some(Choice {
                repeated: CLASSES as u8,
                possible: if symbol == 0 { FORWARD } else { ANY },
                allowed: ANY,
            })
        };
        let Drawn { row, .. } = self.sampler.draw(&self.memory, &mut self.rng, any);
        let now = self.ticks.now();
        let mut time = now.saturating_add(events.time(&row));
        if (planned.time - time).abs() > leash(self.mean_step) {
            time = planned.time.max(now);
        }
        self.ticks.take(time);
        time - now
    }

    fn read(&mut self, events: &Events, planned: &Planned) {
        let mut row = Vec::new();
        self.ticks.read(events, planned, &mut row);
        self.sampler.take(&mut self.memory, &row);
    }
}

impl Arrivals {
    /// Takes an opening into account, whose `delta_t` is the time since the one before.
    fn take(&mut self, opening: &Action, events: &Events, openings: &Sampler<'_>, label: u8) {
        let input = input(events, opening, Unacknowledged::default(), label);
        openings.take(&mut self.memory, &input);
        self.past.take(&input[..events.len()], events);
    }
}

impl Flow {
    /// Takes its next packet into account, whose `delta_t` is the time since the one before.
    fn take(&mut self, action: &Action, events: &Events, packets: &Sampler<'_>, label: u8) {
        self.unacknowledged.take(action);
        let input = input(events, action, self.unacknowledged, label);
        packets.take(&mut self.memory, &input);
        self.past.take(&input[..events.len()], events);
    }

    /// Draws the packet after the latest one, and gives back its time; none if the flow is over.
    fn draw(
        &mut self,
        events: &Events,
        packets: &Sampler<'_>,
        legal: &Legal,
        settled: &mut u64,
    ) -> Option<i64> {
        let drawn = packets.draw(&self.memory, &mut self.rng, |symbol, row| {
            legal.choice(symbol, row, &self.past, Some(&self.first))
        });
        *settled += u64::from(drawn.settled);
        if drawn.row[ENDS] == 1 {
            return None;
        }
        let gap = events.action(&drawn.row).delta_t;
        self.next = drawn.row;
        Some(later(self.last, gap))
    }
}

/// The time of an event that comes so long after another.
fn later(time: i64, gap: i64) -> i64 {
    time.saturating_add(gap.min(LONGEST_GAP))
}

/// An event as a process reads it.
pub(super) fn input(
    events: &Events,
    action: &Action,
    unacknowledged: Unacknowledged,
    label: u8,
) -> Vec<u8> {
    let mut row = Vec::with_capacity(events.len() + Unacknowledged::DIGITS + 1);
    events.read(action, &mut row);
    unacknowledged.read(&mut row);
    row.push(label);
    row
}

/// Slots, the lowest free one first.
#[derive(Debug, Default)]
struct Slots {
    free: BinaryHeap<Reverse<u16>>,
    /// Slots that were ever taken.
    taken: usize,
}

impl Slots {
    fn lowest(&mut self) -> Option<u16> {
        if let Some(Reverse(slot)) = self.free.pop() {
            return Some(slot);
        }
        let slot = u16::try_from(self.taken).ok()?;
        self.taken += 1;
        Some(slot)
    }

    /// Takes the slot of a flow that is followed; those below it are taken too, by flows that came before.
    fn take(&mut self, slot: u16) {
        self.taken = self.taken.max(usize::from(slot) + 1);
    }

    fn free(&mut self, slot: u16) {
        self.free.push(Reverse(slot));
    }
}
