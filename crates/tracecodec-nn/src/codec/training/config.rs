//! Settings of a codec and its training.

use serde::{Deserialize, Serialize};

use crate::codec::{Augmentation, CodecConfig};
use crate::error::Error;
use crate::train::{Budget, positive, rule};
use crate::weights::Precision;

/// Settings of a codec and its training.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CodecSettings {
    /// Shape of the codec; `codec` in files.
    #[serde(rename = "codec")]
    pub model: CodecConfig,
    /// Settings of the training.
    pub train: TrainConfig,
}

impl CodecSettings {
    /// Checks that a training with these settings can start.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        self.model.check()?;
        self.train.check()
    }
}

/// Settings of a training. With `steps` alone the weights depend on data, configuration and seed
/// only; with `minutes` the number of steps depends on the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed of every random stream. Default 0.
    pub seed: u64,
    /// Optimiser steps. Default 12,000.
    pub steps: u64,
    /// Budget in minutes instead of steps, preparation and validations included. Default: no such
    /// budget.
    pub minutes: Option<f64>,
    /// Packets of a step. Default 256.
    pub batch: usize,
    /// Packets of a step that are computed at a time, a divisor of `batch`. A GPU computes all
    /// packets of a step at once. Default 128.
    pub micro_batch: usize,
    /// Packets that are shuffled together and kept in memory, in chunks of 2,048; one more pool is
    /// read ahead. Default 131,072.
    pub shuffle_pool: usize,
    /// Peak of the learning rate. Default 6e-3.
    pub learning_rate: f64,
    /// Share of the training over which the learning rate rises. Default 0.05.
    pub warm_up: f64,
    /// AdamW's decay rates of the moments. Default 0.9 and 0.99.
    pub betas: (f32, f32),
    /// AdamW's epsilon. Default 1e-8.
    pub epsilon: f32,
    /// AdamW's weight decay. Default 0.01.
    pub weight_decay: f32,
    /// Largest norm of the gradient; a longer one is scaled down. Default 1.
    pub clip: f32,
    /// Weight β of the KL divergence, against nats of reconstruction a packet. Default 0.02.
    pub beta: f64,
    /// Share of the training over which β rises from 0. Default 0.2.
    pub beta_warm_up: f64,
    /// Weight of the time's cross-entropy. Default 1.
    pub lambda_time: f64,
    /// Augmentation of the training packets.
    pub augmentation: Augmentation,
    /// Number of validations in the course of the training. Default 20.
    pub validations: u32,
    /// Packets of a validation, spread evenly over the validation data. Default 8,192.
    pub validation_packets: usize,
    /// Validations without an improvement after which the training stops. Default 6.
    pub patience: u32,
    /// Number of bits in which a weight is stored. Default 32.
    pub precision: Precision,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            steps: 12_000,
            minutes: None,
            batch: 256,
            micro_batch: 128,
            shuffle_pool: 131_072,
            learning_rate: 6e-3,
            warm_up: 0.05,
            betas: (0.9, 0.99),
            epsilon: 1e-8,
            weight_decay: 0.01,
            clip: 1.0,
            beta: 0.02,
            beta_warm_up: 0.2,
            lambda_time: 1.0,
            augmentation: Augmentation::default(),
            validations: 20,
            validation_packets: 8_192,
            patience: 6,
            precision: Precision::default(),
        }
    }
}

impl TrainConfig {
    /// The settings that the training loop needs.
    pub(super) fn budget(&self) -> Budget {
        Budget {
            seed: self.seed,
            steps: self.steps,
            minutes: self.minutes,
            batch: self.batch,
            micro_batch: self.micro_batch,
            shuffle_pool: self.shuffle_pool,
            validations: self.validations,
            validation_examples: self.validation_packets,
            patience: self.patience,
        }
    }

    /// Checks that a training with these settings can start.
    ///
    /// # Errors
    /// If a setting is out of its range.
    fn check(&self) -> Result<(), Error> {
        self.budget().check()?;
        positive("validation_packets", self.validation_packets as f64)?;
        positive("learning_rate", self.learning_rate)?;
        positive("clip", self.clip.into())?;
        not_negative("beta", self.beta)?;
        not_negative("lambda_time", self.lambda_time)?;
        share("warm_up", self.warm_up)?;
        share("beta_warm_up", self.beta_warm_up)?;
        share("augmentation.packets", self.augmentation.packets)?;
        share("augmentation.mix", self.augmentation.mix)?;
        share("augmentation.random", self.augmentation.random)
    }
}

fn not_negative(name: &'static str, value: f64) -> Result<(), Error> {
    rule(name, value, value >= 0.0, "must not be negative")
}

fn share(name: &'static str, value: f64) -> Result<(), Error> {
    rule(
        name,
        value,
        (0.0..=1.0).contains(&value),
        "must be between 0 and 1",
    )
}
