//! `baseline`: the raw-field baselines: their training, their round trip, and what it does to rows.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use tracecodec::choice::Choice;
use tracecodec::raw::{Diagnostics, Schema};
use tracecodec_nn::baseline::{Model, VocabularyRows};
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::baseline::{diagnose, oracle, reconstruct, train};

use crate::args::{CaptureArgs, DisclosureArgs};
use crate::choice::choice;
use crate::output::{check_stdout, print, print_json, print_outcomes, print_summary};
use crate::terminal::Terminal;
use crate::training_args::{TrainingArgs, stopped_early};

/// Train and run the raw-field baselines.
///
/// Published generators of generic tables, as codecs of header fields: one row a packet, each by
/// itself. The codec is compared with them. What they write holds the addresses and ports of the
/// captures that they were trained on.
#[derive(Debug, Args)]
pub(crate) struct BaselineArgs {
    #[command(subcommand)]
    command: BaselineCommand,
}

#[derive(Debug, Subcommand)]
enum BaselineCommand {
    Train(Train),
    Reconstruct(Reconstruct),
    Diagnose(Diagnose),
    Oracle(Oracle),
}

/// Train a baseline on shards.
///
/// The training split is learned from, and the validation split decides which weights are kept. The
/// default budget is the paper's, which takes hours.
#[derive(Debug, Args)]
struct Train {
    /// Folders that `tracecodec shard` wrote.
    #[arg(value_name = "SHARDS", required = true)]
    shards: Vec<PathBuf>,
    /// The model.
    #[arg(short, long, value_parser = choice::<Model>())]
    model: Model,
    #[command(flatten)]
    schema: SchemaArgs,
    /// Which values the vocabularies of addresses, ports and other codes may have. The bit table
    /// has none.
    #[arg(long, value_parser = choice::<VocabularyRows>(), default_value = VocabularyRows::All.name())]
    vocabulary: VocabularyRows,
    /// Validations in the course of the training; the weights of the best one are kept [default:
    /// 20; of TabSyn-VAE 15].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    validations: Option<u32>,
    #[command(flatten)]
    training: TrainingArgs,
    #[command(flatten)]
    read: CaptureArgs,
    #[command(flatten)]
    disclosure: DisclosureArgs,
}

/// Take captures through a baseline and back.
///
/// Rows that decode to no packet are left out and counted. From a folder, every capture in it is
/// taken, by itself, to a file of the same name in a new folder; `tracecodec evaluate` compares the
/// two.
#[derive(Debug, Args)]
struct Reconstruct {
    /// Capture to read, or a folder of captures; - is stdin.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Capture to write, or a folder; - is stdout.
    #[arg(value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    baseline: ModelArgs,
    #[command(flatten)]
    read: CaptureArgs,
}

/// Compare decoded rows with their originals, before they are packets.
///
/// Reports the share of rows that are no packets and why, and of the others the share of categories
/// and the mean error of numbers, overall and by column (docs/metrics.md).
#[derive(Debug, Args)]
struct Diagnose {
    /// Captures to read, or folders of captures; - is stdin.
    #[arg(value_name = "IN", required = true)]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    baseline: ModelArgs,
    #[command(flatten)]
    read: CaptureArgs,
}

/// Take captures to rows and back with nothing learned in between.
///
/// What differs then is what the table does not hold.
#[derive(Debug, Args)]
struct Oracle {
    /// Capture to read, or a folder of captures; - is stdin.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// Capture to write, or a folder; - is stdout.
    #[arg(value_name = "OUT")]
    output: PathBuf,
    #[command(flatten)]
    schema: SchemaArgs,
    #[command(flatten)]
    read: CaptureArgs,
}

#[derive(Debug, Args)]
struct ModelArgs {
    /// Folder of a trained baseline.
    #[arg(short, long, value_name = "DIR")]
    model: PathBuf,
}

#[derive(Debug, Clone, Copy, Args)]
struct SchemaArgs {
    /// The raw packet table.
    #[arg(long, value_parser = choice::<Schema>(), default_value = Schema::Columns.name())]
    schema: Schema,
}

pub(crate) fn run(args: &BaselineArgs, json: bool) -> Result<()> {
    match &args.command {
        BaselineCommand::Train(args) => train(args, json),
        BaselineCommand::Reconstruct(args) => reconstruct(args, json),
        BaselineCommand::Diagnose(args) => diagnose(args, json),
        BaselineCommand::Oracle(args) => oracle(args, json),
    }
}

fn train(args: &Train, json: bool) -> Result<()> {
    let config = train::Config {
        shards: args.shards.clone(),
        model: args.model,
        schema: args.schema.schema,
        vocabulary: args.vocabulary,
        validations: args.validations,
        training: args.training.training(),
        read: args.read.policy(),
        disclosure: args.disclosure.disclosure(),
    };
    let outcome = train::run(&config, &mut Terminal::new())?;
    let line = format!(
        "{}: {}, {}{} over {} at {:.0} rows/s; {}",
        outcome.output,
        outcome.model,
        counted(outcome.steps, "step"),
        stopped_early(outcome.stopped_early),
        counted(outcome.training_rows, "row"),
        outcome.rows_per_second,
        outcome.best
    );
    print_summary(json, &outcome, &line)
}

fn reconstruct(args: &Reconstruct, json: bool) -> Result<()> {
    check_stdout(json, &args.output)?;
    let config = reconstruct::Config {
        input: args.input.clone(),
        output: args.output.clone(),
        model: args.baseline.model.clone(),
        read: args.read.policy(),
    };
    let outcomes = reconstruct::run(&config, &mut Terminal::new())?;
    print_outcomes(json, &outcomes, |outcome| {
        let rows = outcome.diagnostics.rows();
        format!(
            "{}: {} of {} are packets",
            outcome.output,
            rows.rows - rows.invalid,
            counted(rows.rows, "row")
        )
    })
}

fn diagnose(args: &Diagnose, json: bool) -> Result<()> {
    let config = diagnose::Config {
        inputs: args.inputs.clone(),
        model: args.baseline.model.clone(),
        read: args.read.policy(),
    };
    let diagnostics = diagnose::run(&config, &mut Terminal::new())?;
    if json {
        return print_json(&diagnostics);
    }
    print(&table(&diagnostics))
}

/// The diagnostics for people.
fn table(diagnostics: &Diagnostics) -> String {
    let percent = |share: Option<f64>| {
        share.map_or("–".to_string(), |share| format!("{:.2} %", 100.0 * share))
    };
    let number = |mean: Option<f64>| mean.map_or("–".to_string(), |mean| format!("{mean:.4e}"));
    let rows = diagnostics.rows();
    let mut lines = vec![
        format!("{:24} {}", "rows", rows.rows),
        format!("{:24} {}", "invalid rows", percent(rows.rate())),
    ];
    for (reason, count) in rows.by_reason().filter(|(_, count)| *count > 0) {
        lines.push(format!("  {:22} {count}", reason.name()));
    }
    lines.push(format!(
        "{:24} {}",
        "categorical accuracy",
        percent(diagnostics.matches().accuracy())
    ));
    for (column, matches) in diagnostics.by_category() {
        lines.push(format!("  {column:22} {}", percent(matches.accuracy())));
    }
    lines.push(format!(
        "{:24} {}",
        "numeric error",
        number(diagnostics.deviations().mean())
    ));
    for (column, deviations) in diagnostics.by_number() {
        lines.push(format!("  {column:22} {}", number(deviations.mean())));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn oracle(args: &Oracle, json: bool) -> Result<()> {
    check_stdout(json, &args.output)?;
    let config = oracle::Config {
        input: args.input.clone(),
        output: args.output.clone(),
        schema: args.schema.schema,
        read: args.read.policy(),
    };
    let outcomes = oracle::run(&config, &mut Terminal::new())?;
    print_outcomes(json, &outcomes, |outcome| {
        format!(
            "{}: {} of {}",
            outcome.output,
            outcome.rows,
            counted(outcome.packets, "packet")
        )
    })
}
