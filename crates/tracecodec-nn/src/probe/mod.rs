//! Probes of a codec's latents: whether near latents decode to near packets, on which interpolation
//! and every sequence model on latents rely (the paper, section 3.4, "latent interface").
//!
//! ```text
//! noise          mu + s · sigma · noise: how much of the packet stands when the latent is off
//! interpolation  (1 - t) mu_a + t mu_b: what lies between two packets
//! dimensions     mu ± step along one axis: what that axis is for
//! ```
//!
//! Every latent is decoded by itself, with the true context of its packet if the codec takes the
//! context from the flow's past. Packets are compared in the form that the network reads and
//! writes: time steps to the codec's resolution, acknowledgments relative to the codec's own
//! reference.

mod dimensions;
mod interpolation;
mod noise;

use std::ops::{ControlFlow, Range};

use serde::Serialize;
use tracecodec::action::Action;
use tracecodec::action::float::Tick;
use tracecodec::action::schema::{Active, Group, Quantity};

pub use dimensions::{Dimension, Move};
pub use interpolation::{Between, Interpolation, Point};
pub use noise::{Noise, Wrong};

use crate::codec::{Codec, ContextSource, Past};
use crate::error::Error;
use crate::latents::Latents;

/// Length of a run of probed packets, within which pairs of neighbours are found.
const RUN: usize = 64;

/// Largest number of packets whose dimensions are moved: each is decoded six times a dimension.
const MOVED: usize = 1024;

/// Settings of the probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeConfig {
    /// Largest number of packets, in runs of 64 that are spread evenly over the trace. Default
    /// 4,096.
    pub packets: usize,
    /// Seed of the noise and of the random pairs. Default 0.
    pub seed: u64,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            packets: 4096,
            seed: 0,
        }
    }
}

/// Local geometry of a codec's latents on one trace.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probe {
    /// Number of probed packets.
    pub packets: usize,
    /// Mean KL divergence of the posterior from the prior, in nats a packet.
    pub kl_nats: f64,
    /// Effect of noise, from none to twice the posterior's.
    pub noise: Vec<Noise>,
    /// Interpolation between each packet and the next one of its run with the same protocol and
    /// direction.
    pub neighbours: Interpolation,
    /// Interpolation between each packet and a random other one.
    pub random_pairs: Interpolation,
    /// Dimensions of the latent, the ones with most divergence first; measured on at most 1,024
    /// packets, which are spread evenly, too.
    pub dimensions: Vec<Dimension>,
}

/// Parts of a probe before those of the dimensions.
pub const PARTS: usize = 3;

/// Probes the latents of a whole trace. The result depends on codec, trace and configuration alone.
/// `progress` is called [`PARTS`] times, and then before each dimension of the latent is moved,
/// which takes most of the time.
///
/// # Errors
/// If `progress` breaks.
pub fn probe(
    codec: &Codec,
    actions: &[Action],
    config: ProbeConfig,
    mut progress: impl FnMut() -> ControlFlow<()>,
) -> Result<Probe, Error> {
    let mut step = || match progress() {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Stopped),
    };
    let probed = Probed::new(codec, actions, config.packets);
    let moved = Probed::new(codec, actions, config.packets.min(MOVED));
    step()?;
    let noise = noise::measure(&probed, config.seed);
    step()?;
    let neighbours = interpolation::measure(&probed, &probed.neighbours());
    step()?;
    let random_pairs = interpolation::measure(&probed, &probed.random_pairs(config.seed));
    Ok(Probe {
        packets: probed.actions.len(),
        kl_nats: probed.latents.kl(),
        noise,
        neighbours,
        random_pairs,
        dimensions: dimensions::measure(&moved, step)?,
    })
}

/// The packets that are probed, as the network reads them, and their posteriors.
struct Probed<'a> {
    codec: &'a Codec,
    actions: Vec<Action>,
    latents: Latents,
    /// Ranges of packets that are consecutive in the trace.
    runs: Vec<Range<usize>>,
}

impl<'a> Probed<'a> {
    fn new(codec: &'a Codec, trace: &[Action], packets: usize) -> Self {
        let mut past = Past::new(codec.config(), Tick::Nanosecond);
        let codable: Vec<Action> = trace.iter().map(|action| past.codable(action)).collect();
        let mut probed = Self {
            codec,
            actions: Vec::new(),
            latents: Latents::default(),
            runs: Vec::new(),
        };
        for run in runs(codable.len(), packets) {
            let from = probed.actions.len();
            probed.actions.extend_from_slice(&codable[run]);
            probed.runs.push(from..probed.actions.len());
        }
        probed.latents = codec.posterior(&probed.actions);
        probed
    }

    /// Decodes one latent for each packet.
    fn decode(&self, z: &[f32]) -> Vec<Action> {
        self.codec.decode_in_context(z, &self.actions)
    }

    /// The mean of a packet's posterior.
    fn mean(&self, packet: usize) -> &[f32] {
        let dim = self.latents.dim;
        &self.latents.mu[packet * dim..(packet + 1) * dim]
    }

    /// Whether the network decodes a quantity, so that its values can be compared.
    fn decodes(&self, quantity: &Quantity) -> bool {
        let config = self.codec.config();
        let given = quantity.group == Group::Context && config.context == ContextSource::Flow;
        !given && !config.omits(quantity)
    }

    /// The ordered quantities that the codec carries.
    fn ordered(&self) -> impl Iterator<Item = &'static Ordered> {
        let config = self.codec.config();
        let carried = |quantity: &&Ordered| !config.omits_named(quantity.name);
        ORDERED.iter().filter(carried)
    }
}

/// Runs of packets, spread evenly from the trace's first packet to its last.
fn runs(trace: usize, packets: usize) -> Vec<Range<usize>> {
    if trace <= packets {
        return std::iter::once(0..trace).collect();
    }
    let length = RUN.min(packets);
    let runs = packets.checked_div(length).unwrap_or(0);
    (0..runs)
        .map(|run| run * (trace - length) / (runs - 1).max(1))
        .map(|start| start..start + length)
        .collect()
}

/// A quantity with an order: a value can lie between two others, and errors have a size.
struct Ordered {
    name: &'static str,
    active: Active,
    get: fn(&Action) -> i64,
    /// Whether an error is stated relative to the value.
    relative: bool,
}

const ORDERED: [Ordered; 4] = [
    Ordered {
        name: "delta_t",
        active: Active::Always,
        get: |action| action.delta_t,
        relative: true,
    },
    Ordered {
        name: "l4_payload_len",
        active: Active::Always,
        get: |action| action.l4_payload_len.into(),
        relative: false,
    },
    Ordered {
        name: "tcp_win",
        active: Active::Tcp,
        get: |action| action.tcp_win.into(),
        relative: false,
    },
    Ordered {
        name: "tcp_ack_adv",
        active: Active::Tcp,
        get: |action| action.tcp_ack_adv.into(),
        relative: false,
    },
];

/// Mean Euclidean distance between the rows of two matrices with `dim` columns; `None` without
/// rows.
fn mean_distance(from: &[f32], to: &[f32], dim: usize) -> Option<f64> {
    let distance = |(from, to): (&[f32], &[f32])| -> f64 {
        let columns = from.iter().zip(to);
        let square: f64 = columns.map(|(a, b)| f64::from(b - a).powi(2)).sum();
        square.sqrt()
    };
    let rows = from.chunks_exact(dim).zip(to.chunks_exact(dim));
    let sum: f64 = rows.map(distance).sum();
    (!from.is_empty()).then(|| sum / (from.len() / dim) as f64)
}

/// Count of cases, and of those in which something held.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    all: u64,
    hits: u64,
}

impl Tally {
    fn add(&mut self, hit: bool) {
        self.all += 1;
        self.hits += u64::from(hit);
    }

    /// Share of cases in which it held; `None` if there were no cases.
    fn share(self) -> Option<f64> {
        (self.all > 0).then(|| self.hits as f64 / self.all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_mean_distance() {
        let distance = mean_distance(&[0.0, 0.0, 1.0, 1.0], &[3.0, 4.0, 1.0, 2.0], 2);
        assert_eq!(distance, Some(3.0));
        assert_eq!(mean_distance(&[], &[], 2), None);
    }

    #[test]
    fn test_runs_are_spread_and_do_not_overlap() {
        let ends = |trace, packets| -> Vec<(usize, usize)> {
            let runs = runs(trace, packets).into_iter();
            runs.map(|run| (run.start, run.end)).collect()
        };
        assert_eq!(ends(10, 10), [(0, 10)]);
        assert_eq!(ends(100, 10), [(0, 10)]);
        assert_eq!(ends(300, 200), [(0, 64), (118, 182), (236, 300)]);
        assert_eq!(ends(10, 0), []);
        for trace in [4097, 5000, 1 << 20] {
            let runs = runs(trace, 4096);
            assert_eq!((runs.len(), runs[63].end), (64, trace));
            assert!(runs.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
    }
}
