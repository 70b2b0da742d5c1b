//! The binary `tracecodec`: one file a command.

mod args;
mod choice;
mod cli;
mod commands;
mod count;
mod evaluation;
mod failure;
mod generator_args;
mod interrupt;
mod output;
mod stderr;
mod terminal;
mod training_args;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    interrupt::install();
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => failure::report(&error),
    }
}
