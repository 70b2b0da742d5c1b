//! `generator`: models of traces: their data, their training, and how many evaluations a sample of
//! latents needs.

mod continuation;
mod curve;
mod sequences;
mod train;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Train and measure generators.
///
/// A generator continues a trace, or begins a new one. The autoregressive one learns from captures;
/// flow matching learns from latent sequences, of the codec or of a baseline, and what it samples
/// decodes as any other latents do.
#[derive(Debug, Args)]
pub(crate) struct GeneratorArgs {
    #[command(subcommand)]
    command: GeneratorCommand,
}

#[derive(Debug, Subcommand)]
enum GeneratorCommand {
    Sequences(sequences::SequencesArgs),
    Train(train::Train),
    Curve(curve::CurveArgs),
    #[command(alias = "test")]
    Continuation(continuation::Continuation),
}

pub(crate) fn run(args: &GeneratorArgs, json: bool) -> Result<()> {
    match &args.command {
        GeneratorCommand::Sequences(args) => sequences::run(args, json),
        GeneratorCommand::Train(args) => train::run(args, json),
        GeneratorCommand::Curve(args) => curve::run(args, json),
        GeneratorCommand::Continuation(args) => continuation::run(args, json),
    }
}
