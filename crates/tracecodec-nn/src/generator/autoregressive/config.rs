//! Settings of the autoregressive generator and of its training.

use serde::{Deserialize, Serialize};

use super::{OPENINGS, PACKETS};
use crate::error::Error;
use crate::train::{Budget, positive, rule};
use crate::weights::Precision;

/// Shape of the network of a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shape {
    /// Width of the memory. Default 128.
    pub width: usize,
    /// Layers of memory. Default 2.
    pub layers: usize,
    /// Width of what each symbol is told from. Default 64.
    pub hidden: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            width: 128,
            layers: 2,
            hidden: 64,
        }
    }
}

/// Shapes of the networks of the processes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shapes {
    /// Of the openings, of which there are few: a large network would learn them by heart. Default 32 wide, 1 layer, 32 hidden.
    pub openings: Shape,
    /// Of the packets of a flow. Default 128 wide, 2 layers, 64 hidden.
    pub packets: Shape,
    /// Of the clock. Default 32 wide, 2 layers, 32 hidden.
    pub clock: Shape,
}

impl Default for Shapes {
    fn default() -> Self {
        let small = |layers| Shape {
            width: 32,
            layers,
            hidden: 32,
        };
        Self {
            openings: small(1),
            packets: Shape::default(),
            clock: small(2),
        }
    }
}

impl Shapes {
    /// That of a process by its number.
    pub(super) fn of(&self, process: usize) -> &Shape {
        match process {
            OPENINGS => &self.openings,
            PACKETS => &self.packets,
            _ => &self.clock,
        }
    }

    /// Weights that networks of these shapes have at least: those of the gates.
    pub(super) fn least_weights(&self) -> usize {
        let gates = |shape: &Shape| 3 * shape.layers * shape.width * shape.width;
        [&self.openings, &self.packets, &self.clock]
            .map(gates)
            .iter()
            .sum()
    }

    /// Whether networks of these shapes can be built.
    pub(super) fn check(&self) -> Result<(), Error> {
        for shape in [&self.openings, &self.packets, &self.clock] {
            for (name, value, most) in [
                ("width", shape.width, 4096),
                ("layers", shape.layers, 64),
                ("hidden", shape.hidden, 4096),
            ] {
                let is_sound = (1..=most).contains(&value);
                rule(name, value as f64, is_sound, "out of range")?;
            }
        }
        Ok(())
    }
}

/// Settings of a training. With `minutes` the number of steps depends on the machine; with `steps` alone the weights depend on data,
/// configuration and seed only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutoregressiveConfig {
    /// Shapes of the networks.
    pub shapes: Shapes,
    /// Names all random numbers. Default 0.
    pub seed: u64,
    /// Optimiser steps. Default 8,000.
    pub steps: u64,
    /// Budget in minutes instead of steps. Default none.
    pub minutes: Option<f64>,
    /// Spans of 256 events a step. Default 16.
    pub batch: usize,
    /// Spans of a step that are computed at a time; it divides `batch`. Default 2.
    pub micro_batch: usize,
    /// Peak learning rate. Default 3e-3.
    pub learning_rate: f64,
    /// Share of the training over which the learning rate rises. Default 0.03.
    pub warm_up: f64,
    /// AdamW's decay rates of the moments. Default 0.9 and 0.98.
    pub betas: (f32, f32),
    /// AdamW's weight decay. Default 0.01.
    pub weight_decay: f32,
    /// Largest norm of the gradient. Default 1.
    pub clip: f32,
    /// Share of the spans of which the label is hidden, so that the generator works without one. Default 0.1.
    pub hidden_labels: f64,
    /// Validations in the course of the training. Default 20.
    pub validations: u32,
    /// Spans of a validation of each process, spread evenly over the validation data. Default 64.
    pub validation_spans: usize,
    /// Validations without an improvement after which the training stops. Default 6.
    pub patience: u32,
    /// How many bits of a weight are stored. Default 32.
    pub precision: Precision,
    /// Threads on the CPU; the result does not depend on them. Default: all of the machine's.
    #[serde(skip)]
    pub threads: Option<usize>,
}

impl Default for AutoregressiveConfig {
    fn default() -> Self {
        Self {
            shapes: Shapes::default(),
            seed: 0,
            steps: 8_000,
            minutes: None,
            batch: 16,
            micro_batch: 2,
            learning_rate: 3e-3,
            warm_up: 0.03,
            betas: (0.9, 0.98),
            weight_decay: 0.01,
            clip: 1.0,
            hidden_labels: 0.1,
            validations: 20,
            validation_spans: 64,
            patience: 6,
            precision: Precision::default(),
            threads: None,
        }
    }
}

impl AutoregressiveConfig {
    /// What the loop needs to know.
    pub(super) fn budget(&self) -> Budget {
        Budget {
            seed: self.seed,
            steps: self.steps,
            minutes: self.minutes,
            batch: self.batch,
            micro_batch: self.micro_batch,
            // Spans are shuffled by their numbers, which take no room.
            shuffle_pool: 1 << 24,
            validations: self.validations,
            patience: self.patience,
            threads: self.threads,
        }
    }

    /// Whether a training with these settings can start.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        self.budget().check()?;
        self.shapes.check()?;
        positive("validation_spans", self.validation_spans as f64)?;
        positive("learning_rate", self.learning_rate)?;
        positive("clip", self.clip.into())?;
        rule(
            "weight_decay",
            self.weight_decay.into(),
            self.weight_decay >= 0.0,
            "must not be negative",
        )?;
        for (name, beta) in [("betas.0", self.betas.0), ("betas.1", self.betas.1)] {
            let is_sound = (0.0..1.0).contains(&beta);
            rule(
                name,
                beta.into(),
                is_sound,
                "must be at least 0 and below 1",
            )?;
        }
        for (name, value) in [
            ("warm_up", self.warm_up),
            ("hidden_labels", self.hidden_labels),
        ] {
            rule(
                name,
                value,
                (0.0..=1.0).contains(&value),
                "must be between 0 and 1",
            )?;
        }
        Ok(())
    }
}
