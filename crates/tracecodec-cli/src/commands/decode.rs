//! `decode`: latents to a capture, or to packet actions.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_nn::Corrected;
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::decode;

use crate::args::{CaptureOutputArgs, ConstraintArgs, DisclosureArgs, ModelArgs, RealiseArgs};
use crate::output::{check_stdout, print_summary, realised_part};
use crate::terminal::Terminal;

/// Decode latents to a capture, or to packet actions.
///
/// Reads the tensor `mu` (or `sample`), one row a packet, and the manifest beside the file for the
/// option layouts and the time of the first packet; without a manifest the trace starts in 1970.
/// Latents that a model of your own made have no manifest: --like names others whose manifest to
/// take. Rows of `generator sequences` are latents and the packet's time. An output named .parquet
/// gets the actions; any other name gets a capture.
#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// Latents to read (safetensors).
    #[arg(value_name = "LATENTS")]
    input: PathBuf,
    /// Decode the tensor `sample`, a draw from each posterior, instead of the means.
    #[arg(long)]
    sample: bool,
    /// Take option layouts, tick and time of the first packet from the manifest of other latents: a
    /// file of latents, a manifest, or a folder of sequences.
    #[arg(long, value_name = "PATH")]
    like: Option<PathBuf>,
    /// The rows are normalised, every channel by its mean and deviation in sequences.json (beside
    /// the file or by --like).
    #[arg(long)]
    normalised: bool,
    #[command(flatten)]
    output: CaptureOutputArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    constraints: ConstraintArgs,
    /// Acknowledge nothing that the peer has not sent, for latents that a generator sampled: the
    /// likeliest number is taken that does not. Captures that miss packets do acknowledge what they
    /// do not hold.
    #[arg(long, conflicts_with = "unconstrained")]
    strict: bool,
    #[command(flatten)]
    realise: RealiseArgs,
    #[command(flatten)]
    disclosure: DisclosureArgs,
}

pub(crate) fn run(args: &Decode, json: bool) -> Result<()> {
    check_stdout(json, &args.output.path())?;
    let config = decode::Config {
        input: args.input.clone(),
        output: args.output.path(),
        split_flows: args.output.split_flows(),
        sample: args.sample,
        like: args.like.clone(),
        normalised: args.normalised,
        model: args.model.name(),
        device: args.model.device.device(),
        threads: None,
        unconstrained: args.constraints.unconstrained,
        strict: args.strict,
        realise: args.realise.realise(),
        disclosure: args.disclosure.disclosure(),
    };
    let outcome = decode::run(&config, &mut Terminal::new())?;
    let line = format!(
        "{}: {}{}{}",
        outcome.output,
        counted(outcome.packets, "packet"),
        corrected_line(outcome.corrected),
        realised_part(&outcome.realised)
    );
    print_summary(json, &outcome, &line)
}

/// How many packets were made to agree with those before, in words.
fn corrected_line(corrected: Corrected) -> String {
    let flows = match corrected.flows {
        0 => String::new(),
        flows => format!("; {flows} made to agree with the open flows"),
    };
    match corrected.acknowledgments {
        0 => flows,
        acknowledgments => {
            let corrected = counted(acknowledgments, "acknowledgment");
            format!("{flows}; {corrected} made to agree with what was sent")
        }
    }
}
