//! Settings of a baseline and its training.

use serde::{Deserialize, Serialize};
use tracecodec::choice::Choice;
use tracecodec::raw::{Schema, VocabularyPolicy};

use crate::error::Error;
use crate::train::{Budget, positive};

/// The published models. Where the published code has a defect, there is a variant of the model as
/// its paper intends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// TVAE (Xu et al., NeurIPS 2019): a perceptron over modes and one-hot codes.
    Tvae,
    /// TabSyn-VAE (Zhang et al., ICLR 2024): a Transformer over the columns of a row.
    TabsynVae,
    /// GOGGLE (Liu et al., ICLR 2023): a learned graph over the columns. Its node functions are
    /// never trained.
    Goggle,
    /// GOGGLE with trained node functions.
    GoggleIntended,
    /// TTVAE (Wang and Nguyen, 2025): a Transformer whose attention mixes the rows of a batch, and
    /// a faulty divergence.
    Ttvae,
    /// TTVAE with each row by itself, and the divergence of its paper.
    TtvaeIntended,
}

impl Choice for Model {
    const WHAT: &'static str = "model";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Tvae, "tvae", "TVAE, as published"),
        (
            Self::TabsynVae,
            "tabsyn-vae",
            "TabSyn's variational autoencoder, as published",
        ),
        (
            Self::Goggle,
            "goggle",
            "GOGGLE as published: its node functions are never trained",
        ),
        (
            Self::GoggleIntended,
            "goggle-intended",
            "GOGGLE with trained node functions",
        ),
        (
            Self::Ttvae,
            "ttvae",
            "TTVAE as published: attention mixes the rows of a batch, and its divergence sees the wrong deviation",
        ),
        (
            Self::TtvaeIntended,
            "ttvae-intended",
            "TTVAE with each row by itself, and the divergence of its paper",
        ),
    ];
}

impl Model {
    /// Rows of an optimiser step, as published.
    fn batch(self) -> usize {
        match self {
            Self::Tvae | Self::Ttvae | Self::TtvaeIntended => 500,
            Self::TabsynVae => 4_096,
            Self::Goggle | Self::GoggleIntended => 32,
        }
    }

    /// Rows of a step that are computed at a time. TTVAE's divergence compares all rows of a step
    /// with each other.
    fn micro_batch(self) -> usize {
        match self {
            Self::Tvae => 250,
            Self::TabsynVae => 256,
            model => model.batch(),
        }
    }

    /// Most optimiser steps in the paper, and how many times it validates on the way (its Appendix
    /// F).
    fn budget(self) -> (u64, u32) {
        match self {
            Self::TabsynVae => (15_000, 15),
            _ => (100_000, 20),
        }
    }
}

/// Rows whose values vocabularies are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VocabularyRows {
    /// The rows of all splits.
    #[default]
    All,
    /// The training rows alone.
    Training,
}

impl Choice for VocabularyRows {
    const WHAT: &'static str = "vocabulary";

    const TABLE: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::All,
            "all",
            "The values of all splits: no row is invalid for want of a value, though values that no training row has cannot be learned",
        ),
        (
            Self::Training,
            "training",
            "The values of the training split: a row with any other is invalid, whatever the model",
        ),
    ];
}

/// Settings of a baseline and its training; one object in files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineConfig {
    /// The model and its table.
    #[serde(flatten)]
    pub model: ModelConfig,
    /// Settings of the training.
    #[serde(flatten)]
    pub train: TrainConfig,
}

/// Which baseline, and of which table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// The model.
    pub model: Model,
    /// The table that the baseline is a codec of.
    pub schema: Schema,
    /// Which values its vocabularies keep. The bit table has none.
    pub vocabulary: VocabularyPolicy,
    /// Rows whose values the vocabularies are made of: recorded only, since
    /// [`RawData`](super::RawData) comes with the values counted.
    pub vocabulary_rows: VocabularyRows,
}

/// Settings of a training. The optimiser's are those of the published code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Seed of every random stream. Default 0.
    pub seed: u64,
    /// Optimiser steps. Default: the paper's budget, 100,000, or 15,000 for TabSyn-VAE.
    pub steps: u64,
    /// Budget in minutes instead of steps, preparation and validations included. Default none.
    pub minutes: Option<f64>,
    /// Validations during the training. Default 20, or 15 for TabSyn-VAE.
    pub validations: u32,
    /// Rows of a validation, spread evenly over the validation data. Default 8,192.
    pub validation_rows: usize,
    /// Validations without an improvement after which the training stops. Default 8.
    pub patience: u32,
}

impl BaselineConfig {
    /// The settings of the paper.
    pub fn new(model: Model, schema: Schema) -> Self {
        let (steps, validations) = model.budget();
        Self {
            model: ModelConfig {
                model,
                schema,
                vocabulary: VocabularyPolicy::default(),
                vocabulary_rows: VocabularyRows::default(),
            },
            train: TrainConfig {
                seed: 0,
                steps,
                minutes: None,
                validations,
                validation_rows: 8_192,
                patience: 8,
            },
        }
    }

    /// Checks that the settings agree with each other.
    ///
    /// # Errors
    /// If one is out of its range, or if GOGGLE or TabSyn-VAE is to read the bit table.
    pub fn check(&self) -> Result<(), Error> {
        let has_tokens = matches!(
            self.model.model,
            Model::Goggle | Model::GoggleIntended | Model::TabsynVae
        );
        if has_tokens && self.model.schema == Schema::Bits {
            return Err(Error::Config {
                name: "schema",
                value: "bits".to_string(),
                reason: "GOGGLE and TabSyn-VAE relate each column to each other, and a thousand bits are too many for that",
            });
        }
        positive("validation_rows", self.train.validation_rows as f64)?;
        self.budget().check()
    }

    /// The settings that the training loop reads.
    pub(super) fn budget(&self) -> Budget {
        let train = &self.train;
        Budget {
            seed: train.seed,
            steps: train.steps,
            minutes: train.minutes,
            batch: self.model.model.batch(),
            micro_batch: self.model.model.micro_batch(),
            shuffle_pool: 131_072,
            validations: train.validations,
            validation_examples: train.validation_rows,
            patience: train.patience,
        }
    }
}
