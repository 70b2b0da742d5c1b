//! `continuation`: how well generators continue windows of held-out traces (the paper, Tables 4 and
//! 12, appendix E.4).
//!
//! ```text
//! shard   ──────────────┬──────────┬──────────┬────
//! window                │  prefix  │  suffix  │
//! past    ─────────────────────────│          │        what a contestant is given
//!                                  │ suffix?  │        what it gives back, to compare
//! ```

mod captures;
mod case;
mod contestant;
mod lower;
mod trial;
mod window;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tracecodec::metrics::{Evaluation, ModelEntry, Role, SolverEntry};

use crate::comparison::{self, Analyzer};
use crate::error::Error;
use crate::files::{ReadPolicy, document, pair};
use crate::model::Sampling;
use crate::monitor::Monitor;

use captures::{Captures, REFERENCE};
use case::Case;
use contestant::Contestant;
use trial::Trial;
pub use window::Cut;

/// Who continues what, and where the evaluations go.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Who continues the prefixes: repeat, later, oracle, raw-oracle, codec, or a model by its
    /// name.
    pub contestants: Vec<String>,
    /// Folders of shards, of which the test split is taken.
    pub shards: Vec<PathBuf>,
    /// Folder to write the evaluations to.
    pub output: PathBuf,
    /// How windows are cut.
    #[serde(flatten)]
    pub cut: Cut,
    /// How generators continue.
    #[serde(flatten)]
    pub rules: Rules,
    /// Name of the data in reports; `None`: the name of the first folder of shards.
    #[serde(default)]
    pub dataset: Option<String>,
    /// Folder to keep the captures of the suffixes in: `reference` and one folder a contestant.
    #[serde(default)]
    pub keep: Option<PathBuf>,
    /// Replace evaluations that the folder holds.
    #[serde(default)]
    pub overwrite: bool,
}

/// How generators continue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Seed of every random stream, with the number of the case.
    pub seed: u64,
    /// Take packets as they are sampled, also if they contradict the state of their flow.
    pub unconstrained: bool,
    /// Show generators the prefix alone, not what came before it in the shard.
    pub prefix_only: bool,
    /// How flow matching is sampled.
    #[serde(flatten)]
    pub sampling: Sampling,
}

/// How well the contestants continued.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Name of the data in reports.
    pub dataset: String,
    /// Packets of a prefix.
    pub prefix: u64,
    /// Packets of a suffix.
    pub suffix: u64,
    /// Packets from the start of a window to that of the next.
    pub stride: u64,
    /// Number of windows.
    pub windows: usize,
    /// Number of windows that were cases.
    pub cases: usize,
    /// Seed of every random stream.
    pub seed: u64,
    /// The contestants in the order in which they were named.
    pub contestants: Vec<Standing>,
    /// The evaluations that were written.
    #[serde(skip)]
    pub evaluations: Vec<Evaluation>,
}

/// The result of a contestant.
#[derive(Debug, Serialize)]
pub struct Standing {
    /// Name of the contestant.
    pub label: String,
    /// Part that it has in comparisons.
    pub role: Role,
    /// Models that it used.
    pub models: Vec<ModelEntry>,
    /// How flow matching was solved, if it was.
    pub solver: Option<SolverEntry>,
    /// All metrics; `None` if a metric has no value.
    pub metrics: BTreeMap<&'static str, Option<f64>>,
}

/// Lets every contestant continue the prefixes of all cases, and compares its suffixes with the
/// real ones. An evaluation a contestant is written when all of them are made.
///
/// # Errors
/// If a contestant is not known, the shards are too short, an evaluation is there already, or the
/// monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    config.cut.check()?;
    let contestants = config.contestants(monitor)?;
    let trial = Trial::new(&config.shards, config.cut, &contestants)?;
    let mut captures = Captures::create(&config.output, config.keep.as_deref(), &contestants)?;
    trial.continue_all(&contestants, &config.rules, &mut captures, monitor)?;
    let first = config.shards.first().map(|folder| pair::stem(folder));
    let dataset = config.dataset.clone().or(first).unwrap_or_default();
    let mut evaluations = Vec::new();
    for contestant in &contestants {
        let pairs = captures.pairs(&contestant.name);
        let (requested, read) = (Some(config.cut.suffix), ReadPolicy::default());
        let compared = comparison::compare(&pairs, requested, Analyzer::Native, &read, monitor)?;
        evaluations.push(Evaluation {
            label: contestant.name.clone(),
            dataset: dataset.clone(),
            analyzer: "native".to_string(),
            role: Some(contestant.role),
            continuation: Some(contestant.continuation(config.cut, &config.rules)),
            ..compared
        });
    }
    for evaluation in &evaluations {
        document::write(
            &config.evaluation(&evaluation.label),
            &evaluation.document(),
        )?;
    }
    if config.keep.is_some() {
        captures.keep();
    }
    Ok(Outcome {
        dataset,
        prefix: config.cut.prefix,
        suffix: config.cut.suffix,
        stride: config.cut.stride,
        windows: trial.windows(),
        cases: trial.cases(),
        seed: config.rules.seed,
        contestants: evaluations.iter().map(Standing::of).collect(),
        evaluations,
    })
}

impl Standing {
    fn of(evaluation: &Evaluation) -> Self {
        let continuation = evaluation.continuation.as_ref();
        let metrics = evaluation.metrics().into_iter();
        Self {
            label: evaluation.label.clone(),
            role: evaluation.role(),
            models: continuation.map_or_else(Vec::new, |continuation| continuation.models.clone()),
            solver: continuation.and_then(|continuation| continuation.solver.clone()),
            metrics: metrics.map(|(key, value)| (key, value.ok())).collect(),
        }
    }
}

impl Config {
    /// Where a contestant's evaluation goes.
    fn evaluation(&self, name: &str) -> PathBuf {
        self.output.join(format!("{name}.json"))
    }

    /// The contestants, each of which names a file and a folder.
    fn contestants(&self, monitor: &mut dyn Monitor) -> Result<Vec<Contestant>, Error> {
        let opened = self.contestants.iter();
        let contestants: Vec<_> = opened
            .map(|name| Contestant::open(name, &self.rules, monitor))
            .collect::<Result<_, _>>()?;
        let mut names: Vec<&str> = contestants
            .iter()
            .map(|contestant| contestant.name.as_str())
            .collect();
        names.push(REFERENCE);
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::refused(
                format!("{}: two of this name", pair[0]),
                "each contestant needs a name of its own",
            ));
        }
        let mut written = names.iter().map(|name| self.evaluation(name));
        match written.find(|path| path.exists()) {
            Some(path) if !self.overwrite => Err(Error::refused(
                format!("{}: there is an evaluation already", path.display()),
                "`overwrite` replaces it",
            )),
            _ => Ok(contestants),
        }
    }
}

/// The packets of the shipped capture.
#[cfg(test)]
fn example() -> Vec<tracecodec::pcap::PacketBuf> {
    use crate::monitor::Silent;
    let path = crate::testing::data("example.pcap");
    case::packets(&path, &mut Silent).unwrap().1
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tracecodec::shard::SplitWeights;

    use super::*;
    use crate::run::shard;
    use crate::testing::{Stopping, data};

    /// Three cases on shards of the example, half of which are for testing.
    fn config(folder: &Path) -> Config {
        let shards = folder.join("shards");
        let cut = shard::Config {
            inputs: vec![data("example.pcap")],
            output: shards.clone(),
            packets: 700,
            split: SplitWeights {
                train: 1,
                validation: 1,
                test: 2,
            },
            ..shard::Config::default()
        };
        shard::run(&cut, &mut Stopping::never()).unwrap();
        Config {
            contestants: ["later", "oracle"].map(String::from).into(),
            shards: vec![shards],
            output: folder.join("out"),
            cut: Cut {
                prefix: 100,
                suffix: 100,
                stride: 50,
                cases: 3,
            },
            keep: Some(folder.join("kept")),
            ..Config::default()
        }
    }

    #[test]
    fn test_a_stop_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        for after in [1, 4, 11] {
            let stopped = run(&config, &mut Stopping::after(after));
            assert!(matches!(stopped, Err(Error::Interrupted)), "{after}");
            assert!(!config.output.exists(), "{after}");
            assert!(!folder.path().join("kept").exists(), "{after}");
        }
    }

    #[test]
    fn test_evaluations_say_how_they_were_made_and_are_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        config.contestants = ["later", "built-in"].map(String::from).into();
        config.keep = None;
        let outcome = run(&config, &mut Stopping::never()).unwrap();
        assert_eq!(outcome.cases, 3);
        let text = document::read_text(&config.output.join("built-in.json")).unwrap();
        let evaluation = Evaluation::from_json(&text).unwrap();
        assert_eq!(evaluation.role, Some(Role::Method));
        let continuation = evaluation.continuation.unwrap();
        assert_eq!((continuation.seed, continuation.suffix), (Some(0), 100));
        assert_eq!(continuation.models[0].blake3.len(), 64);
        let error = run(&config, &mut Stopping::never()).unwrap_err();
        assert_eq!(error.hint().as_deref(), Some("`overwrite` replaces it"));
        config.overwrite = true;
        run(&config, &mut Stopping::never()).unwrap();
    }
}
