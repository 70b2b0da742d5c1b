//! `train`: a codec from captures.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;
use tracecodec::action::{Action, OptionProfiles};
use tracecodec::artifact::Manifest;
use tracecodec::artifact::manifest::Split;
use tracecodec::flow::FlowTable;
use tracecodec::lift::Lifter;
use tracecodec_nn::train::Data;
use tracecodec_nn::{CodecConfig, EncoderKind, Precision, TokenLayout, TrainConfig};

use crate::cli::ReadArgs;
use crate::failure::Hint;
use crate::input::{Input, progress_bar};
use crate::output::print_summary;

/// One in so many packets, the last ones of each capture, is for validation where captures are given instead of shards.
const VALIDATION_SHARE: usize = 10;

/// Train a codec.
///
/// From a folder of shards, it learns from the training split and is chosen by the validation split. From captures, the last
/// tenth of each is for validation. The folder that is written holds the best weights, their manifest, and history.jsonl.
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
    /// Threads; the result does not depend on them.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
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
        |progress| {
            bar.set_position((1000.0 * progress.share) as u64);
            let exact = progress
                .validation
                .map_or(String::new(), |v| format!(", {v}"));
            bar.set_message(format!(
                "step {}, loss {:.2}{exact}, {:.0} packets/s",
                progress.step, progress.loss, progress.packets_per_second
            ));
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
        if self.half {
            config.train.precision = Precision::Half;
        }
        Ok(config)
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
                .filter(move |(_, own)| *own == split)
        };
        let mut dataset = Dataset::default();
        // The dictionary is learned from all of the training data before any of the validation data is lifted.
        for (path, _) in of(Split::Train) {
            dataset
                .training
                .extend(self.lift(path, &mut dataset.profiles)?);
        }
        for capture in captures {
            let mut actions = self.lift(capture, &mut dataset.profiles)?;
            let validation = actions.split_off(actions.len() - actions.len() / VALIDATION_SHARE);
            dataset.training.extend(actions);
            dataset.validation.extend(validation);
        }
        dataset.profiles = dataset.profiles.freeze();
        for (path, _) in of(Split::Validation) {
            dataset
                .validation
                .extend(self.lift(path, &mut dataset.profiles)?);
        }
        Ok(dataset)
    }

    /// Lifts a capture of its own: flows do not go on from one shard to the next.
    fn lift(&self, path: &Path, profiles: &mut OptionProfiles) -> Result<Vec<Action>> {
        let mut lifter = Lifter::new(FlowTable::<()>::MAX_CAPACITY, std::mem::take(profiles));
        let mut actions = Vec::new();
        Input::open(path, self.read)?.for_each(|packet| {
            actions.extend(lifter.lift(packet));
            Ok(())
        })?;
        *profiles = lifter.into_profiles();
        Ok(actions)
    }
}

/// The shards of a folder with their splits.
fn shards(folder: &Path) -> Result<Vec<(PathBuf, Split)>> {
    let path = folder.join("manifest.json");
    if !path.is_file() {
        return Err(Hint::error(
            format!("{}: no shards there", folder.display()),
            "name a folder that `tracecodec shard` wrote, or captures",
        ));
    }
    let manifest = Manifest::read(&path)?;
    Ok(manifest
        .shards
        .iter()
        .map(|shard| (folder.join(&shard.file), shard.split))
        .collect())
}

fn read_config(path: &Path) -> Result<Config> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{}: not a training configuration", path.display()))
}
