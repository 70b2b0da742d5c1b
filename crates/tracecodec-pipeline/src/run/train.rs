//! `train`: a codec from captures or their actions.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracecodec::action::{ActionSchema, Hosts, PAPER_SCHEMA, Services};
use tracecodec_nn::codec::training::{Origin, Validation};
use tracecodec_nn::model::Kind;
use tracecodec_nn::train::Manifest;
use tracecodec_nn::{CodecSettings, Device};

use crate::dataset::DataSet;
use crate::dataset::actions_folder::{self, TrainingData};
use crate::disclosure::Disclosure;
use crate::error::Error;
use crate::files::{ReadPolicy, document};
use crate::lifting::Lifting;
use crate::monitor::Monitor;
use crate::report::model_card;
use crate::settings;
use crate::training::{self, Training};

/// What to train a codec on, and how.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Folders of shards, captures and actions files, in any mix. Shards have their split; the last
    /// tenth of each file is for validation.
    pub data: Vec<PathBuf>,
    /// Folder, budget and the like.
    #[serde(flatten)]
    pub training: Training,
    /// What of hosts is learned.
    #[serde(default = "learned_hosts")]
    pub hosts: Hosts,
    /// What of services is learned.
    #[serde(default = "learned_services")]
    pub services: Services,
    /// Settings of codec and training, an object with `codec` and `train`; what is not named has
    /// its default.
    #[serde(default = "settings::none")]
    pub settings: Value,
    /// Where the network computes.
    #[serde(default)]
    pub device: Device,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
    /// What of the captures is disclosed.
    #[serde(flatten)]
    pub disclosure: Disclosure,
}

fn learned_hosts() -> Hosts {
    Hosts::Graph
}

fn learned_services() -> Services {
    Services::Class
}

impl Config {
    /// What the actions keep that a codec of a schema version learns from.
    fn kept(&self, version: u32) -> Result<ActionSchema, Error> {
        let lifting = Lifting {
            schema: Some(version),
            hosts: self.hosts,
            services: self.services,
            ..Lifting::default()
        };
        if version == PAPER_SCHEMA {
            return Ok(ActionSchema::PAPER);
        }
        lifting.kept()
    }
}

/// What was trained.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Path of the codec's folder.
    pub output: String,
    /// Packets of the training split.
    pub training_packets: u64,
    /// Packets of the validation split.
    pub validation_packets: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// Whether patience ran out before the budget did.
    pub stopped_early: bool,
    /// Training packets a second, validations aside.
    pub packets_per_second: f64,
    /// The validation of the weights that were kept.
    pub best: Validation,
    /// Why the codec is of no use, if it is of none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// Trains a codec, and writes it, its manifest, its history and its model card into a folder.
/// Memory does not grow with the data, all of which is lifted to disk first.
///
/// # Errors
/// If a setting is wrong, data cannot be read, the folder holds something, or the monitor stops it:
/// then a checkpoint is left, if there was a first step, which `resume` continues from.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    let session = config.training.session(config.device);
    let mut settings = settings::over(&CodecSettings::default(), &config.settings)?;
    let train = &mut settings.train;
    config
        .training
        .apply(&mut train.seed, &mut train.steps, &mut train.minutes);
    settings.check()?;
    let output = &config.training.output;
    config
        .training
        .claim(Kind::Codec, Some(actions_folder::NAME))?;
    config.device.check()?;
    let set = DataSet::open(&config.data)?;
    let disclosure = &config.disclosure;
    let prepared = TrainingData::prepare(
        &set,
        output,
        &config.read,
        disclosure,
        &settings.model,
        config.kept(settings.model.schema_version)?,
        monitor,
    )?;
    let data = &prepared.data;
    let progress = training::progress(monitor, "packets");
    let (codec, report) = tracecodec_nn::train(&settings, data, &session, progress)?;
    let manifest = Manifest::<Origin, Validation>::read(output)?;
    let card = model_card::of_codec(&manifest, &codec.digest());
    document::write_text(&output.join(model_card::FILE), &card)?;
    training::warn(&report, monitor);
    Ok(Outcome {
        output: output.display().to_string(),
        training_packets: data.training_packets(),
        validation_packets: data.validation_packets(),
        steps: report.steps,
        stopped_early: report.stopped_early,
        packets_per_second: report.examples_per_second,
        best: report.best,
        warning: report.verdict.map(|verdict| verdict.reason),
    })
}
