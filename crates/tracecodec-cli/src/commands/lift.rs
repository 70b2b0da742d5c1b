//! `lift`: captures to packet actions.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_pipeline::run::lift;

use crate::args::{CaptureArgs, DisclosureArgs, LiftArgs};
use crate::output::{lift_line, print_summary};
use crate::terminal::Terminal;

/// Lift captures to packet actions, as Parquet.
///
/// Several captures are read one after the other as one: flows continue across them. A manifest is
/// written beside the actions.
#[derive(Debug, Args)]
pub(crate) struct Lift {
    /// Captures to read, in order; - is stdin.
    #[arg(value_name = "CAPTURE", required = true)]
    inputs: Vec<PathBuf>,
    /// File to write (Parquet).
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Continue the dictionary of TCP option layouts of this actions file, or of the codec in this
    /// folder (or `built-in`). Actions that are to be encoded must continue the codec's.
    #[arg(long, value_name = "ACTIONS|MODEL")]
    profiles_of: Option<PathBuf>,
    #[command(flatten)]
    read: CaptureArgs,
    #[command(flatten)]
    lift: LiftArgs,
    #[command(flatten)]
    disclosure: DisclosureArgs,
}

pub(crate) fn run(args: &Lift, json: bool) -> Result<()> {
    let config = lift::Config {
        inputs: args.inputs.clone(),
        output: args.output.clone(),
        profiles_of: args.profiles_of.clone(),
        read: args.read.policy(),
        lift: args.lift.lifting(),
        disclosure: args.disclosure.disclosure(),
    };
    let outcome = lift::run(&config, &mut Terminal::new())?;
    let line = format!(
        "{}: {}",
        args.output.display(),
        lift_line(&outcome.lift_counts)
    );
    print_summary(json, &outcome, &line)
}
