//! The paper's figures 4 and 7: which TCP label follows which, as a heatmap for the reference and
//! for each method.

use tracecodec::metrics::TcpLabel;

use super::dataset::{Dataset, Series};
use crate::plot::colour::{MUTED, on_ramp, ramp, step};
use crate::plot::figure::{Figure, Legend};
use crate::plot::number::{count, percent, short};
use crate::plot::panel::Panel;
use crate::plot::svg::{Anchor, Svg, fit_bold};

/// Width and height of a cell.
const CELL: (f64, f64) = (41.0, 34.0);

/// From the edges to the cells.
const LEFT: f64 = 66.0;
const TOP: f64 = 76.0;

const SIZE: (f64, f64) = (LEFT + 6.0 * CELL.0 + 8.0, TOP + 6.0 * CELL.1 + 12.0);

pub(super) fn figure(dataset: &Dataset) -> Figure {
    let series = dataset.series();
    let mut panels = vec![heatmap(&series, 0, "row shares in percent")];
    let mut distances = Vec::new();
    for (index, (_, method)) in dataset.methods.iter().enumerate() {
        let distance = method
            .reference
            .transitions
            .distance(&method.decoded.transitions);
        let distance = distance.map_or("–".to_string(), short);
        distances.push(format!("{} {distance}", method.label));
        let subtitle = format!("transition distance {distance}");
        panels.push(heatmap(&series, index + 1, &subtitle));
    }
    Figure {
        key: "fig4-transitions",
        title: format!("TCP transitions on {}", dataset.name),
        caption: format!(
            "Within a session, the row is what a TCP packet does and the column what the next one does; each row adds up to 100 %. \
             Good: the same picture as the reference's. Transition distance (0 is best, 1 worst): {}.",
            distances.join(", ")
        ),
        panels,
        columns: 3,
        legend: Legend::of_shares("of the row; empty: never"),
    }
}

fn heatmap(all: &[Series<'_>], index: usize, subtitle: &str) -> Panel {
    let series = &all[index];
    let title = fit_bold(series.name, SIZE.0 - 16.0, 13.0);
    let mut panel = Panel::new(&title, subtitle, SIZE, &all[index..=index]);
    let (shares, counts) = (
        series.data.transitions.normalised(),
        series.data.transitions.0,
    );
    panel.svg.styled_text(
        (8.0, TOP - 8.0),
        Anchor::Start,
        "from ↓ to →",
        MUTED,
        10.0,
        false,
    );
    for (number, label) in TcpLabel::ALL.iter().enumerate() {
        let (x, y) = place(number, number);
        let name = label.name();
        panel.svg.styled_text(
            (x + CELL.0 / 2.0, TOP - 8.0),
            Anchor::Middle,
            if name == "SYN-ACK" { "S-ACK" } else { name },
            MUTED,
            10.0,
            false,
        );
        panel
            .svg
            .text((LEFT - 8.0, y + CELL.1 / 2.0 + 4.0), Anchor::End, name);
    }
    let mut described = Vec::new();
    for (row, from) in TcpLabel::ALL.iter().enumerate() {
        let total = counts[row]
            .iter()
            .fold(0, |sum: u64, count| sum.saturating_add(*count));
        for (column, to) in TcpLabel::ALL.iter().enumerate() {
            let (share, number) = (shares[row][column], counts[row][column]);
            let (x, y) = place(row, column);
            let middle = (x + CELL.0 / 2.0, y + CELL.1 / 2.0);
            cell(&mut panel.svg, (x, y), share, number);
            let at = format!("{} → {}", from.name(), to.name());
            let value = match total {
                0 => format!("no {}", from.name()),
                _ => format!("{} ({} of {})", percent(share), count(number), count(total)),
            };
            panel.mark(middle, 0, &at, &value);
            if share >= 0.2 {
                described.push(format!("{at} {}", percent(share)));
            }
        }
    }
    panel.description = format!("{subtitle}. {}.", described.join(", "));
    panel
}

fn place(row: usize, column: usize) -> (f64, f64) {
    (LEFT + column as f64 * CELL.0, TOP + row as f64 * CELL.1)
}

fn cell(svg: &mut Svg, (x, y): (f64, f64), share: f64, number: u64) {
    let step = step(share);
    svg.rect((x, y), (CELL.0 - 1.0, CELL.1 - 1.0), &ramp(step)[0]);
    let text = match (number, 100.0 * share) {
        (0, _) => return,
        (_, percent) if percent < 0.5 => "<1".to_string(),
        (_, percent) => format!("{percent:.0}"),
    };
    let middle = (x + CELL.0 / 2.0 - 0.5, y + CELL.1 / 2.0 + 3.5);
    svg.styled_text(middle, Anchor::Middle, &text, on_ramp(step), 11.0, false);
}
