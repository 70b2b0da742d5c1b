//! The command line, as data: help, completions and the manual page derive from it.

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

use crate::commands;
use crate::failure::GOOD;

/// A codec for packet traces: captures to packet actions to latents, and back.
///
/// A capture is lifted to timed packet actions (which flow, which event, how long, how much
/// acknowledged, when). A neural codec maps each action to a continuous latent and back. A
/// deterministic compiler lowers actions to a legal, state-consistent capture with synthetic
/// endpoints: no address, port, payload or sequence number of the original survives.
#[derive(Debug, Parser)]
#[command(
    name = "tracecodec",
    version,
    propagate_version = true,
    max_term_width = 110
)]
#[command(
    after_help = "Exit codes: 0 good, 1 a finding (verify, check, audit, trace --verify, events --analyzer both), 2 failure.\nCaptures may be pcap or pcapng, plain, .gz or .zst; - is stdin or stdout."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print the summary as JSON on stdout.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The commands, in the order of the data's way. Each is described with its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Inspect(commands::inspect::Inspect),
    Events(commands::events::Events),
    Flows(commands::flows::Flows),
    Shard(commands::shard::Shard),
    Lift(commands::lift::Lift),
    Compile(commands::compile::Compile),
    Train(commands::train::Train),
    Encode(commands::encode::Encode),
    Decode(commands::decode::Decode),
    Roundtrip(commands::roundtrip::Roundtrip),
    Probe(commands::probe::Probe),
    Baseline(commands::baseline::BaselineArgs),
    Generator(commands::generator::GeneratorArgs),
    Generate(commands::generate::Generate),
    Verify(commands::verify::Verify),
    Evaluate(commands::evaluate::Evaluate),
    Classify(commands::classify::Classify),
    Audit(commands::audit::Audit),
    Merge(commands::merge::Merge),
    Check(commands::check::Check),
    Report(commands::report::Report),
    Experiment(commands::experiment::Experiment),
    Trace(commands::trace::Trace),
    Completions(commands::completions::Completions),
    Man(commands::completions::Man),
}

impl Cli {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let json = self.json;
        match self.command {
            Command::Inspect(args) => commands::inspect::run(&args, json),
            Command::Events(args) => return commands::events::run(&args, json).map(Into::into),
            Command::Flows(args) => commands::flows::run(&args, json),
            Command::Shard(args) => commands::shard::run(&args, json),
            Command::Lift(args) => commands::lift::run(&args, json),
            Command::Compile(args) => commands::compile::run(&args, json),
            Command::Train(args) => commands::train::run(&args, json),
            Command::Encode(args) => commands::encode::run(&args, json),
            Command::Decode(args) => commands::decode::run(&args, json),
            Command::Roundtrip(args) => commands::roundtrip::run(&args, json),
            Command::Baseline(args) => commands::baseline::run(&args, json),
            Command::Generator(args) => commands::generator::run(&args, json),
            Command::Generate(args) => commands::generate::run(&args, json),
            Command::Probe(args) => commands::probe::run(&args, json),
            Command::Verify(args) => return commands::verify::run(&args, json).map(Into::into),
            Command::Evaluate(args) => commands::evaluate::run(&args, json),
            Command::Classify(args) => commands::classify::run(&args, json),
            Command::Audit(args) => return commands::audit::run(&args, json).map(Into::into),
            Command::Merge(args) => commands::merge::run(&args, json),
            Command::Check(args) => return commands::check::run(&args, json).map(Into::into),
            Command::Report(args) => commands::report::run(&args, json),
            Command::Experiment(args) => commands::experiment::run(&args, json),
            Command::Trace(args) => return commands::trace::run(&args, json).map(Into::into),
            Command::Completions(args) => commands::completions::run(&args, Self::command()),
            Command::Man(args) => commands::completions::run_man(&args, Self::command()),
        }?;
        Ok(GOOD.into())
    }
}
