//! The clock of a trace: it draws when packets are emitted, given when their flows planned them.
//!
//! Flows are planned independently, but on a link their packets wait for one another and come in
//! trains. A packet's time therefore has two sides: the gap to the packet before it in its flow,
//! which is the pace of a host, and the gap to the packet before it in the trace, which is the pace
//! of the link. Packets wait in two queues, ordered by the time at which they are due:
//!
//! - *quick* packets, which come soon after the packet before them in their flow, such as a
//!   handshake's last acknowledgment or the next segment of a burst. They are due at their gap
//!   after the time at which that packet was really emitted, so that hosts keep their pace;
//! - *slack* packets, with a longer gap, such as a round trip. Where they fall in a train is
//!   chance.
//!
//! The clock's process reads what is due next in either queue and draws from which queue the next
//! packet comes, and when. It is trained on real traces whose packets are due a little off the time
//! at which they came, as if they had been planned independently.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rand::Rng;

use super::events::{Events, TIME};
use crate::random::{Purpose, normals, stream};

/// A packet is quick if its gap is below so many mean steps from packet to packet of the trace.
const QUICK: f64 = 4.0;

/// Standard deviation of the planning error of a packet, as a share of its gap.
const ERROR: f64 = 0.1;

/// Largest standard deviation of the planning error, in mean steps.
const MAX_ERROR: f64 = 2.0;

/// Standard deviations of the planning error that a packet may be emitted off the time at which it
/// is due.
const MAX_DRIFT: f64 = 4.0;

/// Classes of payload lengths; the last one stands for no packet.
const LENGTHS: usize = 17;

/// Classes of gaps, by powers of two of nanoseconds.
const GAPS: usize = 64;

/// What the clock knows of a packet beside its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) flow: u64,
    /// Direction: 1 if the responder sent it.
    pub(super) dir: u8,
    /// Class of its payload length.
    pub(super) length: u8,
}

impl Kind {
    pub(super) fn new(flow: u64, dir: u8, payload: u32) -> Self {
        let length = payload.checked_ilog2().map_or(0, |log| log + 1);
        Self {
            flow,
            dir,
            length: length.min(LENGTHS as u32 - 2) as u8,
        }
    }
}

/// A packet that waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// Time in nanoseconds at which it is due.
    pub(super) time: i64,
    /// Nanoseconds since the packet before it in its flow, or of an opening since the opening
    /// before.
    pub(super) gap: i64,
    pub(super) kind: Kind,
}

/// A packet of a real trace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tick {
    pub(super) time: i64,
    /// Nanoseconds since the packet before it in its flow, or of an opening since the opening
    /// before; None if the trace does not show that packet.
    pub(super) gap: Option<i64>,
    pub(super) opens: bool,
    pub(super) kind: Kind,
}

/// How far plans are off, for a mean step between packets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slack {
    /// Nanoseconds.
    pub(super) mean_step: f64,
}

impl Slack {
    /// Whether a packet with such a gap is quick.
    pub(super) fn is_quick(self, gap: i64) -> bool {
        (gap as f64) < QUICK * self.mean_step
    }

    /// Standard deviation of the planning error in nanoseconds.
    fn deviation(self, gap: i64) -> f64 {
        (ERROR * gap as f64).min(MAX_ERROR * self.mean_step)
    }

    /// Draws the planning error of a packet in nanoseconds.
    pub(super) fn error(self, gap: i64, rng: &mut impl Rng) -> i64 {
        (f64::from(normals(rng, 1)[0]) * self.deviation(gap)) as i64
    }

    /// Largest number of nanoseconds that a packet may be emitted off the time at which it is due.
    pub(super) fn max_drift(self, gap: i64) -> i64 {
        (MAX_DRIFT * self.deviation(gap)) as i64
    }
}

/// State of the clock between packets, of which its process reads a row before each packet.
#[derive(Debug, Clone)]
pub(super) struct Ticks {
    label: u8,
    now: i64,
    step: i64,
    /// The latest packet, and whether it was quick.
    last: Option<(Kind, bool)>,
}

impl Ticks {
    /// The state at the start of a trace.
    pub(super) fn new(label: u8) -> Self {
        Self {
            label,
            now: 0,
            step: 0,
            last: None,
        }
    }

    /// Time of the latest packet in nanoseconds.
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// Appends the row that the process reads before the next packet, which is the first of either
    /// queue. What the process predicts, the queue and the step, stands in front.
    pub(super) fn encode_into(
        &self,
        events: &Events,
        quick: Option<&Due>,
        slack: Option<&Due>,
        into: &mut Vec<u8>,
    ) {
        into.push(u8::from(self.last.is_some_and(|(_, is_quick)| is_quick)));
        events.encode_time_into(self.step, into);
        for due in [quick, slack] {
            let off = due.map_or(0, |due| due.time - self.now);
            events.encode_time_into(off, into);
            into.push(due.map_or(0, |due| {
                due.gap.max(0).checked_ilog2().map_or(0, |log| log + 1)
            }) as u8);
            self.encode_kind(due.map(|due| due.kind), into);
        }
        let last = self.last.map(|(kind, _)| kind);
        into.push(last.map_or(LENGTHS as u8 - 1, |kind| kind.length));
        into.push(last.map_or(0, |kind| kind.dir));
        into.push(self.label);
    }

    /// Appends a waiting packet's length and direction, and whether it is of the latest packet's
    /// flow.
    fn encode_kind(&self, kind: Option<Kind>, into: &mut Vec<u8>) {
        let same = self
            .last
            .is_some_and(|(last, _)| Some(last.flow) == kind.map(|kind| kind.flow));
        into.push(kind.map_or(LENGTHS as u8 - 1, |kind| kind.length));
        into.push(kind.map_or(0, |kind| kind.dir));
        into.push(u8::from(same));
    }

    /// Advances to the time at which a packet came.
    pub(super) fn take(&mut self, time: i64, kind: Kind, is_quick: bool) {
        self.step = time - self.now;
        self.now = time;
        self.last = Some((kind, is_quick));
    }
}

/// Number of symbols at the front of a row that the clock predicts: the queue, then the step.
pub(super) const PREDICTED: usize = 1 + TIME;

/// Number of values of each symbol of a row of the clock.
pub(super) fn clock_sizes(events: &Events, labels: usize) -> Vec<usize> {
    let time = events.time_sizes();
    let due = [&time[..], &[GAPS, LENGTHS, 2, 2]].concat();
    [
        &predicted_sizes(events)[..],
        &due,
        &due,
        &[LENGTHS, 2, labels + 1],
    ]
    .concat()
}

/// Number of values of each symbol that the clock predicts.
pub(super) fn predicted_sizes(events: &Events) -> Vec<usize> {
    [&[2], &events.time_sizes()[..]].concat()
}

/// Number of symbols of a row of the clock.
pub(super) fn clock_width(events: &Events) -> usize {
    clock_sizes(events, 0).len()
}

/// A step of a real trace's clock: the first packet of either queue, and the packet that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) quick: Option<Due>,
    pub(super) slack: Option<Due>,
    pub(super) tick: Tick,
    pub(super) is_quick: bool,
}

/// The steps of the clock of a real trace, or of the end of one, as if its flows had been planned
/// independently: every packet is due a little off the time at which it came. In each queue packets
/// come in the order in which they are due, so that the order of errors tells nothing.
pub(super) fn steps(ticks: &[Tick], slack: Slack, place: u64) -> Vec<Step> {
    let mut rng = stream(0, Purpose::Jitter, place);
    let is_quick = |tick: &Tick| tick.gap.is_some_and(|gap| slack.is_quick(gap));
    let dues: Vec<Due> = ticks
        .iter()
        .map(|tick| {
            // A packet of which nothing is known before is planned as loosely as any.
            let gap = tick.gap.unwrap_or(i64::MAX);
            Due {
                time: tick.time + slack.error(gap, &mut rng),
                gap,
                kind: tick.kind,
            }
        })
        .collect();
    // The times of slack packets in order; each packet keeps what else is known of it.
    let mut times: Vec<i64> = dues
        .iter()
        .zip(ticks)
        .filter(|(_, tick)| !is_quick(tick))
        .map(|(due, _)| due.time)
        .collect();
    times.sort_unstable();
    let mut times = times.into_iter();
    let slack_packets: Vec<Due> = dues
        .iter()
        .zip(ticks)
        .filter(|(_, tick)| !is_quick(tick))
        .map(|(due, _)| Due {
            time: times.next().expect("as many times as packets"),
            ..*due
        })
        .collect();
    let mut slack_packets = slack_packets.iter().peekable();
    // A quick packet waits from the time on at which the packet before it came.
    let mut released: Vec<(Option<usize>, usize)> = Vec::new();
    let (mut latest, mut opened) = (HashMap::new(), None);
    for (at, tick) in ticks.iter().enumerate() {
        let before = match tick.opens {
            true => opened.replace(at),
            false => latest.get(&tick.kind.flow).copied(),
        };
        latest.insert(tick.kind.flow, at);
        if is_quick(tick) {
            released.push((before, at));
        }
    }
    released.sort_unstable();
    let mut released = released.into_iter().peekable();
    let mut quick: BinaryHeap<Reverse<Due>> = BinaryHeap::new();
    let mut steps = Vec::with_capacity(ticks.len());
    for (at, tick) in ticks.iter().enumerate() {
        let before = at.checked_sub(1);
        while let Some((_, due)) = released.next_if(|(released, _)| *released <= before) {
            quick.push(Reverse(dues[due]));
        }
        steps.push(Step {
            quick: quick.peek().map(|Reverse(due)| *due),
            slack: slack_packets.peek().map(|due| **due),
            tick: *tick,
            is_quick: is_quick(tick),
        });
        if is_quick(tick) {
            quick.pop();
        } else {
            slack_packets.next();
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracecodec::action::SCHEMA_VERSION;

    const SLACK: Slack = Slack {
        mean_step: 10_000.0,
    };

    /// Ten flows of trains of four packets, 10 ns apart.
    fn trains() -> Vec<Tick> {
        let tick = |packet: i64| {
            let (train, at) = (packet / 4, packet % 4);
            Tick {
                time: train * 40_000 + at * 10,
                gap: (train > 9 || at > 0).then_some(if at > 0 { 10 } else { 399_970 }),
                opens: false,
                kind: Kind::new(train as u64 % 10, 0, packet as u32),
            }
        };
        (0..4_000).map(tick).collect()
    }

    #[test]
    fn test_quick_packets_are_due_after_the_one_before_and_slack_ones_nearly_on_time() {
        let ticks = trains();
        let steps = steps(&ticks, SLACK, 0);
        assert_eq!(steps.iter().filter(|step| step.is_quick).count(), 3_000);
        let mut off = 0.0;
        for (step, next) in steps.iter().zip(&steps[1..]) {
            let due = if step.is_quick {
                step.quick
            } else {
                step.slack
            }
            .unwrap();
            off += (due.time - step.tick.time).pow(2) as f64;
            if step.is_quick {
                assert!((due.time - step.tick.time).abs() <= SLACK.max_drift(10));
                assert_eq!(due.kind, step.tick.kind);
            }
            // The next packet of a train waits as soon as the one before it came.
            assert_eq!(next.quick.is_some(), next.is_quick);
            if let (Some(due), Some(later)) = (step.slack, next.slack) {
                assert!(due.time <= later.time);
            }
        }
        let deviation = (off / 1_000.0).sqrt() / (MAX_ERROR * SLACK.mean_step);
        assert!((0.8..1.2).contains(&deviation), "{deviation}");
    }

    #[test]
    fn test_what_is_read_before_a_packet() {
        let events = Events::new(SCHEMA_VERSION);
        let mut ticks = Ticks::new(3);
        let due = |time, flow| Due {
            time,
            gap: 64,
            kind: Kind::new(flow, 1, 100),
        };
        ticks.take(64, due(0, 1).kind, true);
        ticks.take(192, due(0, 1).kind, true);
        let mut row = Vec::new();
        ticks.encode_into(&events, Some(&due(160, 1)), Some(&due(256, 2)), &mut row);
        assert_eq!(row.len(), clock_width(&events));
        assert_eq!((row[0], events.time(&row[1..])), (1, 128));
        let (quick, rest) = row[PREDICTED..].split_at(TIME + 4);
        assert_eq!(
            (events.time(quick), &quick[TIME..]),
            (-32, &[7, 7, 1, 1][..])
        );
        let (slack, last) = rest.split_at(TIME + 4);
        assert_eq!(
            (events.time(slack), &slack[TIME..]),
            (64, &[7, 7, 1, 0][..])
        );
        assert_eq!(last, [7, 1, 3]);
        for (value, size) in row.iter().zip(clock_sizes(&events, 3)) {
            assert!(usize::from(*value) < size);
        }
        row.clear();
        ticks.encode_into(&events, None, None, &mut row);
        assert_eq!(row[PREDICTED + TIME + 1], LENGTHS as u8 - 1);
    }
}
