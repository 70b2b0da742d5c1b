//! `merge`: evaluations of parts to the evaluation of the whole.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec::metrics::{Case, Evaluation};
use tracecodec::output::FileKind;

use crate::error::Error;
use crate::files::folder::printable;
use crate::files::{claim, document, evaluation};
use crate::monitor::{Monitor, Progress};

pub use super::evaluate::Outcome;

/// What to add up, and under which names.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Evaluations as `evaluate` writes them.
    pub inputs: Vec<PathBuf>,
    /// Name of the method in reports; `None`: the name that all evaluations have.
    #[serde(default)]
    pub label: Option<String>,
    /// Name of the data in reports; `None`: the name that all evaluations have.
    #[serde(default)]
    pub dataset: Option<String>,
    /// File to write the evaluation to as JSON, too.
    #[serde(default)]
    pub output: Option<PathBuf>,
}

/// Adds up evaluations. The sum is the same as if all captures had been compared at once.
///
/// # Errors
/// If an evaluation cannot be read, counts what another counts, or is of another method, dataset or
/// analyser than the first; if the output cannot be written, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    if let Some(output) = &config.output {
        claim::distinct(&config.inputs, output)?;
        claim::named_as(output, FileKind::Document)?;
    }
    let mut whole: Option<Evaluation> = None;
    for (done, path) in (1..).zip(&config.inputs) {
        let part = evaluation::read(path)?;
        match &mut whole {
            None => whole = Some(part),
            Some(whole) => {
                config.check(whole, &part, path)?;
                whole.merge(part);
            }
        }
        monitor.step(&Progress {
            stage: "adding up evaluations",
            done,
            total: Some(config.inputs.len() as u64),
            detail: "",
        })?;
    }
    let whole = whole.ok_or_else(|| Error::refused("nothing to add up", "name evaluations"))?;
    let outcome = Outcome {
        evaluation: Evaluation {
            label: config.label.clone().unwrap_or(whole.label),
            dataset: config.dataset.clone().unwrap_or(whole.dataset),
            ..whole
        },
    };
    if let Some(output) = &config.output {
        document::write(output, &outcome)?;
    }
    Ok(outcome)
}

impl Config {
    /// Refuses a part that does not belong to the whole so far.
    fn check(&self, whole: &Evaluation, part: &Evaluation, path: &Path) -> Result<(), Error> {
        let first = self.inputs[0].display();
        let refused = |what: &str, [theirs, ours]: [&str; 2], hint: &str| {
            let [theirs, ours] = [theirs, ours].map(printable);
            let path = path.display();
            Err(Error::refused(
                format!("{path}: {what} {theirs}, but {ours} in {first}"),
                hint,
            ))
        };
        if self.label.is_none() && part.label != whole.label {
            let labels = [part.label.as_str(), &whole.label];
            return refused(
                "the method",
                labels,
                "`label` names the sum of different methods",
            );
        }
        if self.dataset.is_none() && part.dataset != whole.dataset {
            let datasets = [part.dataset.as_str(), &whole.dataset];
            return refused(
                "the dataset",
                datasets,
                "`dataset` names the sum of different datasets",
            );
        }
        if part.analyzer != whole.analyzer {
            let analyzers = [part.analyzer.as_str(), &whole.analyzer];
            return refused(
                "TCP events by",
                analyzers,
                "evaluate all parts with the same `analyzer`",
            );
        }
        let known = |case: &&Case| whole.cases.iter().any(|other| is_same(case, other));
        match part.cases.iter().find(known) {
            Some(twice) => Err(Error::refused(
                format!(
                    "{}: {} was counted already",
                    path.display(),
                    printable(&twice.name)
                ),
                "name each part once; report compares methods on the same captures",
            )),
            None => Ok(()),
        }
    }
}

/// Whether two cases have the same reference, which the sum of them would count twice.
fn is_same(one: &Case, other: &Case) -> bool {
    one.name == other.name && one.reference.blake3 == other.reference.blake3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Silent;
    use crate::run::evaluate;
    use crate::testing::{Stopping, data};

    /// Writes an evaluation of the example under these names.
    fn evaluated(folder: &Path, file: &str, label: &str, dataset: &str) -> PathBuf {
        let output = folder.join(file);
        let config = evaluate::Config {
            reference: data("example.pcap"),
            decoded: data("example.pcap"),
            label: Some(label.to_string()),
            dataset: Some(dataset.to_string()),
            output: Some(output.clone()),
            ..evaluate::Config::default()
        };
        evaluate::run(&config, &mut Silent).unwrap();
        output
    }

    #[test]
    fn test_different_methods_and_datasets_need_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let first = evaluated(folder, "a.json", "x", "d");
        let others = [("b.json", "y", "d"), ("c.json", "x", "e")];
        for (file, label, dataset) in others {
            let other = evaluated(folder, file, label, dataset);
            let config = Config {
                inputs: vec![first.clone(), other],
                ..Config::default()
            };
            let error = run(&config, &mut Silent).unwrap_err();
            assert!(error.hint().unwrap().contains("names the sum"), "{error}");
            // Of the same captures: refused for that alone, if they have names.
            let named = Config {
                label: Some("both".to_string()),
                dataset: Some("all".to_string()),
                ..config
            };
            let error = run(&named, &mut Silent).unwrap_err();
            assert!(error.to_string().contains("counted already"), "{error}");
        }
    }

    #[test]
    fn test_a_label_does_not_add_up_two_methods_on_the_same_captures() {
        let folder = tempfile::tempdir().unwrap();
        let first = evaluated(folder.path(), "a.json", "x", "d");
        let second = folder.path().join("b.json");
        let other = evaluate::Config {
            reference: data("example.pcap"),
            decoded: data("train/backbone.pcap.zst"),
            output: Some(second.clone()),
            ..evaluate::Config::default()
        };
        evaluate::run(&other, &mut Silent).unwrap();
        let config = Config {
            inputs: vec![first, second],
            label: Some("both".to_string()),
            dataset: Some("all".to_string()),
            ..Config::default()
        };
        let error = run(&config, &mut Silent).unwrap_err();
        assert!(error.to_string().contains("counted already"), "{error}");
    }

    #[test]
    fn test_a_stop_leaves_no_evaluation() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            inputs: vec![evaluated(folder.path(), "a.json", "x", "d")],
            output: Some(folder.path().join("sum.json")),
            ..Config::default()
        };
        let stopped = run(&config, &mut Stopping::after(1));
        assert!(matches!(stopped, Err(Error::Interrupted)));
        assert!(!folder.path().join("sum.json").exists());
    }
}
