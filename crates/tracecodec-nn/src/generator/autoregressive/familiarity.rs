//! How familiar a trace is to a generator: how likely its packets are, beside held-out packets of
//! the traces that it was trained on.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::event_sequences::{Ending, EventSequences, ProcessSequences};
use super::events::{Activity, ENDS, Events};
use super::past::Past;
use super::process::{Choice, Memory, Sampler};
use super::{Autoregressive, PACKETS};

/// Spans of held-out packets that the generator is judged by, spread evenly.
const SPANS: usize = 128;

/// Share of held-out spans that are as likely as [`HeldOut::unfamiliar`], or likelier.
const SHARE: f64 = 0.95;

/// Packets of a followed trace that tell whether it is familiar.
pub(super) const TELLING: u64 = 4_096;

/// Likelihood of held-out packets, given the packets of their flows before them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Mean negative log-likelihood of a packet, in nats.
    pub mean: f64,
    /// Mean nats of a packet from which on a trace counts as unfamiliar: 95 % of held-out spans of
    /// 256 packets have fewer.
    pub unfamiliar: f64,
}

/// How likely the packets of a followed trace are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Familiarity {
    /// Mean negative log-likelihood of a packet in nats, given the packets of its flow before it.
    pub nats: f64,
    /// That of held-out packets of the traces that the generator was trained on.
    pub held_out: HeldOut,
}

impl Familiarity {
    /// Whether the trace is far less likely than held-out data.
    pub fn is_unfamiliar(&self) -> bool {
        self.nats > self.held_out.unfamiliar
    }
}

/// Computes how likely packets are, given the packets of their flow before them.
#[derive(Debug)]
pub(super) struct Likelihood {
    activity: Activity,
    direction: usize,
}

impl Likelihood {
    pub(super) fn new(events: &Events) -> Self {
        Self {
            activity: events.activity(),
            direction: events.position("dir"),
        }
    }

    /// Negative log-likelihood in nats that this packet follows.
    pub(super) fn nats(
        &self,
        events: &Events,
        packets: &Sampler<'_>,
        memory: &Memory,
        past: &Past,
        next: &[u8],
    ) -> f64 {
        let role = events.action(next).role() as usize;
        packets.cost(memory, next, |symbol, _| {
            let is_active = symbol == ENDS || self.activity.covers(next, symbol);
            is_active.then(|| Choice {
                repeated: past.value(symbol, (symbol > self.direction).then_some(role)),
                possible: u16::MAX,
                allowed: u16::MAX,
            })
        })
    }
}

/// How likely the packets of some flows are.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FlowNats {
    /// Sum of the negative log-likelihoods in nats of the packets that follow another one of their
    /// flow.
    pub nats: f64,
    /// Number of those packets.
    pub packets: u64,
}

impl Autoregressive {
    /// How likely the flows of these sequences are, given the first packet of each.
    pub fn nats_of_flows(&self, sequences: &EventSequences) -> FlowNats {
        let sequence = sequences.processes()[PACKETS];
        self.nats(sequence, 0..sequence.len())
    }

    /// How likely some events of a sequence are, but for the first and those that begin a flow.
    fn nats(&self, sequence: &ProcessSequences, events: Range<usize>) -> FlowNats {
        let likelihood = Likelihood::new(&self.events);
        let packets = &self.samplers()[PACKETS];
        let (mut memory, mut past) = (Memory::default(), Past::default());
        let mut flows = FlowNats::default();
        for event in events {
            if sequence.starts(event) {
                (memory, past) = Default::default();
            }
            packets.take(&mut memory, sequence.row(event));
            past.take(sequence.told(event), &self.events);
            if sequence.ending(event) == Ending::Continues {
                let next = sequence.told(event + 1);
                flows.nats += likelihood.nats(&self.events, packets, &memory, &past, next);
                flows.packets += 1;
            }
        }
        flows
    }

    /// How likely held-out packets are; `None` if there are none that follow another.
    pub(super) fn judge(&self, held_out: &EventSequences) -> Option<HeldOut> {
        let sequence = held_out.processes()[PACKETS];
        let count = SPANS.min(sequence.spans());
        let spans = (0..count).map(|span| sequence.span(span * sequence.spans() / count));
        let spans = spans.map(|span| self.nats(sequence, span));
        let mut means: Vec<f64> = spans
            .filter(|flows| flows.packets > 0)
            .map(|flows| flows.nats / flows.packets as f64)
            .collect();
        means.sort_by(f64::total_cmp);
        let at = ((means.len() as f64 * SHARE) as usize).min(means.len().checked_sub(1)?);
        Some(HeldOut {
            mean: means.iter().sum::<f64>() / means.len() as f64,
            unfamiliar: means[at],
        })
    }
}
