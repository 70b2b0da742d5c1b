//! `report`: evaluations to a page, to figures and to tables.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use tracecodec::metrics::{Evaluation, EvaluationError};
use tracecodec::output::Output;

use super::merge;
use crate::cli::OutputArg;
use crate::failure::Hint;
use crate::output::{check_distinct, check_stdout, print_summary};
use crate::report::{Dataset, Table, all_tables, datasets, figures, page};

/// Draw a page from evaluations: tables and figures, as one HTML file that works offline.
///
/// Evaluations of one dataset stand side by side: its reference once, then each method by its label, in the order named. The page has
/// light and dark colours, tells the numbers behind each point of a figure, and saves each figure as SVG. The best of the learned
/// methods is marked; a method is taken for learned unless its label contains "oracle".
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Evaluations as `evaluate --output` writes them.
    #[arg(value_name = "EVALUATION", required = true)]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArg,
    /// Write each figure as an SVG file into this folder too, named DATASET-FIGURE.svg.
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
    let evaluations = args.inputs.iter().map(|path| read(path));
    let evaluations = evaluations.collect::<Result<Vec<_>>>()?;
    let count = evaluations.len();
    let datasets = datasets(evaluations)?;
    for dataset in &datasets {
        for warning in &dataset.warnings {
            eprintln!("warning: {}: {warning}", dataset.name);
        }
    }
    write(&args.output.output, &page(&datasets))?;
    if let Some(folder) = &args.svg {
        write_figures(folder, &datasets)?;
    }
    if let Some(path) = &args.markdown {
        write(path, &tables(&datasets, Table::markdown))?;
    }
    if let Some(path) = &args.latex {
        write(path, &tables(&datasets, Table::latex))?;
    }
    let made = Made {
        datasets: datasets.len(),
        evaluations: count,
        figures: datasets.iter().map(|dataset| figures(dataset).len()).sum(),
        warnings: datasets
            .iter()
            .flat_map(|dataset| dataset.warnings.clone())
            .collect(),
    };
    let line = format!(
        "{}: {} of {}, {} figures",
        args.output.output.display(),
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
        Some(&args.output.output),
        args.markdown.as_ref(),
        args.latex.as_ref(),
    ];
    let outputs: Vec<_> = outputs.into_iter().flatten().collect();
    for (index, output) in outputs.iter().enumerate() {
        check_stdout(json, output)?;
        check_distinct(&inputs, output)?;
        if outputs[..index].contains(output) {
            return Err(Hint::error(
                format!("{}: asked for twice", output.display()),
                "write page and tables to files of their own",
            ));
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Evaluation> {
    merge::read(path).map_err(|error| match error.downcast_ref::<EvaluationError>() {
        Some(cause) => Hint::error(
            format!("{}: {cause}", path.display()),
            "name files as this version's `tracecodec evaluate --output` writes them",
        ),
        None => error,
    })
}

fn write(path: &Path, text: &str) -> Result<()> {
    let mut output = Output::create(path)?;
    output.write_all(text.as_bytes())?;
    Ok(output.finish()?)
}

fn write_figures(folder: &Path, datasets: &[Dataset]) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for dataset in datasets {
        for figure in figures(dataset) {
            let name = format!("{}-{}.svg", dataset.slug, figure.key);
            write(&folder.join(name), &figure.standalone())?;
        }
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
