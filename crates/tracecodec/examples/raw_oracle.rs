//! What the raw packet table loses when nothing is learned: `raw_oracle [--bits] [--output FOLDER]
//! CAPTURE…`.
//!
//! Takes each capture through the table (`--bits`: through the bit table) and the restricted
//! renderer, and prints how far the result is from its source: a line for each capture with a
//! metric that is not 0, then all captures together. `--output` keeps the results.

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tracecodec::artifact::SourceFile;
use tracecodec::flow::Conversations;
use tracecodec::metrics::{Evaluation, METRICS, Meter, Unit};
use tracecodec::pcap::{Format, Writer};
use tracecodec::raw::{Payload, RawOracle, RowCounts, Schema};

/// Takes a capture through the table, up to its first damage.
fn evaluate(
    path: &Path,
    schema: Schema,
    output: Option<&Path>,
) -> Result<(Evaluation, RowCounts), Box<dyn Error>> {
    let mut capture = SourceFile::open(path)?;
    let mut writer = output
        .map(|path| Writer::create(path, Format::of_path(path)))
        .transpose()?;
    let (mut seen, mut again) = (Conversations::default(), Conversations::default());
    let mut reference = Meter::new(|_, headers, time| seen.observe(headers, time));
    let mut decoded = Meter::new(|_, headers, time| again.observe(headers, time));
    let mut oracle = RawOracle::new(schema, Payload::Absent);
    let mut damage = None;
    while let Some(packet) = capture.next() {
        let packet = match packet {
            Ok(packet) => packet,
            Err(error) => {
                damage = Some(error);
                break;
            }
        };
        reference.observe(&packet);
        if let Some(rendered) = oracle.step(&packet) {
            decoded.observe(&rendered);
            if let Some(writer) = &mut writer {
                writer.write(&rendered)?;
            }
        }
    }
    if let Some(writer) = writer {
        writer.finish()?;
    }
    let file = capture.finish(damage.as_ref())?;
    let evaluation = Evaluation::of_pair(
        path.display().to_string(),
        (file.clone(), reference.finish()),
        (file, decoded.finish()),
        None,
    );
    Ok((evaluation, oracle.counts().clone()))
}

/// The errors that are not 0.
fn errors(evaluation: &Evaluation) -> Vec<String> {
    let measured = METRICS.iter().filter_map(|metric| {
        let is_error = matches!(
            metric.unit,
            Unit::ErrorPercent | Unit::ErrorPoints | Unit::Distance
        );
        let value = (metric.measure)(evaluation).ok()?;
        (is_error && value != 0.0).then(|| format!("{} {value:.6}", metric.key))
    });
    measured.collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (mut schema, mut output) = (Schema::Columns, None);
    if paths
        .first()
        .is_some_and(|first| first == Path::new("--bits"))
    {
        schema = Schema::Bits;
        paths.remove(0);
    }
    if paths.len() > 2 && paths[0] == Path::new("--output") {
        output = paths.drain(..2).nth(1);
    }
    if paths.is_empty() {
        return Err("usage: raw_oracle [--bits] [--output FOLDER] CAPTURE…".into());
    }
    let mut out = io::stdout().lock();
    let (mut all, mut counts) = (Evaluation::default(), RowCounts::default());
    let (mut failed, mut differing) = (0, 0);
    for (number, path) in paths.iter().enumerate() {
        let rendered = output
            .as_ref()
            .map(|folder| folder.join(format!("{number}.pcap")));
        let (evaluation, more) = match evaluate(path, schema, rendered.as_deref()) {
            Ok(evaluated) => evaluated,
            Err(error) => {
                failed += 1;
                eprintln!("{}: {error}", path.display());
                continue;
            }
        };
        let errors = errors(&evaluation);
        if !errors.is_empty() {
            differing += 1;
            writeln!(out, "{}: {}", path.display(), errors.join(", "))?;
        }
        counts.merge(&more);
        all.merge(evaluation);
    }
    let captures = paths.len();
    writeln!(
        out,
        "{captures} captures, {failed} failed, {differing} differ"
    )?;
    writeln!(
        out,
        "{} rows; {} lose IPv4 options or extension headers, {} the layout of TCP options",
        counts.rows(),
        counts.lost_extensions,
        counts.unknown_layouts
    )?;
    for metric in METRICS {
        if let Ok(value) = (metric.measure)(&all) {
            writeln!(out, "{:24} {value:.6}", metric.key)?;
        }
    }
    Ok(())
}
