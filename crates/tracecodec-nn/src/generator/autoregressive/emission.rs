//! Emission of planned packets at the times that the clock draws.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};

use rand_chacha::ChaCha8Rng;
use tracecodec::action::Action;

use super::clock::{Due, Kind, Slack, Tick, Ticks, steps};
use super::events::{CLASSES, Events};
use super::legal::{ANY, FORWARD};
use super::process::{Choice, Drawn, Memory, Sampler};

/// Number of latest packets of a followed trace that the clock reads before it draws: more than its
/// memory holds.
const RECENT: usize = 1_024;

/// Number of the course of the openings; flows have 1 and up.
pub(super) const OPENINGS_COURSE: u64 = 0;

/// A planned packet.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) flow: u64,
    /// Whether it opens its flow.
    pub(super) opens: bool,
    /// Nanoseconds since the packet before it in its flow, or of an opening since the opening
    /// before.
    pub(super) gap: i64,
    /// Planned time in nanoseconds, without the shifts by which the plan was corrected.
    pub(super) time: i64,
    pub(super) action: Action,
}

/// What the plan is told of the packets that were emitted.
#[derive(Debug, Default)]
pub(super) struct Feedback {
    /// For each course that emitted a packet, by how much its latest packet was emitted later than
    /// planned, in nanoseconds.
    pub(super) shifts: BTreeMap<u64, i64>,
    /// Flows whose last packet was emitted, with the slots that they give back.
    pub(super) over: Vec<(u64, Option<u32>)>,
}

/// Packets of a flow, or all openings: a packet is due only once the one before it was emitted.
#[derive(Debug, Default)]
struct Course {
    /// Time of the latest packet; None before the first one.
    emitted: Option<i64>,
    planned: VecDeque<Planned>,
    /// Whether the next packet stands in a queue.
    is_due: bool,
    /// Whether no other packet will be planned, and the slot that the flow then gives back.
    over: Option<Option<u32>>,
}

/// Emits packets in the order and at the times that the clock's process draws.
#[derive(Debug)]
pub(super) struct Emission<'a> {
    sampler: Sampler<'a>,
    memory: Memory,
    rng: ChaCha8Rng,
    /// Draws planning errors.
    errors: ChaCha8Rng,
    ticks: Ticks,
    slack: Slack,
    courses: HashMap<u64, Course>,
    /// The next packet of every course, by the time at which it is due.
    quick_queue: BinaryHeap<Reverse<Due>>,
    slack_queue: BinaryHeap<Reverse<Due>>,
    /// Latest packets of the followed trace.
    recent: VecDeque<Tick>,
    feedback: Feedback,
}

impl<'a> Emission<'a> {
    pub(super) fn new(
        sampler: Sampler<'a>,
        label: u8,
        mean_step: f64,
        [rng, errors]: [ChaCha8Rng; 2],
    ) -> Self {
        let openings = Course {
            emitted: Some(0),
            ..Course::default()
        };
        Self {
            sampler,
            memory: Memory::default(),
            rng,
            errors,
            ticks: Ticks::new(label),
            slack: Slack { mean_step },
            courses: HashMap::from([(OPENINGS_COURSE, openings)]),
            quick_queue: BinaryHeap::new(),
            slack_queue: BinaryHeap::new(),
            recent: VecDeque::new(),
            feedback: Feedback::default(),
        }
    }

    /// Sets the mean nanoseconds from packet to packet.
    pub(super) fn set_mean_step(&mut self, mean_step: f64) {
        self.slack = Slack { mean_step };
    }

    /// Takes the next packet of the trace that is followed.
    pub(super) fn follow(&mut self, tick: Tick) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(tick);
        self.courses.entry(tick.kind.flow).or_default().emitted = Some(tick.time);
        if tick.opens {
            self.course(OPENINGS_COURSE).emitted = Some(tick.time);
        }
    }

    /// Forgets a flow that is over and has no planned packet.
    pub(super) fn forget(&mut self, flow: u64) {
        self.courses.remove(&flow);
    }

    /// Reads the end of the followed trace. Its plan is drawn to fit the packets: packets exactly
    /// on plan would reveal more than plans do in training.
    pub(super) fn begin(&mut self, events: &Events) {
        let recent = std::mem::take(&mut self.recent);
        for (at, step) in steps(&Vec::from(recent), self.slack, 0).iter().enumerate() {
            if at > 0 {
                self.read(events, step.quick.as_ref(), step.slack.as_ref());
            }
            self.ticks
                .take(step.tick.time, step.tick.kind, step.is_quick);
        }
    }

    /// Adds the planned packets of a window, those of each course in order, and the flows of which
    /// no other packet will be planned, with the slots that they give back.
    pub(super) fn plan(&mut self, packets: Vec<Planned>, over: Vec<(u64, Option<u32>)>) {
        for packet in packets {
            self.courses.entry(packet.flow).or_default();
            let number = if packet.opens {
                OPENINGS_COURSE
            } else {
                packet.flow
            };
            self.course(number).planned.push_back(packet);
            self.queue(number);
        }
        for (flow, slot) in over {
            if let Some(course) = self.courses.get_mut(&flow) {
                course.over = Some(slot);
                self.finish(flow);
            }
        }
    }

    /// Emits the packets that are due before a time. Of packets that are due later not all are
    /// planned.
    pub(super) fn emit(&mut self, events: &Events, until: i64) -> Vec<Action> {
        let mut actions = Vec::new();
        let first = |queue: &BinaryHeap<Reverse<Due>>| queue.peek().map(|Reverse(due)| *due);
        loop {
            let (quick, slack) = (first(&self.quick_queue), first(&self.slack_queue));
            if !quick.iter().chain(&slack).any(|due| due.time < until) {
                return actions;
            }
            actions.push(self.step(events, quick, slack, until));
        }
    }

    /// What was emitted since the last call.
    pub(super) fn feedback(&mut self) -> Feedback {
        std::mem::take(&mut self.feedback)
    }

    /// Draws from which queue the next packet comes, and when, and emits it.
    fn step(
        &mut self,
        events: &Events,
        quick: Option<Due>,
        slack: Option<Due>,
        until: i64,
    ) -> Action {
        // If no slack packet is planned, the next one is due later than all that are planned.
        let later = Due {
            time: until,
            gap: i64::MAX,
            kind: Kind::new(OPENINGS_COURSE, 0, 0),
        };
        self.read(events, quick.as_ref(), Some(&slack.unwrap_or(later)));
        let choice = |symbol: usize, _: &[u8]| {
            Some(Choice {
                repeated: CLASSES as u8,
                possible: match symbol {
                    0 => u16::from(slack.is_some()) | u16::from(quick.is_some()) << 1,
                    1 => FORWARD,
                    _ => ANY,
                },
                allowed: ANY,
            })
        };
        let Drawn { row, .. } = self.sampler.draw(&self.memory, &mut self.rng, choice);
        let is_quick = row[0] == 1;
        let queue = if is_quick {
            &mut self.quick_queue
        } else {
            &mut self.slack_queue
        };
        let Reverse(due) = queue.pop().expect("only a queue with a packet is drawn");
        let now = self.ticks.now();
        let on_time = due.time.max(now);
        let drift = self.slack.max_drift(due.gap);
        let mut time = now.saturating_add(events.time(&row[1..]));
        if time < due.time - drift || time > on_time + drift + self.slack.mean_step as i64 {
            time = on_time;
        }
        self.ticks.take(time, due.kind, is_quick);
        Action {
            delta_t: time - now,
            ..self.emitted(due.kind.flow, time)
        }
    }

    /// Takes the packet that was emitted from its course, and queues the packets that it held up.
    fn emitted(&mut self, flow: u64, time: i64) -> Action {
        let opens = self.course(flow).emitted.replace(time).is_none();
        let number = if opens { OPENINGS_COURSE } else { flow };
        let course = self.course(number);
        (course.emitted, course.is_due) = (Some(time), false);
        let packet = course.planned.pop_front().expect("it was due");
        self.feedback.shifts.insert(number, time - packet.time);
        if opens {
            self.feedback.shifts.insert(flow, time - packet.time);
            self.queue(OPENINGS_COURSE);
        }
        self.queue(flow);
        self.finish(flow);
        packet.action
    }

    /// Forgets a flow that is over once its last packet is emitted.
    fn finish(&mut self, flow: u64) {
        let course = self.course(flow);
        if let (Some(slot), true, Some(_)) =
            (course.over, course.planned.is_empty(), course.emitted)
        {
            self.feedback.over.push((flow, slot));
            self.feedback.shifts.remove(&flow);
            self.courses.remove(&flow);
        }
    }

    /// Puts the next packet of a course into its queue, if the one before it was emitted.
    fn queue(&mut self, number: u64) {
        let slack = self.slack;
        let course = self.courses.get_mut(&number).expect("courses are known");
        let (Some(emitted), Some(packet), false) =
            (course.emitted, course.planned.front(), course.is_due)
        else {
            return;
        };
        course.is_due = true;
        let Planned {
            flow, gap, action, ..
        } = packet;
        let error = slack.error(*gap, &mut self.errors);
        let due = Reverse(Due {
            time: emitted.saturating_add(*gap).saturating_add(error),
            gap: *gap,
            kind: Kind::new(*flow, action.role() as u8, action.l4_payload_len),
        });
        if slack.is_quick(*gap) {
            self.quick_queue.push(due);
        } else {
            self.slack_queue.push(due);
        }
    }

    fn course(&mut self, number: u64) -> &mut Course {
        self.courses.get_mut(&number).expect("courses are known")
    }

    fn read(&mut self, events: &Events, quick: Option<&Due>, slack: Option<&Due>) {
        let mut row = Vec::new();
        self.ticks.encode_into(events, quick, slack, &mut row);
        self.sampler.take(&mut self.memory, &row);
    }
}
