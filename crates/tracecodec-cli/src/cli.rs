//! The command line, as data: help, completions and the manual page derive from it.

use clap::{Parser, Subcommand};

use crate::commands;

/// A codec for packet traces: captures to packet actions to latents, and back.
///
/// A capture is lifted to timed packet actions (which flow, which event, how long, how much acknowledged, when). A neural codec maps
/// each action to a continuous latent and back. A deterministic compiler lowers actions to a legal, state-consistent capture with
/// synthetic endpoints: no address, port, payload or sequence number of the original survives.
#[derive(Debug, Parser)]
#[command(
    name = "tracecodec",
    version,
    propagate_version = true,
    max_term_width = 110
)]
#[command(
    after_help = "Exit codes: 0 good, 1 a finding (verify, check, events --analyzer both), 2 failure.\nCaptures may be pcap or pcapng, plain, .gz or .zst; - is stdin or stdout."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print the summary as JSON on stdout.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The commands, in the order of the data's way. What each does is told with its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Inspect(commands::inspect::Inspect),
    Events(commands::events::Events),
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
    Merge(commands::merge::Merge),
    Check(commands::check::Check),
    Report(commands::report::Report),
    Completions(commands::completions::Completions),
    Man(commands::completions::Man),
}
