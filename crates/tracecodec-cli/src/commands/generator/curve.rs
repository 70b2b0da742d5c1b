//! `generator curve`: what samples lose where the solver takes fewer steps.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use tracecodec::choice::Choice;
use tracecodec::shard::Split;
use tracecodec_nn::generator::curve::Point;
use tracecodec_nn::generator::{Curve, CurveConfig, Method};
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::generator::curve::{self, Outcome};

use crate::args::DeviceArg;
use crate::choice::{choice, choice_of};
use crate::output::{print, print_json};
use crate::terminal::Terminal;

/// Measure quality against evaluations of a generator.
///
/// Samples what follows held-out prefixes by every solver, from the same noise. For each it reports
/// the evaluations of the network a suffix, the time, how far the samples are from those of a
/// solver of many steps (root mean square), and how far their values are from the true ones
/// (Wasserstein-1 distance, channel by channel); both in standard deviations of the channels.
#[derive(Debug, Args)]
pub(crate) struct CurveArgs {
    /// Folder of a trained generator.
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Folder that `tracecodec generator sequences` wrote.
    #[arg(value_name = "SEQUENCES")]
    sequences: PathBuf,
    /// Windows to sample, spread evenly over the split.
    #[arg(long, value_name = "N", default_value_t = CurveConfig::default().windows, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    windows: usize,
    /// The split.
    #[arg(long, value_parser = choice_of(|split: Split| split != Split::Train), default_value = Split::Test.name())]
    split: Split,
    /// Solvers, with commas between them.
    #[arg(long, value_name = "NAME", value_parser = choice::<Method>(), value_delimiter = ',', default_values = Method::all().map(Choice::name))]
    methods: Vec<Method>,
    /// Numbers of steps, with commas between them.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = CurveConfig::default().steps, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    steps: Vec<usize>,
    /// Steps of Heun's method that the others are compared with.
    #[arg(long, value_name = "N", default_value_t = CurveConfig::default().reference.steps, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    reference: usize,
    /// Seed of the noise.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads on the CPU; the samples do not depend on them.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    threads: Option<usize>,
    #[command(flatten)]
    device: DeviceArg,
}

pub(crate) fn run(args: &CurveArgs, json: bool) -> Result<()> {
    let config = curve::Config {
        model: args.model.clone(),
        sequences: args.sequences.clone(),
        windows: args.windows,
        split: args.split,
        methods: args.methods.clone(),
        steps: args.steps.clone(),
        reference: args.reference,
        seed: args.seed,
        threads: args.threads,
        device: args.device.device(),
    };
    let outcome = curve::run(&config, &mut Terminal::new())?;
    if json {
        print_json(&outcome)
    } else {
        print(&table(&outcome)?)
    }
}

/// The curve for people.
fn table(summary: &Outcome) -> Result<String> {
    let Curve {
        windows,
        suffix,
        neighbours_to_held_out,
        reference,
        points,
        ..
    } = &summary.curve;
    let mut text = format!(
        "{windows} suffix{} of {}, {} split\n\n",
        if *windows == 1 { "" } else { "es" },
        counted(*suffix as u64, "packet"),
        summary.split
    );
    writeln!(
        text,
        "{:<10}{:>6}{:>13}{:>10}{:>12}{:>14}{:>13}",
        "method", "steps", "evaluations", "seconds", "packets/s", "to reference", "to held-out"
    )?;
    for Point {
        solver,
        evaluations,
        seconds,
        rows_per_second,
        to_reference,
        to_held_out,
    } in points.iter().chain([reference])
    {
        writeln!(
            text,
            "{:<10}{:>6}{evaluations:>13}{seconds:>10.2}{rows_per_second:>12.0}{to_reference:>14.4}{to_held_out:>13.4}",
            solver.method.name(),
            solver.steps
        )?;
    }
    writeln!(
        text,
        "\nthe last one is the reference; true packets just before the suffixes are {neighbours_to_held_out:.4} from the held-out"
    )?;
    Ok(text)
}
