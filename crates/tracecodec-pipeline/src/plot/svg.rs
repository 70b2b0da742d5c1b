//! SVG elements, with presentation attributes only and coordinates to a tenth of a pixel.

use std::fmt::Write as _;

use super::colour::{Colour, INK, MUTED, PAPER};

/// Font families of all text, which most machines have.
pub(crate) const FONTS: &str = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif";

/// Alignment of a text at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A sequence of SVG elements, as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Svg(pub(crate) String);

impl Svg {
    pub(crate) fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) {
        let [x, y, width, height] = [x, y, width, height].map(tenth);
        let _ = write!(
            self.0,
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}"/>"#
        );
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Colour, width: f64) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(tenth);
        let (stroke, width) = (stroke.light, tenth(width));
        let _ = write!(
            self.0,
            r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{stroke}" stroke-width="{width}"/>"#
        );
    }

    pub(crate) fn polyline(
        &mut self,
        points: &[(f64, f64)],
        stroke: Colour,
        width: f64,
        dash: &str,
    ) {
        let (stroke, width) = (stroke.light, tenth(width));
        let _ = write!(
            self.0,
            r#"<polyline points="{}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round""#,
            list(points)
        );
        if !dash.is_empty() {
            let _ = write!(self.0, r#" stroke-dasharray="{dash}""#);
        }
        self.0.push_str("/>");
    }

    /// Writes a filled polygon with an outline in the background's colour.
    pub(crate) fn polygon(&mut self, points: &[(f64, f64)], fill: Colour) {
        let _ = write!(
            self.0,
            r#"<polygon points="{}" fill="{}" stroke="{}" stroke-width="0.8"/>"#,
            list(points),
            fill.light,
            PAPER.light
        );
    }

    /// Writes a filled circle with an outline in the background's colour.
    pub(crate) fn circle(&mut self, x: f64, y: f64, r: f64, fill: Colour) {
        let [x, y, r] = [x, y, r].map(tenth);
        let _ = write!(
            self.0,
            r#"<circle cx="{x}" cy="{y}" r="{r}" fill="{}" stroke="{}" stroke-width="0.8"/>"#,
            fill.light, PAPER.light
        );
    }

    pub(crate) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        self.styled_text((x, y), anchor, text, INK, 11.0, false);
    }

    pub(crate) fn muted_text(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        self.styled_text((x, y), anchor, text, MUTED, 11.0, false);
    }

    /// Writes text with a halo in the background's colour, so that lines below do not cross it.
    pub(crate) fn halo_text(&mut self, at: (f64, f64), text: &str, fill: Colour, size: f64) {
        let halo = format!(
            r#" stroke="{}" stroke-width="4" stroke-linejoin="round" paint-order="stroke""#,
            PAPER.light
        );
        self.write_text(at, (fill, size), &halo, text);
    }

    pub(crate) fn styled_text(
        &mut self,
        at: (f64, f64),
        anchor: Anchor,
        text: &str,
        fill: Colour,
        size: f64,
        bold: bool,
    ) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let weight = if bold { r#" font-weight="bold""# } else { "" };
        self.write_text(at, (fill, size), &format!("{anchor}{weight}"), text);
    }

    fn write_text(
        &mut self,
        (x, y): (f64, f64),
        (fill, size): (Colour, f64),
        attributes: &str,
        text: &str,
    ) {
        let [x, y, size] = [x, y, size].map(tenth);
        let _ = write!(
            self.0,
            r#"<text x="{x}" y="{y}" font-size="{size}"{attributes} fill="{}">{}</text>"#,
            fill.light,
            escape(text)
        );
    }
}

/// Points as the SVG attribute `points`: `x,y x,y`.
fn list(points: &[(f64, f64)]) -> String {
    let points = points
        .iter()
        .map(|&(x, y)| format!("{},{}", tenth(x), tenth(y)));
    points.collect::<Vec<_>>().join(" ")
}

/// Formats a coordinate to a tenth of a pixel, in the shortest form.
pub(crate) fn tenth(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_string(),
        Some(whole) => whole.to_string(),
        None => text,
    }
}

/// Estimated width of a text of font size 11 in the widest of the [`FONTS`], in pixels.
pub(crate) fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.9
}

/// Text of font size 11, shortened with an ellipsis if it is wider than `width`.
pub(crate) fn fit(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_string();
    }
    let room = (width / 6.9) as usize;
    let cut: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// Bold text of the given font size, shortened with an ellipsis if it is wider than `width`.
pub(crate) fn fit_bold(text: &str, width: f64, size: f64) -> String {
    fit(text, width * 0.9 * 11.0 / size)
}

/// Escapes text for the content and the attributes of XML and HTML. Characters that XML does not
/// allow become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(' '),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_escape() {
        assert_eq!(
            escape("<a b='1'>&\"\u{7}\n"),
            "&lt;a b=&#39;1&#39;&gt;&amp;&quot;\u{fffd} "
        );
    }

    #[test]
    fn test_numbers_are_short() {
        assert_eq!([1.0, 1.26, -0.01].map(tenth), ["1", "1.3", "0"]);
        assert_eq!(fit("abcdefgh", 35.0), "abcd…");
        assert_eq!(fit("abc", 35.0), "abc");
    }
}
