//! The one training loop, and all files that a training writes.
//!
//! A step takes a batch, cut into micro-batches of a fixed size. Each is computed on the network of
//! its own thread, and the gradients are summed in order and passed to the optimiser: the weights
//! do not depend on the number of threads. A GPU computes several of these micro-batches as one.
//!
//! A `Task` owns the network that is trained, the objective and the validation. The loop owns
//! weights, order, budget, checkpoints, history and manifest.

mod average;
mod best;
mod budget;
mod checkpoint;
mod deadline;
mod history;
mod manifest;
mod optimiser;
mod order;
pub(crate) mod schedule;
mod session;
mod task;
mod verdict;

pub(crate) use budget::{Budget, positive, rule};
pub use history::read_history;
pub use manifest::Manifest;
pub(crate) use optimiser::{Decay, Update};
pub(crate) use order::spread;
pub use session::Session;
pub(crate) use task::{Examples, Position, Task, Validated};
pub use verdict::Verdict;
pub(crate) use verdict::rate_hint;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::parallel::{default_threads, ordered_until};
use crate::weights::Weights;
use average::Average;
use best::Validations;
use checkpoint::{Losses, Standing, State};
use deadline::Deadline;
use optimiser::{Gradient, Moments};
use order::Order;

/// Longest time between two checkpoints.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// To estimate the duration of a validation, at least one in 256 of its examples is tried, and at
/// most one in 16.
const TRIED: [usize; 2] = [256, 16];

/// Progress of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a, V> {
    /// Optimiser steps so far.
    pub step: u64,
    /// Share of the budget that is used, 0 to 1.
    pub share: f64,
    /// Objective of the last step, with augmentation and noise; `None` before the first step of a
    /// session.
    pub loss: Option<f64>,
    /// The last validation.
    pub validation: Option<&'a V>,
    /// Training examples a second since the start, without the time of validations.
    pub examples_per_second: f64,
}

impl<V> Progress<'_, V> {
    /// Progress of a training that prepares its data.
    pub(crate) fn preparing() -> Self {
        Self {
            step: 0,
            share: 0.0,
            loss: None,
            validation: None,
            examples_per_second: 0.0,
        }
    }
}

/// Receives the progress of a training, and may stop it.
pub(crate) type Listener<'a, V> = dyn FnMut(&Progress<'_, V>) -> ControlFlow<()> + 'a;

/// Asks a listener whether to continue, by reporting the same progress again; fails with
/// [`Error::Stopped`] if it wants to stop.
pub(crate) fn asking<'a, V>(
    listener: &'a mut Listener<'_, V>,
    progress: Progress<'a, V>,
) -> impl FnMut() -> Result<(), Error> + 'a {
    move || {
        if listener(&progress).is_break() {
            Err(Error::Stopped)
        } else {
            Ok(())
        }
    }
}

/// Outcome of a training.
#[derive(Debug, Clone, PartialEq)]
pub struct Report<V> {
    /// Number of optimiser steps.
    pub steps: u64,
    /// Every validation, in order.
    pub validations: Vec<V>,
    /// Validation of the weights that were kept.
    pub best: V,
    /// Whether patience ran out before the budget did.
    pub stopped_early: bool,
    /// Training examples a second, without the time of validations.
    pub examples_per_second: f64,
    /// Number of examples of each validation, if the minutes did not allow for as many as the
    /// settings ask for.
    pub fewer_validated: Option<usize>,
    /// Why the model is of no use; `None` if it is of use.
    pub verdict: Option<Verdict>,
}

/// The best model of a training.
struct Finished<V> {
    validations: Vec<V>,
    best: V,
    digest: String,
}

/// Trains a task's model, and writes the best one into the session's folder, with `history.jsonl`
/// and `manifest.json`, which holds `origin`.
///
/// A checkpoint is written at each validation and every minute between, and removed at the end.
/// `progress` is called after each step, and several times a second while a step or a validation
/// is under way. It may stop the training; once there was a step, a checkpoint is then written,
/// too. A step that is stopped does not count, and a validation that is stopped comes first when
/// the training is resumed. A session that resumes continues from the folder's checkpoint, which
/// must be of the same `run`, a digest of settings and data, and gives the same weights as if the
/// training had never stopped.
///
/// # Errors
/// If a setting is out of its range, there are no examples, a file cannot be read or written, the
/// loss is no longer finite, the training was stopped, or the checkpoint is of another run.
pub(crate) fn run<T: Task>(
    task: &mut T,
    budget: &Budget,
    examples: &Arc<impl Examples<Example = T::Example>>,
    session: &Session<'_>,
    run: &str,
    origin: impl Serialize + DeserializeOwned,
    mut progress: impl FnMut(&Progress<'_, T::Validation>) -> ControlFlow<()>,
) -> Result<Report<T::Validation>, Error>
where
    T::Example: 'static,
{
    let clock = || session.started.elapsed();
    let mut trainer = Trainer::new(task, budget, session, &clock);
    let (report, digest) = trainer.train(examples, session, run, &mut progress)?;
    let weight_count = trainer.weights.values.len();
    Manifest::new(T::KIND, origin, &report, weight_count, digest).write(session.folder)?;
    checkpoint::remove(session.folder)?;
    Ok(report)
}

struct Trainer<'a, T: Task> {
    task: &'a mut T,
    budget: &'a Budget,
    /// Time since the work on the training began.
    clock: &'a (dyn Fn() -> Duration + Sync),
    /// Deadline, if the budget is in minutes.
    deadline: Option<Deadline>,
    threads: usize,
    weights: Weights,
    moments: Moments,
    average: Option<Average>,
    steps: u64,
    /// Seconds spent in steps.
    seconds: f64,
    /// Share of the budget that is used.
    share: f64,
    /// Objective of the last step of this session.
    loss: Option<f64>,
    losses: Losses,
    /// Whether a validation comes before the next step.
    is_due: bool,
}

impl<'a, T: Task> Trainer<'a, T>
where
    T::Example: 'static,
{
    fn new(
        task: &'a mut T,
        budget: &'a Budget,
        session: &Session<'_>,
        clock: &'a (dyn Fn() -> Duration + Sync),
    ) -> Self {
        let threads = session.threads.unwrap_or_else(default_threads);
        let weights = Weights::of(task.network());
        Self {
            threads: task.device().threads(threads),
            average: task
                .averaging()
                .map(|decay| Average::new(decay, &weights.values)),
            task,
            budget,
            clock,
            deadline: None,
            moments: Moments::new(weights.values.len()),
            weights,
            steps: 0,
            seconds: 0.0,
            share: 0.0,
            loss: None,
            losses: Losses::default(),
            is_due: false,
        }
    }

    /// Trains until the budget or the patience is used up; returns the outcome and the digest of
    /// the best weights' file.
    fn train(
        &mut self,
        examples: &Arc<impl Examples<Example = T::Example>>,
        session: &Session<'_>,
        run: &str,
        progress: &mut Listener<'_, T::Validation>,
    ) -> Result<(Report<T::Validation>, String), Error> {
        self.budget.check()?;
        if examples.len() == 0 {
            return Err(Error::NoData("training"));
        }
        let mut validations = Validations::new(session.folder);
        self.prepare(session, run, &mut validations, progress)?;
        let taken = self.steps * self.budget.batch as u64;
        let mut order = Order::after(taken, examples, self.budget.seed, self.budget.shuffle_pool);
        let mut written = (self.clock)();
        if let Some(deadline) = &mut self.deadline {
            deadline.begin(written);
        }
        let mut validated_at = self.share;
        while self.is_due
            || validations.all().is_empty()
            || (self.share < 1.0 && validations.since_best() < self.budget.patience)
        {
            let mut outcome = Ok(());
            if !self.is_due {
                let examples = order.take(self.budget.batch)?;
                outcome = self.step(&examples, validations.all(), progress);
                let due = self.due(validations.all().len(), validated_at);
                self.is_due = outcome.is_ok() && self.share >= due;
            }
            let (is_due, began) = (self.is_due, (self.clock)());
            if is_due {
                outcome = self.validate(&mut validations, progress);
            }
            if outcome.is_ok() {
                outcome = asking(progress, self.progress(validations.all()))();
            }
            let is_stopped = matches!(outcome, Err(Error::Stopped)) && self.steps > 0;
            if !is_stopped {
                outcome?;
            }
            if is_due || is_stopped || (self.clock)() - written > CHECKPOINT_EVERY {
                self.state(run, &validations).write(session.folder)?;
                written = (self.clock)();
            }
            if is_stopped {
                return Err(Error::Interrupted(self.steps));
            }
            if is_due {
                self.validated(written - began);
                validated_at = self.share;
            }
        }
        let finished = validations.finish();
        let wanted = self.budget.validation_examples;
        let examples = self.deadline.map_or(wanted, |deadline| deadline.examples());
        let report = Report {
            steps: self.steps,
            stopped_early: self.share < 1.0,
            examples_per_second: self.examples_per_second(),
            fewer_validated: (examples < wanted).then_some(examples),
            verdict: self.task.verdict(&finished.best),
            validations: finished.validations,
            best: finished.best,
        };
        Ok((report, finished.digest))
    }

    /// Plans the validations; if the session resumes, continues from a checkpoint.
    fn prepare(
        &mut self,
        session: &Session<'_>,
        run: &str,
        validations: &mut Validations<T::Validation>,
        progress: &mut Listener<'_, T::Validation>,
    ) -> Result<(), Error> {
        let state = if session.resume {
            let (weights, is_averaged) = (self.weights.values.len(), self.average.is_some());
            Some(State::read(session.folder, run, weights, is_averaged)?)
        } else {
            None
        };
        let spent = state.as_ref().and_then(|state| state.standing.spent);
        self.deadline = self
            .budget
            .minutes
            .map(|minutes| Deadline::new(minutes, spent));
        self.plan(spent.is_some(), progress)?;
        match state {
            Some(state) => self.restore(state, validations),
            None => Ok(()),
        }
    }

    /// Draws the examples of validations. If the budget is in minutes, trials with a few examples
    /// determine how many fit.
    fn plan(
        &mut self,
        is_planned: bool,
        progress: &mut Listener<'_, T::Validation>,
    ) -> Result<(), Error> {
        let wanted = self.budget.validation_examples;
        let Some(mut deadline) = self.deadline else {
            return self.task.draw_validation(wanted);
        };
        if !is_planned {
            let [mut tried, most] = TRIED.map(|share| wanted.div_ceil(share));
            let (took, now) = loop {
                self.task.draw_validation(tried)?;
                let began = (self.clock)();
                self.judge(&[], progress)?;
                let now = (self.clock)();
                if tried == most || deadline.suffices(now - began, now) {
                    break (now - began, now);
                }
                tried = most.min(4 * tried);
            };
            deadline.plan(tried, took, wanted, now);
        }
        self.deadline = Some(deadline);
        self.task.draw_validation(deadline.examples())
    }

    /// Continues from the state of an earlier session; its best model is written again.
    fn restore(
        &mut self,
        state: State<T::Validation>,
        validations: &mut Validations<T::Validation>,
    ) -> Result<(), Error> {
        if !state.best.is_empty() {
            self.weights.values = Arc::new(state.best);
            self.task.set_weights(&self.weights);
        }
        validations.restore(&state.standing.validations, &*self.task, &self.weights)?;
        self.weights.values = Arc::new(state.weights);
        self.moments = state.moments;
        if let (Some(average), Some(values)) = (&mut self.average, state.average) {
            average.values = values;
        }
        self.steps = state.standing.steps;
        self.seconds = state.standing.seconds;
        self.losses = state.standing.losses;
        self.is_due = state.standing.is_due;
        self.count();
        Ok(())
    }

    fn state(&self, run: &str, validations: &Validations<T::Validation>) -> State<T::Validation> {
        State {
            standing: Standing {
                run: run.to_string(),
                steps: self.steps,
                seconds: self.seconds,
                spent: self.deadline.map(|deadline| deadline.spent((self.clock)())),
                losses: self.losses,
                validations: validations.all().to_vec(),
                is_due: self.is_due,
            },
            weights: self.weights.values.to_vec(),
            moments: self.moments.clone(),
            best: validations.best_weights().to_vec(),
            average: self.average.as_ref().map(|average| average.values.clone()),
        }
    }

    /// Updates the used share of the budget. The share never decreases, although the duration of a
    /// validation is estimated anew.
    fn count(&mut self) {
        let share = match &self.deadline {
            Some(deadline) => deadline.share((self.clock)()),
            None => self.steps as f64 / self.budget.steps as f64,
        };
        self.share = self.share.max(share);
    }

    /// Share at which the next validation is due, after so many `validations`, the last of them at
    /// share `last`.
    fn due(&self, validations: usize, last: f64) -> f64 {
        let due = (validations + 1) as f64 / f64::from(self.budget.validations.max(1));
        let gap = self.deadline.map_or(0.0, |deadline| deadline.gap());
        due.max(last + gap).min(1.0)
    }

    /// Records the duration of a validation and of writing its files.
    fn validated(&mut self, took: Duration) {
        if let Some(deadline) = &mut self.deadline {
            deadline.validated(took);
        }
        self.count();
    }

    fn examples_per_second(&self) -> f64 {
        self.steps as f64 * self.budget.batch as f64 / self.seconds.max(1e-9)
    }

    fn progress<'v>(&self, validations: &'v [T::Validation]) -> Progress<'v, T::Validation> {
        Progress {
            step: self.steps,
            share: self.share.min(1.0),
            loss: self.loss,
            validation: validations.last(),
            examples_per_second: self.examples_per_second(),
        }
    }

    fn position<'v>(&self, validations: &'v [T::Validation]) -> Position<'v, T::Validation> {
        Position {
            step: self.steps,
            share: self.share,
            batch: self.budget.batch,
            averaged: false,
            validations,
        }
    }

    /// Takes one optimiser step on these examples. If it is stopped, nothing has changed.
    fn step(
        &mut self,
        examples: &[T::Example],
        validations: &[T::Validation],
        progress: &mut Listener<'_, T::Validation>,
    ) -> Result<(), Error> {
        let began = (self.clock)();
        let at = self.position(validations);
        let mut ask = asking(progress, self.progress(validations));
        let (loss, gradient) = self.gradient(examples, &at, &mut ask)?;
        if !loss.is_finite() {
            let step = self.steps;
            return Err(Error::Diverged { step, loss });
        }
        let update = self.task.update(&at);
        // Networks of the step are gone, so that the weights are changed in place.
        let weights = Arc::make_mut(&mut self.weights.values);
        update.apply(self.threads, &mut self.moments, weights, gradient);
        self.task.constrain(weights);
        self.steps += 1;
        if let Some(average) = &mut self.average {
            average.add(&self.weights.values, self.steps);
        }
        self.loss = Some(loss);
        self.losses.add(loss);
        let took = (self.clock)() - began;
        self.seconds += took.as_secs_f64();
        if let Some(deadline) = &mut self.deadline {
            deadline.step(took);
        }
        self.count();
        Ok(())
    }

    /// Loss and gradient of a batch, summed over its micro-batches in order.
    fn gradient(
        &self,
        examples: &[T::Example],
        at: &Position<'_, T::Validation>,
        ask: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<(f64, Gradient), Error> {
        let micro_batch = self.budget.micro_batch;
        let size = self.task.piece(micro_batch);
        let pieces: Vec<&[T::Example]> = examples.chunks(size).collect();
        let before = self.steps as usize * examples.len();
        let results = ordered_until(
            self.threads,
            pieces.len(),
            || {
                let network = self.task.network().clone();
                self.weights.load_tracked(network, self.task.tensors())
            },
            |network, piece| {
                let place = (before + piece * size) / micro_batch;
                let loss = self
                    .task
                    .objective(network, pieces[piece], place as u64, at);
                (f64::from(loss.scalar()), loss.gradient(network))
            },
            ask,
        )?;
        let (losses, gradients): (Vec<f64>, Vec<Vec<f32>>) = results.into_iter().unzip();
        let loss = losses.into_iter().sum();
        Ok((loss, Gradient::sum(self.threads, gradients)))
    }

    /// Validates the weights and, if one is kept, their moving average; returns the better
    /// validation of the two, and its weights.
    fn judge(
        &mut self,
        validations: &[T::Validation],
        progress: &mut Listener<'_, T::Validation>,
    ) -> Result<(T::Validation, Weights), Error> {
        let training_loss = self.losses.mean();
        let mut ask = asking(progress, self.progress(validations));
        let mut at = self.position(validations);
        let averaged = match &self.average {
            None => None,
            Some(average) => {
                let mut weights = self.weights.clone();
                weights.values = Arc::new(average.values.clone());
                self.task.set_weights(&weights);
                at.averaged = true;
                Some((self.task.validate(training_loss, &at, &mut ask)?, weights))
            }
        };
        self.task.set_weights(&self.weights);
        at.averaged = false;
        let validation = self.task.validate(training_loss, &at, &mut ask)?;
        let (step, loss) = (self.steps, validation.loss());
        if !loss.is_finite() {
            return Err(Error::Diverged { step, loss });
        }
        Ok(match averaged {
            Some(averaged) if averaged.0.loss() < loss => averaged,
            _ => (validation, self.weights.clone()),
        })
    }

    /// Validates the model, and saves it if it is the best one.
    fn validate(
        &mut self,
        validations: &mut Validations<T::Validation>,
        progress: &mut Listener<'_, T::Validation>,
    ) -> Result<(), Error> {
        let (validation, weights) = self.judge(validations.all(), progress)?;
        self.losses = Losses::default();
        self.is_due = false;
        self.task.set_weights(&weights);
        validations.record(validation, &*self.task, &weights)
    }
}

#[cfg(test)]
mod tests;
