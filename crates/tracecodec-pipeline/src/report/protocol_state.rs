//! The paper's figures 3 and 6: protocols, TCP events, control labels, flow sizes, and how many
//! packets came out.

use tracecodec::metrics::{TcpLabel, TraceSummary};

use super::curve::ccdf;
use super::dataset::{Dataset, Series};
use crate::plot::bars::bars;
use crate::plot::dots::Dots;
use crate::plot::figure::{Figure, Legend};
use crate::plot::lines::{Axis, Between, Lines, Points};
use crate::plot::number::{count, percent, short, si};
use crate::plot::panel::{Panel, WIDTH};
use crate::plot::scale::Scale;
use crate::plot::table::{Cell, Table};

pub(super) fn figure(dataset: &Dataset) -> Figure {
    let series = dataset.series();
    Figure {
        key: "fig3-protocol-state",
        title: format!("Protocol state on {}", dataset.name),
        caption: "How well a method keeps what a protocol analyzer sees. Grey lines and bands are the reference, whose number stands \
                  below each name. Good: every mark lies on the grey line, every curve within the grey band, and every bar of packets ends \
                  at it. The target is the reference's profile, not zero: real captures have events too."
            .to_string(),
        panels: vec![
            events(&series),
            labels(&series),
            protocols(&series),
            flow_sizes(&series),
            packets(&series),
        ],
        columns: 2,
        legend: Legend::of_series(&series, Figure::width(2, WIDTH)),
    }
}

/// Shares of counts by category, by series.
pub(super) fn shares(
    series: &[Series<'_>],
    of: impl Fn(&TraceSummary) -> (Vec<u64>, u64),
) -> Vec<Vec<Option<f64>>> {
    let shares = series.iter().map(|series| {
        let (counts, total) = of(series.data);
        let share = |count: u64| (total > 0).then(|| count as f64 / total as f64);
        counts.into_iter().map(share).collect()
    });
    shares.collect()
}

fn protocols(series: &[Series<'_>]) -> Panel {
    let shares = shares(series, |summary| {
        let mix = &summary.protocols;
        (vec![mix.tcp, mix.udp, mix.icmp, mix.other], summary.packets)
    });
    Dots {
        title: "Protocols",
        subtitle: "share of packets",
        axis: "% of packets, logarithmic",
        categories: &["TCP", "UDP", "ICMP", "other"].map(String::from),
    }
    .draw(series, &shares)
}

fn events(series: &[Series<'_>]) -> Panel {
    let shares = shares(series, |summary| {
        let counts = summary.tcp_events.fields.named();
        let counts = counts.map(|(_, count)| count).collect();
        (counts, summary.protocols.tcp)
    });
    let named = series[0].data.tcp_events.fields.named();
    let categories = named.map(|(event, _)| {
        let name = event.name().replace('_', " ");
        name.replace("retransmission", "retrans.")
    });
    Dots {
        title: "TCP event profile",
        subtitle: "diagnostic events in 100 TCP packets, counted by field",
        axis: "% of TCP packets, logarithmic",
        categories: &categories.collect::<Vec<_>>(),
    }
    .draw(series, &shares)
}

fn labels(series: &[Series<'_>]) -> Panel {
    let shares = shares(series, |summary| {
        let total = summary
            .tcp_labels
            .iter()
            .fold(0, |sum: u64, count| sum.saturating_add(*count));
        (summary.tcp_labels.to_vec(), total)
    });
    Dots {
        title: "TCP control events",
        subtitle: "share of TCP packets by what they do",
        axis: "% of TCP packets, logarithmic",
        categories: &TcpLabel::ALL.map(|label| label.name().to_string()),
    }
    .draw(series, &shares)
}

fn flow_sizes(series: &[Series<'_>]) -> Panel {
    let mut panel = tail(
        "Packets per flow",
        "share of sessions with at least so many; logarithmic",
        "packets of the session",
        series,
        |summary| ccdf(&summary.packets_per_session),
    );
    let histogram = |summary: &TraceSummary| summary.packets_per_session.clone();
    (panel.table, panel.description) = value_quantiles("Packets per flow", series, histogram);
    panel
}

/// A panel of distributions' tails, both axes logarithmic.
pub(super) fn tail(
    title: &str,
    subtitle: &str,
    axis: &str,
    series: &[Series<'_>],
    of: impl Fn(&TraceSummary) -> Points,
) -> Panel {
    let curves: Vec<_> = series.iter().map(|series| of(series.data)).collect();
    let points = || curves.iter().flatten();
    let lines = Lines {
        title,
        subtitle,
        x: Axis {
            name: axis,
            scale: Scale::decades(points().map(|point| point.0)),
            tick: si,
            value: short,
        },
        y: Axis {
            name: "",
            scale: Scale::decades(points().map(|point| point.1)),
            tick: percent,
            value: percent,
        },
        between: Between::After,
    };
    lines.draw(series, &curves)
}

/// A table of a distribution's mean and quantiles, and a sentence with these numbers.
pub(super) fn value_quantiles(
    title: &str,
    series: &[Series<'_>],
    of: impl Fn(&TraceSummary) -> tracecodec::metrics::Histogram,
) -> (Option<Table>, String) {
    let head = ["", "mean", "p50", "p90", "p99", "most"].map(String::from);
    let mut table = Table::new(title, head);
    let mut described = Vec::new();
    for series in series {
        let histogram = of(series.data);
        let quantile = |q| histogram.quantile(q).map_or("–".to_string(), count);
        let mean = histogram.mean().map_or("–".to_string(), short);
        let cells = [
            mean,
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
            quantile(1.0),
        ];
        described.push(format!(
            "{}: mean {}, p99 {}",
            series.name, cells[0], cells[3]
        ));
        let cells = cells.into_iter().map(Cell::number);
        table.row(std::iter::once(Cell::text(series.name)).chain(cells));
    }
    (Some(table), format!("{}.", described.join("; ")))
}

fn packets(series: &[Series<'_>]) -> Panel {
    let values = series.iter().map(|series| Some(series.data.packets as f64));
    bars(
        "Packets materialised",
        "packets in scope",
        series,
        &values.collect::<Vec<_>>(),
        |value| count(value as u64),
    )
}
