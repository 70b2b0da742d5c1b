//! `report`: evaluations and trainings to a page, to figures and to tables.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_pipeline::monitor::counted;
use tracecodec_pipeline::run::report::{self, Outcome};

use crate::output::{check_stdout, print_summary};
use crate::terminal::Terminal;

/// Draw a page from evaluations and trainings: tables and figures, as one HTML file that works
/// offline.
///
/// Evaluations of one dataset stand side by side: its reference once, then each method by its
/// label, in the order named. The page has light and dark colours, shows the numbers behind each
/// point of a figure, and saves each figure as SVG. The best number of each column is marked,
/// but never that of a control or a reference: what `generator continuation` evaluated says its
/// role; else repeat and later are controls, real and labels that contain "oracle" references.
/// Trained codecs get learning curves against the training packets seen, one line a codec.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Evaluations as `evaluate --output`, `merge --output` and `generator continuation` write
    /// them.
    #[arg(value_name = "EVALUATION", required_unless_present = "training")]
    inputs: Vec<PathBuf>,
    /// Folders of codecs as `train` writes them, to draw learning curves of. They stand behind the
    /// evaluations.
    #[arg(long, value_name = "MODEL_DIR", num_args = 1..)]
    training: Vec<PathBuf>,
    /// HTML file to write, not compressed; - is stdout.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write each figure as an SVG file into this folder too, named DATASET-FIGURE.svg or
    /// training-FIGURE.svg; of a long name the beginning.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Write the tables as Markdown to this file too.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write the tables as LaTeX to this file too, for the packages booktabs and textcomp.
    #[arg(long, value_name = "FILE")]
    latex: Option<PathBuf>,
}

pub(crate) fn run(args: &Report, json: bool) -> Result<()> {
    let config = report::Config {
        inputs: args.inputs.clone(),
        training: args.training.clone(),
        output: args.output.clone(),
        svg: args.svg.clone(),
        markdown: args.markdown.clone(),
        latex: args.latex.clone(),
    };
    for output in config.outputs() {
        check_stdout(json, output)?;
    }
    let outcome = report::run(&config, &mut Terminal::new())?;
    let line = format!("{}: {}", args.output.display(), line(&outcome));
    print_summary(json, &outcome, &line)
}

/// What the page holds, in words.
fn line(outcome: &Outcome) -> String {
    let evaluations = format!(
        "{} of {}",
        counted(outcome.evaluations as u64, "evaluation"),
        counted(outcome.datasets as u64, "dataset")
    );
    let parts = [
        (outcome.evaluations, evaluations),
        (
            outcome.trainings,
            counted(outcome.trainings as u64, "training"),
        ),
        (outcome.figures, counted(outcome.figures as u64, "figure")),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    parts.map(|(_, text)| text).collect::<Vec<_>>().join(", ")
}
