//! Dashes and marks: what tells series apart without colour too.

use super::colour::{BAND, Colour, METHODS};
use super::svg::Svg;

/// Dashes of the methods. Another number than of colours, so that forty-two methods differ.
const DASHES: [&str; 7] = [
    "",
    "7 3",
    "2.5 2.5",
    "9 3 2 3",
    "5 2 1.5 2 1.5 2",
    "14 4",
    "4 5",
];

/// The look of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// The reference's.
    Reference,
    /// That of the method with this number.
    Method(usize),
}

impl Style {
    pub(crate) fn colour(self) -> Colour {
        match self {
            Self::Reference => BAND,
            Self::Method(index) => METHODS[index % METHODS.len()],
        }
    }

    /// `stroke-dasharray`; empty for a solid line.
    pub(crate) fn dash(self) -> &'static str {
        match self {
            Self::Reference => "",
            Self::Method(index) => DASHES[index % DASHES.len()],
        }
    }

    pub(crate) fn stroke_width(self) -> f64 {
        match self {
            Self::Reference => 7.0,
            Self::Method(_) => 1.8,
        }
    }

    /// Draws the method's mark; the reference has none.
    pub(crate) fn mark(self, svg: &mut Svg, x: f64, y: f64) {
        let Self::Method(index) = self else { return };
        let r = 3.6;
        let shape: &[(f64, f64)] = match index % 7 {
            0 => return svg.circle(x, y, r, self.colour()),
            1 => &[(-r, -r), (r, -r), (r, r), (-r, r)],
            2 => &[(0.0, -4.6), (4.4, 3.2), (-4.4, 3.2)],
            3 => &[(0.0, -5.0), (5.0, 0.0), (0.0, 5.0), (-5.0, 0.0)],
            4 => &[(-4.4, -3.2), (4.4, -3.2), (0.0, 4.6)],
            5 => &CROSS,
            _ => &[(-5.5, -2.0), (5.5, -2.0), (5.5, 2.0), (-5.5, 2.0)],
        };
        let points: Vec<_> = shape.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        svg.polygon(&points, self.colour());
    }

    /// Draws a sample for legends, 30 wide.
    pub(crate) fn sample(self, svg: &mut Svg, x: f64, y: f64) {
        let ends = [(x, y), (x + 30.0, y)];
        svg.polyline(&ends, self.colour(), self.stroke_width(), self.dash());
        self.mark(svg, x + 15.0, y);
    }
}

const CROSS: [(f64, f64); 12] = [
    (-1.6, -4.8),
    (1.6, -4.8),
    (1.6, -1.6),
    (4.8, -1.6),
    (4.8, 1.6),
    (1.6, 1.6),
    (1.6, 4.8),
    (-1.6, 4.8),
    (-1.6, 1.6),
    (-4.8, 1.6),
    (-4.8, -1.6),
    (-1.6, -1.6),
];
