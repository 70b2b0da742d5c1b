//! Colours of text, lines and series for a light and a dark page, and the colour scale of shares.

use std::fmt::Write as _;

/// A colour on a light page, and its counterpart on a dark page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Colour {
    pub(crate) light: &'static str,
    dark: &'static str,
}

const fn colour(light: &'static str, dark: &'static str) -> Colour {
    Colour { light, dark }
}

/// Colour of text.
pub(crate) const INK: Colour = colour("#1b1f24", "#e6e9ed");
/// Colour of secondary text and of axes.
pub(crate) const MUTED: Colour = colour("#59636e", "#9aa4af");
/// Colour of grid lines.
pub(crate) const GRID: Colour = colour("#e4e7eb", "#2a3038");
/// Colour of the background.
pub(crate) const PAPER: Colour = colour("#ffffff", "#15191f");
/// Colour of the reference, which is drawn as a broad band under the other series.
pub(crate) const BAND: Colour = colour("#c3c9d1", "#4b545f");
/// Colour of text on the lower half of [`ramp`].
const ON_LOW: Colour = colour("#1b1f2a", "#e6e9ee");
/// Colour of text on the upper half of [`ramp`].
const ON_HIGH: Colour = colour("#fffffd", "#0d1117");

/// Colours of the methods: the palette of Okabe and Ito, which differs in any colour vision. Those
/// that are faint on white are darker here.
pub(crate) const METHODS: [Colour; 6] = [
    colour("#0072b2", "#5cb2f2"),
    colour("#d55e00", "#ff8f4d"),
    colour("#00896a", "#35cda2"),
    colour("#b3528c", "#e79acb"),
    colour("#a87400", "#efb93f"),
    colour("#6b5b4b", "#c3ae97"),
];

/// Number of colours of [`ramp`].
pub(crate) const STEPS: usize = 21;

/// First, middle and last colour of [`ramp`] on a light and on a dark page, as RGB.
const ANCHORS: [[[f64; 3]; 3]; 2] = [
    [
        [246.0, 249.0, 252.0],
        [106.0, 174.0, 214.0],
        [8.0, 48.0, 107.0],
    ],
    [
        [29.0, 36.0, 45.0],
        [38.0, 104.0, 163.0],
        [214.0, 236.0, 255.0],
    ],
];

/// Step of [`ramp`] for a share from 0 to 1.
pub(crate) fn step(share: f64) -> usize {
    (share.clamp(0.0, 1.0) * (STEPS - 1) as f64).round() as usize
}

/// Colour of a step of the scale of shares, on a light and on a dark page.
pub(crate) fn ramp(step: usize) -> [String; 2] {
    let at = 2.0 * step as f64 / (STEPS - 1) as f64;
    ANCHORS.map(|anchors| {
        let from = usize::from(at >= 1.0);
        let part = at - from as f64;
        let mut hex = "#".to_string();
        for (low, high) in anchors[from].iter().zip(&anchors[(from + 1).min(2)]) {
            let value = (low + (high - low) * part).round() as u8;
            let _ = write!(hex, "{value:02x}");
        }
        hex
    })
}

/// Colour of text that is readable on a step of [`ramp`].
pub(crate) fn on_ramp(step: usize) -> Colour {
    if step > 11 { ON_HIGH } else { ON_LOW }
}

/// CSS rules that replace the colours of drawings by their counterparts on a dark page.
pub(crate) fn style_sheet() -> String {
    let fixed = [INK, MUTED, GRID, PAPER, BAND, ON_LOW, ON_HIGH];
    let fixed = fixed.into_iter().chain(METHODS);
    let fixed = fixed.map(|colour| [colour.light.to_string(), colour.dark.to_string()]);
    let pairs: Vec<_> = fixed.chain((0..STEPS).map(ramp)).collect();
    let (mut light, mut dark, mut rules) = (String::new(), String::new(), String::new());
    for (index, [in_light, in_dark]) in pairs.iter().enumerate() {
        let _ = write!(light, "--c{index}:{in_light};");
        let _ = write!(dark, "--c{index}:{in_dark};");
        for attribute in ["fill", "stroke"] {
            let _ = writeln!(
                rules,
                "svg [{attribute}=\"{in_light}\"]{{{attribute}:var(--c{index})}}"
            );
        }
    }
    format!(
        ":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n\
         @media screen{{:root[data-theme=dark]{{{dark}}}}}\n{rules}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_no_two_colours_are_one() {
        let sheet = style_sheet();
        let rules: Vec<_> = sheet
            .lines()
            .filter(|line| line.starts_with("svg"))
            .collect();
        let selectors = rules.iter().filter_map(|rule| rule.split('{').next());
        let distinct: std::collections::BTreeSet<_> = selectors.collect();
        assert_eq!(distinct.len(), rules.len());
    }

    #[test]
    fn test_ramp_ends_at_its_anchors() {
        assert_eq!(ramp(0), ["#f6f9fc", "#1d242d"]);
        assert_eq!(ramp(STEPS - 1), ["#08306b", "#d6ecff"]);
        assert_eq!((step(-1.0), step(0.5), step(7.0)), (0, 10, 20));
    }
}
