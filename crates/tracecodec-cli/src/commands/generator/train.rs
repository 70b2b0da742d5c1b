//! `generator train`: a generator from captures, or from latent sequences.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_nn::generator::flow_matching::Preset;
use tracecodec_pipeline::ModelName;
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::generator::train;
use tracecodec_pipeline::settings;

use crate::args::{CaptureArgs, DeviceArg, DisclosureArgs};
use crate::choice::choice;
use crate::output::print_summary;
use crate::terminal::Terminal;
use crate::training_args::{TrainingArgs, stopped_early};

/// Train a generator.
///
/// Captures and shards train the autoregressive generator, which continues packet actions; a folder
/// of latent sequences trains flow matching, which continues latents. Shards have their split; of a
/// capture the first 80 % are for training and the next 10 % for validation, and the rest is only
/// lifted. The autoregressive generator keeps its data in memory, about 300 bytes a packet.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// Captures and folders that `tracecodec shard` wrote, in any mix; or one folder that
    /// `tracecodec generator sequences` wrote.
    #[arg(value_name = "DATA", required = true)]
    data: Vec<PathBuf>,
    /// Label each capture with its name, for `tracecodec generate --label`. Shards have the label
    /// that they were cut with.
    #[arg(long)]
    label_by_name: bool,
    /// Begin with the weights of an autoregressive generator, a folder or built-in, instead of
    /// fresh ones. It learns a network of which there is little data so, in minutes.
    #[arg(long, value_name = "MODEL")]
    from_model: Option<PathBuf>,
    /// Settings of flow matching to begin with [default: small].
    #[arg(long, value_parser = choice::<Preset>())]
    preset: Option<Preset>,
    /// Settings as JSON; they win over the preset, the options here over both. Of flow matching an
    /// object with `network` and `train`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Version of the action schema that the autoregressive generator learns: 1 is the paper's,
    /// without hosts and services [default: 2].
    #[arg(long, value_name = "VERSION")]
    schema: Option<u32>,
    /// Store weights of the autoregressive generator with half the precision and half the size.
    #[arg(long)]
    half: bool,
    #[command(flatten)]
    training: TrainingArgs,
    #[command(flatten)]
    device: DeviceArg,
    #[command(flatten)]
    read: CaptureArgs,
    #[command(flatten)]
    disclosure: DisclosureArgs,
}

pub(crate) fn run(args: &Train, json: bool) -> Result<()> {
    let config = train::Config {
        data: args.data.clone(),
        training: args.training.training(),
        schema: args.schema,
        from_model: args.from_model.clone().map(ModelName::from),
        label_by_name: args.label_by_name,
        preset: args.preset,
        settings: match &args.config {
            Some(path) => settings::read_file(path)?,
            None => settings::none(),
        },
        half: args.half,
        device: args.device.device(),
        read: args.read.policy(),
        disclosure: args.disclosure.disclosure(),
    };
    let outcome = train::run(&config, &mut Terminal::new())?;
    let line = format!(
        "{}: {}{} at {:.1} {}/s; {}",
        outcome.output,
        counted(outcome.steps, "step"),
        stopped_early(outcome.stopped_early),
        outcome.examples_per_second,
        outcome.examples,
        outcome.best
    );
    print_summary(json, &outcome, &line)
}
