//! `train`: a codec from captures or their actions.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use tracecodec::output::Output;
use tracecodec_nn::codec::training::{Manifest, Validation};
use tracecodec_nn::{Codec, CodecConfig, EncoderKind, Precision, TokenLayout, TrainConfig};

use crate::choice::choice;
use crate::cli::{DeviceArg, ReadArgs};
use crate::failure::Hint;
use crate::model_card::{self, model_card};
use crate::output::print_summary;
use crate::report::number::short;
use crate::training_data::{self, TrainingData};
use crate::training_run::{TrainingArgs, TrainingBar, stopped_early};

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
    /// Why the codec is of no use; none if it may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

pub(crate) fn run(args: &Train, json: bool) -> Result<()> {
    let config = args.settings()?;
    config.train.check()?;
    let output = &args.training.output;
    args.training
        .check_output("model.json", Some(training_data::FOLDER))?;
    config.train.device.check()?;
    let training = TrainingData::prepare(&args.data, output, args.read, &config.codec)?;
    let data = &training.data;
    let bar = TrainingBar::new("packets");
    let (codec, report) = tracecodec_nn::train(
        &config.train,
        &config.codec,
        data,
        output,
        args.training.resume,
        |progress| bar.show(progress),
    )?;
    bar.finish();
    write_card(output, &codec)?;
    let warning = uselessness(&config, &report.best);
    if let Some(warning) = &warning {
        eprintln!("warning: {warning}");
        eprintln!(
            "hint: lower learning_rate ({}), or train for longer",
            config.train.learning_rate
        );
    }
    let summary = Summary {
        output: output.display().to_string(),
        training_packets: data.training_packets(),
        validation_packets: data.validation_packets(),
        steps: report.steps,
        stopped_early: report.stopped_early,
        packets_per_second: report.examples_per_second,
        best: report.best,
        warning,
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

/// Why a codec with this validation is of no use: it learned nothing, or diverged.
fn uselessness(config: &Config, best: &Validation) -> Option<String> {
    let guessing = config.codec.guessing_nats(config.train.lambda_time);
    if best.loss >= guessing {
        return Some(format!(
            "the best validation has a loss of {} nats a packet, and guessing {guessing:.0}: the training diverged, or had hardly begun",
            short(best.loss)
        ));
    }
    (best.exact == 0.0).then(|| "not one packet of the best validation came back whole".to_string())
}

/// Writes the model card beside the manifest.
fn write_card(folder: &Path, codec: &Codec) -> Result<()> {
    let card = model_card(&Manifest::read(folder)?, &codec.digest());
    let mut output = Output::create(folder.join(model_card::FILE))?;
    output.write_all(card.as_bytes())?;
    Ok(output.finish()?)
}

impl Train {
    fn settings(&self) -> Result<Config> {
        let mut config = match &self.config {
            Some(path) => read_config(path)?,
            None => Config::default(),
        };
        config.codec.encoder = self.encoder.unwrap_or(config.codec.encoder);
        config.codec.tokens = self.tokens.unwrap_or(config.codec.tokens);
        config.train.seed = self.training.seed.unwrap_or(config.train.seed);
        if let Some(steps) = self.training.steps {
            (config.train.steps, config.train.minutes) = (steps, None);
        }
        config.train.minutes = self.training.minutes.or(config.train.minutes);
        config.train.threads = self.training.threads;
        config.train.device = self.device.device();
        if self.half {
            config.train.precision = Precision::Half;
        }
        Ok(config)
    }
}

fn read_config(path: &Path) -> Result<Config> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_useless_codecs_are_told() {
        let config = Config::default();
        let told = |loss, exact| {
            let validation = Validation {
                step: 20,
                loss,
                fields: 0.02,
                time: 0.0,
                kl: 78.0,
                accuracy: 0.86,
                exact,
                training_loss: loss,
            };
            uselessness(&config, &validation).unwrap_or_default()
        };
        assert_eq!(told(1.6, 0.99), "");
        assert_eq!(told(134.0, 0.01), "");
        assert!(told(34.0, 0.0).contains("not one packet"));
        for loss in [136.0, 2e11] {
            assert!(
                told(loss, 0.0).contains("and guessing 136"),
                "{}",
                told(loss, 0.0)
            );
            assert!(told(loss, 0.5).contains("diverged"));
        }
    }
}
