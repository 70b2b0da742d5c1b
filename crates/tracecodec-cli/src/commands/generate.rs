//! `generate`: a trace that a generator makes, or continues.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::generate::{self, Outcome};

use crate::args::{CaptureArgs, CaptureOutputArgs, DisclosureArgs, RealiseArgs};
use crate::count::positive_count;
use crate::generator_args::GeneratorModelArgs;
use crate::output::{check_stdout, print_summary, realised_part};
use crate::terminal::Terminal;

/// Generate a trace, or continue one.
///
/// Makes any number of packets, from nothing but the model or as the continuation of a capture. The
/// same seed gives the same bytes. Packets are written as they are made: memory grows with the
/// open flows alone.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("length").required(true).multiple(true)))]
pub(crate) struct Generate {
    #[command(flatten)]
    output: CaptureOutputArgs,
    /// Stop after N packets.
    #[arg(long, value_name = "N", group = "length", value_parser = positive_count)]
    packets: Option<u64>,
    /// Stop after S seconds of the trace.
    #[arg(long, value_name = "S", group = "length", value_parser = positive)]
    duration: Option<f64>,
    /// Seed of every random draw.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Capture to continue; - is stdin.
    #[arg(long, value_name = "CAPTURE")]
    prefix: Option<PathBuf>,
    /// Write the prefix, too, before its continuation, with synthetic endpoints like it.
    #[arg(long, requires = "prefix")]
    with_prefix: bool,
    /// Begin before the first flow opens. By default a trace from nothing begins with flows open,
    /// as captures do: the generator runs for a while before its packets are written.
    #[arg(long, conflicts_with = "prefix")]
    from_silence: bool,
    /// Label of the training data whose kind of traffic to make. Without it, autoregressive
    /// generators find the likeliest label of a prefix, and a trace from nothing has none.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Packets a second, on average: the times of the model are stretched or shrunk. Without it a
    /// trace has the rates that the model learned, whatever the rate of a prefix.
    #[arg(long, value_name = "PPS", value_parser = positive)]
    rate: Option<f64>,
    #[command(flatten)]
    model: GeneratorModelArgs,
    /// Take packets as they are drawn. By default what contradicts a flow's state is masked: the
    /// packet of a flow that is not open, an acknowledgment of what was never sent.
    #[arg(long)]
    unconstrained: bool,
    /// Threads; the trace does not depend on them.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    threads: Option<usize>,
    #[command(flatten)]
    realise: RealiseArgs,
    #[command(flatten)]
    disclosure: DisclosureArgs,
    #[command(flatten)]
    read: CaptureArgs,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("a number above 0".to_string()),
    }
}

pub(crate) fn run(args: &Generate, json: bool) -> Result<()> {
    check_stdout(json, &args.output.path())?;
    let config = generate::Config {
        output: args.output.path(),
        split_flows: args.output.split_flows(),
        packets: args.packets,
        duration: args.duration,
        seed: args.seed,
        prefix: args.prefix.clone(),
        with_prefix: args.with_prefix,
        from_silence: args.from_silence,
        label: args.label.clone(),
        rate: args.rate,
        generator: args.model.choice(),
        unconstrained: args.unconstrained,
        threads: args.threads,
        realise: args.realise.realise(),
        disclosure: args.disclosure.disclosure(),
        read: args.read.policy(),
    };
    let outcome = generate::run(&config, &mut Terminal::new())?;
    print_summary(json, &outcome, &line(&outcome, args.label.is_some()))
}

fn line(outcome: &Outcome, is_labelled: bool) -> String {
    let open = outcome.most_open_flows;
    let open = open.map_or(String::new(), |open| {
        format!(", at most {} open", counted(open as u64, "flow"))
    });
    // A label that was asked for needs no mention.
    let found = outcome.label.as_ref().filter(|_| !is_labelled);
    let found = found.map_or(String::new(), |label| {
        format!(", of label {label} by its prefix")
    });
    format!(
        "{}: {} in {:.3} s of traffic{found}, {} opened{open}; {} made to agree with their flow{}; {:.0} packets/s",
        outcome.output,
        counted(outcome.packets, "packet"),
        outcome.seconds,
        counted(outcome.flows, "flow"),
        outcome.corrected,
        realised_part(&outcome.realised),
        outcome.packets_per_second
    )
}
