//! `generator train`: a generator from latent sequences.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;
use tracecodec_nn::generator::flow_matching::{self, FlowMatchingConfig, Validation};

use super::{GENERATOR, open_sequences};
use crate::cli::DeviceArg;
use crate::failure::Hint;
use crate::output::print_summary;
use crate::training_run::{TrainingArgs, TrainingBar, stopped_early};

/// Train a generator on latent sequences.
///
/// It learns from the training split and is chosen by the validation split, as it is or as the average of its last weights. Memory does not grow
/// with the data.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// Folder that `tracecodec generator sequences` wrote.
    #[arg(value_name = "SEQUENCES")]
    sequences: PathBuf,
    /// What kind of generator.
    #[arg(long, value_enum, default_value_t = Backbone::FlowMatching)]
    backbone: Backbone,
    /// Settings to begin with.
    #[arg(long, value_enum, default_value_t = Preset::Small)]
    preset: Preset,
    /// Settings as JSON, an object with `network` and `train`; they win over the preset, the options here over both.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    training: TrainingArgs,
    #[command(flatten)]
    device: DeviceArg,
}

/// Kinds of generators.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Backbone {
    /// Conditional flow matching: all rows of a suffix at once, from noise.
    FlowMatching,
}

/// Settings that belong together.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Preset {
    /// For two cores and less than an hour.
    Small,
    /// The paper's, for a large GPU.
    Paper,
}

/// The summary of a training.
#[derive(Debug, Serialize)]
struct Summary {
    output: String,
    backbone: &'static str,
    steps: u64,
    stopped_early: bool,
    windows_per_second: f64,
    best: Validation,
}

pub(crate) fn run(args: &Train, json: bool) -> Result<()> {
    match args.backbone {
        Backbone::FlowMatching => flow_matching(args, json),
    }
}

fn flow_matching(args: &Train, json: bool) -> Result<()> {
    let config = args.flow_matching()?;
    config.check()?;
    let training = &args.training;
    training.check_output(GENERATOR, None)?;
    config.train.device.check()?;
    let sequences = open_sequences(&args.sequences)?;
    let bar = TrainingBar::new("windows");
    let (_, report) = flow_matching::train(
        &config,
        &sequences,
        &training.output,
        training.resume,
        |progress| bar.show(progress),
    )?;
    bar.finish();
    let summary = Summary {
        output: training.output.display().to_string(),
        backbone: "flow-matching",
        steps: report.steps,
        stopped_early: report.stopped_early,
        windows_per_second: report.examples_per_second,
        best: report.best,
    };
    let line = format!(
        "{}: {} steps{} at {:.1} windows/s; {}",
        summary.output,
        summary.steps,
        stopped_early(summary.stopped_early),
        summary.windows_per_second,
        summary.best
    );
    print_summary(json, &summary, &line)
}

impl Train {
    fn flow_matching(&self) -> Result<FlowMatchingConfig> {
        let preset = match self.preset {
            Preset::Small => FlowMatchingConfig::small(),
            Preset::Paper => FlowMatchingConfig::paper(),
        };
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
        train.threads = training.threads;
        train.device = self.device.device();
        Ok(config)
    }
}

fn read_config(path: &Path, preset: &FlowMatchingConfig) -> Result<FlowMatchingConfig> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bad = || format!("{}: not a generator's configuration", path.display());
    let settings: Value = serde_json::from_str(&text).with_context(bad)?;
    // Settings would be read from an array, too, by their order.
    let is_object = ["", "/train", "/network"].iter().all(|place| {
        let part = settings.pointer(place);
        part.is_none_or(Value::is_object)
    });
    if !is_object {
        return Err(Hint::error(
            format!("{}: its parts are no JSON objects", bad()),
            r#"settings go by their names, as in {"train": {"seed": 1}, "network": {"layers": 6}}"#,
        ));
    }
    preset.with(&settings).with_context(bad)
}
