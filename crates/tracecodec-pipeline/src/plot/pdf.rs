//! A drawing as PDF: the elements that [`Svg`](super::svg::Svg) writes, and no others.
//!
//! Text is set in Helvetica, which every reader of PDF has, and which is not embedded.

use pdf_writer::types::{LineCapStyle, LineJoinStyle, TextRenderingMode};
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str};
use roxmltree::{Document, Node};

/// Bézier control points of a quarter of a circle lie so far from its ends, in radii.
const QUARTER: f32 = 0.552_284_8;

/// Widths of the printable ASCII characters in Helvetica, in thousandths of the font size (Adobe
/// font metrics).
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// A standalone SVG file of a figure as a PDF file of one page, a point a pixel.
pub(crate) fn pdf(svg: &str) -> Vec<u8> {
    let document = Document::parse(svg).expect("figures are well-formed");
    let root = document.root_element();
    let (width, height) = (number(&root, "width"), number(&root, "height"));
    let mut content = Content::new();
    // SVG counts down from the top, PDF up from the bottom.
    content.transform([1.0, 0.0, 0.0, -1.0, 0.0, height]);
    content.set_line_join(LineJoinStyle::RoundJoin);
    content.set_line_cap(LineCapStyle::ButtCap);
    for element in root.children() {
        draw(&element, &mut content);
    }
    let [catalog, pages, page, stream, plain, bold] = [1, 2, 3, 4, 5, 6].map(Ref::new);
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);
    let mut sheet = pdf.page(page);
    sheet.parent(pages).contents(stream);
    sheet.media_box(Rect::new(0.0, 0.0, width, height));
    let mut resources = sheet.resources();
    let mut fonts = resources.fonts();
    fonts.pair(Name(b"F1"), plain).pair(Name(b"F2"), bold);
    fonts.finish();
    resources.finish();
    sheet.finish();
    for (font, name) in [(plain, "Helvetica"), (bold, "Helvetica-Bold")] {
        let mut font = pdf.type1_font(font);
        font.base_font(Name(name.as_bytes()));
        font.encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    pdf.stream(stream, &content.finish());
    pdf.finish()
}

fn draw(element: &Node<'_, '_>, content: &mut Content) {
    let of = |name: &str| number(element, name);
    match element.tag_name().name() {
        "g" => {
            let shift = element.attribute("transform").unwrap_or_default();
            let [x, y] = pair(
                shift.trim_start_matches("translate(").trim_end_matches(')'),
                ' ',
            );
            content.save_state();
            content.transform([1.0, 0.0, 0.0, 1.0, x, y]);
            element.children().for_each(|child| draw(&child, content));
            content.restore_state();
        }
        "rect" => {
            content.rect(of("x"), of("y"), of("width"), of("height"));
            paint(element, content);
        }
        "line" => {
            content.move_to(of("x1"), of("y1"));
            content.line_to(of("x2"), of("y2"));
            paint(element, content);
        }
        name @ ("polyline" | "polygon") => {
            let points = element.attribute("points").unwrap_or_default();
            for (index, point) in points.split_whitespace().enumerate() {
                let [x, y] = pair(point, ',');
                if index == 0 {
                    content.move_to(x, y);
                } else {
                    content.line_to(x, y);
                }
            }
            if name == "polygon" {
                content.close_path();
            }
            paint(element, content);
        }
        "circle" => {
            let [x, y, r] = ["cx", "cy", "r"].map(of);
            circle([x, y], r, content);
            paint(element, content);
        }
        "text" => text(element, content),
        // Title and description are no drawing.
        _ => {}
    }
}

fn circle([x, y]: [f32; 2], r: f32, content: &mut Content) {
    let near = r * QUARTER;
    content.move_to(x + r, y);
    content.cubic_to(x + r, y + near, x + near, y + r, x, y + r);
    content.cubic_to(x - near, y + r, x - r, y + near, x - r, y);
    content.cubic_to(x - r, y - near, x - near, y - r, x, y - r);
    content.cubic_to(x + near, y - r, x + r, y - near, x + r, y);
    content.close_path();
}

/// Fills and strokes the path, as the element says.
fn paint(element: &Node<'_, '_>, content: &mut Content) {
    let [fill, stroke] = ["fill", "stroke"].map(|name| element.attribute(name).and_then(colour));
    if let Some([r, g, b]) = fill {
        content.set_fill_rgb(r, g, b);
    }
    if let Some([r, g, b]) = stroke {
        content.set_stroke_rgb(r, g, b);
        content.set_line_width(number(element, "stroke-width"));
        let dashes = element.attribute("stroke-dasharray").unwrap_or_default();
        let dashes = dashes
            .split([' ', ','])
            .filter_map(|dash| dash.parse().ok());
        content.set_dash_pattern(dashes, 0.0);
    }
    match (fill, stroke) {
        (Some(_), Some(_)) => content.fill_nonzero_and_stroke(),
        (Some(_), None) => content.fill_nonzero(),
        (None, Some(_)) => content.stroke(),
        (None, None) => content.end_path(),
    };
}

/// Sets a text, first its halo if it has one.
fn text(element: &Node<'_, '_>, content: &mut Content) {
    let size = number(element, "font-size");
    let bytes = win_ansi(element.text().unwrap_or_default());
    let is_bold = element.attribute("font-weight").is_some();
    let width = width(&bytes) * size * if is_bold { 1.06 } else { 1.0 };
    let x = number(element, "x")
        - match element.attribute("text-anchor") {
            Some("middle") => width / 2.0,
            Some("end") => width,
            _ => 0.0,
        };
    let at = [1.0, 0.0, 0.0, -1.0, x, number(element, "y")];
    let [fill, halo] = ["fill", "stroke"].map(|name| element.attribute(name).and_then(colour));
    content.begin_text();
    content.set_font(Name(if is_bold { b"F2" } else { b"F1" }), size);
    if let Some([r, g, b]) = halo {
        content.set_stroke_rgb(r, g, b);
        content.set_line_width(number(element, "stroke-width"));
        content.set_dash_pattern([], 0.0);
        content.set_text_rendering_mode(TextRenderingMode::Stroke);
        content.set_text_matrix(at);
        content.show(Str(&bytes));
    }
    let [r, g, b] = fill.unwrap_or_default();
    content.set_fill_rgb(r, g, b);
    content.set_text_rendering_mode(TextRenderingMode::Fill);
    content.set_text_matrix(at);
    content.show(Str(&bytes));
    content.end_text();
}

/// A text in the encoding of the fonts (PDF 32000-1, annex D). Raised digits become `^` and digits,
/// arrows and other characters that the encoding lacks become the nearest that it has.
fn win_ansi(text: &str) -> Vec<u8> {
    const RAISED: &str = "⁰¹²³⁴⁵⁶⁷⁸⁹";
    let mut bytes = Vec::with_capacity(text.len());
    let mut is_raised = false;
    for c in text.chars() {
        let digit = RAISED.chars().position(|raised| raised == c);
        let was_raised = std::mem::replace(&mut is_raised, digit.is_some() || c == '⁻');
        if is_raised && !was_raised {
            bytes.push(b'^');
        }
        bytes.push(match (digit, c) {
            (Some(digit), _) => b'0' + digit as u8,
            (None, '⁻' | '−') => b'-',
            (None, ' '..='~' | '\u{a0}'..='ÿ') => c as u32 as u8,
            (None, '…') => 0x85,
            (None, '•') => 0x95,
            (None, '–') => 0x96,
            (None, '—') => 0x97,
            (None, 'μ') => 0xb5,
            (None, '≤') => b'<',
            (None, '≥') => b'>',
            (None, '→') => b'>',
            (None, _) => b'?',
        });
    }
    bytes
}

/// Width of a text, as a multiple of the font size. What is not ASCII is as wide as a digit.
fn width(bytes: &[u8]) -> f32 {
    let widths = bytes.iter().map(|&byte| {
        let index = usize::from(byte).checked_sub(32);
        let known = index.and_then(|index| WIDTHS.get(index));
        f32::from(*known.unwrap_or(&556)) / 1000.0
    });
    widths.sum()
}

/// A colour in hexadecimal; `None` for `none`.
fn colour(text: &str) -> Option<[f32; 3]> {
    let hex = text.strip_prefix('#')?;
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|d| d as u8)
        .collect();
    let bytes = match digits[..] {
        [r, g, b] => [r * 17, g * 17, b * 17],
        [a, b, c, d, e, f] => [a * 16 + b, c * 16 + d, e * 16 + f],
        _ => return None,
    };
    Some(bytes.map(|byte| f32::from(byte) / 255.0))
}

fn number(element: &Node<'_, '_>, name: &str) -> f32 {
    let text = element.attribute(name).unwrap_or_default();
    text.parse().unwrap_or_default()
}

fn pair(text: &str, between: char) -> [f32; 2] {
    let (x, y) = text.split_once(between).unwrap_or_default();
    [x, y].map(|text| text.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::colour::INK;
    use crate::plot::svg::{Anchor, Svg};

    #[test]
    fn test_every_element_of_a_drawing_is_drawn() {
        let mut svg = Svg::default();
        svg.rect((0.0, 0.0), (10.0, 5.0), "#fff");
        svg.line((0.0, 0.0), (10.0, 5.0), INK, 1.0);
        svg.polyline(&[(0.0, 0.0), (1.0, 2.0)], INK, 1.0, "4 2");
        svg.polygon(&[(0.0, 0.0), (1.0, 2.0), (3.0, 0.0)], INK);
        svg.circle(3.0, 3.0, 1.0, INK);
        svg.text((1.0, 2.0), Anchor::End, "1×10⁻³ (µs)");
        svg.halo_text((1.0, 2.0), "halo", INK, 11.0);
        let whole = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"20\" height=\"10\"><title>t</title>\
             <g transform=\"translate(1 2)\">{}</g></svg>",
            svg.0
        );
        let bytes = pdf(&whole);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("%PDF-") && text.trim_end().ends_with("%%EOF"));
        assert!(text.contains("/MediaBox [0 0 20 10]"), "{text}");
        for operator in [
            "0 0 10 5 re",
            "[4 2] 0 d",
            "\nh\n",
            " c\n",
            "1 0 0 1 1 2 cm",
            "(halo) Tj",
        ] {
            assert!(text.contains(operator), "{operator}: {text}");
        }
        assert_eq!(text.matches("Tj").count(), 3, "a halo is set twice");
    }

    #[test]
    fn test_characters_that_fonts_lack_have_others() {
        assert_eq!(win_ansi("10⁻¹² ≤ 3…"), b"10^-12 < 3\x85");
        assert!((width(b"00") - 1.112).abs() < 1e-6);
    }

    #[test]
    fn test_colours() {
        assert_eq!(colour("#fff"), Some([1.0; 3]));
        assert_eq!(colour("#ff0000"), Some([1.0, 0.0, 0.0]));
        assert_eq!(colour("none"), None);
    }
}
