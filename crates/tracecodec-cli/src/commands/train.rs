//! `train`: a codec from captures or their actions.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde::Serialize;
use tracecodec::output::Output;
use tracecodec_nn::codec::training::{Manifest, Validation};
use tracecodec_nn::train::Progress;
use tracecodec_nn::{CodecConfig, EncoderKind, Precision, TokenLayout, TrainConfig};

use crate::cli::{DeviceArg, ReadArgs};
use crate::failure::Hint;
use crate::input::progress_bar;
use crate::interrupt;
use crate::model_card::{self, model_card};
use crate::output::print_summary;
use crate::training_data::{self, TrainingData};

/// What an interrupted training leaves.
const CHECKPOINT: &str = "checkpoint.safetensors";

/// Length of the progress bar: fine enough that even a long training moves on with each step, which its time left is told by.
const BAR: u64 = 1_000_000;

/// Train a codec.
///
/// From a folder of shards, it learns from the training split and is chosen by the validation split. Of captures and actions files, the
/// last tenth of each is for validation. Memory does not grow with the data: all of it is lifted first, to about ten bytes a packet in the
/// output folder, which are removed at the end (--resume lifts again).
///
/// The folder that is written holds the best weights, their manifest, history.jsonl, and MODEL_CARD.md, which tells all of it in words;
/// during the training also a checkpoint, at most a minute old. Ctrl-C ends the step and writes one; --resume goes on from it.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// Folders of shards, captures, and actions (.parquet), in any mix.
    #[arg(value_name = "DATA", required = true)]
    data: Vec<PathBuf>,
    /// Folder to write.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Optimiser steps.
    #[arg(long, value_name = "N", conflicts_with = "minutes")]
    steps: Option<u64>,
    /// Train for so many minutes; the result then depends on the machine.
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
    /// Names all random numbers [default: 0].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Encoder of the codec [default: mlp].
    #[arg(long, value_enum)]
    encoder: Option<EncoderArg>,
    /// Tokens of the Transformer [default: group].
    #[arg(long, value_enum)]
    tokens: Option<TokensArg>,
    /// Settings as JSON, an object with `train` and `codec`; the options above win over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Threads on the CPU; the result does not depend on them.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    device: DeviceArg,
    /// Go on with a training of the same data and settings that was interrupted, to the same weights.
    #[arg(long, conflicts_with = "overwrite")]
    resume: bool,
    /// Replace a codec that the folder holds.
    #[arg(long)]
    overwrite: bool,
    /// Store weights with half the precision and half the size.
    #[arg(long)]
    half: bool,
    #[command(flatten)]
    read: ReadArgs,
}

/// Encoders.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum EncoderArg {
    /// A residual perceptron over summed embeddings.
    Mlp,
    /// The paper's compact Transformer over field tokens.
    Transformer,
}

/// Token layouts.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum TokensArg {
    /// One token for each group of fields.
    Group,
    /// One token for each field, as in the paper.
    Field,
}

/// Settings in a file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    train: TrainConfig,
    codec: CodecConfig,
}

/// The summary of a training.
#[derive(Debug, Serialize)]
struct Summary {
    output: String,
    training_packets: u64,
    validation_packets: u64,
    steps: u64,
    stopped_early: bool,
    packets_per_second: f64,
    best: Validation,
}

pub(crate) fn run(args: &Train, json: bool) -> Result<()> {
    let config = args.settings()?;
    args.check_output()?;
    config.train.device.check()?;
    let training = TrainingData::prepare(&args.data, &args.output, args.read, &config.codec)?;
    let data = &training.data;
    let bar = progress_bar(Some(BAR), "training");
    let (_, report) = tracecodec_nn::train(
        &config.train,
        &config.codec,
        data,
        &args.output,
        args.resume,
        |progress| {
            show(progress, &bar);
            match interrupt::check() {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        },
    )?;
    bar.finish_and_clear();
    write_card(&args.output)?;
    let summary = Summary {
        output: args.output.display().to_string(),
        training_packets: data.training_packets(),
        validation_packets: data.validation_packets(),
        steps: report.steps,
        stopped_early: report.stopped_early,
        packets_per_second: report.examples_per_second,
        best: report.best,
    };
    let line = format!(
        "{}: {} steps{} over {} packets at {:.0} packets/s; {}",
        summary.output,
        report.steps,
        match report.stopped_early {
            true => " (stopped early: validation got no better)",
            false => "",
        },
        summary.training_packets,
        report.examples_per_second,
        report.best
    );
    print_summary(json, &summary, &line)
}

/// Writes the model card beside the manifest.
fn write_card(folder: &Path) -> Result<()> {
    let card = model_card(&Manifest::read(folder)?);
    let mut output = Output::create(folder.join(model_card::FILE))?;
    output.write_all(card.as_bytes())?;
    Ok(output.finish()?)
}

fn show(progress: &Progress<'_, Validation>, bar: &ProgressBar) {
    let is_first = bar.position() == 0;
    bar.set_position((BAR as f64 * progress.share) as u64);
    if is_first {
        // What a resumed training has behind it says nothing of its speed.
        bar.reset_eta();
    }
    let validation = progress
        .validation
        .map_or(String::new(), |v| format!(", {v}"));
    bar.set_message(format!(
        "step {}, loss {:.2}{validation}, {:.0} packets/s",
        progress.step, progress.loss, progress.examples_per_second
    ));
}

impl Train {
    fn settings(&self) -> Result<Config> {
        let mut config = match &self.config {
            Some(path) => read_config(path)?,
            None => Config::default(),
        };
        if let Some(encoder) = self.encoder {
            config.codec.encoder = match encoder {
                EncoderArg::Mlp => EncoderKind::ResidualMlp,
                EncoderArg::Transformer => EncoderKind::Transformer,
            };
        }
        if let Some(tokens) = self.tokens {
            config.codec.tokens = match tokens {
                TokensArg::Group => TokenLayout::Group,
                TokensArg::Field => TokenLayout::Field,
            };
        }
        config.train.seed = self.seed.unwrap_or(config.train.seed);
        if let Some(steps) = self.steps {
            (config.train.steps, config.train.minutes) = (steps, None);
        }
        config.train.minutes = self.minutes.or(config.train.minutes);
        config.train.threads = self.threads;
        config.train.device = self.device.device();
        if self.half {
            config.train.precision = Precision::Half;
        }
        Ok(config)
    }

    /// Refuses a folder that holds something else, or a codec that is not to be replaced.
    fn check_output(&self) -> Result<()> {
        let name = self.output.display();
        let holds = |file: &str| self.output.join(file).exists();
        // What was being lifted when a training was killed is no loss.
        let is_empty = std::fs::read_dir(&self.output).map_or(true, |entries| {
            entries
                .flatten()
                .all(|entry| entry.file_name() == training_data::FOLDER)
        });
        let is_ours = holds("model.json") || holds(CHECKPOINT);
        if self.resume && holds(CHECKPOINT) {
            return Ok(());
        }
        if self.resume {
            return Err(Hint::error(
                format!("{name}: no checkpoint there"),
                "a training that ended leaves none; leave --resume out to begin one",
            ));
        }
        if self.overwrite && is_ours {
            return remove_if_there(&self.output.join(CHECKPOINT));
        }
        if is_empty {
            return Ok(());
        }
        Err(match is_ours {
            true if holds(CHECKPOINT) => Hint::error(
                format!("{name}: a training was interrupted there"),
                "--resume goes on with it, --overwrite begins anew",
            ),
            true => Hint::error(
                format!("{name}: the folder holds a codec already"),
                "--overwrite replaces it",
            ),
            false => Hint::error(
                format!("{name}: the folder is not empty"),
                "choose a new or an empty folder",
            ),
        })
    }
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn read_config(path: &Path) -> Result<Config> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{}: not a training configuration", path.display()))
}
