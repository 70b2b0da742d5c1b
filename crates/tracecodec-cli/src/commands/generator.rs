//! `generator`: training of generators.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;
use tracecodec_nn::generator::autoregressive::{self, AutoregressiveConfig, Validation};

use crate::cli::ReadArgs;
use crate::course_data;
use crate::output::print_summary;
use crate::training_run::{TrainingArgs, TrainingBar, stopped_early};

/// Train generators.
#[derive(Debug, Args)]
pub(crate) struct GeneratorArgs {
    #[command(subcommand)]
    command: GeneratorCommand,
}

#[derive(Debug, Subcommand)]
enum GeneratorCommand {
    TrainAr(Train),
}

/// Train the autoregressive generator.
#[derive(Debug, Args)]
struct Train {
    /// Folders that `tracecodec shard` wrote, and captures, in any mix.
    #[arg(value_name = "DATA", required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    training: TrainingArgs,
    /// Label each capture with its name, so that `generate --label` can choose.
    #[arg(long)]
    label_by_name: bool,
    #[command(flatten)]
    read: ReadArgs,
}

/// The summary of a training.
#[derive(Debug, Serialize)]
struct Summary {
    output: String,
    training_packets: u64,
    training_openings: u64,
    validation_packets: u64,
    labels: Vec<String>,
    steps: u64,
    stopped_early: bool,
    spans_per_second: f64,
    best: Validation,
}

pub(crate) fn run(args: &GeneratorArgs, json: bool) -> Result<()> {
    match &args.command {
        GeneratorCommand::TrainAr(args) => train(args, json),
    }
}

fn train(args: &Train, json: bool) -> Result<()> {
    let mut config = AutoregressiveConfig::default();
    config.seed = args.training.seed.unwrap_or(config.seed);
    config.steps = args.training.steps.unwrap_or(config.steps);
    config.minutes = args.training.minutes;
    config.threads = args.training.threads;
    config.check()?;
    let output = &args.training.output;
    args.training.check_output("generator.json", None)?;
    let data = course_data::prepare(&args.data, args.label_by_name, args.read)?;
    let bar = TrainingBar::new("spans");
    let (generator, report) =
        autoregressive::train(&config, &data, output, args.training.resume, |progress| {
            bar.show(progress)
        })?;
    bar.finish();
    let summary = Summary {
        output: output.display().to_string(),
        training_packets: data.training.packets(),
        training_openings: data.training.openings(),
        validation_packets: data.validation.packets(),
        labels: generator.labels().to_vec(),
        steps: report.steps,
        stopped_early: report.stopped_early,
        spans_per_second: report.examples_per_second,
        best: report.best,
    };
    let line = format!(
        "{}: {} steps{} over {} packets of {} flows at {:.0} spans/s; {}",
        summary.output,
        report.steps,
        stopped_early(report.stopped_early),
        summary.training_packets,
        summary.training_openings,
        report.examples_per_second,
        report.best
    );
    print_summary(json, &summary, &line)
}
