//! `report`: evaluations and trainings to a page, to figures and to tables.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use tracecodec::output::Output;

use super::merge;
use crate::failure::Hint;
use crate::output::{check_distinct, check_stdout, print_summary};
use crate::report::{Section, Table, datasets, page, training};

/// Draw a page from evaluations and trainings: tables and figures, as one HTML file that works offline.
///
/// Evaluations of one dataset stand side by side: its reference once, then each method by its label, in the order named. The page has
/// light and dark colours, tells the numbers behind each point of a figure, and saves each figure as SVG. The best number of each
/// column is marked; a method whose label contains "oracle" is taken for a reference that learns nothing, and is never marked. Trained codecs
/// get learning curves against the training packets seen, one line a codec.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Evaluations as `evaluate --output` writes them. One whose label contains "oracle" is a reference, never marked as best.
    #[arg(value_name = "EVALUATION", required_unless_present = "training")]
    inputs: Vec<PathBuf>,
    /// Folders of codecs as `train` writes them, to draw learning curves of. They stand behind the evaluations.
    #[arg(long, value_name = "MODEL_DIR", num_args = 1..)]
    training: Vec<PathBuf>,
    /// HTML file to write, not compressed; - is stdout.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write each figure as an SVG file into this folder too, named DATASET-FIGURE.svg or training-FIGURE.svg; of a long name the beginning.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Write the tables as Markdown to this file too.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write the tables as LaTeX to this file too, for the packages booktabs and textcomp.
    #[arg(long, value_name = "FILE")]
    latex: Option<PathBuf>,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    datasets: usize,
    evaluations: usize,
    trainings: usize,
    figures: usize,
    warnings: Vec<String>,
}

pub(crate) fn run(args: &Report, json: bool) -> Result<()> {
    check(args, json)?;
    let evaluations = args.inputs.iter().map(|path| merge::read(path));
    let evaluations = evaluations.collect::<Result<Vec<_>>>()?;
    let count = evaluations.len();
    let datasets = datasets(evaluations)?;
    let training = training(&args.training, &datasets)?;
    let evaluated = datasets.len();
    let sections = datasets.into_iter().map(Section::from).chain(training);
    let sections: Vec<_> = sections.collect();
    for section in &sections {
        for warning in &section.warnings {
            eprintln!("warning: {}: {warning}", section.name);
        }
    }
    let made = Made {
        datasets: evaluated,
        evaluations: count,
        trainings: args.training.len(),
        figures: write(args, &sections)?,
        warnings: sections
            .iter()
            .flat_map(|section| section.warnings.clone())
            .collect(),
    };
    let line = format!("{}: {}", args.output.display(), made.line());
    print_summary(json, &made, &line)
}

impl Made {
    /// What the page holds, in words.
    fn line(&self) -> String {
        let evaluations = format!(
            "{} of {}",
            number(self.evaluations, "evaluation"),
            number(self.datasets, "dataset")
        );
        let parts = [
            (self.evaluations, evaluations),
            (self.trainings, number(self.trainings, "training")),
            (self.figures, number(self.figures, "figure")),
        ];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        parts.map(|(_, text)| text).collect::<Vec<_>>().join(", ")
    }
}

/// A number of things.
fn number(count: usize, name: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}

fn check(args: &Report, json: bool) -> Result<()> {
    let inputs: Vec<&Path> = args.inputs.iter().map(PathBuf::as_path).collect();
    let outputs = [
        Some(&args.output),
        args.markdown.as_ref(),
        args.latex.as_ref(),
    ];
    let outputs: Vec<_> = outputs.into_iter().flatten().collect();
    for (index, output) in outputs.iter().enumerate() {
        check_stdout(json, output)?;
        check_distinct(&inputs, output)?;
        check_plain(output)?;
        if outputs[..index].contains(output) {
            return Err(Hint::error(
                format!("{}: asked for twice", output.display()),
                "write page and tables to files of their own",
            ));
        }
    }
    Ok(())
}

/// Refuses a name that promises compression.
fn check_plain(output: &Path) -> Result<()> {
    match output.extension().and_then(|extension| extension.to_str()) {
        Some("gz" | "zst") => Err(Hint::error(
            format!("{}: page and tables are not compressed", output.display()),
            "leave .gz or .zst away, and compress the file afterwards",
        )),
        _ => Ok(()),
    }
}

/// Writes all that was asked for: draws it first, and puts page and tables in their places last. Tells how many figures there are.
fn write(args: &Report, sections: &[Section]) -> Result<usize> {
    let figures = drawings(sections);
    let mut texts = vec![(&args.output, page(sections))];
    if let Some(path) = &args.markdown {
        texts.push((path, tables(sections, Table::markdown)));
    }
    if let Some(path) = &args.latex {
        texts.push((path, tables(sections, Table::latex)));
    }
    let outputs = texts.iter().map(|(path, _)| Output::create(path));
    let mut outputs = outputs.collect::<Result<Vec<_>, _>>()?;
    if let Some(folder) = &args.svg {
        write_figures(folder, &figures)?;
    }
    for (output, (_, text)) in outputs.iter_mut().zip(&texts) {
        output.write_all(text.as_bytes())?;
    }
    for output in outputs {
        output.finish()?;
    }
    Ok(figures.len())
}

/// The figures of all sections as SVG, by file name.
fn drawings(sections: &[Section]) -> Vec<(String, String)> {
    let of_section = |section: &Section| {
        let named = section.figures.iter().map(|figure| {
            let name = format!("{}-{}.svg", section.slug, figure.key);
            (name, figure.standalone())
        });
        named.collect::<Vec<_>>()
    };
    sections.iter().flat_map(of_section).collect()
}

fn write_figures(folder: &Path, figures: &[(String, String)]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, figure) in figures {
        let mut output = Output::create(folder.join(name))?;
        output.write_all(figure.as_bytes())?;
        output.finish()?;
    }
    Ok(())
}

fn tables(sections: &[Section], as_text: fn(&Table) -> String) -> String {
    let tables = sections.iter().flat_map(Section::all_tables);
    tables.map(as_text).collect::<Vec<_>>().join("\n")
}
