//! Settings of a flow-matching generator and its training, and the presets.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracecodec::choice::Choice;

use crate::error::Error;
use crate::train::{Budget, positive, rule};

/// Named settings of a generator and its training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The settings [`FlowMatchingConfig::small`].
    #[default]
    Small,
    /// The settings [`FlowMatchingConfig::paper`].
    Paper,
}

impl Choice for Preset {
    const WHAT: &'static str = "preset";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Small, "small", "For two cores and less than an hour"),
        (Self::Paper, "paper", "The paper's, for a large GPU"),
    ];
}

/// Settings of a generator and its training. Default: [`small`](Self::small).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowMatchingConfig {
    /// Shape of the generator; `network` in files.
    #[serde(rename = "network")]
    pub model: NetworkConfig,
    /// Settings of the training.
    pub train: TrainConfig,
}

/// Shape of a generator. Defaults are the small preset's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Number of Transformer blocks. Default 4.
    pub layers: usize,
    /// Width of a token, a multiple of `heads`. Default 128.
    pub width: usize,
    /// Number of attention heads. Default 4.
    pub heads: usize,
    /// Width of the feed-forward layers, as a multiple of `width`. Default 4.
    pub ratio: usize,
    /// Rows of the prefix that the generator reads; 0 for none. Default 128.
    pub prefix: usize,
    /// Rows of the suffix that it generates at once. Default 128.
    pub suffix: usize,
    /// What the rows of the prefix attend to. Default `prefix`; `window` in a description without
    /// it.
    #[serde(default)]
    pub prefix_sees: PrefixSees,
}

/// What the rows of a prefix attend to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrefixSees {
    /// All rows of the window, as in the paper.
    #[default]
    Window,
    /// The rows of the prefix alone. It is read once a window then, not again with each evaluation
    /// of the velocity, so that sampling takes two thirds of the time or less.
    Prefix,
}

/// Settings of a training. Defaults are the small preset's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed of every random stream. Default 0.
    pub seed: u64,
    /// Optimiser steps. Default 2,000.
    pub steps: u64,
    /// Budget in minutes instead of steps, including preparation and validations. Default none.
    pub minutes: Option<f64>,
    /// Windows in a step. Default 16.
    pub batch: usize,
    /// Windows of a step that are computed at once; it divides `batch`. Default 4.
    pub micro_batch: usize,
    /// Windows that are shuffled together and kept in memory, in chunks of 16; another pool is read
    /// ahead. Default 1,024.
    pub shuffle_pool: usize,
    /// Rows between the suffixes of neighbouring windows. Default 64.
    pub stride: usize,
    /// How often an epoch repeats the windows without a whole prefix, which show how sequences
    /// begin. Default 4.
    pub starts: usize,
    /// Dropout rate of the blocks' outputs. Default 0.
    pub dropout: f32,
    /// Share of the windows whose label is hidden in training. Default 0.1.
    pub label_dropout: f64,
    /// Weight of the time channel in the loss; the other channels have weight 1. Default 0.04.
    pub time_weight: f64,
    /// Peak learning rate. Default 1e-3.
    pub learning_rate: f64,
    /// Share of the training over which the learning rate rises. Default 0.05.
    pub warm_up: f64,
    /// Learning rate at the end, as a share of its peak. Default 0.05.
    pub rate_floor: f64,
    /// AdamW's decay rates of the moments. Default 0.9 and 0.999.
    pub betas: (f32, f32),
    /// AdamW's epsilon. Default 1e-8.
    pub epsilon: f32,
    /// AdamW's weight decay. Default 0.01.
    pub weight_decay: f32,
    /// Largest norm of the gradient. Default 1.
    pub clip: f32,
    /// Decay rate of the weights' moving average; None for no average. Default 0.999.
    pub ema_decay: Option<f64>,
    /// Validations during the training. Default 20.
    pub validations: u32,
    /// Windows of a validation, spread evenly over the validation data. Default 128.
    pub validation_windows: usize,
    /// Validations without an improvement after which the training stops. Default 20: never.
    pub patience: u32,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            layers: 4,
            width: 128,
            heads: 4,
            ratio: 4,
            prefix: 128,
            suffix: 128,
            prefix_sees: PrefixSees::Prefix,
        }
    }
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            steps: 2_000,
            minutes: None,
            batch: 16,
            micro_batch: 4,
            shuffle_pool: 1_024,
            stride: 64,
            starts: 4,
            dropout: 0.0,
            label_dropout: 0.1,
            time_weight: 0.04,
            learning_rate: 1e-3,
            warm_up: 0.05,
            rate_floor: 0.05,
            betas: (0.9, 0.999),
            epsilon: 1e-8,
            weight_decay: 0.01,
            clip: 1.0,
            ema_decay: Some(0.999),
            validations: 20,
            validation_windows: 128,
            patience: 20,
        }
    }
}

impl FlowMatchingConfig {
    /// A generator that two cores train in less than an hour.
    pub fn small() -> Self {
        Self::default()
    }

    /// The paper's generator (its "Latent-interface training protocol"), with a warm-up of 1,000
    /// steps. It is meant for a large GPU.
    pub fn paper() -> Self {
        Self {
            model: NetworkConfig {
                layers: 12,
                width: 768,
                heads: 12,
                ratio: 4,
                prefix: 1_024,
                suffix: 1_024,
                prefix_sees: PrefixSees::Window,
            },
            train: TrainConfig {
                steps: 32_000,
                batch: 80,
                micro_batch: 1,
                shuffle_pool: 512,
                stride: 512,
                starts: 1,
                dropout: 0.05,
                learning_rate: 2e-4,
                warm_up: 1_000.0 / 32_000.0,
                rate_floor: 0.2,
                ema_decay: Some(0.9999),
                validations: 64,
                validation_windows: 512,
                patience: 64,
                ..TrainConfig::default()
            },
        }
    }

    /// The settings of a preset.
    pub fn preset(preset: Preset) -> Self {
        match preset {
            Preset::Small => Self::small(),
            Preset::Paper => Self::paper(),
        }
    }

    /// These settings, changed by an object of settings, as in `{"train": {"seed": 1}}`.
    ///
    /// # Errors
    /// If a setting is unknown or of another type.
    pub fn with(&self, settings: &Value) -> Result<Self, serde_json::Error> {
        let mut merged = serde_json::to_value(self)?;
        merge(&mut merged, settings);
        serde_json::from_value(merged)
    }

    /// Checks that a training with these settings can start.
    ///
    /// # Errors
    /// If a setting is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        self.model.check()?;
        self.train.check()
    }
}

/// Replaces the values of one object by those of another.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

impl NetworkConfig {
    /// Number of tokens of a window.
    pub(super) fn tokens(&self) -> usize {
        self.prefix + self.suffix
    }

    /// Lower bound of the number of weights of a generator of this shape: the weights of the
    /// perceptrons and of the places of rows.
    pub(super) fn least_weights(&self) -> usize {
        self.width * (2 * self.layers * self.ratio * self.width + self.tokens())
    }

    /// Number of attention weights of a block over a window.
    pub(super) fn attention_weights(&self) -> usize {
        self.heads * self.tokens() * self.tokens()
    }

    /// Checks that a generator of this shape can be built.
    ///
    /// # Errors
    /// If a number is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        for (name, size, least, most) in [
            ("layers", self.layers, 1, 256),
            ("width", self.width, 1, 8_192),
            ("ratio", self.ratio, 1, 64),
            ("prefix", self.prefix, 0, 65_536),
            ("suffix", self.suffix, 1, 65_536),
        ] {
            let holds = (least..=most).contains(&size);
            let reason = "must be positive (a prefix may be 0) and of a size that can be trained";
            rule(name, size as f64, holds, reason)?;
        }
        let is_whole = self.heads > 0 && self.width.is_multiple_of(self.heads);
        rule("heads", self.heads as f64, is_whole, "must divide width")
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
            validation_examples: self.validation_windows,
            patience: self.patience,
        }
    }

    fn check(&self) -> Result<(), Error> {
        self.budget().check()?;
        positive("stride", self.stride as f64)?;
        positive("starts", self.starts as f64)?;
        positive("validation_windows", self.validation_windows as f64)?;
        positive("learning_rate", self.learning_rate)?;
        positive("clip", self.clip.into())?;
        let not_negative = |name, value| rule(name, value, value >= 0.0, "must not be negative");
        not_negative("time_weight", self.time_weight)?;
        let share = |name, value| {
            let holds = (0.0..=1.0).contains(&value);
            rule(name, value, holds, "must be between 0 and 1")
        };
        share("label_dropout", self.label_dropout)?;
        share("warm_up", self.warm_up)?;
        share("rate_floor", self.rate_floor)?;
        let part = |name, value| {
            let holds = (0.0..1.0).contains(&value);
            rule(name, value, holds, "must be at least 0 and less than 1")
        };
        part("dropout", self.dropout.into())?;
        part("ema_decay", self.ema_decay.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn test_presets_are_sound() {
        FlowMatchingConfig::small().check().unwrap();
        FlowMatchingConfig::paper().check().unwrap();
    }

    #[test]
    fn test_settings_win_over_a_preset() {
        let settings = json!({"train": {"seed": 7, "ema_decay": null}, "network": {"layers": 2}});
        let config = FlowMatchingConfig::paper().with(&settings).unwrap();
        assert_eq!((config.model.layers, config.model.width), (2, 768));
        assert_eq!((config.train.seed, config.train.ema_decay), (7, None));
        assert_eq!(config.train.steps, 32_000);
        for wrong in [
            json!({"trian": {}}),
            json!({"train": {"speed": 1}}),
            json!([]),
        ] {
            assert!(FlowMatchingConfig::small().with(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn test_settings_out_of_range_are_refused() {
        for wrong in [
            json!({"network": {"heads": 3}}),
            json!({"network": {"suffix": 0}}),
            json!({"train": {"micro_batch": 3}}),
            json!({"train": {"ema_decay": 1.0}}),
            json!({"train": {"dropout": 1.0}}),
            json!({"train": {"stride": 0}}),
        ] {
            let config = FlowMatchingConfig::small().with(&wrong).unwrap();
            assert!(config.check().is_err(), "{wrong}");
        }
    }
}
