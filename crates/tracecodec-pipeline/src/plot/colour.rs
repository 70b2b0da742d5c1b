//! Colours: of text, lines and series, in light and in dark, and the scale of shares.

use std::fmt::Write as _;

/// A colour, and what takes its place in the dark.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Colour {
    pub(crate) light: &'static str,
    dark: &'static str,
}

const fn colour(light: &'static str, dark: &'static str) -> Colour {
    Colour { light, dark }
}

/// Text.
pub(crate) const INK: Colour = colour("#1b1f24", "#e6e9ed");
/// Text that matters less, and axes.
pub(crate) const MUTED: Colour = colour("#59636e", "#9aa4af");
/// Grid lines.
pub(crate) const GRID: Colour = colour("#e4e7eb", "#2a3038");
/// What everything lies on.
pub(crate) const PAPER: Colour = colour("#ffffff", "#15191f");
/// The reference: a broad band under the other series.
pub(crate) const BAND: Colour = colour("#c3c9d1", "#4b545f");
/// Text on the lower half of [`ramp`].
const ON_LOW: Colour = colour("#1b1f2a", "#e6e9ee");
/// Text on the upper half of [`ramp`].
const ON_HIGH: Colour = colour("#fffffd", "#0d1117");

/// Colours of the methods, after Okabe and Ito, told apart with any colour vision; darker where
/// theirs are faint on white.
pub(crate) const METHODS: [Colour; 6] = [
    colour("#0072b2", "#5cb2f2"),
    colour("#d55e00", "#ff8f4d"),
    colour("#00896a", "#35cda2"),
    colour("#b3528c", "#e79acb"),
    colour("#a87400", "#efb93f"),
    colour("#6b5b4b", "#c3ae97"),
];

/// Steps of [`ramp`].
pub(crate) const STEPS: usize = 21;

/// Anchors of the ramp in light and in dark: its first, middle and last step.
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

/// The step of a share from 0 to 1.
pub(crate) fn step(share: f64) -> usize {
    (share.clamp(0.0, 1.0) * (STEPS - 1) as f64).round() as usize
}

/// A colour of the scale of shares, in light and in dark.
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

/// Text on a step of the ramp.
pub(crate) fn on_ramp(step: usize) -> Colour {
    if step > 11 { ON_HIGH } else { ON_LOW }
}

/// The style sheet's part that gives the colours of drawings their places in the dark.
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
