//! The paper's figures 5 and 8: how sessions overlap, and how their packets alternate.

use tracecodec::metrics::TraceSummary;

use super::curve::{active, ccdf};
use super::dataset::{Dataset, Series};
use super::protocol_state::{tail, value_quantiles};
use super::temporal::over_time;
use crate::plot::bars::bars;
use crate::plot::figure::{Figure, Legend};
use crate::plot::number::{count, percent, short};
use crate::plot::panel::{Panel, WIDTH};
use crate::plot::table::{Cell, Table};

pub(super) fn figure(dataset: &Dataset) -> Figure {
    let series = dataset.series();
    let one = |title, subtitle, of: fn(&TraceSummary) -> Option<f64>, say| {
        let values: Vec<_> = series.iter().map(|series| of(series.data)).collect();
        bars(title, subtitle, &series, &values, say)
    };
    Figure {
        key: "fig5-interleaving",
        title: format!("Interleaving on {}", dataset.name),
        caption: "Whether sessions stay interleaved as they were, without falling to pieces. Good: as many sessions are active at each \
                  time as in the reference, runs have its tail, and all bars end at the grey line. Too many switches, short runs and many \
                  sessions are the signs of fragments."
            .to_string(),
        panels: vec![
            sessions(&series),
            runs(&series),
            one(
                "Flow-switch rate",
                "share of adjacent packets of different sessions",
                |summary| summary.interleaving.switch_rate(),
                percent,
            ),
            one(
                "Mean run",
                "adjacent packets of one session",
                |summary| summary.interleaving.run_lengths.mean(),
                short,
            ),
            one(
                "Sessions",
                "bidirectional; begun anew by a new SYN or after 60 s of silence",
                |summary| Some(summary.sessions as f64),
                |value| count(value as u64),
            ),
        ],
        columns: 2,
        legend: Legend::of_series(&series, Figure::width(2, WIDTH)),
    }
}

fn sessions(series: &[Series<'_>]) -> Panel {
    let curves: Vec<_> = series
        .iter()
        .map(|series| active(&series.data.timeline))
        .collect();
    let mut panel = over_time(
        "Active flows",
        "sessions between their first and their last packet",
        series,
        &curves,
        |value| count(value as u64),
    );
    let mut table = Table::new("Active flows", ["", "mean", "most"].map(String::from));
    let mut described = Vec::new();
    for series in series {
        let timeline = &series.data.timeline;
        let mean = timeline
            .mean_active_sessions()
            .map_or("–".to_string(), short);
        let most = timeline
            .max_active_sessions()
            .map_or("–".to_string(), count);
        described.push(format!("{}: mean {mean}, most {most}", series.name));
        let cells = [mean, most].map(Cell::number);
        table.row(std::iter::once(Cell::text(series.name)).chain(cells));
    }
    panel.table = Some(table);
    panel.description = format!("{}.", described.join("; "));
    panel
}

fn runs(series: &[Series<'_>]) -> Panel {
    let mut panel = tail(
        "Same-flow runs",
        "share of runs at least so long; logarithmic",
        "packets of the run",
        series,
        |summary| ccdf(&summary.interleaving.run_lengths),
    );
    let histogram = |summary: &TraceSummary| summary.interleaving.run_lengths.clone();
    (panel.table, panel.description) = value_quantiles("Same-flow runs", series, histogram);
    panel
}
