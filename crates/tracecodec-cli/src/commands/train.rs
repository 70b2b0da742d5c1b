//! `train`: a codec from captures or their actions.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};
use tracecodec::action::{Hosts, Services};
use tracecodec_nn::{CodecSettings, EncoderKind, TokenLayout};
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::train;
use tracecodec_pipeline::settings;

use crate::args::{CaptureArgs, DeviceArg, DisclosureArgs, KeepArgs};
use crate::choice::choice;
use crate::output::print_summary;
use crate::terminal::Terminal;
use crate::training_args::{TrainingArgs, stopped_early};

/// Train a codec.
///
/// Of a folder of shards, the training split is learned from, and the validation split decides
/// which weights are kept. Of captures and actions files, the last tenth of each is for validation.
/// Memory does not grow with the data: all of it is lifted first, to about ten bytes a packet in
/// the output folder, which are removed at the end (--resume lifts again).
///
/// The folder that is written holds the best weights, their manifest, history.jsonl, and
/// MODEL_CARD.md, which says all of it in words; during the training also a checkpoint, at most a
/// minute old. Ctrl-C writes one; --resume continues from it.
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
    keep: KeepArgs,
    #[command(flatten)]
    device: DeviceArg,
    /// Store weights with half the precision and half the size.
    #[arg(long)]
    half: bool,
    #[command(flatten)]
    read: CaptureArgs,
    #[command(flatten)]
    disclosure: DisclosureArgs,
}

pub(crate) fn run(args: &Train, json: bool) -> Result<()> {
    let config = train::Config {
        data: args.data.clone(),
        training: args.training.training(),
        hosts: args.keep.hosts().unwrap_or(Hosts::Graph),
        services: args.keep.services().unwrap_or(Services::Class),
        settings: args.settings()?,
        device: args.device.device(),
        read: args.read.policy(),
        disclosure: args.disclosure.disclosure(),
    };
    let outcome = train::run(&config, &mut Terminal::new())?;
    let line = format!(
        "{}: {}{} over {} at {:.0} packets/s; {}",
        outcome.output,
        counted(outcome.steps, "step"),
        stopped_early(outcome.stopped_early),
        counted(outcome.training_packets, "packet"),
        outcome.packets_per_second,
        outcome.best
    );
    print_summary(json, &outcome, &line)
}

impl Train {
    /// The settings of the file, and over them those of the options.
    fn settings(&self) -> Result<Value> {
        let mut settings = match &self.config {
            Some(path) => {
                let read = settings::read_file(path)?;
                settings::over(&CodecSettings::default(), &read)
                    .with_context(|| format!("{}: not a training configuration", path.display()))?;
                read
            }
            None => settings::none(),
        };
        if let Some(encoder) = self.encoder {
            settings::set(&mut settings, "codec", "encoder", json!(encoder))?;
        }
        if let Some(tokens) = self.tokens {
            settings::set(&mut settings, "codec", "tokens", json!(tokens))?;
        }
        if self.half {
            settings::set(&mut settings, "train", "precision", json!("half"))?;
        }
        Ok(settings)
    }
}
