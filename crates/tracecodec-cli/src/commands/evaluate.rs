//! `evaluate`: how faithful captures are to their references.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec::choice::Choice;
use tracecodec_pipeline::comparison::Analyzer;
use tracecodec_pipeline::run::evaluate;

use crate::args::CaptureArgs;
use crate::choice::choice;
use crate::count::positive_count;
use crate::evaluation::print_evaluation;
use crate::terminal::Terminal;

/// Measure how faithful a capture is to its reference.
///
/// Both are read packet by packet; neither actions nor latents are needed, so any tool's output can
/// be measured. Two folders are compared capture by capture, by their names without the extensions
/// of format and compression (a/1.pcap is a/1.pcapng.gz), and the counts are added up; files that
/// are no captures are left out, with a warning.
///
/// docs/metrics.md has every formula. `tracecodec report` draws a page from what --json or --output
/// write.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// What should have come out: a capture, or a folder of captures.
    #[arg(value_name = "REFERENCE")]
    reference: PathBuf,
    /// What came out: a capture, or a folder with the same names.
    #[arg(value_name = "DECODED")]
    decoded: PathBuf,
    /// Name of the method in reports. Default: the name of DECODED.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Name of the data in reports: evaluations of one dataset stand side by side. Default: the
    /// name of REFERENCE.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Packets that were asked for in each decoded capture. Default: as many as the reference has.
    #[arg(long, value_name = "N", value_parser = positive_count)]
    requested: Option<u64>,
    /// Write the evaluation as JSON to this file too.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Who finds the TCP events.
    #[arg(long, value_parser = choice::<Analyzer>(), default_value = Analyzer::default().name())]
    analyzer: Analyzer,
    #[command(flatten)]
    read: CaptureArgs,
}

pub(crate) fn run(args: &Evaluate, json: bool) -> Result<()> {
    let config = evaluate::Config {
        reference: args.reference.clone(),
        decoded: args.decoded.clone(),
        label: args.label.clone(),
        dataset: args.dataset.clone(),
        requested: args.requested,
        output: args.output.clone(),
        analyzer: args.analyzer,
        read: args.read.policy(),
    };
    print_evaluation(&evaluate::run(&config, &mut Terminal::new())?, json)
}
