//! `encode`: packets to latents.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::encode;

use crate::args::{CaptureArgs, DisclosureArgs, LiftArgs, ModelArgs, RefineArgs};
use crate::output::{entropy_part, print_summary};
use crate::terminal::Terminal;

/// Encode packets to latents, as safetensors.
///
/// The file holds the tensors `mu` and `log_var`, one row a packet, and with --sample a draw from
/// each posterior; a manifest is written beside it. Actions are kept in memory, about 100 bytes a
/// packet; latents are written as they are made.
#[derive(Debug, Args)]
pub(crate) struct Encode {
    /// Capture, or actions (.parquet) that were lifted with --profiles-of this codec; - is a
    /// capture on stdin.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// File to write (safetensors).
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Write a draw from each posterior too, as the tensor `sample`, with noise from this seed.
    #[arg(long, value_name = "SEED")]
    sample: Option<u64>,
    /// Report what the packets cost without a model of the traffic, too: takes about 200 bytes of
    /// memory a packet.
    #[arg(long)]
    entropy: bool,
    #[command(flatten)]
    refine: RefineArgs,
    #[command(flatten)]
    read: CaptureArgs,
    #[command(flatten)]
    lift: LiftArgs,
    #[command(flatten)]
    disclosure: DisclosureArgs,
}

pub(crate) fn run(args: &Encode, json: bool) -> Result<()> {
    let config = encode::Config {
        model: args.model.name(),
        device: args.model.device.device(),
        sample: args.sample,
        entropy: args.entropy,
        refine: !args.refine.no_refine,
        read: args.read.policy(),
        lift: args.lift.lifting(),
        disclosure: args.disclosure.disclosure(),
        ..encode::Config::new(&args.input, &args.output)
    };
    let manifest = encode::run(&config, &mut Terminal::new())?;
    let line = format!(
        "{}: {}, {}, {:.1} nats a packet{}{}",
        args.output.display(),
        counted(manifest.packets.unwrap_or_default(), "packet"),
        counted(manifest.dim.unwrap_or_default() as u64, "dimension"),
        manifest.kl_nats.unwrap_or_default(),
        manifest.entropy.map_or_else(String::new, entropy_part),
        manifest.refined.map_or_else(String::new, |refined| format!(
            "; {} refined, {} still wrong",
            refined.moved, refined.left
        ))
    );
    print_summary(json, &manifest, &line)
}
