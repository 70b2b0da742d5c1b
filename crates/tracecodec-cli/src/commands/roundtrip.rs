//! `roundtrip`: a capture to actions, or to latents, and back.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use tracecodec::action::OptionProfiles;
use tracecodec::compile::Compiler;
use tracecodec::lift::Lifter;

use crate::cli::{LiftArgs, ReadArgs, RealiseArgs};
use crate::input::Input;
use crate::output::{
    CaptureOutput, LiftSummary, check_stdout, legalisation_line, legalisations, lift_line,
    print_summary,
};

/// Take a capture to actions (or latents) and back, in one step.
#[derive(Debug, Args)]
pub(crate) struct Roundtrip {
    /// Capture to read; - is stdin.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Capture to write; - is stdout.
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Lift and compile only, with nothing learned in between: the output keeps all that the actions hold.
    #[arg(long)]
    oracle: bool,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    lift: LiftArgs,
    #[command(flatten)]
    realise: RealiseArgs,
}

/// The summary of a round trip.
#[derive(Debug, Serialize)]
struct Summary {
    input: String,
    output: String,
    salt: u64,
    #[serde(flatten)]
    lift: LiftSummary,
    legalisations: std::collections::BTreeMap<&'static str, u64>,
}

pub(crate) fn run(args: &Roundtrip, json: bool) -> Result<()> {
    check_stdout(json, &args.output)?;
    run_oracle(args, json)
}

/// Lifts and compiles packet by packet: memory does not grow with the capture.
fn run_oracle(args: &Roundtrip, json: bool) -> Result<()> {
    let mut input = Input::open(&args.input, args.read)?;
    let mut output = CaptureOutput::create(&args.output, args.realise.us)?;
    let mut lifter = Lifter::new(args.lift.slots, OptionProfiles::new());
    let mut compiler = Compiler::new(args.realise.config());
    input.for_each(|packet| {
        let Ok(action) = lifter.lift(packet) else {
            return Ok(());
        };
        if output.packets == 0 {
            compiler.start_at(packet.time);
        }
        output.write(&compiler.compile(&action, lifter.profiles()))
    })?;
    output.finish()?;
    let counts = lifter.counts();
    let summary = Summary {
        input: name(&args.input),
        output: name(&args.output),
        salt: args.realise.salt.0,
        lift: LiftSummary::from(&counts),
        legalisations: legalisations(compiler.legalisations()),
    };
    let line = format!(
        "{}: {}{}",
        summary.output,
        lift_line(&counts),
        legalisation_line(compiler.legalisations())
    );
    print_summary(json, &summary, &line)
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
