//! Steps at work: what is done is skipped, what is ready runs, and what fails holds up only the
//! steps that read it.

use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tracecodec::artifact::document;
use tracecodec_nn::model::CHECKPOINT;

use super::plan::Plan;
use super::step::{Machine, Manifest, Places, Step, trains};
use crate::error::Error;
use crate::monitor::{Monitor, Progress, Warning, in_words};
use crate::run::by_name::Verb;

/// Runs the verb of a step with its settings, in this process or elsewhere. Returns the outcome,
/// and the computer that found it.
pub type Runner<'a> =
    &'a (dyn Fn(&str, Value, &mut dyn Monitor) -> Result<(Value, Machine), Error> + Sync);

/// Runs the verb of a step in this process. If another process was lost at it, a training continues
/// from its checkpoint, and what else is half-done goes.
///
/// # Errors
/// As the verb.
pub fn here(
    verb: &str,
    mut settings: Value,
    monitor: &mut dyn Monitor,
) -> Result<(Value, Machine), Error> {
    if let Some(output) = settings["output"].as_str().map(PathBuf::from) {
        if is_begun(verb, &settings) {
            settings["resume"] = json!(true);
        } else if output.is_dir() {
            remove(&output)?;
        }
    }
    let outcome = Verb::named(verb)?.run(settings, monitor)?;
    Ok((outcome, Machine::this()))
}

/// Whether a training was interrupted behind a checkpoint, from which it can continue.
fn is_begun(verb: &str, settings: &Value) -> bool {
    let output = settings["output"].as_str().map(Path::new);
    trains(verb) && output.is_some_and(|output| output.join(CHECKPOINT).exists())
}

fn remove(folder: &Path) -> Result<(), Error> {
    fs::remove_dir_all(folder).map_err(|error| Error::io("cannot remove", folder, error))
}

/// Log in a step's folder: its stages with their times, its warnings, why it failed.
pub(super) const LOG: &str = "log.txt";

/// Time between two reports of progress, at most.
const REPORT: Duration = Duration::from_millis(200);

/// Whether a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is to run.
    Waiting,
    /// It runs.
    Running,
    /// It was done before.
    Found,
    /// It is done.
    Ran,
    /// It failed.
    Failed,
    /// A step that it reads failed, or was not asked for.
    Left,
}

/// The steps of a plan and how far they are.
pub(super) struct Execution<'a> {
    pub(super) plan: &'a Plan,
    pub(super) places: &'a Places,
    pub(super) states: Vec<State>,
    /// Seconds by estimate of all steps that were to run, and of what of it is over.
    whole: f64,
    over: f64,
    began: Instant,
    /// Which steps run, and since when.
    running: Vec<(usize, Instant)>,
    /// What the step that reported last is at.
    at: String,
}

/// What a running step says.
enum Message {
    At(usize, String),
    Warning(usize, Warning),
    Ended(usize, Result<(), Error>),
}

impl<'a> Execution<'a> {
    /// The steps of a plan, of which those that are done are found. If `only` names parts of names,
    /// other steps are left unless they are needed.
    pub(super) fn new(plan: &'a Plan, places: &'a Places, only: &[String]) -> Self {
        let wanted = wanted(plan, only);
        let states = plan.steps.iter().zip(wanted).map(|(step, wanted)| {
            if is_done(step, places) {
                State::Found
            } else if wanted {
                State::Waiting
            } else {
                State::Left
            }
        });
        let mut execution = Self {
            plan,
            places,
            states: states.collect(),
            whole: 0.0,
            over: 0.0,
            began: Instant::now(),
            running: Vec::new(),
            at: String::new(),
        };
        execution.whole = execution.seconds_left();
        execution
    }

    /// Seconds on two cores, by estimate, of the steps that are not done.
    pub(super) fn seconds_left(&self) -> f64 {
        let steps = self.plan.steps.iter().zip(&self.states);
        steps
            .filter(|(_, state)| matches!(state, State::Waiting | State::Running))
            .map(|(step, _)| step.seconds)
            .sum()
    }

    /// Runs what is to run, so many steps at once.
    ///
    /// # Errors
    /// If the monitor stops it. A step that fails is no error: its state says so.
    pub(super) fn run(
        &mut self,
        jobs: usize,
        runner: Runner<'a>,
        monitor: &mut dyn Monitor,
    ) -> Result<(), Error> {
        let stop = AtomicBool::new(false);
        let (sender, receiver) = channel();
        thread::scope(|scope| {
            loop {
                while self.running.len() < jobs && !stop.load(Ordering::Relaxed) {
                    let Some(index) = self.next() else { break };
                    self.states[index] = State::Running;
                    self.running.push((index, Instant::now()));
                    self.begin(scope, index, (jobs, runner), &sender, &stop);
                }
                if self.running.is_empty() {
                    break;
                }
                if let Ok(message) = receiver.recv_timeout(REPORT) {
                    self.hear(message, monitor);
                }
                if self.report(monitor).is_break() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
        });
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    /// The first step whose inputs are all there. Leaves those of which an input never will be.
    fn next(&mut self) -> Option<usize> {
        for index in 0..self.states.len() {
            if self.states[index] != State::Waiting {
                continue;
            }
            let inputs: Vec<_> = self.inputs(index).collect();
            if inputs
                .iter()
                .all(|state| matches!(state, State::Found | State::Ran))
            {
                return Some(index);
            }
            if inputs
                .iter()
                .any(|state| matches!(state, State::Failed | State::Left))
            {
                self.states[index] = State::Left;
            }
        }
        None
    }

    /// The states of the steps that a step reads.
    fn inputs(&self, index: usize) -> impl Iterator<Item = State> {
        let names = self.plan.steps[index].steps();
        names.map(|name| self.states[self.plan.index(&name)])
    }

    fn begin<'scope>(
        &self,
        scope: &'scope Scope<'scope, '_>,
        index: usize,
        (jobs, runner): (usize, Runner<'a>),
        sender: &Sender<Message>,
        stop: &'scope AtomicBool,
    ) where
        'a: 'scope,
    {
        let (step, places) = (&self.plan.steps[index], self.places);
        let sender = sender.clone();
        scope.spawn(move || {
            let mut monitor = Within {
                index,
                sender: sender.clone(),
                stop,
                log: None,
                stage: String::new(),
                percent: 0,
                began: Instant::now(),
                warnings: Vec::new(),
            };
            let ended = run_step(step, places, jobs, runner, &mut monitor);
            // The receiver lives as long as a step runs.
            let _ = sender.send(Message::Ended(index, ended));
        });
    }

    /// Takes note of what a step says.
    fn hear(&mut self, message: Message, monitor: &mut dyn Monitor) {
        match message {
            Message::At(index, stage) => {
                self.at = format!("{} ({stage})", self.plan.steps[index].name);
            }
            Message::Warning(index, warning) => {
                let message = format!("{}: {}", self.plan.steps[index].name, warning.message);
                monitor.warn(&Warning { message, ..warning });
            }
            Message::Ended(index, result) => {
                self.running.retain(|(running, _)| *running != index);
                self.states[index] = match result {
                    Ok(()) => State::Ran,
                    Err(Error::Interrupted) => State::Waiting,
                    Err(error) => {
                        monitor.warn(&self.failure(index, &error));
                        State::Failed
                    }
                };
            }
        }
    }

    /// What is said of a step that failed.
    fn failure(&self, index: usize, error: &Error) -> Warning {
        let name = &self.plan.steps[index].name;
        let log = self.places.path(name).join(LOG);
        let warning = Warning::new(format!("{name} failed: {error}"));
        warning.with_hint(format!("its log is {}", log.display()))
    }

    /// Reports how much of the time is over, and how much is left if it goes on as until now.
    fn report(&mut self, monitor: &mut dyn Monitor) -> ControlFlow<()> {
        let running = self.running.iter().map(|(index, began)| {
            let seconds = self.plan.steps[*index].seconds;
            began.elapsed().as_secs_f64().min(0.9 * seconds)
        });
        let left = self.seconds_left() - running.sum::<f64>();
        self.over = self.over.max(self.whole - left);
        let elapsed = self.began.elapsed().as_secs_f64();
        // The first steps are too short to tell how fast the machine is.
        let pace = if self.over > 10.0 {
            elapsed / self.over
        } else {
            1.0
        };
        let is_done = |state: &&State| matches!(state, State::Found | State::Ran);
        let done = self.states.iter().filter(is_done).count();
        let detail = format!(
            "{done} of {} steps, {} left; {}",
            self.states.len(),
            in_words(left * pace),
            self.at
        );
        monitor.progress(&Progress {
            stage: "experiment",
            done: self.over as u64,
            total: Some(self.whole.ceil() as u64),
            detail: &detail,
        })
    }
}

/// Which steps are asked for: those whose names hold one of some parts, and what they read.
fn wanted(plan: &Plan, only: &[String]) -> Vec<bool> {
    let mut wanted: Vec<bool> = plan
        .steps
        .iter()
        .map(|step| only.is_empty() || only.iter().any(|part| step.name.contains(part)))
        .collect();
    for index in (0..plan.steps.len())
        .rev()
        .filter(|&index| wanted[index])
        .collect::<Vec<_>>()
    {
        need(plan, index, &mut wanted);
    }
    wanted
}

fn need(plan: &Plan, index: usize, wanted: &mut [bool]) {
    for name in plan.steps[index].steps() {
        let at = plan.index(&name);
        if !wanted[at] {
            wanted[at] = true;
            need(plan, at, wanted);
        }
    }
}

/// Whether a step is done: its manifest has the key, and the files that it names are there.
fn is_done(step: &Step, places: &Places) -> bool {
    let folder = places.path(&step.name);
    Manifest::read(folder).is_ok_and(|manifest| {
        manifest.key == places.key(&step.name)
            && manifest.outputs.iter().all(|output| {
                let file = fs::metadata(folder.join(&output.file));
                file.is_ok_and(|file| file.len() == output.bytes)
            })
    })
}

/// Runs a step, and writes its manifest last.
fn run_step(
    step: &Step,
    places: &Places,
    jobs: usize,
    runner: Runner<'_>,
    monitor: &mut Within<'_>,
) -> Result<(), Error> {
    let folder = places.path(&step.name);
    let mut settings = step.settings_at(places);
    prepare(step, folder, &settings)?;
    monitor.log = Some(log(folder)?);
    if jobs > 1 && trains(step.verb) {
        settings["threads"] = json!(threads(jobs));
    }
    let outcome = runner(step.verb, settings, monitor).and_then(|outcome| {
        for (path, before) in places.captures_of(step) {
            if document::digest(path)? != before {
                return Err(Error::refused(
                    format!("{}: changed while the experiment ran", path.display()),
                    "run the experiment again",
                ));
            }
        }
        Ok(outcome)
    });
    let seconds = monitor.began.elapsed().as_secs_f64();
    match &outcome {
        Ok(_) => monitor.write(&format!("done after {seconds:.1} s")),
        Err(error) => {
            monitor.write(&format!("failed after {seconds:.1} s: {error}"));
            if let Some(hint) = error.hint() {
                monitor.write(&format!("hint: {hint}"));
            }
        }
    }
    let warnings = std::mem::take(&mut monitor.warnings);
    let manifest = step.manifest(places, outcome?, warnings, seconds)?;
    Ok(document::write(folder.join(Manifest::FILE), &manifest)?)
}

/// Threads for each of so many steps at once.
fn threads(jobs: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (cores / jobs).max(1)
}

/// Makes the folder of a step. What was left half-done goes, but for the checkpoint of a training,
/// which is resumed.
fn prepare(step: &Step, folder: &Path, settings: &Value) -> Result<(), Error> {
    if is_begun(step.verb, settings) {
        return Ok(());
    }
    if folder.exists() {
        remove(folder)?;
    }
    fs::create_dir_all(folder).map_err(|error| Error::io("cannot create", folder, error))
}

fn log(folder: &Path) -> Result<File, Error> {
    let path = folder.join(LOG);
    let file = File::options().create(true).append(true).open(&path);
    file.map_err(|error| Error::io("cannot write", &path, error))
}

/// The monitor of a step, on its thread.
struct Within<'a> {
    index: usize,
    sender: Sender<Message>,
    stop: &'a AtomicBool,
    log: Option<File>,
    stage: String,
    percent: u64,
    began: Instant,
    warnings: Vec<String>,
}

impl Within<'_> {
    /// Adds a line to the log. A log that cannot be written stops nothing.
    fn write(&mut self, line: &str) {
        if let Some(log) = &mut self.log {
            let _ = writeln!(log, "{line}");
        }
    }
}

impl Monitor for Within<'_> {
    fn progress(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        let percent = progress
            .total
            .map_or(0, |total| 100 * progress.done / total.max(1));
        let is_new = progress.stage != self.stage;
        if is_new {
            self.stage = progress.stage.to_string();
            let elapsed = self.began.elapsed();
            self.write(&format!(
                "{:8.1} s  {}",
                elapsed.as_secs_f64(),
                progress.stage
            ));
        }
        if is_new || percent != self.percent {
            self.percent = percent;
            let _ = self.sender.send(Message::At(
                self.index,
                format!("{} {percent} %", self.stage),
            ));
        }
        if self.stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn warn(&mut self, warning: &Warning) {
        self.write(&format!("warning: {}", warning.message));
        self.warnings.push(warning.message.clone());
        let _ = self
            .sender
            .send(Message::Warning(self.index, warning.clone()));
    }
}
