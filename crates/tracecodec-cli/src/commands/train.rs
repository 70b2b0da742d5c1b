//! `train`: a codec from captures or their actions.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use tracecodec::output::Output;
use tracecodec_nn::codec::training::{Manifest, Validation};
use tracecodec_nn::model::Kind;
use tracecodec_nn::{Codec, CodecSettings, EncoderKind, Precision, TokenLayout};
use tracecodec_pipeline::plot::number::short;
use tracecodec_pipeline::report::model_card::{self, model_card};

use crate::args::{DeviceArg, ReadArgs};
use crate::choice::choice;
use crate::failure::Hint;
use crate::output::print_summary;
use crate::training_data::{self, TrainingData};
use crate::training_run::{TrainingArgs, TrainingBar, stopped_early, warn};

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
    #[command(flatten)]
    training: TrainingArgs,
    /// Encoder of the codec [default: residual-mlp].
    #[arg(long, value_parser = choice::<EncoderKind>())]
    encoder: Option<EncoderKind>,
    /// Tokens of the Transformer [default: group].
    #[arg(long, value_parser = choice::<TokenLayout>())]
    tokens: Option<TokenLayout>,
    /// Settings as JSON, an object with `train` and `codec`; the options above win over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArg,
    /// Store weights with half the precision and half the size.
    #[arg(long)]
    half: bool,
    #[command(flatten)]
    read: ReadArgs,
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
    /// Why the codec is of no use; none if it may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

pub(crate) fn run(args: &Train, json: bool) -> Result<()> {
    let session = args.training.session(args.device.device());
    let config = args.settings()?;
    config.check()?;
    let output = &args.training.output;
    args.training
        .check_output(Kind::Codec, Some(training_data::FOLDER))?;
    args.device.device().check()?;
    let training = TrainingData::prepare(&args.data, output, args.read, &config.model)?;
    let data = &training.data;
    let bar = TrainingBar::new("packets");
    let (codec, report) =
        tracecodec_nn::train(&config, data, &session, |progress| bar.show(progress))?;
    bar.finish();
    write_card(output, &codec)?;
    warn(&report);
    let summary = Summary {
        output: output.display().to_string(),
        training_packets: data.training_packets(),
        validation_packets: data.validation_packets(),
        steps: report.steps,
        stopped_early: report.stopped_early,
        packets_per_second: report.examples_per_second,
        best: report.best,
        warning: report.verdict.map(|verdict| verdict.reason),
    };
    let line = format!(
        "{}: {} steps{} over {} packets at {:.0} packets/s; {}",
        summary.output,
        report.steps,
        stopped_early(report.stopped_early),
        summary.training_packets,
        report.examples_per_second,
        report.best
    );
    print_summary(json, &summary, &line)
}

/// Writes the model card beside the manifest.
fn write_card(folder: &Path, codec: &Codec) -> Result<()> {
    let card = model_card(&Manifest::read(folder)?, &codec.digest());
    let mut output = Output::create(folder.join(model_card::FILE))?;
    output.write_all(card.as_bytes())?;
    Ok(output.finish()?)
}

impl Train {
    fn settings(&self) -> Result<CodecSettings> {
        let mut config = match &self.config {
            Some(path) => read_config(path)?,
            None => CodecSettings::default(),
        };
        config.model.encoder = self.encoder.unwrap_or(config.model.encoder);
        config.model.tokens = self.tokens.unwrap_or(config.model.tokens);
        config.train.seed = self.training.seed.unwrap_or(config.train.seed);
        if let Some(steps) = self.training.steps {
            (config.train.steps, config.train.minutes) = (steps, None);
        }
        config.train.minutes = self.training.minutes.or(config.train.minutes);
        if self.half {
            config.train.precision = Precision::Half;
        }
        Ok(config)
    }
}

fn read_config(path: &Path) -> Result<CodecSettings> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bad = || format!("{}: not a training configuration", path.display());
    let value: Value = serde_json::from_str(&text).with_context(bad)?;
    // Settings would be read from an array, too, by their order.
    for place in ["", "/train", "/codec", "/train/augmentation"] {
        if value.pointer(place).is_some_and(|part| !part.is_object()) {
            return Err(Hint::error(
                format!(
                    "{}: {} is no JSON object",
                    bad(),
                    if place.is_empty() { "it" } else { place }
                ),
                r#"settings go by their names, as in {"train": {"seed": 1}, "codec": {"d_latent": 32}}"#,
            ));
        }
    }
    serde_json::from_str(&text).with_context(bad)
}
