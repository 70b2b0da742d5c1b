//! Training a baseline: its data, and what it gives to the training loop.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tracecodec::action::OptionProfiles;
use tracecodec::artifact::SourceEntry;
use tracecodec::raw::{
    COLUMNS, Diagnostics, RawRow, Schema, Value, ValueCounts, Vocabularies, categorical,
};
use tracecodec_tensor::{Device as Tensors, Tensor};

use super::batch;
use super::encoding::Encoding;
use super::network::{Network, Optimisation};
use super::table::Table;
use super::{Baseline, BaselineConfig};
use crate::device::Device;
use crate::error::Error;
use crate::model::Kind;
use crate::parallel::default_threads;
use crate::random::{Purpose, stream};
use crate::train::{
    self, Examples, Position, Progress, Report, Session, Task, Update, Validated, Verdict, spread,
};
use crate::weights::Weights;

/// Rows of a digest between two looks at whether to stop.
const ASK_EVERY: usize = 10_000;

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
    /// Rows in memory; the values that vocabularies are made of, of the training rows or of more;
    /// and the dictionary that gives `tcp_opt_profile` its meaning in all of them.
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

    /// Adds the files that the rows came from, which only the manifest uses.
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

    /// The digest by which a checkpoint is matched to a training.
    fn digest(
        &self,
        config: &BaselineConfig,
        encoding: &Encoding,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<String, Error> {
        let mut hasher = blake3::Hasher::new();
        let settings = serde_json::json!([config, encoding, self.profiles.to_hex()]);
        hasher.update(settings.to_string().as_bytes());
        for rows in [&*self.training, &self.validation] {
            hasher.update(&rows.len().to_le_bytes());
            for rows in rows.0.chunks(ASK_EVERY) {
                ask()?;
                for row in rows {
                    for column in COLUMNS {
                        hasher.update(format!("{:?}", column.get(row)).as_bytes());
                    }
                }
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
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

/// The result of a validation of a baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Optimiser steps so far.
    pub step: u64,
    /// The reconstruction objective a row, without noise. Each model has its own objective: values
    /// of different models cannot be compared.
    pub loss: f64,
    /// Share of rows that decode to no packet.
    pub invalid: f64,
    /// Share of active categorical cells that come back, of the rows that decode to packets; `None`
    /// if there are no such rows.
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

impl Validated for Validation {
    fn loss(&self) -> f64 {
        self.loss
    }
}

/// Manifest of the training of a baseline.
pub type Manifest = train::Manifest<Origin, Validation>;

/// Settings and data of the training of a baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Settings.
    pub training: BaselineConfig,
    /// Files that the rows came from.
    pub sources: Vec<SourceEntry>,
    /// Rows to train on.
    pub training_rows: u64,
    /// Rows to select the best weights with, as many as there are.
    pub validation_rows: u64,
    /// Share of the training rows whose value each categorical column's vocabulary has; `None` if
    /// the column is active in no row. Empty for the bit table.
    pub coverage: Vec<(String, Option<f64>)>,
}

/// Trains a baseline and leaves the best one in the session's folder, with `history.jsonl` and
/// `manifest.json`. Checkpoints and `progress` are those of the codec's
/// [`train`](crate::codec::training::train).
///
/// # Errors
/// If a setting is out of its range, there are no rows, a file cannot be read or written, the loss
/// is no longer finite, the training was stopped, or the checkpoint is of other data or settings.
pub fn train(
    config: &BaselineConfig,
    data: &RawData,
    session: &Session<'_>,
    mut progress: impl FnMut(&Progress<'_, Validation>) -> ControlFlow<()>,
) -> Result<(Baseline, Report<Validation>), Error> {
    session.check_cpu()?;
    config.check()?;
    for (name, rows) in [
        ("training", data.training_rows()),
        ("validation", data.validation_rows()),
    ] {
        if rows == 0 {
            return Err(Error::NoData(name));
        }
    }
    let mut ask = train::asking(&mut progress, Progress::preparing());
    let vocabularies = Vocabularies::of(&data.values, &config.model.vocabulary);
    let (table, coverage) = match config.model.schema {
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
    let mut rng = stream(config.train.seed, Purpose::Fit, 0);
    let rows = data.training();
    let model = config.model.model;
    let encoding = Encoding::fit(model, table, rows, &data.profiles, &mut rng, &mut ask)?;
    let run = data.digest(config, &encoding, &mut ask)?;
    drop(ask);
    let origin = Origin {
        training: config.clone(),
        sources: data.sources.clone(),
        training_rows: data.training_rows(),
        validation_rows: data.validation_rows(),
        coverage,
    };
    let report = train::run(
        &mut BaselineTask::new(config, data, encoding, session)?,
        &config.budget(),
        &data.training,
        session,
        &run,
        origin,
        progress,
    )?;
    Ok((Baseline::load(session.folder)?, report))
}

/// A baseline in training.
struct BaselineTask<'a> {
    data: &'a RawData,
    /// The rows of every validation.
    validation: Vec<RawRow>,
    baseline: Baseline,
    optimisation: Optimisation,
}

impl<'a> BaselineTask<'a> {
    fn new(
        config: &BaselineConfig,
        data: &'a RawData,
        encoding: Encoding,
        session: &Session<'_>,
    ) -> Result<Self, Error> {
        let (model, seed) = (config.model.model, config.train.seed);
        let threads = session.threads.unwrap_or_else(default_threads);
        let baseline = Baseline::new(model, seed, encoding, data.profiles.clone())?;
        Ok(Self {
            data,
            validation: Vec::new(),
            optimisation: Optimisation::new(model, &baseline.placed.network),
            baseline: baseline.with_threads(threads),
        })
    }
}

impl Task for BaselineTask<'_> {
    type Example = RawRow;
    type Network = Network;
    type Validation = Validation;

    const KIND: Kind = Kind::Baseline;

    fn network(&self) -> &Network {
        &self.baseline.placed.network
    }

    fn device(&self) -> Device {
        Device::Cpu
    }

    fn tensors(&self) -> &Tensors {
        &self.baseline.placed.tensors
    }

    fn objective(
        &self,
        network: &Network,
        rows: &[RawRow],
        place: u64,
        at: &Position<'_, Validation>,
    ) -> Tensor<1> {
        let mut rng = stream(self.baseline.seed, Purpose::Batch, place);
        let profiles = &self.baseline.profiles;
        let batch = self
            .baseline
            .encoding
            .encode(rows.iter(), profiles, &mut rng);
        let context = batch::StepContext {
            total: at.batch,
            step: at.step,
            beta: self.optimisation.beta(&losses(at)),
        };
        network.objective(&batch, &context, &mut rng)
    }

    fn update(&self, at: &Position<'_, Validation>) -> Update {
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

    fn draw_validation(&mut self, count: usize) -> Result<(), Error> {
        let rows = &self.data.validation;
        self.validation = rows.read(&spread(rows.len(), count as u64))?;
        Ok(())
    }

    fn validate(
        &self,
        training_loss: f64,
        at: &Position<'_, Validation>,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Validation, Error> {
        let rows = &self.validation;
        let (reconstructed, nats) = self.baseline.validated(rows, ask)?;
        let mut profiles = self.baseline.profiles.clone();
        let mut diagnostics = Diagnostics::default();
        for (row, decoded) in rows.iter().zip(reconstructed) {
            decoded.judge(row, &mut profiles, &mut diagnostics);
        }
        Ok(Validation {
            step: at.step,
            loss: nats / rows.len() as f64,
            invalid: diagnostics.rows().rate().unwrap_or_default(),
            accuracy: diagnostics.matches().accuracy(),
            training_loss,
        })
    }

    fn save(&self, directory: &Path) -> Result<String, Error> {
        self.baseline.save(directory)
    }

    fn verdict(&self, best: &Validation) -> Option<Verdict> {
        let guess = guessed(self.data.training(), &self.validation);
        let reason = shortcoming(best, guess)?;
        Some(Verdict {
            reason,
            hint: "train for longer".to_string(),
        })
    }
}

/// What a baseline with this validation lacks to be of use, where always the most frequent value
/// gets this share of the categories right.
fn shortcoming(best: &Validation, guess: Option<f64>) -> Option<String> {
    if best.invalid == 1.0 {
        return Some("not one row of the best validation decodes to a packet".to_string());
    }
    if best.invalid >= 0.5 {
        let invalid = 100.0 * best.invalid;
        return Some(format!(
            "{invalid:.1} % of the rows of the best validation decode to no packet"
        ));
    }
    let (accuracy, guess) = (best.accuracy?, guess?);
    (accuracy <= guess).then(|| {
        format!(
            "the best validation has {:.1} % of the categories right, and always the most frequent value {:.1} %",
            100.0 * accuracy,
            100.0 * guess
        )
    })
}

/// Share of the active categorical cells of rows that the most frequent value of their column in
/// the training rows gets right; `None` if there are no such cells.
fn guessed(training: &[RawRow], rows: &[RawRow]) -> Option<f64> {
    let (mut right, mut all) = (0, 0);
    for column in categorical() {
        let values = |rows: &[RawRow]| -> Vec<Value> {
            let active = rows.iter().filter(|row| column.active.covers(row.block()));
            active.map(|row| column.get(row)).collect()
        };
        let mut counts = BTreeMap::new();
        for value in values(training) {
            *counts.entry(value).or_insert(0) += 1;
        }
        let guess = counts.iter().max_by_key(|(_, count)| **count);
        let guess = guess.map(|(value, _)| *value);
        let values = values(rows);
        all += values.len();
        right += values
            .into_iter()
            .filter(|value| Some(*value) == guess)
            .count();
    }
    (all > 0).then(|| right as f64 / all as f64)
}

/// Losses of the validations so far.
fn losses(at: &Position<'_, Validation>) -> Vec<f64> {
    at.validations.iter().map(Validated::loss).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_useless_baselines_are_told() {
        let told = |invalid, accuracy| {
            let best = Validation {
                step: 4,
                loss: 1.0,
                invalid,
                accuracy,
                training_loss: 1.0,
            };
            shortcoming(&best, Some(0.6)).unwrap_or_default()
        };
        assert_eq!(told(0.1, Some(0.9)), "");
        assert!(told(1.0, None).contains("not one row"));
        assert!(told(0.97, Some(0.9)).starts_with("97.0 % of the rows"));
        assert!(told(0.0, Some(0.6)).contains("always the most frequent value 60.0 %"));
    }

    #[test]
    fn test_a_guess_takes_the_most_frequent_value() {
        let row = |last| RawRow {
            src_ip: [192, 0, 2, last].into(),
            ..RawRow::default()
        };
        let rows = [row(1), row(1), row(2)];
        let guess = guessed(&rows, &rows).unwrap();
        let others = guessed(&rows[2..], &rows).unwrap();
        assert!(guess > 0.9 && guess <= 1.0, "{guess}");
        assert!(others <= guess, "{others}");
        assert_eq!(guessed(&rows, &[]), None);
    }
}
