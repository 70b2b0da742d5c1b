//! Dot panels: shares by category. Each category has a lane for every method, and the reference is
//! a vertical line through the lanes.

use super::colour::{GRID, MUTED};
use super::number::{percent, short};
use super::panel::{Area, HEAD, Panel, WIDTH};
use super::scale::Scale;
use super::series::Series;
use super::svg::{Anchor, text_width};
use super::table::{Cell, Table};

/// Titles and categories of a dot panel.
pub(crate) struct Dots<'a> {
    pub(crate) title: &'a str,
    pub(crate) subtitle: &'a str,
    /// Name of the horizontal axis.
    pub(crate) axis: &'a str,
    pub(crate) categories: &'a [String],
}

/// Height of a lane, in pixels.
const LANE: f64 = 12.5;

/// Width of the area for zeros, left of a logarithmic scale, in pixels.
const ZERO: f64 = 34.0;

/// Font size of the numbers beside the marks, in pixels.
const NUMBER: f64 = 9.5;

impl Dots<'_> {
    /// Draws the share of each category in each series. `None` stands for a series whose total is
    /// zero.
    pub(crate) fn draw<T>(&self, series: &[Series<'_, T>], shares: &[Vec<Option<f64>>]) -> Panel {
        let lanes = (series.len() - 1).max(1) as f64 * LANE;
        let group = lanes + 12.0;
        let height = HEAD + group * self.categories.len() as f64 + 46.0;
        let mut panel = Panel::new(self.title, self.subtitle, (WIDTH, height), series);
        let widest = self.categories.iter().map(|name| text_width(name));
        let area = Area {
            left: 16.0 + widest.fold(50.0, f64::max),
            top: HEAD,
            right: WIDTH - 60.0,
            bottom: height - 46.0,
        };
        let all = || shares.iter().flatten().flatten().copied();
        let scale = Scale::decades(all().map(|share| 100.0 * share));
        let zero = all().any(|share| share == 0.0);
        let low = area.left + if zero { ZERO } else { 8.0 };
        let x = |share: f64| match share > 0.0 {
            true => low + scale.at(100.0 * share) * (area.right - low),
            false => area.left + 8.0,
        };
        let ticks = scale.ticks(5).into_iter();
        let mut ticks: Vec<_> = ticks.map(|tick| (x(tick / 100.0), short(tick))).collect();
        if zero {
            ticks.push((x(0.0), "0".to_string()));
        }
        panel.x_axis(area, &ticks, self.axis);
        for (index, category) in self.categories.iter().enumerate() {
            let top = area.top + group * index as f64;
            let middle = top + group / 2.0;
            panel.svg.text((8.0, middle - 2.0), Anchor::Start, category);
            let of_reference = shares[0][index].map_or("–".to_string(), percent);
            panel.svg.styled_text(
                (8.0, middle + 11.0),
                Anchor::Start,
                &of_reference,
                MUTED,
                10.0,
                false,
            );
            if index > 0 {
                panel.svg.line((8.0, top), (area.right, top), GRID, 1.0);
            }
            if let Some(share) = shares[0][index] {
                panel.reference_line(x(share), (top + 4.0, top + group - 4.0));
                panel.mark((x(share), top + 4.0), 0, category, &percent(share));
            }
            for (number, series) in series.iter().enumerate().skip(1) {
                let y = top + 6.0 + LANE * (number as f64 - 0.5);
                let Some(share) = shares[number][index] else {
                    continue;
                };
                series.style.mark(&mut panel.svg, x(share), y);
                let value = percent(share);
                let band = shares[0][index].map(x);
                let begin = beside(x(share), &value, band, area.left);
                panel.svg.halo_text((begin, y + 3.5), &value, MUTED, NUMBER);
                panel.mark((x(share), y), number, category, &value);
            }
        }
        panel.table = Some(self.table(series, shares));
        panel.description = self.describe(series, shares);
        panel
    }

    fn table<T>(&self, series: &[Series<'_, T>], shares: &[Vec<Option<f64>>]) -> Table {
        let head = series.iter().map(|series| series.name.to_string());
        let mut table = Table::new(self.title, std::iter::once(String::new()).chain(head));
        for (index, category) in self.categories.iter().enumerate() {
            let cells = shares.iter().map(|shares| match shares[index] {
                Some(share) => Cell::number(percent(share)),
                None => Cell::number("–".to_string()),
            });
            table.row(std::iter::once(Cell::text(category)).chain(cells));
        }
        table
    }

    fn describe<T>(&self, series: &[Series<'_, T>], shares: &[Vec<Option<f64>>]) -> String {
        let of_series = series.iter().zip(shares).map(|(series, shares)| {
            let named = self.categories.iter().zip(shares);
            let named =
                named.filter_map(|(name, share)| Some(format!("{name} {}", percent((*share)?))));
            format!("{}: {}.", series.name, named.collect::<Vec<_>>().join(", "))
        });
        of_series.collect::<Vec<_>>().join(" ")
    }
}

/// Left end of the number beside a mark at `x`: right of the mark, or left of it if the reference's
/// line at `band` would cross the number and there is room.
fn beside(x: f64, text: &str, band: Option<f64>, left: f64) -> f64 {
    let width = text_width(text) * NUMBER / 11.0;
    let (right_of, left_of) = (x + 9.0, x - 9.0 - width);
    match band {
        Some(band) if band > x + 5.0 && band < right_of + width + 4.0 && left_of > left => left_of,
        _ => right_of,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_no_line_runs_through_a_number() {
        let width = text_width("12 %") * NUMBER / 11.0;
        let begin = |band, left| beside(100.0, "12 %", band, left);
        assert_eq!(begin(Some(100.0), 0.0), 109.0);
        assert_eq!(begin(Some(115.0), 0.0), 91.0 - width);
        assert_eq!(begin(Some(115.0), 90.0), 109.0);
        assert_eq!(begin(Some(180.0), 0.0), 109.0);
    }
}
