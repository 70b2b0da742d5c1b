//! `generator continuation`: how well generators continue real prefixes (the paper, Tables 4 and
//! 12).

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec::metrics::{Evaluation, METRICS, Unit};
use tracecodec_pipeline::run::continuation::{self, Cut, Rules};

use crate::evaluation::metric_text;
use crate::generator_args::SolverArgs;
use crate::output::{print, print_json, printable};
use crate::terminal::Terminal;

/// Measure how well generators continue real traffic: the latent-interface test.
///
/// Windows of the test shards are cut into a prefix and a suffix. Each contestant is given the
/// prefix, with what came before it, and its packets are compared with the real suffix, as
/// `tracecodec evaluate` does. An evaluation of each contestant is written to DIR/NAME.json, which
/// `tracecodec report` reads.
///
/// Contestants that generate nothing show what to compare with: repeat (the prefix once more),
/// later (the real suffix of another window), oracle (the real suffix by way of packet actions),
/// raw-oracle (by way of raw rows), codec (by way of the latents of the built-in codec), or the
/// folder of a trained codec. The generator that is built in is built-in, another one is named by
/// its folder; one of the latents of a baseline, or of another codec than the built-in one, by
/// GENERATOR@MODEL.
#[derive(Debug, Args)]
pub(crate) struct Continuation {
    /// Who continues the prefixes.
    #[arg(value_name = "CONTESTANT", required = true)]
    contestants: Vec<String>,
    /// Folder of shards that `tracecodec shard` wrote, of which the test split is taken. May be
    /// given several times.
    #[arg(long, value_name = "DIR", required = true)]
    shards: Vec<PathBuf>,
    /// Folder to write the evaluations to.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Packets of a prefix.
    #[arg(long, value_name = "N", default_value_t = Cut::default().prefix, value_parser = packets())]
    prefix: u64,
    /// Packets of a suffix.
    #[arg(long, value_name = "N", default_value_t = Cut::default().suffix, value_parser = packets())]
    suffix: u64,
    /// Packets from the start of a window to that of the next.
    #[arg(long, value_name = "N", default_value_t = Cut::default().stride, value_parser = packets())]
    stride: u64,
    /// Most cases; if there are more windows, as many as this are taken, evenly spread.
    #[arg(long, value_name = "N", default_value_t = Cut::default().cases, value_parser = packets())]
    cases: u64,
    /// Seed of every random stream of the generators, with the number of the case.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Show generators the prefix alone, not what came before it in the shard. Flow matching never
    /// reads more than it was trained with.
    #[arg(long)]
    prefix_only: bool,
    /// Take packets as they are sampled, whether they agree with the state of their flows or not.
    #[arg(long)]
    unconstrained: bool,
    #[command(flatten)]
    solver: SolverArgs,
    /// Name of the data in reports. Default: the name of the folder of shards.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Replace evaluations that the folder holds.
    #[arg(long)]
    overwrite: bool,
    /// Keep the captures of the suffixes in this folder: reference/ and one folder a contestant.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

fn packets() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=Cut::MOST)
}

pub(crate) fn run(args: &Continuation, json: bool) -> Result<()> {
    let config = continuation::Config {
        contestants: args.contestants.clone(),
        shards: args.shards.clone(),
        output: args.output.clone(),
        cut: Cut {
            prefix: args.prefix,
            suffix: args.suffix,
            stride: args.stride,
            cases: args.cases,
        },
        rules: Rules {
            seed: args.seed,
            unconstrained: args.unconstrained,
            prefix_only: args.prefix_only,
            sampling: args.solver.sampling(),
        },
        dataset: args.dataset.clone(),
        keep: args.keep.clone(),
        overwrite: args.overwrite,
    };
    let outcome = continuation::run(&config, &mut Terminal::new())?;
    if json {
        print_json(&outcome)
    } else {
        print(&render(&outcome.evaluations)?)
    }
}

/// The table on the terminal: a row a metric, a column a contestant.
fn render(evaluations: &[Evaluation]) -> Result<String> {
    let mut text = String::new();
    let labels = evaluations.iter().map(|evaluation| evaluation.label.len());
    let width = labels.max().unwrap_or(0).max(12) + 2;
    let mut row = |name: &str, of: &dyn Fn(&Evaluation) -> String| {
        let cells: Vec<_> = evaluations
            .iter()
            .map(|evaluation| format!("{:>width$}", of(evaluation)))
            .collect();
        writeln!(text, "{name:<28}{}", cells.concat())
    };
    row("", &|evaluation| printable(&evaluation.label))?;
    let metrics = METRICS.iter();
    for metric in metrics.filter(|metric| metric.unit != Unit::Property) {
        row(metric.title, &|evaluation| {
            metric_text(evaluation, metric.key)
        })?;
    }
    Ok(text)
}
