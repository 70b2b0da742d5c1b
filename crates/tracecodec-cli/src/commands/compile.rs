//! `compile`: packet actions to a capture.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use tracecodec::artifact::ActionsReader;
use tracecodec::compile::Compiler;

use crate::cli::{OutputArg, RealiseArgs};
use crate::input::progress_bar;
use crate::interrupt;
use crate::output::{
    CaptureOutput, check_distinct, check_file, check_stdout, legalisation_line, legalisations,
    print_summary,
};

/// Actions between two updates of the progress bar.
const PROGRESS_STEP: u64 = 4096;

/// Compile packet actions to a capture with synthetic endpoints.
#[derive(Debug, Args)]
pub(crate) struct Compile {
    /// Actions to read (Parquet).
    #[arg(value_name = "ACTIONS")]
    input: PathBuf,
    #[command(flatten)]
    output: OutputArg,
    #[command(flatten)]
    realise: RealiseArgs,
}

/// The summary of a compilation.
#[derive(Debug, Serialize)]
struct Summary {
    input: String,
    output: String,
    salt: u64,
    packets: u64,
    legalisations: BTreeMap<&'static str, u64>,
}

pub(crate) fn run(args: &Compile, json: bool) -> Result<()> {
    check_stdout(json, &args.output.output)?;
    check_file(&args.input, "actions")?;
    check_distinct(&[&args.input], &args.output.output)?;
    let reader = ActionsReader::open(&args.input)?;
    let profiles = reader.profiles().clone();
    let bar = progress_bar(Some(reader.rows()), "packets");
    let mut compiler = Compiler::new(args.realise.config());
    compiler.start_at(reader.epoch().unwrap_or_default());
    let mut output = CaptureOutput::create(&args.output.output, args.realise.us)?;
    for action in reader {
        output.write(&compiler.compile(&action?, &profiles))?;
        if output.packets % PROGRESS_STEP == 0 {
            interrupt::check()?;
            bar.set_position(output.packets);
        }
    }
    bar.finish_and_clear();
    let packets = output.packets;
    output.finish()?;
    let summary = Summary {
        input: args.input.display().to_string(),
        output: args.output.output.display().to_string(),
        salt: args.realise.salt.0,
        packets,
        legalisations: legalisations(compiler.legalisations()),
    };
    let line = format!(
        "{}: {packets} packets{}",
        summary.output,
        legalisation_line(compiler.legalisations())
    );
    print_summary(json, &summary, &line)
}
