//! A table, written as HTML, Markdown or LaTeX.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::svg::escape;

/// A cell of a [`Table`].
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    /// Whether the cell is a number: numbers are aligned right, text left.
    number: bool,
    /// Whether the cell has the best value of its column among the learned methods.
    best: bool,
    /// Index of the note that explains the cell.
    note: Option<usize>,
    /// Where the number comes from.
    sources: Vec<Source>,
}

/// Where a number comes from, or one of several of which a cell shows the mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Step that found it.
    pub step: String,
    /// What it is there.
    pub what: String,
    /// The number.
    pub value: f64,
}

impl Cell {
    pub(crate) fn text(text: &str) -> Self {
        Self {
            text: text.to_string(),
            number: false,
            best: false,
            note: None,
            sources: Vec::new(),
        }
    }

    pub(crate) fn number(text: String) -> Self {
        Self {
            number: true,
            ..Self::text(&text)
        }
    }

    pub(crate) fn best(self, best: bool) -> Self {
        Self { best, ..self }
    }

    /// The cell of numbers that come from these places.
    pub(crate) fn from(self, sources: Vec<Source>) -> Self {
        Self { sources, ..self }
    }

    pub(crate) fn shown(&self) -> &str {
        &self.text
    }

    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }
}

/// Rows of cells below a heading, with notes that explain cells without a number.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Title of the table, in one line.
    pub(crate) title: String,
    pub(crate) head: Vec<String>,
    rows: Vec<Vec<Cell>>,
    /// Reasons why cells have no number, without duplicates.
    notes: Vec<String>,
    /// Explanation of the columns, for readers of the table.
    pub(crate) caption: String,
}

/// Longest word, in characters, that is never broken in a column's name.
const LONG: usize = 14;

impl Table {
    pub(crate) fn new(title: &str, head: impl IntoIterator<Item = String>) -> Self {
        Self {
            title: title.to_string(),
            head: head.into_iter().collect(),
            rows: Vec::new(),
            notes: Vec::new(),
            caption: String::new(),
        }
    }

    pub(crate) fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// A cell without a number; the reason becomes a note.
    pub(crate) fn none(&mut self, reason: &str) -> Cell {
        let known = self.notes.iter().position(|note| note == reason);
        let note = known.unwrap_or_else(|| {
            self.notes.push(reason.to_string());
            self.notes.len() - 1
        });
        Cell {
            note: Some(note),
            ..Cell::number("–".to_string())
        }
    }

    /// Letter that refers to the note with this index.
    fn letter(note: usize) -> char {
        char::from(b'a' + (note % 26) as u8)
    }

    pub(crate) fn html(&self) -> String {
        let mut html = format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table><caption>{0}</caption><thead><tr>",
            escape(&self.title)
        );
        for (index, name) in self.head.iter().enumerate() {
            html.push_str(&self.html_head(index, name));
        }
        html.push_str("</tr></thead><tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for (index, cell) in row.iter().enumerate() {
                html.push_str(&self.html_cell(index, cell));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
        let mut below: Vec<String> = Vec::new();
        if !self.caption.is_empty() {
            below.push(escape(&self.caption));
        }
        let notes = self.notes.iter().enumerate();
        below.extend(notes.map(|(index, note)| {
            format!("<sup>{}</sup> – {}.", Self::letter(index), escape(note))
        }));
        if !below.is_empty() {
            let _ = writeln!(html, "<p class=\"note\">{}</p>", below.join(" "));
        }
        html
    }

    /// Whether a column contains numbers, judged by its first row.
    fn is_number(&self, column: usize) -> bool {
        self.rows.first().is_some_and(|row| row[column].number)
    }

    /// Heading of a column in HTML: aligned as the column's cells; a long word may be broken
    /// anywhere.
    fn html_head(&self, column: usize, name: &str) -> String {
        let long = name.split(' ').any(|word| word.chars().count() > LONG);
        let class = match (self.is_number(column), long) {
            (true, true) => " class=\"n long\"",
            (true, false) => " class=\"n\"",
            (false, true) => " class=\"long\"",
            (false, false) => "",
        };
        format!("<th scope=\"col\"{class}>{}</th>", escape(name))
    }

    fn html_cell(&self, index: usize, cell: &Cell) -> String {
        let text = escape(&cell.text);
        let text = match (cell.note, cell.best) {
            (Some(note), _) => format!(
                "<abbr title=\"{}\">{text}</abbr><sup>{}</sup>",
                escape(&self.notes[note]),
                Self::letter(note)
            ),
            (None, true) => {
                format!("<strong>{text}<span class=\"best\" title=\"best\"> ★</span></strong>")
            }
            (None, false) => text,
        };
        let text = match cell.sources.as_slice() {
            [] => text,
            sources => format!(
                "<button type=\"button\" class=\"from\" data-from=\"{}\">{text}</button>",
                escape(&json!(sources).to_string())
            ),
        };
        match (index, cell.number) {
            (0, _) => format!("<th scope=\"row\">{text}</th>"),
            (_, true) => format!("<td class=\"n\">{text}</td>"),
            (_, false) => format!("<td>{text}</td>"),
        }
    }

    /// The table as Markdown, with the best numbers in bold.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("### {}\n\n", markdown(&self.title));
        text += &line(self.head.iter().map(|name| markdown(name)).collect());
        let rules = (0..self.head.len()).map(|column| {
            let number = self.is_number(column);
            if number { "---:" } else { "---" }.to_string()
        });
        text += &line(rules.collect());
        for row in &self.rows {
            let cells = row.iter().map(|cell| match (cell.note, cell.best) {
                (Some(note), _) => format!("{}<sup>{}</sup>", cell.text, Self::letter(note)),
                (None, true) => format!("**{}**", markdown(&cell.text)),
                (None, false) => markdown(&cell.text),
            });
            text += &line(cells.collect());
        }
        if !self.caption.is_empty() {
            let _ = write!(text, "\n{}\n", markdown(&self.caption));
        }
        for (index, note) in self.notes.iter().enumerate() {
            let _ = write!(
                text,
                "\n<sup>{}</sup> {}\n",
                Self::letter(index),
                markdown(note)
            );
        }
        text
    }

    /// The table as LaTeX for the package `booktabs`, with the best numbers in bold.
    pub(crate) fn latex(&self) -> String {
        let columns: String = (0..self.head.len())
            .map(|column| if self.is_number(column) { 'r' } else { 'l' })
            .collect();
        let line = |cells: Vec<String>| format!("    {} \\\\\n", cells.join(" & "));
        let mut text = format!(
            "\\begin{{table}}\n  \\centering\n  \\caption{{{}}}\n  \\begin{{tabular}}{{{columns}}}\n    \\toprule\n",
            latex(&self.title)
        );
        text += &line(self.head.iter().map(|name| latex(name)).collect());
        text += "    \\midrule\n";
        for row in &self.rows {
            let cells = row.iter().map(|cell| match (cell.note, cell.best) {
                (Some(note), _) => format!("--\\textsuperscript{{{}}}", Self::letter(note)),
                (None, true) => format!("\\textbf{{{}}}", latex(&cell.text)),
                (None, false) => latex(&cell.text),
            });
            text += &line(cells.collect());
        }
        text += "    \\bottomrule\n  \\end{tabular}\n";
        let mut below: Vec<String> = Vec::new();
        if !self.caption.is_empty() {
            below.push(latex(&self.caption));
        }
        let notes = self.notes.iter().enumerate();
        below.extend(notes.map(|(index, note)| {
            format!(
                "\\textsuperscript{{{}}} {}.",
                Self::letter(index),
                latex(note)
            )
        }));
        if !below.is_empty() {
            let _ = writeln!(text, "  \\par\\smallskip\\footnotesize {}", below.join(" "));
        }
        text + "\\end{table}\n"
    }
}

/// Escapes text for Markdown, so that no character is markup.
fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\u{a0}' => escaped.push(' '),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Escapes text for LaTeX, so that no character is a command.
fn latex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' | '_' | '&' | '#' | '$' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '\\' => escaped.push_str("\\textbackslash{}"),
            '\u{a0}' => escaped.push('~'),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '–' => escaped.push_str("--"),
            '×' => escaped.push_str("$\\times$"),
            '↓' => escaped.push_str("$\\downarrow$"),
            '↑' => escaped.push_str("$\\uparrow$"),
            'µ' => escaped.push_str("\\textmu{}"),
            '⁻' => escaped.push_str("\\textsuperscript{--}"),
            '⁰' | '¹' | '²' | '³' | '⁴' | '⁵' | '⁶' | '⁷' | '⁸' | '⁹' => {
                let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
                let digit = digits.iter().position(|digit| *digit == c).unwrap_or(0);
                let _ = write!(escaped, "\\textsuperscript{{{digit}}}");
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_nothing_in_a_text_is_markup() {
        assert_eq!(latex("a_b & 5 % \\x"), "a\\_b \\& 5 \\% \\textbackslash{}x");
        assert_eq!(markdown("a|b_<i>"), "a\\|b\\_&lt;i&gt;");
    }

    #[test]
    fn test_one_reason_is_one_note() {
        let mut table = Table::new("T", ["Method".to_string(), "Count".to_string()]);
        for label in ["x", "<y>"] {
            let none = table.none("no packets");
            table.row([Cell::text(label), none]);
        }
        assert_eq!(table.html().matches("no packets").count(), 3);
        assert!(table.html().contains("&lt;y&gt;"));
        assert!(table.markdown().contains("| x | –<sup>a</sup> |"));
        assert!(table.latex().contains("--\\textsuperscript{a}"));
    }
}
