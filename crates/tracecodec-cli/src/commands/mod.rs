//! The commands: one file each, with its arguments and its `run`.

pub(crate) mod baseline;
pub(crate) mod check;
pub(crate) mod compile;
pub(crate) mod completions;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod evaluate;
pub(crate) mod events;
pub(crate) mod generate;
pub(crate) mod generator;
pub(crate) mod inspect;
pub(crate) mod lift;
pub(crate) mod merge;
pub(crate) mod probe;
pub(crate) mod report;
pub(crate) mod roundtrip;
pub(crate) mod shard;
pub(crate) mod train;
pub(crate) mod verify;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::{Cli, Command};
use crate::failure::GOOD;

/// Runs a command.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    let json = cli.json;
    match cli.command {
        Command::Inspect(args) => inspect::run(&args, json),
        Command::Events(args) => return events::run(&args, json).map(Into::into),
        Command::Shard(args) => shard::run(&args, json),
        Command::Lift(args) => lift::run(&args, json),
        Command::Compile(args) => compile::run(&args, json),
        Command::Train(args) => train::run(&args, json),
        Command::Encode(args) => encode::run(&args, json),
        Command::Decode(args) => decode::run(&args, json),
        Command::Roundtrip(args) => roundtrip::run(&args, json),
        Command::Baseline(args) => baseline::run(&args, json),
        Command::Generator(args) => generator::run(&args, json),
        Command::Generate(args) => generate::run(&args, json),
        Command::Probe(args) => probe::run(&args, json),
        Command::Verify(args) => return verify::run(&args, json).map(Into::into),
        Command::Evaluate(args) => evaluate::run(&args, json),
        Command::Merge(args) => merge::run(&args, json),
        Command::Check(args) => return check::run(&args, json).map(Into::into),
        Command::Report(args) => report::run(&args, json),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => completions::run_man(&args),
    }?;
    Ok(GOOD.into())
}
