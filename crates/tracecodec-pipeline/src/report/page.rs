//! The page: one HTML file that asks for nothing else.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::section::Section;
use crate::plot::colour::style_sheet;
use crate::plot::figure::{Figure, Legend, Place};
use crate::plot::mark::Style;
use crate::plot::panel::{Panel, WIDTH};
use crate::plot::svg::{FONTS, Svg, escape, tenth};
use crate::plot::table::Table;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page of all sections. `steps` has, by name, the steps that numbers come from, for readers
/// who ask for the way from a number to the captures.
pub(crate) fn page(sections: &[Section], steps: &Value) -> String {
    let names: Vec<_> = sections
        .iter()
        .map(|section| section.name.as_str())
        .collect();
    let contents = sections.iter().map(contents).collect::<String>();
    let body = sections.iter().map(section_html).collect::<String>();
    let is_traceable = steps.as_object().is_some_and(|steps| !steps.is_empty());
    let traceable = if is_traceable {
        " Click a number of a table to see where it comes from."
    } else {
        ""
    };
    // The body is filled in last: nothing in it is taken for a placeholder.
    TEMPLATE
        .replace("{{style}}", &format!("{STYLE}\n{}", style_sheet()))
        .replace("{{script}}", SCRIPT)
        .replace("{{version}}", env!("CARGO_PKG_VERSION"))
        .replace("{{traceable}}", traceable)
        .replace("{{steps}}", &steps.to_string().replace('<', "\\u003c"))
        .replace("{{contents}}", &contents)
        .replacen(
            "{{title}}",
            &escape(&format!("TraceCodec: {}", names.join(", "))),
            1,
        )
        .replacen("{{body}}", &body, 1)
}

fn contents(section: &Section) -> String {
    let mut html = format!(
        "<li><a href=\"#{0}\">{1}</a><ul><li><a href=\"#{0}-table\">Table</a></li>",
        section.slug,
        escape(&section.name)
    );
    for figure in &section.figures {
        let short = figure.title.split(" on ").next().unwrap_or(&figure.title);
        let _ = write!(
            html,
            "<li><a href=\"#{}-{}\">{}</a></li>",
            section.slug,
            figure.key,
            escape(short)
        );
    }
    html + "</ul></li>\n"
}

fn section_html(section: &Section) -> String {
    let slug = &section.slug;
    let mut html = format!(
        "<section id=\"{slug}\"><h2>{}</h2>\n",
        escape(&section.name)
    );
    for warning in &section.warnings {
        let _ = writeln!(
            html,
            "<p class=\"warning\" role=\"note\"><strong>Warning:</strong> {}.</p>",
            escape(warning)
        );
    }
    let tables: String = section.tables.iter().map(Table::html).collect();
    let _ = writeln!(html, "<div id=\"{slug}-table\">{tables}</div>");
    if let Some(complete) = &section.complete {
        let table = complete.table.html();
        let _ = writeln!(
            html,
            "<details><summary>{}</summary>{table}</details>",
            complete.name
        );
    }
    for figure in &section.figures {
        html += &figure_html(slug, figure);
    }
    html + "</section>\n"
}

fn figure_html(slug: &str, figure: &Figure) -> String {
    let id = format!("{slug}-{}", figure.key);
    let (places, (width, height)) = figure.layout();
    let mut html = format!(
        "<figure id=\"{id}\" data-width=\"{}\" data-height=\"{}\"><div class=\"head\"><h3>{}</h3>\
         <button type=\"button\" class=\"save\">Save SVG</button></div>\n<figcaption>{}</figcaption>\n{}\
         <template>{}</template>\n<div class=\"panels\">\n",
        tenth(width),
        tenth(height),
        escape(&figure.title),
        escape(&figure.caption),
        legend_html(&figure.legend),
        wrap("", "", (width, height), &figure.head()),
    );
    let drawn = figure.panels.iter().zip(&places).enumerate();
    let drawn: Vec<String> = drawn
        .map(|(index, (panel, place))| panel_html(&format!("{id}-{index}"), panel, place))
        .collect();
    if figure.is_grid() {
        html += &drawn.concat();
    } else {
        for column in figure.by_column() {
            let panels: String = column.iter().map(|&index| drawn[index].as_str()).collect();
            let _ = write!(html, "<div class=\"column\">{panels}</div>");
        }
    }
    html += "</div>\n";
    let tables = figure
        .panels
        .iter()
        .filter_map(|panel| panel.table.as_ref());
    let tables: String = tables.map(|table| table.html()).collect();
    if !tables.is_empty() {
        let _ = writeln!(
            html,
            "<details><summary>Numbers</summary>{tables}</details>"
        );
    }
    html + "</figure>\n"
}

/// The legend: of the series, as a list that wraps; of a scale of colours, as it is drawn.
fn legend_html(legend: &Legend) -> String {
    if legend.samples.is_empty() {
        let svg = wrap(
            "class=\"scale\" aria-hidden=\"true\"",
            "",
            (460.0, legend.height),
            &legend.svg.0,
        );
        return format!("<div class=\"legend\">{svg}</div>\n");
    }
    let item = |(name, style): &(String, Style)| {
        let mut sample = Svg::default();
        style.sample(&mut sample, 2.0, 8.0);
        let sample = wrap("aria-hidden=\"true\"", "", (34.0, 16.0), &sample.0);
        format!("<li>{sample}{}</li>", escape(name))
    };
    let items: String = legend.samples.iter().map(item).collect();
    format!("<ul class=\"legend\">{items}</ul>\n")
}

fn panel_html(id: &str, panel: &Panel, place: &Place) -> String {
    let attributes = format!("role=\"img\" aria-labelledby=\"{id}-title {id}-desc\"");
    let words = format!(
        "<title id=\"{id}-title\">{}</title><desc id=\"{id}-desc\">{}</desc>",
        escape(&panel.title),
        escape(&panel.description)
    );
    let marks = panel.marks.iter().map(|mark| {
        let tenths = |value: f64| (value * 10.0).round() / 10.0;
        json!([
            tenths(mark.x),
            tenths(mark.y),
            mark.series,
            mark.at,
            mark.value
        ])
    });
    let data = json!({ "names": panel.names, "marks": marks.collect::<Vec<_>>() });
    format!(
        "<div class=\"panel\" style=\"--w:{0}\" data-x=\"{1}\" data-y=\"{2}\" tabindex=\"0\" role=\"group\" \
         aria-label=\"{3}: arrow keys go through the values\">{4}<script type=\"application/json\">{5}</script></div>\n",
        tenth(panel.size.0 * enlarged(panel.size.0)),
        tenth(place.x),
        tenth(place.y),
        escape(&panel.title),
        wrap(&attributes, &words, panel.size, &panel.svg.0),
        // No text in the data can end the element.
        data.to_string().replace('<', "\\u003c")
    )
}

/// How much larger a panel is on a wide page: two or three of them then fill it.
fn enlarged(width: f64) -> f64 {
    if width < WIDTH { 1.02 } else { 1.17 }
}

/// An SVG element around a drawing.
fn wrap(attributes: &str, words: &str, (width, height): (f64, f64), drawing: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" {attributes} viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" \
         font-family=\"{FONTS}\">{words}{drawing}</svg>",
        tenth(width),
        tenth(height)
    )
}
