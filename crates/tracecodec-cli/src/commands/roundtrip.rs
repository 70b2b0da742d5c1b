//! `roundtrip`: captures to actions, or to latents, and back.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_nn::codec::Fidelity;
use tracecodec_pipeline::files::folder::Outcomes;
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::roundtrip::{self, Outcome};

use crate::args::{
    CaptureArgs, ConstraintArgs, DisclosureArgs, LiftArgs, ModelArgs, RealiseArgs, RefineArgs,
};
use crate::output::{check_stdout, entropy_part, lift_line, print_outcomes, realised_part};
use crate::stderr;
use crate::terminal::Terminal;

/// Take a capture to actions (or latents) and back, in one step.
///
/// From a folder, every capture in it is taken, by itself, to a file of the same name in a new
/// folder; `tracecodec evaluate` compares the two. If the run is stopped or fails, the
/// captures that are whole stay, with `incomplete.txt` beside them; the same command again writes
/// all of them anew.
#[derive(Debug, Args)]
pub(crate) struct Roundtrip {
    /// Capture to read, or a folder of captures; - is stdin.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Capture to write, or a folder; - is stdout.
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// Lift and compile only, with nothing learned in between: the output keeps all that the
    /// actions hold.
    #[arg(long, conflicts_with_all = ["model", "device", "no_refine", "unconstrained"])]
    oracle: bool,
    /// Report what the packets cost without a model of the traffic, too: takes about 200 bytes of
    /// memory a packet.
    #[arg(long, conflicts_with = "oracle")]
    entropy: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    refine: RefineArgs,
    #[command(flatten)]
    constraints: ConstraintArgs,
    #[command(flatten)]
    read: CaptureArgs,
    #[command(flatten)]
    lift: LiftArgs,
    #[command(flatten)]
    realise: RealiseArgs,
    #[command(flatten)]
    disclosure: DisclosureArgs,
}

pub(crate) fn run(args: &Roundtrip, json: bool) -> Result<()> {
    check_stdout(json, &args.output)?;
    let config = roundtrip::Config {
        oracle: args.oracle,
        entropy: args.entropy,
        model: args.model.name(),
        device: args.model.device.device(),
        refine: !args.refine.no_refine,
        unconstrained: args.constraints.unconstrained,
        read: args.read.policy(),
        lift: args.lift.lifting(),
        realise: args.realise.realise(),
        disclosure: args.disclosure.disclosure(),
        ..roundtrip::Config::new(&args.input, &args.output)
    };
    let outcomes = roundtrip::run(&config, &mut Terminal::new())?;
    print_outcomes(json, &outcomes, line)?;
    if let (false, Outcomes::Folder { captures }) = (json, &outcomes) {
        stderr::line(&total(captures));
    }
    Ok(())
}

fn line(outcome: &Outcome) -> String {
    // Of no packet there is no accuracy.
    let is_empty = outcome.lift_counts.actions() == 0;
    let fidelity = outcome.codec.as_ref().filter(|_| !is_empty);
    format!(
        "{}: {}{}{}",
        outcome.output,
        lift_line(&outcome.lift_counts),
        fidelity.map_or_else(String::new, fidelity_line),
        realised_part(&outcome.realised)
    )
}

fn fidelity_line(fidelity: &Fidelity) -> String {
    let refinement = fidelity.refinement.as_ref();
    format!(
        "; accuracy {:.3} %, whole packets {:.2} %, {:.0} nats a packet{}{}",
        100.0 * fidelity.rates.action_accuracy,
        100.0 * fidelity.rates.exact_packets,
        fidelity.rates.kl_nats,
        fidelity.entropy.map_or_else(String::new, entropy_part),
        refinement.map_or_else(String::new, |gain| format!(
            "; {} refined, {} still wrong",
            gain.moved, gain.left
        ))
    )
}

/// The line for a folder as a whole.
fn total(captures: &[Outcome]) -> String {
    let sum = |count: fn(&Outcome) -> u64| captures.iter().map(count).sum::<u64>();
    let left = sum(|outcome| {
        let codec = outcome.codec.as_ref();
        codec.map_or(0, |codec| {
            codec.refinement.as_ref().map_or(0, |gain| gain.left)
        })
    });
    let wrong = match captures.first() {
        Some(Outcome {
            codec: Some(codec), ..
        }) if codec.refinement.is_some() => {
            format!("; {left} still wrong")
        }
        _ => String::new(),
    };
    format!(
        "{}: {} of {} in {}{wrong}",
        counted(captures.len() as u64, "capture"),
        sum(|outcome| outcome.lift_counts.actions()),
        counted(sum(|outcome| outcome.lift_counts.packets), "packet"),
        counted(sum(|outcome| outcome.lift_counts.flows), "flow")
    )
}
