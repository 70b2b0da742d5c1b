//! `train`: a codec from captures.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;
use tracecodec::action::{Action, OptionProfiles};
use tracecodec::artifact::Manifest;
use tracecodec::artifact::manifest::{ShardEntry, Split};
use tracecodec::flow::FlowTable;
use tracecodec::lift::Lifter;
use tracecodec_nn::train::Data;
use tracecodec_nn::{CodecConfig, EncoderKind, Precision, TokenLayout, TrainConfig};

use crate::cli::{DeviceArg, ReadArgs};
use crate::failure::Hint;
use crate::input::{Input, progress_bar};
use crate::interrupt;
use crate::output::print_summary;

/// What an interrupted training leaves.
const CHECKPOINT: &str = "checkpoint.safetensors";

/// One in so many packets, the last ones of each capture, is for validation where captures are given instead of shards.
const VALIDATION_SHARE: usize = 10;

/// Train a codec.
///
/// From a folder of shards, it learns from the training split and is chosen by the validation split. From captures, the last
/// tenth of each is for validation. The folder that is written holds the best weights, their manifest, and history.jsonl; during the
/// training also a checkpoint, at most a minute old. Ctrl-C ends the step and writes one; --resume goes on from it.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// Folders of shards, or captures.
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
    /// Names all random numbers.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Encoder of the codec.
    #[arg(long, value_enum, default_value_t = EncoderArg::Mlp)]
    encoder: EncoderArg,
    /// Tokens of the Transformer.
    #[arg(long, value_enum, default_value_t = TokensArg::Group)]
    tokens: TokensArg,
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

/// What is learned from.
#[derive(Default)]
struct Dataset {
    training: Vec<Action>,
    validation: Vec<Action>,
    profiles: OptionProfiles,
}

/// The summary of a training.
#[derive(Debug, Serialize)]
struct Summary {
    output: String,
    training_packets: usize,
    validation_packets: usize,
    steps: u64,
    stopped_early: bool,
    packets_per_second: f64,
    best: tracecodec_nn::train::Validation,
}

pub(crate) fn run(args: &Train, json: bool) -> Result<()> {
    let config = args.settings()?;
    args.check_output()?;
    config.train.device.check()?;
    let dataset = args.dataset()?;
    let data = Data {
        training: &dataset.training,
        validation: &dataset.validation,
        profiles: &dataset.profiles,
    };
    let bar = progress_bar(Some(1000), "training");
    let (_, report) = tracecodec_nn::train(
        &config.train,
        &config.codec,
        data,
        &args.output,
        args.resume,
        |progress| {
            bar.set_position((1000.0 * progress.share) as u64);
            let exact = progress
                .validation
                .map_or(String::new(), |v| format!(", {v}"));
            bar.set_message(format!(
                "step {}, loss {:.2}{exact}, {:.0} packets/s",
                progress.step, progress.loss, progress.packets_per_second
            ));
            match interrupt::check() {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        },
    )?;
    bar.finish_and_clear();
    let summary = Summary {
        output: args.output.display().to_string(),
        training_packets: dataset.training.len(),
        validation_packets: dataset.validation.len(),
        steps: report.steps,
        stopped_early: report.stopped_early,
        packets_per_second: report.packets_per_second,
        best: report.best,
    };
    let line = format!(
        "{}: {} steps over {} packets at {:.0} packets/s; {}",
        summary.output,
        report.steps,
        summary.training_packets,
        report.packets_per_second,
        report.best
    );
    print_summary(json, &summary, &line)
}

impl Train {
    fn settings(&self) -> Result<Config> {
        let mut config = match &self.config {
            Some(path) => read_config(path)?,
            None => {
                let mut config = Config::default();
                config.codec.encoder = match self.encoder {
                    EncoderArg::Mlp => EncoderKind::ResidualMlp,
                    EncoderArg::Transformer => EncoderKind::Transformer,
                };
                config.codec.tokens = match self.tokens {
                    TokensArg::Group => TokenLayout::Group,
                    TokensArg::Field => TokenLayout::Field,
                };
                config
            }
        };
        config.train.seed = self.seed;
        config.train.steps = self.steps.unwrap_or(config.train.steps);
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
        let is_empty =
            std::fs::read_dir(&self.output).map_or(true, |mut entries| entries.next().is_none());
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

    fn dataset(&self) -> Result<Dataset> {
        let (folders, captures): (Vec<_>, Vec<_>) =
            self.data.iter().partition(|path| path.is_dir());
        let shards: Vec<_> = folders
            .into_iter()
            .map(|folder| shards(folder))
            .collect::<Result<_>>()?;
        let of = |split| {
            shards
                .iter()
                .flatten()
                .filter(move |(_, shard)| shard.split == split)
        };
        let mut dataset = Dataset::default();
        // The dictionary is learned from all of the training data before any of the validation data is lifted.
        for (path, shard) in of(Split::Train) {
            dataset
                .training
                .extend(self.lift(path, Some(shard), &mut dataset.profiles)?);
        }
        for capture in captures {
            let mut actions = self.lift(capture, None, &mut dataset.profiles)?;
            let validation = actions.split_off(actions.len() - actions.len() / VALIDATION_SHARE);
            dataset.training.extend(actions);
            dataset.validation.extend(validation);
        }
        dataset.profiles = dataset.profiles.freeze();
        for (path, shard) in of(Split::Validation) {
            dataset
                .validation
                .extend(self.lift(path, Some(shard), &mut dataset.profiles)?);
        }
        Ok(dataset)
    }

    /// Lifts a capture of its own: flows do not go on from one shard to the next. A shard must be what its manifest says.
    fn lift(
        &self,
        path: &Path,
        shard: Option<&ShardEntry>,
        profiles: &mut OptionProfiles,
    ) -> Result<Vec<Action>> {
        let mut lifter = Lifter::new(FlowTable::<()>::MAX_CAPACITY, std::mem::take(profiles));
        let mut actions = Vec::new();
        let mut input = Input::open(path, self.read)?;
        input.for_each(|packet| {
            actions.extend(lifter.lift(packet));
            Ok(())
        })?;
        *profiles = lifter.into_profiles();
        let source = input.finish()?;
        if shard.is_some_and(|shard| shard.blake3 != source.blake3) {
            return Err(Hint::error(
                format!(
                    "{}: not the shard that the manifest describes",
                    path.display()
                ),
                "shard the capture again",
            ));
        }
        Ok(actions)
    }
}

/// The shards of a folder, by their manifest.
fn shards(folder: &Path) -> Result<Vec<(PathBuf, ShardEntry)>> {
    let path = folder.join("manifest.json");
    if !path.is_file() {
        return Err(Hint::error(
            format!("{}: no shards there", folder.display()),
            "name a folder that `tracecodec shard` wrote, or captures",
        ));
    }
    let shards = Manifest::read(&path)?.shards;
    Ok(shards
        .into_iter()
        .map(|shard| (folder.join(&shard.file), shard))
        .collect())
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
