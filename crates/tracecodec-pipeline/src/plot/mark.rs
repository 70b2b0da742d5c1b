//! Styles of series: colour, dashes and mark, so that series differ without colour, too.

use std::collections::BTreeMap;

use super::colour::{BAND, Colour, METHODS};
use super::svg::Svg;

/// Dash patterns of the methods. Their number has no common divisor with that of the colours, so
/// that forty-two methods differ.
const DASHES: [&str; 7] = [
    "",
    "7 3",
    "2.5 2.5",
    "9 3 2 3",
    "5 2 1.5 2 1.5 2",
    "14 4",
    "4 5",
];

/// Number of styles that differ in colour or dashes.
const LOOKS: usize = METHODS.len() * DASHES.len();

/// FNV-1a hash of a text, which is the same on every machine.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Style of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Style of the reference.
    Reference,
    /// Style of the method with this number.
    Method(usize),
}

impl Style {
    /// Styles of methods by label. The hash of a label chooses its style, so that the order of the
    /// labels does not matter; if two labels choose the same style, the one that sorts later gets
    /// the next free one. Every colour is used once before one is used twice.
    pub(crate) fn of_labels<'a>(labels: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, Self> {
        let mut styles: BTreeMap<_, _> = labels.map(|label| (label, Self::Method(0))).collect();
        let mut taken = [0_usize; LOOKS];
        for (label, style) in &mut styles {
            let wanted = fnv1a(label) as usize % LOOKS;
            let candidates = (0..LOOKS).map(|step| (wanted + step) % LOOKS);
            let in_colour = |look: usize| -> usize {
                let colour = look % METHODS.len();
                taken.iter().skip(colour).step_by(METHODS.len()).sum()
            };
            let look = candidates.min_by_key(|&look| (taken[look], in_colour(look)));
            let look = look.unwrap_or(wanted);
            taken[look] += 1;
            *style = Self::Method(look);
        }
        styles
    }

    pub(crate) fn colour(self) -> Colour {
        match self {
            Self::Reference => BAND,
            Self::Method(index) => METHODS[index % METHODS.len()],
        }
    }

    /// Value of the SVG attribute `stroke-dasharray`; empty for a solid line.
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

    /// Draws the mark of a method at a point; the reference has no mark.
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

    /// Draws a sample of the style for a legend, 30 pixels wide.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_looks_follow_labels_and_not_their_order() {
        let labels = ["tracecodec", "tvae", "goggle", "later", "oracle", "a b"];
        let styles = Style::of_labels(labels.into_iter());
        assert_eq!(styles, Style::of_labels(labels.into_iter().rev()));
        let colours: std::collections::BTreeSet<_> =
            styles.values().map(|style| style.colour().light).collect();
        assert_eq!(colours.len(), METHODS.len());
        let alone = Style::of_labels(["tracecodec"].into_iter());
        assert_eq!(
            alone["tracecodec"],
            Style::Method(fnv1a("tracecodec") as usize % LOOKS)
        );
        let many: Vec<_> = (0..LOOKS).map(|number| number.to_string()).collect();
        let styles = Style::of_labels(many.iter().map(String::as_str));
        let looks: std::collections::BTreeSet<_> = styles
            .values()
            .map(|style| (style.colour().light, style.dash()))
            .collect();
        assert_eq!(looks.len(), LOOKS);
    }
}
