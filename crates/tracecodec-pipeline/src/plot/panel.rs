//! A panel: one drawing of a figure, with a description in words.

use super::colour::{BAND, GRID, INK, MUTED};
use super::series::Series;
use super::svg::{Anchor, Svg};
use super::table::Table;

/// A point of a drawing with its values in words, which the page can show.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// Index of the series within the panel.
    pub(crate) series: usize,
    /// Position in the data, formatted.
    pub(crate) at: String,
    /// Values at the point, formatted.
    pub(crate) value: String,
}

/// One drawing of a figure.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) size: (f64, f64),
    pub(crate) svg: Svg,
    /// Names of the series that the marks belong to.
    pub(crate) names: Vec<String>,
    pub(crate) marks: Vec<Mark>,
    /// The important values in a sentence, for readers who do not see the drawing.
    pub(crate) description: String,
    /// Further values, as a table.
    pub(crate) table: Option<Table>,
}

/// Rectangle of a panel in which its data is drawn, in pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

/// Width of most panels, in pixels.
pub(crate) const WIDTH: f64 = 420.0;

/// Distance from a panel's upper edge to its data, in pixels.
pub(crate) const HEAD: f64 = 50.0;

impl Panel {
    /// Creates a panel with its title and subtitle, without data.
    pub(crate) fn new<T>(
        title: &str,
        subtitle: &str,
        size: (f64, f64),
        series: &[Series<'_, T>],
    ) -> Self {
        let mut svg = Svg::default();
        svg.styled_text((8.0, 18.0), Anchor::Start, title, INK, 13.0, true);
        svg.muted_text((8.0, 35.0), Anchor::Start, subtitle);
        Self {
            title: title.to_string(),
            size,
            svg,
            names: series
                .iter()
                .map(|series| series.name.to_string())
                .collect(),
            marks: Vec::new(),
            description: String::new(),
            table: None,
        }
    }

    pub(crate) fn mark(&mut self, (x, y): (f64, f64), series: usize, at: &str, value: &str) {
        self.marks.push(Mark {
            x,
            y,
            series,
            at: at.to_string(),
            value: value.to_string(),
        });
    }

    /// Draws a note that there is no data.
    pub(crate) fn nothing(&mut self, area: Area) {
        let middle = (
            (area.left + area.right) / 2.0,
            (area.top + area.bottom) / 2.0,
        );
        self.svg
            .muted_text(middle, Anchor::Middle, "nothing to show");
        self.description = "Nothing to show.".to_string();
    }

    /// Draws the horizontal axis: vertical grid lines with labels below, and the axis' name.
    pub(crate) fn x_axis(&mut self, area: Area, ticks: &[(f64, String)], name: &str) {
        for (x, label) in ticks {
            self.svg.line((*x, area.top), (*x, area.bottom), GRID, 1.0);
            self.svg
                .muted_text((*x, area.bottom + 15.0), Anchor::Middle, label);
        }
        self.svg.line(
            (area.left, area.bottom),
            (area.right, area.bottom),
            MUTED,
            1.0,
        );
        let middle = (area.left + area.right) / 2.0;
        self.svg
            .text((middle, area.bottom + 33.0), Anchor::Middle, name);
    }

    /// Draws the vertical axis: horizontal grid lines with labels on the left.
    pub(crate) fn y_axis(&mut self, area: Area, ticks: &[(f64, String)]) {
        for (y, label) in ticks {
            self.svg.line((area.left, *y), (area.right, *y), GRID, 1.0);
            self.svg
                .muted_text((area.left - 6.0, y + 4.0), Anchor::End, label);
        }
    }

    /// Draws the reference's value as a vertical line behind the marks of the methods.
    pub(crate) fn reference_line(&mut self, x: f64, (top, bottom): (f64, f64)) {
        self.svg.polyline(&[(x, top), (x, bottom)], BAND, 5.0, "");
    }
}
