//! `trace`: from a number in an experiment's report to the captures.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracecodec_pipeline::run::trace::{self, Outcome};

use crate::failure::{FINDING, GOOD};
use crate::output::{print, print_json};
use crate::terminal::Terminal;

/// Follow a number in an experiment's report back to the bytes of the captures.
///
/// Prints the steps on the way with their keys, and the digests of the captures. With --verify
/// every file on the way is read again; exit code 1 if one is not what it was.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// Folder of the experiment, or a file in it.
    report: PathBuf,
    /// Table: its title, or words that it begins with, such as "Table 3".
    table: String,
    /// Row: its first cell, or words that it begins with.
    row: String,
    /// Column: its heading, or words that it begins with.
    column: String,
    /// Read every file on the way again, and compare its digest.
    #[arg(long)]
    verify: bool,
}

pub(crate) fn run(args: &Trace, json: bool) -> Result<u8> {
    let config = trace::Config {
        experiment: args.report.clone(),
        table: args.table.clone(),
        row: args.row.clone(),
        column: args.column.clone(),
        verify: args.verify,
    };
    let outcome = trace::run(&config, &mut Terminal::new())?;
    if json {
        print_json(&outcome)?;
    } else {
        print(&words(&outcome))?;
    }
    let is_changed = outcome.changed.is_some_and(|changed| !changed.is_empty());
    Ok(if is_changed { FINDING } else { GOOD })
}

fn words(outcome: &Outcome) -> String {
    let Outcome {
        table,
        row,
        column,
        text,
        ..
    } = outcome;
    let mut words = format!("{table}\n{row}, {column}: {text}\n");
    for source in &outcome.sources {
        let _ = writeln!(
            words,
            "  {} is {} of {}",
            source.value, source.what, source.step
        );
    }
    for step in &outcome.steps {
        let key = &step.key[..16];
        let _ = writeln!(
            words,
            "{}\n  {}, key {key}\n  {}",
            step.name, step.verb, step.folder
        );
    }
    for capture in &outcome.captures {
        let _ = writeln!(
            words,
            "capture {}\n  {}\n  BLAKE3 {}",
            capture.name, capture.path, capture.blake3
        );
    }
    match &outcome.changed {
        None => {}
        Some(changed) if changed.is_empty() => words += "Every file is what it was.\n",
        Some(changed) => {
            for change in changed {
                let _ = writeln!(words, "changed: {change}");
            }
        }
    }
    words
}
