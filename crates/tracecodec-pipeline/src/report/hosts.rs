//! Who talks to whom: degree distributions of hosts, flows a pair, services, scanners.

use std::collections::BTreeMap;

use tracecodec::metrics::{Histogram, TraceSummary};
use tracecodec::service::Service;

use super::dataset::{Dataset, Series};
use super::protocol_state::{shares, tail};
use crate::plot::bars::bars;
use crate::plot::dots::Dots;
use crate::plot::figure::{Figure, Legend};
use crate::plot::lines::Points;
use crate::plot::number::{count, percent};
use crate::plot::panel::{Panel, WIDTH};
use crate::plot::table::{Cell, Table};

/// Most services that a panel shows.
const SERVICES: usize = 8;

/// The last bin that a number can be in.
const MOST_BIN: u64 = 63;

/// The figure, if the reference's hosts were counted.
pub(super) fn figure(dataset: &Dataset) -> Option<Figure> {
    if dataset.reference().hosts.captures == 0 {
        return None;
    }
    let mut series = dataset.series();
    series.retain(|series| series.data.hosts.captures > 0);
    let number = |title, subtitle, of: fn(&TraceSummary) -> u64| {
        let values: Vec<_> = series
            .iter()
            .map(|series| Some(of(series.data) as f64))
            .collect();
        bars(title, subtitle, &series, &values, |value| {
            count(value as u64)
        })
    };
    Some(Figure {
        key: "fig-hosts",
        title: format!("Who talks to whom on {}", dataset.name),
        caption: "Whether hosts stay hosts. Good: every curve lies within the grey band, every mark and bar at the grey line. Many hosts \
                  with one peer each are flows with endpoints of their own: no scan, no server with many clients, no service can be told."
            .to_string(),
        panels: vec![
            degrees(
                "Fan-out",
                "share of openers with at least so many responders",
                "different responders of the opener",
                &series,
                |summary| &summary.hosts.fan_out,
            ),
            degrees(
                "Fan-in",
                "share of responders with at least so many openers",
                "different openers of the responder",
                &series,
                |summary| &summary.hosts.fan_in,
            ),
            degrees(
                "Flows per pair",
                "share of pairs of hosts with at least so many sessions",
                "sessions of the pair",
                &series,
                |summary| &summary.hosts.flows_per_pair,
            ),
            services(&series),
            number("Hosts", "addresses", |summary| summary.hosts.hosts),
            number(
                "Scanners",
                "openers with 10 ports of one host or 10 hosts at one port",
                |summary| summary.hosts.scanners,
            ),
        ],
        columns: 2,
        legend: Legend::of_series(&series, Figure::width(2, WIDTH)),
    })
}

/// Share of counts in each bin of numbers or above, at the bin's lowest number.
fn at_least(histogram: &Histogram) -> Points {
    let total = histogram.total() as f64;
    let mut below = 0;
    let points = histogram.iter().map(|(bin, count)| {
        let share = 1.0 - below as f64 / total;
        below = u64::saturating_add(below, count);
        (lowest(bin) as f64, share)
    });
    points.collect()
}

/// The lowest number of a bin: 1, 2, 3, 5, 9 and so on.
fn lowest(bin: u64) -> u64 {
    match bin {
        0 => 1,
        1..=MOST_BIN => (1 << (bin - 1)) + 1,
        _ => u64::MAX,
    }
}

/// Shares of a histogram whose bin `k` ends at `2^k`, from each number on.
pub(super) fn degrees(
    title: &str,
    subtitle: &str,
    axis: &str,
    series: &[Series<'_>],
    of: fn(&TraceSummary) -> &Histogram,
) -> Panel {
    let mut panel = tail(title, subtitle, axis, series, |summary| {
        at_least(of(summary))
    });
    let bins = series
        .iter()
        .filter_map(|series| of(series.data).max())
        .max();
    let bins: Vec<u64> = (0..=bins.unwrap_or(0).min(MOST_BIN)).collect();
    let head = bins
        .iter()
        .map(|&bin| match (lowest(bin), lowest(bin + 1) - 1) {
            (low, high) if low == high => count(low),
            (low, high) => format!("{}–{}", count(low), count(high)),
        });
    let mut table = Table::new(title, std::iter::once(String::new()).chain(head));
    let mut described = Vec::new();
    for series in series {
        let histogram = of(series.data);
        let share = |bin: u64| {
            let share = histogram.count(bin) as f64 / histogram.total() as f64;
            if share.is_nan() {
                "–".to_string()
            } else {
                percent(share)
            }
        };
        described.push(format!("{}: 1 in {}", series.name, share(0)));
        let cells = bins.iter().map(|&bin| Cell::number(share(bin)));
        table.row(std::iter::once(Cell::text(series.name)).chain(cells));
    }
    panel.table = Some(table);
    panel.description = format!("{}.", described.join("; "));
    panel
}

/// The services with most sessions of the reference, then of the others.
fn services(series: &[Series<'_>]) -> Panel {
    let mut most: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for (index, series) in series.iter().enumerate() {
        for (service, sessions) in series.data.hosts.services.iter() {
            let counts = most.entry(service).or_default();
            if index == 0 {
                counts.0 = sessions;
            }
            counts.1 = counts.1.max(sessions);
        }
    }
    let mut services: Vec<u64> = most.keys().copied().collect();
    services.sort_by_key(|service| std::cmp::Reverse(most[service]));
    services.truncate(SERVICES);
    let names = services.iter().map(|&number| {
        let service = u8::try_from(number).ok().and_then(Service::of_number);
        service.map_or("none".to_string(), |service| {
            let row = service.row();
            format!("{} {}", row.name, row.port)
        })
    });
    let shares = shares(series, |summary| {
        let counts = services
            .iter()
            .map(|&service| summary.hosts.services.count(service));
        (counts.collect(), summary.hosts.services.total())
    });
    Dots {
        title: "Services",
        subtitle: "share of sessions by the service of their port",
        axis: "% of sessions, logarithmic",
        categories: &names.collect::<Vec<_>>(),
    }
    .draw(series, &shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_curves_begin_at_the_lowest_number_of_each_bin() {
        let lows = (0..5).map(lowest).collect::<Vec<_>>();
        assert_eq!(lows, [1, 2, 3, 5, 9]);
        let histogram: Histogram = [(0, 2), (3, 1), (40, 1)].into_iter().collect();
        let points = at_least(&histogram);
        assert_eq!(points, [(1.0, 1.0), (5.0, 0.5), (lowest(40) as f64, 0.25)]);
        assert_eq!(lowest(u64::MAX), u64::MAX);
    }
}
