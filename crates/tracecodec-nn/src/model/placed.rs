//! A network and the device that it computes on.

use tracecodec_tensor::{Device as Tensors, Module};

use crate::device::Device;
use crate::error::Error;
use crate::files;
use crate::model::Files;
use crate::parallel::default_threads;
use crate::weights::{Precision, Weights};

/// A network on a device.
#[derive(Debug)]
pub(crate) struct Placed<N> {
    pub(crate) network: N,
    /// The network's weights, which it shares.
    weights: Weights,
    /// The place of the network's tensors.
    pub(crate) tensors: Tensors,
    pub(crate) device: Device,
    threads: usize,
}

impl<N: Module> Placed<N> {
    /// A new network on the CPU, with all threads of the machine.
    pub(crate) fn new(network: impl FnOnce(&Tensors) -> N) -> Result<Self, Error> {
        Self::with(network, |network| Ok(Weights::of(network)))
    }

    /// A network on the CPU, with all threads of the machine and the weights of a model's files,
    /// whose digest is known; `network` makes one with any weights.
    pub(crate) fn load(
        network: impl FnOnce(&Tensors) -> N,
        files: &Files,
        digest: &str,
    ) -> Result<Self, Error> {
        Self::with(network, |network| {
            let mut weights = Weights::unread(network);
            files.load(&files.weights()?, digest, &mut weights)?;
            Ok(weights)
        })
    }

    fn with(
        network: impl FnOnce(&Tensors) -> N,
        weights: impl FnOnce(&N) -> Result<Weights, Error>,
    ) -> Result<Self, Error> {
        let device = Device::default();
        let tensors = device.open()?;
        let network = network(&tensors);
        let weights = weights(&network)?;
        Ok(Self {
            network: weights.load(network, &tensors),
            weights,
            tensors,
            device,
            threads: default_threads(),
        })
    }

    /// Sets the number of CPU threads. Results do not depend on it.
    pub(crate) fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// Moves the network to another device.
    pub(crate) fn with_device(self, device: Device) -> Result<Self, Error> {
        let tensors = device.open()?;
        Ok(Self {
            network: self.weights.load(self.network, &tensors),
            tensors,
            device,
            ..self
        })
    }

    pub(crate) fn weights(&self) -> &Weights {
        &self.weights
    }

    pub(crate) fn set_weights(&mut self, weights: &Weights) {
        self.weights = weights.clone();
        self.network = weights.load(self.network.clone(), &self.tensors);
    }

    /// Number of weights.
    pub(crate) fn weight_count(&self) -> usize {
        self.weights.values.len()
    }

    /// BLAKE3 digest of the weights in full precision, the model's identity.
    pub(crate) fn digest(&self) -> String {
        files::digest(&self.weights.to_bytes(Precision::Full))
    }

    /// Number of threads to work on.
    pub(crate) fn threads(&self) -> usize {
        self.device.threads(self.threads)
    }

    /// Number of examples to compute at once, if the CPU takes pieces of `examples`.
    pub(crate) fn piece(&self, examples: usize) -> usize {
        self.device.piece(examples)
    }
}
