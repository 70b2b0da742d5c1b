//! Bar panels: one number for each series, as a bar with its name and value.

use super::colour::{Colour, INK};
use super::mark::Style;
use super::panel::{Area, HEAD, Panel, WIDTH};
use super::scale::Scale;
use super::series::Series;
use super::svg::{Anchor, fit, text_width};

/// Vertical distance between the tops of two bars, in pixels.
const ROW: f64 = 24.0;

/// Least and largest width of the column of series names left of the bars, in pixels.
const NAMES: (f64, f64) = (100.0, 210.0);

/// Width of a mark and of the gaps around it, in the column of names.
const MARKS: f64 = 32.0;

/// Draws one bar for each series. `None` stands for a series without a value; `say` formats a
/// value.
pub(crate) fn bars<T>(
    title: &str,
    subtitle: &str,
    series: &[Series<'_, T>],
    values: &[Option<f64>],
    say: fn(f64) -> String,
) -> Panel {
    let height = HEAD + ROW * series.len() as f64 + 12.0;
    let mut panel = Panel::new(title, subtitle, (WIDTH, height), series);
    let widest = series.iter().map(|series| text_width(series.name));
    let widest = widest.fold(0.0, f64::max);
    let area = Area {
        left: (MARKS + widest).clamp(NAMES.0, NAMES.1),
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
    let band = values.first().copied().flatten().map(x);
    if let Some(band) = band {
        panel.reference_line(band, (area.top - 2.0, area.bottom));
    }
    let mut described = Vec::new();
    for (index, (series, value)) in series.iter().zip(values).enumerate() {
        let middle = area.top + ROW * (index as f64 + 0.5);
        let name = fit(series.name, area.left - MARKS);
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
            .halo_text((beside(end, &text, band), middle + 4.0), &text, INK, 11.0);
        panel.mark((end, middle), index, title, &text);
        described.push(format!("{} {text}", series.name));
    }
    panel.description = format!("{}.", described.join(", "));
    panel
}

/// Left end of the text beside a bar that ends at `end`. If the reference's line at `band` would
/// cross the text, it starts right of the line.
fn beside(end: f64, text: &str, band: Option<f64>) -> f64 {
    let begin = end + 8.0;
    match band {
        Some(band) if band > end && band < begin + text_width(text) + 4.0 => band + 8.0,
        _ => begin,
    }
}

fn fill(style: Style) -> Colour {
    match style {
        Style::Reference => INK,
        Style::Method(_) => style.colour(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_no_line_runs_through_a_number() {
        assert_eq!(beside(100.0, "12", None), 108.0);
        assert_eq!(beside(100.0, "12", Some(100.0)), 108.0);
        assert_eq!(beside(100.0, "12", Some(115.0)), 123.0);
        assert_eq!(beside(100.0, "12", Some(150.0)), 108.0);
    }
}
