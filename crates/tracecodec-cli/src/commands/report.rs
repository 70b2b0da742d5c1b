//! `report`: evaluations to a page, to figures and to tables.

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
use crate::report::{Dataset, Table, all_tables, datasets, figures, page};

/// Draw a page from evaluations: tables and figures, as one HTML file that works offline.
///
/// Evaluations of one dataset stand side by side: its reference once, then each method by its label, in the order named. The page has
/// light and dark colours, tells the numbers behind each point of a figure, and saves each figure as SVG. The best number of each
/// column is marked; a method whose label contains "oracle" is taken for a reference that learns nothing, and is never marked.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Evaluations as `evaluate --output` writes them. One whose label contains "oracle" is a reference, never marked as best.
    #[arg(value_name = "EVALUATION", required = true)]
    inputs: Vec<PathBuf>,
    /// HTML file to write, not compressed; - is stdout.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write each figure as an SVG file into this folder too, named DATASET-FIGURE.svg; of a long name the beginning.
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
    figures: usize,
    warnings: Vec<String>,
}

pub(crate) fn run(args: &Report, json: bool) -> Result<()> {
    check(args, json)?;
    let evaluations = args.inputs.iter().map(|path| merge::read(path));
    let evaluations = evaluations.collect::<Result<Vec<_>>>()?;
    let count = evaluations.len();
    let datasets = datasets(evaluations)?;
    for dataset in &datasets {
        for warning in &dataset.warnings {
            eprintln!("warning: {}: {warning}", dataset.name);
        }
    }
    let figures = write(args, &datasets)?;
    let made = Made {
        datasets: datasets.len(),
        evaluations: count,
        figures,
        warnings: datasets
            .iter()
            .flat_map(|dataset| dataset.warnings.clone())
            .collect(),
    };
    let line = format!(
        "{}: {} of {}, {} figures",
        args.output.display(),
        number(count, "evaluation"),
        number(made.datasets, "dataset"),
        made.figures
    );
    print_summary(json, &made, &line)
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
fn write(args: &Report, datasets: &[Dataset]) -> Result<usize> {
    let figures = drawings(datasets);
    let mut texts = vec![(&args.output, page(datasets))];
    if let Some(path) = &args.markdown {
        texts.push((path, tables(datasets, Table::markdown)));
    }
    if let Some(path) = &args.latex {
        texts.push((path, tables(datasets, Table::latex)));
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

/// The figures of all datasets as SVG, by file name.
fn drawings(datasets: &[Dataset]) -> Vec<(String, String)> {
    let of_dataset = |dataset: &Dataset| {
        let named = figures(dataset).into_iter().map(|figure| {
            let name = format!("{}-{}.svg", dataset.slug, figure.key);
            (name, figure.standalone())
        });
        named.collect::<Vec<_>>()
    };
    datasets.iter().flat_map(of_dataset).collect()
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

fn tables(datasets: &[Dataset], as_text: fn(&Table) -> String) -> String {
    let tables = datasets.iter().flat_map(all_tables);
    tables
        .map(|table| as_text(&table))
        .collect::<Vec<_>>()
        .join("\n")
}
