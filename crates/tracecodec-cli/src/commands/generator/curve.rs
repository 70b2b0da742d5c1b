//! `generator curve`: what samples lose where the solver takes fewer steps.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use serde::Serialize;
use tracecodec::artifact::manifest::Split;
use tracecodec::choice::Choice;
use tracecodec_nn::generator::curve::Point;
use tracecodec_nn::generator::{Curve, CurveConfig, FlowMatching, Method, Solver, curve};

use super::open_sequences;
use crate::choice::choice;
use crate::cli::DeviceArg;
use crate::failure::Hint;
use crate::generator_args::GENERATOR;
use crate::input::progress_bar;
use crate::interrupt;
use crate::output::{print, print_json};

/// Measure quality against evaluations of a generator.
///
/// Samples what follows held-out prefixes by every solver, from the same noise. For each it tells the evaluations of the network a suffix, the
/// time, how far the samples are from those of a solver of many steps (root mean square), and how far their values are from the true ones
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
    #[arg(long, value_enum, default_value_t = SplitArg::Test)]
    split: SplitArg,
    /// Solvers, with commas between them.
    #[arg(long, value_name = "NAME", value_parser = choice::<Method>(), value_delimiter = ',', default_values = Method::all().map(Choice::name))]
    methods: Vec<Method>,
    /// Numbers of steps, with commas between them.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = CurveConfig::default().steps, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    steps: Vec<usize>,
    /// Steps of Heun's method that the others are compared with.
    #[arg(long, value_name = "N", default_value_t = CurveConfig::default().reference.steps, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    reference: usize,
    /// Names the noise.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads on the CPU; the samples do not depend on them.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    threads: Option<usize>,
    #[command(flatten)]
    device: DeviceArg,
}

/// Splits to hold out.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SplitArg {
    /// The split by which the generator was chosen.
    Validation,
    /// The split that it never saw.
    Test,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    model: String,
    model_blake3: String,
    split: &'static str,
    threads: Option<usize>,
    #[serde(flatten)]
    curve: Curve,
}

pub(crate) fn run(args: &CurveArgs, json: bool) -> Result<()> {
    if !args.model.join(GENERATOR).is_file() {
        return Err(Hint::error(
            format!("{}: no generator there", args.model.display()),
            "name a folder that `tracecodec generator train` wrote",
        ));
    }
    let mut generator = FlowMatching::load(&args.model)?.with_device(args.device.device())?;
    if let Some(threads) = args.threads {
        generator = generator.with_threads(threads);
    }
    let sequences = open_sequences(&args.sequences)?;
    if sequences.manifest().representation.digest() != generator.representation().digest() {
        return Err(Hint::error(
            format!(
                "{}: latents of another model than those that {} learned",
                args.sequences.display(),
                args.model.display()
            ),
            "name the sequences that it was trained on, or others by the same codec or baseline",
        ));
    }
    let split = match args.split {
        SplitArg::Validation => Split::Validation,
        SplitArg::Test => Split::Test,
    };
    let (prefix, suffix) = (generator.prefix(), generator.suffix());
    let windows = sequences.windows(split, prefix, suffix, suffix)?;
    let config = CurveConfig {
        windows: args.windows,
        seed: args.seed,
        methods: args.methods.clone(),
        steps: args.steps.clone(),
        reference: Solver {
            method: Method::Heun,
            steps: args.reference,
        },
    };
    let bar = progress_bar(Some(1), "solvers");
    let curve = curve(&generator, &windows, &config, |done, all| {
        interrupt::exit_if_interrupted("nothing was written");
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let summary = Summary {
        model: args.model.display().to_string(),
        model_blake3: generator.digest(),
        split: split.name(),
        threads: args.threads,
        curve,
    };
    match json {
        true => print_json(&summary),
        false => print(&table(&summary)?),
    }
}

/// The curve for people.
fn table(summary: &Summary) -> Result<String> {
    let Curve {
        windows,
        suffix,
        neighbours_to_held_out,
        reference,
        points,
        ..
    } = &summary.curve;
    let mut text = format!(
        "{windows} suffixes of {suffix} packets, {} split\n\n",
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
