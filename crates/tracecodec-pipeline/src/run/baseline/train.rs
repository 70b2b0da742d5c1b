//! `baseline train`: a raw-field baseline from shards.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::choice::Choice;
use tracecodec::raw::Schema;
use tracecodec_nn::Device;
use tracecodec_nn::baseline::{self, BaselineConfig, Model, Validation, VocabularyRows};
use tracecodec_nn::model::Kind;

use crate::dataset::{DataSet, rows};
use crate::disclosure::Disclosure;
use crate::error::Error;
use crate::files::ReadPolicy;
use crate::monitor::Monitor;
use crate::training::{self, Training};

/// What to train a baseline on, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// Folders of shards.
    pub shards: Vec<PathBuf>,
    /// The baseline.
    pub model: Model,
    /// The raw packet table.
    #[serde(default)]
    pub schema: Schema,
    /// Which values the vocabularies of addresses, ports and other codes may have.
    #[serde(default)]
    pub vocabulary: VocabularyRows,
    /// Validations in the course of the training; the weights of the best one are kept. `None`: 20,
    /// of TabSyn-VAE 15.
    #[serde(default)]
    pub validations: Option<u32>,
    /// Folder, budget and the like. The default budget is the paper's, which takes hours.
    #[serde(flatten)]
    pub training: Training,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
    /// What of the captures is disclosed.
    #[serde(flatten)]
    pub disclosure: Disclosure,
}

impl Config {
    /// A baseline with the default settings, of no shards yet.
    pub fn new(model: Model) -> Self {
        Self {
            shards: Vec::new(),
            model,
            schema: Schema::default(),
            vocabulary: VocabularyRows::default(),
            validations: None,
            training: Training::default(),
            read: ReadPolicy::default(),
            disclosure: Disclosure::default(),
        }
    }
}

/// What was trained.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Path of the baseline's folder.
    pub output: String,
    /// Name of the baseline.
    pub model: &'static str,
    /// Rows of the training split.
    pub training_rows: u64,
    /// Rows of the validation split.
    pub validation_rows: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// Whether patience ran out before the budget did.
    pub stopped_early: bool,
    /// Training rows a second, validations aside.
    pub rows_per_second: f64,
    /// The validation of the weights that were kept.
    pub best: Validation,
}

/// Trains a baseline on the training split; it is chosen by the validation split.
///
/// # Errors
/// If a setting is wrong, shards cannot be read, the folder holds something, or the monitor stops
/// it: then a checkpoint is left, if there was a first step, which `resume` continues from.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    let session = config.training.session(Device::Cpu);
    let mut settings = BaselineConfig::new(config.model, config.schema);
    let train = &mut settings.train;
    config
        .training
        .apply(&mut train.seed, &mut train.steps, &mut train.minutes);
    train.validations = config.validations.unwrap_or(train.validations);
    settings.model.vocabulary_rows = config.vocabulary;
    settings.check()?;
    config.training.claim(Kind::Baseline, None)?;
    let set = DataSet::of_shards(&config.shards)?;
    let disclosure = &config.disclosure;
    let data = rows::prepare(&set, config.vocabulary, &config.read, disclosure, monitor)?;
    let progress = training::progress(monitor, "rows");
    let (_, report) = baseline::train(&settings, &data, &session, progress)?;
    training::warn(&report, monitor);
    Ok(Outcome {
        output: config.training.output.display().to_string(),
        model: config.model.name(),
        training_rows: data.training_rows(),
        validation_rows: data.validation_rows(),
        steps: report.steps,
        stopped_early: report.stopped_early,
        rows_per_second: report.examples_per_second,
        best: report.best,
    })
}
