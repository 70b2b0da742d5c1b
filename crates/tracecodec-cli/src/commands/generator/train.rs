//! `generator train`: a generator from captures, or from latent sequences.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use tracecodec_nn::generator::Sequences;
use tracecodec_nn::generator::autoregressive::{self, AutoregressiveConfig};
use tracecodec_nn::generator::flow_matching::{self, FlowMatchingConfig, Preset};
use tracecodec_nn::model::Kind;
use tracecodec_nn::train::Report;
use tracecodec_nn::{Device, Precision};

use super::open_sequences;
use crate::args::{DeviceArg, ReadArgs};
use crate::choice::choice;
use crate::course_data;
use crate::failure::Hint;
use crate::output::print_summary;
use crate::training_run::{TrainingArgs, TrainingBar, stopped_early, warn};

/// Train a generator.
///
/// Captures and shards train the autoregressive generator, which goes on with packet actions; a folder of latent sequences trains flow matching,
/// which goes on with latents. Shards have their split; of a capture the first 80 % are for training and the next 10 % for validation, and
/// the rest is no more than lifted. The autoregressive generator keeps its data in memory, about 300 bytes a packet.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// Captures and folders that `tracecodec shard` wrote, in any mix; or one folder that `tracecodec generator sequences` wrote.
    #[arg(value_name = "DATA", required = true)]
    data: Vec<PathBuf>,
    /// Label each capture with its name, for `tracecodec generate --label`. Shards have the label that they were cut with.
    #[arg(long)]
    label_by_name: bool,
    /// Settings of flow matching to begin with [default: small].
    #[arg(long, value_parser = choice::<Preset>())]
    preset: Option<Preset>,
    /// Settings as JSON; they win over the preset, the options here over both. Of flow matching an object with `network` and `train`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Store weights of the autoregressive generator with half the precision and half the size.
    #[arg(long)]
    half: bool,
    #[command(flatten)]
    training: TrainingArgs,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    read: ReadArgs,
}

/// The summary of a training.
#[derive(Debug, Serialize)]
struct Summary<V> {
    output: String,
    backbone: &'static str,
    steps: u64,
    stopped_early: bool,
    /// Windows of flow matching, or spans of 256 events of the autoregressive generator.
    examples_per_second: f64,
    best: V,
}

pub(crate) fn run(args: &Train, json: bool) -> Result<()> {
    // Else settings would be taken for those of captures, and refused for a reason that misleads.
    let is_there = |path: &PathBuf| path.try_exists().unwrap_or(true) || path == Path::new("-");
    if let Some(missing) = args.data.iter().find(|path| !is_there(path)) {
        return Err(Hint::error(
            format!("{}: no such file or folder", missing.display()),
            "name captures, folders that `tracecodec shard` wrote, or one that `tracecodec generator sequences` wrote",
        ));
    }
    let holds_sequences = |path: &&PathBuf| Sequences::is_in(path);
    if let (Some(folder), 2..) = (args.data.iter().find(holds_sequences), args.data.len()) {
        return Err(Hint::error(
            format!("{}: latent sequences beside other data", folder.display()),
            "latent sequences train flow matching, one folder alone; `tracecodec generator sequences` takes several folders of shards",
        ));
    }
    match args.data.as_slice() {
        [folder] if Sequences::is_in(folder) => flow_matching(args, folder, json),
        _ => autoregressive(args, json),
    }
}

fn autoregressive(args: &Train, json: bool) -> Result<()> {
    if args.preset.is_some() || args.device.device() != Device::Cpu {
        return Err(Hint::error(
            "--preset and --device are for flow matching",
            "captures train the autoregressive generator, on the CPU; latent sequences train flow matching",
        ));
    }
    let training = &args.training;
    let session = training.session(Device::Cpu);
    let config = args.autoregressive()?;
    config.check()?;
    training.check_output(Kind::Generator, None)?;
    let data = course_data::prepare(&args.data, args.label_by_name, args.read)?;
    let bar = TrainingBar::new("spans");
    let (_, report) =
        autoregressive::train(&config, &data, &session, |progress| bar.show(progress))?;
    bar.finish();
    summarise(training, "autoregressive", "spans", &report, json)
}

/// Prints the summary of a training.
fn summarise<V: Display + Clone + Serialize>(
    training: &TrainingArgs,
    backbone: &'static str,
    examples: &str,
    report: &Report<V>,
    json: bool,
) -> Result<()> {
    warn(report);
    let summary = Summary {
        output: training.output.display().to_string(),
        backbone,
        steps: report.steps,
        stopped_early: report.stopped_early,
        examples_per_second: report.examples_per_second,
        best: report.best.clone(),
    };
    let line = format!(
        "{}: {} steps{} at {:.1} {examples}/s; {}",
        summary.output,
        summary.steps,
        stopped_early(summary.stopped_early),
        summary.examples_per_second,
        summary.best
    );
    print_summary(json, &summary, &line)
}

fn flow_matching(args: &Train, folder: &Path, json: bool) -> Result<()> {
    if args.label_by_name || args.half {
        return Err(Hint::error(
            "--label-by-name and --half are for the autoregressive generator",
            "latent sequences have the labels of their shards",
        ));
    }
    let training = &args.training;
    let session = training.session(args.device.device());
    let config = args.flow_matching()?;
    config.check()?;
    training.check_output(Kind::Generator, None)?;
    session.device.check()?;
    let sequences = open_sequences(folder)?;
    let bar = TrainingBar::new("windows");
    let (_, report) =
        flow_matching::train(&config, &sequences, &session, |progress| bar.show(progress))?;
    bar.finish();
    summarise(training, "flow-matching", "windows", &report, json)
}

impl Train {
    fn autoregressive(&self) -> Result<AutoregressiveConfig> {
        let mut config = match &self.config {
            Some(path) => {
                let bad = || format!("{}: not a generator's configuration", path.display());
                serde_json::from_value(read_settings(path, &["", "/shapes"])?).with_context(bad)?
            }
            None => AutoregressiveConfig::default(),
        };
        let (train, training) = (&mut config.train, &self.training);
        train.seed = training.seed.unwrap_or(train.seed);
        if let Some(steps) = training.steps {
            (train.steps, train.minutes) = (steps, None);
        }
        train.minutes = training.minutes.or(train.minutes);
        if self.half {
            train.precision = Precision::Half;
        }
        Ok(config)
    }

    fn flow_matching(&self) -> Result<FlowMatchingConfig> {
        let preset = FlowMatchingConfig::preset(self.preset.unwrap_or_default());
        let mut config = match &self.config {
            Some(path) => read_config(path, &preset)?,
            None => preset,
        };
        let (train, training) = (&mut config.train, &self.training);
        train.seed = training.seed.unwrap_or(train.seed);
        if let Some(steps) = training.steps {
            (train.steps, train.minutes) = (steps, None);
        }
        train.minutes = training.minutes.or(train.minutes);
        Ok(config)
    }
}

fn read_config(path: &Path, preset: &FlowMatchingConfig) -> Result<FlowMatchingConfig> {
    let settings = read_settings(path, &["", "/train", "/network"])?;
    let bad = || format!("{}: not a generator's configuration", path.display());
    preset.with(&settings).with_context(bad)
}

/// Reads settings, of which these parts must be objects where they are there: they would be read from an array, too, by their order.
fn read_settings(path: &Path, parts: &[&str]) -> Result<Value> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bad = || format!("{}: not a generator's configuration", path.display());
    let settings: Value = serde_json::from_str(&text).with_context(bad)?;
    let is_object = parts.iter().all(|place| {
        let part = settings.pointer(place);
        part.is_none_or(Value::is_object)
    });
    match is_object {
        true => Ok(settings),
        false => Err(Hint::error(
            format!("{}: its parts are no JSON objects", bad()),
            r#"settings go by their names, as in {"train": {"seed": 1}, "network": {"layers": 6}}"#,
        )),
    }
}
