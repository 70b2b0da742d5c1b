//! `compile`: packet actions to a capture.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::compile;

use crate::args::{CaptureOutputArgs, RealiseArgs};
use crate::output::{check_stdout, print_summary, realised_part};
use crate::terminal::Terminal;

/// Compile packet actions to a capture with synthetic endpoints.
#[derive(Debug, Args)]
pub(crate) struct Compile {
    /// Actions to read (Parquet).
    #[arg(value_name = "ACTIONS")]
    input: PathBuf,
    /// If another tool rewrote ACTIONS and lost the metadata: the original, or its manifest
    /// [default: the manifest beside ACTIONS].
    #[arg(long, value_name = "FILE")]
    like: Option<PathBuf>,
    #[command(flatten)]
    output: CaptureOutputArgs,
    #[command(flatten)]
    realise: RealiseArgs,
}

pub(crate) fn run(args: &Compile, json: bool) -> Result<()> {
    check_stdout(json, &args.output.path())?;
    let config = compile::Config {
        input: args.input.clone(),
        like: args.like.clone(),
        output: args.output.path(),
        split_flows: args.output.split_flows(),
        realise: args.realise.realise(),
    };
    let outcome = compile::run(&config, &mut Terminal::new())?;
    let line = format!(
        "{}: {}{}",
        outcome.output,
        counted(outcome.packets, "packet"),
        realised_part(&outcome.realised)
    );
    print_summary(json, &outcome, &line)
}
