//! Training a baseline: data, and what the training loop is told of it.

use std::fmt;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device as Tensors, Tensor};
use serde::{Deserialize, Serialize};
use tracecodec::action::OptionProfiles;
use tracecodec::artifact::{SourceEntry, TOOL};
use tracecodec::raw::{COLUMNS, Diagnostics, RawRow, Schema, ValueCounts, Vocabularies};

use super::batch;
use super::encoding::Encoding;
use super::network::{Network, Optimisation};
use super::table::Table;
use super::{Baseline, BaselineConfig};
use crate::device::Device;
use crate::error::Error;
use crate::files;
use crate::random::{Purpose, stream};
use crate::train::{self, Examples, Judged, Moment, Progress, Report, Task, Update, spread};
use crate::weights::Weights;

/// Rows of a raw packet table to train on and to select the best weights with.
#[derive(Debug, Clone)]
pub struct RawData {
    training: Arc<Rows>,
    validation: Rows,
    values: ValueCounts,
    profiles: OptionProfiles,
    sources: Vec<SourceEntry>,
}

/// Rows in their order.
#[derive(Debug, Clone)]
struct Rows(Vec<RawRow>);

impl RawData {
    /// Rows in memory; the values that vocabularies are made of, of the training rows or of more; and the dictionary that gives
    /// `tcp_opt_profile` its meaning in all of them.
    pub fn new(
        training: Vec<RawRow>,
        validation: Vec<RawRow>,
        values: ValueCounts,
        profiles: OptionProfiles,
    ) -> Self {
        Self {
            training: Arc::new(Rows(training)),
            validation: Rows(validation),
            values,
            profiles: profiles.freeze(),
            sources: Vec::new(),
        }
    }

    /// The same data, and the files that they came from: for the manifest alone.
    pub fn with_sources(mut self, sources: Vec<SourceEntry>) -> Self {
        self.sources = sources;
        self
    }

    /// The rows to train on.
    pub fn training(&self) -> &[RawRow] {
        &self.training.0
    }

    /// How many rows there are to train on.
    pub fn training_rows(&self) -> u64 {
        self.training.len()
    }

    /// Rows to select the best weights with, as many as there are.
    pub fn validation_rows(&self) -> u64 {
        self.validation.len()
    }

    /// The digest that tells whether a checkpoint belongs to a training.
    fn digest(&self, config: &BaselineConfig, encoding: &Encoding) -> String {
        let mut hasher = blake3::Hasher::new();
        let settings = serde_json::json!([config, encoding, self.profiles.to_hex()]);
        hasher.update(settings.to_string().as_bytes());
        for rows in [&*self.training, &self.validation] {
            hasher.update(&rows.len().to_le_bytes());
            for row in &rows.0 {
                for column in COLUMNS {
                    hasher.update(format!("{:?}", column.get(row)).as_bytes());
                }
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

impl Examples for Rows {
    type Example = RawRow;

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, runs: &[Range<u64>]) -> Result<Vec<RawRow>, Error> {
        let runs = runs
            .iter()
            .flat_map(|run| &self.0[run.start as usize..run.end as usize]);
        Ok(runs.copied().collect())
    }
}

/// What a validation of a baseline finds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Optimiser steps so far.
    pub step: u64,
    /// The reconstruction objective a row, without noise. Of each model its own: those of different models cannot be compared.
    pub loss: f64,
    /// Share of rows that decode to no packet.
    pub invalid: f64,
    /// Share of active categorical cells of the other rows that come back; none if there are no others.
    pub accuracy: Option<f64>,
    /// Mean objective of the training since the last validation, noise included.
    pub training_loss: f64,
}

impl fmt::Display for Validation {
    /// As in `loss 12.345, 3.10 % invalid, 81.20 % of categories`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let invalid = 100.0 * self.invalid;
        write!(f, "loss {:.4}, {invalid:.2} % invalid", self.loss)?;
        match self.accuracy {
            Some(accuracy) => write!(f, ", {:.2} % of categories", 100.0 * accuracy),
            None => Ok(()),
        }
    }
}

impl Judged for Validation {
    fn loss(&self) -> f64 {
        self.loss
    }
}

/// `manifest.json` of a baseline's training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingManifest {
    /// `tracecodec.baseline-training`.
    pub format: String,
    /// Version of the manifest, 1.
    pub version: u32,
    /// Program and version.
    pub tool: String,
    /// Settings.
    pub training: BaselineConfig,
    /// Files that the rows came from.
    pub sources: Vec<SourceEntry>,
    /// Rows to train on.
    pub training_rows: u64,
    /// Rows to select the best weights with, as many as there are.
    pub validation_rows: u64,
    /// Share of the training rows whose value each categorical column's vocabulary has; none where the column is active in no row. Empty for
    /// the bit table.
    pub coverage: Vec<(String, Option<f64>)>,
    /// Optimiser steps.
    pub steps: u64,
    /// Whether patience ran out before the budget did.
    pub stopped_early: bool,
    /// The validation of the weights that were kept.
    pub best: Validation,
    /// Number of weights.
    pub weight_count: usize,
    /// BLAKE3 digest of the weights' file.
    pub weights_blake3: String,
}

/// Trains a baseline and leaves the best one in a directory, with `history.jsonl` and `manifest.json`. Checkpoints, `progress` and `resume`
/// are those of the codec's [`train`](crate::codec::training::train).
///
/// # Errors
/// If a setting is out of its range, there are no rows, a file cannot be read or written, the loss is no longer finite, the training was
/// stopped, or the checkpoint is of other data or settings.
pub fn train(
    config: &BaselineConfig,
    data: &RawData,
    directory: &Path,
    resume: bool,
    progress: impl FnMut(&Progress<'_, Validation>) -> ControlFlow<()>,
) -> Result<(Baseline, Report<Validation>), Error> {
    config.check()?;
    for (name, rows) in [
        ("training", data.training_rows()),
        ("validation", data.validation_rows()),
    ] {
        if rows == 0 {
            return Err(Error::NoData(name));
        }
    }
    let vocabularies = Vocabularies::of(&data.values, &config.vocabulary);
    let (table, coverage) = match config.schema {
        Schema::Columns => {
            let mut training = ValueCounts::default();
            data.training().iter().for_each(|row| training.add(row));
            let coverage = vocabularies.coverage(&training);
            let coverage = coverage.map(|(column, share)| (column.name.to_string(), share));
            let coverage = coverage.collect();
            (Table::Columns(vocabularies), coverage)
        }
        Schema::Bits => (Table::Bits, Vec::new()),
    };
    let mut rng = stream(config.seed, Purpose::Fit, 0);
    let rows = data.training();
    let encoding = Encoding::fit(config.model, table, rows, &data.profiles, &mut rng);
    let run = data.digest(config, &encoding);
    let mut task = BaselineTask::new(config, data, encoding)?;
    let outcome = train::run(
        &mut task,
        &config.budget(),
        &data.training,
        directory,
        &run,
        resume,
        progress,
    )?;
    let report = &outcome.report;
    let manifest = TrainingManifest {
        format: "tracecodec.baseline-training".to_string(),
        version: 1,
        tool: TOOL.to_string(),
        training: config.clone(),
        sources: data.sources.clone(),
        training_rows: data.training_rows(),
        validation_rows: data.validation_rows(),
        coverage,
        steps: report.steps,
        stopped_early: report.stopped_early,
        best: report.best.clone(),
        weight_count: task.baseline.weight_count(),
        weights_blake3: outcome.digest.clone(),
    };
    files::write_json(&directory.join("manifest.json"), &manifest)?;
    let report = outcome.close()?;
    Ok((Baseline::load(directory)?, report))
}

/// A baseline in training.
struct BaselineTask {
    /// The rows of every validation.
    validation: Vec<RawRow>,
    baseline: Baseline,
    optimisation: Optimisation,
}

impl BaselineTask {
    fn new(config: &BaselineConfig, data: &RawData, encoding: Encoding) -> Result<Self, Error> {
        let runs = spread(data.validation_rows(), config.validation_rows as u64);
        let profiles = data.profiles.clone();
        let mut baseline = Baseline::new(config.model, config.seed, encoding, profiles)?;
        if let Some(threads) = config.threads {
            baseline = baseline.with_threads(threads);
        }
        Ok(Self {
            validation: data.validation.read(&runs)?,
            optimisation: Optimisation::new(config.model, &baseline.network),
            baseline,
        })
    }
}

impl Task for BaselineTask {
    type Example = RawRow;
    type Network = Network;
    type Validation = Validation;

    fn network(&self) -> &Network {
        &self.baseline.network
    }

    fn device(&self) -> Device {
        Device::Cpu
    }

    fn tensors(&self) -> &Tensors {
        &self.baseline.tensors
    }

    fn objective(
        &self,
        network: &Network,
        rows: &[RawRow],
        place: u64,
        at: &Moment<'_, Validation>,
    ) -> Tensor<1> {
        let mut rng = stream(self.baseline.seed, Purpose::Batch, place);
        let profiles = &self.baseline.profiles;
        let batch = self
            .baseline
            .encoding
            .encode(rows.iter(), profiles, &mut rng);
        let moment = batch::Moment {
            total: at.batch,
            step: at.step,
            beta: self.optimisation.beta(&losses(at)),
        };
        network.objective(&batch, &moment, &mut rng)
    }

    fn update(&self, at: &Moment<'_, Validation>) -> Update {
        let training_losses: Vec<f64> = at.validations.iter().map(|v| v.training_loss).collect();
        self.optimisation
            .update(at.step, &losses(at), &training_losses)
    }

    fn constrain(&self, weights: &mut [f32]) {
        self.optimisation.constrain(weights);
    }

    fn set_weights(&mut self, weights: &Weights) {
        self.baseline.set_weights(weights);
    }

    fn validate(
        &self,
        training_loss: f64,
        at: &Moment<'_, Validation>,
    ) -> Result<Validation, Error> {
        let rows = &self.validation;
        let mut profiles = self.baseline.profiles.clone();
        let mut diagnostics = Diagnostics::default();
        for (row, decoded) in rows.iter().zip(self.baseline.reconstruct(rows)) {
            decoded.judge(row, &mut profiles, &mut diagnostics);
        }
        Ok(Validation {
            step: at.step,
            loss: self.baseline.surprise(rows) / rows.len() as f64,
            invalid: diagnostics.rows().rate().unwrap_or_default(),
            accuracy: diagnostics.matches().accuracy(),
            training_loss,
        })
    }

    fn save(&self, directory: &Path) -> Result<String, Error> {
        self.baseline.save(directory)
    }
}

/// Losses of the validations so far.
fn losses(at: &Moment<'_, Validation>) -> Vec<f64> {
    at.validations.iter().map(Judged::loss).collect()
}
