//! A conditional flow-matching generator (Lipman et al. 2023): a velocity field that carries noise to the rows that follow a prefix.
//!
//! ```text
//! training:  prefix, xₜ = (1 - t) x₀ + t x₁ → network → v,  |v - (x₁ - x₀)|² on the suffix
//! sampling:  prefix, x₀ ~ N(0, I) → dx/dt = v(x, t) from 0 to 1 → suffix
//! ```
//!
//! All of it happens on a scale on which every channel has mean 0 and deviation 1 over the training rows; outside, rows are as sequences
//! hold them.

mod batch;
mod config;
mod network;
mod solver;
mod store;
mod training;

pub use config::{FlowMatchingConfig, NetworkConfig, Preset, TrainConfig};
pub use solver::{Method, Solver};
pub use training::{Manifest, Origin, Source, Validation, train};

use super::representation::{Representation, Statistics};
use crate::device::Device;
use crate::error::Error;
use crate::layers::Dropout;
use crate::model::Placed;
use crate::parallel::ordered;
use crate::random::{Purpose, normals, stream};
use crate::weights::Weights;
use batch::Batch;
use network::VelocityNetwork;

/// A trained, or fresh, generator.
#[derive(Debug)]
pub struct FlowMatching {
    config: NetworkConfig,
    representation: Representation,
    statistics: Statistics,
    labels: Vec<String>,
    placed: Placed<VelocityNetwork>,
}

/// A suffix to sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request<'a> {
    /// Rows to go on from, row-major: the last of them, where there are more than the generator reads; none at the start of a sequence.
    pub prefix: &'a [f32],
    /// Kind of traffic; one that the generator does not know is none.
    pub label: Option<&'a str>,
    /// Names the noise among all of the seed.
    pub place: u64,
}

impl FlowMatching {
    /// A generator with fresh weights for rows of this kind.
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

    /// The same generator on so many threads of the CPU. Results do not depend on it.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.placed = self.placed.with_threads(threads);
        self
    }

    /// The same generator on another device.
    ///
    /// # Errors
    /// If this build lacks the device's feature, or the machine has no such device.
    pub fn with_device(mut self, device: Device) -> Result<Self, Error> {
        self.placed = self.placed.with_device(device)?;
        Ok(self)
    }

    /// The generator's shape.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// What its rows are.
    pub fn representation(&self) -> &Representation {
        &self.representation
    }

    /// The scale of its rows' channels.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Labels that it knows.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Numbers of a row.
    pub fn channels(&self) -> usize {
        self.representation.channels()
    }

    /// Rows that it goes on from, at most.
    pub fn prefix(&self) -> usize {
        self.config.prefix
    }

    /// Rows that it generates at a time.
    pub fn suffix(&self) -> usize {
        self.config.suffix
    }

    /// BLAKE3 digest of the weights: tells generators apart.
    pub fn digest(&self) -> String {
        self.placed.digest()
    }

    /// Number of weights.
    pub fn weight_count(&self) -> usize {
        self.placed.weight_count()
    }

    fn weights(&self) -> Weights {
        self.placed.weights()
    }

    fn set_weights(&mut self, weights: &Weights) {
        self.placed.set_weights(weights);
    }

    /// The rows that follow a prefix, as many as [`suffix`](Self::suffix), row-major: a draw that `seed` and `place` name. The prefix are the
    /// rows to go on from: the last of them, where there are more than the generator reads; none at the start of a sequence. A label
    /// that the generator does not know is none.
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
        self.statistics
            .restore(&self.sample_normal(&request, *solver, seed))
    }

    /// The same for several requests at once, on several threads.
    pub fn sample_all(
        &self,
        requests: &[Request<'_>],
        solver: &Solver,
        seed: u64,
    ) -> Vec<Vec<f32>> {
        self.each(requests, |request| {
            let normal = self.sample_normal(request, *solver, seed);
            self.statistics.restore(&normal)
        })
    }

    /// The same on the scale of the network.
    pub(super) fn sample_all_normal(
        &self,
        requests: &[Request<'_>],
        solver: Solver,
        seed: u64,
    ) -> Vec<Vec<f32>> {
        self.each(requests, |request| {
            self.sample_normal(request, solver, seed)
        })
    }

    /// Work on requests, one at a time on each thread: so the result of one does not depend on its company.
    fn each<T: Send>(
        &self,
        requests: &[Request<'_>],
        work: impl Fn(&Request<'_>) -> T + Sync,
    ) -> Vec<T> {
        let threads = self.placed.threads();
        ordered(threads, requests.len(), || (), |(), i| work(&requests[i]))
    }

    /// A suffix on the scale of the network.
    fn sample_normal(&self, request: &Request<'_>, solver: Solver, seed: u64) -> Vec<f32> {
        let (prefix, padding) = self.frame(request.prefix);
        let mut batch = Batch {
            x: prefix,
            padding: vec![padding],
            times: vec![0.0],
            labels: vec![self.label(request.label)],
        };
        let suffix_at = batch.x.len();
        let mut rng = stream(seed, Purpose::Noise, request.place);
        let noise = normals(&mut rng, self.suffix() * self.channels());
        solver.solve(noise, |x, t| {
            batch.x.truncate(suffix_at);
            batch.x.extend(x);
            batch.times[0] = t;
            let velocity = self.placed.network.forward(&batch, &mut Dropout::off());
            let velocity = velocity.into_data().try_into_vec();
            velocity.expect("the network computes in f32")
        })
    }

    /// A prefix as the network reads it: of its own length, on its own scale, and with so many rows of padding in front.
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

    /// Number of a label; 0 for none.
    fn label(&self, label: Option<&str>) -> usize {
        let known = label.and_then(|label| self.labels.iter().position(|known| known == label));
        known.map_or(0, |label| label + 1)
    }
}
