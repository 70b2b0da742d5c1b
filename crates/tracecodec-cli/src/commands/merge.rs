//! `merge`: evaluations of parts to the evaluation of the whole.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_pipeline::run::merge;

use crate::evaluation::print_evaluation;
use crate::terminal::Terminal;

/// Add up evaluations of parts of a dataset, made on one machine or several.
///
/// The result is the same as if all captures had been compared in one run, in whatever order the
/// parts are named.
#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// Evaluations as `evaluate` writes them.
    #[arg(value_name = "EVALUATION", required = true)]
    inputs: Vec<PathBuf>,
    /// Name of the method in reports. Default: that of all evaluations.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Name of the data in reports. Default: that of all evaluations.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Write the evaluation as JSON to this file too.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Merge, json: bool) -> Result<()> {
    let config = merge::Config {
        inputs: args.inputs.clone(),
        label: args.label.clone(),
        dataset: args.dataset.clone(),
        output: args.output.clone(),
    };
    print_evaluation(&merge::run(&config, &mut Terminal::new())?, json)
}
