//! How a training is run, whatever is trained: its folder, its budget, its progress.

use std::fmt::Display;
use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracecodec::output;
use tracecodec_nn::Device;
use tracecodec_nn::model::{CHECKPOINT, Kind};
use tracecodec_nn::train::{self, Report, Session};

use crate::error::Error;
use crate::files::claim;
use crate::monitor::{Monitor, Progress, Warning};

/// Work of a whole training, in the units of its progress: fine enough that even a long training
/// moves on with each step.
const WHOLE: u64 = 1_000_000;

/// How a training is run. A field that is `None` has the value of the settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// Folder to write.
    pub output: PathBuf,
    /// Optimiser steps.
    #[serde(default)]
    pub steps: Option<u64>,
    /// Minutes to train for, preparation and validations included; the result then depends on the
    /// machine.
    #[serde(default)]
    pub minutes: Option<f64>,
    /// Seed of every random stream.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Threads on the CPU; `None`: as many as there are cores. The result does not depend on them.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Continue a training of the same data and settings that was interrupted, to the same weights.
    #[serde(default)]
    pub resume: bool,
    /// Replace a model that the folder holds.
    #[serde(default)]
    pub overwrite: bool,
}

impl Training {
    /// A training into a folder, with the budget of the settings.
    pub fn new(output: impl Into<PathBuf>) -> Self {
        Self {
            output: output.into(),
            ..Self::default()
        }
    }

    /// Sets the number of optimiser steps.
    pub fn with_steps(self, steps: u64) -> Self {
        Self {
            steps: Some(steps),
            ..self
        }
    }

    /// The training, which begins now.
    pub(crate) fn session(&self, device: Device) -> Session<'_> {
        Session {
            resume: self.resume,
            threads: self.threads,
            device,
            ..Session::new(&self.output)
        }
    }

    /// Replaces the budget of the settings.
    pub(crate) fn apply(&self, seed: &mut u64, steps: &mut u64, minutes: &mut Option<f64>) {
        *seed = self.seed.unwrap_or(*seed);
        if let Some(wanted) = self.steps {
            (*steps, *minutes) = (wanted, None);
        }
        *minutes = self.minutes.or(*minutes);
    }

    /// Refuses a folder that holds something else, or a model of this kind that is not to be
    /// replaced. A folder called `spare` within is what a killed training was preparing: no loss.
    pub(crate) fn claim(&self, kind: Kind, spare: Option<&str>) -> Result<(), Error> {
        claim::folder(&self.output)?;
        let name = self.output.display();
        let holds = |file: &str| self.output.join(file).exists();
        let is_empty = fs::read_dir(&self.output).map_or(true, |entries| {
            let mut names = entries.flatten().map(|entry| entry.file_name());
            names.all(|name| {
                spare.is_some_and(|spare| name == *spare) || output::is_temporary(name.as_ref())
            })
        });
        let is_other = Kind::ALL
            .iter()
            .any(|other| *other != kind && holds(other.file()));
        let is_ours = !is_other && (holds(kind.file()) || holds(CHECKPOINT));
        if self.resume && holds(CHECKPOINT) {
            return Ok(());
        }
        if self.resume {
            return Err(Error::refused(
                format!("{name}: no checkpoint there"),
                "a training that ended leaves none; leave `resume` out to begin one",
            ));
        }
        if self.overwrite && is_ours {
            return remove_if_there(&self.output.join(CHECKPOINT));
        }
        if is_empty {
            return Ok(());
        }
        Err(if !is_ours {
            Error::exists(
                format!("{name}: the folder is not empty"),
                "choose a new or an empty folder",
            )
        } else if holds(CHECKPOINT) {
            Error::exists(
                format!("{name}: a training was interrupted there"),
                "`resume` continues it, `overwrite` begins anew",
            )
        } else {
            Error::exists(
                format!("{name}: the folder holds a model already"),
                "`overwrite` replaces it",
            )
        })
    }
}

fn remove_if_there(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io("cannot remove", path, error))
        }
        _ => Ok(()),
    }
}

/// Forwards the progress of a training to a monitor; `examples` is what the model is trained on, in
/// the plural.
pub(crate) fn progress<V: Display>(
    monitor: &mut dyn Monitor,
    examples: &'static str,
) -> impl FnMut(&train::Progress<'_, V>) -> ControlFlow<()> {
    move |training| {
        let validation = training.validation.map_or_else(String::new, |validation| {
            format!(", validation: {validation}")
        });
        let Some(loss) = training.loss else {
            return monitor.progress(&Progress {
                stage: "preparing",
                ..Progress::default()
            });
        };
        monitor.progress(&Progress {
            stage: "training",
            done: (WHOLE as f64 * training.share) as u64,
            total: Some(WHOLE),
            detail: &format!(
                "step {}, loss {loss:.2}, {:.0} {examples}/s{validation}",
                training.step, training.examples_per_second
            ),
        })
    }
}

/// Warns of what a person should know of a training that ended.
pub(crate) fn warn<V>(report: &Report<V>, monitor: &mut dyn Monitor) {
    if let Some(examples) = report.fewer_validated {
        monitor.warn(
            &Warning::new(format!(
                "each validation had no more than {examples} examples"
            ))
            .with_hint("the minutes did not allow for more; train for longer"),
        );
    }
    if let Some(verdict) = &report.verdict {
        monitor.warn(&Warning::new(verdict.reason.as_str()).with_hint(verdict.hint.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(training: &Training) -> String {
        let error = training.claim(Kind::Codec, Some("spare")).unwrap_err();
        let hint = error.hint().unwrap_or_default().into_owned();
        format!("{error} / {hint}")
    }

    #[test]
    fn test_a_folder_is_claimed_only_if_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut training = Training::new(path(""));
        fs::create_dir(path("spare")).unwrap();
        training.claim(Kind::Codec, Some("spare")).unwrap();
        fs::write(path(Kind::Codec.file()), "{}").unwrap();
        assert!(refusal(&training).contains("holds a model already / `overwrite` replaces it"));
        fs::write(path(CHECKPOINT), "").unwrap();
        assert!(refusal(&training).contains("interrupted there / `resume` continues it"));
        training.resume = true;
        training.claim(Kind::Codec, None).unwrap();
        training.resume = false;
        training.overwrite = true;
        training.claim(Kind::Codec, None).unwrap();
        assert!(!path(CHECKPOINT).exists());
        fs::write(path(Kind::Baseline.file()), "{}").unwrap();
        assert!(refusal(&training).contains("the folder is not empty"));
    }

    #[test]
    fn test_resume_needs_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let training = Training {
            resume: true,
            ..Training::new(folder.path())
        };
        assert!(refusal(&training).contains("no checkpoint there"));
    }

    #[test]
    fn test_steps_and_minutes_replace_each_other() {
        let applied = |training: &Training| {
            let (mut seed, mut steps, mut minutes) = (7, 100, Some(3.0));
            training.apply(&mut seed, &mut steps, &mut minutes);
            (seed, steps, minutes)
        };
        let mut training = Training::new("x");
        assert_eq!(applied(&training), (7, 100, Some(3.0)));
        training.steps = Some(5);
        assert_eq!(applied(&training), (7, 5, None));
        training.minutes = Some(0.5);
        training.seed = Some(1);
        assert_eq!(applied(&training), (1, 5, Some(0.5)));
    }
}
