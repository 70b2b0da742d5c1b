//! `trace`: from a number in an experiment's report to the bytes of the captures.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracecodec::artifact::document;

use super::experiment::{FoundCell, LEDGER, Ledger, LedgerStep, LedgerTable, Manifest};
use crate::error::Error;
use crate::monitor::{Monitor, Progress};
use crate::plot::table::Source;

/// Which number to trace.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Folder of the experiment.
    pub experiment: PathBuf,
    /// Title of the table, or the words that it begins with, such as `Table 3`.
    pub table: String,
    /// First cell of the row, or the words that it begins with.
    pub row: String,
    /// Heading of the column, or the words that it begins with.
    pub column: String,
    /// Read every file on the way again, and compare its digest.
    #[serde(default)]
    pub verify: bool,
}

/// The way from a number to the captures.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Title of the table.
    pub table: String,
    /// First cell of the row.
    pub row: String,
    /// Heading of the column.
    pub column: String,
    /// What is shown there.
    pub text: String,
    /// The numbers that it is the mean of, and where they come from.
    pub sources: Vec<Source>,
    /// The steps on the way, each before those that it reads.
    pub steps: Vec<StepOnTheWay>,
    /// The captures at its end.
    pub captures: Vec<CaptureOnTheWay>,
    /// Files that are not what they were: their paths, and what is wrong. `None` unless it was
    /// verified.
    pub changed: Option<Vec<String>>,
}

/// A step on the way.
#[derive(Debug, Serialize)]
pub struct StepOnTheWay {
    /// Name of the step.
    pub name: String,
    /// Name of the verb.
    pub verb: String,
    /// Digest of verb, settings, tool and inputs.
    pub key: String,
    /// The verb's settings, with names for inputs.
    pub settings: Value,
    /// Folder of its outputs and its manifest.
    pub folder: String,
}

/// A capture at the end of the way.
#[derive(Debug, Serialize)]
pub struct CaptureOnTheWay {
    /// Name of the dataset.
    pub name: String,
    /// Path of the capture.
    pub path: String,
    /// BLAKE3 digest of the file.
    pub blake3: String,
}

/// Follows a number of an experiment's report back to the captures.
///
/// # Errors
/// If the experiment has no report, no cell or more than one is meant, the cell comes from no step,
/// a manifest cannot be read, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    let root = match &config.experiment {
        // Its report, or another file in it.
        path if path.is_file() => path.parent().map(Path::to_path_buf).unwrap_or_default(),
        path => path.clone(),
    };
    let ledger = Ledger::read(&root)?;
    let (table, row, column) = config.cell(&ledger)?;
    let cell = &row[column];
    if cell.sources.is_empty() {
        return Err(Error::refused(
            format!("{}: {:?} comes from no step", table.title, cell.text),
            "cells with a number measured here can be traced",
        ));
    }
    let mut way = Way {
        ledger: &ledger,
        steps: Vec::new(),
        captures: BTreeSet::new(),
    };
    for source in &cell.sources {
        way.follow(&source.step)?;
    }
    let mut outcome = Outcome {
        table: table.title.clone(),
        row: row[0].text.clone(),
        column: table.head[column].clone(),
        text: cell.text.clone(),
        sources: cell.sources.clone(),
        steps: way
            .steps
            .iter()
            .map(|(name, step)| StepOnTheWay::of(name, step, &root))
            .collect(),
        captures: way.captures().collect(),
        changed: None,
    };
    if config.verify {
        outcome.changed = Some(changed(&outcome, monitor)?);
    }
    Ok(outcome)
}

impl Config {
    /// The table, the row and the number of the column that are meant.
    fn cell<'a>(
        &self,
        ledger: &'a Ledger,
    ) -> Result<(&'a LedgerTable, &'a [FoundCell], usize), Error> {
        let titles = ledger.tables.iter().map(|table| &*table.title);
        let table = &ledger.tables[one("table", &self.table, titles)?];
        let row = one("row", &self.row, table.rows.iter().map(|row| &*row[0].text))?;
        let column = one(
            "column",
            &self.column,
            table.head.iter().map(|head| &**head),
        )?;
        Ok((table, &table.rows[row], column))
    }
}

/// The index of the name that is meant: the same, or else the one that begins with it. Upper and
/// lower case are the same.
fn one<'a>(what: &str, wanted: &str, names: impl Iterator<Item = &'a str>) -> Result<usize, Error> {
    let plain = |text: &str| text.to_lowercase().replace('\u{a0}', " ");
    let told = wanted;
    let wanted = plain(told);
    let names: Vec<_> = names.map(|name| (name, plain(name))).collect();
    if let Some(same) = names.iter().position(|(_, name)| *name == wanted) {
        return Ok(same);
    }
    // "Table 1" does not mean Table 10. Words may be left out in the middle.
    let begins = |name: &str| {
        let rest = name.strip_prefix(&*wanted);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let all_words = |name: &str| {
        let mut words = name.split(|c: char| !c.is_alphanumeric() && c != '-');
        let mut of = wanted.split_whitespace();
        !wanted.is_empty() && of.all(|word| words.any(|own| own == word))
    };
    for fits in [&begins as &dyn Fn(&str) -> bool, &all_words] {
        let found: Vec<_> = (0..names.len())
            .filter(|&index| fits(&names[index].1))
            .collect();
        match found[..] {
            [] => {}
            [index] => return Ok(index),
            _ => {
                let found: Vec<_> = found.into_iter().map(|index| names[index].0).collect();
                return Err(Error::refused(
                    format!("{told:?} may be several {what}s"),
                    format!("name one: {}", found.join("; ")),
                ));
            }
        }
    }
    let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
    Err(Error::refused(
        format!("no {what} {told:?}"),
        format!("there are: {}", names.join("; ")),
    ))
}

/// The steps and captures that a number depends on.
struct Way<'a> {
    ledger: &'a Ledger,
    steps: Vec<(&'a str, &'a LedgerStep)>,
    captures: BTreeSet<&'a str>,
}

impl<'a> Way<'a> {
    fn follow(&mut self, name: &str) -> Result<(), Error> {
        if self.steps.iter().any(|(known, _)| *known == name) {
            return Ok(());
        }
        let (name, step) = self.ledger.steps.get_key_value(name).ok_or_else(|| {
            Error::refused(
                format!("{LEDGER} lacks the step {name}"),
                "run the experiment again",
            )
        })?;
        self.steps.push((name, step));
        for input in step.inputs.keys() {
            match input.strip_prefix("capture:") {
                Some(capture) => {
                    self.captures.insert(capture);
                }
                None => self.follow(input)?,
            }
        }
        Ok(())
    }

    fn captures(&self) -> impl Iterator<Item = CaptureOnTheWay> {
        let captures = self.captures.iter();
        let known = captures.filter_map(|name| Some((*name, self.ledger.data.get(*name)?)));
        known.map(|(name, capture)| CaptureOnTheWay {
            name: name.to_string(),
            path: capture.path.display().to_string(),
            blake3: capture.blake3.clone(),
        })
    }
}

impl StepOnTheWay {
    fn of(name: &str, step: &LedgerStep, root: &Path) -> Self {
        Self {
            name: name.to_string(),
            verb: step.verb.clone(),
            key: step.key.clone(),
            settings: step.settings.clone(),
            folder: root.join(&step.folder).display().to_string(),
        }
    }
}

/// The files on the way whose digests are no longer those of manifests and ledger.
fn changed(outcome: &Outcome, monitor: &mut dyn Monitor) -> Result<Vec<String>, Error> {
    let mut changed = Vec::new();
    let mut compare = |path: &Path, before: &str| match document::digest(path) {
        Ok(now) if now == before => {}
        Ok(now) => changed.push(format!("{}: {now}, but was {before}", path.display())),
        Err(error) => changed.push(error.to_string()),
    };
    for (done, step) in outcome.steps.iter().enumerate() {
        let folder = Path::new(&step.folder);
        let manifest = Manifest::read(folder)?;
        if manifest.key != step.key {
            let file = folder.join(Manifest::FILE);
            return Err(Error::refused(
                format!("{}: of another run than the report", file.display()),
                "run the experiment again",
            ));
        }
        for output in &manifest.outputs {
            compare(&folder.join(&output.file), &output.blake3);
        }
        monitor.step(&Progress {
            stage: "verifying",
            done: done as u64 + 1,
            total: Some(outcome.steps.len() as u64),
            detail: "",
        })?;
    }
    for capture in &outcome.captures {
        compare(Path::new(&capture.path), &capture.blake3);
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_names_are_found_by_their_beginning_or_their_words() {
        let names = [
            "Table 3 (and 10). Decoded on a",
            "Table 3 (and 10). Decoded on b",
            "Table 10. X",
        ];
        let find = |wanted: &str| one("table", wanted, names.into_iter());
        assert_eq!(find("table 10").unwrap(), 2);
        assert_eq!(find("Table 3 on b").unwrap(), 1);
        let error = find("Table 3").unwrap_err();
        assert!(error.hint().unwrap().contains("on a; Table 3"), "{error}");
        assert!(
            find("Table 1")
                .unwrap_err()
                .hint()
                .unwrap()
                .contains("there are")
        );
    }
}
