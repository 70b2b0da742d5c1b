//! Settings of the autoregressive generator and of its training.

use serde::{Deserialize, Serialize};

use super::{Autoregressive, OPENINGS, PACKETS};
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
    /// Width of the hidden layer from which each symbol is predicted. Default 64.
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

/// Shapes of the networks of all processes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shapes {
    /// Network of the openings. There are few openings, and a large network would memorise them.
    /// Default 32 wide, 1 layer, 32 hidden.
    pub openings: Shape,
    /// Network of the packets of a flow. Default 128 wide, 2 layers, 64 hidden.
    pub packets: Shape,
    /// Network of the clock. Default 48 wide, 2 layers, 32 hidden.
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
            clock: Shape {
                width: 48,
                ..small(2)
            },
        }
    }
}

impl Shapes {
    /// The shape of a process by its number.
    pub(super) fn of(&self, process: usize) -> &Shape {
        match process {
            OPENINGS => &self.openings,
            PACKETS => &self.packets,
            _ => &self.clock,
        }
    }

    /// Lower bound of the number of weights of networks of these shapes: the weights of the gates.
    pub(super) fn least_weights(&self) -> usize {
        let gates = |shape: &Shape| 3 * shape.layers * shape.width * shape.width;
        [&self.openings, &self.packets, &self.clock]
            .map(gates)
            .iter()
            .sum()
    }

    /// Checks that networks of these shapes can be built.
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

/// Settings of a generator and its training. In files they are one object, with the networks as
/// `shapes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AutoregressiveConfig {
    /// Shapes of the networks.
    #[serde(rename = "shapes")]
    pub model: Shapes,
    /// Settings of the training.
    #[serde(flatten)]
    pub train: TrainConfig,
}

/// Settings of a training. With `minutes` the number of steps depends on the machine; with `steps`
/// alone the weights depend on data, configuration and seed only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainConfig {
    /// Seed of every random stream. Default 0.
    pub seed: u64,
    /// Optimiser steps. Default 8,000.
    pub steps: u64,
    /// Budget in minutes instead of steps, including preparation and validations. Default none.
    pub minutes: Option<f64>,
    /// Spans of 256 events in a step. Default 16.
    pub batch: usize,
    /// Spans of a step that are computed at once; it divides `batch`. Default 2.
    pub micro_batch: usize,
    /// Peak learning rate. Default 3e-3.
    pub learning_rate: f64,
    /// Share of the training over which the learning rate rises. Default 0.03.
    pub warm_up: f64,
    /// Learning rate at the end of the training, as a share of its peak. Default 0.01.
    pub floor: f64,
    /// AdamW's decay rates of the moments. Default 0.9 and 0.98.
    pub betas: (f32, f32),
    /// AdamW's weight decay. Default 0.01.
    pub weight_decay: f32,
    /// Largest norm of the gradient. Default 1.
    pub clip: f32,
    /// Share of the spans whose label is hidden in training, so that the generator works without a
    /// label; `hidden_labels` in files. Default 0.1.
    #[serde(rename = "hidden_labels", alias = "label_dropout")]
    pub label_dropout: f64,
    /// Validations during the training. Default 20.
    pub validations: u32,
    /// Spans of each process in a validation, spread evenly over the validation data. Default 64.
    pub validation_spans: usize,
    /// Validations without an improvement after which the training stops. Default 6.
    pub patience: u32,
    /// Bits of a stored weight. Default 32.
    pub precision: Precision,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            steps: 8_000,
            minutes: None,
            batch: 16,
            micro_batch: 2,
            learning_rate: 3e-3,
            warm_up: 0.03,
            floor: 0.01,
            betas: (0.9, 0.98),
            weight_decay: 0.01,
            clip: 1.0,
            label_dropout: 0.1,
            validations: 20,
            validation_spans: 64,
            patience: 6,
            precision: Precision::default(),
        }
    }
}

impl AutoregressiveConfig {
    /// Checks that a training with these settings can start.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        self.train.check()?;
        self.model.check()
    }
}

impl AutoregressiveConfig {
    /// Settings of a training that begins with the weights of another generator: fewer and smaller
    /// steps, validated often, since there is little data and the generator soon knows it by heart.
    pub fn fine_tuning(from: &Autoregressive) -> Self {
        Self {
            model: from.shapes.clone(),
            train: TrainConfig {
                steps: 1_000,
                batch: 4,
                learning_rate: 1e-3,
                floor: 0.1,
                validations: 40,
                ..TrainConfig::default()
            },
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
            // Spans are shuffled by their numbers, which need little memory.
            shuffle_pool: 1 << 24,
            validations: self.validations,
            validation_examples: self.validation_spans,
            patience: self.patience,
        }
    }

    fn check(&self) -> Result<(), Error> {
        self.budget().check()?;
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
            ("floor", self.floor),
            ("label_dropout", self.label_dropout),
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn test_settings_are_one_object_in_files() {
        let settings = json!({"shapes": {"clock": {"width": 8}}, "seed": 3, "hidden_labels": 0.5});
        let config: AutoregressiveConfig = from_value(settings).unwrap();
        assert_eq!((config.model.clock.width, config.train.seed), (8, 3));
        let written = to_value(&config).unwrap();
        assert_eq!(written["hidden_labels"], 0.5);
        assert_eq!(from_value::<AutoregressiveConfig>(written).unwrap(), config);
        let other: AutoregressiveConfig = from_value(json!({"label_dropout": 0.5})).unwrap();
        assert_eq!(other.train.label_dropout, 0.5);
    }

    #[test]
    fn test_unknown_settings_are_refused() {
        for wrong in [json!({"speed": 1}), json!({"train": {"seed": 1}})] {
            let refused = from_value::<AutoregressiveConfig>(wrong.clone());
            assert!(refused.is_err(), "{wrong}");
        }
    }
}
