//! Panels of one number a series: bars that bear their names and numbers.

use super::dataset::Series;
use super::panel::{Area, HEAD, Panel, WIDTH};
use super::scale::Scale;
use super::style::{Colour, INK, Style};
use super::svg::{Anchor, fit};

/// Height of a bar with its distance to the next one.
const ROW: f64 = 24.0;

/// Draws a number for each series; none where there is no such number. `say` makes text of it.
pub(super) fn bars(
    title: &str,
    subtitle: &str,
    series: &[Series<'_>],
    values: &[Option<f64>],
    say: fn(f64) -> String,
) -> Panel {
    let height = HEAD + ROW * series.len() as f64 + 12.0;
    let mut panel = Panel::new(title, subtitle, (WIDTH, height), series);
    let area = Area {
        left: 122.0,
        top: HEAD,
        right: WIDTH - 74.0,
        bottom: height - 8.0,
    };
    let most = values
        .iter()
        .flatten()
        .fold(0.0_f64, |most, value| most.max(*value));
    let scale = Scale::Linear {
        low: 0.0,
        high: if most > 0.0 { most } else { 1.0 },
    };
    let x = |value: f64| area.left + scale.at(value).max(0.0) * (area.right - area.left);
    if let Some(Some(value)) = values.first() {
        panel.reference_line(x(*value), (area.top - 2.0, area.bottom));
    }
    let mut told = Vec::new();
    for (index, (series, value)) in series.iter().zip(values).enumerate() {
        let middle = area.top + ROW * (index as f64 + 0.5);
        let name = fit(series.name, area.left - 34.0);
        panel
            .svg
            .text((area.left - 8.0, middle + 4.0), Anchor::End, &name);
        series.style.mark(&mut panel.svg, 12.0, middle);
        let text = value.map_or("–".to_string(), say);
        let end = x(value.unwrap_or(0.0));
        let width = (end - area.left).max(1.0);
        let colour = fill(series.style);
        panel
            .svg
            .rect((area.left, middle - 7.0), (width, 14.0), colour.light);
        panel
            .svg
            .halo_text((end + 8.0, middle + 4.0), &text, INK, 11.0);
        panel.mark((end, middle), index, title, &text);
        told.push(format!("{} {text}", series.name));
    }
    panel.description = format!("{}.", told.join(", "));
    panel
}

fn fill(style: Style) -> Colour {
    match style {
        Style::Reference => INK,
        Style::Method(_) => style.colour(),
    }
}
