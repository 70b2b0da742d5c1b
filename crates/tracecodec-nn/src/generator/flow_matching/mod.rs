//! A conditional flow-matching generator (Lipman et al. 2023): a velocity field that transports
//! noise to the rows that follow a prefix.
//!
//! ```text
//! training:  prefix, xₜ = (1 - t) x₀ + t x₁ → network → v,  |v - (x₁ - x₀)|² on the suffix
//! sampling:  prefix, x₀ ~ N(0, I) → dx/dt = v(x, t) from 0 to 1 → suffix
//! ```
//!
//! The network works on the scale on which every channel has mean 0 and standard deviation 1 over
//! the training rows; rows that go in and come out are on the scale of the sequences.

mod batch;
mod config;
mod network;
mod solver;
mod store;
mod training;

pub use config::{FlowMatchingConfig, NetworkConfig, PrefixSees, Preset, TrainConfig};
pub use solver::{Method, Solver};
pub use training::{Manifest, Origin, Source, Validation, train};

use std::convert::Infallible;

use super::representation::{Representation, Statistics};
use crate::device::Device;
use crate::error::Error;
use crate::layers::Dropout;
use crate::model::Placed;
use crate::parallel::ordered;
use crate::random::{Purpose, normals, stream};
use crate::weights::Weights;
use batch::WindowBatch;
use network::VelocityNetwork;

/// A flow-matching generator.
#[derive(Debug)]
pub struct FlowMatching {
    config: NetworkConfig,
    representation: Representation,
    statistics: Statistics,
    labels: Vec<String>,
    placed: Placed<VelocityNetwork>,
}

/// A request for one suffix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request<'a> {
    /// Rows of the prefix, row-major. If there are more than the generator reads, the last ones
    /// count; empty at the start of a sequence.
    pub prefix: &'a [f32],
    /// Label of the traffic; an unknown label counts as no label.
    pub label: Option<&'a str>,
    /// Number of the noise among all noise of the seed.
    pub place: u64,
}

impl FlowMatching {
    /// A generator with fresh weights for rows of this representation.
    fn new(
        config: &NetworkConfig,
        representation: &Representation,
        statistics: &Statistics,
        labels: Vec<String>,
        seed: u64,
    ) -> Result<Self, Error> {
        config.check()?;
        let mut rng = stream(seed, Purpose::Weights, 0);
        let channels = representation.channels();
        Ok(Self {
            placed: Placed::new(|tensors| {
                VelocityNetwork::new(config, channels, labels.len(), &mut rng, tensors)
            })?,
            config: config.clone(),
            representation: representation.clone(),
            statistics: statistics.clone(),
            labels,
        })
    }

    /// Sets the number of CPU threads. Results do not depend on it.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.placed = self.placed.with_threads(threads);
        self
    }

    /// Moves the generator to another device.
    ///
    /// # Errors
    /// If this build lacks the device's feature, or the machine has no such device.
    pub fn with_device(mut self, device: Device) -> Result<Self, Error> {
        self.placed = self.placed.with_device(device)?;
        Ok(self)
    }

    /// Shape of the generator.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// Representation of its rows.
    pub fn representation(&self) -> &Representation {
        &self.representation
    }

    /// Scale of the channels of its rows.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Names of its labels.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Number of channels of a row.
    pub fn channels(&self) -> usize {
        self.representation.channels()
    }

    /// Largest number of rows of a prefix.
    pub fn prefix(&self) -> usize {
        self.config.prefix
    }

    /// Number of rows of a suffix.
    pub fn suffix(&self) -> usize {
        self.config.suffix
    }

    /// BLAKE3 digest of the weights, which identifies the generator.
    pub fn digest(&self) -> String {
        self.placed.digest()
    }

    /// Number of weights.
    pub fn weight_count(&self) -> usize {
        self.placed.weight_count()
    }

    fn weights(&self) -> &Weights {
        self.placed.weights()
    }

    fn set_weights(&mut self, weights: &Weights) {
        self.placed.set_weights(weights);
    }

    /// Samples the rows that follow a prefix, as many as [`suffix`](Self::suffix), row-major.
    /// `seed` and `place` determine the noise. If the prefix has more rows than the generator
    /// reads, the last ones count; it is empty at the start of a sequence. An unknown label counts
    /// as no label.
    pub fn sample(
        &self,
        prefix: &[f32],
        label: Option<&str>,
        solver: &Solver,
        seed: u64,
        place: u64,
    ) -> Vec<f32> {
        let request = Request {
            prefix,
            label,
            place,
        };
        self.sample_one(&request, *solver, seed)
    }

    /// Samples suffixes for several requests, on several threads.
    pub fn sample_all(
        &self,
        requests: &[Request<'_>],
        solver: &Solver,
        seed: u64,
    ) -> Vec<Vec<f32>> {
        self.each(requests, |request| self.sample_one(request, *solver, seed))
    }

    /// Samples suffixes for several requests, on the scale of the network. `step` is called after
    /// each evaluation of the network; its error ends the sampling.
    pub(super) fn sample_all_normal<E: Send>(
        &self,
        requests: &[Request<'_>],
        solver: Solver,
        seed: u64,
        step: impl Fn() -> Result<(), E> + Sync,
    ) -> Result<Vec<Vec<f32>>, E> {
        let samples = self.each(requests, |request| {
            self.sample_normal(request, solver, seed, &step)
        });
        samples.into_iter().collect()
    }

    /// Samples a suffix on the scale of the sequences.
    fn sample_one(&self, request: &Request<'_>, solver: Solver, seed: u64) -> Vec<f32> {
        let Ok(normal) = self.sample_normal(request, solver, seed, || Ok::<_, Infallible>(()));
        self.statistics.restore(&normal)
    }

    /// Maps a function over requests, one request at a time on each thread: a result does not
    /// depend on the other requests.
    fn each<T: Send>(
        &self,
        requests: &[Request<'_>],
        work: impl Fn(&Request<'_>) -> T + Sync,
    ) -> Vec<T> {
        let threads = self.placed.threads();
        ordered(threads, requests.len(), || (), |(), i| work(&requests[i]))
    }

    /// Samples a suffix on the scale of the network, if `step` allows it after each evaluation.
    fn sample_normal<E>(
        &self,
        request: &Request<'_>,
        solver: Solver,
        seed: u64,
        step: impl Fn() -> Result<(), E>,
    ) -> Result<Vec<f32>, E> {
        let (prefixes, padding) = self.frame(request.prefix);
        let mut batch = WindowBatch {
            prefixes,
            padding: vec![padding],
            suffixes: Vec::new(),
            times: vec![0.0],
            labels: vec![self.label(request.label)],
        };
        let (network, off) = (&self.placed.network, &mut Dropout::off());
        let prefix = network.read(&batch, off);
        let mut rng = stream(seed, Purpose::Noise, request.place);
        let noise = normals(&mut rng, self.suffix() * self.channels());
        solver.solve(noise, |x, t| {
            batch.suffixes = x.to_vec();
            batch.times[0] = t;
            let velocity = network.velocities(&prefix, &batch, off);
            step()?;
            Ok(velocity.into_values())
        })
    }

    /// A prefix that the network reads: cut to its length, on its scale, with so many rows of
    /// padding in front.
    fn frame(&self, rows: &[f32]) -> (Vec<f32>, usize) {
        let channels = self.channels();
        let count = (rows.len() / channels).min(self.prefix());
        let whole = rows.len() - rows.len() % channels;
        let padding = self.prefix() - count;
        let mut prefix = vec![0.0; padding * channels];
        let last = &rows[whole - count * channels..whole];
        prefix.extend(self.statistics.normalise(last));
        (prefix, padding)
    }

    /// Number of a label; 0 for no label.
    fn label(&self, label: Option<&str>) -> usize {
        let known = label.and_then(|label| self.labels.iter().position(|known| known == label));
        known.map_or(0, |label| label + 1)
    }
}
