//! `generator test`: how well generators go on from real prefixes (the paper, Tables 4 and 12).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use tracecodec::metrics::{Evaluation, METRICS, Unit};

use crate::commands::evaluate::{self, Evaluate};
use crate::continuation::{Captures, Contestant, Cut, REFERENCE, Rules, Trial};
use crate::failure::Hint;
use crate::generator_args::SolverArgs;
use crate::output::{print, print_json, printable, write_json};

/// Measure how well generators go on from real traffic: the latent-interface test.
///
/// Windows of the test shards are cut into a prefix and a suffix. Each contestant is given the prefix, with what came before it, and its packets
/// are compared with the real suffix, as `tracecodec evaluate` does. An evaluation of each contestant is written to DIR/NAME.json, which
/// `tracecodec report` reads.
///
/// Contestants that generate nothing show what to compare with: repeat (the prefix once more), later (the real suffix of another window), oracle (the
/// real suffix by way of packet actions), raw-oracle (by way of raw rows), codec (by way of the latents of the built-in codec), or the
/// folder of a trained codec. A generator is named by its folder; one of the latents of a baseline, or of another codec than the built-in one, by
/// GENERATOR@MODEL.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Who goes on from the prefixes.
    #[arg(value_name = "CONTESTANT", required = true)]
    contestants: Vec<String>,
    /// Folder of shards that `tracecodec shard` wrote, of which the test split is taken. May be given several times.
    #[arg(long, value_name = "DIR", required = true)]
    shards: Vec<PathBuf>,
    /// Folder to write the evaluations to.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Packets of a prefix.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = packets())]
    prefix: u64,
    /// Packets of a suffix.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = packets())]
    suffix: u64,
    /// Packets from the start of a window to that of the next.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = packets())]
    stride: u64,
    /// Most cases; of more windows, so many are taken, evenly spread.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..))]
    cases: u64,
    /// Names all random numbers of the generators, with the number of the case.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Show generators the prefix alone, not what came before it in the shard. Flow matching never reads more than it was trained with.
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
    /// Keep the captures of the suffixes in this folder: reference/ and one folder a contestant.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

fn packets() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=1 << 32)
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    dataset: &'a str,
    prefix: u64,
    suffix: u64,
    stride: u64,
    /// Windows that there are.
    windows: usize,
    /// Those of them that were cases.
    cases: usize,
    contestants: Vec<Row<'a>>,
}

/// A contestant's row.
#[derive(Debug, Serialize)]
struct Row<'a> {
    label: &'a str,
    metrics: BTreeMap<&'static str, Option<f64>>,
}

pub(crate) fn run(args: &Test, json: bool) -> Result<()> {
    let contestants = contestants(args)?;
    let cut = Cut {
        prefix: args.prefix,
        suffix: args.suffix,
        stride: args.stride,
    };
    let trial = Trial::new(&args.shards, cut, args.cases, &contestants)?;
    let captures = Captures::create(&args.output, args.keep.as_deref(), &contestants)?;
    trial.continue_all(&contestants, &captures)?;
    let dataset = args.dataset.clone();
    let dataset = dataset.unwrap_or_else(|| evaluate::stem(&args.shards[0]));
    let evaluations = contestants.iter().map(|contestant| {
        let name = contestant.name();
        let folders = [REFERENCE, name].map(|name| captures.folder(name));
        let pairs = Evaluate::of_folders(&folders[0], &folders[1], args.suffix);
        let evaluation = Evaluation {
            label: name.to_string(),
            dataset: dataset.clone(),
            ..evaluate::evaluation(&pairs)?
        };
        let path = args.output.join(format!("{name}.json"));
        write_json(&path, &evaluation.document())?;
        Ok(evaluation)
    });
    let evaluations: Vec<_> = evaluations.collect::<Result<_>>()?;
    match json {
        true => print_json(&Summary {
            dataset: &dataset,
            prefix: args.prefix,
            suffix: args.suffix,
            stride: args.stride,
            windows: trial.windows(),
            cases: trial.cases(),
            contestants: evaluations.iter().map(Row::of).collect(),
        }),
        false => print(&render(&evaluations)?),
    }
}

/// The contestants, each of which names a file and a folder.
fn contestants(args: &Test) -> Result<Vec<Contestant>> {
    let rules = Rules {
        seed: args.seed,
        unconstrained: args.unconstrained,
        prefix_only: args.prefix_only,
        solver: args.solver.solver(),
        device: args.solver.device(),
    };
    let names = args.contestants.iter();
    let opened = names.map(|name| Contestant::open(name, rules));
    let contestants: Vec<_> = opened.collect::<Result<_>>()?;
    let mut names: Vec<_> = contestants.iter().map(Contestant::name).collect();
    names.push(REFERENCE);
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Hint::error(
            format!("{}: two of this name", pair[0]),
            "each contestant needs a name of its own",
        )),
        None => Ok(contestants),
    }
}

impl<'a> Row<'a> {
    fn of(evaluation: &'a Evaluation) -> Self {
        let metrics = evaluation.metrics().into_iter();
        Self {
            label: &evaluation.label,
            metrics: metrics.map(|(key, value)| (key, value.ok())).collect(),
        }
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
            evaluate::told(evaluation, metric.key)
        })?;
    }
    Ok(text)
}
