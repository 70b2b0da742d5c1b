//! What the training loop needs from a model.

use std::ops::Range;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracecodec_tensor::{Device as Tensors, Module, Tensor};

use super::optimiser::Update;
use super::verdict::Verdict;
use crate::device::Device;
use crate::error::Error;
use crate::model::Kind;
use crate::weights::Weights;

/// A model in training: its network, its objective, how the weights are updated and validated.
pub(crate) trait Task: Sync {
    /// Kind of the model.
    const KIND: Kind;
    /// Type of the training examples.
    type Example: Send + Sync;
    /// Type of the network that the weights belong to.
    type Network: Module + Sync;
    /// Result of a validation.
    type Validation: Validated;

    /// The network that weights are loaded into.
    fn network(&self) -> &Self::Network;

    /// The device that the network computes on.
    fn device(&self) -> Device;

    /// The place of the network's tensors.
    fn tensors(&self) -> &Tensors;

    /// Number of examples that the device computes at once: a micro-batch or several.
    fn piece(&self, micro_batch: usize) -> usize {
        self.device().piece(micro_batch)
    }

    /// The part of a step's loss that some of its examples contribute. `place` is the number of
    /// their first micro-batch in the whole training, and of its random stream; a GPU gets several
    /// micro-batches at once.
    fn objective(
        &self,
        network: &Self::Network,
        examples: &[Self::Example],
        place: u64,
        at: &Position<'_, Self::Validation>,
    ) -> Tensor<1>;

    /// The optimiser's update at the end of a step.
    fn update(&self, at: &Position<'_, Self::Validation>) -> Update;

    /// Decay rate of the moving average of the weights, which is then validated beside the weights
    /// themselves; `None` if no average is kept.
    fn averaging(&self) -> Option<f64> {
        None
    }

    /// Brings weights back within their bounds after an update.
    fn constrain(&self, _weights: &mut [f32]) {}

    /// Loads weights into the model.
    fn set_weights(&mut self, weights: &Weights);

    /// Draws the examples of validations: at most `count`, spread evenly over the validation data.
    fn draw_validation(&mut self, count: usize) -> Result<(), Error>;

    /// Validates the current weights. Calls `ask` several times a second, and fails if it does.
    fn validate(
        &self,
        training_loss: f64,
        at: &Position<'_, Self::Validation>,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Self::Validation, Error>;

    /// Writes the model into a directory, and returns the digest of its weights file.
    fn save(&self, directory: &Path) -> Result<String, Error>;

    /// Why a model with this best validation is of no use; `None` if it is of use.
    fn verdict(&self, best: &Self::Validation) -> Option<Verdict>;
}

/// Position of a step or a validation in a training.
#[derive(Debug)]
pub(crate) struct Position<'a, V> {
    /// Optimiser steps so far.
    pub(crate) step: u64,
    /// Share of the budget that is used, from 0; a budget in minutes may be exceeded.
    pub(crate) share: f64,
    /// Number of examples of a step.
    pub(crate) batch: usize,
    /// Whether the validated weights are a moving average.
    pub(crate) averaged: bool,
    /// The validations so far.
    pub(crate) validations: &'a [V],
}

/// Result of a validation. The best model is the one with the least loss.
pub(crate) trait Validated: Clone + Sync + Serialize + DeserializeOwned {
    /// The loss by which models are selected.
    fn loss(&self) -> f64;
}

/// Number of examples of a chunk, if examples are as small as packets; the last chunk of the data
/// may have fewer.
pub(super) const CHUNK: u64 = 2_048;

/// Training examples in a fixed order.
pub(crate) trait Examples: Send + Sync + 'static {
    /// Type of an example.
    type Example: Send + 'static;

    /// Number of examples.
    fn len(&self) -> u64;

    /// Number of consecutive examples that a shuffle keeps together and reads at once.
    fn chunk(&self) -> u64 {
        CHUNK
    }

    /// Reads the examples of some runs; fastest if the runs ascend.
    fn read(&self, runs: &[Range<u64>]) -> Result<Vec<Self::Example>, Error>;
}
