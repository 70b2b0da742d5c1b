//! `evaluate`: how faithful captures are to their references.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec::choice::Choice;
use tracecodec::metrics::{Evaluation, METRICS, TraceSummary, Unit};
use tracecodec_pipeline::comparison::Analyzer;
use tracecodec_pipeline::run::evaluate::{self, Outcome};

use crate::args::CaptureArgs;
use crate::choice::choice;
use crate::output::{print, print_json, printable};
use crate::terminal::Terminal;

/// Measure how faithful a capture is to its reference.
///
/// Both are read packet by packet; neither actions nor latents are needed, so any tool's output can
/// be measured. Two folders are compared capture by capture, by their names without what tells
/// format and compression (a/1.pcap is a/1.pcapng.gz), and the counts are added up; files that are
/// no captures are left out, with a warning.
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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
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

/// Prints an evaluation as JSON or as a table.
pub(super) fn print_evaluation(outcome: &Outcome, json: bool) -> Result<()> {
    if json {
        print_json(outcome)
    } else {
        print(&render(&outcome.evaluation)?)
    }
}

/// The table on the terminal.
fn render(evaluation: &Evaluation) -> Result<String> {
    let mut text = String::new();
    let (reference, decoded) = (&evaluation.reference, &evaluation.decoded);
    let names = [&evaluation.label, &evaluation.dataset].map(|name| printable(name));
    writeln!(text, "{} against {}", names[0], names[1])?;
    writeln!(text, "\n{:<34}{:>14}{:>14}", "", "reference", "decoded")?;
    let mut row = |name: &str, of: &dyn Fn(&TraceSummary) -> u64| {
        writeln!(text, "{name:<34}{:>14}{:>14}", of(reference), of(decoded))
    };
    row("captures", &|summary| summary.captures)?;
    row("packets in scope", &|summary| summary.packets)?;
    row("packets out of scope", &|summary| {
        summary.skipped.values().sum()
    })?;
    row("TCP packets", &|summary| summary.protocols.tcp)?;
    for (event, count) in reference.tcp_events.fields.named() {
        let name = event.name().replace('_', " ");
        let decoded = decoded.tcp_events.fields.count(event);
        writeln!(text, "  {name:<32}{count:>14}{decoded:>14}")?;
    }
    for metric in METRICS {
        // The decoded capture's number stands beside the reference's.
        if let Some(stem) = metric.key.strip_suffix("_ref") {
            let both = [metric.key, &format!("{stem}_dec")].map(|key| told(evaluation, key));
            let title = metric.title.replace(", reference", "");
            writeln!(text, "{title:<34}{:>14}{:>14}", both[0], both[1])?;
        }
    }
    writeln!(text)?;
    for metric in METRICS {
        if metric.unit != Unit::Property {
            writeln!(
                text,
                "{:<34}{:>14}",
                metric.title,
                told(evaluation, metric.key)
            )?;
        }
    }
    let missing = METRICS.iter().filter_map(|metric| {
        let reason = (metric.measure)(evaluation).err()?;
        Some(format!("– {}: {reason}", metric.title))
    });
    let missing: Vec<_> = missing.collect();
    if !missing.is_empty() {
        writeln!(text, "\n{}", missing.join("\n"))?;
    }
    Ok(text)
}

/// A metric's number.
pub(super) fn told(evaluation: &Evaluation, key: &str) -> String {
    let metric = METRICS.iter().find(|metric| metric.key == key);
    let value = metric.and_then(|metric| Some(((metric.measure)(evaluation).ok()?, metric.unit)));
    value.map_or_else(|| "–".to_string(), |(value, unit)| number(value, unit))
}

/// A number with four digits behind the point, or two that count where it is smaller.
fn number(value: f64, unit: Unit) -> String {
    let digits = match value.abs() {
        0.0 => "0".to_string(),
        small if small < 1e-3 => format!("{value:.2e}"),
        _ if unit == Unit::Property && value.fract() == 0.0 => format!("{value}"),
        _ => format!("{value:.4}"),
    };
    match unit.symbol() {
        "" => digits,
        symbol => format!("{digits} {symbol}"),
    }
}
