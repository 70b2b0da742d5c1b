//! `generator sequences`: latent sequences of shards.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::generator::sequences;

use crate::args::{CaptureArgs, ModelArgs};
use crate::output::print_summary;
use crate::terminal::Terminal;

/// Write latent sequences: one a shard, one row a packet.
///
/// A row of a codec holds the mean of the packet's posterior, as the encoder gives it, and the time
/// since the packet before; one of a baseline the mean of its latent. Splits and labels are those
/// of the shards. Memory does not grow with the data.
#[derive(Debug, Args)]
pub(crate) struct SequencesArgs {
    /// Folders that `tracecodec shard` wrote.
    #[arg(value_name = "SHARDS", required = true)]
    shards: Vec<PathBuf>,
    /// Folder to write.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Folder of a trained baseline, instead of a codec: TVAE or TabSyn-VAE.
    #[arg(long, value_name = "DIR", conflicts_with = "model")]
    baseline: Option<PathBuf>,

    /// Replace sequences that the folder holds.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    read: CaptureArgs,
}

pub(crate) fn run(args: &SequencesArgs, json: bool) -> Result<()> {
    let config = sequences::Config {
        shards: args.shards.clone(),
        output: args.output.clone(),
        model: args.model.name(),
        baseline: args.baseline.clone(),
        device: args.model.device.device(),
        overwrite: args.overwrite,
        read: args.read.policy(),
    };
    let outcome = sequences::run(&config, &mut Terminal::new())?;
    let line = format!(
        "{}: {} of {} a packet, by {}: {} to train on, {} to validate, {} to test",
        outcome.output,
        counted(outcome.sequences as u64, "sequence"),
        counted(outcome.channels as u64, "number"),
        outcome.model,
        counted(outcome.training_rows, "packet"),
        outcome.validation_rows,
        outcome.test_rows
    );
    print_summary(json, &outcome, &line)
}
