//! `flows`: the sessions of a capture, a row each, as Zeek's `conn.log`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_pipeline::run::flows;

use crate::args::CaptureArgs;
use crate::output::{check_stdout, print_summary};
use crate::terminal::Terminal;
use tracecodec_pipeline::monitor::counted;

/// Write the sessions of a capture, a row each, with the columns of Zeek's conn.log.
///
/// The name decides the format: conn.log (or another name in .log or .tsv) is Zeek's, .csv, .jsonl,
/// .parquet; - is stdout, in Zeek's format. Addresses and ports are the capture's own.
///
/// Rows come in the order in which sessions are known to be over: at the next session of the same
/// five-tuple, after five minutes of silence, or at the end of the capture; those of one moment by
/// their start. The service is that of the responder's port; payload is not read.
#[derive(Debug, Args)]
pub(crate) struct Flows {
    /// Captures to read, in order, as one; - is stdin.
    #[arg(value_name = "CAPTURE", required = true)]
    inputs: Vec<PathBuf>,
    /// File to write: conn.log, or a name in .csv, .jsonl or .parquet; - is stdout.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    read: CaptureArgs,
}

pub(crate) fn run(args: &Flows, json: bool) -> Result<()> {
    check_stdout(json, &args.output)?;
    let config = flows::Config {
        inputs: args.inputs.clone(),
        output: args.output.clone(),
        read: args.read.policy(),
    };
    let outcome = flows::run(&config, &mut Terminal::new())?;
    let mut line = format!(
        "{}: {} of {}",
        args.output.display(),
        counted(outcome.sessions, "session"),
        counted(outcome.packets_read, "packet")
    );
    for (reason, count) in &outcome.skipped {
        line.push_str(&format!("; left out: {count} {reason}"));
    }
    print_summary(json, &outcome, &line)
}
