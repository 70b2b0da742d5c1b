//! The clock of a trace: it turns the planned times of packets into their real times.
//!
//! Flows are planned independently, but on a link their packets wait for one another: they come in
//! trains, with the gaps that senders and queues leave. The clock's process draws the time from one
//! packet to the next, given the steps before and how far the clock is off the plan. It is trained
//! on traces whose flows are each shifted a little, as if they had been planned independently.

use std::collections::HashMap;

use rand_chacha::ChaCha8Rng;

use super::events::{Events, TIME};
use crate::random::{Purpose, normals, stream};

/// Standard deviation of the shift of a flow, in mean steps from packet to packet.
const JITTER: f64 = 12.0;

/// Maximum drift of the clock from the plan, in standard deviations of a flow's shift. Beyond it
/// the clock is set to the plan.
const MAX_DRIFT: f64 = 4.0;

/// Classes of payload lengths.
const LENGTHS: usize = 16;

/// A planned packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    /// Planned time in nanoseconds.
    pub(super) time: i64,
    pub(super) flow: u64,
    pub(super) payload: u32,
}

/// State of the clock between packets, of which its process reads a row before each step.
#[derive(Debug, Clone)]
pub(super) struct Ticks {
    label: u8,
    now: i64,
    step: i64,
    last: Option<Planned>,
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

    /// Appends the row that the process reads before the next packet.
    pub(super) fn encode_into(&mut self, events: &Events, next: &Planned, into: &mut Vec<u8>) {
        events.encode_time_into(self.step, into);
        events.encode_time_into(next.time - self.now, into);
        let same = self.last.is_some_and(|last| last.flow == next.flow);
        into.push(u8::from(same));
        into.push(self.last.map_or(0, |last| length(last.payload)));
        into.push(length(next.payload));
        into.push(self.label);
        self.last = Some(*next);
    }

    /// Advances to the time at which the packet really came.
    pub(super) fn take(&mut self, time: i64) {
        self.step = time - self.now;
        self.now = time;
    }
}

/// Number of symbols of a row of the clock.
pub(super) fn clock_width() -> usize {
    2 * TIME + 4
}

/// Number of values of each symbol of a row of the clock.
pub(super) fn clock_sizes(events: &Events, labels: usize) -> Vec<usize> {
    let time = events.time_sizes();
    [&time[..], &time, &[2, LENGTHS, LENGTHS, labels + 1]].concat()
}

/// Maximum drift of the clock from the plan in nanoseconds, for a mean step between packets.
pub(super) fn max_drift(mean_step: f64) -> i64 {
    (MAX_DRIFT * JITTER * mean_step) as i64
}

fn length(payload: u32) -> u8 {
    (payload.checked_ilog2().map_or(0, |log| log + 1)).min(LENGTHS as u32 - 1) as u8
}

/// Shifts the packets of each flow, as if the flows had been planned independently. Packets of a
/// flow that come in one train are shifted by the same time.
#[derive(Debug)]
pub(super) struct Jitter {
    rng: ChaCha8Rng,
    /// For each flow: time of its latest packet, the shift of that packet, and its shifted time.
    moved: HashMap<u64, (i64, i64, i64)>,
}

impl Jitter {
    /// No flow is shifted yet. The shifts are drawn from `rng`.
    pub(super) fn new(rng: ChaCha8Rng) -> Self {
        Self {
            rng,
            moved: HashMap::new(),
        }
    }

    /// Draws the planned time of a packet, for a mean step between packets.
    pub(super) fn plan(&mut self, time: i64, flow: u64, mean_step: f64) -> i64 {
        let held = self.moved.get(&flow).copied();
        let by = match held {
            Some((last, by, _)) if ((time - last) as f64) < mean_step => by,
            _ => (f64::from(normals(&mut self.rng, 1)[0]) * JITTER * mean_step) as i64,
        };
        let earliest = held.map_or(0, |(.., planned)| planned);
        let planned = time.saturating_add(by).max(earliest);
        self.moved.insert(flow, (time, by, planned));
        planned
    }

    /// Forgets a flow that is over.
    pub(super) fn forget(&mut self, flow: u64) {
        self.moved.remove(&flow);
    }
}

/// Plans the packets of a trace as if its flows had been planned independently, ordered by planned
/// time.
pub(super) fn jittered(ticks: &[(i64, u32)], flows: &[u32], trace: u64) -> Vec<Planned> {
    let span = ticks.last().map_or(0, |(time, _)| *time);
    let mean_step = span as f64 / ticks.len().max(1) as f64;
    let mut jitter = Jitter::new(stream(0, Purpose::Jitter, trace));
    let packets = ticks.iter().zip(flows);
    let plan = packets.map(|(&(time, payload), &flow)| Planned {
        time: jitter.plan(time, flow.into(), mean_step),
        flow: flow.into(),
        payload,
    });
    let mut plan: Vec<Planned> = plan.collect();
    plan.sort_by_key(|planned| planned.time);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracecodec::action::SCHEMA_VERSION;

    #[test]
    fn test_trains_are_moved_as_one_and_flows_stay_in_order() {
        let ticks: Vec<(i64, u32)> = (0..4_000_i64)
            .map(|packet| (packet / 4 * 40_000 + packet % 4 * 10, packet as u32))
            .collect();
        // Each train of four packets belongs to one of ten flows.
        let flows: Vec<u32> = (0..4_000).map(|packet| packet / 4 % 10).collect();
        let plan = jittered(&ticks, &flows, 0);
        assert!(plan.is_sorted_by_key(|planned| planned.time));
        for flow in 0..10 {
            let of: Vec<u32> = plan
                .iter()
                .filter(|planned| planned.flow == flow)
                .map(|planned| planned.payload)
                .collect();
            assert!(of.is_sorted());
        }
        let first = |payload: u32| plan.iter().find(|p| p.payload == payload).unwrap().time;
        let together = (0..999).filter(|train| {
            let at = 4 * train;
            first(at + 1) - first(at) == 10
        });
        assert!(together.count() > 900);
        let mean: f64 = plan.iter().map(|p| p.time as f64).sum::<f64>() / 4_000.0;
        assert!((mean / 20e6 - 1.0).abs() < 0.02);
    }

    #[test]
    fn test_what_is_read_before_a_step() {
        let events = Events::new(SCHEMA_VERSION);
        let mut ticks = Ticks::new(3);
        let planned = |time, flow| Planned {
            time,
            flow,
            payload: 100,
        };
        let mut row = Vec::new();
        ticks.encode_into(&events, &planned(64, 1), &mut row);
        ticks.take(128);
        row.clear();
        ticks.encode_into(&events, &planned(96, 1), &mut row);
        assert_eq!(row.len(), clock_width());
        assert_eq!(events.time(&row), 128);
        assert_eq!(events.time(&row[TIME..]), -32);
        assert_eq!(row[2 * TIME..], [1, 7, 7, 3]);
        for (value, size) in row.iter().zip(clock_sizes(&events, 3)) {
            assert!(usize::from(*value) < size);
        }
    }
}
