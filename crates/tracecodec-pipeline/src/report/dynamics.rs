//! How sessions proceed: handshakes, first answers, bytes in flight, states at the end.

use std::collections::BTreeMap;

use tracecodec::metrics::TraceSummary;

use super::dataset::{Dataset, Series};
use super::hosts::degrees;
use super::protocol_state::shares;
use super::temporal::cumulative;
use crate::plot::dots::Dots;
use crate::plot::figure::{Figure, Legend};
use crate::plot::panel::{Panel, WIDTH};

/// The figure, if the reference's dynamics were counted.
pub(super) fn figure(dataset: &Dataset) -> Option<Figure> {
    if dataset.reference().dynamics.captures == 0 {
        return None;
    }
    let mut series = dataset.series();
    series.retain(|series| series.data.dynamics.captures > 0);
    Some(Figure {
        key: "fig-dynamics",
        title: format!("How sessions proceed on {}", dataset.name),
        caption: "Whether endpoints answer as they do. Good: every curve within the grey band, every mark at the grey line. States are \
                  those of Zeek's conn.log: SF is a session that began and ended as it should, S0 has no answer."
            .to_string(),
        panels: vec![
            cumulative(
                &series,
                "Handshakes",
                "share of connections whose SYN+ACK comes within this",
                |summary| &summary.dynamics.handshakes,
            ),
            cumulative(
                &series,
                "First answers",
                "share of first payloads that the other side answers within this",
                |summary| &summary.dynamics.answers,
            ),
            degrees(
                "Bytes in flight",
                "share of TCP packets with payload that have so many or more",
                "bytes that are not acknowledged",
                &series,
                |summary| &summary.dynamics.in_flight,
            ),
            states(&series),
        ],
        columns: 2,
        legend: Legend::of_series(&series, Figure::width(2, WIDTH)),
    })
}

/// The states of any series, those of most sessions first.
fn states(series: &[Series<'_>]) -> Panel {
    let mut most: BTreeMap<&String, u64> = BTreeMap::new();
    for (state, count) in series.iter().flat_map(|of| &of.data.dynamics.states) {
        let largest = most.entry(state).or_default();
        *largest = (*count).max(*largest);
    }
    let mut names: Vec<_> = most.keys().map(|state| (*state).clone()).collect();
    names.sort_by_key(|state| std::cmp::Reverse(most[state]));
    let shares = shares(series, |summary: &TraceSummary| {
        let states = &summary.dynamics.states;
        let counts = names
            .iter()
            .map(|state| states.get(state).copied().unwrap_or(0));
        (counts.collect(), states.values().sum())
    });
    Dots {
        title: "Connection states",
        subtitle: "share of sessions by how they began and ended",
        axis: "% of sessions, logarithmic",
        categories: &names,
    }
    .draw(series, &shares)
}
