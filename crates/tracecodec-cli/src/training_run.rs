//! A training as the command line runs one: its budget and its folder, its progress, and Ctrl-C.

use std::fmt::Display;
use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use indicatif::ProgressBar;
use tracecodec_nn::Device;
use tracecodec_nn::model::{CHECKPOINT, Kind};
use tracecodec_nn::train::{Progress, Report, Session};

use crate::failure::Hint;
use crate::input::progress_bar;
use crate::interrupt;

/// Length of the progress bar: fine enough that even a long training moves on with each step, which its time left is told by.
const BAR: u64 = 1_000_000;

/// How a training is run, whatever is trained.
#[derive(Debug, Args)]
pub(crate) struct TrainingArgs {
    /// Folder to write.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Optimiser steps.
    #[arg(long, value_name = "N", conflicts_with = "minutes")]
    pub(crate) steps: Option<u64>,
    /// Train for so many minutes, preparation and validations included; the result then depends on the machine.
    #[arg(long, value_name = "M")]
    pub(crate) minutes: Option<f64>,
    /// Names all random numbers [default: 0].
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Threads on the CPU; the result does not depend on them.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) threads: Option<usize>,
    /// Go on with a training of the same data and settings that was interrupted, to the same weights.
    #[arg(long, conflicts_with = "overwrite")]
    pub(crate) resume: bool,
    /// Replace a model that the folder holds.
    #[arg(long)]
    pub(crate) overwrite: bool,
}

impl TrainingArgs {
    /// The training, which begins now.
    pub(crate) fn session(&self, device: Device) -> Session<'_> {
        Session {
            resume: self.resume,
            threads: self.threads,
            device,
            ..Session::new(&self.output)
        }
    }

    /// Refuses a folder that holds something else, or a model of this kind that is not to be replaced. A folder called `spare` within
    /// is what a killed training was preparing: no loss.
    pub(crate) fn check_output(&self, model: Kind, spare: Option<&str>) -> Result<()> {
        let name = self.output.display();
        let holds = |file: &str| self.output.join(file).exists();
        let is_empty = fs::read_dir(&self.output).map_or(true, |entries| {
            let mut names = entries.flatten().map(|entry| entry.file_name());
            names.all(|name| spare.is_some_and(|spare| name == *spare))
        });
        let is_other = Kind::ALL
            .iter()
            .any(|other| *other != model && holds(other.file()));
        let is_ours = !is_other && (holds(model.file()) || holds(CHECKPOINT));
        if self.resume && holds(CHECKPOINT) {
            return Ok(());
        }
        if self.resume {
            return Err(Hint::error(
                format!("{name}: no checkpoint there"),
                "a training that ended leaves none; leave --resume out to begin one",
            ));
        }
        if self.overwrite && is_ours {
            return remove_if_there(&self.output.join(CHECKPOINT));
        }
        if is_empty {
            return Ok(());
        }
        Err(match is_ours {
            true if holds(CHECKPOINT) => Hint::error(
                format!("{name}: a training was interrupted there"),
                "--resume goes on with it, --overwrite begins anew",
            ),
            true => Hint::error(
                format!("{name}: the folder holds a model already"),
                "--overwrite replaces it",
            ),
            false => Hint::error(
                format!("{name}: the folder is not empty"),
                "choose a new or an empty folder",
            ),
        })
    }
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The progress bar of a training, which Ctrl-C stops at the end of a step.
pub(crate) struct TrainingBar {
    bar: ProgressBar,
    /// What the model is trained on, in the plural.
    examples: &'static str,
}

impl TrainingBar {
    /// An empty bar.
    pub(crate) fn new(examples: &'static str) -> Self {
        let bar = progress_bar(Some(BAR), "training");
        Self { bar, examples }
    }

    /// Shows where the training stands; whether it is to go on.
    pub(crate) fn show<V: Display>(&self, progress: &Progress<'_, V>) -> ControlFlow<()> {
        let is_first = self.bar.position() == 0;
        self.bar.set_position((BAR as f64 * progress.share) as u64);
        if is_first {
            // What a resumed training has behind it says nothing of its speed.
            self.bar.reset_eta();
        }
        let validation = progress
            .validation
            .map_or(String::new(), |v| format!(", {v}"));
        self.bar.set_message(format!(
            "step {}, loss {:.2}{validation}, {:.0} {}/s",
            progress.step, progress.loss, progress.examples_per_second, self.examples
        ));
        match interrupt::check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// Tells on stderr what a person should know of a training that ended.
pub(crate) fn warn<V>(report: &Report<V>) {
    if let Some(examples) = report.fewer_validated {
        eprintln!("warning: each validation had no more than {examples} examples");
        eprintln!("hint: the minutes did not allow for more; train for longer");
    }
    if let Some(verdict) = &report.verdict {
        eprintln!("warning: {}", verdict.reason);
        eprintln!("hint: {}", verdict.hint);
    }
}

/// The part of a summary's line on a training that patience ended.
pub(crate) fn stopped_early(stopped: bool) -> &'static str {
    match stopped {
        true => " (stopped early: validation got no better)",
        false => "",
    }
}
