//! A figure: panels with a title and a legend, drawn as one SVG file or embedded in the report's
//! page.

use std::fmt::Write as _;

use super::colour::{INK, PAPER, STEPS, ramp};
use super::mark::Style;
use super::panel::Panel;
use super::series::Series;
use super::svg::{Anchor, FONTS, Svg, escape, fit, fit_bold, tenth, text_width};

/// Panels that answer one question, with their title, caption and legend.
pub(crate) struct Figure {
    /// Name of the figure in file names and links.
    pub(crate) key: &'static str,
    pub(crate) title: String,
    /// Caption: what the figure shows, and how a good method looks in it.
    pub(crate) caption: String,
    pub(crate) panels: Vec<Panel>,
    /// Number of columns of panels in the standalone drawing.
    pub(crate) columns: usize,
    pub(crate) legend: Legend,
}

/// Legend of a figure.
pub(crate) struct Legend {
    /// Name and style of each series; empty if the legend is a colour scale.
    pub(crate) samples: Vec<(String, Style)>,
    /// Drawing of the legend for the standalone SVG, `height` pixels high.
    pub(crate) svg: Svg,
    pub(crate) height: f64,
}

/// Gap between panels, in pixels.
const GAP: f64 = 14.0;

/// Height of the area for the title, in pixels.
const TITLE: f64 = 34.0;

/// Font size of the title, in pixels.
const TITLE_SIZE: f64 = 15.0;

impl Legend {
    /// A legend that names each series beside a sample of its style, wrapped at `width` pixels.
    pub(crate) fn of_series<T>(series: &[Series<'_, T>], width: f64) -> Self {
        let mut svg = Svg::default();
        let (mut x, mut y) = (8.0, 12.0);
        for series in series {
            let name = fit(series.name, width - 60.0);
            let advance = 38.0 + text_width(&name) + 22.0;
            if x > 8.0 && x + advance > width {
                (x, y) = (8.0, y + 20.0);
            }
            series.style.sample(&mut svg, x, y);
            svg.text((x + 38.0, y + 4.0), Anchor::Start, &name);
            x += advance;
        }
        let samples = series
            .iter()
            .map(|series| (series.name.to_string(), series.style));
        Self {
            samples: samples.collect(),
            svg,
            height: y + 14.0,
        }
    }

    /// A legend that shows the colour scale of shares, from 0 to 100 % of `of`.
    pub(crate) fn of_shares(of: &str) -> Self {
        let mut svg = Svg::default();
        svg.muted_text((8.0, 16.0), Anchor::Start, "0 %");
        for step in 0..STEPS {
            let x = 36.0 + 10.0 * step as f64;
            svg.rect((x, 6.0), (10.0, 12.0), &ramp(step)[0]);
        }
        let end = 36.0 + 10.0 * STEPS as f64 + 8.0;
        svg.muted_text((end, 16.0), Anchor::Start, &format!("100 % {of}"));
        Self {
            samples: Vec::new(),
            svg,
            height: 26.0,
        }
    }
}

/// Position of a panel in the standalone drawing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

impl Figure {
    /// Indexes of the panels in each column. Each panel is put into the shortest column, so that
    /// columns end at about the same height.
    pub(crate) fn by_column(&self) -> Vec<Vec<usize>> {
        let mut columns = vec![Vec::new(); self.columns];
        let mut heights = vec![0.0_f64; self.columns];
        for (index, panel) in self.panels.iter().enumerate() {
            let lowest = (0..self.columns).min_by(|&a, &b| heights[a].total_cmp(&heights[b]));
            let column = lowest.unwrap_or(0);
            columns[column].push(index);
            heights[column] += panel.size.1 + GAP;
        }
        columns
    }

    /// Whether the panels form a grid of three or more columns. Then the page lays them out by
    /// rows, which keeps their order on a page of any width.
    pub(crate) fn is_grid(&self) -> bool {
        self.columns > 2
    }

    /// Indexes of the panels in the order of the page.
    fn order(&self) -> Vec<usize> {
        if self.is_grid() {
            (0..self.panels.len()).collect()
        } else {
            self.by_column().concat()
        }
    }

    /// Positions of the panels, and width and height of the standalone drawing.
    pub(crate) fn layout(&self) -> (Vec<Place>, (f64, f64)) {
        let mut places = vec![Place { x: 0.0, y: 0.0 }; self.panels.len()];
        let top = TITLE + self.legend.height + GAP;
        let (mut x, mut height) = (GAP, top);
        for column in self.by_column() {
            let (mut y, mut width) = (top, 0.0_f64);
            for index in column {
                places[index] = Place { x, y };
                let size = self.panels[index].size;
                (y, width) = (y + size.1 + GAP, width.max(size.0));
            }
            x += width + GAP;
            height = height.max(y);
        }
        (places, (x, height))
    }

    /// Width of a standalone drawing with this many columns of panels that are `panel` pixels wide.
    pub(crate) fn width(columns: usize, panel: f64) -> f64 {
        columns as f64 * (panel + GAP) - GAP
    }

    /// SVG of the title and the legend above the panels of the standalone drawing.
    pub(crate) fn head(&self) -> String {
        let mut svg = Svg::default();
        let at = (GAP + 8.0, 24.0);
        let room = self.layout().1.0 - 2.0 * at.0;
        let title = fit_bold(&self.title, room, TITLE_SIZE);
        svg.styled_text(at, Anchor::Start, &title, INK, TITLE_SIZE, true);
        let legend = &self.legend.svg.0;
        format!(
            r#"{}<g transform="translate({} {})">{legend}</g>"#,
            svg.0,
            tenth(GAP),
            tenth(TITLE)
        )
    }

    /// The figure as the text of one SVG file.
    pub(crate) fn standalone(&self) -> String {
        let (places, (width, height)) = self.layout();
        let mut background = Svg::default();
        background.rect((0.0, 0.0), (width, height), PAPER.light);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" font-family=\"{FONTS}\">\
             <title>{2}</title><desc>{3}</desc>{4}{5}",
            tenth(width),
            tenth(height),
            escape(&self.title),
            escape(&self.caption),
            background.0,
            self.head()
        );
        for index in self.order() {
            let place = places[index];
            let _ = write!(
                svg,
                r#"<g transform="translate({} {})">{}</g>"#,
                tenth(place.x),
                tenth(place.y),
                self.panels[index].svg.0
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}
