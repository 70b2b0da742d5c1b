//! The paper's section E.2: inter-arrival times, rates over time, burstiness, durations and sizes.

use tracecodec::metrics::{Histogram, TimeHistogram, TimelineBin, TraceSummary};

use super::curve;
use super::dataset::{Dataset, Series};
use super::protocol_state::value_quantiles;
use crate::plot::bars::bars;
use crate::plot::colour::MUTED;
use crate::plot::figure::{Figure, Legend};
use crate::plot::lines::{Axis, Between, Lines, Points};
use crate::plot::number::{percent, seconds, short, si};
use crate::plot::panel::{HEAD, Panel, WIDTH};
use crate::plot::scale::Scale;
use crate::plot::table::{Cell, Table};

/// Most windows of the rates' curves.
const WINDOWS: i128 = 120;

pub(super) fn figure(dataset: &Dataset) -> Figure {
    let series = dataset.series();
    let timelines = || series.iter().map(|series| &series.data.timeline);
    let width = timelines().map(|timeline| timeline.width_ns()).max();
    let width = width.unwrap_or(1);
    let span = timelines().map(curve::span_ns).max().unwrap_or(0);
    let window = curve::window_ns(span, width, WINDOWS);
    Figure {
        key: "fig-e2-temporal",
        title: format!("Time and size on {}", dataset.name),
        caption: format!(
            "When packets come and how large they are. Good: every curve within the grey band. Rates are means over windows of {}, from \
             each capture's own first packet. Logarithmic histograms count what falls into a tenth of a decade; the leftmost step is all \
             below 1 µs.",
            seconds(window as f64 / 1e9)
        ),
        panels: vec![
            histogram(
                &series,
                "Inter-arrival times",
                "share of gaps in each tenth of a decade",
                iat,
            ),
            cumulative(
                &series,
                "Inter-arrival times, cumulative",
                "share of gaps shorter than this",
                iat,
            ),
            rate(
                &series,
                window,
                "Packet rate",
                "packets a second",
                |moment| moment.packets,
            ),
            rate(
                &series,
                window,
                "Byte rate",
                "bytes of IP packets a second",
                |moment| moment.bytes,
            ),
            histogram(
                &series,
                "Session durations",
                "share of sessions in each tenth of a decade",
                durations,
            ),
            cumulative(
                &series,
                "Session durations, cumulative",
                "share of sessions shorter than this",
                durations,
            ),
            sizes(&series),
            dispersion(&series, width),
        ],
        columns: 2,
        legend: Legend::of_series(&series, Figure::width(2, WIDTH)),
    }
}

fn iat(summary: &TraceSummary) -> &TimeHistogram {
    &summary.iat
}

fn durations(summary: &TraceSummary) -> &TimeHistogram {
    &summary.session_durations
}

/// Curves over seconds from the first bin.
pub(super) fn over_time(
    title: &str,
    subtitle: &str,
    series: &[Series<'_>],
    curves: &[Points],
    value: fn(f64) -> String,
) -> Panel {
    let most = |of: fn(&(f64, f64)) -> f64| curves.iter().flatten().map(of).fold(0.0, f64::max);
    let last = most(|point| point.0);
    let lines = Lines {
        title,
        subtitle,
        x: Axis {
            name: "seconds from the first packet",
            scale: Scale::Linear {
                low: 0.0,
                high: if last > 0.0 { last } else { 1.0 },
            },
            tick: short,
            value: seconds,
        },
        y: Axis {
            name: "",
            scale: Scale::from_zero(most(|point| point.1)),
            tick: si,
            value,
        },
        between: Between::Before,
    };
    lines.draw(series, curves)
}

fn rate(
    series: &[Series<'_>],
    window: i128,
    title: &str,
    subtitle: &str,
    of: fn(&TimelineBin) -> u64,
) -> Panel {
    let timelines = series.iter().map(|series| &series.data.timeline);
    let curves: Vec<_> = timelines
        .map(|timeline| curve::rates(timeline, window, of))
        .collect();
    let mut panel = over_time(title, subtitle, series, &curves, |value| {
        format!("{} / s", short(value))
    });
    let means = series.iter().zip(&curves).map(|(series, curve)| {
        let values = curve.iter().map(|point| point.1);
        let windows = curve.len().saturating_sub(1).max(1) as f64;
        let most = values.clone().fold(0.0, f64::max);
        format!(
            "{}: mean {} / s, most {} / s",
            series.name,
            short(values.sum::<f64>() / windows),
            short(most)
        )
    });
    panel.description = format!("{}.", means.collect::<Vec<_>>().join("; "));
    panel
}

/// Whether a curve's point stands for all times below 1 µs.
fn is_shortest(time: f64) -> bool {
    time < 0.9e-6
}

/// The axis of times: whole decades around the curves' values.
fn time_axis(curves: &[Points]) -> Axis<'static> {
    let times = curves.iter().flatten().map(|point| point.0);
    let scale = match Scale::decades(times.filter(|time| *time >= 1e-6 && *time <= 1e3)) {
        Scale::Log { high, .. } => Scale::Log {
            low: curve::SHORTEST,
            high: high.max(1e-5) * 1.26,
        },
        linear => linear,
    };
    Axis {
        name: "time, logarithmic",
        scale,
        tick: seconds,
        value: |time| {
            if is_shortest(time) {
                "below 1 µs".to_string()
            } else {
                seconds(time)
            }
        },
    }
}

fn histogram(
    series: &[Series<'_>],
    title: &str,
    subtitle: &str,
    of: fn(&TraceSummary) -> &TimeHistogram,
) -> Panel {
    let curves: Vec<_> = series
        .iter()
        .map(|series| curve::density(&of(series.data).log))
        .collect();
    // The leftmost step would press down all others: it may end at the frame.
    let (mut shortest, mut highest) = (0.0_f64, 0.0_f64);
    for &(time, share) in curves.iter().flatten() {
        let most = if is_shortest(time) {
            &mut shortest
        } else {
            &mut highest
        };
        *most = most.max(share);
    }
    let scale = Scale::from_zero(if highest > 0.0 { highest } else { shortest });
    let cut = scale.at(shortest) > 1.0;
    let lines = Lines {
        title,
        subtitle,
        x: Axis {
            value: |time| {
                if is_shortest(time) {
                    "below 1 µs".to_string()
                } else {
                    format!("{} to {}", seconds(time), seconds(time * 10_f64.powf(0.1)))
                }
            },
            ..time_axis(&curves)
        },
        y: Axis {
            name: "",
            scale,
            tick: percent,
            value: percent,
        },
        between: Between::Before,
    };
    let mut panel = lines.draw(series, &curves);
    if cut {
        let text = format!("↑ below 1 µs: up to {}, cut", percent(shortest));
        panel.svg.halo_text((72.0, HEAD + 12.0), &text, MUTED, 10.0);
    }
    let (table, description) = time_quantiles(title, series, of);
    (panel.table, panel.description) = (Some(table), description);
    panel
}

pub(super) fn cumulative(
    series: &[Series<'_>],
    title: &str,
    subtitle: &str,
    of: fn(&TraceSummary) -> &TimeHistogram,
) -> Panel {
    let curves: Vec<_> = series
        .iter()
        .map(|series| curve::time_cdf(&of(series.data).log))
        .collect();
    let lines = Lines {
        title,
        subtitle,
        x: time_axis(&curves),
        y: Axis {
            name: "",
            scale: Scale::from_zero(1.0),
            tick: percent,
            value: percent,
        },
        between: Between::Line,
    };
    let mut panel = lines.draw(series, &curves);
    panel.description = time_quantiles(title, series, of).1;
    panel
}

/// Quantiles of times: upper edges of the bins in which the quantiles lie.
fn time_quantiles(
    title: &str,
    series: &[Series<'_>],
    of: fn(&TraceSummary) -> &TimeHistogram,
) -> (Table, String) {
    let head = [
        "",
        "p10, at most",
        "p50, at most",
        "p90, at most",
        "p99, at most",
    ];
    let mut table = Table::new(title, head.map(String::from));
    let mut described = Vec::new();
    for series in series {
        let log: &Histogram = &of(series.data).log;
        let quantile = |q| match curve::time_quantile(log, q) {
            None => "–".to_string(),
            Some(time) if time.is_infinite() => "more".to_string(),
            Some(time) => seconds(time),
        };
        let cells = [0.1, 0.5, 0.9, 0.99].map(quantile);
        described.push(format!(
            "{}: median {}, p99 {}",
            series.name, cells[1], cells[3]
        ));
        let cells = cells.into_iter().map(Cell::number);
        table.row(std::iter::once(Cell::text(series.name)).chain(cells));
    }
    (table, format!("{}.", described.join("; ")))
}

fn sizes(series: &[Series<'_>]) -> Panel {
    let curves: Vec<_> = series
        .iter()
        .map(|series| curve::cdf(&series.data.packet_sizes))
        .collect();
    let most = curves
        .iter()
        .flatten()
        .map(|point| point.0)
        .fold(0.0, f64::max);
    let lines = Lines {
        title: "Packet sizes, cumulative",
        subtitle: "share of packets of at most so many bytes",
        x: Axis {
            name: "bytes of the IP packet",
            scale: Scale::from_zero(most),
            tick: si,
            value: |bytes| format!("{} bytes", short(bytes)),
        },
        y: Axis {
            name: "",
            scale: Scale::from_zero(1.0),
            tick: percent,
            value: percent,
        },
        between: Between::Before,
    };
    let mut panel = lines.draw(series, &curves);
    let histogram = |summary: &TraceSummary| summary.packet_sizes.clone();
    (panel.table, panel.description) = value_quantiles("Packet sizes", series, histogram);
    panel
}

fn dispersion(series: &[Series<'_>], width_ns: i64) -> Panel {
    let values: Vec<_> = series
        .iter()
        .map(|series| series.data.timeline.dispersion(width_ns))
        .collect();
    let subtitle = format!(
        "variance / mean of packets in {}; Poisson: 1",
        seconds(width_ns as f64 / 1e9)
    );
    bars("Index of dispersion", &subtitle, series, &values, short)
}
