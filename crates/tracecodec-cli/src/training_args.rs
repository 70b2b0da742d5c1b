//! Arguments of trainings, whatever is trained.

use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use tracecodec_pipeline::training::Training;

use crate::count::positive_count;

/// How a training is run, whatever is trained.
#[derive(Debug, Args)]
pub(crate) struct TrainingArgs {
    /// Folder to write.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Optimiser steps.
    #[arg(long, value_name = "N", conflicts_with = "minutes", value_parser = positive_count)]
    steps: Option<u64>,
    /// Train for M minutes, preparation and validations included; the result then depends on the
    /// machine.
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
    /// Seed of every random stream [default: 0].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Threads on the CPU; the result does not depend on them.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    threads: Option<usize>,
    /// Continue a training of the same data and settings that was interrupted, to the same weights.
    #[arg(long, conflicts_with = "overwrite")]
    resume: bool,
    /// Replace a model that the folder holds.
    #[arg(long)]
    overwrite: bool,
}

impl TrainingArgs {
    /// How the training is run.
    pub(crate) fn training(&self) -> Training {
        Training {
            output: self.output.clone(),
            steps: self.steps,
            minutes: self.minutes,
            seed: self.seed,
            threads: self.threads,
            resume: self.resume,
            overwrite: self.overwrite,
        }
    }
}

/// The part of a line on a training that patience ended.
pub(crate) fn stopped_early(stopped: bool) -> &'static str {
    if stopped {
        " (stopped early: validation got no better)"
    } else {
        ""
    }
}
