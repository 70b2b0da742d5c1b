//! Evaluations as the terminal shows them.

use std::fmt::Write as _;

use anyhow::Result;
use tracecodec::metrics::{Evaluation, METRICS, TraceSummary, Unit};
use tracecodec_pipeline::run::evaluate::Outcome;

use crate::output::{print, print_json, printable};

/// Prints an evaluation as JSON or as a table.
pub(crate) fn print_evaluation(outcome: &Outcome, json: bool) -> Result<()> {
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
            let both = [metric.key, &format!("{stem}_dec")].map(|key| metric_text(evaluation, key));
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
                metric_text(evaluation, metric.key)
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

/// The number of a metric, in text.
pub(crate) fn metric_text(evaluation: &Evaluation, key: &str) -> String {
    let metric = METRICS.iter().find(|metric| metric.key == key);
    let value = metric.and_then(|metric| Some(((metric.measure)(evaluation).ok()?, metric.unit)));
    value.map_or_else(|| "–".to_string(), |(value, unit)| number(value, unit))
}

/// A number with four digits behind the point; with two significant ones if it is smaller.
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
