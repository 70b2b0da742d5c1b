//! `experiment`: from captures to the paper's tables and figures, in one command that can be
//! stopped and started again.
//!
//! ```text
//! budget    which methods, for how long         presets/*.toml
//! plan      the steps, and which are the rows of which table
//! step      a verb with named inputs; its key, its manifest
//! execute   what is done is skipped, what is ready runs
//! paper     the paper's own numbers
//! tables    from manifests to tables
//! report    the page, the tables and the figures
//! ```

mod budget;
mod execute;
mod paper;
mod plan;
mod report;
mod step;
mod tables;

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracecodec::artifact::{TOOL, document};

use crate::error::Error;
use crate::files::capture::Capture;
use crate::files::{ReadPolicy, claim, is_pipe};
use crate::monitor::{Monitor, Warning};
use crate::settings;

pub use budget::Preset;
pub use execute::{Runner, here};
pub use report::{FoundCell, LEDGER, Ledger, LedgerStep, LedgerTable};
pub use step::{Machine, Manifest, OutputEntry, Step};

use execute::{Execution, State};
use plan::{Dataset, Plan};
use step::Places;

/// What to compare on which captures, and where to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Config {
    /// Folder to write, or that of an experiment to continue.
    pub output: PathBuf,
    /// Captures by the names of their datasets.
    pub data: BTreeMap<String, PathBuf>,
    /// Budget to begin with.
    #[serde(default)]
    pub preset: Preset,
    /// What is changed of the preset's budget, as in `{"codec": {"steps": 100}}`.
    #[serde(default = "settings::none")]
    pub budget: Value,
    /// Run only steps whose names hold one of these, and what they read; empty: all.
    #[serde(default)]
    pub only: Vec<String>,
    /// Steps at once; 0: one, which uses all cores where it can.
    #[serde(default)]
    pub jobs: usize,
    /// Plan, and say what is done and what would run, but run nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Path of the folder.
    pub output: String,
    /// The page; `None` if nothing was run.
    pub report: Option<String>,
    /// Steps that had been done before.
    pub found: usize,
    /// Steps that were run.
    pub ran: usize,
    /// Estimate of the time of the steps that would run, on two cores, in seconds; 0 after a run.
    pub seconds_left: f64,
    /// The steps in their order.
    pub steps: Vec<StepState>,
}

/// A step, and whether it is done.
#[derive(Debug, Serialize)]
pub struct StepState {
    /// Name of the step.
    pub name: String,
    /// Name of the verb.
    pub verb: &'static str,
    /// `done` before, `ran` now, `to run`, `failed` or `left out`.
    pub state: &'static str,
    /// Estimate of its time on two cores, in seconds.
    pub seconds: f64,
    /// Folder of its outputs.
    pub folder: String,
}

/// What an experiment is: `tracecodec-experiment`, in the file `experiment.json` of its folder.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    format: String,
    version: u32,
    /// Name and version of the tool.
    tool: String,
    /// The captures.
    data: BTreeMap<String, CaptureEntry>,
    /// The budget.
    budget: budget::Budget,
    /// Key of each step.
    steps: BTreeMap<String, String>,
}

/// A capture of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaptureEntry {
    /// Its path.
    pub path: PathBuf,
    /// BLAKE3 digest of the file.
    pub blake3: String,
    /// Packets in it.
    pub packets: u64,
}

const FORMAT: (&str, u32) = ("tracecodec-experiment", 1);
const FILE: &str = "experiment.json";
const LOCK: &str = "experiment.lock";

/// Runs an experiment. A step that was done with the same settings on the same captures is not run
/// again; an interrupted training continues from its checkpoint. The report is drawn of whatever is
/// done at the end.
///
/// # Errors
/// If a setting is wrong, a capture cannot be read, the folder holds something else or another
/// experiment runs in it, a step fails, or the monitor stops it.
pub fn run(config: &Config, monitor: &mut dyn Monitor) -> Result<Outcome, Error> {
    run_by(config, &here, monitor)
}

/// Runs an experiment whose steps a runner runs, which must see the same files.
///
/// # Errors
/// As [`run`].
pub fn run_by(
    config: &Config,
    runner: Runner<'_>,
    monitor: &mut dyn Monitor,
) -> Result<Outcome, Error> {
    let budget = config.whole_budget()?;
    let data = config.captures(monitor)?;
    let datasets: Vec<_> = data
        .iter()
        .map(|(name, capture)| Dataset {
            name: name.clone(),
            packets: capture.packets,
        })
        .collect();
    let plan = Plan::new(&datasets, &budget);
    let is_unknown = |part: &&String| !plan.steps.iter().any(|step| step.name.contains(*part));
    if let Some(part) = config.only.iter().find(is_unknown) {
        return Err(Error::refused(
            format!("no step has {part:?} in its name"),
            "a plan without running it, `dry_run`, names all steps",
        ));
    }
    let mut places = Places::default();
    for (name, capture) in &data {
        places.add_capture(name, &capture.path, capture.blake3.clone());
    }
    let keys = plan.steps.iter();
    let keys = keys.map(|step| (step.name.clone(), places.add(step, &config.output)));
    let description = Description {
        format: FORMAT.0.to_string(),
        version: FORMAT.1,
        tool: TOOL.to_string(),
        steps: keys.collect(),
        data,
        budget,
    };
    if config.dry_run {
        let execution = Execution::new(&plan, &places, &config.only);
        return Ok(config.outcome(&execution, None));
    }
    let _lock = config.claim()?;
    description.warn_of_changes(&config.output, monitor);
    document::write(config.output.join(FILE), &description)?;
    let mut execution = Execution::new(&plan, &places, &config.only);
    execution.run(config.jobs.max(1), runner, monitor)?;
    let report = report::write(&config.output, &execution, &description.data, monitor)?;
    let outcome = config.outcome(&execution, Some(report));
    let failed: Vec<_> = outcome
        .steps
        .iter()
        .filter(|step| step.state == "failed")
        .map(|step| step.name.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(outcome);
    }
    Err(Error::refused(
        format!("failed: {}", failed.join(", ")),
        "each step's folder holds its log; what does not need them is done, and is in the report",
    ))
}

impl Config {
    /// The captures, each read once for its digest and its number of packets.
    fn captures(&self, monitor: &mut dyn Monitor) -> Result<BTreeMap<String, CaptureEntry>, Error> {
        if self.data.is_empty() {
            return Err(Error::refused("no capture was given", "name one"));
        }
        let mut captures = BTreeMap::new();
        for (name, path) in &self.data {
            if name.is_empty()
                || !name
                    .chars()
                    .all(|c| c.is_alphanumeric() || "-_. ".contains(c))
            {
                return Err(Error::refused(
                    format!("{name:?}: no name of a dataset"),
                    "letters, digits, spaces, and any of - _ .",
                ));
            }
            if is_pipe(path) {
                return Err(Error::refused("a pipe can be read once", "name a file"));
            }
            let mut packets = 0;
            let mut capture = Capture::open(path, &ReadPolicy::default())?;
            capture.for_each(monitor, |_| {
                packets += 1;
                Ok(())
            })?;
            capture.finish(monitor)?;
            let entry = CaptureEntry {
                path: path.clone(),
                blake3: document::digest(path)?,
                packets,
            };
            captures.insert(name.clone(), entry);
        }
        Ok(captures)
    }

    /// Claims the folder: it is new, empty, or that of an experiment that does not run now. The
    /// claim lasts as long as what is returned, or the process.
    fn claim(&self) -> Result<File, Error> {
        let output = &self.output;
        claim::folder(output)?;
        if !output.join(FILE).exists() && !output.join(LOCK).exists() {
            claim::empty_folder(output)?;
        }
        fs::create_dir_all(output).map_err(|error| Error::io("cannot create", output, error))?;
        let path = output.join(LOCK);
        let file = File::create(&path).map_err(|error| Error::io("cannot create", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::exists(
                format!(
                    "{}: another experiment runs in this folder",
                    output.display()
                ),
                "wait until it has ended, or choose another folder",
            )),
            Err(TryLockError::Error(error)) => Err(Error::io("cannot lock", &path, error)),
        }
    }

    fn outcome(&self, execution: &Execution<'_>, report: Option<PathBuf>) -> Outcome {
        let count = |wanted: &State| {
            execution
                .states
                .iter()
                .filter(|state| *state == wanted)
                .count()
        };
        let steps = execution.plan.steps.iter().zip(&execution.states);
        Outcome {
            output: self.output.display().to_string(),
            report: report.map(|path| path.display().to_string()),
            found: count(&State::Found),
            ran: count(&State::Ran),
            seconds_left: execution.seconds_left(),
            steps: steps
                .map(|(step, state)| StepState {
                    name: step.name.clone(),
                    verb: step.verb,
                    state: match state {
                        State::Found => "done",
                        State::Ran => "ran",
                        State::Waiting | State::Running => "to run",
                        State::Failed => "failed",
                        State::Left => "left out",
                    },
                    seconds: step.seconds,
                    folder: execution.places.path(&step.name).display().to_string(),
                })
                .collect(),
        }
    }
}

impl Description {
    /// Warns of captures that are no longer what they were when the experiment ran before.
    fn warn_of_changes(&self, folder: &Path, monitor: &mut dyn Monitor) {
        let Ok(before) = document::read::<Self>(folder.join(FILE), FORMAT) else {
            return;
        };
        for name in before.data.keys() {
            if !self.data.contains_key(name) {
                let warning = Warning::new(format!("{name} is no longer a part of the experiment"));
                monitor.warn(&warning.with_hint("another folder keeps both reports"));
            }
        }
        for (name, capture) in &self.data {
            if before
                .data
                .get(name)
                .is_some_and(|before| before.blake3 != capture.blake3)
            {
                let message = format!("{name}: {} has changed", capture.path.display());
                let warning = Warning::new(message);
                monitor.warn(&warning.with_hint("every step on it runs anew"));
            }
        }
    }
}
