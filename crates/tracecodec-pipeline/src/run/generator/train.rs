//! `generator train`: a generator from captures, or from latent sequences.

use std::fmt::Display;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracecodec::output::is_pipe;
use tracecodec_nn::generator::Sequences;
use tracecodec_nn::generator::autoregressive::{self, AutoregressiveConfig};
use tracecodec_nn::generator::flow_matching::{self, FlowMatchingConfig, Preset};
use tracecodec_nn::model::Kind;
use tracecodec_nn::train::Report;
use tracecodec_nn::{Device, Precision};

use crate::dataset::{DataSet, event_sequences};
use crate::disclosure::Disclosure;
use crate::error::Error;
use crate::files::{ReadPolicy, document};
use crate::lifting::Lifting;
use crate::model::ModelName;
use crate::monitor::Monitor;
use crate::report::model_card;
use crate::settings;
use crate::training::{self, Training};

/// What to train a generator on, and how.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Captures and folders of shards, in any mix, which train the autoregressive generator; or one
    /// folder of latent sequences, which trains flow matching.
    pub data: Vec<PathBuf>,
    /// Folder, budget and the like.
    #[serde(flatten)]
    pub training: Training,
    /// Version of the action schema that an autoregressive generator learns: 1 is the paper's.
    /// `None`: the latest, with hosts and services.
    #[serde(default)]
    pub schema: Option<u32>,
    /// Autoregressive generator whose weights the training begins with; `None`: fresh weights. Its
    /// version of the action schema is kept, and its labels, to which new ones are added.
    #[serde(default)]
    pub from_model: Option<ModelName>,
    /// Label each capture with its name. Shards have the label that they were cut with.
    #[serde(default)]
    pub label_by_name: bool,
    /// Settings of flow matching to begin with; `None`: the small ones.
    #[serde(default)]
    pub preset: Option<Preset>,
    /// Settings of generator and training; what is not named has the preset's value, or its
    /// default.
    #[serde(default = "settings::none")]
    pub settings: Value,
    /// Store weights of the autoregressive generator with half the precision and half the size.
    #[serde(default)]
    pub half: bool,
    /// Where flow matching computes.
    #[serde(default)]
    pub device: Device,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
    /// What of the captures is disclosed.
    #[serde(flatten)]
    pub disclosure: Disclosure,
}

/// What was trained.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Path of the generator's folder.
    pub output: String,
    /// The kind of generator: `autoregressive` or `flow-matching`.
    pub backbone: &'static str,
    /// Optimiser steps.
    pub steps: u64,
    /// Whether patience ran out before the budget did.
    pub stopped_early: bool,
    /// Windows of flow matching, or spans of 256 events of the autoregressive generator, a second.
    pub examples_per_second: f64,
    /// The validation of the weights that were kept.
    pub best: Validation,
    /// What `examples_per_second` counts.
    #[serde(skip)]
    pub examples: &'static str,
}

/// A validation of either kind of generator.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Validation {
    /// Of an autoregressive generator.
    Autoregressive(autoregressive::Validation),
    /// Of flow matching.
    FlowMatching(flow_matching::Validation),
}

impl Display for Validation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Autoregressive(validation) => validation.fmt(f),
            Self::FlowMatching(validation) => validation.fmt(f),
        }
    }
}

/// Trains a generator, and writes it, its manifest and its history into a folder; of an
/// autoregressive one a model card, too.
///
/// # Errors
/// If a setting is wrong, data cannot be read, the folder holds something, or the monitor stops it:
/// then a checkpoint is left, if there was a first step, which `resume` continues from.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    // Otherwise settings would be taken for those of captures, and refused for a reason that
    // misleads.
    let is_there = |path: &&PathBuf| path.try_exists().unwrap_or(true) || is_pipe(path);
    if let Some(missing) = config.data.iter().find(|path| !is_there(path)) {
        return Err(Error::refused(
            format!("{}: no such file or folder", missing.display()),
            "name captures, folders of shards, or one folder of latent sequences",
        ));
    }
    let sequences = config.data.iter().find(|path| Sequences::is_in(path));
    match sequences {
        None => autoregressive(config, monitor),
        Some(_) if config.data.len() == 1 => flow_matching(config, monitor),
        Some(folder) => Err(Error::refused(
            format!("{}: latent sequences beside other data", folder.display()),
            "latent sequences train flow matching, one folder alone; several folders of shards can become one of sequences",
        )),
    }
}

fn autoregressive(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    if config.preset.is_some() || config.device != Device::Cpu {
        return Err(Error::refused(
            "`preset` and `device` are for flow matching",
            "captures train the autoregressive generator, on the CPU; latent sequences train flow matching",
        ));
    }
    let session = config.training.session(Device::Cpu);
    let from = config.from_model.as_ref();
    let from = from.map(|from| from.load_autoregressive()).transpose()?;
    let from = from.as_ref();
    let defaults = from.map_or_else(Default::default, AutoregressiveConfig::fine_tuning);
    let mut settings = settings::over(&defaults, &config.settings)?;
    let train = &mut settings.train;
    config
        .training
        .apply(&mut train.seed, &mut train.steps, &mut train.minutes);
    if config.half {
        train.precision = Precision::Half;
    }
    settings.check()?;
    let lifting = Lifting {
        schema: match (from, config.schema) {
            (Some(from), None) => Some(from.schema().version),
            (Some(from), Some(version)) if version != from.schema().version => {
                return Err(Error::refused(
                    format!(
                        "a generator of version {version} of the action schema cannot begin with one of version {}",
                        from.schema().version
                    ),
                    "leave `schema` out",
                ));
            }
            (_, version) => version,
        },
        ..Lifting::default()
    };
    let version = lifting.kept()?.version;
    config.training.claim(Kind::Generator, None)?;
    let set = DataSet::open(&config.data)?;
    let data = event_sequences::prepare(
        &set,
        version,
        config.label_by_name,
        from,
        &config.read,
        &config.disclosure,
        monitor,
    )?;
    let progress = training::progress(monitor, "spans");
    let (generator, report) = autoregressive::train(&settings, from, &data, &session, progress)?;
    let output = &config.training.output;
    let card = model_card::of_generator(&autoregressive::Manifest::read(output)?, &generator);
    document::write_text(&output.join(model_card::FILE), &card)?;
    training::warn(&report, monitor);
    let best = Validation::Autoregressive(report.best);
    Ok(config.outcome("autoregressive", "spans", &report, best))
}

fn flow_matching(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    if config.label_by_name || config.half || config.from_model.is_some() {
        return Err(Error::refused(
            "`label_by_name`, `from_model` and `half` are for the autoregressive generator",
            "latent sequences have the labels of their shards",
        ));
    }
    let session = config.training.session(config.device);
    let preset = FlowMatchingConfig::preset(config.preset.unwrap_or_default());
    let mut settings = settings::over(&preset, &config.settings)?;
    let train = &mut settings.train;
    config
        .training
        .apply(&mut train.seed, &mut train.steps, &mut train.minutes);
    settings.check()?;
    config.training.claim(Kind::Generator, None)?;
    session.device.check()?;
    let sequences = Sequences::open(&config.data[0])?;
    let progress = training::progress(monitor, "windows");
    let (_, report) = flow_matching::train(&settings, &sequences, &session, progress)?;
    training::warn(&report, monitor);
    let best = Validation::FlowMatching(report.best);
    Ok(config.outcome("flow-matching", "windows", &report, best))
}

impl Config {
    fn outcome<V>(
        &self,
        backbone: &'static str,
        examples: &'static str,
        report: &Report<V>,
        best: Validation,
    ) -> Outcome {
        Outcome {
            output: self.training.output.display().to_string(),
            backbone,
            steps: report.steps,
            stopped_early: report.stopped_early,
            examples_per_second: report.examples_per_second,
            best,
            examples,
        }
    }
}
