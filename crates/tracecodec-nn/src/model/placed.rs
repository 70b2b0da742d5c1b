//! Where a network computes.

use burn::module::Module;
use burn::tensor::Device as Tensors;

use crate::device::Device;
use crate::error::Error;
use crate::files;
use crate::parallel::default_threads;
use crate::weights::{Precision, Weights};

/// A network on a device.
#[derive(Debug)]
pub(crate) struct Placed<N> {
    pub(crate) network: N,
    /// The tensor library's device.
    pub(crate) tensors: Tensors,
    pub(crate) device: Device,
    threads: usize,
}

impl<N: Module> Placed<N> {
    /// A new network on the CPU, with all of the machine's threads.
    pub(crate) fn new(network: impl FnOnce(&Tensors) -> N) -> Result<Self, Error> {
        let device = Device::default();
        let tensors = device.open()?;
        Ok(Self {
            network: network(&tensors),
            tensors,
            device,
            threads: default_threads(),
        })
    }

    /// The network on so many threads of the CPU. Results do not depend on it.
    pub(crate) fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// The network on another device.
    pub(crate) fn with_device(self, device: Device) -> Result<Self, Error> {
        let weights = self.weights();
        let mut placed = Self {
            tensors: device.open()?,
            device,
            ..self
        };
        placed.set_weights(&weights);
        Ok(placed)
    }

    pub(crate) fn weights(&self) -> Weights {
        Weights::of(&self.network)
    }

    pub(crate) fn set_weights(&mut self, weights: &Weights) {
        self.network = weights.load(self.network.clone(), &self.tensors);
    }

    /// Number of weights.
    pub(crate) fn weight_count(&self) -> usize {
        self.weights().values.len()
    }

    /// BLAKE3 digest of the weights with full precision: tells models apart.
    pub(crate) fn digest(&self) -> String {
        files::digest(&self.weights().to_bytes(Precision::Full))
    }

    /// Threads to work on.
    pub(crate) fn threads(&self) -> usize {
        self.device.threads(self.threads)
    }

    /// Examples to compute at once, where the CPU takes pieces of `examples`.
    pub(crate) fn piece(&self, examples: usize) -> usize {
        self.device.piece(examples)
    }
}
