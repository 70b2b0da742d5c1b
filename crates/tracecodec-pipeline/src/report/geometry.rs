//! Heat maps of the quantities that each dimension of a codec's latents changes: the figure of
//! `probe`.

use tracecodec::action::schema::QUANTITIES;
use tracecodec_nn::Probe;
use tracecodec_nn::probe::Dimension;

use crate::plot::colour::{BAND, MUTED, ramp, step};
use crate::plot::figure::{Figure, Legend};
use crate::plot::number::{percent, short};
use crate::plot::panel::Panel;
use crate::plot::svg::{Anchor, Svg};

/// Dimensions that are drawn: those with most divergence.
const COLUMNS: usize = 64;

/// Width and height of a cell.
const CELL: (f64, f64) = (14.0, 15.0);

/// From the left edge to the cells.
const LEFT: f64 = 152.0;

/// From the upper edge to the bars, and their height.
const BARS: (f64, f64) = (46.0, 36.0);

/// From the upper edge to the cells: the dimensions' numbers stand below the bars.
const TOP: f64 = BARS.0 + BARS.1 + 16.0;

/// The figure of a probe as one SVG file.
pub fn svg(probe: &Probe, model: &str) -> String {
    figure(probe, model).standalone()
}

/// The dimensions with most divergence from left to right, the quantities from top to bottom; one
/// panel a step.
fn figure(probe: &Probe, model: &str) -> Figure {
    let dimensions = &probe.dimensions[..probe.dimensions.len().min(COLUMNS)];
    let steps = dimensions.first().map_or(0, |first| first.moves.len());
    Figure {
        key: "latent-dimensions",
        title: format!("What the dimensions of a latent change ({model})"),
        caption: format!(
            "Share of the packets in which a quantity is active and decodes to another value when one dimension of the latent's mean \
             moves. Bars: the dimension's divergence from the prior, of {} nats in all.",
            short(probe.kl_nats)
        ),
        panels: (0..steps).map(|step| panel(dimensions, step)).collect(),
        columns: 1,
        legend: Legend::of_shares("of the largest share of a panel, which its subtitle states"),
    }
}

fn panel(dimensions: &[Dimension], step: usize) -> Panel {
    let names: Vec<&str> = QUANTITIES
        .iter()
        .map(|quantity| quantity.name)
        .chain(["delta_t"])
        .filter(|name| dimensions[0].moves[step].changed.contains_key(name))
        .collect();
    let size = (
        LEFT + dimensions.len() as f64 * CELL.0 + 10.0,
        TOP + names.len() as f64 * CELL.1 + 10.0,
    );
    let by = dimensions[0].moves[step].step;
    let title = format!("Moved by ±{by} standard deviations of the prior");
    let largest = largest(dimensions, step);
    let subtitle = format!(
        "dimensions by their divergence from the prior (bars); darkest: another value in {} of the packets",
        percent(largest)
    );
    let mut panel = Panel::new::<()>(&title, &subtitle, size, &[]);
    bars(&mut panel.svg, dimensions);
    for (row, name) in names.iter().enumerate() {
        let y = TOP + row as f64 * CELL.1;
        panel
            .svg
            .text((LEFT - 8.0, y + CELL.1 - 4.0), Anchor::End, name);
        for (column, dimension) in dimensions.iter().enumerate() {
            let share = dimension.moves[step].changed.get(name);
            let share = share.map(|share| share / largest.max(f64::MIN_POSITIVE));
            cell(&mut panel.svg, (column_x(column), y), share);
        }
    }
    panel.description = description(dimensions, step);
    panel
}

fn largest(dimensions: &[Dimension], step: usize) -> f64 {
    let moves = dimensions.iter().map(|dimension| &dimension.moves[step]);
    moves
        .flat_map(|moved| moved.changed.values().copied())
        .fold(0.0, f64::max)
}

fn column_x(column: usize) -> f64 {
    LEFT + column as f64 * CELL.0
}

fn bars(svg: &mut Svg, dimensions: &[Dimension]) {
    let most = dimensions
        .iter()
        .map(|dimension| dimension.kl_nats)
        .fold(f64::MIN_POSITIVE, f64::max);
    let foot = BARS.0 + BARS.1;
    svg.muted_text(
        (LEFT - 8.0, foot),
        Anchor::End,
        &format!("to {} nats", short(most)),
    );
    for (column, dimension) in dimensions.iter().enumerate() {
        let x = column_x(column);
        let height = BARS.1 * dimension.kl_nats / most;
        svg.rect((x, foot - height), (CELL.0 - 1.0, height), BAND.light);
        let middle = (x + CELL.0 / 2.0 - 0.5, foot + 11.0);
        let number = dimension.dimension.to_string();
        svg.styled_text(middle, Anchor::Middle, &number, MUTED, 8.0, false);
    }
}

fn cell(svg: &mut Svg, at: (f64, f64), share: Option<f64>) {
    if let Some(share) = share {
        svg.rect(at, (CELL.0 - 1.0, CELL.1 - 1.0), &ramp(step(share))[0]);
    }
}

/// The quantities that the first dimensions change most.
fn description(dimensions: &[Dimension], step: usize) -> String {
    let described = dimensions.iter().take(10).map(|dimension| {
        let most = dimension.moves[step].most();
        let most = most.first().map_or("nothing".to_string(), |(name, share)| {
            format!("{name} ({})", percent(*share))
        });
        format!("dimension {} changes {most}", dimension.dimension)
    });
    format!("{}.", described.collect::<Vec<_>>().join(", "))
}
