//! `merge`: evaluations of parts to the evaluation of the whole.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use tracecodec::metrics::{Case, Evaluation};

use super::evaluate;
use crate::failure::Hint;
use crate::output::{check_distinct, printable};

/// Add up evaluations of parts of a dataset, made anywhere.
///
/// The result is the same as if all captures had been compared in one run, in whatever order the
/// parts are named.
#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// Evaluations as `evaluate` writes them.
    #[arg(value_name = "EVALUATION", required = true)]
    inputs: Vec<PathBuf>,
    /// Name of the method in reports. Default: that of the first evaluation.
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
    /// Name of the data in reports. Default: that of the first evaluation.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Write the evaluation as JSON to this file too.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Merge, json: bool) -> Result<()> {
    if let Some(output) = &args.output {
        let inputs: Vec<_> = args.inputs.iter().map(PathBuf::as_path).collect();
        check_distinct(&inputs, output)?;
    }
    let mut parts = args.inputs.iter().map(|path| read(path));
    let mut whole = parts.next().unwrap_or_else(|| Ok(Evaluation::default()))?;
    for (part, path) in parts.zip(&args.inputs[1..]) {
        let part = part?;
        if part.analyzer != whole.analyzer {
            return Err(Hint::error(
                format!(
                    "{}: TCP events by {}, but by {} in {}",
                    path.display(),
                    part.analyzer,
                    whole.analyzer,
                    args.inputs[0].display()
                ),
                "evaluate all parts with the same --analyzer",
            ));
        }
        let known = |case: &Case| whole.cases.iter().any(|other| is_same(case, other));
        if let Some(twice) = part.cases.iter().find(|case| known(case)) {
            return Err(Hint::error(
                format!(
                    "{}: {} was counted already",
                    path.display(),
                    printable(&twice.name)
                ),
                "name each part once",
            ));
        }
        whole.merge(part);
    }
    whole.label = args.label.clone().unwrap_or(whole.label);
    whole.dataset = args.dataset.clone().unwrap_or(whole.dataset);
    evaluate::tell(&whole, args.output.as_deref(), json)
}

/// Whether two cases are of one pair of captures.
fn is_same(one: &Case, other: &Case) -> bool {
    let files = |case: &Case| [&case.reference, &case.decoded].map(|file| file.blake3.clone());
    one.name == other.name && files(one) == files(other)
}

/// Reads an evaluation.
pub(super) fn read(path: &Path) -> Result<Evaluation> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let evaluation = Evaluation::from_json(&String::from_utf8_lossy(&bytes));
    evaluation.with_context(|| path.display().to_string())
}
