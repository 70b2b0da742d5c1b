//! `evaluate`: how faithful captures are to their references.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use tracecodec::artifact::SourceEntry;
use tracecodec::flow::{Conversations, CutOptions};
use tracecodec::metrics::{Evaluation, METRICS, Meter, TraceSummary, Unit};
use tracecodec::pcap::Timestamp;
use tracecodec::select::Selection;
use tracecodec::tcp::events::EventSet;
use tracecodec::wire::Headers;
use tracecodec_pipeline::Silent;
use tracecodec_pipeline::tools::tshark;

use crate::args::ReadArgs;
use crate::failure::Hint;
use crate::folder;
use crate::input::{Input, progress_bar};
use crate::output::{check_distinct, print, print_json, printable, write_json};

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
    #[arg(long, value_enum, default_value_t = Analyzer::Native)]
    analyzer: Analyzer,
    #[command(flatten)]
    read: ReadArgs,
}

/// Who finds the TCP events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Analyzer {
    /// This program.
    Native,
    /// tshark, which must be installed. Where a capture cut TCP options, it sees NOPs.
    Tshark,
}

impl Evaluate {
    /// Of two folders of the same names, in which so many packets were asked for in each decoded
    /// capture.
    pub(super) fn of_folders(reference: &Path, decoded: &Path, requested: u64) -> Self {
        Self {
            reference: reference.to_path_buf(),
            decoded: decoded.to_path_buf(),
            label: None,
            dataset: None,
            requested: Some(requested),
            output: None,
            analyzer: Analyzer::Native,
            read: ReadArgs {
                lenient: false,
                sort: false,
            },
        }
    }
}

pub(crate) fn run(args: &Evaluate, json: bool) -> Result<()> {
    tell(&evaluation(args)?, args.output.as_deref(), json)
}

/// Measures what the arguments name.
pub(super) fn evaluation(args: &Evaluate) -> Result<Evaluation> {
    let analyzer = match args.analyzer {
        Analyzer::Native => "native".to_string(),
        Analyzer::Tshark => {
            tshark::check_input([&args.reference, &args.decoded], &args.read.policy())?;
            tshark::version()?
        }
    };
    if args.reference == Path::new("-") && args.decoded == Path::new("-") {
        return Err(Hint::error(
            "- is stdin, which can be read once",
            "name a file for one of the two",
        ));
    }
    let pairs = pairs(&args.reference, &args.decoded)?;
    if let Some(output) = &args.output {
        check_output(output, &pairs)?;
    }
    let bar = progress_bar(Some(pairs.len() as u64), "captures compared");
    let merged = pairs
        .into_par_iter()
        .map(|pair| {
            let evaluation = evaluate(pair, args);
            bar.inc(1);
            evaluation
        })
        .try_reduce(Evaluation::default, |mut sum, more| {
            sum.merge(more);
            Ok(sum)
        });
    bar.finish_and_clear();
    Ok(Evaluation {
        label: args.label.clone().unwrap_or_else(|| stem(&args.decoded)),
        dataset: args
            .dataset
            .clone()
            .unwrap_or_else(|| stem(&args.reference)),
        analyzer,
        ..merged?
    })
}

/// Writes an evaluation where it is wanted.
pub(super) fn tell(evaluation: &Evaluation, output: Option<&Path>, json: bool) -> Result<()> {
    let document = evaluation.document();
    if let Some(path) = output {
        write_json(path, &document)?;
    }
    if json {
        print_json(&document)
    } else {
        print(&render(evaluation)?)
    }
}

/// Two captures to compare.
struct Pair {
    name: String,
    reference: PathBuf,
    decoded: PathBuf,
}

/// The pairs of two captures or of two folders, by name.
fn pairs(reference: &Path, decoded: &Path) -> Result<Vec<Pair>> {
    match (reference.is_dir(), decoded.is_dir()) {
        (false, false) => Ok(vec![Pair {
            name: stem(reference),
            reference: reference.to_path_buf(),
            decoded: decoded.to_path_buf(),
        }]),
        (true, true) => folder_pairs(reference, decoded),
        _ => Err(Hint::error(
            "a capture and a folder cannot be compared",
            "name two captures, or two folders of captures",
        )),
    }
}

fn folder_pairs(reference: &Path, decoded: &Path) -> Result<Vec<Pair>> {
    let references = named(reference)?;
    let mut rest = named(decoded)?;
    let mut pairs = Vec::with_capacity(references.len());
    for (name, path) in references {
        let Some(path_of_decoded) = rest.remove(&name) else {
            return Err(Hint::error(
                format!("{}: no capture for {name}", decoded.display()),
                "each reference needs a decoded capture of the same name, even an empty one",
            ));
        };
        pairs.push(Pair {
            name,
            reference: path,
            decoded: path_of_decoded,
        });
    }
    match rest.into_keys().next() {
        Some(name) => Err(Hint::error(
            format!("{}: no reference for {name}", reference.display()),
            "the folders must hold captures of the same names",
        )),
        None => Ok(pairs),
    }
}

/// The captures of a folder by their names.
fn named(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut named = BTreeMap::new();
    for capture in folder::captures(folder)? {
        let name = capture.name();
        if let Some(other) = named.insert(name.clone(), capture.path.clone()) {
            return Err(Hint::error(
                format!(
                    "{} and {}: both are named {name}",
                    other.display(),
                    capture.path.display()
                ),
                "captures are paired by their names without what tells format and compression",
            ));
        }
    }
    Ok(named)
}

/// Refuses an output that would take the place of a capture, or that has no folder.
fn check_output(output: &Path, pairs: &[Pair]) -> Result<()> {
    let captures = pairs
        .iter()
        .flat_map(|pair| [&pair.reference, &pair.decoded]);
    let captures: Vec<_> = captures.map(PathBuf::as_path).collect();
    check_distinct(&captures, output)?;
    match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => Err(Hint::error(
            format!("{}: no such folder", folder.display()),
            "make it first",
        )),
        _ => Ok(()),
    }
}

/// Name of a capture or folder in reports.
pub(super) fn stem(path: &Path) -> String {
    folder::name(path.file_name().map_or(path, Path::new))
}

fn evaluate(pair: Pair, args: &Evaluate) -> Result<Evaluation> {
    let (reference, decoded) = rayon::join(
        || summarise(&pair.reference, args),
        || summarise(&pair.decoded, args),
    );
    Ok(Evaluation::of_pair(
        pair.name,
        reference?,
        decoded?,
        args.requested,
    ))
}

fn summarise(path: &Path, args: &Evaluate) -> Result<(SourceEntry, TraceSummary)> {
    match args.analyzer {
        Analyzer::Native => {
            let mut conversations = Conversations::new(CutOptions::Judge);
            measure(path, args.read, |_, headers, time| {
                conversations.observe(headers, time)
            })
        }
        Analyzer::Tshark => {
            let found = tshark::events(path, &Selection::default(), true, &mut Silent)?;
            measure(path, args.read, |number, _, _| {
                found.get(&number).copied().unwrap_or_default()
            })
        }
    }
}

fn measure(
    path: &Path,
    read: ReadArgs,
    judge: impl FnMut(u64, &Headers<'_>, Timestamp) -> EventSet,
) -> Result<(SourceEntry, TraceSummary)> {
    let mut input = Input::quiet(path, read)?;
    let mut meter = Meter::new(judge);
    input.for_each(|packet| {
        meter.observe(packet);
        Ok(())
    })?;
    Ok((input.finish()?, meter.finish()))
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
