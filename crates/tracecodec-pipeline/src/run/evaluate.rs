//! `evaluate`: how faithful captures are to their references.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};
use tracecodec::metrics::Evaluation;
use tracecodec::output::FileKind;

use crate::comparison::{self, Analyzer};
use crate::error::Error;
use crate::files::pair::{self, Pair, pairs};
use crate::files::{ReadPolicy, claim, document, is_pipe};
use crate::monitor::Monitor;
use crate::tools::tshark;

/// What to compare, and under which names.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// What should have come out: a capture, or a folder of captures; `-` is stdin.
    pub reference: PathBuf,
    /// What came out: a capture, or a folder with the same names; `-` is stdin.
    pub decoded: PathBuf,
    /// Name of the method in reports; `None`: the name of `decoded`.
    #[serde(default)]
    pub label: Option<String>,
    /// Name of the data in reports, where evaluations of one dataset stand side by side; `None`:
    /// the name of `reference`.
    #[serde(default)]
    pub dataset: Option<String>,
    /// Packets that were asked for in each decoded capture; `None`: as many as the reference has.
    #[serde(default)]
    pub requested: Option<u64>,
    /// File to write the evaluation to as JSON, too.
    #[serde(default)]
    pub output: Option<PathBuf>,
    /// Who finds the TCP events.
    #[serde(default)]
    pub analyzer: Analyzer,
    /// How captures are read.
    #[serde(flatten)]
    pub read: ReadPolicy,
}

/// An evaluation. As JSON it has the metrics, too, which derive from it.
#[derive(Debug)]
pub struct Outcome {
    /// The evaluation.
    pub evaluation: Evaluation,
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.evaluation.document().serialize(serializer)
    }
}

/// Compares two captures, or the captures of two folders by their names.
///
/// # Errors
/// If a capture has no partner or cannot be read, the output cannot be written, or the monitor
/// stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    let analyzer = config.analyzer()?;
    if is_pipe(&config.reference) && is_pipe(&config.decoded) {
        return Err(Error::refused(
            "- is stdin, which can be read once",
            "name a file for one of the two",
        ));
    }
    let pairs = pairs(&config.reference, &config.decoded, monitor)?;
    if let Some(output) = &config.output {
        check_output(output, &pairs)?;
    }
    let (requested, read) = (config.requested, &config.read);
    let evaluation = comparison::compare(&pairs, requested, config.analyzer, read, monitor)?;
    let name =
        |given: &Option<String>, path: &Path| given.clone().unwrap_or_else(|| pair::stem(path));
    let outcome = Outcome {
        evaluation: Evaluation {
            label: name(&config.label, &config.decoded),
            dataset: name(&config.dataset, &config.reference),
            analyzer,
            ..evaluation
        },
    };
    if let Some(output) = &config.output {
        document::write(output, &outcome)?;
    }
    Ok(outcome)
}

impl Config {
    /// Name of the analyser in evaluations.
    fn analyzer(&self) -> Result<String, Error> {
        if self.requested == Some(0) {
            return Err(Error::refused("0 packets requested", "ask for 1 or more"));
        }
        match self.analyzer {
            Analyzer::Native => Ok("native".to_string()),
            Analyzer::Tshark => {
                tshark::check_input([&self.reference, &self.decoded], &self.read)?;
                tshark::version()
            }
        }
    }
}

/// Refuses an output that would take the place of a capture, is named as another kind of file, or
/// has no folder.
fn check_output(output: &Path, pairs: &[Pair]) -> Result<(), Error> {
    let captures: Vec<_> = pairs
        .iter()
        .flat_map(|pair| [&pair.reference, &pair.decoded])
        .collect();
    claim::distinct(&captures, output)?;
    claim::named_as(output, FileKind::Document)?;
    match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => Err(Error::refused(
            format!("{}: no such folder", folder.display()),
            "make it first",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Stopping, data};

    #[test]
    fn test_a_stop_leaves_no_evaluation() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("e.json");
        let config = Config {
            reference: data("example.pcap"),
            decoded: data("example.pcap"),
            output: Some(output.clone()),
            ..Config::default()
        };
        let stopped = run(&config, &mut Stopping::after(1));
        assert!(matches!(stopped, Err(Error::Interrupted)));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        let outcome = run(&config, &mut Stopping::never()).unwrap();
        assert_eq!(outcome.evaluation.label, "example");
        assert!(output.is_file());
    }
}
