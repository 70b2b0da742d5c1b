//! What the loop is told of the model that it trains.

use std::ops::Range;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device as Tensors, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::optimiser::Update;
use super::verdict::Verdict;
use crate::device::Device;
use crate::error::Error;
use crate::model::Kind;
use crate::weights::Weights;

/// A model in training: its network, its objective, how the weights move, and how they are
/// validated.
pub(crate) trait Task: Sync {
    /// What is trained.
    const KIND: Kind;
    /// What it is trained on.
    type Example: Send + Sync;
    /// What the weights belong to.
    type Network: Module + Sync;
    /// What a validation finds.
    type Validation: Validated;

    /// A network to load weights into.
    fn network(&self) -> &Self::Network;

    /// Where the network computes.
    fn device(&self) -> Device;

    /// The tensor library's device.
    fn tensors(&self) -> &Tensors;

    /// Examples that the device computes at once: a micro-batch or several.
    fn piece(&self, micro_batch: usize) -> usize {
        self.device().piece(micro_batch)
    }

    /// What some of a step's examples add to the step's loss. `place` numbers their first
    /// micro-batch among all of the training, and names its random numbers; a GPU gets several
    /// micro-batches at once.
    fn objective(
        &self,
        network: &Self::Network,
        examples: &[Self::Example],
        place: u64,
        at: &Position<'_, Self::Validation>,
    ) -> Tensor<1>;

    /// How the weights move at the end of a step.
    fn update(&self, at: &Position<'_, Self::Validation>) -> Update;

    /// Decay rate of the weights' moving average, which validations then judge beside the weights
    /// themselves; none keeps no average.
    fn averaging(&self) -> Option<f64> {
        None
    }

    /// Holds weights within their bounds after they have moved.
    fn constrain(&self, _weights: &mut [f32]) {}

    /// Puts weights into the model.
    fn set_weights(&mut self, weights: &Weights);

    /// Draws the examples that validations judge: at most so many, spread evenly over the
    /// validation data.
    fn draw_validation(&mut self, count: usize) -> Result<(), Error>;

    /// Validates the weights that it has.
    fn validate(
        &self,
        training_loss: f64,
        at: &Position<'_, Self::Validation>,
    ) -> Result<Self::Validation, Error>;

    /// Writes the model into a directory, and returns the digest of its weights' file.
    fn save(&self, directory: &Path) -> Result<String, Error>;

    /// Why a model with this best validation is of no use, if it is of none.
    fn verdict(&self, best: &Self::Validation) -> Option<Verdict>;
}

/// Where in a training a step or a validation stands.
#[derive(Debug)]
pub(crate) struct Position<'a, V> {
    /// Optimiser steps so far.
    pub(crate) step: u64,
    /// Share of the budget that is used, from 0; one in minutes may be exceeded.
    pub(crate) share: f64,
    /// Examples of a step.
    pub(crate) batch: usize,
    /// Whether the weights that are judged are a moving average.
    pub(crate) averaged: bool,
    /// The validations so far.
    pub(crate) validations: &'a [V],
}

/// What a validation finds. The best model is the one of the least loss.
pub(crate) trait Validated: Clone + Sync + Serialize + DeserializeOwned {
    /// The loss by which models are selected.
    fn loss(&self) -> f64;
}

/// Examples of a chunk, where they are as small as packets; the last chunk of the data may have
/// fewer.
pub(super) const CHUNK: u64 = 2_048;

/// Training examples in an order that stays.
pub(crate) trait Examples: Send + Sync + 'static {
    /// One of them.
    type Example: Send + 'static;

    /// How many there are.
    fn len(&self) -> u64;

    /// Consecutive examples that a shuffle keeps together and reads at a time.
    fn chunk(&self) -> u64 {
        CHUNK
    }

    /// The examples of some runs; quickest if the runs ascend.
    fn read(&self, runs: &[Range<u64>]) -> Result<Vec<Self::Example>, Error>;
}
